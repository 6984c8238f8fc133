"""Pairs of solvers from real matrices that do not differ, by construction; and planted differences.

- swapped: two solvers trade their results on a random half of the problems, so each of the two
  has either's result with chance 1/2 on every problem: no difference by exchangeability.
- halves: one solver's attempts on each problem are dealt into two halves at random.
- shifted: problems are drawn with replacement from all that a pair shares; what is tested is the
  pair's own difference on all of them, which is the truth of that draw. Nothing is symmetric here.
"""

from pathlib import Path

import numpy as np

from gradatim.store.formats import read_matrix

NAMES = ("zeroeval_gsm", "zeroeval_crux", "livecodebench_generation", "alpacaeval2")


def load(folder, name):
    """(solver, problem) solved and tried of a real matrix."""
    matrix = read_matrix(Path(folder) / f"{name}.npz")
    tried = np.broadcast_to(matrix.tried, matrix.solved.shape)
    return np.asarray(matrix.solved, dtype=float), np.asarray(tried)


def varied(solved, tried):
    """Solvers whose attempts on a problem disagree somewhere."""
    return np.flatnonzero(np.any((solved > 0) & (solved < tried), axis=1))


def pair(solved, tried, rng):
    """Two solvers on the problems they share."""
    a, b = rng.choice(len(solved), 2, replace=False)
    here = (tried[a] > 0) & (tried[b] > 0)
    return solved[[a, b]][:, here], tried[[a, b]][:, here]


def swapped(solved, tried, rng):
    """A pair that traded its results on half of the problems."""
    return traded(*pair(solved, tried, rng), rng)


def traded(mine, made, rng):
    """Two solvers whose results change places on a random half of the problems."""
    turn = rng.random(mine.shape[1]) < 0.5
    return np.where(turn, mine[::-1], mine), np.where(turn, made[::-1], made)


def halves(solved, tried, rng):
    """One solver against itself: its attempts in two halves."""
    one = rng.choice(varied(solved, tried))
    here = tried[one] > 1
    k, n = solved[one, here].astype(int), tried[one, here].astype(int)
    first = rng.hypergeometric(k, n - k, n // 2)
    return np.stack([first, k - first]).astype(float), np.stack([n // 2, n - n // 2])


def planted(solved, tried, effect, i, rng):
    """Problems i of a pair that differs by `effect` on average, and no less from one to the next.

    The two trade results as in `swapped`, but where they differ the second gets the better one with
    a chance that makes the mean over all problems what it shall be.
    """
    gap = np.diff(solved / tried, axis=0)[0]
    lean = effect / np.mean(np.abs(gap))
    assert lean <= 1
    mine, made, gap = solved[:, i], tried[:, i], gap[i]
    turn = np.where(rng.random(len(i)) < (1 + lean) / 2, gap < 0, gap > 0)
    return np.where(turn, mine[::-1], mine), np.where(turn, made[::-1], made)


def fewer(solved, tried, k, rng):
    """The same with k attempts of each cell, chosen among those there are."""
    right = solved.astype(int)
    return rng.hypergeometric(right, tried - right, k).astype(float), np.full(tried.shape, k)
