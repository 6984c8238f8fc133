"""Which rules of the grammar explain the terms shown? Recurrences by Massey, primes by a table.

A recurrence of order L is an explanation of n terms if 2 L < n. Then it is the only shortest one,
and every other recurrence of order n - L or less continues the terms as it does, because two
recurrences of orders L and M that agree on L + M terms agree for ever.

Ref: Massey 1969, Shift-register synthesis and BCH decoding, IEEE Trans. Inf. Theory 15, 122-127.
Differs: over the integers modulo 2^61 - 1, for speed; `solve` is exact.
"""

import re
from fractions import Fraction
from functools import cache
from math import gcd
from operator import mul
from typing import NamedTuple

from gradatim.errors import ArgumentError
from gradatim.families.sequences_rules import FACTORS, STARTS, STRIDES, bases
from gradatim.types import Problem

FIELD = (1 << 61) - 1
_SIGNATURE = 5  # terms that a table entry is found by; as many are always shown
_TRIAL = 32749  # a prime whose products are small numbers

Terms = list[int]


def shortest(terms: Terms) -> tuple[Terms, int]:
    """Coefficients of the shortest recurrence modulo `FIELD`, and the multiplications it took.

    x[i] = sum over j of coefficients[j] x[i - 1 - j].

    >>> shortest([1, 1, 2, 3, 5, 8])[0]
    [1, 1]
    """
    current, before = [1], [1]
    length, gap, last, work = 0, 1, 1, 0
    for i, term in enumerate(terms):
        miss = term
        for j in range(1, length + 1):
            miss += current[j] * terms[i - j] if j < len(current) else 0
            work += 1
        miss %= FIELD
        if not miss:
            gap += 1
            continue
        factor = miss * pow(last, -1, FIELD) % FIELD
        changed = current + [0] * (len(before) + gap - len(current))
        for j, value in enumerate(before):
            changed[j + gap] = (changed[j + gap] - factor * value) % FIELD
            work += 1
        if 2 * length <= i:
            before, length, last, gap = current, i + 1 - length, miss, 1
        else:
            gap += 1
        current = changed
    current += [0] * (length + 1 - len(current))
    return [-value % FIELD for value in current[1 : length + 1]], work


def by_recurrence(terms: Terms, n: int) -> Terms | None:
    """The next n terms modulo `FIELD` by the shortest recurrence; None if it explains nothing."""
    weights, _ = shortest(terms)
    if 2 * len(weights) >= len(terms):
        return None
    out = list(terms)
    for _ in range(n):
        out.append(sum(w * out[-1 - j] for j, w in enumerate(weights)) % FIELD)
    return out[len(terms) :]


def _signature(terms: Terms) -> tuple[int, ...]:
    """Differences of the first terms in lowest terms: the same for a * x + c, a > 0."""
    steps = [terms[i + 1] - terms[i] for i in range(_SIGNATURE - 1)]
    shared = gcd(*steps) or 1
    return tuple(step // shared for step in steps)


@cache
def _table() -> dict[tuple[int, ...], list[tuple[str, int, int]]]:
    found: dict[tuple[int, ...], list[tuple[str, int, int]]] = {}
    for name, base in bases().items():
        for stride in range(1, STRIDES + 1):
            for k in range(STARTS):
                part = base[k : k + _SIGNATURE * stride : stride]
                found.setdefault(_signature(part), []).append((name, stride, k))
    return found


class PrimeRule(NamedTuple):
    """a * x + c, where x runs from place k of a base on, by a stride, and the terms to come."""

    base: str
    stride: int
    k: int
    a: int
    c: int
    rest: Terms


def prime_rules(terms: Terms, n: int, high: int) -> list[PrimeRule]:
    """Every rule on primes that fits, with the next n terms by it; simplest base first."""
    out = []
    for name, stride, k in _table().get(_signature(terms), ()):
        base = bases()[name]
        run = base[k : k + stride * (len(terms) + n) : stride]
        if run[1] == run[0] or (terms[1] - terms[0]) % (run[1] - run[0]):
            continue
        a = (terms[1] - terms[0]) // (run[1] - run[0])
        c = terms[0] - a * run[0]
        if 1 <= a <= FACTORS and abs(c) <= high and len(run) == len(terms) + n:
            rest = [a * value + c for value in run]
            if rest[: len(terms)] == terms:
                out.append(PrimeRule(name, stride, k, a, c, rest[len(terms) :]))
    return out


def by_primes(terms: Terms, n: int, high: int) -> list[Terms]:
    """The next n terms by every rule on primes that fits, simplest base first."""
    return [rule.rest for rule in prime_rules(terms, n, high)]


def follows_none(terms: Terms) -> bool:
    """Whether no recurrence surely explains the terms; False says only that one may.

    Massey's search over a small field without divisions, up to the length that is too long. A
    recurrence of whole numbers is one in every field, but for a chance that `_TRIAL` divides.

    >>> follows_none([2, 3, 5, 7, 11, 13]), follows_none([1, 2, 4, 8, 16])
    (True, False)
    """
    values, n = [term % _TRIAL for term in terms], len(terms)
    current, before = [1], [1]
    length, gap, last = 0, 1, 1
    for i in range(n):
        miss = sum(map(mul, current, values[i::-1])) % _TRIAL
        if not miss:
            gap += 1
            continue
        changed = [last * value % _TRIAL for value in current]
        changed += [0] * (len(before) + gap - len(changed))
        for j, value in enumerate(before, gap):
            changed[j] = (changed[j] - miss * value) % _TRIAL
        if 2 * length <= i:
            before, length, last, gap = current, i + 1 - length, miss, 1
            if 2 * length >= n:
                return True
        else:
            gap += 1
        current = changed
    return False


def contradicted(shown: Terms, following: Terms) -> bool:
    """Whether a recurrence explains the terms shown, and continues them otherwise.

    >>> contradicted([1, 2, 4, 8, 16], [31]), contradicted([2, 3, 5, 7, 11, 13], [17])
    (True, False)
    """
    if follows_none(shown):
        return False
    recurrent = by_recurrence(shown, len(following))
    return recurrent is not None and recurrent != [term % FIELD for term in following]


def unambiguous(shown: Terms, following: Terms, *, prime: bool, high: int) -> bool:
    """Whether every rule of the grammar that explains the terms shown continues them like this.

    Args:
        shown: the terms of the question.
        following: the terms of the answer.
        prime: whether the rule is one on primes (else there must be a recurrence).
        high: largest constant of the rules on primes.
    """
    if not prime and 2 * len(shortest(shown)[0]) >= len(shown):
        return False
    fitting = by_primes(shown, len(following), high)
    if any(rest != following for rest in fitting) or (prime and not fitting):
        return False
    return not contradicted(shown, following)


# -- the independent solver: definitions, from the prompt's text --------------------------------


def _eliminated(rows: list[list[Fraction]], unknowns: int) -> list[Fraction] | None:
    """Solution of linear equations (right side last), or None where they contradict."""
    pivot = 0
    places = []
    for column in range(unknowns):
        row = next((r for r in range(pivot, len(rows)) if rows[r][column]), None)
        if row is None:
            continue
        rows[pivot], rows[row] = rows[row], rows[pivot]
        head = rows[pivot]
        for r in range(len(rows)):
            if r != pivot and rows[r][column]:
                share = rows[r][column] / head[column]
                rows[r] = [a - share * b for a, b in zip(rows[r], head, strict=True)]
        places.append(column)
        pivot += 1
    if any(row[-1] for row in rows[pivot:]):
        return None
    out = [Fraction(0)] * unknowns
    for row, column in zip(rows, places, strict=False):
        out[column] = row[-1] / row[column]
    return out


def _by_elimination(terms: Terms, n: int) -> Terms:
    """By the least order whose equations, one for each term from the order on, agree."""
    for order in range(1, len(terms) // 2 + 1):
        rows = [
            [Fraction(terms[i - 1 - j]) for j in range(order)] + [Fraction(terms[i])]
            for i in range(order, len(terms))
        ]
        weights = _eliminated(rows, order)
        if weights is None:
            continue
        out = [Fraction(term) for term in terms]
        for _ in range(n):
            out.append(sum((w * out[-1 - j] for j, w in enumerate(weights)), Fraction(0)))
        return [int(term) for term in out[len(terms) :]]
    raise ArgumentError(f"no linear recurrence gives {terms}")


@cache
def _tried_primes() -> Terms:
    """Primes by trial division."""
    found: Terms = []
    number = 2
    while len(found) < 720:
        if all(number % p for p in found if p * p <= number):
            found.append(number)
        number += 1
    return found


def _value(name: str, i: int) -> int:
    p = _tried_primes()
    if name == "total":
        return sum(p[: i + 1])
    return {"prime": p[i], "sum": p[i] + p[i + 1], "square": p[i] ** 2, "product": p[i] * p[i + 1]}[
        name
    ]


@cache
def _values(name: str) -> Terms:
    return [_value(name, i) for i in range(700)]


def _by_trying(terms: Terms, n: int, low: int, high: int) -> Terms:
    """By the rule on primes that fits: every base, stride, first prime and factor is tried."""
    step = terms[1] - terms[0]
    for name in ("prime", "sum", "square", "product", "total"):
        values = _values(name)
        for stride in range(1, STRIDES + 1):
            for k in range(STARTS):
                gap = values[k + stride] - values[k]
                if step % gap or not 1 <= step // gap <= FACTORS:
                    continue
                a = step // gap
                c = terms[0] - a * values[k]
                if low <= c <= high and all(
                    a * values[k + stride * i] + c == x for i, x in enumerate(terms)
                ):
                    last = k + stride * len(terms)
                    return [a * values[last + stride * i] + c for i in range(n)]
    raise ArgumentError(f"no rule on primes gives {terms}")


def read(prompt: str) -> tuple[Terms, int]:
    """Terms, and how many more are asked for."""
    lines = prompt.split("\n")
    asked = re.search(r"next (?:(\d+) terms|term)\b", prompt)
    if len(lines) < 3 or asked is None:
        raise ArgumentError("the prompt is none of a sequences problem")
    return [int(x) for x in lines[-2].split(", ")], int(asked[1] or 1)


def solve(problem: Problem) -> str:
    """The next terms, from the prompt's text alone: by elimination, or by trying rules on primes.

    Raises:
        ArgumentError: the prompt is none of a sequences problem, or no rule explains it.
    """
    prompt = str(problem.prompt)
    terms, n = read(prompt)
    shift = re.search(r"c from (-\d+) to (\d+), where", prompt)  # a rule on primes
    if shift:
        found = _by_trying(terms, n, int(shift[1]), int(shift[2]))
    else:
        found = _by_elimination(terms, n)
    return ", ".join(map(str, found))


def effort(problem: Problem) -> float:
    """Multiplications of Massey's search for the shortest recurrence over the terms shown."""
    return float(shortest(read(str(problem.prompt))[0])[1])
