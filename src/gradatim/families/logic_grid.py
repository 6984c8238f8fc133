"""Logic grids, zebra style: who sits where, likes what, owns what? Clues leave one solution.

A solution is drawn (uniform), then true clues, until no other solution is left; clues that the
others make superfluous are dropped in turn. All (n!)^m candidates are kept as the bits of one
integer, so the solution is proved the only one, and every clue needed. Instances are told apart by
their clues; the same clues under other names count as another instance.

Ref: the puzzle of the zebra, Life International, 1962.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from math import factorial
from typing import Any

from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete
from gradatim.families.logic_grid_bits import Clue, Entity, candidates, differ, every, several
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

NAMES = ("Ann", "Bob", "Cal", "Dee", "Eve", "Fay")
# attribute: (its name, how a holder is called, values); the first orders the row
ATTRIBUTES = (
    ("seat", "the person in seat {}", ("1", "2", "3", "4", "5", "6")),
    ("colour", "the person who likes {}", ("red", "blue", "green", "white", "black", "pink")),
    ("pet", "the owner of the {}", ("cat", "dog", "fish", "frog", "bird", "mouse")),
    ("drink", "the person who drinks {}", ("tea", "milk", "water", "juice", "cocoa", "coffee")),
    ("job", "the {}", ("baker", "nurse", "pilot", "farmer", "tailor", "vet")),
)
MOST = 2_000_000  # candidates that are kept as bits
LONGEST = 1000  # characters of a reply's final line

_SIZES = (
    *((3, 2, "any"), (3, 3, "any"), (4, 2, "any"), (4, 2, "indirect"), (3, 5, "indirect")),
    *((4, 3, "any"), (4, 3, "indirect"), (4, 4, "any"), (6, 2, "any"), (6, 2, "indirect")),
)
LADDER = {
    level: {"people": n, "attributes": m, "clues": clues}
    for level, (n, m, clues) in enumerate(_SIZES, start=1)
}

KNOBS = {
    "clues": Knob(
        "any, or indirect: none that says who is who", "any", choices=("any", "indirect")
    ),
    "people": Knob("how many people there are", 4, 3, 6),
    "attributes": Knob("how many things are asked of each, the seat among them", 3, 1, 5),
}

_SAYS = {
    "is": "{} is {}.",
    "not": "{} is not {}.",
    "left": "{} sits somewhere to the left of {}.",
    "next": "{} sits next to {}.",
}
KINDS = {"any": tuple(_SAYS), "indirect": ("not", "left", "next")}
_CLUE = re.compile(r"^(.+?) (is not|is|sits somewhere to the left of|sits next to) (.+)\.$")
_NAMED = {name.lower() for name in NAMES}
Said = tuple[str, Entity, Entity]  # a clue as it is read from the prompt
_WORDS = re.compile(r"[\s,;|]+")


def _sizes(n: int, m: int) -> None:
    if factorial(n) ** m > MOST:
        most = max(k for k in range(1, 6) if factorial(n) ** k <= MOST)
        raise ArgumentError(
            f"`logic_grid.attributes` must be at most {most} for {n} people, where a proof looks "
            f"at {n}!^attributes candidates; got {m}"
        )


def _draw(stream: Stream, kinds: tuple[str, ...], holder: list[list[int]]) -> Clue | None:
    """A true clue, or None where the draw was none; holder[attribute + 1][value] is a person."""
    n, m = len(holder[0]), len(holder) - 1
    kind = stream.choice(kinds)
    if kind in ("is", "not"):
        low, high = sorted(stream.sample(range(-1, m), 2))
        first, second = (low, stream.below(n)), (high, stream.below(n))
        same = holder[low + 1][first[1]] == holder[high + 1][second[1]]
        return Clue(kind, first, second) if same == (kind == "is") else None
    groups = [-1, *range(1, m)]
    first = (stream.choice(groups), stream.below(n))
    second = (stream.choice(groups), stream.below(n))
    seat = {person: value for value, person in enumerate(holder[1])}
    gap = seat[holder[second[0] + 1][second[1]]] - seat[holder[first[0] + 1][first[1]]]
    if gap == 0 or (kind == "next" and abs(gap) > 1):
        return None
    if gap < 0 if kind == "left" else first > second:  # "next to" has one order of its two
        first, second = second, first
    return Clue(kind, first, second)


def _called(entity: Entity) -> str:
    attribute, value = entity
    if attribute == -1:
        return NAMES[value]
    _, called, values = ATTRIBUTES[attribute]
    return called.format(values[value])


def _list(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _needed(clues: list[tuple[Clue, Any]], start: Any) -> list[Clue]:
    """The clues that are left when each that is superfluous has been dropped in turn."""
    after = [start]
    for _, mask in reversed(clues):
        after.append(after[-1] & mask)
    kept, left = [], start
    for i, (clue, mask) in enumerate(clues):
        if several(left & after[len(clues) - 1 - i]):
            kept.append(clue)
            left = left & mask
    return kept


def make(stream: Stream, *, people: int, attributes: int, clues: str) -> Draft:
    """One puzzle with exactly one solution and no superfluous clue."""
    n, m = people, attributes
    _sizes(n, m)
    holder = [list(range(n)) for _ in range(m + 1)]
    for group in holder[1:]:
        stream.shuffle(group)
    all_of_them = left = every(n, m)
    drawn: list[tuple[Clue, Any]] = []
    going = True
    while going:
        clue = _draw(stream, KINDS[clues], holder)
        if clue is not None:
            mask = candidates(n, m, clue)
            rest = left & mask
            if differ(rest, left):
                left, going = rest, several(rest)
                drawn.append((clue, mask))
    told = sorted(_needed(drawn, all_of_them))
    rows = [[ATTRIBUTES[a][2][holder[a + 1].index(p)] for a in range(m)] for p in range(n)]
    answer = ", ".join(" ".join(row) for row in rows)
    return Draft(
        prompt=_prompt(n, m, told),
        answer=answer,
        canonical=f"{n} {m}: {' '.join(f'{c.kind}{c.first}{c.second}' for c in told)}",
        meta={"people": n, "attributes": m, "clues": len(told)},
    )


def _prompt(n: int, m: int, clues: list[Clue]) -> str:
    names, asked = _list(NAMES[:n]), _list([name for name, _, _ in ATTRIBUTES[:m]])
    more = "".join(
        f" Each has a different {name}: {', '.join(values[:n])}."
        for name, _, values in ATTRIBUTES[1:m]
    )
    shown = "\n".join(
        (text := _SAYS[c.kind].format(_called(c.first), _called(c.second)))[0].upper() + text[1:]
        for c in clues
    )
    return (
        f"{names} sit in a row of seats, numbered 1 to {n} from left to right.{more}\n{shown}\n"
        f"Answer with the {asked} of {names}, in this order, separated by spaces, with a comma "
        "after each person but the last, and nothing else."
    )


@cache
def _places(n: int, m: int) -> dict[str, tuple[int, ...]]:
    """Where in an answer each word may stand."""
    return {word: tuple(range(a, n * m, m)) for a in range(m) for word in ATTRIBUTES[a][2][:n]} | {
        NAMES[p].lower(): (p * m,) for p in range(n)
    }


def _stated(text: str, n: int, m: int) -> list[str] | None:
    """The n m values of an answer, in order; names before their values may stand, too."""
    places, values = _places(n, m), []
    for word in _WORDS.split(text.lower().strip("[]() ,;|").replace(":", " ")):
        if len(values) not in places.get(word, ()):
            return None
        if word not in _NAMED:
            values.append(word)
    return values if len(values) == n * m else None


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply gives everyone's values, in the order that was asked for."""
    found = extract(text)
    if found.answer is None or len(found.answer) > LONGEST:
        return UNPARSED
    n, m = problem.meta["people"], problem.meta["attributes"]
    stated = _stated(plain(found.answer), n, m)
    if stated is None and found.how == "line":
        stated = _stated(announced(found.answer) or "", n, m)
    if stated is None:
        return UNPARSED
    shown = ", ".join(" ".join(stated[p * m : p * m + m]) for p in range(n))
    right = shown == problem.answer
    return Verdict(float(right), right, shown, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that values dealt out at random, each once, are all right: (n!)^-m."""
    setting = complete(KNOBS, knobs)
    return 1 / factorial(setting["people"]) ** setting["attributes"]


def space(knobs: Mapping[str, Any]) -> int:
    """At least (n n!)^m puzzles: of each attribute, all but one person's value is told outright.

    With indirect clues at least one for each of the (n!)^m solutions.
    """
    setting = complete(KNOBS, knobs)
    n, m = setting["people"], setting["attributes"]
    _sizes(n, m)
    return factorial(n) ** m * (n**m if setting["clues"] == "any" else 1)


def _read(prompt: str) -> tuple[int, int, list[Said]]:
    """People, attributes and clues from the prompt's text."""
    head, *lines, _ = prompt.split("\n")
    n, m = int(head.split(" from left")[0].split()[-1]), head.count("different") + 1
    called = {_called((a, v)).lower(): (a, v) for a in range(-1, m) for v in range(n)}
    clues: list[Said] = []
    for line in lines:
        match = _CLUE.match(line)
        if match is None:
            raise ArgumentError(f"`prompt` has a line that is no clue: {line!r}")
        clues.append((match[2], called[match[1].lower()], called[match[3].lower()]))
    return n, m, clues


def _fits(clue: Said, who: Mapping[Entity, int], seat: list[int]) -> bool:
    """Whether a clue holds, as far as its people and their seats are known."""
    how, first, second = clue
    a, b = who.get(first), who.get(second)
    if a is None or b is None:
        return True
    if how.startswith("is"):
        return (a == b) == (how == "is")
    gap = seat[b] - seat[a]
    return gap > 0 if "left" in how else abs(gap) == 1


def _search(prompt: str) -> tuple[list[list[int]], int]:
    """All solutions, as the values of all people attribute by attribute, and the nodes searched.

    Seats first, then attribute by attribute, person by person. A clue is checked as soon as both
    that it speaks of are placed: when the second of them is.
    """
    n, m, clues = _read(prompt)
    due: dict[Entity, list[Said]] = {}
    for clue in clues:
        for entity in {clue[1], clue[2]}:
            due.setdefault(entity, []).append(clue)
    who: dict[Entity, int] = {}
    cells: list[int] = []
    found: list[list[int]] = []
    nodes = 1

    def place() -> None:
        nonlocal nodes
        attribute, person = divmod(len(cells), n)
        if attribute == m:
            found.append(list(cells))
            return
        known = [(-1, person)] if attribute == 0 else []
        for value in range(n):
            new = [*known, (attribute, value)]
            if new[-1] in who:
                continue
            nodes += 1
            cells.append(value)
            who.update(dict.fromkeys(new, person))
            if all(_fits(clue, who, cells) for entity in new for clue in due.get(entity, ())):
                place()
            cells.pop()
            for entity in new:
                del who[entity]

    place()
    return found, nodes


def solve(problem: Problem) -> str:
    """The solution from the prompt's text alone, by backtracking.

    Raises:
        ArgumentError: none or several solutions fit.
    """
    found, _ = _search(str(problem.prompt))
    if len(found) != 1:
        raise ArgumentError(f"`problem` {problem.id} has {len(found)} solutions")
    n, _, _ = _read(str(problem.prompt))
    rows = zip(*(found[0][i : i + n] for i in range(0, len(found[0]), n)), strict=True)
    return ", ".join(" ".join(ATTRIBUTES[a][2][v] for a, v in enumerate(row)) for row in rows)


def effort(problem: Problem) -> float:
    """Nodes of backtracking for all solutions."""
    return float(_search(str(problem.prompt))[1])


FAMILY = Family(
    name="logic_grid",
    doc="who sits where, likes what and owns what, from clues that leave one solution",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    effort=effort,
    effort_unit="nodes of backtracking for all solutions",
)
