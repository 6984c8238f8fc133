r"""Sequences: the next terms by a rule of a small, stated grammar (BeyondBench's medium suite).

Five kinds (fibonacci, algebraic, geometric, prime, pattern), ten rules each, in the order of
their complexity: the order of the linear recurrence, or the parts of a rule on primes. Every
instance is checked for uniqueness before it is given: all rules of the grammar that explain the
terms shown must continue them alike (`sequences_search`). For recurrences that is more than "no
simpler rule": with 2 L + 1 terms shown no other of order L + 1 or less fits at all.

In compact form a sequence is a letter of its kind, how many terms are asked for, and those shown:
"i2+1.1.2.3.5=" asks for "8.13"; "m" is a minus.

Ref: Srivastava et al. 2025, BeyondBench, arXiv:2509.24210. Differs: rules and uniqueness are ours.
"""

import re
from collections.abc import Mapping
from typing import Any

from gradatim.checkers.extract import UNPARSED, plain
from gradatim.checkers.lists import located, parse
from gradatim.errors import ArgumentError
from gradatim.families.dotted import packed, unpacked
from gradatim.families.knobs import complete, mode
from gradatim.families.sequences_rules import KINDS, ORDER, RULES, STARTS
from gradatim.families.sequences_search import contradicted, effort, prime_rules, solve
from gradatim.families.sequences_worked import by_recurrence, on_primes, trace
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

KNOBS = {
    "kind": Knob("family of rules", "any", choices=(*KINDS, "any")),
    "step": Knob("rule within the kind, simplest first", 3, 1, 10),
    "high": Knob("largest first term, difference or coefficient", 60, 20, 999),
    "shown": Knob("terms shown; at least twice the rule's order and one more", 7, 5, 20),
    "asked": Knob("terms asked for", 1, 1, 5),
}
_HIGHS = (200, 200, 200, 200, 200, 200, 200, 200, 200, 250)
_ASKED = (1, 1, 1, 1, 2, 2, 2, 2, 3, 3)
LADDER = {
    level: {
        "kind": "any",
        "step": level,
        "high": _HIGHS[level - 1],
        "shown": max(5, 2 * ORDER[level - 1] + 1),
        "asked": _ASKED[level - 1],
    }
    for level in range(1, 11)
}
LONGEST = 4000  # characters of a final line that are read
_TOLD = re.compile(r"\bterms?(?: \w+){0,2}?(?: is| are| would be|:)([^a-z]+(?: and [^a-z]+)?)$")
_LETTERS = {"fibonacci": "i", "algebraic": "a", "geometric": "e", "prime": "o", "pattern": "y"}
_TRIES = 200  # draws in a row that are ambiguous before the knobs count as impossible
_SIMPLEST = "If several such rules fit, the right one is that with the shortest linear recurrence."
_RULE = {
    "fibonacci": "Each term of this sequence is a sum of fixed multiples of a few terms before it, "
    f"plus possibly an amount that is fixed or grows evenly. {_SIMPLEST}",
    "algebraic": "The terms of this sequence are a polynomial of their position, plus possibly an "
    f"amount that changes its sign from term to term. {_SIMPLEST}",
    "geometric": "The terms of this sequence are a sum of powers (a fixed whole number to the "
    f"position), each times a polynomial of the position, and a polynomial. {_SIMPLEST}",
    "prime": "The terms of this sequence are a*x + c with fixed whole numbers a from 1 to 9 and c "
    "from {low} to {high}, where x runs through every term, every second, every third or every "
    "fourth term, from some term on, of one of these: the prime numbers in order; the sums of two "
    "consecutive primes; the squares of the primes; the products of two consecutive primes; the "
    f"sums of all primes up to each prime. The first x is among the first {STARTS} of these.",
    "pattern": "This sequence follows a pattern: a polynomial whose signs alternate, differences "
    "(or differences of differences) that repeat in a cycle, or polynomials that take turns. "
    f"{_SIMPLEST}",
}


def _need(shown: int, step: int) -> None:
    least = 2 * ORDER[step - 1] + 1
    if shown < least:
        raise ArgumentError(
            f"`sequences.shown` must be at least {least} for `step` = {step}, else several rules "
            f"fit; got {shown}"
        )


def make(stream: Stream, *, kind: str, step: int, high: int, shown: int, asked: int) -> Draft:
    """One sequence; what the grammar explains in two ways is drawn again."""
    _need(shown, step)
    if kind == "any":
        kind = stream.choice(KINDS)
    rule, prime = RULES[kind][step - 1], kind == "prime"
    for _ in range(_TRIES):
        terms, factors = rule.draw(stream, high, shown + asked)
        first, rest = terms[:shown], terms[shown:]
        fitting = prime_rules(first, asked, high)
        # recurrences are sought for primes alone: where a rule is one, `_need` shows terms enough
        if all(found.rest == rest for found in fitting) and not (
            prime and contradicted(first, rest)
        ):
            break
    else:
        raise ArgumentError(
            f"`sequences.shown` = {shown} terms never sufficed for one rule; show more"
        )
    text = ", ".join(map(str, first))
    canonical = f"{kind} {asked}: {text}"
    if not stream.wants(canonical):
        return Draft("", "", canonical)
    what = "term" if asked == 1 else f"{asked} terms"
    form = "the number" if asked == 1 else "the numbers in order, separated by commas"
    ask = _RULE[kind].replace("{low}", str(-high)).replace("{high}", str(high))
    answer = ", ".join(map(str, rest))
    work = on_primes(fitting[0], first[0]) if prime else by_recurrence(factors, terms, shown)
    return Draft(
        prompt=(
            f"{ask} What {'is' if asked == 1 else 'are'} the next {what}?\n{text}\n"
            f"Answer with {form}, and nothing else."
        ),
        answer=answer,
        canonical=canonical,
        compact=f"{_LETTERS[kind]}{asked}+{packed(text)}=",
        compact_answer=packed(answer),
        solution=work + answer,
        meta={"kind": kind, "step": step},
    )


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the next terms, in order."""
    if text == problem.answer or (text is not None and text == problem.compact_answer):
        return Verdict(1.0, True, problem.answer, "correct")
    found = located(problem, text)
    values = None
    if found.answer is not None:
        values = parse(found.answer, how=found.how)
        told = _TOLD.search(plain(found.answer[-LONGEST:])) if values is None else None
        if told is not None and found.how == "line":
            values = parse(told[1].replace(" and ", ", "))
    stated = unpacked(found, problem.answer.count(",") + 1) if values is None else values
    if stated is None:
        return UNPARSED
    stated = ", ".join(map(str, stated))
    right = stated == problem.answer
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """At most this for a guesser who takes each next difference at random from -high..high.

    (2 high + 1)^-asked: one difference of those is right, if any is.
    """
    setting = complete(KNOBS, knobs)
    return (2 * setting["high"] + 1.0) ** -setting["asked"]


def space(knobs: Mapping[str, Any]) -> int:
    """A lower bound on the number of different sequences, at a rule's fewest parameters.

    high^f for a rule with f free parameters, none of two settings alike; on primes the number of
    first primes times the shifts.
    """
    setting = complete(KNOBS, knobs)
    kind, step, high = setting["kind"], setting["step"], setting["high"]
    _need(setting["shown"], step)
    if kind == "any":
        return sum(space({**setting, "kind": one}) for one in KINDS)
    free = RULES[kind][step - 1].free
    if kind == "prime":
        return STARTS * (2 * high + 1) ** (free - 1)
    return high**free


FAMILY = Family(
    name="sequences",
    doc="the next terms of a sequence by the one rule that explains it",
    version="2",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    trace=trace,
    effort=effort,
    effort_unit="multiplications of the search for the shortest recurrence",
)
FIBONACCI = mode(FAMILY, "fibonacci", "sums of earlier terms", kind="fibonacci")
ALGEBRAIC = mode(FAMILY, "algebraic", "polynomials of the position", kind="algebraic")
GEOMETRIC = mode(FAMILY, "geometric", "powers and polynomials", kind="geometric")
PRIME = mode(FAMILY, "prime", "sequences made of primes", kind="prime")
PATTERN = mode(FAMILY, "pattern", "signs, cycles and sequences in turn", kind="pattern")
