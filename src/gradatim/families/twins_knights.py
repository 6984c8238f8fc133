"""Unsolvable twins of knights and knaves: sentences that leave one answer, none, or several."""

import re
from itertools import product
from math import factorial

from gradatim.checkers.abstention import UNSOLVABLE
from gradatim.families.twins import Instance, Kind, family, packed
from gradatim.rng import Stream
from gradatim.types import Knob

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# person i says of others (j) or (j, k): all are equations modulo 2, 1 = knight:
# "j is a knight": i + j = 0; "j and k are of the same kind": i + j + k = 1; negated: the other
Saying = tuple[tuple[int, ...], bool]
_SAID = re.compile(
    r"([A-Z]) says: ([A-Z])(?: and ([A-Z]))? (?:is a|are of) (knight|knave|one kind|two kinds)\."
)


def _independent(rows: list[int]) -> list[int] | None:
    """Equations modulo 2 (lowest bit: right side), reduced; None if one says what others do.

    Equations that contradict each other count as dependent, too.
    """
    pivots: list[int] = []
    for row in rows:
        row = _reduced(row, pivots)
        if row <= 1:
            return None
        pivots.append(row)
    return pivots


def _reduced(row: int, pivots: list[int]) -> int:
    for pivot in pivots:
        other = row ^ pivot
        if other < row:
            row = other
    return row


def _row(i: int, saying: Saying) -> int:
    about, negated = saying
    row = 1 << (i + 1)
    for j in about:
        row ^= 1 << (j + 1)
    return row | ((len(about) == 2) ^ negated)


def _knights_text(sayings: list[Saying]) -> str:
    lines = []
    for i, (about, negated) in enumerate(sayings):
        who = " and ".join(LETTERS[j] for j in about)
        if len(about) == 1:
            what = f"is a {'knave' if negated else 'knight'}"
        else:
            what = f"are of {'two kinds' if negated else 'one kind'}"
        lines.append(f"{LETTERS[i]} says: {who} {what}.")
    return "\n".join(lines)


def _kinds(sayings: list[Saying]) -> list[str]:
    """All answers that fit, K for a knight and N for a knave: everything is tried."""
    fits = []
    for kinds in product((True, False), repeat=len(sayings)):
        for knight, (about, negated) in zip(kinds, sayings, strict=True):
            said = kinds[about[0]] if len(about) == 1 else kinds[about[0]] == kinds[about[1]]
            if (said != negated) != knight:
                break
        else:
            fits.append("".join("K" if knight else "N" for knight in kinds))
    return fits


def _saying(stream: Stream, i: int, people: int) -> Saying:
    """What person i says, of one or of two others."""
    two, first = stream.below(2), stream.below(people - 1)
    about = [first]
    if two:
        second = 1 + stream.below(people - 2)
        about.append(second if second != first else 0)  # a shuffle's second place
    return tuple(sorted([j + (j >= i) for j in about])), stream.below(2) == 1


def _knights_pair(stream: Stream, *, people: int) -> tuple[Instance, Instance] | None:
    """Exactly one answer fits the first; none or several fit the second (rank modulo 2)."""
    sayings = [_saying(stream, i, people) for i in range(people)]
    rows = list(map(_row, range(people), sayings))
    if _independent(rows) is None:
        return None
    i = stream.below(people)
    others = _independent(rows[:i] + rows[i + 1 :])
    assert others is not None
    for _ in range(20):
        saying = _saying(stream, i, people)
        if _reduced(_row(i, saying), others) <= 1:
            twin = [*sayings[:i], saying, *sayings[i + 1 :]]
            return (
                Instance(_knights_text(sayings), _solved(rows, people), {"n": people}),
                Instance(_knights_text(twin), "", {"n": people}),
            )
    return None


def _solved(rows: list[int], n: int) -> str:
    """The one solution of n independent equations modulo 2, by elimination."""
    for bit in range(1, n + 1):
        at = next(i for i in range(bit - 1, n) if rows[i] >> bit & 1)
        rows[bit - 1], rows[at] = rows[at], rows[bit - 1]
        rows = [
            row ^ rows[bit - 1] if i != bit - 1 and row >> bit & 1 else row
            for i, row in enumerate(rows)
        ]
    return "".join("K" if row & 1 else "N" for row in rows)


def _knights_solve(prompt: str) -> str:
    """By trying every answer on the sentences of the prompt."""
    sayings: list[Saying] = []
    for line in prompt.split("\n")[1:-1]:
        said = _SAID.fullmatch(line)
        assert said is not None
        about = tuple(LETTERS.index(letter) for letter in (said[2], said[3]) if letter)
        sayings.append((about, said[4] in ("knave", "two kinds")))
    fits = _kinds(sayings)
    return fits[0] if len(fits) == 1 else UNSOLVABLE


KNIGHTS = family(
    Kind(
        name="knights",
        doc="who lies, or that the sentences leave no answer or several",
        knobs={"people": Knob("people who speak", 5, 4, 14)},
        levels=tuple({"people": n} for n in range(4, 14)),
        pair=_knights_pair,
        task=(
            "Each person is a knight, whose sentences are all true, or a knave, whose sentences "
            "are all false. Who is what? Only a single possible assignment counts as an answer."
        ),
        form="Answer with K or N for each of the {n} people in alphabetical order, without spaces.",
        read=packed("KN"),
        solve=_knights_solve,
        guess=lambda knobs: 0.5 ** knobs["people"],
        # any answer, and any earlier person to speak of: all of these have a single answer
        space=lambda knobs: 2 ** knobs["people"] * factorial(knobs["people"] - 1),
        work=lambda knobs: 2.0 ** knobs["people"],
        unit="assignments that a full search tries",
    )
)
