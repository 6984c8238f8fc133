"""What slots demand of a trainer and of all its problems, said before the first step.

A scaffold that fails on one problem in a thousand would else fail hours into a run.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gradatim import checks
from gradatim.choice import samplers
from gradatim.errors import ArgumentError
from gradatim.families import registry as families
from gradatim.types import ROLES, Batch, Pool, Problem, Recipe, Slot

MOST = 9  # families that a message lists


# what a trainer or a pool can give at all, other packages' entries apart
GIVEN = frozenset(
    {"rounds", "hint", "prefill", "token_advantage", "tree", "features", "bank", "belief", *ROLES}
    | {field.name for field in dataclasses.fields(Batch)}
)


def provided(names: Iterable[str], asked: Iterable[str]) -> frozenset[str]:
    """What a trainer says that it gives, as a set.

    Args:
        names: the trainer's.
        asked: what the recipe's entries need, known names or not.

    Raises:
        ArgumentError: one string, or a name that nothing asks for (names the nearest).
    """
    if isinstance(names, str):
        raise ArgumentError(f"`provides` must be several names, such as [{names!r}], got a string")
    given, known = frozenset(names), GIVEN.union(asked)
    for name in sorted(given - known):
        checks.one_of("provides", name, known)
    return given


def refuse(
    problems: Sequence[Any], can: Callable[[Problem], bool], why: str, *, instead: str = "none"
) -> None:
    """Refuse problems that a scaffold cannot work on, in one line.

    Raises:
        ArgumentError: how many there are and of which families.

    >>> refuse(["1 + 1"], lambda problem: True, "have no worked solution")
    Traceback (most recent call last):
    gradatim.errors.ArgumentError: 1 of 1 problems have no worked solution: plain text or rows; ...
    """
    bad = [item for item in problems if not (isinstance(item, Problem) and can(item))]
    if not bad:
        return
    named = {item.family for item in bad if isinstance(item, Problem) and item.family}
    plain = ["plain text or rows"] * any(not isinstance(x, Problem) or not x.family for x in bad)
    listed = [*(f"'{name}'" for name in sorted(named)), *plain]
    raise ArgumentError(
        f"{len(bad)} of {len(problems)} problems {why}: {', '.join(listed[:MOST])}"
        f"{' ...' * (len(listed) > MOST)}; leave them out, or choose scaffold '{instead}'"
    )


def hints(
    pool: Pool,
    problems: Sequence[Any],
    provides: frozenset[str],
    *,
    target: float,
    hint_weight: float,
    **_: Any,
) -> None:
    """Every problem must have something to hint with, and the target be within reach.

    Raises:
        ArgumentError: problems without a worked solution to a plain prompt (a trainer that
            provides "prefill" begins the compact answer instead); a target below all floors; a
            loss on hints that the trainer does not take.
    """
    if hint_weight and "hint_weight" not in provides:
        raise ArgumentError(
            f"`hint_weight` is {hint_weight:g}, but the trainer provides no loss on hints "
            f"('hint_weight'); it provides {', '.join(sorted(provides))}"
        )
    samplers.above_floors(pool, target=target)
    if "prefill" in provides:
        refuse(problems, lambda p: p.compact is not None, "have no compact form to begin")
        return
    refuse(
        problems,
        lambda p: bool(p.solution) and isinstance(p.prompt, str),
        "have no worked solution to a plain prompt, so there is nothing to hint at",
    )


def levels(pool: Pool, problems: Sequence[Any], provides: frozenset[str], **_: Any) -> None:
    """Every problem must come from a level of a family that is known here."""
    why = "were not generated at a level of a family, so no knob makes them simpler"
    refuse(problems, lambda p: bool(p.family) and p.level is not None, why)
    for name in sorted({item.family for item in problems}):
        families.get(name)


def solutions(pool: Pool, problems: Sequence[Any], provides: frozenset[str], **_: Any) -> None:
    """Every problem must have a worked solution."""
    why = "have no worked solution to reformulate"
    refuse(problems, lambda p: p.solution is not None, why, instead="explain")


def suit(
    recipe: Recipe,
    slots: Mapping[str, tuple[Slot, Mapping[str, Any]]],
    pool: Pool,
    problems: Sequence[Any],
    *,
    provides: Iterable[str],
) -> None:
    """Ask every entry (slot -> record, options) whether it can work on these problems.

    Raises:
        ArgumentError: the first that cannot, named.
    """
    for slot, (record, options) in slots.items():
        try:
            record.check(pool, problems, frozenset(provides), **options)
        except ArgumentError as error:
            name = getattr(recipe, slot).name
            raise ArgumentError(f"{slot} '{name}': {error}") from None


def enough(name: str, budget: tuple[Slot, Mapping[str, Any]], rollouts: int) -> None:
    """Check that a step can pay for one group of its budget.

    Raises:
        ArgumentError: names the option with the smallest group, and the rollouts.
    """
    record, options = budget
    known = [(option, options[option]) for option in record.least.split() if options[option]]
    option, least = known[0] if known else ("", 1)
    if rollouts < least:
        raise ArgumentError(
            f"`rollouts` is {rollouts}, but budget '{name}' makes groups of `{option}` = "
            f"{least} at least; give more (only the last step of a known `total` may be short)"
        )
