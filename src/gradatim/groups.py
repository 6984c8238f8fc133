"""Sums, means, deviations and ranks inside groups of a flat, ragged column.

Axes: `row` (all attempts of a step, in any order), `group` (prompts). Groups are integer codes
0..n_groups-1 as `codes` makes them; no function needs rows of a group to be adjacent.
"""

import numpy as np

from gradatim import checks


def codes(group: np.ndarray) -> tuple[np.ndarray, int]:
    """Any labels to codes 0..n_groups-1 in order of value, and n_groups.

    >>> codes(np.array([7, 3, 7]))
    (array([1, 0, 1]), 2)
    """
    names, code = np.unique(group, return_inverse=True)
    return code.reshape(-1), len(names)


def counts(code: np.ndarray, n_groups: int) -> np.ndarray:
    """(group,) int: rows in each group."""
    return np.bincount(code, minlength=n_groups)


def sums(values: np.ndarray, code: np.ndarray, n_groups: int) -> np.ndarray:
    """(group,) float64: sum of the rows of each group."""
    checks.shapes(values=(values, "row"), code=(code, "row"))
    # without rows, bincount would count, in int
    return np.bincount(code, weights=values, minlength=n_groups).astype(float, copy=False)


def means(values: np.ndarray, code: np.ndarray, n_groups: int) -> np.ndarray:
    """(group,) float64: mean of each group, exact to rounding at any offset; NaN where empty.

    The mean is taken about the group's first row, so that a large common offset cancels and a
    group of equal values has exactly that mean.
    """
    first, above = _above_first(values, code, n_groups)
    n = counts(code, n_groups)
    with np.errstate(invalid="ignore"):
        return first + sums(above, code, n_groups) / np.where(n, n, np.nan)


def _above_first(
    values: np.ndarray, code: np.ndarray, n_groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """(group,) value of each group's first row, and (row,) values less it, in an array of its own.

    Written in place where it can be: fresh pages for a million rows cost more than the arithmetic.
    """
    checks.shapes(values=(values, "row"), code=(code, "row"))
    values = np.asarray(values, dtype=float)
    if not len(values):
        return np.full(n_groups, np.nan), np.zeros(0)
    first = values[firsts(code, n_groups)]
    above = first[code]
    np.subtract(values, above, out=above)
    return first, above


def firsts(code: np.ndarray, n_groups: int) -> np.ndarray:
    """(group,) int: index of the first row of each group, -1 where empty."""
    first = np.full(n_groups, -1)
    first[code[::-1]] = np.arange(len(code))[::-1]
    return first


def deviations(values: np.ndarray, code: np.ndarray, n_groups: int) -> np.ndarray:
    """(row,) float64: value minus its group's mean; exactly 0 in a group of equal values.

    The offset is taken off before the mean is, which beside an offset of 1e6 keeps the digits
    that value - mean would lose.
    """
    _, centred = _above_first(values, code, n_groups)
    mean = sums(centred, code, n_groups) / np.maximum(counts(code, n_groups), 1)
    centred -= mean[code]
    return centred


def spreads(values: np.ndarray, code: np.ndarray, n_groups: int, *, ddof: int = 1) -> np.ndarray:
    """(group,) float64: standard deviation of each group (two passes); 0 for n <= ddof."""
    squares = sums(deviations(values, code, n_groups) ** 2, code, n_groups)
    return np.sqrt(squares / np.maximum(counts(code, n_groups) - ddof, 1))


def scores(values: np.ndarray, code: np.ndarray, n_groups: int, *, eps: float) -> np.ndarray:
    """(row,) float64: deviation / (standard deviation + eps); exactly 0 in a group of equals.

    >>> scores(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 1]), 2, eps=0.0).round(3)
    array([ 0.707, -0.707,  0.   ])
    """
    centred = deviations(values, code, n_groups)
    n = np.maximum(counts(code, n_groups) - 1, 1)
    spread = np.sqrt(sums(centred**2, code, n_groups) / n) + eps
    centred /= np.where(spread > 0, spread, 1.0)[code]
    return centred


def mixed(values: np.ndarray, code: np.ndarray, n_groups: int) -> np.ndarray:
    """(group,) bool: whether a group holds at least two different values (exact comparison)."""
    values = np.asarray(values)
    found = np.zeros(n_groups, dtype=bool)
    if not len(values):
        return found
    found[code[values != values[firsts(code, n_groups)][code]]] = True
    return found


def order(values: np.ndarray, code: np.ndarray) -> np.ndarray:
    """(row,) int: rows by group, then by value, ties in row order.

    Group, value and row are packed into one integer where they fit into 63 bits, because sorting
    integers is some ten times faster than sorting by two keys.

    >>> order(np.array([5, 1, 3, 1]), np.array([0, 1, 0, 1]))
    array([2, 0, 1, 3])
    """
    checks.shapes(values=(values, "row"), code=(code, "row"))
    size = len(code)
    if not size:
        return np.zeros(0, dtype=np.int64)
    place = _places(np.asarray(values))
    width = int(place.max()) + 1
    if int(code.min()) < 0 or (int(code.max()) + 1) * width * size >= 2**63:
        return np.lexsort((place, code))
    key = (code.astype(np.int64) * width + place) * size + np.arange(size)
    key.sort()
    return key % size


def _places(values: np.ndarray) -> np.ndarray:
    """(row,) int64 >= 0 in the order of the values, equal for equal ones."""
    if values.dtype.kind in "iu":
        low = int(values.min())
        if int(values.max()) - low < 2**31:
            return values.astype(np.int64) - low
    by_value = np.argsort(values)
    ordered = values[by_value]
    place = np.empty(len(values), dtype=np.int64)
    place[by_value] = np.cumsum(np.concatenate(([False], ordered[1:] != ordered[:-1])))
    return place


def ranks(values: np.ndarray, code: np.ndarray) -> np.ndarray:
    """(row,) int: 0-based rank of each row inside its group; ties by row order.

    >>> ranks(np.array([5, 1, 3, 2]), np.array([0, 1, 0, 1]))
    array([1, 0, 0, 1])
    """
    rows = order(values, code)
    if not len(rows):
        return rows
    sorted_code = code[rows]
    starts = np.flatnonzero(np.concatenate(([True], sorted_code[1:] != sorted_code[:-1])))
    sizes = np.diff(np.append(starts, len(code)))
    rank = np.empty(len(code), dtype=np.int64)
    rank[rows] = np.arange(len(code)) - np.repeat(starts, sizes)
    return rank
