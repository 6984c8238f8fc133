"""Does a score hang on the layout of the prompt? Accuracy and answers under several layouts.

Layouts are templates, orders of options, places of examples: what should not matter.
Axes: `layout`, `item`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import clustered_mean
from gradatim.evaluation.variance import block_test
from gradatim.types import Estimate


class Layouts(NamedTuple):
    """What changes with the layout; each layout beside the reference.

    Attributes:
        accuracy: (layout,) Estimate over items.
        change: (layout,) Estimate of accuracy less the reference's, paired by item.
        flips: (layout,) Estimate of the share of items whose outcome, or answer where answers are
            given, is another than under the reference.
        own: share that two attempts under one layout have in different outcomes; NaN without a
            second attempt.
        excess: (layout,) Estimate of flips less what attempts under one layout flip by
            themselves; NaN without a second attempt.
        p_value: of layouts that do not change the accuracy, see `variance.block_test`.
        unstable: (layout,) bool, by more than is tolerated, for sure.
    """

    accuracy: Estimate
    change: Estimate
    flips: Estimate
    own: float
    excess: Estimate
    p_value: float
    unstable: np.ndarray


def layout_effects(
    solved: np.ndarray,
    tried: np.ndarray | None = None,
    *,
    said: np.ndarray | None = None,
    reference: int = 0,
    tolerated: float = 0.05,
    level: float = 0.95,
) -> Layouts:
    """Accuracy change and flip rate over layouts, on the same items.

    Args:
        solved: (layout, item) number of right attempts.
        tried: (layout, item) attempts >= 1; None: one each.
        said: (layout, item) labels of the answers, with one attempt each: a wrong answer may
            change to another wrong one. None: outcomes.
        reference: index of the layout that the others are held against.
        tolerated: size of a change, or of flips, that does not matter.
        level: coverage of each interval.

    Returns:
        Layouts. Flips count as unstable where attempts were repeated and flip less under one
        layout, or where there is one attempt each: then attempts should be greedy, or what is
        chance and what is layout cannot be told.

    Raises:
        ArgumentError: fewer than two layouts or items, shapes that do not fit, counts that cannot
            be.

    Ref: Cobbina & Zhou 2025, Where to Show Demos in Your Prompt, arXiv:2507.22887 (accuracy change
    and prediction change); differs: paired intervals, and flips of repeated attempts taken off.

    >>> right = np.array([[1, 1, 1, 0, 0, 1], [1, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 1]])
    >>> found = layout_effects(right)
    >>> found.change.value.round(2), found.flips.value.round(2)
    (array([ 0. ,  0. , -0.5]), array([0.  , 0.33, 0.5 ]))
    """
    solved = np.asarray(solved, dtype=float)
    tried = np.ones_like(solved) if tried is None else np.asarray(tried, dtype=float)
    sizes = checks.shapes(solved=(solved, "layout item"), tried=(tried, "layout item"))
    if min(sizes["layout"], sizes["item"]) < 2:
        raise ArgumentError(f"`solved` must hold two layouts and two items, got {solved.shape}")
    checks.within(*checks.AT_LEAST_1, tried=tried)
    checks.within(0, 1, rate=solved / tried)
    checks.whole(0, sizes["layout"] - 1, reference=reference)
    rate = solved / tried
    first = rate[reference]
    flips = rate * (1 - first) + first * (1 - rate)
    flips[reference] = 0
    excess = np.full_like(flips, np.nan)
    own = np.nan
    if said is not None:
        checks.shapes(solved=(solved, "layout item"), said=(said, "layout item"))
        flips = (np.asarray(said) != np.asarray(said)[reference]).astype(float)
    elif tried.min() > 1:
        alone = 2 * rate * (1 - rate) * tried / (tried - 1)
        excess = flips - (alone + alone[reference]) / 2
        excess[reference] = 0
        own = float(alone.mean())
    change = _by_item(rate - first, level)
    flipped, above = _by_item(flips, level), _by_item(excess, level)
    judged = flipped if np.isnan(own) else above
    unstable = (change.low > tolerated) | (change.high < -tolerated) | (judged.low > tolerated)
    return Layouts(
        accuracy=_by_item(rate, level),
        change=change,
        flips=flipped,
        own=own,
        excess=above,
        p_value=block_test(rate)[2],
        unstable=unstable,
    )


def _by_item(table: np.ndarray, level: float) -> Estimate:
    """(layout,) means over items with Student's t; NaN rows stay NaN."""
    n = table.shape[1]
    value = table.mean(axis=1)
    half = special.stdtrit(n - 1, 0.5 + level / 2) * table.std(axis=1, ddof=1) / np.sqrt(n)
    return Estimate(value, value - half, value + half, np.full(len(table), n))


def spread_of_layouts(accuracy: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Mean over layouts, with the error of having tried these and not others.

    >>> print(spread_of_layouts(np.array([0.5, 0.6, 0.7])))
    0.600 [0.352, 0.848] (n=3)
    """
    return clustered_mean(np.asarray(accuracy, float), np.arange(len(accuracy)), level=level)
