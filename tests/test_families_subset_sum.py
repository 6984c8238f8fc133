import itertools
import random

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.families import subset_sum
from gradatim.families.generation import generate
from gradatim.types import Problem

# 3 + 9 = 12 = 5 + 7; 9 alone is not, 3 twice would be 6
BY_HAND = Problem(
    id="1",
    prompt=(
        "Choose numbers from this list so that their sum is 12. Each number may be chosen at most "
        "as often as it is listed.\n3 5 7 9 9\n"
        "Answer with the chosen numbers separated by spaces, and nothing else."
    ),
    answer="3 9",
    meta={"numbers": [3, 5, 7, 9, 9], "target": 12},
)


def choices(numbers):
    for size in range(1, len(numbers) + 1):
        yield from itertools.combinations(numbers, size)


def test_by_hand():
    for text in (
        "3 9",
        "9 3",
        "5, 7",
        "[7, 5]",
        r"\boxed{9, 3}",
        "The answer is 5 7.",
    ):
        assert subset_sum.check(BY_HAND, text).solved, text
    for text in ("12", "3 3 3 3", "3 9 0", "9 9", "3 4 5", "6 6", "3 9 -12 12"):
        assert subset_sum.check(BY_HAND, text).reason == "wrong", text
    for text in ("", "none", "3 + 9", None, "3 9 " * 1000, "5 7 of these"):
        assert subset_sum.check(BY_HAND, text).reason == "unparsed", text
    assert subset_sum.check(BY_HAND, subset_sum.solve(BY_HAND)).solved
    assert subset_sum.judge(BY_HAND, "9 3")
    assert not subset_sum.judge(BY_HAND, "3 3 3 3")


def test_a_number_counts_as_often_as_it_is_listed():
    twice = Problem(
        id="2",
        prompt=BY_HAND.prompt.replace("sum is 12", "sum is 18"),
        answer="9 9",
        meta={"numbers": [3, 5, 7, 9, 9], "target": 18},
    )
    assert subset_sum.check(twice, "9 9").solved
    assert not subset_sum.check(twice, "3 3 3 9").solved


@pytest.mark.parametrize("level", [1, 5, 9])
def test_check_agrees_with_trying_every_choice(level):
    for p in generate("subset_sum", n=5, level=level, seed=3):
        numbers, target = p.meta["numbers"], p.meta["target"]
        sums = [(c, sum(c) == target) for c in choices(numbers)]
        assert any(right for _, right in sums)
        for chosen, right in random.Random(0).sample(sums, min(len(sums), 300)):
            text = " ".join(map(str, chosen))
            assert subset_sum.check(p, text).solved == right == subset_sum.judge(p, text)


def test_compact_form_takes_early_numbers_first():
    for p in generate("subset_sum", n=60, numbers=5, high=9):
        digits = p.compact.removesuffix("=")[4:]
        assert p.compact == f"z{p.meta['target']:02d}.{digits}="
        right = [
            mask
            for mask in itertools.product((1, 0), repeat=5)  # the earliest taken comes first
            if sum(int(d) for d, m in zip(digits, mask, strict=True) if m) == p.meta["target"]
        ]
        first = "".join(d for d, m in zip(digits, right[0], strict=True) if m)
        assert p.compact_answer == first
        assert subset_sum.check(p, first).solved
    assert generate("subset_sum", n=1, numbers=5, high=10)[0].compact is None


@pytest.mark.parametrize(("n", "high"), [(3, 2), (4, 3), (5, 2)])
def test_floor_is_the_mean_over_every_instance(n, high):
    hits = []
    for numbers in itertools.product(range(1, high + 1), repeat=n):
        sums = [sum(c) for c in choices(numbers)]
        for planted in itertools.combinations(numbers, n // 2):
            hits.append(np.mean([total == sum(planted) for total in sums]))
    floor = subset_sum.floor({"numbers": n, "high": high})
    assert floor == pytest.approx(np.mean(hits), rel=1e-9)


@pytest.mark.parametrize(("n", "high"), [(3, 2), (3, 4), (4, 3)])
def test_space_is_a_lower_bound(n, high):
    found = {
        (tuple(sorted(numbers)), sum(planted))
        for numbers in itertools.product(range(1, high + 1), repeat=n)
        for planted in itertools.combinations(numbers, n // 2)
    }
    assert 0 < subset_sum.space({"numbers": n, "high": high}) <= len(found)


def test_effort_by_hand():
    # 9 9 7 5 3 for 12, - for a number that is left; a node ends when over, or out of reach
    first = ["9", "99", "9-", "9-7", "9--", "9--5", "9---", "9---3", "9----"]
    second = ["-", "-9", "-97", "-9-", "-9-5", "-9--", "-9--3", "-9---"]
    neither = ["--", "--7", "--75", "--7-", "---"]  # 5 + 3 is out of reach of 12
    assert subset_sum.effort(BY_HAND) == len(["", *first, *second, *neither]) == 23


def test_no_choice_says_so():
    odd = Problem(id="3", prompt=BY_HAND.prompt.replace("sum is 12", "sum is 2"), answer="")
    with pytest.raises(ArgumentError, match="no choice of that sum"):
        subset_sum.solve(odd)
