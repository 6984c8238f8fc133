"""Splits that ask what was learned: harder than trained, or put together from what was trained.

A Split names what to train on and what to test on. Its problems come from `generate`, train from
the train side of the content hash and test from the other, so no instance is in both whatever the
levels; `overlap` counts what two lists of problems share, and `draw` refuses a pair that shares.

Ref: Sun et al. 2025, OMEGA, arXiv:2506.18880: exploratory (one skill, train low, test high) and
compositional (two skills apart, then joined). Its transformative axis needs problems whose known
method fails, which nobody generates yet; it is not here.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gradatim.errors import ArgumentError
from gradatim.families import compositions, registry
from gradatim.families.generation import UNSPLIT, generate, split_of
from gradatim.families.knobs import resolve
from gradatim.types import Family, Problem

DRAWN = 50  # problems drawn for each one that a filter may leave


class Part(NamedTuple):
    """Problems of one family at some levels, with knobs that replace those of the levels."""

    family: Family
    levels: tuple[int, ...]
    knobs: Mapping[str, Any] = {}


class Split(NamedTuple):
    """What to train on and what to test on.

    Attributes:
        axis: "explore" or "compose".
        train, test: the parts of either side.
        within: parts like those trained on, of the test split: OMEGA's in-distribution test.
        why: in one line, what a gap between `within` and `test` says.
    """

    axis: str
    train: tuple[Part, ...]
    test: tuple[Part, ...]
    within: tuple[Part, ...]
    why: str

    def __repr__(self) -> str:
        sizes = ", ".join(
            f"{side}={len(getattr(self, side))}" for side in ("train", "test", "within")
        )
        return f"Split({self.axis!r}, {self.why!r}; parts: {sizes})"


def _family(family: str | Family) -> Family:
    return registry.get(family) if isinstance(family, str) else family


def part_of(family: Family, levels: Iterable[int], knobs: Mapping[str, Any]) -> Part:
    """A part; a level too small to be split would put the same problems on both sides."""
    levels = tuple(levels)
    for level in levels:
        space = family.space(resolve(family, {**family.ladder(level), **knobs}))
        if space < UNSPLIT:
            raise ArgumentError(
                f"level {level} of {family.name} holds {space} instances, which train and test "
                "share; leave it out"
            )
    return Part(family, levels, dict(knobs))


def explore(family: str | Family, *, a: int, b: int | None = None, **knobs: Any) -> Split:
    """Train on levels up to a, test on levels above b: the same skill, harder.

    Args:
        family: a name or a Family.
        a: last level of training, 1..9.
        b: last level that is not tested, a..9; default a.
        knobs: replace the levels', on both sides.

    Raises:
        ArgumentError: an unknown family, levels out of range, or a level too small to be split.

    >>> split = explore("sat", a=3, b=5)
    >>> split.train[0].levels, split.test[0].levels
    ((1, 2, 3), (6, 7, 8, 9, 10))
    """
    b = a if b is None else b
    for name, value in (("a", a), ("b", b)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 9:
            raise ArgumentError(f"`{name}` must be a whole number in [1, 9], got {value!r}")
    if b < a:
        raise ArgumentError(f"`b` must be at least `a` = {a}, the last level trained; got {b}")
    record = _family(family)
    low = part_of(record, range(1, a + 1), knobs)
    high = part_of(record, range(b + 1, 11), knobs)
    why = f"{record.name}: from levels 1-{a} to levels {b + 1}-10"
    return Split("explore", (low,), (high,), (low,), why)


def compose(f: str, g: str, *, levels: Iterable[int] = range(1, 11)) -> Split:
    """Train on the skills f and g apart, test f after g.

    Args:
        f, g: skills of `compositions.SKILLS`; g works on what is given, f on its result.
        levels: of all three.

    Raises:
        ArgumentError: an unknown skill, or two that do not fit together.

    >>> [dict(part.knobs) for part in compose("chain", "sort").test]
    [{'first': 'sort', 'second': 'chain'}]
    """
    compositions.fit(g, f)
    levels = tuple(levels)
    family = compositions.FAMILY
    apart = tuple(part_of(family, levels, {"first": one, "second": "none"}) for one in (g, f))
    joined = part_of(family, levels, {"first": g, "second": f})
    return Split("compose", apart, (joined,), apart, f"{f} after {g}, learned apart")


def omega() -> list[Split]:
    """The compositional pairs that our skills can express; OMEGA's own is gcd after roots.

    >>> [split.why for split in omega()][-1]
    'gcd after roots, learned apart'
    """
    return [compose(second, first) for first, second in compositions.PAIRS]


def draw(split: Split, *, n: int, seed: int = 0) -> dict[str, list[Problem]]:
    """n problems for each of "train", "test" and "within", no instance on two sides.

    Of a composition's test, the first step alone belongs to the test side of its own family too,
    so that no test problem begins with a problem that could have been trained on.

    Raises:
        ArgumentError: too few problems, or the sides share an instance (says how many).

    >>> {side: len(problems) for side, problems in draw(explore("lists", a=3), n=20).items()}
    {'train': 20, 'test': 20, 'within': 20}
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise ArgumentError(f"`n` must be a whole number of at least 0, got {n!r}")
    sides = {
        "train": drawn(split.train, n, seed, "train"),
        "test": drawn(split.test, n, seed, "test"),
        "within": drawn(split.within, n, seed, "test"),
    }
    for side in ("test", "within"):
        shared = overlap(sides["train"], sides[side])
        if shared:
            raise ArgumentError(f"train and {side} share {shared} of {n} problems: {split.why}")
    return sides


def drawn(parts: tuple[Part, ...], n: int, seed: int, split: str) -> list[Problem]:
    """n problems, the parts in turn."""
    made = []
    for i, part in enumerate(parts):
        wanted = len(range(i, n, len(parts)))
        made.append(_fresh(part, wanted, seed, split))
    return [made[i % len(parts)][i // len(parts)] for i in range(n)]


def _fresh(part: Part, n: int, seed: int, split: str) -> list[Problem]:
    """The part's first n problems whose first step, where there are two, is of the split too."""
    asked = n
    while asked <= max(1, n) * DRAWN:
        problems = generate(
            part.family, n=asked, level=part.levels, seed=seed, split=split, **part.knobs
        )
        kept = [p for p in problems if split == "train" or _unseen(p)]
        if len(kept) >= n:
            return kept[:n]
        asked *= 2
    raise ArgumentError(f"{part.family.name} gave fewer than {n} problems of split '{split}'")


def _unseen(problem: Problem) -> bool:
    """Whether the first step, as a problem of its own, is on the test side."""
    inner = problem.meta.get("inner")
    return inner is None or split_of(problem.family, inner) == "test"


def overlap(first: Iterable[Problem], second: Iterable[Problem]) -> int:
    """How many problems of the second have a prompt of the first, whatever their ids say."""
    seen = {_words(p) for p in first}
    return sum(_words(p) in seen for p in second)


def _words(problem: Problem) -> str:
    return " ".join(str(problem.prompt).split()).casefold()


def describe(split: Split) -> dict[str, Any]:
    """A split as plain data, for a record of what was trained and tested."""
    return {
        "axis": split.axis,
        "why": split.why,
        **{
            side: [
                {"family": part.family.name, "levels": list(part.levels), "knobs": part.knobs}
                for part in parts
            ]
            for side, parts in (("train", split.train), ("test", split.test))
        },
    }
