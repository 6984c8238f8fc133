"""Chance that a guess about a list is right, by operation. Axes: (length, values) of the lists.

Two kinds of guessers: one always gives the most likely answer; one reads the list and gives a
number of it (or a difference of two) at random. Each function says which. "Without ties" means
the exact value for lists of different numbers, which repeated values hardly change.
"""

from collections.abc import Callable
from functools import lru_cache
from math import comb, factorial, pi, sqrt


def share_of(counted: Callable[[int], float]) -> Callable[[int, int], float]:
    """The most likely count, where `counted(values)` of the values count: a binomial mode."""

    def guess(length: int, values: int) -> float:
        p = counted(values) / values
        return max(comb(length, k) * p**k * (1 - p) ** (length - k) for k in range(length + 1))

    return guess


def _peak(variance: float) -> float:
    return min(1.0, 1 / sqrt(2 * pi * variance)) if variance > 0 else 1.0


def total(length: int, values: int) -> float:
    """The most likely sum of uniform numbers, at the peak of the normal curve."""
    return _peak(length * (values**2 - 1) / 12)


def differences(length: int, values: int) -> float:
    """The most likely sum of absolute differences of neighbours, by the normal curve.

    |U - V| has variance 1/18 on the unit interval, two neighbouring ones covariance 1/180.
    """
    return _peak(values**2 * ((length - 1) / 18 + max(0, length - 2) / 90))


@lru_cache(maxsize=256)
def _digit_variance(values: int) -> float:
    sums = [sum(map(int, str(v))) for v in range(values)]
    mean = sum(sums) / values
    return sum((s - mean) ** 2 for s in sums) / values


def digits(length: int, values: int) -> float:
    """The most likely sum of digits, by the normal curve."""
    return _peak(length * _digit_variance(values))


def last(length: int, values: int) -> float:
    """At most this for any constant guess: all other numbers given, one last number fits."""
    return 1 / values


def top(length: int, values: int) -> float:
    """A number of the list is the largest; equally: the largest stands first. Exact."""
    return sum((v / values) ** (length - 1) for v in range(1, values + 1)) / values


def second(length: int, values: int) -> float:
    """A number of the list equals the second in descending order. Exact."""
    if length < 2:
        return 1.0
    n, others = values, length - 1
    return (
        sum(
            others * (n - v) / n * (v / n) ** (others - 1)
            + (v / n) ** others
            - ((v - 1) / n) ** others
            for v in range(1, n + 1)
        )
        / n
    )


def _at_least(n: int, p: float, k: int) -> float:
    return sum(comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))


@lru_cache(maxsize=256)
def middle(length: int, values: int) -> float:
    """A number of the list is the median (odd length, exact); the mean of two is (even length)."""
    if length % 2 == 0:
        return 1 / comb(length, 2)
    others, half = length - 1, length // 2
    outside = 0.0
    for v in range(1, values + 1):  # not the median: more than half lie below, or above
        outside += _at_least(others, (v - 1) / values, half + 1)
        outside += _at_least(others, (values - v) / values, half + 1)
    return 1 - outside / values


@lru_cache(maxsize=256)
def most_common(length: int, values: int) -> float:
    """A number of the list is the mode: mean count of the most common over the length. Exact."""
    mean = 0.0
    for most in range(length):  # P(all counts <= most), from the exponential generating function
        series = [1.0] + [0.0] * length
        for _ in range(values):
            series = [
                sum(series[n - j] / factorial(j) for j in range(min(most, n) + 1))
                for n in range(length + 1)
            ]
        mean += 1 - series[length] * factorial(length) / values**length
    return mean / length


def pair(length: int, values: int) -> float:
    """The difference of two numbers of the list is the range; without ties."""
    return 1 / max(1, comb(length, 2))


def neighbours(length: int, values: int) -> float:
    """The difference of two neighbours is the largest one; without ties."""
    return 1 / max(1, length - 1)


def position(length: int, values: int) -> float:
    """A position; at least the chance of any sum of positions up to the length."""
    return 1 / length


def different(length: int, values: int) -> float:
    """The most likely number of different values: surjections counted. Exact."""
    parts = [1] + [0] * length  # Stirling numbers of the second kind
    for _ in range(length):
        parts = [0] + [parts[k - 1] + k * parts[k] for k in range(1, length + 1)]
    ways = [comb(values, k) * factorial(k) * parts[k] for k in range(length + 1)]
    return max(ways) / values**length


def _most_likely(counts: list[int]) -> float:
    return max(counts) / sum(counts)


def ascents(length: int, values: int) -> float:
    """The most likely number of ascents: Eulerian numbers; without ties."""
    row = [1]
    for n in range(2, length + 1):
        row = [
            (k + 1) * (row[k] if k < n - 1 else 0) + (n - k) * (row[k - 1] if k else 0)
            for k in range(n)
        ]
    return _most_likely(row)


def peaks(length: int, values: int) -> float:
    """The most likely number of inner peaks of a permutation; without ties."""
    row = [1]
    for n in range(2, length + 1):
        size = (n - 1) // 2 + 1
        row = [*row, *[0] * (size - len(row))]
        row = [(2 * k + 2) * row[k] + (n - 2 * k) * (row[k - 1] if k else 0) for k in range(size)]
    return _most_likely(row)


def zigzag(length: int, values: int) -> float:
    """All comparisons right: the most likely words alternate; Euler's zigzag numbers over n!.

    Without ties.
    """
    row = [1]
    for _ in range(length):
        sums = [0]
        for value in reversed(row):
            sums.append(sums[-1] + value)
        row = sums
    return row[-1] / factorial(length)


def _partitions(n: int, most: int) -> list[list[int]]:
    if n == 0:
        return [[]]
    return [[k, *rest] for k in range(min(n, most), 0, -1) for rest in _partitions(n - k, k)]


def _tableaux(shape: list[int]) -> int:
    """Standard Young tableaux of a shape, by hook lengths."""
    below = [sum(row > j for row in shape) for j in range(shape[0])]
    hooks = 1
    for i, row in enumerate(shape):
        for j in range(row):
            hooks *= row - j + below[j] - i - 1
    return factorial(sum(shape)) // hooks


@lru_cache(maxsize=64)
def increasing(length: int, values: int) -> float:
    """The most likely length of the longest increasing subsequence; without ties.

    Permutations whose longest one has k numbers: the squares of the tableaux of the shapes with
    first row k (Robinson-Schensted), counted up to length 24 and stated as at length 24 above.
    """
    n = min(length, 24)
    counts = [0] * (n + 1)
    for shape in _partitions(n, n):
        counts[shape[0]] += _tableaux(shape) ** 2
    return _most_likely(counts)
