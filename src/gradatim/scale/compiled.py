"""Kernels that numpy cannot express without copies; compiled by numba, the extra [fast].

Only `scale.products` and `scale.sparse` import this file, and only for data large enough to pay
for loading a compiler. Sums run in double precision in an order that does not depend on the
number of threads. Axes: `person`, `item`, `cell`, `node`.
"""

# pyright: reportIndexIssue=false, reportGeneralTypeIssues=false
import numba
import numpy as np

TILE = 512  # cells of a person worked on at a time, for the same reason
STRIP = 4096  # items that are summed at a time: their sums stay in the nearest cache


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def project(table: np.ndarray, left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    """Writes (person, 2) products of a table of small numbers with two vectors (item,)."""
    n_persons, n_items = table.shape
    last = n_persons - n_persons % 2
    for p in range(0, last, 2):  # two rows a pass: the vectors are read half as often
        one, two, three, four = 0.0, 0.0, 0.0, 0.0
        for i in range(n_items):
            value, other = np.float64(table[p, i]), np.float64(table[p + 1, i])
            one += left[i] * value
            two += right[i] * value
            three += left[i] * other
            four += right[i] * other
        out[p, 0], out[p, 1] = one, two
        out[p + 1, 0], out[p + 1, 1] = three, four
    for p in range(last, n_persons):
        one, two = 0.0, 0.0
        for i in range(n_items):
            value = np.float64(table[p, i])
            one += left[i] * value
            two += right[i] * value
        out[p, 0], out[p, 1] = one, two


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def collect(table: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """Adds to (item,) sums over persons of weight (person,) times the table; four rows a pass."""
    n_persons = table.shape[0]
    for first in range(0, table.shape[1], STRIP):
        last = min(first + STRIP, table.shape[1])
        p = 0
        while p + 4 <= n_persons:
            w0, w1, w2, w3 = weight[p], weight[p + 1], weight[p + 2], weight[p + 3]
            for i in range(first, last):
                out[i] += (w0 * table[p, i] + w1 * table[p + 1, i]) + (
                    w2 * table[p + 2, i] + w3 * table[p + 3, i]
                )
            p += 4
        while p < n_persons:
            for i in range(first, last):
                out[i] += weight[p] * table[p, i]
            p += 1


# -- sparse data ------------------------------------------------------------------------------

PURE = {"reassoc", "contract", "nsz", "arcp"}


@numba.njit(fastmath=PURE, error_model="numpy", inline="always")
def _decay(z: float) -> float:
    """exp(-z) for z >= 0, to 1e-13, in operations that a processor does on many numbers at once.

    The series of exp at z / 128, squared seven times; beyond 60 it stays at exp(-60).
    """
    y = -min(z, 60.0) * 0.0078125
    e = y * (1 / 6227020800) + 1 / 479001600
    e = ((e * y + 1 / 39916800) * y + 1 / 3628800) * y + 1 / 362880
    e = ((e * y + 1 / 40320) * y + 1 / 5040) * y + 1 / 720
    e = ((e * y + 1 / 120) * y + 1 / 24) * y + 1 / 6
    e = ((e * y + 0.5) * y + 1) * y + 1
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    return e * e


@numba.njit(fastmath=PURE, error_model="numpy", inline="always")
def _log_above_one(e: float) -> float:
    """log(1 + e) for e in [0, 1], to the last bits: 2 artanh(e / (2 + e)) by its series."""
    s = e / (2 + e)
    r = s * s
    v = ((r * (1 / 29) + 1 / 27) * r + 1 / 25) * r + 1 / 23
    v = ((v * r + 1 / 21) * r + 1 / 19) * r + 1 / 17
    v = ((v * r + 1 / 15) * r + 1 / 13) * r + 1 / 11
    v = ((v * r + 1 / 9) * r + 1 / 7) * r + 1 / 5
    return 2 * s * ((v * r + 1 / 3) * r + 1)


@numba.njit(fastmath=PURE, error_model="numpy")
def _slopes(x: float, a: np.ndarray, b: np.ndarray, n: np.ndarray) -> tuple[float, float]:
    """A' and A'' of one person at ability x."""
    slope, curvature = 0.0, 0.0
    for j in range(len(a)):
        eta = a[j] * (x - b[j])
        e = _decay(abs(eta))
        one = 1 / (1 + e)
        slope += n[j] * a[j] * (one if eta >= 0 else e * one)
        curvature += n[j] * a[j] * a[j] * e * one * one
    return slope, curvature


@numba.njit(fastmath=PURE, error_model="numpy")
def _total(x: float, a: np.ndarray, b: np.ndarray, n: np.ndarray) -> float:
    """A of one person at ability x."""
    total = 0.0
    for j in range(len(a)):
        eta = a[j] * (x - b[j])
        e = _decay(abs(eta))
        total += n[j] * (max(eta, 0.0) + _log_above_one(e))
    return total


@numba.njit(fastmath=PURE, error_model="numpy")
def _mode(
    theta: float, right: float, a: np.ndarray, b: np.ndarray, n: np.ndarray
) -> tuple[float, float]:
    """Posterior mode and spread; see `quadrature.modes`."""
    spread = 1.0
    for _ in range(30):
        slope, curvature = _slopes(theta, a, b, n)
        spread = 1 / np.sqrt(1 + curvature)
        step = min(max((right - slope - theta) * spread * spread, -1.0), 1.0)
        theta = min(max(theta + step, -40.0), 40.0)
        if abs(step) < 0.1 * spread:
            break
    return theta, spread


@numba.njit(fastmath=PURE, error_model="numpy")
def _moments(h: float, x: float, a: np.ndarray, b: np.ndarray, sums: np.ndarray) -> None:
    """Adds a node's share to (5, cell) sums of P, xP, PQ, xPQ, xxPQ."""
    for j in range(len(a)):
        eta = a[j] * (x - b[j])
        e = _decay(abs(eta))
        one = 1 / (1 + e)
        p = h * (one if eta >= 0 else e * one)
        w = h * e * one * one
        sums[0, j] += p
        sums[1, j] += p * x
        sums[2, j] += w
        sums[3, j] += w * x
        sums[4, j] += w * x * x


@numba.njit(fastmath=PURE, error_model="numpy")
def _scores(
    h: float,
    x: float,
    far: float,
    a: np.ndarray,
    b: np.ndarray,
    k: np.ndarray,
    n: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Adds a node's share to (7, cell): mean, square and pull with ability of both scores."""
    for j in range(len(a)):
        eta = a[j] * (x - b[j])
        e = _decay(abs(eta))
        one = 1 / (1 + e)
        rest = k[j] - n[j] * (one if eta >= 0 else e * one)
        share = h * rest
        square = share * rest
        sums[0, j] += share * eta
        sums[1, j] += share
        sums[2, j] += square * eta * eta
        sums[3, j] += square * eta
        sums[4, j] += square
        sums[5, j] += share * eta * far
        sums[6, j] += share * far


@numba.njit(nogil=True, cache=True, fastmath=PURE, error_model="numpy")
def visit(
    cells: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    items: np.ndarray,
    nodes: tuple[np.ndarray, np.ndarray],
    people: np.ndarray,
    moving: np.ndarray,
    part: np.ndarray,
) -> None:
    """Modes, posteriors and item sums of some persons' sparse data, one person after another.

    Args:
        cells: item, solved and tried (cell,), and where persons start (person + 1,) in them.
        items: (item, 2) a and b.
        nodes: standard nodes (node,) and logarithms of their weights.
        people: (5, person) mode to begin at; to write mode, spread, log-likelihood, mean, sd to.
        moving: (2, cell) to write covariances of scores with ability to, or (2, 0).
        part: (item, 8) to add gradient (log a, b), information and posterior variance of the
            scores (log a, cross, b) to: what a cell adds to lies on one line of the cache.
    """
    item, solved, tried, start = cells
    base, log_weight = nodes
    n_persons, most = people.shape[1], TILE
    for p in range(n_persons):
        most = max(most, start[p + 1] - start[p])
    rows, sums = np.empty((4, most)), np.empty((7, TILE))
    x, h = np.empty((n_persons, len(base))), np.empty((n_persons, len(base)))
    for p in range(n_persons):
        right, flat = _take(item, solved, tried, items, start[p], start[p + 1], rows)
        size = start[p + 1] - start[p]
        # rows of contiguous tables stay contiguous: slices of both axes would not
        own = rows[0][:size], rows[1][:size], rows[3][:size]
        theta, spread = _mode(people[0, p], right, *own)
        for q in range(len(base)):
            x[p, q] = theta + spread * base[q]
            h[p, q] = x[p, q] * right - flat - _total(x[p, q], *own)
            h[p, q] += log_weight[q] - x[p, q] * x[p, q] / 2
        loglik, mean, sd = _posterior(x[p], h[p])
        people[0, p], people[1, p], people[2, p] = theta, spread, loglik + np.log(spread)
        people[3, p], people[4, p] = mean, sd
    # some items at a time, all persons: what is added to stays in the nearest cache
    at = start.copy()
    for strip in range(0, len(items), STRIP):
        for p in range(n_persons):
            end = at[p] + np.searchsorted(item[at[p] : start[p + 1]], strip + STRIP)
            for low in range(at[p], end, TILE):
                high = min(low + TILE, end)
                _take(item, solved, tried, items, low, high, rows)
                own = rows[0][: high - low], rows[1][: high - low]
                counts = rows[2][: high - low], rows[3][: high - low]
                mean = people[3, p]
                _add_sums(item[low:high], *own, *counts, x[p], h[p], mean, sums, part)
                if moving.shape[1] > 0:
                    pulls = moving[0][low:high], moving[1][low:high]
                    _add_errors(item[low:high], *own, *counts, x[p], h[p], mean, sums, part, pulls)
            at[p] = end


@numba.njit(fastmath=PURE, error_model="numpy")
def _take(item, solved, tried, items, low, high, rows) -> tuple[float, float]:
    """Copies a, b, k and n of some cells to `rows`; the sums of a k and of a b k."""
    right, flat = 0.0, 0.0
    for j in range(high - low):
        i = item[low + j]
        rows[0, j], rows[1, j] = items[i, 0], items[i, 1]
        rows[2, j], rows[3, j] = solved[low + j], tried[low + j]
    for j in range(high - low):
        right += rows[0, j] * rows[2, j]
        flat += rows[0, j] * rows[1, j] * rows[2, j]
    return right, flat


@numba.njit(fastmath=PURE, error_model="numpy")
def _posterior(x: np.ndarray, h: np.ndarray) -> tuple[float, float, float]:
    """Turns logarithms `h` (node,) into weights; log of their sum, mean and sd."""
    top, mass, mean, square = h.max(), 0.0, 0.0, 0.0
    for q in range(len(x)):
        h[q] = np.exp(h[q] - top)
        mass += h[q]
        mean += h[q] * x[q]
    mean /= mass
    for q in range(len(x)):
        h[q] /= mass
        square += h[q] * (x[q] - mean) ** 2
    return top + np.log(mass), mean, np.sqrt(square)


@numba.njit(fastmath=PURE, error_model="numpy")
def _add_sums(item, a, b, k, n, x, h, mean, sums, part) -> None:
    """Adds the gradient and information of some cells of a person to the items'."""
    size = len(item)
    sums[:5, :size] = 0.0
    for q in range(len(x)):
        _moments(h[q], x[q], a, b, sums)
    # first in place, many cells at once; then to where the items keep their sums
    for j in range(size):
        rest = a[j] * (k[j] - n[j] * sums[0, j])
        pull = a[j] * (k[j] * mean - n[j] * sums[1, j])
        scale = n[j] * a[j] * a[j]
        w0, w1, w2 = scale * sums[2, j], scale * sums[3, j], scale * sums[4, j]
        sums[0, j] = pull - b[j] * rest
        sums[1, j] = -rest
        sums[2, j] = w2 - 2 * b[j] * w1 + b[j] * b[j] * w0
        sums[3, j] = b[j] * w0 - w1
        sums[4, j] = w0
    for j in range(size):
        i = item[j]
        for row in range(5):
            part[i, row] += sums[row, j]


@numba.njit(fastmath=PURE, error_model="numpy")
def _add_errors(item, a, b, k, n, x, h, mean, sums, part, moving) -> None:
    """Adds posterior variances of scores; writes their covariances with ability."""
    size = len(item)
    sums[:, :size] = 0.0
    for q in range(len(x)):
        _scores(h[q], x[q], x[q] - mean, a, b, k, n, sums)
    for j in range(size):
        s0, s1 = sums[0, j], -a[j] * sums[1, j]
        sums[0, j] = sums[2, j] - s0 * s0
        sums[1, j] = -a[j] * sums[3, j] - s0 * s1
        sums[2, j] = a[j] * a[j] * sums[4, j] - s1 * s1
        moving[0][j] = sums[5, j]
        moving[1][j] = -a[j] * sums[6, j]
    for j in range(size):
        i = item[j]
        for row in range(3):
            part[i, 5 + row] += sums[row, j]
