"""Give blocks to the rows that gain most by them: exact where each row's gains fall.

Axes: `row`, `block` (a row's first, second ... block). The gain matrix can be larger than memory
(a million rows), so it is made a part at a time, and never sorted: a sample of rows tells between
which values the last gain that is given lies.
"""

from collections.abc import Callable

import numpy as np

CELLS = 1 << 18  # entries of a gain matrix that are held at once (2 MB, inside the cache)

Gains = Callable[[slice | np.ndarray, int], np.ndarray]


def largest(gains: Gains, rows: int, blocks: int, most: int) -> np.ndarray:
    """(row,) int: how many of the `blocks` largest gains each row has.

    Args:
        gains: (rows wanted, width) -> (block, row) float >= 0, gain of each row's first `width`
            blocks, falling along `block`.
        rows: how many there are, >= 1.
        blocks: how many to give, 0 .. most x rows.
        most: blocks that a row can take.

    Ref: Federgruen and Groenevelt 1986 (greedy is exact for a separable concave worth).

    >>> falling = np.array([[5.0, 4.0], [3.0, 1.0], [2.0, 0.5]])  # two rows, three blocks each
    >>> largest(lambda part, width: falling[:width, part], 2, 4, 3)
    array([3, 1])
    """
    width = min(most, max(16, 4 * blocks // rows))
    given = np.zeros(rows, dtype=np.int64)
    while blocks:
        given = _greedy(gains, rows, width, blocks)
        if width == most or given.max() < width:
            break
        width = min(2 * width, most)  # a row took all that was offered: offer more
    return given


def _bracket(
    gains: Gains, rows: int, width: int, *, blocks: int, slack: float
) -> tuple[float, float]:
    """Two gains between which the `blocks`-th largest lies, judged from a sample of rows.

    `slack` is in standard errors of the sample's count of larger gains.
    """
    if rows * width <= CELLS:
        return 0.0, np.inf
    some = np.sort(np.random.default_rng(0).choice(rows, CELLS // width, replace=False))
    gain = gains(some, width)
    ordered = np.sort(gain, axis=None)[::-1]
    rank = blocks * len(some) / rows
    cut = ordered[min(int(rank), ordered.size - 1)]
    margin = slack * (1 + (gain > cut).sum(axis=0).std() * len(some) ** 0.5)
    low, high = int(rank + margin), int(rank - margin)
    return (
        float(ordered[low]) if low < ordered.size else 0.0,
        float(ordered[high]) if high >= 0 else np.inf,
    )


def _edge(
    gains: Gains, rows: int, width: int, *, low: float, high: float
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(row,) gains above `high`; and value, depth and row of each gain in [low, high]."""
    above = np.zeros(rows, dtype=np.int64)
    found: list[tuple[np.ndarray, ...]] = []
    step = max(1, CELLS // width)
    for at in range(0, rows, step):
        part = slice(at, at + step)
        gain = gains(part, width)
        larger = gain > high
        above[part] = larger.sum(axis=0)
        depth, owner = np.nonzero((gain >= low) & ~larger)
        found.append((gain[depth, owner], depth, owner + at))
    value, depth, owner = map(np.concatenate, zip(*found, strict=True))
    return above, (value, depth, owner)


def _greedy(gains: Gains, rows: int, width: int, blocks: int) -> np.ndarray:
    """(row,) int: blocks of the `blocks` largest gains; ties to fewer blocks, then lower row."""
    slack = 4.0
    while True:
        low, high = _bracket(gains, rows, width, blocks=blocks, slack=slack)
        taken, (value, depth, owner) = _edge(gains, rows, width, low=low, high=high)
        need = blocks - int(taken.sum())
        if 0 < need <= len(value):
            break
        slack *= 4  # the sample misled; in the end the bracket holds everything
    cut = np.partition(value, len(value) - need)[len(value) - need]
    sure = value > cut
    taken += np.bincount(owner[sure], minlength=len(taken))
    ties = np.flatnonzero(value == cut)
    ties = ties[np.lexsort((owner[ties], depth[ties]))][: need - np.count_nonzero(sure)]
    return taken + np.bincount(owner[ties], minlength=len(taken))
