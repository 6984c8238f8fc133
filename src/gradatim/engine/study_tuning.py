"""Where a study's settings were tuned: on other problems than it tests on, and with equal effort.

A study says so in its file, `[tuning]` with `files` (the studies that tuned it), `trials` (by
variant, where those files do not tell) and `shared` (why problems in common are accepted).
"""

import tomllib
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from gradatim import checks, files
from gradatim.engine import study_checks
from gradatim.engine.cells import levels_of
from gradatim.engine.study_variants import TUNED, variants_of
from gradatim.errors import ArgumentError, FormatError
from gradatim.types import SLOTS, Recipe

KEYS = ("files", "trials", "shared")


class Tuning(NamedTuple):
    """How the settings of a study were found.

    Attributes:
        files: studies that tuned it, as its file names them.
        trials: variant -> configurations tried for it in those studies: of its slots, and
            different in a setting that a variant may have of its own; or as the file says.
        shared: problems in common with them, in words; empty where there are none.
        reason: why that is accepted; "" where nothing is shared.
    """

    files: tuple[str, ...]
    trials: dict[str, int]
    shared: tuple[str, ...] = ()
    reason: str = ""


def read(
    path: str | Path,
    given: Any,
    pools: Mapping[str, Mapping[str, Any]],
    recipes: Mapping[str, Recipe],
) -> Tuning | None:
    """The tuning that a study states, checked against the files that it names.

    Problems of a family, level and seed are the same in every study, so tuning on them is tuning
    on what the study tests. Simulated pools are the same problems where their seeds are.

    Args:
        path: of the study, from whose folder `files` are found.
        given: its table `tuning`; None where it has none.
        pools: of the study, read.
        recipes: of its variants.

    Raises:
        ArgumentError: problems in common and no word why; unknown keys, variants or values.
        FormatError: a named file that is no study.

    Ref: Cha & Cho 2024, Hyperparameters in Continual Learning: a Reality Check, arXiv:2403.09066:
    settings tuned on one data set and frozen for another.
    """
    if given is None:
        return None
    what = f"study {path}, tuning"
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f'{what} must be a table such as {{ files = ["tune.toml"] }}, got {given!r}'
        )
    checks.known_keys(what, given, KEYS)
    named = study_checks.names(what, given.get("files"), "files")
    reason = given.get("shared", "")
    if not isinstance(reason, str):
        raise ArgumentError(f"{what}: `shared` must be a text that says why, got {reason!r}")
    tuned = {name: _text(path, name) for name in named}
    shared = tuple(
        f"{name}, pool '{other}' and pool '{pool}': {same}"
        for name, text in tuned.items()
        for (other, theirs), (pool, mine) in product(_pools(name, text).items(), pools.items())
        if (same := _same(theirs, mine))
    )
    if shared and not reason.strip():
        raise ArgumentError(
            f"{what}: tuned on the problems that it tests on ({shared[0]}"
            f"{f', and {len(shared) - 1} more' * (len(shared) > 1)}); give the pool another seed "
            'or other levels, or say why it may be with shared = "REASON", which the rows and the '
            "page then repeat"
        )
    trials = {variant: _tries(tuned, recipe) for variant, recipe in recipes.items()}
    trials |= _stated(what, given.get("trials", {}), recipes)
    return Tuning(tuple(named), trials, shared, reason.strip() if shared else "")


def _stated(what: str, given: Any, recipes: Mapping[str, Recipe]) -> dict[str, int]:
    if not isinstance(given, Mapping):
        raise ArgumentError(f"{what}: `trials` must be a table of variants, got {given!r}")
    checks.known_keys(f"{what}, trials", given, recipes)
    for name, count in given.items():
        if type(count) is not int or count < 0:
            raise ArgumentError(
                f"{what}: `trials` of '{name}' must be a whole number of at least 0, got {count!r}"
            )
    return dict(given)


def _text(path: str | Path, name: str) -> dict[str, Any]:
    """A named study, as its file says it."""
    where = Path(path).parent / name
    try:
        return tomllib.loads(files.read_text(where))
    except tomllib.TOMLDecodeError as error:
        raise FormatError(where, expected="a study in TOML", got=str(error)) from None


def _pools(name: str, text: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = text.get("pools")
    if not isinstance(found, Mapping) or not found:
        raise FormatError(name, field="pools", expected="at least one [pools.NAME]", got="none")
    return {key: study_checks.pool(f"study {name}, pool '{key}'", v) for key, v in found.items()}


def _same(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """What two pools have in common, in words; "" for nothing."""
    if study_checks.simulated(first) != study_checks.simulated(second):
        return ""
    if study_checks.simulated(first):  # the held-out world is that of the next seed
        seeds = ({pool["seed"], pool["seed"] + 1} for pool in (first, second))
        both = set.intersection(*seeds)
        alike = first["families"] == second["families"]
        return f"simulated problems of seed {min(both)}" if both and alike else ""
    if first["seed"] != second["seed"]:
        return ""
    levels = sorted(set(levels_of(first)) & set(levels_of(second)))
    names = [
        family
        for family, knobs in first["families"].items()
        if family in second["families"] and second["families"][family] == knobs
    ]
    if not levels or not names:
        return ""
    return f"{', '.join(names)} at levels {', '.join(map(str, levels))} of seed {first['seed']}"


def _tries(tuned: Mapping[str, Mapping[str, Any]], recipe: Recipe) -> int:
    """Different configurations that were tried with the slots of this recipe."""
    tried = {
        files.dumps([settings[key] for key in TUNED])
        for name, text in tuned.items()
        for other, settings in variants_of(name, text, _pools(name, text)).values()
        if all(getattr(other, slot) == getattr(recipe, slot) for slot in SLOTS)
    }
    return len(tried)


def words(tuning: Tuning | None) -> str:
    """One line for rows, tables and the page.

    >>> words(Tuning(("tuning/rates.toml",), {"grpo": 3, "dapo": 3}))
    'settings tuned on other problems (tuning/rates.toml), equal trials: 3 of each variant'
    """
    if tuning is None:
        return "the study does not say where its settings were tuned"
    where = ", ".join(tuning.files)
    text = f"settings tuned on other problems ({where})"
    if tuning.shared:
        text = (
            f"settings tuned on the problems tested on ({'; '.join(tuning.shared)}), accepted "
            f"because: {tuning.reason}"
        )
    counts = sorted(set(tuning.trials.values()))
    if len(counts) == 1:
        return f"{text}, equal trials: {counts[0]} of each variant"
    return f"{text}, unequal trials: {_listed(tuning.trials)}"


def _listed(trials: Mapping[str, int]) -> str:
    most: Sequence[tuple[str, int]] = sorted(trials.items(), key=lambda pair: -pair[1])
    rest = f" and {len(most) - 8} more" * (len(most) > 8)
    return ", ".join(f"{name} {count}" for name, count in most[:8]) + rest
