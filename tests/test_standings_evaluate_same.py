"""A live test is what a replay promised: the same items, scores and errors, of the same answers."""

from typing import Any

import numpy as np
import pytest

from gradatim.engine.calibrate import calibrate
from gradatim.evaluation.picking import Rules
from gradatim.families.generation import generate
from gradatim.files import dumps
from gradatim.standings.evaluate import evaluate
from gradatim.standings.evaluate_folds import hold_out, kept
from gradatim.types import Matrix, Reply, Solver

MODELS, ASKED, ME = 12, 10, 5


@pytest.fixture(scope="module")
def problems():
    return generate("lists", n=40, level=range(1, 11), seed=4)


def recorded_results(problems, samples, *, bent=0.9, missing=0.0):
    """Models by problems, k of n; half of the problems lean to either side of a second ability."""
    rng = np.random.default_rng(3)
    theta, other = rng.normal(size=(2, MODELS))
    lean = np.where(np.arange(len(problems)) % 2, bent, -bent)
    logit = theta[:, None] - rng.normal(size=len(problems)) + np.outer(other, lean)
    tried = samples * (rng.random(logit.shape) >= missing)
    return Matrix(
        solved=rng.binomial(tried, 1 / (1 + np.exp(-logit))),
        tried=tried,
        solvers=tuple(f"m{i}" for i in range(MODELS)),
        items=tuple(problem.id for problem in problems),
    )


def without(matrix, me):
    rows = np.flatnonzero(np.arange(MODELS) != me)
    names = tuple(matrix.solvers[i] for i in rows)
    solved, tried = matrix.solved[rows], matrix.tried[rows]
    return Matrix(solved=solved, tried=tried, solvers=names, items=matrix.items)


def replayed(matrix, samples=None):
    """One model held out, as `evaluate --replay` holds out parts."""
    found = hold_out(
        kept(matrix),
        (np.arange(MODELS) != ME).astype(int),
        enough=1,
        asked=ASKED,
        longest=ASKED,
        rules=Rules(),
        second=True,
        samples=samples,
    )
    return found.walk


def record(path, problems, matrix, me):
    """What one model answered, as `recorded:` reads it."""
    lines = [
        dumps({"problem": p.id, "sample": s, "text": p.answer if s < right else "no"})
        for p, right, tried in zip(problems, matrix.solved[me], matrix.tried[me], strict=True)
        for s in range(tried)
    ]
    path.write_text("\n".join(lines) + "\n")
    return f"recorded:{path}"


def live(problems, solver, matrix, folder, **options: Any):
    others = without(matrix, ME)
    return evaluate(
        solver, calibrate(others), problems=problems, run=folder / "run", recorded=others,
        **{"stop_se": 0.0, "max_items": ASKED, **options},
    )  # fmt: skip


@pytest.mark.parametrize("samples", [1, 4])
def test_a_recorded_solver_tested_live_gets_the_replays_figures(problems, tmp_path, samples):
    matrix = recorded_results(problems, samples)
    promised = replayed(matrix)
    solver = record(tmp_path / "answers.jsonl", problems, matrix, ME)
    found = live(problems, solver, matrix, tmp_path, samples=samples)
    items = [matrix.items.index(step["item"]) for step in found["steps"]]
    assert items == promised.item[0].tolist()
    score = [step["score"] for step in found["steps"]]
    np.testing.assert_allclose(score, promised.score[0], rtol=1e-9)
    assert found["ability"].value == pytest.approx(promised.ability[0, -1], rel=1e-9)
    half = found["misfit"]["score"] * promised.sd[0, -1]
    assert found["score_of_attempts"].high == pytest.approx(min(score[-1] + half, 1))
    # the luck of ten questions' attempts, of forty, is little beside what the test cannot know
    assert found["score_of_attempts"].high <= found["score"].high
    assert found["score"].high < min(score[-1] + 1.2 * half, 1)
    assert (found["made"], found["misfit"]["solvers"]) == (samples * ASKED, MODELS - 1)


def always(requests):
    for request in requests:
        yield [Reply(request, request.first, request.problem.answer, "finished")]


def test_fewer_attempts_than_recorded_are_thought_of_as_such(problems):
    """One attempt a question on a bank of eight: answers are drawn, and each says less."""
    matrix = recorded_results(problems, 8)
    thin, thick = replayed(matrix, samples=1), replayed(matrix, samples=8)
    assert (thin.sd[:, -1] > thick.sd[:, -1]).all()
    np.testing.assert_array_equal(thick.score, replayed(matrix).score)


def test_parts_of_a_bank_that_have_no_problem_here_count_with_their_slopes(problems, tmp_path):
    """25 of 40 problems can be asked; the score is still of 40, at the end as at the start."""
    matrix = recorded_results(problems, 4)
    solver = record(tmp_path / "answers.jsonl", problems, matrix, ME)
    part = live(problems[:25], solver, matrix, tmp_path, samples=4, max_items=25)
    truth = matrix.solved[ME].sum() / 160
    assert (part["items"], part["bank_items"]) == (25, 40)
    assert part["score"].low < truth < part["score"].high
    assert abs(part["score"].value - truth) < 0.06


def test_repeats_of_single_answers_are_noted(problems, tmp_path):
    matrix = recorded_results(problems, 1)
    found = live(problems, Solver(name="always", answer=always), matrix, tmp_path, samples=3)
    assert (
        "one attempt a cell: 3 attempts of a question are taken for independent"
        in (found["notes"][0])
    )
