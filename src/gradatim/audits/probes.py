"""Probes: for each checker a family of plain problems that it judges, so that the gate can too.

What is right is told by a rule of the probe, not by the checker.
"""

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from gradatim.checkers import registry
from gradatim.checks import one_of
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Problem

WORDS = ("Paris", "Lima", "Oslo", "Rome", "Cairo", "Delhi", "Quito", "Seoul", "Accra", "Hanoi")
RING = 7  # states of the plan probe's ring


class _Probe(NamedTuple):
    """How to draw an answer (and what the problem says in meta), and which other texts are it."""

    draw: Callable[[Stream], tuple[str, dict[str, Any]]]
    judge: Callable[[Problem, str], bool] | None = None
    unsolvable: bool = False


def _numbers(stream: Stream) -> list[int]:
    return [stream.between(-20, 99) for _ in range(stream.between(2, 6))]


def _set(text: str) -> set[str]:
    return {str(int(part)) for part in text.strip("{}").replace(",", " ").split()}


def _json(stream: Stream) -> tuple[str, dict[str, Any]]:
    pick = stream.choice(("a", "b", "c"))
    return json.dumps({pick: _numbers(stream), "of": stream.choice(WORDS)}), {}


def _same_json(problem: Problem, answer: str) -> bool:
    return json.loads(answer) == json.loads(problem.answer)


def _words(stream: Stream) -> tuple[str, dict[str, Any]]:
    return f"{stream.choice(WORDS)} {stream.choice(WORDS)} {stream.choice(WORDS)}", {}


def _plan(stream: Stream) -> tuple[str, dict[str, Any]]:
    start, far = stream.below(RING), stream.between(2, RING - 2)
    moves = {
        str(i): {"forth": str((i + 1) % RING), "back": str((i - 1) % RING)} for i in range(RING)
    }
    meta = {"start": str(start), "goal": [str((start + far) % RING)], "moves": moves, "most": far}
    return ", ".join(["forth"] * far), meta


def _leads(problem: Problem, answer: str) -> bool:
    here = int(problem.meta["start"])
    moves = [move.strip() for move in answer.casefold().split(",")]
    for move in moves:
        here += {"forth": 1, "back": -1}[move]
    return str(here % RING) in problem.meta["goal"] and len(moves) <= problem.meta["most"]


def _fraction(stream: Stream) -> tuple[str, dict[str, Any]]:
    return str(Fraction(stream.between(-99, 99), stream.between(1, 20))), {}


# forms that a checker is not meant to take
NOT_TAKEN = {"exact": ("bold", "sentence")}
PROBES = {
    "exact": _Probe(_words),
    "text": _Probe(_words, lambda p, a: a.strip(" .").casefold() == p.answer.casefold()),
    "number": _Probe(_fraction, lambda p, a: Fraction(a) == Fraction(p.answer)),
    "math": _Probe(_fraction, lambda p, a: Fraction(a) == Fraction(p.answer)),
    "list": _Probe(lambda stream: (" ".join(map(str, _numbers(stream))), {})),
    "set": _Probe(
        lambda stream: ("{" + ", ".join(map(str, _numbers(stream))) + "}", {}),
        lambda p, a: _set(a) == _set(p.answer),
    ),
    "json": _Probe(_json, _same_json),
    "plan": _Probe(_plan, _leads),
    "abstention": _Probe(lambda stream: ("unsolvable", {}), unsolvable=True),
}


def probe(name: str) -> Family:
    """A family whose answers a checker judges; its questions ask for nothing but the answer.

    Raises:
        ArgumentError: no such checker, or none that has a probe.
        MissingExtra: it needs a package that is not installed.

    >>> probe("number").check.__name__
    'check'
    """
    one_of("verifier", name, PROBES)
    drawn = PROBES[name]

    def make(stream: Stream) -> Draft:
        answer, meta = drawn.draw(stream)
        number = stream.below(10**9)
        return Draft(
            prompt=f"Question {number} of the probe '{name}': what is the answer to it?",
            answer=answer,
            canonical=f"{number}: {answer}",
            meta=meta,
            unsolvable=drawn.unsolvable,
        )

    return Family(
        name=f"probe.{name}",
        doc=f"answers for the checker '{name}'",
        version="1",
        knobs={},
        make=make,
        check=registry.get(name),
        ladder=lambda level: {},
        floor=lambda knobs: 0.0,
        space=lambda knobs: 10**9,
        judge=drawn.judge,
    )
