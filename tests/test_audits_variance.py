"""Sections of the audit: seeds, checkpoints, independence, layout, blind, reliability."""

import json
from dataclasses import replace

import numpy as np
import pytest
import readme_check

from gradatim.audits.independence import judge_independence
from gradatim.audits.prompts import find_blind, judge_layouts
from gradatim.audits.scores import SECTIONS, audit_file
from gradatim.audits.subject import Attempts, Subject
from gradatim.audits.variance import judge_checkpoints, judge_consistency, judge_seeds
from gradatim.cli import app
from gradatim.errors import ArgumentError
from gradatim.types import Matrix

ALARM = 0.05 / sum(section.weight for section in SECTIONS)  # what one section gets


def subject(solver, item, score, **columns):
    """Attempts in the order made, without a file."""
    solver, item, score = np.asarray(solver), np.asarray(item), np.asarray(score, dtype=float)
    shape = solver.max() + 1, item.max() + 1
    solved, tried = np.zeros(shape), np.zeros(shape, dtype=int)
    np.add.at(solved, (solver, item), score)
    np.add.at(tried, (solver, item), 1)
    names = [
        tuple(f"{kind}{i}" for i in range(size)) for kind, size in zip("mi", shape, strict=True)
    ]
    columns = {name: np.asarray(column) for name, column in columns.items()}
    first = np.array([np.flatnonzero(item == i)[0] for i in range(shape[1])])
    of_item = {n: c[first] for n, c in columns.items() if (c == c[first][item]).all()}
    of_item = {n: c for n, c in of_item.items() if (c != c[0]).any()}
    return Subject(
        name="attempts",
        matrix=Matrix(solved=solved, tried=tried, solvers=names[0], items=names[1]),
        attempts=Attempts(solver, item, score, columns, ordered=False),
        of_item=of_item,
        alarm=ALARM,
    )


def grid(rng, chance, **columns):
    """Attempts of chances with axes solver, the columns in order, item."""
    where = np.indices(chance.shape).reshape(chance.ndim, -1)
    hits = rng.random(chance.shape).ravel() < chance.ravel()
    named = dict(zip(columns, where[1:-1], strict=True))
    labels = {name: np.asarray(columns[name])[at] for name, at in named.items()}
    return subject(where[0], where[-1], hits, **labels)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def seeds(rng, sd=0.0):
    """Three solvers, 0.1 apart, with five seeds of deviation sd on the logit scale / 4."""
    shift = rng.normal(0, 4 * sd, (3, 5, 1)) - np.array([0, 0.5, 1])[:, None, None]
    return grid(rng, logistic(rng.normal(0, 1, 150) + shift), seed=np.arange(5))


def checkpoints(rng, *, flat=0, slope=1.5):
    """Five runs, ten steps, four subtasks of 50 items; runs do not differ on the last `flat`."""
    able = rng.normal(0, 0.07, (5, 10, 4)) + slope * np.linspace(0, 1, 10)[:, None]
    able += np.linspace(-1, 1, 5)[:, None, None] * (np.arange(4) < 4 - flat)
    chance = logistic(np.repeat(able, 50, axis=2) + rng.normal(0, 1, 200))
    found = grid(rng, chance, step=np.arange(10.0) * 100)
    kind = np.array(["algebra", "logic", "lists", "words"])[np.arange(200) // 50]
    columns = {**found.attempts.columns, "subtask": kind[found.attempts.item]}
    return subject(*found.attempts[:3], **columns)


def repeats(rng, lean=0.0):
    """Two solvers, 80 problems, 6 attempts; `lean` on the attempt before."""
    chance = rng.beta(1, 1, (2, 80))
    hits = np.zeros((6, 2, 80))
    for t in range(6):
        last = hits[t - 1] if t else chance
        hits[t] = rng.random((2, 80)) < np.clip(chance + lean * (last - chance), 0, 1)
    where = np.indices(hits.shape).reshape(3, -1)
    return subject(where[1], where[2], hits.ravel(), attempt=where[0], batch=where[0] // 3)


def layouts(rng, effect=0.0, flips=0.0):
    """Two solvers, 4 layouts, 120 items, two attempts each."""
    base = np.broadcast_to(rng.normal(0, 1.5, (2, 1, 120)), (2, 4, 120))
    own = flips * rng.normal(size=(2, 4, 120))
    shift = effect * np.arange(4)[:, None]
    chance = np.repeat(logistic(base + own - shift)[:, :, None], 2, axis=2)
    names = ["default", "end", "system", "user"]
    return grid(rng, chance, layout=names, attempt=[0, 1])


def blinded(rng, share=0.0):
    """Three solvers, 150 items of four options, with and without the question."""
    known = rng.random(150) < share
    chance = np.empty((3, 2, 150))
    chance[:, 0] = 0.7
    chance[:, 1] = np.where(known, 0.95, 0.25)
    found = grid(rng, chance, blind=[0.0, 1.0])
    columns = {**found.attempts.columns, "n_options": np.full(len(found.attempts.score), 4.0)}
    return subject(*found.attempts[:3], **columns), known


CLEAN = {
    "seeds": (judge_seeds, seeds),
    "checkpoints": (judge_checkpoints, checkpoints),
    "independence": (judge_independence, repeats),
    "layout": (judge_layouts, layouts),
    "blind": (find_blind, lambda rng: blinded(rng)[0]),
}


def alarms(name, n, first=0):
    look, make = CLEAN[name]
    found = [look(make(np.random.default_rng(first + i))) for i in range(n)]
    assert all(one is not None for one in found)
    return np.mean([bool(one["findings"]) for one in found])


@pytest.mark.slow
@pytest.mark.parametrize("name", CLEAN)
def test_sound_data_raise_at_most_one_alarm_in_twenty(name):
    assert alarms(name, 200) <= 0.05


@pytest.mark.parametrize("name", CLEAN)
def test_sound_data_pass(name):
    assert alarms(name, 5, first=10_000) == 0


def test_s189_seeds_that_matter_are_found_and_gaps_in_their_noise_said():
    found = [judge_seeds(seeds(np.random.default_rng(i), sd=0.1)) for i in range(10)]
    assert np.mean([bool(one["findings"]) for one in found]) >= 0.9
    one = found[0]
    assert len(one["systems"]) == 3
    assert one["systems"][0]["seeds"] == 5
    assert one["findings"][0]["kind"] == "seed_noise"
    assert "by the luck of attempts" in one["findings"][0]["words"]
    noise = [note for row in found for note in row["notes"] if "within the noise" in note]
    assert len(noise) >= 5  # 0.1 apart with a deviation near 0.1 over five seeds


def test_s189_probabilities_vary_less_than_verdicts():
    rng = np.random.default_rng(0)
    able = np.linspace(-1, 1, 8)[:, None] + rng.normal(0, 1, 100)
    p = logistic(able + rng.normal(0, 0.1, (2, 3, 8, 1)))  # solver, seed, step, item
    made = grid(rng, p, seed=np.arange(3.0), step=np.arange(8.0))
    columns = {**made.attempts.columns, "p_answer": p.ravel()}
    made = subject(*made.attempts[:3], **columns)
    seeds = judge_seeds(made)
    for row in seeds["systems"]:
        assert row["seeds"] == 3  # of the last step
        assert row["p_answer"]["snr"].value > row["snr"].value
    curves = judge_checkpoints(made)
    assert curves["looked_at"] == "48 checkpoints of 6 runs"
    assert curves["p_answer"]["tau"].value > curves["subtasks"][0]["tau"].value


def test_s189_a_falling_score_is_found_and_a_rising_one_said():
    rises = judge_checkpoints(checkpoints(np.random.default_rng(0)))
    assert rises["findings"] == []
    assert rises["subtasks"][0]["tau"].low > 0.7
    falls = judge_checkpoints(checkpoints(np.random.default_rng(0), slope=-1.5))
    assert falls["findings"][0]["kind"] == "falls"
    assert falls["findings"][0]["names"] == ["all"]


def rising_runs(rng, *, items=200, steps=12):
    """Two runs that level off, and their true scores at twice the last step."""
    step = np.arange(1.0, steps + 1) * 100
    gain, bend = rng.uniform(0.5, 2, (2, 1, 1)), rng.uniform(200, 900, (2, 1, 1))
    hard = rng.normal(0.5, 1, items)

    def chance(at):
        return logistic(gain * (1 - np.exp(-np.asarray(at)[:, None] / bend)) - hard)

    made = grid(rng, chance(step), step=step)
    return made, chance([2 * step[-1]]).mean(axis=(1, 2))


def test_s078_scores_of_later_checkpoints_are_forecast_with_intervals_that_hold():
    held, half = [], []
    for seed in range(10):
        made, truth = rising_runs(np.random.default_rng(seed))
        rows = judge_checkpoints(made)["forecasts"]
        assert [row["at"] for row in rows] == [2400.0, 2400.0]
        for row, true in zip(rows, truth, strict=True):
            held.append(row["forecast"].low <= true <= row["forecast"].high)
            half.append(row["from_half"].low <= row["score"] <= row["from_half"].high)
    assert np.mean(held) >= 0.85
    assert np.mean(half) >= 0.85


def test_a_forecast_says_what_it_cannot_see_and_looks_ahead_only():
    made, _ = rising_runs(np.random.default_rng(0))
    notes = judge_checkpoints(made)["notes"]
    assert any("forecast 0." in note and "at step 2400" in note for note in notes)
    assert any("a jump or a fall" in note for note in notes)
    near = judge_checkpoints(replace(made, ahead=1300.0))["forecasts"][0]
    far = judge_checkpoints(replace(made, ahead=12_000.0))["forecasts"][0]
    assert near["at"] == 1300
    assert near["forecast"].high - near["forecast"].low < far["forecast"].high - far["forecast"].low
    with pytest.raises(ArgumentError, match="a step after the last, 1200 of m0, got 5"):
        judge_checkpoints(replace(made, ahead=5.0))


def test_of_a_training_only_surveys_are_a_curve():
    """A step's own attempts are on other problems each time; the surveys' are not."""
    made, _ = rising_runs(np.random.default_rng(1))
    solver, item, score, columns, _ = made.attempts
    one = solver == 0
    own = np.arange(0, one.sum(), 7)  # attempts of training on some of the same problems
    both = subject(
        np.zeros(one.sum() + len(own), int),
        np.append(item[one], item[one][own]),
        np.append(score[one], np.zeros(len(own))),
        step=np.append(columns["step"][one], columns["step"][one][own]),
        tag=np.append(np.full(one.sum(), "monitor"), np.full(len(own), "train")),
    )
    row = judge_checkpoints(both)["forecasts"][0]
    last = one & (columns["step"] == 1200)
    assert row["score"] == pytest.approx(score[last].mean())


def test_s219_subtasks_without_signal_are_named_and_left_out():
    found = [judge_checkpoints(checkpoints(np.random.default_rng(i), flat=1)) for i in range(10)]
    named = [{n for f in one["findings"] for n in f["names"]} for one in found]
    assert np.mean(["words" in names for names in named]) >= 0.8
    assert np.mean([names <= {"words"} for names in named]) == 1
    ratio = [one["snr_kept"].value / one["snr_all"].value for one in found]
    assert np.mean(np.log(ratio)) > 0  # 4/3 of the signal with sqrt(4/3) of the noise
    row = {row["subtask"]: row for row in found[0]["subtasks"]}
    assert row["algebra"]["snr"].low > row["words"]["snr"].value


def test_s264_attempts_that_depend_on_each_other_are_found():
    found = judge_independence(repeats(np.random.default_rng(0), lean=0.6))
    kinds = {(one["kind"], one["names"][0]) for one in found["findings"]}
    assert {("order", "m0"), ("order", "m1")} <= kinds
    assert {kind for kind, _ in kinds} == {"order", "batch"}
    turned = judge_independence(repeats(np.random.default_rng(0), lean=-0.4))
    assert "make up for the last" in turned["findings"][0]["words"]
    # attempts until the first pass: their order says nothing
    rng = np.random.default_rng(1)
    rows = [(i, t, t == stop) for i in range(60) for stop in [rng.geometric(0.4)]
            for t in range(1, stop + 1)]  # fmt: skip
    item, attempt, hit = np.array(rows).T
    until = judge_independence(subject(np.zeros(len(item), int), item, hit, attempt=attempt))
    assert until is None or until["findings"] == []


def test_s089_layouts_that_change_accuracy_or_answers_are_found():
    found = judge_layouts(layouts(np.random.default_rng(0), effect=0.4))
    assert {one["kind"] for one in found["findings"]} >= {"layout"}
    assert [row["layout"] for row in found["solvers"][0]["layouts"]] == [
        "default", "end", "system", "user",
    ]  # fmt: skip
    assert found["solvers"][0]["reference"] == "default"
    flips = judge_layouts(layouts(np.random.default_rng(0), flips=3.0))
    assert {one["kind"] for one in flips["findings"]} == {"flips"}


def test_s208_items_answerable_without_the_question_are_found_and_left_out():
    made, known = blinded(np.random.default_rng(0), share=0.3)
    found = find_blind(made)
    assert found["findings"]
    assert found["chance"] == 0.25
    gone = np.isin(made.matrix.items, found["left_out"])
    assert gone[known].mean() > 0.9
    assert found["rest"].low < 0.25 < found["rest"].high


def test_s208_a_file_of_options_is_guessed_without_its_questions(tmp_path, capsys):
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(60)])

    def problems(longer):
        for i in range(200):
            right = int(rng.integers(4))
            size = np.full(4, 6) + rng.integers(-2, 3, 4)
            size[right] += longer
            texts = [" ".join(rng.choice(words, n)) for n in size]
            yield {"id": f"q{i}", "question": f"what is {i}?", "options": texts, "answer": right}

    for longer, code in ((0, 0), (3, 1)):
        path = tmp_path / f"{longer}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in problems(longer)))
        assert app.run(["audit", str(path), "--only", "blind", "-q"]) == code
    out = capsys.readouterr().out
    assert "by length of the options alone" in out
    assert "by chance 0.250" in out


def test_reliability_is_said_and_is_no_fault():
    rng = np.random.default_rng(0)
    chance = logistic(rng.normal(0, 1, (12, 1)) - rng.normal(0, 1, 200))
    found = judge_consistency(grid(rng, chance))
    assert found["findings"] == []
    assert found["alpha"].low > 0.8
    assert judge_consistency(grid(rng, chance[:2])) is None


def test_sections_read_files_and_matrices(tmp_path, capsys):
    rng = np.random.default_rng(0)
    made = seeds(rng, sd=0.1)
    rows = [
        {"model": f"m{s}", "item": f"i{i}", "correct": int(c), "seed": int(seed)}
        for s, i, c, seed in zip(*made.attempts[:3], made.attempts.columns["seed"], strict=True)
    ]
    path = tmp_path / "seeds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["audit", str(path), "--only", "seeds", "-q", "--column", "attempt=seed"]
    assert app.run(command) == 1
    assert "15 seeds of 3 systems" in capsys.readouterr().out
    table = made.matrix.solved
    solved = np.vstack([rng.random(150) < row / 5 for row in table for _ in range(4)])
    beside = {"seed": np.tile(np.arange(4), 3), "recipe": np.repeat(["a", "b", "c"], 4)}
    np.savez(tmp_path / "m.npz", solved=solved, **beside)
    found = audit_file(tmp_path / "m.npz", only=["seeds"])
    [section] = found["sections"]
    assert section["looked_at"] == "12 seeds of 3 systems"
    assert [row["system"] for row in section["systems"]] == ["a", "b", "c"]


@pytest.mark.slow
def test_the_page_on_noise():
    assert readme_check.check(readme_check.ROOT / "docs" / "how-to" / "noise.md") == 9
