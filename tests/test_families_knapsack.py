import itertools

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from gradatim.families import knapsack
from gradatim.families.generation import generate
from gradatim.types import Problem

# 1 and 2 weigh 7 and are worth 11, 3 alone is worth 11 too; 1 and 3 do not fit
META = {"ask": "items", "weights": [3, 4, 6], "values": [5, 6, 11], "capacity": 7, "best": 11}
PROMPT = (
    "Choose items so that their total weight is at most 7 and their total value is as large as "
    "possible. Each item can be chosen once.\n"
    "1: weight 3, value 5\n2: weight 4, value 6\n3: weight 6, value 11\n"
    "Answer with the numbers of the chosen items separated by spaces, and nothing else."
)
BY_HAND = Problem(id="1", prompt=PROMPT, answer="3", meta=META)
VALUE = Problem(
    id="2",
    prompt=PROMPT.replace(
        "numbers of the chosen items separated by spaces", "largest total value as a number"
    ).replace("Answer with the largest", "Answer with that largest"),
    answer="11",
    meta={**META, "ask": "value"},
)


def best(meta):
    """By trying every selection."""
    pairs = list(zip(meta["weights"], meta["values"], strict=True))
    return max(
        sum(v for _, v in chosen)
        for size in range(len(pairs) + 1)
        for chosen in itertools.combinations(pairs, size)
        if sum(w for w, _ in chosen) <= meta["capacity"]
    )


def test_by_hand():
    for text in ("3", "1 2", "2, 1", "[1, 2]", r"\boxed{3}", "The answer is 1 2."):
        assert knapsack.check(BY_HAND, text).solved, text
        assert knapsack.check(BY_HAND, text).answer in ("3", "1 2", "2 1")
    for text in ("1", "2 3", "1 3", "3 3", "1 1 2", "0 3", "4", "-1 3", "11"):
        assert knapsack.check(BY_HAND, text).reason == "wrong", text
    for text in ("", "item three", None, "1 and 2", "1 2 " * 2000):
        assert knapsack.check(BY_HAND, text).reason == "unparsed", text
    assert knapsack.solve(BY_HAND) in ("3", "1 2")
    assert knapsack.judge(BY_HAND, "2 1")
    assert not any(knapsack.judge(BY_HAND, text) for text in ("1 3", "2", "3 3", "4"))


def test_the_value_by_hand():
    for text in ("11", "The largest total value is 11.", r"\boxed{11}", "11.0"):
        assert knapsack.check(VALUE, text).solved, text
    assert knapsack.check(VALUE, "16").reason == "wrong"
    assert knapsack.check(VALUE, "1 2").reason == "unparsed"
    assert knapsack.solve(VALUE) == "11"
    assert knapsack.judge(VALUE, "11")
    assert not knapsack.judge(VALUE, "3")


@pytest.mark.parametrize("level", [1, 3, 5])
def test_the_optimum_is_one_and_every_optimum_is_right(level):
    for p in generate("knapsack", n=8, level=level, seed=5):
        n, meta = len(p.meta["weights"]), p.meta
        top = best(meta)
        assert meta["best"] == top
        for size in range(1, n + 1):
            for chosen in itertools.combinations(range(n), size):
                weight = sum(meta["weights"][i] for i in chosen)
                value = sum(meta["values"][i] for i in chosen)
                text = " ".join(str(i + 1) for i in chosen)
                right = weight <= meta["capacity"] and value == top
                assert knapsack.check(p, text).solved == right


def test_integer_programming_agrees():
    for p in generate("knapsack", n=30, level=range(1, 11), seed=9):
        weights, values, capacity = (p.meta[key] for key in ("weights", "values", "capacity"))
        found = milp(
            -np.array(values, float),
            constraints=LinearConstraint(np.array([weights], float), ub=[capacity]),
            integrality=np.ones(len(weights)),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0.0},
        )
        assert p.meta["best"] == round(-found.fun)


def test_the_mode_asks_for_the_value_of_the_same_kind_of_problem():
    for p in generate("knapsack.value", n=20, level=range(1, 11)):
        assert p.verifier == "knapsack.value"
        assert "ask" not in p.knobs
        assert p.answer == str(p.meta["best"]) == knapsack.solve(p)
        assert p.solution.endswith(p.answer)


@pytest.mark.parametrize("level", [1, 3, 6])
def test_floor_is_at_most_half_of_what_guessing_reaches(level):
    shares = []
    for p in generate("knapsack", n=150, level=level):
        n, meta = len(p.meta["weights"]), p.meta
        bits = (np.arange(1, 1 << n)[:, None] >> np.arange(n)) & 1
        fits = bits @ np.array(meta["weights"]) <= meta["capacity"]
        shares.append(np.mean(fits & (bits @ np.array(meta["values"]) == meta["best"])))
    floor = knapsack.floor(knapsack.ladder(level))
    assert floor <= np.mean(shares) * (1 + 1e-9)
    assert np.mean(shares) <= 2 * floor


def test_space_is_a_lower_bound():
    # weights 1..2 would be too few for the knob; 5 weights, values w-1..w+1 from 1 up: 2+3+3+3+3
    assert knapsack.space({"items": 3, "weight": 5, "spread": 1}) == 14 * 15 * 16 // 6


def test_effort_by_hand():
    # kept after item 1: (0,0) (3,5); 2: and (4,6) (7,11); 3: (6,11) beats (7,11): 4 left
    assert knapsack.effort(BY_HAND) == 2 + 4 + 4
