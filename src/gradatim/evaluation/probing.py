"""Where does a model fail? Spend queries next to the failures seen so far.

Axes: `item` (questions that could be asked), `feature`, `source` (groups of items, such as
documents or families), `asked` (items with an outcome).
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.scale.rates import pass_rate
from gradatim.types import Estimate

PRIOR = 1.0  # queries that a neighbourhood without any weighs like
SURE = 0.8  # certainty with which a source yields too little
BLOCK = 1 << 22  # similarities held at a time


class Probes(NamedTuple):
    """What to ask next.

    Attributes:
        item: (chosen,) int, the promising ones first.
        believed: (item,) float, chance of an error; NaN where an item was asked or pruned.
        pruned: (source,) bool, sources that yield too little.
    """

    item: np.ndarray
    believed: np.ndarray
    pruned: np.ndarray


def next_probes(
    vectors: np.ndarray,
    asked: np.ndarray,
    failed: np.ndarray,
    n: int,
    *,
    source: np.ndarray | None = None,
    near: float = 0.3,
    least: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Probes:
    """The n items likeliest to be failed, by how near they are to failures and to successes.

    The chance of an error is a kernel average of outcomes, pulled to the mean of all where little
    was asked nearby. Items are ranked by draws from what is believed of them (Thompson), so that
    places where nothing is known get queries too; a source whose failures are surely fewer than
    `least` is left out.

    Args:
        vectors: (item, feature) float: embeddings, tags as 0 and 1, difficulty, level.
        asked: (asked,) int, items with an outcome; none at the start.
        failed: (asked,) bool.
        n: items wanted; fewer where fewer are left.
        source: (item,) labels of what can be pruned; None: nothing is.
        near: distance at which an outcome counts e^-1/2, in units of the features' spread.
        least: share of failures that makes a source worth asking.
        rng: of the draws; None starts a fresh one at 0.

    Returns:
        Probes; no item twice, none that was asked.

    Raises:
        ArgumentError: shapes that do not fit, indices of no item, an item asked twice.

    Ref: Song et al. 2025, Discovering Knowledge Deficiencies of Language Models on Massive
    Knowledge Base (SEA): candidates most like observed failures, low-yield sources pruned. Differs:
    successes count against what is near them; no language model proposes questions.

    >>> line = np.linspace(0, 1, 11)[:, None]
    >>> found = next_probes(line, np.array([0, 9]), np.array([False, True]), 2)
    >>> int(np.nanargmax(found.believed))
    10
    """
    vectors = np.asarray(vectors, dtype=float)
    asked, failed = np.asarray(asked, dtype=int), np.asarray(failed, dtype=bool)
    size = checks.shapes(vectors=(vectors, "item feature"))["item"]
    checks.shapes(asked=(asked, "asked"), failed=(failed, "asked"))
    checks.finite(vectors=vectors)
    checks.whole(1, 10**9, n=n)
    checks.within(*checks.POSITIVE, near=near)
    checks.within(0, 1, least=least)
    if len(asked):
        checks.within(0, size - 1, asked=asked)
    if len(np.unique(asked)) < len(asked):
        raise ArgumentError("`asked` must name each item once")
    rng = np.random.default_rng(0) if rng is None else rng
    label = np.zeros(size, dtype=int) if source is None else np.asarray(source)
    checks.shapes(vectors=(vectors, "item feature"), source=(label, "item"))
    code, sources = groups.codes(label)
    pruned = np.zeros(sources, dtype=bool)
    if source is not None and len(asked):
        tried = groups.counts(code[asked], sources)
        wrong = groups.sums(failed, code[asked], sources)
        pruned = (tried > 0) & (pass_rate(wrong, np.maximum(tried, 1), level=SURE).high < least)
    open_ = np.ones(size, dtype=bool)
    open_[asked] = False
    left = np.flatnonzero(open_ & ~pruned[code])
    believed, drawn = np.full((2, size), np.nan)
    alpha, beta = _counts(vectors, left, asked, failed, near=near)
    believed[left] = alpha / (alpha + beta)
    drawn[left] = rng.beta(alpha, beta)
    item = left[np.argsort(-drawn[left], kind="stable")[:n]]
    return Probes(item, believed, pruned)


def _counts(
    vectors: np.ndarray, left: np.ndarray, asked: np.ndarray, failed: np.ndarray, *, near: float
) -> tuple[np.ndarray, np.ndarray]:
    """(left,) failures and successes nearby, with those of PRIOR queries of the mean kind."""
    mean = (failed.sum() + 0.5) / (len(failed) + 1)
    if not len(asked):
        return np.full(len(left), PRIOR * mean), np.full(len(left), PRIOR * (1 - mean))
    spread = vectors.std(axis=0)
    scaled = vectors / np.where(spread > 0, spread, 1) / np.sqrt(vectors.shape[1])
    seen, wrong, right = scaled[asked], np.empty(len(left)), np.empty(len(left))
    squares = (seen**2).sum(axis=1)
    step = max(1, BLOCK // len(asked))
    for at in range(0, len(left), step):
        mine = scaled[left[at : at + step]]
        apart = (mine**2).sum(axis=1)[:, None] - 2 * mine @ seen.T + squares
        weight = np.exp(-np.maximum(apart, 0) / (2 * near**2))
        wrong[at : at + step], right[at : at + step] = weight @ failed, weight @ ~failed
    return wrong + PRIOR * mean, right + PRIOR * (1 - mean)


def yields(failed: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Errors found per query so far, with Wilson's interval.

    >>> print(yields(np.array([True, False, True, False])))
    0.500 [0.150, 0.850] (n=4)
    """
    failed = np.asarray(failed, dtype=bool)
    if not len(failed):
        raise ArgumentError("`failed` must hold at least one outcome, got none")
    found = pass_rate(np.array([failed.sum()]), np.array([len(failed)]), level=level)
    return Estimate(float(found.value[0]), float(found.low[0]), float(found.high[0]), len(failed))
