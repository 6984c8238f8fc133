"""Success, precision and prudence; abstention by category and difficulty."""

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.abstention import (
    abstention_rates,
    by_family_and_level,
    reliability,
    sayings,
)
from gradatim.families.generation import generate
from gradatim.families.verify import check


def test_s032_success_precision_and_prudence_on_a_fixture():
    # solvable: 2 right, 1 wrong, 1 "I don't know", 1 "unsolvable"
    # unsolvable: 3 say so, 1 answers, 1 "I don't know"
    said = np.array([0, 0, 0, 1, 2, 2, 2, 2, 0, 1])
    none = np.arange(10) >= 5
    solved = np.array([1, 1, 0, 0, 0, 1, 1, 1, 0, 0], bool)
    found = reliability(said, solved, none)
    assert found.precision_solvable.value == 2 / 5
    assert found.precision_unsolvable.value == 3 / 5
    assert found.prudence_solvable.value == found.prudence_unsolvable.value == 1 / 5
    assert found.success.value == 5 / 10
    assert found.false_alarm.value == 1 / 5
    # Wilson's interval of 3 of 5 at 95%, as tables give it
    low, high = found.precision_unsolvable.low, found.precision_unsolvable.high
    assert (round(low, 3), round(high, 3)) == (0.231, 0.882)


def test_s032_always_unsolvable_and_always_an_answer_are_told_apart():
    problems = generate("sat.unsolvable", n=200, level=range(1, 11))
    none = np.array([p.unsolvable for p in problems])
    for texts in (["unsolvable"] * 200, [p.answer for p in problems], ["I don't know"] * 200):
        said = sayings(texts)
        solved = np.array([check(p, t).solved for p, t in zip(problems, texts, strict=True)])
        found = reliability(said, solved, none)
        if texts[0] == "I don't know":
            assert found.success.value == 0
            assert found.prudence_solvable.value == found.prudence_unsolvable.value == 1
        elif len(set(texts)) == 1:
            assert found.precision_solvable.value == 0
            assert found.precision_unsolvable.value == found.false_alarm.value == 1
            assert found.success.value == none.mean()
        else:
            assert found.success.value == 1
            assert found.false_alarm.value == 0


def test_s006_abstention_by_category_and_difficulty_with_intervals():
    problems = generate("equations.unsolvable", n=400, level=range(1, 11))
    # a solver that gives up where there are many unknowns, and guesses 1 1 elsewhere
    texts = ["unsolvable" if p.knobs["unknowns"] > 3 else "1 1" for p in problems]
    said = sayings(texts)
    solved = np.array([check(p, t).solved for p, t in zip(problems, texts, strict=True)])
    rows = abstention_rates(said, solved, by_family_and_level(problems))
    assert len(rows) == 20
    assert sum(row.abstained.n for row in rows) == 400
    for (family, level, none), abstained, right in rows:
        assert family == "equations.unsolvable"
        assert abstained.value == (1.0 if level >= 6 else 0.0)
        assert abstained.low < abstained.high
        assert right.value <= 0.2 if not (none and level >= 6) else right.value == 1.0


def test_intervals_hold_the_rate_nineteen_times_of_twenty():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        said = np.where(rng.random(60) < 0.3, 2, 0)
        found = reliability(said, said == 2, np.ones(60, bool)).precision_unsolvable
        held += found.low <= 0.3 <= found.high
    assert held >= 0.92 * 400


def test_kinds_without_attempts_have_no_share():
    found = reliability(np.array([0]), np.array([True]), np.array([False]))
    assert found.precision_unsolvable is None
    assert found.prudence_unsolvable is None
    empty = reliability(np.zeros(0, int), np.zeros(0, bool), np.zeros(0, bool))
    assert set(empty) == {None}


@pytest.mark.parametrize(
    ("said", "solved", "none", "match"),
    [
        ([0, 1], [True], [False, False], "axis 'attempt'"),
        ([3], [True], [False], r"`said` must lie in \[0, 2\]"),
        ([2], [True], [False], "call a solvable problem so"),
    ],
)
def test_what_cannot_be_is_refused(said, solved, none, match):
    with pytest.raises(ArgumentError, match=match):
        reliability(np.array(said), np.array(solved), np.array(none))
