"""The grammar of sequences: how the terms of each kind of rule are made, ten rules a kind.

Every rule but those of primes is a linear recurrence with constant coefficients, and its order,
the number of terms before that a term depends on, is its complexity. Orders are the same for all
kinds at a level (`ORDER`), but for two rules that are simpler. Parameters are first terms, first
differences and coefficients, so different parameters give different sequences.

Rules on primes are a * base(k + s * i) + c over the five bases of `BASES`.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

from gradatim.rng import Stream

ORDER = (2, 2, 3, 3, 4, 4, 5, 5, 6, 6)  # of the rules of a step, 1 first
STARTS = 600  # first primes that a sequence may start from
STRIDES = 4
FACTORS = 9
_FAR = STARTS + STRIDES * 24 + 2

Terms = list[int]


Factors = tuple[tuple[int, ...], ...]  # polynomials in the shift, highest power first
SAME, SIGN = (1, -1), (1, 1)  # what makes a constant vanish, and a sign that alternates


class Rule(NamedTuple):
    """One rule.

    Attributes:
        draw: (stream, high, n) -> the first n terms of a random sequence, and the factors of its
            recurrence; those of primes have none.
        free: parameters that have `high` values or more each; no two settings of them give the
            same sequence.
    """

    draw: Callable[[Stream, int, int], tuple[Terms, Factors]]
    free: int


@lru_cache(maxsize=4096)
def recurrence(factors: Factors) -> tuple[int, ...]:
    """Weights of the terms before, nearest first, in a recurrence given by its factors.

    >>> recurrence((SAME, SAME, SIGN))  # x, x + 2, x + 1 ...: a line, and a sign that alternates
    (1, 1, -1)
    """
    product = [1]
    for factor in factors:
        wider = [0] * (len(product) + len(factor) - 1)
        for i, a in enumerate(product):
            for j, b in enumerate(factor):
                wider[i + j] += a * b
        product = wider
    return tuple(-weight for weight in product[1:])


@cache
def _cyclic(period: int) -> tuple[int, ...]:
    return (1, *[0] * (period - 1), -1)


def _recurrence(
    starts: Terms, weights: Sequence[int], n: int, forcing: tuple[int, int] = (0, 0)
) -> Terms:
    """Terms by x[i] = sum of weights[j] x[i-1-j] + forcing[0] + i forcing[1]."""
    out = list(starts)
    while len(out) < n:
        total = forcing[0] + forcing[1] * len(out)
        for j, weight in enumerate(weights):
            total += weight * out[-1 - j]
        out.append(total)
    return out[:n]


def _polynomial(differences: Terms, n: int) -> Terms:
    """Terms of a polynomial from its value and its differences at the first position."""
    column, out = list(differences), []
    for _ in range(n):
        out.append(column[0])
        for i in range(len(column) - 1):
            column[i] += column[i + 1]
    return out


def _plus(*parts: Terms) -> Terms:
    return [sum(terms) for terms in zip(*parts, strict=True)]


def _times(a: Terms, b: Terms) -> Terms:
    return [x * y for x, y in zip(a, b, strict=True)]


def _in_turn(*parts: Terms) -> Terms:
    return [term for terms in zip(*parts, strict=True) for term in terms]


def _signs(n: int) -> Terms:
    return [1 - 2 * (i % 2) for i in range(n)]


def _powers(base: int, n: int) -> Terms:
    return [base**i for i in range(n)]


def _some(s: Stream, high: int, n: int) -> Terms:
    return [s.between(1, high) for _ in range(n)]


def _fibonacci(terms: int, *, most: int = 1, forced: int = 0) -> Rule:
    """Combinations of `terms` terms before, weights up to `most`, and a forcing of that degree."""

    def draw(s: Stream, high: int, n: int) -> tuple[Terms, Factors]:
        weights = [s.between(1, most) for _ in range(terms)]
        if most > 1 and max(weights) == 1:
            weights[s.below(terms)] = 2
        forcing = (s.between(1, high) if forced else 0, s.between(1, high) if forced > 1 else 0)
        out = _recurrence(_some(s, high, terms), weights, n, forcing)
        return out, ((1, *[-weight for weight in weights]), *[SAME] * forced)

    return Rule(draw, terms + forced)


def _algebraic(degree: int, *, signed: bool = False, alternating: bool = False) -> Rule:
    """Polynomials of the position, plus an amount that alternates in sign."""
    factors = (*[SAME] * (degree + 1), *[SIGN] * alternating)

    def draw(s: Stream, high: int, n: int) -> tuple[Terms, Factors]:
        differences = [s.between(-high if signed else 1, high) for _ in range(degree)]
        terms = _polynomial([*differences, s.between(1, high)], n)
        if alternating:
            change = s.between(1, high)
            terms = [x + change * sign for x, sign in zip(terms, _signs(n), strict=True)]
        return terms, factors

    return Rule(draw, degree + 1 + alternating)


def _geometric(powers: Sequence[int], rest: int = 0, *, low: int = 2) -> Rule:
    """Sums of powers times polynomials with powers[j] coefficients, plus a polynomial of `rest`."""

    def draw(s: Stream, high: int, n: int) -> tuple[Terms, Factors]:
        bases = s.sample((low, low + 1, low + 2), len(powers))
        parts = [
            _times(_polynomial(_some(s, high, size), n), _powers(base, n))
            for size, base in zip(powers, bases, strict=True)
        ]
        if rest:
            parts.append(_polynomial(_some(s, high, rest), n))
        factors = [
            (1, -base) for size, base in zip(powers, bases, strict=True) for _ in range(size)
        ]
        return _plus(*parts), (*factors, *[SAME] * rest)

    return Rule(draw, sum(powers) + rest)


def _cycle(period: int, depth: int = 1) -> Rule:
    """Differences (of differences ...) that cycle."""
    factors = (_cyclic(period), *[SAME] * depth)

    def draw(s: Stream, high: int, n: int) -> tuple[Terms, Factors]:
        steps = _some(s, high, period)
        terms = [steps[i % period] for i in range(n)]
        for _ in range(depth):
            terms = list(accumulate(terms[: n - 1], initial=s.between(1, high)))
        return terms, factors

    return Rule(draw, period + depth)


def _alternating(degree: int) -> Rule:
    """A polynomial whose signs alternate."""

    def draw(s: Stream, high: int, n: int) -> tuple[Terms, Factors]:
        terms = _times(_polynomial(_some(s, high, degree + 1), n), _signs(n))
        return terms, (SIGN,) * (degree + 1)

    return Rule(draw, degree + 1)


def _interleaved(parts: int, degree: int) -> Rule:
    """Polynomials that take turns."""
    factors = (_cyclic(parts),) * (degree + 1)

    def draw(s: Stream, high: int, n: int) -> tuple[Terms, Factors]:
        each = -(-n // parts)
        lines = [_polynomial(_some(s, high, degree + 1), each) for _ in range(parts)]
        return _in_turn(*lines)[:n], factors

    return Rule(draw, parts * (degree + 1))


@cache
def primes() -> Terms:
    """The first primes, by a sieve.

    >>> primes()[:5]
    [2, 3, 5, 7, 11]
    """
    limit = 6000
    sieve = bytearray([1]) * limit
    for p in range(2, 78):
        if sieve[p]:
            sieve[p * p :: p] = bytes(len(range(p * p, limit, p)))
    found = [p for p in range(2, limit) if sieve[p]]
    assert len(found) >= _FAR
    return found[:_FAR]


@cache
def bases() -> dict[str, Terms]:
    """Sequences made of primes, by name, simplest first."""
    p = primes()
    return {
        "prime": p[:-1],
        "sum": [a + b for a, b in pairwise(p)],
        "square": [a * a for a in p[:-1]],
        "product": [a * b for a, b in pairwise(p)],
        "total": list(accumulate(p[:-1])),
    }


BASES = ("prime", "sum", "square", "product", "total")


def _prime(of: Sequence[str], *, factors: int = 1, strides: int = 1, shifted: bool = False) -> Rule:
    """Multiples of a base at a stride, plus a constant."""

    def draw(s: Stream, high: int, n: int) -> tuple[Terms, Factors]:
        base = bases()[s.choice(of)]
        a, stride = s.between(1, factors), s.between(1, strides)
        c = s.between(-high, high) if shifted else 0
        k = s.below(STARTS)
        return [a * base[k + stride * i] + c for i in range(n)], ()

    return Rule(draw, 1 + shifted)


_ALGEBRAIC = (
    *(_algebraic(1), _algebraic(1, signed=True), _algebraic(2), _algebraic(1, alternating=True)),
    *(_algebraic(3), _algebraic(2, signed=True, alternating=True), _algebraic(4, signed=True)),
    _algebraic(3, signed=True, alternating=True),
    *(_algebraic(5, signed=True), _algebraic(4, signed=True, alternating=True)),
)
RULES: dict[str, tuple[Rule, ...]] = {
    "fibonacci": (
        *(_fibonacci(2), _fibonacci(2, most=3), _fibonacci(2, forced=1), _fibonacci(3)),
        *(_fibonacci(3, forced=1), _fibonacci(3, most=3, forced=1), _fibonacci(4, forced=1)),
        *(_fibonacci(3, forced=2), _fibonacci(5, forced=1), _fibonacci(4, most=3, forced=2)),
    ),
    "algebraic": _ALGEBRAIC,
    "geometric": (
        *(_geometric([1], 1), _geometric([1, 1]), _geometric([1], 2), _geometric([1, 1], 1)),
        *(_geometric([2], 2), _geometric([1, 1], 2), _geometric([1, 1], 3), _geometric([2], 3)),
        *(_geometric([1, 1], 4), _geometric([2, 1], 3)),
    ),
    "prime": (
        *(_prime(["prime"], factors=9, strides=3), _prime(["prime"], strides=3, shifted=True)),
        _prime(["sum"], factors=9, strides=3),
        _prime(["prime"], strides=4, factors=9, shifted=True),
        _prime(["square"], factors=9, strides=3),
        _prime(["sum", "total"], strides=4, shifted=True),
        _prime(["square"], strides=4, shifted=True),
        _prime(["product"], factors=9, strides=4),
        _prime(["square", "product", "total"], strides=4, shifted=True),
        _prime(BASES, strides=4, factors=9, shifted=True),
    ),
    "pattern": (
        *(_alternating(1), _alternating(1), _cycle(2), _alternating(2)),
        *(_cycle(3), _interleaved(2, 1), _cycle(4), _cycle(3, depth=2)),
        *(_interleaved(3, 1), _interleaved(2, 2)),
    ),
}
KINDS = tuple(RULES)
