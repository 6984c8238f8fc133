"""What is wrong with the data before anything is fitted: findings a user can act on.

Axes: `solver`, `item`, `cell` (a solver and an item).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gradatim.errors import ArgumentError, nearest
from gradatim.scale import cells, clones, rates, screens
from gradatim.scale.screens import Screen
from gradatim.scale.survey import survey
from gradatim.types import Matrix, Responses

MOST = 20_000  # solvers whose pairs are compared


class Finding(NamedTuple):
    """One thing that is wrong, or may be.

    Attributes:
        kind: clones, all_right, all_wrong, items_all_right, items_all_wrong, published,
            unpublished, no_answers, or parts.
        names: solvers or items it is about; of parts, those of the smallest part.
        evidence: numbers behind it.
        words: one sentence for people, with what to do.
    """

    kind: str
    names: tuple[str, ...]
    evidence: Mapping[str, Any]
    words: str


@dataclass(frozen=True, slots=True)
class Quality:
    """What `check_quality` found.

    Attributes:
        findings: the gravest kinds first; empty where nothing is wrong.
        skipped: what was not looked at, or not in full, and why.
    """

    findings: tuple[Finding, ...]
    skipped: tuple[str, ...] = ()


def check_quality(
    responses: Responses | Matrix,
    *,
    published: Mapping[str, float] | None = None,
    kinds: Sequence[str] | None = None,
    alarm: float = 0.01,
    checked: bool = False,
) -> Quality:
    """Look for what would spoil a calibration.

    Looked for: clones (two names with nearly the same row), solvers and items that are all right
    or all wrong, rows that contradict a published mean, rows with no right answer where the
    others have many (the answers were probably not extracted), and parts without a common item.

    Args:
        responses: counts in long form or as a table.
        published: solver -> mean score in [0, 1] that its author or a leaderboard states.
        kinds: (item,) labels; rows are looked at for missing answers within each of them, too.
        alarm: chance of a false finding, for each of clones, published and no_answers.
        checked: `cells.check_responses` has been called on them; saves its time.

    Returns:
        Quality.

    Raises:
        ArgumentError: responses that cannot be; published means outside [0, 1], or about none of
            the solvers; labels of another length.

    >>> found = check_quality(Responses(solver=np.array([0, 0, 1, 1]), item=np.array([0, 1, 0, 1]),
    ...     solved=np.array([1, 0, 1, 1]), tried=np.ones(4), solvers=("a", "b"), items=("x", "y")))
    >>> [(f.kind, f.names) for f in found.findings]
    [('all_right', ('b',)), ('items_all_right', ('x',))]
    """
    screen = screens.screen(responses, checked=checked)
    if kinds is not None and len(kinds) != len(responses.items):
        raise ArgumentError(f"`kinds` must label {len(responses.items)} items, got {len(kinds)}")
    effects = clones.main_effects(screen.rate, screen.has)
    skipped = []
    if len(screen.chosen) < len(responses.items):
        part = f"{len(screen.chosen)} most answered of {len(responses.items)} items"
        skipped.append(f"rows were compared, and searched for lost answers, on the {part}")
    found = _empty(responses, screen, effects, kinds=kinds, alarm=alarm)
    if len(responses.solvers) <= MOST:
        found += _clones(responses, screen, effects, alarm)
    else:
        skipped.append(f"clones: {len(responses.solvers)} solvers are more than {MOST}")
    if published is not None:
        found += _contradicted(responses, screen, published, alarm)
    found += _parts(responses, screen)
    found += _constant(responses, screen)
    return Quality(tuple(found), tuple(skipped))


def _clones(
    responses: Responses | Matrix, screen: Screen, effects: clones.Effects, alarm: float
) -> list[Finding]:
    pairs = clones.find_clones(screen.rate, screen.has, effects=effects, alarm=alarm)
    found = []
    for group in clones.groups_of(pairs.first, pairs.second):
        inside = np.isin(pairs.first, group)
        names = tuple(responses.solvers[i] for i in group)
        worst = int(np.flatnonzero(inside)[np.argmax(pairs.differ[inside])])
        n, d, e = pairs.common[worst], pairs.differ[worst], pairs.expected[worst]
        means = tuple(float(screen.right[i] / screen.tried[i]) for i in group)
        evidence = {
            "cells": int(n),
            "differences": float(d),
            "expected": float(e),
            "log_chance": float(pairs.bound[worst]),
            "means": means,
        }
        words = (
            f"{_listed(names)} have nearly the same row: their difference is {d:.3g} on {n} common "
            f"cells where {e:.3g} is expected of different solvers as able as these; "
            f"keep one of them, or make sure that they are not one system under two names"
        )
        found.append(Finding("clones", names, evidence, words))
    return found


def _empty(
    responses: Responses | Matrix,
    screen: Screen,
    effects: clones.Effects,
    *,
    kinds: Sequence[str] | None,
    alarm: float,
) -> list[Finding]:
    """Rows, or a kind's part of rows, without any right answer where that cannot be weakness.

    Judged as if the solver were as able as its other kinds say, and no weaker than the weakest
    that has a right answer; of two or more others, three of four must have one.
    """
    alive = screen.right > 0
    if not alive.any():
        return []
    ability = np.maximum(effects.ability, effects.ability[alive].min())
    labels = np.array(["" if kinds is None else str(kinds[i]) for i in screen.chosen])
    whole = ~alive & (screen.answered > 0)
    suspects: list[tuple[float, str, int, int]] = []
    for label in ("", *sorted(set(labels.tolist()) - {""})):
        columns = slice(None) if label == "" else np.flatnonzero(labels == label)
        rate, has = screen.rate[:, columns], screen.has[:, columns]
        n = has.sum(axis=1)
        right = rate.sum(axis=1) > 0
        zero = whole if label == "" else ~right & (n > 0) & alive
        others = np.count_nonzero(n) - 1
        if others < 2 or np.count_nonzero(right) < 0.75 * others:
            continue
        for i in np.flatnonzero(zero):
            logit = ability[i] - effects.difficulty[columns]
            chance = -float(np.logaddexp(0, logit)[has[i] > 0].sum())
            suspects.append((chance, label, int(i), int(n[i])))
    tests = max(len(screen.right) * len(set(labels.tolist())), 1)
    found = []
    for chance, label, i, n in sorted(suspects):
        if chance < np.log(alarm / tests):
            name, where = responses.solvers[i], f" of kind {label!r}" if label else ""
            words = (
                f"{name!r} has no right answer in {n} cells{where} where at least three of four "
                f"others have some: probably its answers were not extracted; "
                f"read some of its replies and grade them again, or leave the row out"
            )
            evidence = {"cells": n, "kind": label, "log_chance": chance}
            found.append(Finding("no_answers", (name,), evidence, words))
    return found


def _contradicted(
    responses: Responses | Matrix, screen: Screen, published: Mapping[str, float], alarm: float
) -> list[Finding]:
    """Means outside the score interval of their row, with items as the sample."""
    place = {name: i for i, name in enumerate(responses.solvers) if screen.tried[i] > 0}
    for name, value in published.items():
        if not 0 <= value <= 1:
            hint = f"; as a share it is {value / 100:g}" if 1 < value <= 100 else ""
            raise ArgumentError(
                f"`published` must be shares in [0, 1], got {value} ({name!r}){hint}"
            )
    known = [name for name in published if name in place]
    unknown = tuple(name for name in published if name not in place)
    if published and not known:
        hint = nearest(str(unknown[0]), [str(name) for name in place])
        raise ArgumentError(f"`published` names none of the solvers, got {unknown[0]!r}{hint}")
    rows = np.array([place[name] for name in known], dtype=int)
    mean = screen.right[rows] / screen.tried[rows]
    n = screen.answered[rows].astype(float)
    low, high = rates.wilson(mean * n, n, 1 - alarm / max(len(rows), 1))
    rounding = 5e-4  # means are published with three digits
    found = []
    for at, name in enumerate(known):
        stated = published[name]
        if low[at] - rounding <= stated <= high[at] + rounding:
            continue
        words = (
            f"{name!r} has a mean of {mean[at]:.4f} here (between {low[at]:.3f} and "
            f"{high[at]:.3f} on {n[at]:.0f} items) but {stated:.4f} is published: another version, "
            f"prompt or grading, or a damaged row; find out which before it is used"
        )
        evidence = {
            "mean": float(mean[at]),
            "low": float(low[at]),
            "high": float(high[at]),
            "published": float(stated),
            "items": int(n[at]),
        }
        found.append(Finding("published", (name,), evidence, words))
    if unknown:
        words = f"no row for {_listed(unknown)}, whose mean is published: check the spelling"
        found.append(Finding("unpublished", unknown, {}, words))
    return found


def _parts(responses: Responses | Matrix, screen: Screen) -> list[Finding]:
    if _connected(screen):
        return []
    parts = survey(responses, cells.tabulate(responses))["parts"]
    assert isinstance(parts, list)
    if not parts:
        return []
    listed = " | ".join(_listed(part) for part in parts[:4]) + (" | ..." if parts[4:] else "")
    words = (
        f"solvers fall into {len(parts)} parts without a common item ({listed}): abilities of "
        f"different parts cannot be compared; calibrate each by itself, or add attempts of one "
        f"solver in both"
    )
    evidence = {"parts": [list(part) for part in parts], "sizes": [len(p) for p in parts]}
    return [Finding("parts", tuple(parts[-1]), evidence, words)]


def _connected(screen: Screen) -> bool:
    """Whether the most answered items join all solvers: mostly so, and quickly seen."""
    has = screen.has > 0
    joined = np.arange(len(has)) == screen.answered.argmax()
    items, before = has[joined].any(axis=0), 0
    while (n := int(np.count_nonzero(joined))) != before:
        before = n
        fresh = np.flatnonzero(~joined)
        more = fresh[(has[fresh] & items).any(axis=1)]
        joined[more] = True
        items = items | has[more].any(axis=0)
    return bool(joined[screen.answered > 0].all())


CONSTANT = {
    "all_right": "solved everything: they are abler than these items can show; add harder items",
    "all_wrong": "solved nothing: they are weaker than these items can show; add easier items",
    "items_all_right": "solved by all who tried: difficulty is only known to be low; weaker "
    "solvers would tell, or leave out what all solve",
    "items_all_wrong": "solved by none who tried: too hard, or the answer key is wrong; check "
    "some of the keys, or leave out what none solves",
}


def _constant(responses: Responses | Matrix, screen: Screen) -> list[Finding]:
    found = []
    for prefix, names, right, tried in (
        ("", responses.solvers, screen.right, screen.tried),
        ("items_", responses.items, screen.item_right, screen.item_tried),
    ):
        for kind, constant in (("all_right", right >= tried), ("all_wrong", right <= 0)):
            index = np.flatnonzero(constant & (tried > 0))
            if len(index):
                named = tuple(sorted(names[i] for i in index))
                noun = ("item" if prefix else "solver") + ("s" if len(index) > 1 else "")
                words = f"{len(index)} {noun} ({_listed(named)}) {CONSTANT[prefix + kind]}"
                share = len(index) / int(np.count_nonzero(tried))
                evidence = {"count": len(index), "share": share}
                found.append(Finding(prefix + kind, named, evidence, words))
    return found


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
