"""Kernels that numpy cannot express without copies; compiled by numba, the extra [fast].

Only `scale.products` and `scale.sparse` import this file, and only for data large enough to pay
for loading a compiler. Sums run in double precision in an order that does not depend on the
number of threads. Axes: `person`, `item`, `cell`, `node`.
"""

# pyright: reportIndexIssue=false, reportGeneralTypeIssues=false
import numba
import numpy as np

STRIP = 2048  # items that one thread sums at a time: their sums stay in the nearest cache


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def project(table: np.ndarray, left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    """Writes (person, 2) products of a table of small numbers with two vectors (item,)."""
    for p in range(table.shape[0]):
        one, two = 0.0, 0.0
        for i in range(table.shape[1]):
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
def _total(x: float, a: np.ndarray, b: np.ndarray, n: np.ndarray, chance: np.ndarray) -> float:
    """A of one person at ability x; writes chances of success (cell,)."""
    total = 0.0
    for j in range(len(a)):
        eta = a[j] * (x - b[j])
        e = _decay(abs(eta))
        one = 1 / (1 + e)
        chance[j] = one if eta >= 0 else e * one
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
def _moments(h: float, x: float, chance: np.ndarray, sums: np.ndarray) -> None:
    """Adds a node's share to (5, cell) sums of P, xP, PQ, xPQ, xxPQ."""
    for j in range(len(chance)):
        p = h * chance[j]
        w = p * (1 - chance[j])
        sums[0, j] += p
        sums[1, j] += p * x
        sums[2, j] += w
        sums[3, j] += w * x
        sums[4, j] += w * x * x


@numba.njit(fastmath=PURE, error_model="numpy")
def _scores(
    h: float, x: float, mean: float, row: np.ndarray, chance: np.ndarray, sums: np.ndarray
) -> None:
    """Adds a node's share to (7, cell): mean, square and pull with ability of both scores."""
    for j in range(len(chance)):
        rest = h * (row[2, j] - row[3, j] * chance[j])
        eta = row[0, j] * (x - row[1, j])
        square = rest * (row[2, j] - row[3, j] * chance[j])
        sums[0, j] += rest * eta
        sums[1, j] += rest
        sums[2, j] += square * eta * eta
        sums[3, j] += square * eta
        sums[4, j] += square
        sums[5, j] += rest * eta * (x - mean)
        sums[6, j] += rest * (x - mean)


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
    most = 0
    for p in range(people.shape[1]):
        most = max(most, start[p + 1] - start[p])
    rows, chances, sums = np.empty((4, most)), np.empty((len(base), most)), np.empty((7, most))
    x, h = np.empty(len(base)), np.empty(len(base))
    for p in range(people.shape[1]):
        first, size = start[p], start[p + 1] - start[p]
        right, flat = 0.0, 0.0
        for j in range(size):
            i = item[first + j]
            rows[0, j], rows[1, j] = items[i, 0], items[i, 1]
            rows[2, j], rows[3, j] = solved[first + j], tried[first + j]
            right += rows[0, j] * rows[2, j]
            flat += rows[0, j] * rows[1, j] * rows[2, j]
        # rows of contiguous tables stay contiguous: slices of both axes would not
        own = rows[0][:size], rows[1][:size], rows[3][:size]
        theta, spread = _mode(people[0, p], right, *own)
        for q in range(len(base)):
            x[q] = theta + spread * base[q]
            h[q] = x[q] * right - flat - _total(x[q], *own, chances[q][:size])
            h[q] += log_weight[q] - x[q] * x[q] / 2
        loglik, mean, sd = _posterior(x, h)
        people[0, p], people[1, p], people[2, p] = theta, spread, loglik + np.log(spread)
        people[3, p], people[4, p] = mean, sd
        _add_sums(item[first : first + size], rows, x, h, mean, chances, sums, part)
        if moving.shape[1] > 0:
            here = moving[0][first : first + size], moving[1][first : first + size]
            _add_errors(item[first : first + size], rows, x, h, mean, chances, sums, part, here)


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
def _add_sums(item, rows, x, h, mean, chances, sums, part) -> None:
    """Adds one person's gradient and information to the items'."""
    size = len(item)
    sums[:5, :size] = 0.0
    for q in range(len(x)):
        _moments(h[q], x[q], chances[q][:size], sums)
    # first in place, many cells at once; then to where the items keep their sums
    for j in range(size):
        a, b, k, n = rows[0, j], rows[1, j], rows[2, j], rows[3, j]
        rest = a * (k - n * sums[0, j])
        pull = a * (k * mean - n * sums[1, j])
        w0, w1, w2 = n * a * a * sums[2, j], n * a * a * sums[3, j], n * a * a * sums[4, j]
        sums[0, j] = pull - b * rest
        sums[1, j] = -rest
        sums[2, j] = w2 - 2 * b * w1 + b * b * w0
        sums[3, j] = b * w0 - w1
        sums[4, j] = w0
    for j in range(size):
        for row in range(5):
            part[item[j], row] += sums[row, j]


@numba.njit(fastmath=PURE, error_model="numpy")
def _add_errors(item, rows, x, h, mean, chances, sums, part, moving) -> None:
    """Adds one person's posterior variances of scores; writes their covariances with ability."""
    size = len(item)
    sums[:, :size] = 0.0
    for q in range(len(x)):
        _scores(h[q], x[q], mean, rows, chances[q][:size], sums)
    for j in range(size):
        a = rows[0, j]
        s0, s1 = sums[0, j], -a * sums[1, j]
        sums[0, j] = sums[2, j] - s0 * s0
        sums[1, j] = -a * sums[3, j] - s0 * s1
        sums[2, j] = a * a * sums[4, j] - s1 * s1
        moving[0][j] = sums[5, j]
        moving[1][j] = -a * sums[6, j]
    for j in range(size):
        for row in range(3):
            part[item[j], 5 + row] += sums[row, j]
