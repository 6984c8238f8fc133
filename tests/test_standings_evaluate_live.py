"""Live tests: what they begin from, what they may ask, when they stop, and what intervals hold."""

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import readme_check

from gradatim.cli import app
from gradatim.engine.calibrate import calibrate
from gradatim.errors import ArgumentError, FormatError
from gradatim.families.generation import generate
from gradatim.families.read import save
from gradatim.reports.evaluation import save_figure
from gradatim.solvers.simulated import difficulty
from gradatim.standings import evaluate_live
from gradatim.standings.evaluate import evaluate
from gradatim.standings.evaluate_start import closed_items, prior_of
from gradatim.store.run import Run
from gradatim.types import Matrix, Reply, Solver

MODELS = 16


@pytest.fixture(scope="module")
def known():
    """60 problems of two families, 16 simulated learners' results, and the bank of these."""
    problems = [
        *generate("lists", n=45, level=range(1, 11), seed=2),
        *generate("arithmetic", n=15, level=range(1, 11), seed=2),
    ]
    rng = np.random.default_rng(0)
    hard = np.array([difficulty(problem, seed=0) for problem in problems])
    chance = 1 / (1 + np.exp(hard - np.linspace(-3, 3, MODELS)[:, None]))
    matrix = Matrix(
        solved=rng.binomial(1, chance),
        tried=1,
        solvers=tuple(f"m{i}" for i in range(MODELS)),
        items=tuple(problem.id for problem in problems),
    )
    return problems, matrix, calibrate(matrix)


def place(known, run, **options: Any):
    problems, _, bank = known
    options = {"stop_se": 0.0, "max_items": 6, **options}
    return evaluate("sim:2pl", bank, problems=problems, run=run, **options)


def test_intervals_are_widened_by_what_models_held_out_show(known, tmp_path, monkeypatch):
    ticks = []
    with monkeypatch.context() as patch:  # the same items and answers, only not widened
        patch.setattr(evaluate_live, "find_misfit", lambda *_, **__: None)
        narrow = place(known, tmp_path / "a", recorded=known[1])
    wide = place(known, tmp_path / "b", recorded=known[1], progress=ticks.append)
    assert narrow["misfit"] is None
    assert "hold no misfit" in place(known, tmp_path / "c")["notes"][0]
    assert wide["notes"] == []
    assert wide["misfit"]["solvers"] == MODELS
    assert min(wide["misfit"]["score"], wide["misfit"]["ability"]) >= 1.95996
    assert [s["item"] for s in wide["steps"]] == [s["item"] for s in narrow["steps"]]
    for one, other in zip(narrow["steps"], wide["steps"], strict=True):
        assert one["score"] == pytest.approx(other["score"])
    kept = [found["score_of_attempts"] for found in (narrow, wide)]
    half = [(score.high - score.low) / 2 for score in kept]
    if kept[1].low > 0 and kept[1].high < 1:
        assert half[1] / half[0] == pytest.approx(wide["misfit"]["score"] / 1.959964, rel=1e-6)
    assert {tick.stage for tick in ticks} == {"evaluate", "evaluate: misfit"}
    assert "±" in ticks[-1].figures["ability"]
    assert (tmp_path / "b" / "results" / "misfit.json").exists()  # not measured again
    again = place(known, tmp_path / "b", recorded=known[1], progress=(later := []).append)
    assert again["misfit"] == wide["misfit"]
    assert {tick.stage for tick in later} == {"evaluate"}


def test_a_whole_bank_is_asked_again_with_what_was_kept_of_its_misfit(known, tmp_path):
    # after all items of a test nothing is left to be wrong about: kept as null, read as NaN
    options = {"recorded": known[1], "max_items": len(known[0])}
    first = place(known, tmp_path / "a", **options)
    again = place(known, tmp_path / "a", **options)
    assert again["score"] == first["score"]
    assert again["misfit"]["solvers"] == first["misfit"]["solvers"] == MODELS


def test_a_warm_start_needs_fewer_questions(known, tmp_path):
    cold = place(known, tmp_path / "cold", stop_se=0.4, max_items=60)
    warm = place(
        known, tmp_path / "new", stop_se=0.4, max_items=60, warm=tmp_path / "cold", drift=0.2
    )
    assert warm["items"] < cold["items"]
    assert warm["prior"]["ability"] == pytest.approx(cold["ability"].value)
    assert warm["prior"]["sd"] == pytest.approx(np.hypot(cold["se"], 0.2))


def test_what_a_warm_start_may_be(known, tmp_path):
    from dataclasses import replace

    from gradatim.engine.calibrate import save_bank

    bank = known[2]
    assert prior_of(bank, None, 0.5) == (0.0, 1.0)
    linked = replace(bank, fit={**bank.fit, "population": [0.7, 2.0]})
    assert prior_of(linked, None, 0.5) == (0.7, 2.0)
    path = save_bank(tmp_path / "other.parquet", bank)
    found = prior_of(bank, f"{path}:m3", 0.3)
    assert found == (
        pytest.approx(bank.ability[3]),
        pytest.approx(np.hypot(bank.se_ability[3], 0.3)),
    )
    foreign = replace(bank, scale="elsewhere")
    for wrong, words in (
        ((foreign, f"{path}:m3"), "scale elsewhere: abilities of two scales say nothing"),
        ((bank, f"{path}:m99"), "nobody in .* is called 'm99'"),
        ((bank, "nothing"), "must be a run with an evaluation, or BANK"),
        ((bank, (np.nan, 1.0)), "finite ability"),
    ):
        with pytest.raises(ArgumentError, match=words):
            prior_of(*wrong, 0.5)
    Run(tmp_path / "empty")
    with pytest.raises(ArgumentError, match="holds no evaluation"):
        prior_of(bank, tmp_path / "empty", 0.5)


def test_shares_of_kinds_are_kept(known, tmp_path):
    found = place(known, tmp_path / "a", balance="family", max_items=8)
    families = [step["family"] for step in found["steps"]]
    assert families.count("arithmetic") == 2  # 15 of 60
    with pytest.raises(ArgumentError, match="no problem has a field 'colour'"):
        place(known, tmp_path / "a", balance="colour")
    with pytest.raises(ArgumentError) as caught:
        place(known, tmp_path / "a", balance="colour")
    listed = str(caught.value).split("the first has ")[1].split(")")[0].split(", ")
    assert len(listed) == len(set(listed))


def test_an_item_that_enough_tests_had_is_left_out(known, tmp_path):
    bank = known[2]
    tests = [{"items": [bank.items[0], "gone"]}, {"items": [bank.items[0]]}, {"items": []}]
    # with this one four tests: half of them is two, which item 0 has had
    assert np.flatnonzero(closed_items(tests, bank, 0.5)).tolist() == [0]
    assert not closed_items([], bank, 0.1).any()
    first, second = (
        place(known, tmp_path, ability=ability, max_exposure=0.5) for ability in (0.0, 0.1)
    )
    asked = [{step["item"] for step in found["steps"]} for found in (first, second)]
    assert not asked[0] & asked[1]
    again = place(known, tmp_path, ability=0.1, max_exposure=0.5)  # does not count itself
    assert {step["item"] for step in again["steps"]} == asked[1]
    assert again["made"] == 0


def test_other_files_are_named_for_what_they_are(known, tmp_path):
    problems, matrix, _ = known
    save(tmp_path / "problems.jsonl", problems)
    with pytest.raises(FormatError) as caught:
        evaluate("sim:2pl", tmp_path / "problems.jsonl", run=tmp_path / "run")
    assert "expected a bank (Parquet), as `gradatim calibrate` writes it" in str(caught.value)
    assert "--problems" in str(caught.value)
    other = Matrix(solved=matrix.solved[:, :2], tried=1, solvers=matrix.solvers, items=("x", "y"))
    with pytest.raises(ArgumentError) as caught:
        place(known, tmp_path / "a", recorded=other)
    for words in ("0 of the bank's 16 solvers", "2 items ('x', 'y')", "16 solvers ('m0', 'm1',"):
        assert words in str(caught.value)


def test_budgets_of_attempts_and_tokens(known, tmp_path):
    found = place(known, tmp_path / "a", samples=2, max_attempts=7, batch=2, max_items=50)
    assert (found["stopped"], found["items"], found["made"]) == ("max_attempts", 3, 6)
    again = place(known, tmp_path / "a", samples=2, max_attempts=7, batch=2, max_items=50)
    assert (again["made"], again["reused"], again["items"]) == (0, 6, 3)
    few = place(known, tmp_path / "b", max_tokens=20, max_items=50)
    assert few["stopped"] == "max_tokens"
    assert few["tokens"] >= 20
    repeated = place(known, tmp_path / "b", max_tokens=20, max_items=50)
    assert (repeated["tokens"], repeated["items"]) == (few["tokens"], few["items"])


def test_the_score_of_the_attempts_is_certain_at_the_end_the_expected_score_is_not(known, tmp_path):
    found = place(known, tmp_path, max_items=100, batch=20)
    share = np.mean([step["solved"] for step in found["steps"]])
    assert found["items"] == 60
    assert found["score"].value == found["score_of_attempts"].value == pytest.approx(share)
    assert found["score_of_attempts"].high - found["score_of_attempts"].low < 1e-3
    # a rerun has other luck: sixty tosses of coins of .05 to .25 variance
    half = (found["score"].high - found["score"].low) / 2
    assert 1.96 * np.sqrt(0.05 / 60) < half <= 1.96 * np.sqrt(0.25 / 60)
    again = place(known, tmp_path, max_items=100, batch=20, samples=4)
    assert (again["score"].high - again["score"].low) / 2 < 0.7 * half  # four tosses each


def test_what_a_solver_repeats_word_for_word_is_no_luck(known, tmp_path):
    """Three attempts each that always agree: only the belief that they might not is left."""
    problems, _, bank = known

    def answer(requests):
        for request in requests:
            text = request.problem.answer if len(request.problem.prompt) % 2 else "no"
            for sample in range(request.first, request.first + request.n):
                yield [Reply(request, sample, text, "finished")]

    options = {"problems": problems, "stop_se": 0.0, "max_items": 60, "batch": 60}
    half = []
    for samples in (1, 3):
        solver = Solver(name="mine", answer=answer)
        score = evaluate(solver, bank, run=tmp_path / f"{samples}", samples=samples, **options)
        half.append((score["score"].high - score["score"].low) / 2)
    assert half[0] > 0.05
    assert half[1] < 0.02


def test_large_banks_are_shortlisted(known, tmp_path, monkeypatch):
    from gradatim.standings import evaluate_start

    whole = place(known, tmp_path / "a", max_items=3)
    monkeypatch.setattr(evaluate_start, "LISTED", 51)
    monkeypatch.setattr(evaluate_start, "EACH", 17)
    part = place(known, tmp_path / "b", max_items=3)
    assert part["score"].value == pytest.approx(whole["score"].value, abs=0.03)
    assert part["score"].high - part["score"].low == pytest.approx(
        whole["score"].high - whole["score"].low, rel=0.2
    )


def test_one_function_has_both_forms(known):
    matrix = known[1]
    found = evaluate(replay=matrix, items=4, compare_random=6, repeats=2, holdout=0.25)
    assert found["models"] == MODELS
    for options, words in (
        ({"replay": matrix, "stop_se": 0.3}, "`stop_se` has no place beside `replay`"),
        ({"replay": matrix, "solver": "tiny"}, "`solver` has no place beside `replay`"),
        ({"solver": "tiny", "bank": "b", "halves": 3}, "`halves` is for `replay` only"),
        ({"bank": "b"}, "`solver` is missing"),
    ):
        with pytest.raises(ArgumentError, match=words):
            evaluate(**options)


def test_the_verb_and_its_figures(known, tmp_path, capsys):
    from gradatim.engine.calibrate import save_bank

    problems, matrix, bank = known
    save(tmp_path / "problems.jsonl", problems)
    np.savez(
        tmp_path / "m.npz",
        solved=matrix.solved,
        tried=np.ones_like(matrix.solved),
        solvers=matrix.solvers,
        items=matrix.items,
    )
    line = ["evaluate", "sim:2pl", "--bank", str(save_bank(tmp_path / "b.parquet", bank))]
    line += ["--problems", str(tmp_path / "problems.jsonl"), "--run", str(tmp_path / "run")]
    line += ["--max-items", "5", "--stop-se", "0"]
    full = [*line, "--balance", "family", "--recorded", str(tmp_path / "m.npz"), "--top", "2"]
    assert app.run([*full, "--figure", str(tmp_path / "f.svg"), "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["misfit"]["solvers"] == MODELS
    svg = (tmp_path / "f.svg").read_text()
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "Share of the bank solved" in "".join(ElementTree.fromstring(svg).itertext())
    replay = ["evaluate", "--replay", str(tmp_path / "m.npz"), "--items", "5", "--halves", "2"]
    replay += ["--max-exposure", "0.5", "--holdout", "0.25"]
    assert app.run([*replay, "--figure", str(tmp_path / "r.html"), "-q"]) == 0
    text = capsys.readouterr().out
    assert "the cap of 50% adds" in text
    page = (tmp_path / "r.html").read_text()
    assert "Mean error of the predicted score" in page
    assert "Where the model scores the random items too, it takes " in page
    for wrong, words in (
        ([*line, "--items", "3"], "--items is for --replay only"),
        ([*replay, "--stop-se", "0.3"], "--stop-se has no place beside --replay"),
        ([*replay, "--warm", "x"], "--warm has no place beside --replay"),
        ([*line, "--figure", "f.png"], "must end in .svg or .html"),
        ([*line, "--recorded", str(tmp_path / "none.npz")], "none.npz"),
    ):
        assert app.run(wrong) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.count("\n") == 1
        assert words in err
    assert app.run(["report", str(tmp_path / "run")]) == 0
    assert "Where a solver stands" in (tmp_path / "run" / "report.html").read_text()


def test_it_stops_when_the_score_is_surely_on_one_side(known, tmp_path):
    found = place(known, tmp_path, ability=3.0, stop_se=None, max_items=60, cut=0.5)
    assert (found["stopped"], found["cut"]["side"]) == ("cut", "above")
    assert found["score"].low > 0.5
    assert all(step["low"] <= 0.5 <= step["high"] for step in found["steps"][:-1])
    assert 0.975 < found["cut"]["chance"] <= 1
    page = save_figure(found, tmp_path / "cut.html").read_text()
    assert "above 0.5 (chance of more: " in page
    # the same answers: below a cut that is above the interval, and undecided at the score itself
    assert place(known, tmp_path, ability=-3.0, stop_se=None, cut=0.6)["cut"]["side"] == "below"
    level = found["score"].value
    undecided = place(known, tmp_path, ability=3.0, max_items=3, cut=level)
    assert (undecided["stopped"], undecided["cut"]["side"]) == ("max_items", None)
    assert place(known, tmp_path, ability=3.0)["cut"] is None


def test_it_stops_when_the_score_stands_still(known, tmp_path):
    options = {"stop_se": None, "max_items": 60, "stop_steps": 3}
    found = place(known, tmp_path, stop_change=0.02, **options)
    moves = np.abs(np.diff([step["score"] for step in found["steps"]]))
    assert found["stopped"] == "change"
    assert (moves[-3:] < 0.02).all()
    assert not any((moves[i : i + 3] < 0.02).all() for i in range(len(moves) - 3))
    # told of no other aim, a test still stops at the standard error of .25
    assert place(known, tmp_path, stop_se=None, max_items=60)["stopped"] in ("se", "bank")
    for options, words in (
        ({"cut": 1.5}, "`cut` must"),
        ({"stop_change": 0.0}, "`stop_change` must"),
        ({"stop_change": 0.1, "stop_steps": 0}, "`stop_steps` must"),
    ):
        with pytest.raises(ArgumentError, match=words):
            place(known, tmp_path, **options)


def test_after_ctrl_c_nothing_is_asked_twice(known, tmp_path):
    """The third batch is interrupted after its first answer; the same test goes on from there."""
    problems, _, bank = known
    asked: list[tuple[str, int]] = []

    def answer(requests):
        for request in requests:
            for sample in range(request.first, request.first + request.n):
                if len(asked) == stop_at:
                    raise KeyboardInterrupt
                asked.append((request.problem.id, sample))
                text = request.problem.answer if len(asked) % 3 else "no"
                yield [Reply(request, sample, text, "finished")]

    def test(folder):
        return evaluate(
            Solver(name="mine", answer=answer), bank, problems=problems, run=tmp_path / folder,
            stop_se=0.0, max_items=9, samples=2, batch=3,
        )  # fmt: skip

    stop_at = 14
    with pytest.raises(KeyboardInterrupt):
        test("broken")
    assert len(asked) == 14
    assert Run(tmp_path / "broken").read_result("evaluation") is None
    stop_at = None
    found = test("broken")
    assert len(asked) == len(set(asked)) == 18
    assert (found["reused"], found["made"], found["items"]) == (14, 4, 9)
    assert [step["tried"] for step in found["steps"]] == [2] * 9
    assert test("broken")["made"] == 0
    assert len(asked) == 18


def test_json_holds_all_that_the_text_says(known, tmp_path, capsys):
    from gradatim.engine.calibrate import save_bank

    problems, _, bank = known
    save(tmp_path / "problems.jsonl", problems)
    line = ["evaluate", "sim:2pl", "--bank", str(save_bank(tmp_path / "b.parquet", bank)), "-q"]
    line += ["--problems", str(tmp_path / "problems.jsonl"), "--run", str(tmp_path / "run")]
    line += ["--max-items", "4", "--samples", "2", "--cut", "0.5"]
    assert app.run([*line, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert app.run(line) == 0
    text = capsys.readouterr().out
    ability, score = found["ability"], found["score"]
    for words in (
        f"{found['solver']} on scale {found['scale']}, after {found['items']} of 60 items",
        f"ability {ability['value']:+.2f} [{ability['low']:+.2f}, {ability['high']:+.2f}]",
        f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]",
        f"chance that it is above: {found['cut']['chance']:.1%}",
        f"0 attempts made, {found['made']} were there",
        found["notes"][0],
    ):
        assert words in text


@pytest.mark.slow
def test_the_page_on_few_attempts_works():
    assert readme_check.check(readme_check.ROOT / "docs" / "how-to" / "evaluate.md") == 6
