"""What is held out from training, and how far away it is: harder, another instance, task, category.

A task is a family (with its knobs), a category is a set of tasks. Every problem drawn here says in
`meta` what it is: `held_out` (one of LEVELS, or "train"), `category`, and `complexity`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gradatim.errors import ArgumentError
from gradatim.families import registry
from gradatim.families.splits import Part, drawn, overlap, part_of
from gradatim.types import Problem

INSTANCE, TASK, CATEGORY = LEVELS = ("new instance", "new task", "new category")
TRAIN = "train"
WITHIN, BEYOND = RANGES = ("within", "beyond")


def complexity(problem: Problem) -> float:
    """How long a solution must be: a family's measured effort, else lines of a worked solution.

    Raises:
        ArgumentError: the problem has neither.

    >>> from gradatim.families.generation import generate
    >>> [complexity(p) for p in generate("hanoi", n=2, level=[1, 3])]
    [1.0, 10.0]
    """
    if problem.family:
        family = registry.get(problem.family)
        if family.effort is not None:
            return float(family.effort(problem))
    if problem.solution:
        return float(len([line for line in problem.solution.splitlines() if line.strip()]))
    raise ArgumentError(
        f"problem {problem.id} has no measured effort and no worked solution to count lines of"
    )


def by_complexity(problems: Sequence[Problem], most: float) -> dict[str, list[Problem]]:
    """Problems up to a complexity, to train on, and those beyond it, to test on.

    The within-range test is made of problems whose split is test; where none is, it is empty.

    Args:
        problems: of any families; their complexities must mean the same.
        most: largest complexity that is trained on.

    Returns:
        "train", "within" and "beyond"; each problem's meta has its `complexity`.

    Raises:
        ArgumentError: nothing on one side, or a problem of a test that is also trained on.

    Ref: Complexity Out of Distribution Generalization 2025 (Bridging Reasoning to Learning): train
    up to a solution length, test above it; only its summary was at hand.

    >>> from gradatim.families.generation import generate
    >>> sides = by_complexity(generate("hanoi", n=60, level=range(1, 6)), most=15)
    >>> max(p.meta["complexity"] for p in sides["train"]), len(sides["beyond"]) > 0
    (15.0, True)
    """
    sides: dict[str, list[Problem]] = {TRAIN: [], WITHIN: [], BEYOND: []}
    for problem in problems:
        size = complexity(problem)
        side = BEYOND if size > most else WITHIN if problem.split == "test" else TRAIN
        told = {**problem.meta, "complexity": size, "held_out": side}
        sides[side].append(replace(problem, meta=told))
    for side in (TRAIN, BEYOND):
        if not sides[side]:
            where = "at most" if side == TRAIN else "above"
            raise ArgumentError(f"no problem has a complexity {where} `most` = {most:g}")
    for side in RANGES:
        _no_leak(sides[TRAIN], sides[side], side)
    return sides


def three_levels(
    categories: Mapping[str, Sequence[str | Part]],
    *,
    new_categories: Sequence[str],
    new_tasks: Sequence[str],
    n: int,
    levels: Sequence[int] = range(1, 11),
    seed: int = 0,
) -> dict[str, list[Problem]]:
    """Train on some tasks of some categories; test on new instances, new tasks, new categories.

    Args:
        categories: name -> its tasks, families by name, or Parts.
        new_categories: those of which nothing is trained on.
        new_tasks: names of families in the other categories that are not trained on.
        n: problems of "train" and of each level, tasks in turn.
        levels: of families given by name.
        seed: of the problems.

    Returns:
        "train" and the three LEVELS.

    Raises:
        ArgumentError: unknown names, a family in two categories, a category with no task left to
            train on, no new task, or an instance on two sides (says how many).

    Ref: Iyer et al. 2022, OPT-IML, arXiv:2212.12017, section 2 (fully held-out category, partially
    held-out category, held-out instances).

    >>> found = three_levels({"lists": ["lists", "arithmetic"], "logic": ["sat"]},
    ...     new_categories=["logic"], new_tasks=["arithmetic"], n=4)
    >>> [found[side][0].family for side in ("train", *LEVELS)]
    ['lists', 'lists', 'arithmetic', 'sat']
    """
    tasks = {name: [_part(one, levels) for one in members] for name, members in categories.items()}
    _check(tasks, new_categories, new_tasks)
    place: dict[str, str] = {}
    sides: dict[str, list[Part]] = {side: [] for side in LEVELS}
    for name, members in tasks.items():
        for part in members:
            place[part.family.name] = name
            new = TASK if part.family.name in new_tasks else INSTANCE
            sides[CATEGORY if name in new_categories else new].append(part)

    def told(side: str, parts: Sequence[Part], split: str) -> list[Problem]:
        return [
            replace(p, meta={**p.meta, "held_out": side, "category": place[p.family]})
            for p in drawn(tuple(parts), n, seed, split)
        ]

    found = {TRAIN: told(TRAIN, sides[INSTANCE], "train")}
    for side in LEVELS:
        found[side] = told(side, sides[side], "test")
        _no_leak(found[TRAIN], found[side], side)
    return found


def _part(task: str | Part, levels: Sequence[int]) -> Part:
    return part_of(registry.get(task), levels, {}) if isinstance(task, str) else task


def _check(
    tasks: Mapping[str, Sequence[Part]], new_categories: Sequence[str], new_tasks: Sequence[str]
) -> None:
    owner = _owners(tasks)
    for name in new_categories:
        if name not in tasks:
            raise ArgumentError(f"`new_categories` has '{name}', which is none of {list(tasks)}")
    seen = {family for family, name in owner.items() if name not in new_categories}
    for family in new_tasks:
        if family not in seen:
            raise ArgumentError(
                f"`new_tasks` has '{family}', which is in no category that is trained on"
            )
    if not new_categories or not new_tasks:
        raise ArgumentError("`new_categories` and `new_tasks` must each name at least one")
    for name in set(tasks) - set(new_categories):
        if all(part.family.name in new_tasks for part in tasks[name]):
            raise ArgumentError(
                f"category '{name}' has no task left to train on: hold it out as a whole with "
                "`new_categories`"
            )


def _owners(tasks: Mapping[str, Sequence[Part]]) -> dict[str, str]:
    """Family -> its category."""
    owner: dict[str, str] = {}
    for name, members in tasks.items():
        for part in members:
            family = part.family.name
            if owner.setdefault(family, name) != name:
                raise ArgumentError(f"'{family}' is in two categories: {owner[family]} and {name}")
    return owner


def _no_leak(train: Sequence[Problem], test: Sequence[Problem], side: str) -> None:
    shared = overlap(train, test)
    if shared:
        raise ArgumentError(f"train and {side} share {shared} of {len(test)} problems")
