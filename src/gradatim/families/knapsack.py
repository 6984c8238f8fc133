"""Knapsack: the selection of items of greatest value that fits, or that value.

Weights are uniform, values lie within `spread` of the weight: the closer, the less the ratio of
the two tells. The capacity is 35 to 65 percent of all weight. The optimum is proved by dynamic
programming over weights; every selection that reaches it is right. Instances are told apart by
their items, whatever their order, and the capacity.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from math import comb
from typing import Any

import numpy as np

from gradatim.checkers.extract import UNPARSED, extract
from gradatim.checkers.lists import locate, parse
from gradatim.checkers.numbers import stated as stated_number
from gradatim.families.knobs import complete, mode
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

LONGEST = 2000  # characters of a reply's final line

_ITEMS = (4, 5, 6, 7, 8, 10, 12, 14, 17, 20)
LADDER = {
    level: {"items": _ITEMS[level - 1], "weight": 30, "spread": 5, "ask": "items"}
    for level in range(1, 11)
}

KNOBS = {
    "items": Knob("how many items there are", 6, 3, 24),
    "weight": Knob("largest weight", 30, 5, 200),
    "spread": Knob("how far a value may lie from the weight", 10, 1, 100),
    "ask": Knob("which items, or only their value", "items", choices=("items", "value")),
}

_ASK = {
    "items": (
        "Choose items so that their total weight is at most {capacity} and their total value is "
        "as large as possible.",
        "Answer with the numbers of the chosen items separated by spaces, and nothing else.",
    ),
    "value": (
        "Items are chosen so that their total weight is at most {capacity} and their total value "
        "is as large as possible.",
        "Answer with that largest total value as a number, and nothing else.",
    ),
}


def _optimum(weights: list[int], values: list[int], capacity: int) -> tuple[int, list[int]]:
    """Best value and a selection that has it, by dynamic programming over weights."""
    best = np.zeros(capacity + 1, np.int64)
    rows = [best]
    for weight, value in zip(weights, values, strict=True):
        if weight <= capacity:
            best = best.copy()
            np.maximum(best[weight:], rows[-1][: capacity + 1 - weight] + value, out=best[weight:])
        rows.append(best)
    left, chosen = capacity, []
    for i in range(len(weights) - 1, -1, -1):
        if rows[i + 1][left] != rows[i][left]:
            chosen.append(i)
            left -= weights[i]
    return int(best[capacity]), chosen[::-1]


def make(stream: Stream, *, items: int, weight: int, spread: int, ask: str) -> Draft:
    """One instance with its optimum."""
    weights = [1 + stream.below(weight) for _ in range(items)]
    values = []
    for w in weights:
        low = max(1, w - spread)
        values.append(low + stream.below(w + spread - low + 1))
    capacity = sum(weights) * (35 + stream.below(31)) // 100
    best, chosen = _optimum(weights, values, capacity)
    answer = " ".join(str(i + 1) for i in chosen) if ask == "items" else str(best)
    pairs = list(zip(weights, values, strict=True))
    shown = "\n".join(f"{i}: weight {w}, value {v}" for i, (w, v) in enumerate(pairs, 1))
    task, form = _ASK[ask]
    weighing = " + ".join(str(weights[i]) for i in chosen)
    valuing = " + ".join(str(values[i]) for i in chosen)
    return Draft(
        prompt=(f"{task.format(capacity=capacity)} Each item can be chosen once.\n{shown}\n{form}"),
        answer=answer,
        canonical=f"{ask} {capacity}: {' '.join(f'{w}/{v}' for w, v in sorted(pairs))}",
        solution=(
            f"Items {' '.join(str(i + 1) for i in chosen)}: weight {weighing} = "
            f"{sum(weights[i] for i in chosen)}, value {valuing} = {best}\n{answer}"
        ),
        meta={
            "ask": ask,
            "weights": weights,
            "values": values,
            "capacity": capacity,
            "best": best,
        },
    )


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply's items fit and have the greatest value, or whether it states that value."""
    found = extract(text) if problem.meta["ask"] == "value" else locate(text)
    if found.answer is None or len(found.answer) > LONGEST:
        return UNPARSED
    meta = problem.meta
    if meta["ask"] == "value":
        value = stated_number(found)
        if value is None:
            return UNPARSED
        right, shown = value == meta["best"], str(value)
    else:
        stated = parse(found.answer, how=found.how)
        if stated is None:
            return UNPARSED
        n, shown = len(meta["weights"]), " ".join(map(str, stated))
        right = len(set(stated)) == len(stated) <= n and all(1 <= i <= n for i in stated)
        right = right and sum(meta["weights"][i - 1] for i in stated) <= meta["capacity"]
        right = right and sum(meta["values"][i - 1] for i in stated) == meta["best"]
    return Verdict(float(right), right, shown, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of a blind guess.

    items: a random non-empty selection, 1 / (2^n - 1). Ties make it somewhat larger, at most
    twice at the ladder's levels (measured in the tests).
    value: a random number up to the greatest value that all items can have together.
    """
    setting = complete(KNOBS, knobs)
    if setting["ask"] == "items":
        return 1 / (2 ** setting["items"] - 1)
    return 1 / (setting["items"] * (setting["weight"] + setting["spread"]))


def space(knobs: Mapping[str, Any]) -> int:
    """At least C(p + n - 1, n) instances: multisets of n of the p pairs of weight and value."""
    setting = complete(KNOBS, knobs)
    spread, n = setting["spread"], setting["items"]
    pairs = sum(w + spread - max(1, w - spread) + 1 for w in range(1, setting["weight"] + 1))
    return comb(pairs + n - 1, n)


@lru_cache(maxsize=4096)
def _read(prompt: str) -> tuple[list[int], list[int], int]:
    """Weights, values and capacity from the prompt's text."""
    capacity = re.search(r"weight is at most (\d+)", prompt)
    pairs = re.findall(r"^\d+: weight (\d+), value (\d+)$", prompt, re.MULTILINE)
    weights, values = [int(w) for w, _ in pairs], [int(v) for _, v in pairs]
    return weights, values, int(capacity[1]) if capacity else 0


def _asks_value(prompt: str) -> bool:
    return "largest total value" in prompt.split("\n")[-1]


def _sums(numbers: list[int]) -> np.ndarray:
    """Sums of all selections, by the number whose bits say what is taken."""
    sums = np.zeros(1, np.int64)
    for number in numbers:
        sums = np.concatenate([sums, sums + number])
    return sums


@lru_cache(maxsize=4096)
def _by_halves(prompt: str) -> tuple[int, list[int]]:
    """Best value and the items of one optimum: all selections of each half, then the best pair.

    Ref: Horowitz and Sahni 1974, Computing partitions with applications to the knapsack problem.
    """
    weights, values, capacity = _read(prompt)
    half = len(weights) // 2
    heavy, dear = _sums(weights[:half]), _sums(values[:half])
    order = np.argsort(heavy, kind="stable")
    heavy, dear = heavy[order], dear[order]
    top = np.maximum.accumulate(dear)  # best of the first half up to each weight
    left = capacity - _sums(weights[half:])
    place = np.searchsorted(heavy, left, side="right") - 1
    total = np.where(left >= 0, top[place] + _sums(values[half:]), -1)
    second = int(total.argmax())
    first = int(order[int(dear[: place[second] + 1].argmax())])
    bits = first | second << half
    return int(total[second]), [i + 1 for i in range(len(weights)) if bits >> i & 1]


def solve(problem: Problem) -> str:
    """Answer from the prompt's text alone, by meeting in the middle."""
    prompt = str(problem.prompt)
    best, items = _by_halves(prompt)
    return str(best) if _asks_value(prompt) else " ".join(map(str, items))


def judge(problem: Problem, answer: str) -> bool:
    """Whether an answer reaches the best value that meeting in the middle finds."""
    prompt = str(problem.prompt)
    best, _ = _by_halves(prompt)
    if _asks_value(prompt):
        return answer.isdigit() and int(answer) == best
    weights, values, capacity = _read(prompt)
    items = [int(word) for word in answer.split()]
    if len(set(items)) < len(items) or not set(items) <= set(range(1, len(weights) + 1)):
        return False
    weight = sum(weights[i - 1] for i in items)
    return weight <= capacity and sum(values[i - 1] for i in items) == best


def effort(problem: Problem) -> float:
    """Selections that survive when items are weighed one by one: none as light has more value.

    Ref: Nemhauser and Ullmann 1969, Discrete dynamic programming and capital allocation.
    """
    weights, values, capacity = _read(str(problem.prompt))
    kept, total = [(0, 0)], 0
    for weight, value in zip(weights, values, strict=True):
        more = [(w + weight, v + value) for w, v in kept if w + weight <= capacity]
        both = sorted(kept + more, key=lambda s: (s[0], -s[1]))
        kept, top = [], -1
        for state in both:
            if state[1] > top:
                kept.append(state)
                top = state[1]
        total += len(kept)
    return float(total)


FAMILY = Family(
    name="knapsack",
    doc="the most valuable items that fit into a knapsack",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    effort=effort,
    effort_unit="undominated selections, over all items",
    judge=judge,
)
VALUE = mode(FAMILY, "value", "the greatest value that fits into a knapsack", ask="value")
