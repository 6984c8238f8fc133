"""How far does it carry: accuracy within and beyond what was trained on, and by what was held out.

Axes: `attempt`, `problem` (label of each attempt), `side` (kinds of held-out problems).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import mean_rate
from gradatim.types import Estimate


class Side(NamedTuple):
    """One kind of held-out problems.

    Attributes:
        name: of the kind.
        accuracy: Estimate over its problems.
        loss: Estimate of the first kind's accuracy minus this one's; None for the first.
    """

    name: str
    accuracy: Estimate
    loss: Estimate | None


def by_held_out(
    score: np.ndarray,
    problem: np.ndarray,
    held_out: np.ndarray,
    names: Sequence[str],
    *,
    level: float = 0.95,
) -> list[Side]:
    """A row for each kind of held-out problems, and what it loses to the nearest kind.

    Problems are the sample; attempts of one problem are averaged. Different kinds hold different
    problems, so losses are unpaired (Welch).

    Args:
        score: (attempt,) float in [0, 1].
        problem: (attempt,) labels.
        held_out: (attempt,) text, the kind of its problem.
        names: kinds from the nearest to the farthest, such as `families.held_out.LEVELS`.
        level: coverage of the intervals.

    Returns:
        One Side for each name. One problem: NaN ends of the loss.

    Raises:
        ArgumentError: a kind without attempts, an unknown kind, a problem of two kinds.

    Ref: Iyer et al. 2022, OPT-IML, arXiv:2212.12017 (three rows); intervals: Welch 1947; where
    all problems are alike, Newcombe 1998, Statistics in Medicine 17:873.

    >>> rows = by_held_out(np.array([1.0, 1, 1, 0]), np.arange(4),
    ...     np.array(["near", "near", "far", "far"]), ["near", "far"])
    >>> rows[1].accuracy.value, rows[1].loss.value
    (0.5, 0.5)
    """
    score, held_out = np.asarray(score, dtype=float), np.asarray(held_out)
    checks.shapes(score=(score, "attempt"), problem=(problem, "attempt"))
    checks.shapes(score=(score, "attempt"), held_out=(held_out, "attempt"))
    checks.within(0, 1, score=score)
    checks.within(*checks.INSIDE, level=level)
    for name in np.unique(held_out).tolist():
        checks.one_of("held_out", name, names)
    code, size = groups.codes(problem)
    kind = groups.codes(held_out)[0]
    if groups.mixed(kind, code, size).any():
        raise ArgumentError("`held_out` says two things of one problem")
    rate, first = groups.means(score, code, size), groups.firsts(code, size)
    found: list[Side] = []
    rates: list[np.ndarray] = []
    for name in names:
        mine = rate[held_out[first] == name]
        if not len(mine):
            raise ArgumentError(f"`held_out` has no attempt of kind '{name}'")
        rates.append(mine)
        loss = None if len(rates) == 1 else _welch(rates[0], mine, level)
        found.append(Side(name, mean_rate(mine, level=level), loss))
    return found


def by_range(
    score: np.ndarray,
    problem: np.ndarray,
    complexity: np.ndarray,
    most: float,
    *,
    level: float = 0.95,
) -> list[Side]:
    """Accuracy within the range of complexity that was trained on, and beyond it.

    Args:
        score, problem, level: see `by_held_out`.
        complexity: (attempt,) float, of its problem (`families.held_out.complexity`).
        most: largest complexity of training.

    Returns:
        Two Sides, "within" and "beyond"; the loss of the second is the gap.

    Ref: Complexity Out of Distribution Generalization 2025 (Bridging Reasoning to Learning).

    >>> found = by_range(np.array([1.0, 1, 0, 1]), np.arange(4), np.array([3, 9, 12, 40]), 10)
    >>> [(side.name, side.accuracy.value) for side in found]
    [('within', 1.0), ('beyond', 0.5)]
    """
    checks.finite(complexity=complexity, most=most)
    side = np.where(np.asarray(complexity) > most, "beyond", "within")
    return by_held_out(score, problem, side, ("within", "beyond"), level=level)


def _welch(first: np.ndarray, second: np.ndarray, level: float) -> Estimate:
    """Difference of two means of different problems, with Welch's interval."""
    value = float(first.mean() - second.mean())
    n = len(first) + len(second)
    if min(len(first), len(second)) < 2:
        return Estimate(value, np.nan, np.nan, n)
    parts = [side.var(ddof=1) / len(side) for side in (first, second)]
    error = sum(parts)
    if error == 0:  # no spread to judge by: the two means' own intervals, squares added
        one, two = mean_rate(first, level=level), mean_rate(second, level=level)
        below = np.hypot(one.value - one.low, two.high - two.value)
        above = np.hypot(one.high - one.value, two.value - two.low)
        return Estimate(value, float(value - below), float(value + above), n)
    freedom = error**2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (first, second), strict=True)
    )
    half = float(special.stdtrit(freedom, 0.5 + level / 2)) * float(np.sqrt(error))
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0), n)
