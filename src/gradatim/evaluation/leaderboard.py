"""A leaderboard on hidden records, shown after each of them: what it gives away; noise.

Each new record of the hidden set has one verdict for each system. Counts are sums over time; the
top is the largest of them. With exact numbers, what changes between two moments is the record.
Axes: `time` (records as they come), `system`.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks


class Top(NamedTuple):
    """The leader at each moment.

    Attributes:
        system: (time,) int; value: (time,) its running count.
    """

    system: np.ndarray
    value: np.ndarray


def running_counts(
    right: np.ndarray, *, epsilon: float = np.inf, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Running counts of right verdicts, with noise that hides each record at all moments together.

    Time is cut into blocks of 1, 2, 4, ... records; each block gets its noise once, and a count is
    the sum of at most one block of each size. So the error grows with log(time)^1.5, where fresh
    noise on each count would have to grow with time.

    Args:
        right: (time, system) bool or 0, 1.
        epsilon: of differential privacy for one record with all its verdicts; infinite: exact.
        rng: of the noise; None starts a fresh one at 0, which hides nothing from who knows that.

    Returns:
        (time, system) float.

    Raises:
        ArgumentError: verdicts that are not in [0, 1]; epsilon not positive.

    Ref: Chan, Shi & Song 2011, Private and Continual Release of Statistics, ACM TISSEC 14:26
    (binary mechanism), Dwork et al. 2010, Differential Privacy under Continual Observation; one
    record changes the counts of all systems, so the scale is that many times larger.

    >>> running_counts(np.array([[1, 0], [1, 1], [0, 1]]))[:, 0]
    array([1., 2., 2.])
    """
    right = np.asarray(right, dtype=float)
    sizes = checks.shapes(right=(right, "time system"))
    checks.within(0, 1, right=right)
    checks.within(*checks.POSITIVE, epsilon=epsilon)
    total = np.cumsum(right, axis=0)
    if np.isinf(epsilon) or not sizes["time"]:
        return total
    rng = np.random.default_rng(0) if rng is None else rng
    levels = sizes["time"].bit_length()
    scale = levels * sizes["system"] / epsilon
    moment = np.arange(1, sizes["time"] + 1)
    for level in range(levels):
        # the block of 2**level records that ends where the higher bits of the moment say
        there = moment >> level & 1 > 0
        block = moment >> level
        noise = rng.laplace(0, scale, (int(block.max()) + 1, sizes["system"]))
        total += np.where(there[:, None], noise[block], 0.0)
    return total


def running_top(
    right: np.ndarray, *, epsilon: float = np.inf, rng: np.random.Generator | None = None
) -> Top:
    """The leader and its count at each moment, from counts with noise.

    Args:
        right, epsilon, rng: see `running_counts`.

    Returns:
        Top. The noise of d systems is d times that of one: hiding the maximum of many sums costs
        far more than hiding one count, and no way of release avoids that.

    Ref: Jain, Raskhodnikova, Sivakumar & Smith 2023, The Price of Differential Privacy under
    Continual Observation, arXiv:2112.00828 (lower bounds for the maximum of sums).

    >>> running_top(np.array([[1, 0], [0, 1], [0, 1]])).system
    array([0, 0, 1])
    """
    counts = running_counts(right, epsilon=epsilon, rng=rng)
    return Top(np.argmax(counts, axis=1), np.max(counts, axis=1))


def given_away(released: np.ndarray, verdict: np.ndarray) -> float:
    """How much of a record's verdict can be told from the change of a released number.

    Args:
        released: (time,) numbers as shown.
        verdict: (time,) bool, of the record that came at that moment.

    Returns:
        Share of records guessed right, by the cut in the changes that guesses best, less the share
        of the commoner verdict, over what is left to that: 0 nothing, 1 everything. NaN where all
        verdicts are the same.

    >>> verdict = np.array([1, 0, 1, 1, 0])
    >>> given_away(np.cumsum(verdict), verdict)
    1.0
    """
    change = np.diff(np.asarray(released, dtype=float), prepend=0.0)
    verdict = np.asarray(verdict, dtype=bool)
    checks.shapes(released=(change, "time"), verdict=(verdict, "time"))
    common = max(verdict.mean(), 1 - verdict.mean())
    if common == 1:
        return np.nan
    order = np.argsort(change, kind="stable")
    placed, hits = change[order], verdict[order]
    ends = np.append(placed[1:] != placed[:-1], True)  # a cut cannot part equal changes
    right = np.cumsum(~hits) + hits.sum() - np.cumsum(hits)  # below the cut wrong, above right
    return float(max(right[ends].max() / len(hits) - common, 0.0) / (1 - common))
