"""The audit: planted faults in families and checkers are found, named and counted."""

import json
import random
from dataclasses import replace

import pytest

import gradatim
from gradatim.audits import audit as audits
from gradatim.audits.probes import PROBES, probe
from gradatim.checkers.extract import UNPARSED
from gradatim.cli import app
from gradatim.errors import ArgumentError
from gradatim.families import gate, registry, stock
from gradatim.types import Verdict

LISTS = registry.get("lists")
YES = Verdict(1.0, True, "yes", "correct")


def failed(family, n=60):
    """Gates that fail, with their first finding."""
    found = gradatim.audit(family, n=n)
    assert found["passed"] == all(row["passed"] for row in found["gates"])
    return {row["gate"]: row["findings"][0] for row in found["gates"] if not row["passed"]}


def checked(check):
    """The lists family under another check."""
    return replace(LISTS, check=check)


def test_a_sound_family_passes_every_gate():
    found = gradatim.audit("family:lists", n=60)
    assert found["passed"]
    assert [row["gate"] for row in found["gates"] if row["failed"]] == []
    assert len(found["gates"]) == 21
    positive, negative = found["false_positive"], found["false_negative"]
    assert (positive.value, positive.n, negative.value, negative.n) == (0.0, 60, 0.0, 60)
    assert positive.high == pytest.approx(0.0602, abs=1e-4)  # Wilson at 0 of 60: z2 / (60 + z2)
    assert found["speed"]["made_per_s"] > 100
    assert found["effort"]["medians"][10] > found["effort"]["medians"][1]


# -- checks that judge wrongly --------------------------------------------------------------------


def test_a_check_that_takes_anything_is_found_by_every_wrong_text():
    found = failed(checked(lambda problem, text: YES))
    assert set(found) == {"nonsense", "question", "neighbours", "common answer", "near misses"}
    assert "with None: passed" in found["nonsense"]
    assert gradatim.audit(checked(lambda problem, text: YES), n=60)["false_positive"].value == 1.0


def test_a_check_that_raises_is_found_with_item_and_text():
    def strict(problem, text):
        return YES if text.strip() == problem.answer else Verdict(0.0, False, None, "wrong")

    said = failed(checked(strict))
    assert "with None: check raised AttributeError" in said["nonsense"]
    item = stock.supply(LISTS, 60)[0].id
    assert f"on item {item} (level 1)" in said["nonsense"]
    assert "is right, but got 0.0 (wrong)" in said["own answers"]


def test_a_check_that_refuses_white_space_has_false_negatives_only():
    def bare(problem, text):
        if isinstance(text, str) and text != text.strip():
            return Verdict(0.0, False, None, "unparsed")
        return LISTS.check(problem, text)

    found = gradatim.audit(checked(bare), n=60)
    assert (found["false_positive"].value, found["false_negative"].value) == (0.0, 1.0)
    own = next(row for row in found["gates"] if row["gate"] == "own answers")
    assert own["failed"] == 60 * 2  # natural and compact answer, the one form of nine with spaces


def test_a_check_that_reads_the_first_answer_takes_hedges():
    def first(problem, text):
        if isinstance(text, str) and text.startswith(f"The answer is {problem.answer}"):
            return YES
        return LISTS.check(problem, text)

    assert " or " in failed(checked(first))["near misses"]


def test_a_check_that_forgets_the_last_number_is_found_by_near_misses():
    def short(problem, text):
        verdict = LISTS.check(problem, text)
        started = verdict.answer and problem.answer.startswith(f"{verdict.answer} ")
        return YES if started else verdict

    assert "near misses" in failed(checked(short))


def test_a_check_that_hangs_on_the_question_or_memorises_a_neighbour():
    memorised = stock.supply(LISTS, 60)[10].answer

    def parrot(problem, text):
        return YES if text == memorised else LISTS.check(problem, text)

    assert "is wrong by the rule" in failed(checked(parrot))["neighbours"]

    def echo(problem, text):
        return YES if text == problem.prompt else LISTS.check(problem, text)

    assert set(failed(checked(echo))) == {"question"}


# -- families that do not keep what they say ------------------------------------------------------


def test_faults_of_the_ladder_and_the_space_are_found():
    falling = replace(LISTS, effort=lambda problem: -len(problem.answer))
    assert "level 10 takes no more than level 1" in failed(falling)["effort"]
    assert "level 2 takes" in str(stock.effort(falling, stock.supply(LISTS, 500)).findings[0])
    dip = replace(LISTS, effort=lambda problem: 3 if problem.level == 8 else problem.level)
    (only,) = stock.effort(dip, stock.supply(LISTS, 500)).findings
    assert str(only) == "gate 'effort': level 8 takes 3 steps on digits, level 7 7 (median)"
    assert "measures no effort" in failed(replace(LISTS, effort=None))["effort"]
    rising = replace(LISTS, floor=lambda knobs: knobs["length"] / 100)
    assert "floor rises from 0.03 to 0.04" in failed(rising)["ladder"]
    outside = replace(LISTS, ladder=lambda level: {"length": 3 * level + 12})
    assert "level 10" in failed(outside)["executable"]
    clash = replace(LISTS, solve=lambda problem: "1 2 3")
    assert "'1 2 3': the solver's answer" in failed(clash)["matches the original"]


def test_faults_of_the_supply_are_found():
    def few(stream, **knobs):
        return LISTS.nth(stream.below(40), **knobs)

    said = failed(replace(LISTS, make=few))
    assert "items repeat others" in said["unique"]

    def again(stream, **knobs):
        return LISTS.make(stream, **knobs)._replace(canonical=str(random.random()))

    assert "single-valued" in failed(replace(LISTS, make=again))


def test_a_constant_answer_is_measured_beside_the_stated_floor():
    found = gradatim.audit("family:lists", n=200)
    assert found["floor"]["constant"].value < 0.1
    assert found["floor"]["stated"]["1"] == pytest.approx(LISTS.floor(LISTS.ladder(1)))
    always = replace(LISTS, judge=lambda problem, answer: True)
    measured = audits._floor(always, stock.supply(always, 60))["constant"]
    assert measured.value == 1.0


def test_neighbouring_seeds_that_share_items_are_found():
    shifted = stock.supply(LISTS, 100, seed=4)
    assert not stock.seeds(shifted, stock.supply(LISTS, 100, seed=5)).failed
    said = stock.seeds(shifted, shifted[10:] + shifted[:10])
    assert "pairs are shared, by chance at most" in str(said.findings[0])


def test_contents_in_both_splits_are_found():
    train = stock.supply(LISTS, 50)
    leaked = [*stock.supply(LISTS, 50, split="test"), replace(train[3], split="test")]
    outcome = stock.splits(train, leaked)
    assert (outcome.failed, outcome.items) == (1, {train[3].id})


def test_every_process_makes_the_same_items():
    assert audits.processes("lists").failed == 0


# -- verifiers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PROBES))
def test_our_checkers_are_not_fooled(name):
    found = gradatim.audit(f"verifier:{name}", n=60)
    assert [row["findings"] for row in found["gates"] if row["failed"]] == []
    assert found["false_positive"].n == 60
    assert sum(row["tried"] for row in found["gates"]) > 1500


def test_a_fooled_checker_is_found_by_its_probe():
    lax = replace(probe("number"), check=lambda problem, text: YES if text else UNPARSED)
    problems = stock.supply(lax, 20)
    assert gate.near_misses(lax, problems).failed > 20


def test_a_family_can_be_audited_as_a_verifier():
    found = gradatim.audit("verifier:lists", n=40)
    assert found["passed"]
    assert "speed" not in found


# -- the verb -------------------------------------------------------------------------------------


def test_the_verb_prints_a_table_or_one_value(capsys):
    assert app.run(["audit", "verifier:number", "-n", "30"]) == 0
    shown = capsys.readouterr().out
    assert "verifier:number: passes, 30 items" in shown
    assert "near misses" in shown
    assert app.run(["audit", "verifier:number", "-n", "30", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["false_positive"]["high"] < 0.12


@pytest.fixture
def only_two(monkeypatch):
    """As if one family and one checker were all there is."""
    subjects = {"family": ["family:lists.sum"], "verifier": ["verifier:number"]}
    monkeypatch.setattr(audits, "names", subjects.get)


def test_all_are_audited_with_progress_on_stderr(only_two, capsys):
    ticks = []
    rows = list(audits.audit_all(n=20, progress=ticks.append))
    assert [row["subject"] for row in rows] == ["family:lists.sum", "verifier:number"]
    assert [(tick.done, tick.total) for tick in ticks] == [(0, 2), (1, 2), (2, 2)]
    assert ticks[1].figures == {"failed": 0, "now": "verifier:number"}
    assert app.run(["audit", "--all", "-n", "20"]) == 0
    caught = capsys.readouterr()
    assert caught.out.splitlines()[-1] == "2 of 2 pass"
    assert caught.err.startswith("audit: 0/2 failed 0 now family:lists.sum\n")
    assert "audit: 2/2 in " in caught.err
    assert app.run(["audit", "--all", "-n", "20", "--json", "--quiet"]) == 0
    caught = capsys.readouterr()
    assert [row["passed"] for row in json.loads(caught.out)] == [True, True]
    assert caught.err == ""


def test_what_fails_is_counted_and_named(monkeypatch, capsys):
    monkeypatch.setattr(audits, "names", {"family": [], "verifier": ["verifier:none"]}.get)
    assert app.run(["audit", "--all", "-n", "20"]) == 1
    caught = capsys.readouterr()
    assert caught.out.splitlines()[-1] == "0 of 1 pass; not: verifier:none"
    assert "audit: 1/1 in 0s failed 1\n" in caught.err


def test_what_is_no_subject_is_refused():
    with pytest.raises(ArgumentError, match="a Family or a Template, got 3"):
        audits.audit(3)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--all", "-n", "3"], "`n` must be a whole number of at least 20, got 3"),
        (["lists"], "verifier:NAME, or a file or run folder that is there"),
        (["family:list"], "did you mean 'lists'"),
        (["verifier:numbers"], "did you mean 'number'"),
        (["family:lists", "-n", "3"], "`n` must be a whole number of at least 20, got 3"),
        ([], "give one of FILE, family:NAME, verifier:NAME or --all"),
        (["family:lists", "--all"], "give one of FILE, family:NAME, verifier:NAME or --all"),
    ],
)
def test_mistakes_are_one_line(argv, said, capsys):
    assert app.run(["audit", *argv]) == 2
    assert said in capsys.readouterr().err
