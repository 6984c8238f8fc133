"""Worked solutions of sequences, and the steps of a reply: one for each term that is asked for.

Of a linear recurrence the solution states the rule and applies it to the last terms. Of a rule on
primes it states the rule, and works out the terms by it.
"""

from collections.abc import Iterator
from functools import lru_cache

from gradatim.checkers.extract import extract
from gradatim.families.dotted import unpacked
from gradatim.families.sequences_rules import Factors, recurrence
from gradatim.families.sequences_search import FIELD, PrimeRule, read, shortest
from gradatim.families.steps import totals
from gradatim.rng import digest
from gradatim.types import Problem, Step

Terms = list[int]
BASES = {
    "prime": "the primes",
    "sum": "the sums of two consecutive primes",
    "square": "the squares of the primes",
    "product": "the products of two consecutive primes",
    "total": "the sums of all primes up to each prime",
}
STRIDES = ("", "every", "every second", "every third", "every fourth")


@lru_cache(maxsize=4096)
def _stated(factors: Factors) -> tuple[str, str, tuple[int, ...]]:
    """The rule in words, the line of one application, and which terms before it takes."""
    weights = recurrence(factors)
    places = tuple(i for i, weight in enumerate(weights) if weight)
    said, line = "", ""
    for i in places:
        size = abs(weights[i])
        times = "" if size == 1 else f"{size} "
        sign = "- " if weights[i] < 0 else "+ " if said else ""
        said += f"{' ' if said else ''}{sign}{times}x(n-{i + 1})"
        line += f"{' ' if line else ''}{sign}{f'{size} * ' if size > 1 else ''}%d"
    return f"x(n) is {said}\n", f"{line} = %d\n", places


def by_recurrence(factors: Factors, terms: Terms, shown: int) -> str:
    r"""The working for the terms after those shown.

    >>> by_recurrence(((1, -2), (1, -1)), [5, 8, 14, 26], 3)
    'x(n) is 3 x(n-1) - 2 x(n-2)\n3 * 14 - 2 * 8 = 26\n'
    """
    said, line, places = _stated(factors)
    rows = [(*[terms[i - 1 - j] for j in places], terms[i]) for i in range(shown, len(terms))]
    return said + "".join([line % row for row in rows])


def on_primes(rule: PrimeRule, first: int) -> str:
    r"""The working for the terms by a rule on primes; `first` is the first term of all.

    >>> on_primes(PrimeRule("prime", 2, 0, 3, 1, [34, 52]), 7)
    'x runs through every second of the primes, from 2 on\n3 * 11 + 1 = 34\n3 * 17 + 1 = 52\n'
    """
    name, stride, _, a, c, rest = rule
    sign = "-" if c < 0 else "+"
    out = f"x runs through {STRIDES[stride]} of {BASES[name]}, from {(first - c) // a} on\n"
    return out + "".join([f"{a} * {(y - c) // a} {sign} {abs(c)} = {y}\n" for y in rest])


def _said(text: str, asked: int) -> list[tuple[int, int]]:
    """Terms that a reply gives, each with the place where it ends: working, answer, or compact."""
    found = totals(text)
    if any(c in text for c in ".m") and (answer := extract(text)).answer:
        numbers = unpacked(answer, asked)
        if numbers and "=" not in text:
            ends, place = [], text.rfind(answer.answer)
            for number in numbers:
                place = text.index(number.replace("-", "m"), place) + len(number)
                ends.append((place, int(number)))
            return ends
    return found


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The next terms as a reply gives them; legal where one follows from those before it.

    Where a recurrence explains the terms shown, a term is judged from what the reply said before,
    so an error counts once; terms on primes are right or wrong by themselves.
    """
    terms, asked = read(str(problem.prompt))
    right = [int(term) for term in problem.answer.split(", ")]
    weights = shortest(terms)[0]
    follows = 2 * len(weights) < len(terms)
    for i, (end, value) in enumerate(_said(text, asked)[:asked]):
        if follows:
            back = zip(weights, reversed(terms), strict=False)
            legal = (value - sum(weight * term for weight, term in back)) % FIELD == 0
        else:
            legal = value == right[i]
        terms.append(value)
        yield Step(end, digest("sequences", i, value, size=8).hex(), str(value), legal)
