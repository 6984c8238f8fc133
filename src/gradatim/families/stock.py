"""The gate, part two: is what a family generates varied, repeatable, split, and ever harder?

Gates here look at the family's instances and its ladder, not at its check. `supply` draws once
what several of them look at.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from math import ceil, exp
from statistics import median
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.families.gate import NO_TEXT, Notes, Outcome, asked, right
from gradatim.families.generation import LEVELS, SPLITS, UNSPLIT, generate
from gradatim.families.knobs import resolve
from gradatim.families.read import to_row
from gradatim.files import dumps
from gradatim.rng import Stream, digest
from gradatim.types import Draft, Family, Knob, Problem

UNIQUE = 0.99  # share of draws that must differ, unless the space is small and says so
WALKED = 20_000  # spaces up to this many instances are walked through by `nth`
SMALL = 2_000  # and up to this many exhausted by drawing
MANY = 50  # items a level from which medians are compared as they are
CLEARLY = 2.33
CONFIDENT = 0.999
TOLERANCE = 1e-12


@cache
def most_by_chance(mean: float) -> int:
    """Quantile 99.9% of a Poisson count.

    >>> [most_by_chance(mean) for mean in (0.0, 1.0, 4.0)]
    [0, 5, 11]
    """
    if mean > 400:  # exp(-mean) would vanish
        return ceil(mean + 3.1 * mean**0.5 + 1)
    count, term = 0, exp(-mean)
    below = term
    while below < CONFIDENT and count < mean + 60 * (mean + 1) ** 0.5:
        count += 1
        term *= mean / count
        below += term
    return count


def supply(
    family: Family, n: int, *, seed: int = 0, split: str = "train", unique: bool = False
) -> list[Problem]:
    """n problems over levels 1..10 in turn."""
    return generate(family, n=n, level=LEVELS, seed=seed, split=split, unique=unique)


def content_hash(family: Family, n: int) -> str:
    """Hash of n items of each split with all that is written of them; equal in every process."""
    rows = [to_row(p) for split in SPLITS for p in supply(family, n, seed=3, split=split)]
    return digest(dumps(rows)).hex()


def setting(family: Family, level: int) -> dict[str, Any]:
    """All knobs of a level."""
    return resolve(family, family.ladder(level))


def drafts(family: Family, level: int, n: int) -> list[Draft]:
    """n instances of a level as the family makes them, of either split."""
    knobs = setting(family, level)
    return [family.make(Stream("gate", family.name, level, i), **knobs) for i in range(n)]


def _ladder_faults(family: Family) -> Iterator[tuple[int, str]]:
    before = 1.0
    for level in LEVELS:
        try:
            knobs = setting(family, level)
            floor, space = family.floor(knobs), family.space(knobs)
        except Exception as error:
            yield level, f"ladder, floor or space raised {type(error).__name__}: {error}"
            continue
        if not 0 <= floor <= 1:
            yield level, f"floor {floor} is outside [0, 1]"
        if floor > before + TOLERANCE:
            yield level, f"floor rises from {before:.4g} to {floor:.4g}"
        if isinstance(space, bool) or not isinstance(space, int) or space < 1:
            yield level, f"space is {space!r}, not a whole number of at least 1"
        before = floor


def ladder(family: Family) -> Outcome:
    """Every level is valid, its floor is a probability and no higher than the level's before."""
    notes = Notes("ladder")
    notes.tried = len(LEVELS)
    for level, why in _ladder_faults(family):
        notes.fail(None, NO_TEXT, f"level {level}: {why}")
    return notes.outcome()


def _falls(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether effort falls: by its median with many items, by more than chance with few.

    With few it is the rank-sum test: of all pairs the share in which the later level takes more
    lies `CLEARLY` standard deviations below a half.
    """
    n, m = len(before), len(after)
    if min(n, m) >= MANY:
        return median(after) < median(before)
    more = sum((y > x) + 0.5 * (y == x) for x in before for y in after)
    return more - n * m / 2 < -CLEARLY * (n * m * (n + m + 1) / 12) ** 0.5


def effort(family: Family, problems: Sequence[Problem]) -> Outcome:
    """The median measured effort of solving never falls from a level to the next, and rises.

    With fewer than 50 items a level a fall must be clear of chance to count.
    """
    notes = Notes("effort")
    if family.effort is None or not family.effort_unit:
        notes.tried = 1
        lacks = "effort" if family.effort is None else "effort_unit"
        notes.fail(None, NO_TEXT, f"'{family.name}' measures no effort (Family.{lacks})")
        return notes.outcome(unit="", medians={})
    measured: dict[int, list[float]] = {}
    for problem in problems:
        notes.tried += 1
        try:
            work = float(family.effort(problem))
        except Exception as error:
            notes.fail(problem, NO_TEXT, f"effort raised {type(error).__name__}: {error}")
            continue
        measured.setdefault(problem.level or 0, []).append(work)
    levels = sorted(measured)
    medians = {level: median(measured[level]) for level in levels}
    for a, b in pairwise(levels):
        if _falls(measured[a], measured[b]):
            takes = f"{medians[b]:g} {family.effort_unit}, level {a} {medians[a]:g}"
            notes.fail(None, NO_TEXT, f"level {b} takes {takes} (median)")
    if levels and medians[levels[-1]] <= medians[levels[0]]:
        notes.fail(None, NO_TEXT, f"level {levels[-1]} takes no more than level {levels[0]}")
    return notes.outcome(unit=family.effort_unit, medians=medians)


def unique(family: Family, n: int = 1000, *, walked: int = WALKED) -> Outcome:
    """Of n draws over the ladder 99% differ in canonical form, or the space accounts for the rest.

    A level with more repeats than one in a hundred must state so small a space that these are
    expected. Up to `walked` instances it is exhausted: `nth` gives each once, or, without `nth`,
    asking for more than there are ends in an error that says so.
    """
    notes = Notes("unique")
    each = max(1, n // len(LEVELS))
    seen: set[str] = set()
    for level in LEVELS:
        try:
            forms = [draft.canonical for draft in drafts(family, level, each)]
        except Exception as error:
            notes.fail(None, NO_TEXT, f"level {level}: make raised {type(error).__name__}: {error}")
            continue
        notes.tried += each
        own = len(set(forms))
        seen.update(forms)
        if own < UNIQUE * each:
            _accounted(family, level, (each, own, walked), notes)
    return notes.outcome(different=len(seen), share=len(seen) / max(notes.tried, 1))


def _accounted(family: Family, level: int, counts: tuple[int, int, int], notes: Notes) -> None:
    """Repeats of a level against the space that it states."""
    n, own, walked = counts
    space = family.space(setting(family, level))
    if space > WALKED:
        expected = n - space * (1 - (1 - 1 / space) ** n)  # repeats of n equally likely draws
        if n - own > most_by_chance(expected):
            why = f"{n - own} of {n} items repeat others, {expected:.1f} would among {space:,}"
            notes.fail(None, NO_TEXT, f"level {level}: {why}")
    elif space > walked:
        return
    elif family.nth is not None:
        knobs = setting(family, level)
        different = len({family.nth(i, **knobs).canonical for i in range(space)})
        if different != space:
            why = f"`nth` gives {different} different instances of {space}"
            notes.fail(None, NO_TEXT, f"level {level}: {why}")
    elif space <= SMALL:
        _exhausted(family, level, space, notes)


def _exhausted(family: Family, level: int, space: int, notes: Notes) -> None:
    """Without `nth` the stated space may be a lower bound: more may come, or a clear end."""
    try:
        generate(family, n=space + 1, level=level, unique=True)
    except ArgumentError:
        return
    except Exception as error:
        why = f"asking for all raised {type(error).__name__}: {error}"
        notes.fail(None, NO_TEXT, f"level {level}: {why}")


def splits(train: Sequence[Problem], test: Sequence[Problem]) -> Outcome:
    """No content and no id of train is in test; only spaces under 50 are marked unsplit."""
    notes = Notes("splits")
    kept = {asked(p): p for p in train if not p.meta.get("unsplit")}
    ids = {p.id for p in kept.values()}
    for problem in test:
        if problem.meta.get("unsplit"):
            continue
        notes.tried += 1
        if asked(problem) in kept or problem.id in ids:
            notes.fail(problem, asked(problem), "is in train and in test")
    return notes.outcome(unsplit=sum(bool(p.meta.get("unsplit")) for p in (*train, *test)))


def unsplit(family: Family) -> list[int]:
    """Levels too small to be split."""
    return [level for level in LEVELS if family.space(setting(family, level)) < UNSPLIT]


def _collisions(counts: Mapping[Any, int], others: Mapping[Any, int] | None = None) -> int:
    if others is None:
        return sum(k * (k - 1) // 2 for k in counts.values())
    return sum(k * others.get(key, 0) for key, k in counts.items())


def seeds(first: Sequence[Problem], second: Sequence[Problem]) -> Outcome:
    """Two seeds share no more items than chance gives.

    The chance that two items of a level collide is estimated inside each stream; the pairs across
    that collide may be at most the 99.9% quantile of a Poisson count with that rate.
    """
    notes = Notes("seeds")
    expected, shared = 0.0, 0
    for level in sorted({p.level or 0 for p in first}):
        one = Counter(asked(p) for p in first if (p.level or 0) == level)
        two = Counter(asked(p) for p in second if (p.level or 0) == level)
        n, m = one.total(), two.total()
        inside = _collisions(one) + _collisions(two)
        pairs = (n * (n - 1) + m * (m - 1)) / 2
        expected += inside / max(pairs, 1) * n * m
        shared += _collisions(one, two)
        notes.tried += n * m
    most = most_by_chance(max(expected, 1.0))
    if shared > most:
        known = {asked(p) for p in first}
        worst = next(p for p in second if asked(p) in known)
        notes.fail(worst, asked(worst), f"{shared} pairs are shared, by chance at most {most}")
    return notes.outcome(shared=shared, most=most)


def repeatable(family: Family, n: int = 12) -> Outcome:
    """The same call gives the same items; an item depends on its place, not on how many come."""
    notes = Notes("repeatable")
    for alone in (False, True):
        many = supply(family, n, unique=alone, seed=5)
        few = supply(family, max(1, n // 2), unique=alone, seed=5)
        for a, b in zip(many, few, strict=False):
            notes.tried += 1
            if a != b:
                what = ", unique" if alone else ""
                notes.fail(a, asked(a), f"is another item when fewer are asked for{what}")
    return notes.outcome()


def single_valued(family: Family, problems: Sequence[Problem]) -> Outcome:
    """One question has one answer: where two items ask the same, each accepts the other's."""
    notes = Notes("single-valued")
    by_prompt: dict[str, Problem] = {}
    for problem in problems:
        notes.tried += 1
        other = by_prompt.setdefault(asked(problem), problem)
        if not right(family, other, problem.answer):
            notes.fail(problem, problem.answer, f"the same question has answer {other.answer!r}")
    return notes.outcome()


def _outside(knob: Knob) -> list[Any]:
    if knob.choices:
        return ["nothing"]
    low, high = knob.low or 0, knob.high or 0
    return [low - 1, high + 1, 1.5, "x", None, True]


def knob_errors(family: Family) -> Outcome:
    """Values out of range are refused with a message that names knob and range."""
    notes = Notes("knobs")
    taken = {"family", "n", "level", "seed", "split", "unique"}
    for name, knob in family.knobs.items():
        if name in taken:
            notes.fail(None, NO_TEXT, f"'{name}' is an argument of generate, so it cannot be given")
            continue
        allowed = knob.choices[-1] if knob.choices else f"[{knob.low}, {knob.high}]"
        for value in _outside(knob):
            notes.tried += 1
            try:
                generate(family, n=1, **{name: value})
            except ArgumentError as error:
                if f"{name}`" not in str(error) or allowed not in str(error):
                    notes.fail(None, value, f"the message lacks '{name}' or {allowed}: {error}")
            except Exception as error:
                notes.fail(None, value, f"knob '{name}' raised {type(error).__name__}: {error}")
            else:
                notes.fail(None, value, f"knob '{name}' took a value outside {allowed}")
    return notes.outcome()
