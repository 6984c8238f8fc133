"""Knights and knaves: knights only tell the truth, knaves only lie; who is what?

A world is drawn (uniform), then statements that each person can make in it, until no other world is
left of all 2^n; those that the others make superfluous are dropped. So the answer is the only one
and every statement is needed. Instances are told apart by their statements; the same statements
under other names count as another instance.

Compact form: "q3AkBBsACCe2=" has three people A, B, C; A says that B is a knight (k; v for knave),
B that A and C are the same (s; d for different, o for at least one knight, n for at least one
knave), C that exactly 2 of all are knights (e). The answer is one digit each, 1 for a knight.

Ref: Smullyan 1978, What is the name of this book?
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations, product
from typing import Any, NamedTuple

from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

NAMES = ("Ann", "Bob", "Cal", "Dee", "Eve", "Fay", "Gus", "Hal", "Ida", "Jim", "Kay", "Leo")
KINDS = "kvsdone"
COMPACT = 48  # characters up to which a compact form is given
LONGEST = 400  # characters of a reply's final line

LADDER = {level: {"people": level + 2} for level in range(1, 11)}

KNOBS = {"people": Knob("how many people there are", 5, 3, 12)}

_SAYS = {
    "k": "{0} is a knight",
    "v": "{0} is a knave",
    "s": "{0} and {1} are of the same kind",
    "d": "{0} and {1} are of different kinds",
    "o": "at least one of {0} and {1} is a knight",
    "n": "at least one of {0} and {1} is a knave",
}
_WORDS = re.compile(r"[\s,;]+")
_VALUES = {"knight": "1", "knave": "0", "1": "1", "0": "0"}


class _Statement(NamedTuple):
    """Who says what of whom, and the worlds (bits) in which that person can say so."""

    speaker: int
    kind: str
    about: tuple[int, ...]
    worlds: int


@lru_cache(maxsize=16)
def _knights(n: int) -> list[int]:
    """For each person, the worlds in which they are a knight: bit w stands for world w."""
    return [sum(1 << w for w in range(1 << n) if w >> i & 1) for i in range(n)]


def _true(n: int, kind: str, about: tuple[int, ...]) -> int:
    """The worlds in which a statement is true."""
    every = (1 << (1 << n)) - 1
    if kind == "e":
        return sum(1 << w for w in range(1 << n) if w.bit_count() == about[0])
    first, second = (_knights(n)[i] for i in (about[0], about[-1]))
    return {
        "k": first,
        "v": every ^ first,
        "s": every ^ first ^ second,
        "d": first ^ second,
        "o": first | second,
        "n": every ^ (first & second),
    }[kind]


@lru_cache(maxsize=16)
def _pool(n: int) -> list[list[_Statement]]:
    """For each kind, all statements of n people: about others, or how many knights there are."""
    every = (1 << (1 << n)) - 1
    pool = []
    for kind in KINDS:
        found = []
        for speaker in range(n):
            others = [i for i in range(n) if i != speaker]
            abouts = list(combinations(others, 1 if kind in "kv" else 2))
            if kind == "e":
                abouts = [(count,) for count in range(n + 1)]
            for about in abouts:
                worlds = every ^ _knights(n)[speaker] ^ _true(n, kind, about)
                found.append(_Statement(speaker, kind, about, worlds))
        pool.append(found)
    return pool


def _needed(statements: list[_Statement], n: int) -> list[_Statement]:
    """The statements that are left when each that is superfluous has been dropped in turn."""
    after = [(1 << (1 << n)) - 1]
    for statement in reversed(statements):
        after.append(after[-1] & statement.worlds)
    kept, left = [], after[0]
    for i, statement in enumerate(statements):
        rest = left & after[len(statements) - 1 - i]
        if rest.bit_count() > 1:
            kept.append(statement)
            left &= statement.worlds
    return kept


def _english(statement: _Statement, n: int) -> str:
    if statement.kind == "e":
        (count,) = statement.about
        if count == 1:
            return f"exactly 1 of us {n} is a knight"
        return f"exactly {count} of us {n} are knights"
    return _SAYS[statement.kind].format(*(NAMES[i] for i in statement.about))


def _short(statement: _Statement) -> str:
    about = "".join("ABCDEFGHIJKL"[i] for i in statement.about) if statement.kind != "e" else ""
    return "ABCDEFGHIJKL"[statement.speaker] + statement.kind + (about or str(statement.about[0]))


def make(stream: Stream, *, people: int) -> Draft:
    """One puzzle with exactly one solution and no superfluous statement."""
    n, pool = people, _pool(people)
    world = stream.below(1 << n)
    left, statements = (1 << (1 << n)) - 1, []
    while left.bit_count() > 1:
        statement = stream.choice(pool[stream.below(len(pool))])
        if statement.worlds >> world & 1 and left & ~statement.worlds:
            left &= statement.worlds
            statements.append(statement)
    statements = sorted(_needed(statements, n))
    names = ", ".join(NAMES[:n])
    bits = [world >> i & 1 for i in range(n)]
    answer = " ".join("knight" if bit else "knave" for bit in bits)
    shown = "\n".join(f"{NAMES[s.speaker]} says: {_english(s, n)}." for s in statements)
    short = "".join(map(_short, statements))
    compact = f"q{n}{short}=" if n <= 9 and len(short) + 3 <= COMPACT else None
    because = "\n".join(
        f"{NAMES[s.speaker]} is a {'knight' if bits[s.speaker] else 'knave'}, so it is "
        f"{'true' if bits[s.speaker] else 'false'} that {_english(s, n)}."
        for s in statements
    )
    return Draft(
        prompt=(
            f"{names} are knights or knaves. Knights only make true statements, knaves only make "
            f"false ones.\n{shown}\n"
            f"Answer with knight or knave for each of {names}, in this order, separated by spaces, "
            "and nothing else."
        ),
        answer=answer,
        canonical=f"{n}: {' '.join(map(_short, statements))}",
        compact=compact,
        compact_answer="".join(map(str, bits)) if compact else None,
        solution=f"{because}\n{answer}",
    )


def _kinds(text: str, n: int) -> str | None:
    """A digit per person, or None where the text does not give n kinds."""
    words = _WORDS.split(text.lower().strip("[]()"))
    if len(words) == 1 and n > 1:
        words = list(words[0])
    values = [_VALUES.get(word, "") for word in words]
    return "".join(values) if len(values) == n and all(values) else None


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply says of everyone what they are; in digits, 1 is a knight."""
    found = extract(text)
    if found.answer is None or len(found.answer) > LONGEST:
        return UNPARSED
    gold = problem.answer.split()
    stated = _kinds(plain(found.answer), len(gold))
    if stated is None and found.how == "line":
        stated = _kinds(announced(found.answer) or "", len(gold))
    if stated is None:
        return UNPARSED
    right = stated == "".join(_VALUES[word] for word in gold)
    shown = " ".join("knight" if bit == "1" else "knave" for bit in stated)
    return Verdict(float(right), right, shown, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that a coin for everyone is right: 2^-n."""
    return 0.5 ** complete(KNOBS, knobs)["people"]


def _puzzles(statements: list[int], chosen: list[int], start: int, every: int) -> int:
    """Sets of statements, `chosen` among them, that leave one world, none of them superfluous."""
    left = every
    for worlds in chosen:
        left &= worlds
    if left.bit_count() == 1:
        for i in range(len(chosen)):
            rest = every
            for j, worlds in enumerate(chosen):
                rest &= worlds if j != i else every
            if rest == left:
                return 0
        return 1
    total = 0
    for i in range(start, len(statements)):
        if left & statements[i] and left & ~statements[i]:
            total += _puzzles(statements, [*chosen, statements[i]], i + 1, every)
    return total


@lru_cache(maxsize=16)
def _space(n: int) -> int:
    if n == 3:
        return _puzzles([s.worlds for kind in _pool(3) for s in kind], [], 0, 255)
    known = _puzzles([s.worlds for kind in _pool(3)[:-1] for s in kind], [], 0, 255)
    for people in range(3, n):
        known *= 2 * people
    return known


def space(knobs: Mapping[str, Any]) -> int:
    """Puzzles of three people, counted; for more of them a lower bound.

    A puzzle of m people whose statements count no knights stays one, without a superfluous
    statement, when a further person says of one of the m that they are a knight, or a knave:
    2m puzzles of m + 1 people, all different.
    """
    return _space(complete(KNOBS, knobs)["people"])


def _claim(text: str, world: dict[str, bool]) -> bool:
    """Whether an English statement is true of a world (name -> knight)."""
    named = [world[name] for name in re.findall(r"[A-Z][a-z]+", text)]
    if "exactly" in text:
        return sum(world.values()) == int(text.split()[1])
    if "kind" in text:
        return (named[0] == named[1]) == ("same" in text)
    wanted = text.rstrip(".").endswith("knight")
    return any(value == wanted for value in named)


def _read(prompt: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Names, and who says what, from the prompt's text."""
    names = re.findall(r"[A-Z][a-z]{2}\b", prompt.split(" are knights or knaves")[0])
    return names, re.findall(r"^(\w+) says: (.+)\.$", prompt, re.MULTILINE)


def solve(problem: Problem) -> str:
    """The solution from the prompt's text alone, by trying every world.

    Raises:
        ArgumentError: none or several worlds fit.
    """
    names, said = _read(str(problem.prompt))
    fits = []
    for values in product((True, False), repeat=len(names)):
        world = dict(zip(names, values, strict=True))
        if all(world[speaker] == _claim(text, world) for speaker, text in said):
            fits.append(" ".join("knight" if value else "knave" for value in values))
    if len(fits) != 1:
        raise ArgumentError(f"`problem` {problem.id} has {len(fits)} solutions")
    return fits[0]


def effort(problem: Problem) -> float:
    """Nodes of backtracking for all solutions; a statement is checked when its people are set."""
    names, said = _read(str(problem.prompt))
    due: list[list[tuple[str, str]]] = [[] for _ in names]
    for speaker, text in said:
        about = names if "exactly" in text else [speaker, *re.findall(r"[A-Z][a-z]+", text)]
        due[max(names.index(name) for name in about)].append((speaker, text))
    nodes, stack = 0, [()]
    while stack:
        values = stack.pop()
        nodes += 1
        world = dict(zip(names, values, strict=False))
        if values and not all(world[who] == _claim(it, world) for who, it in due[len(values) - 1]):
            continue
        if len(values) < len(names):
            stack += [(*values, True), (*values, False)]
    return float(nodes)


FAMILY = Family(
    name="knights",
    doc="who is a knight and who is a knave, from what they say",
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
