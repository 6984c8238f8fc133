"""A comparison before there is anything to compare: what it would show, and what it needs.

One solver alone says how problems and attempts vary, not how alike another would be: that is
assumed, and said.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.engine.sources import Given
from gradatim.errors import ArgumentError, FormatError
from gradatim.evaluation import pairs as paired
from gradatim.evaluation import power as planning
from gradatim.scale.curves import probability
from gradatim.standings.compare_rows import Rule
from gradatim.standings.compare_sources import Arms, path_and_solver, solver_row
from gradatim.store import banks
from gradatim.types import Bank, Estimate

# Medians over pairs of solvers within five points: .42 (gsm), .43 (alpacaeval2), .53 (crux) and
# .64 (livecodebench, ten attempts); nine in ten of all of these lie between .3 and .7
USUAL = 0.5
RANGE = (0.7, 0.3)


class _Known(NamedTuple):
    """What one solver says: its Arms or None, name, parts of its variance, problems behind it."""

    arms: Arms | None
    name: str
    parts: planning.Single
    problems: int
    note: str | None


def without_results(sources: Sequence[Given]) -> bool:
    """Whether there is nothing to open: no source, or a bank alone."""
    if len(sources) != 1 or not isinstance(sources[0], str | Path):
        return not sources
    return _bank(path_and_solver(sources[0])[0]) is not None


def plan_alone(
    sources: Sequence[Given], arms: Arms | None, *, rule: Rule, correlation: float | None
) -> dict[str, Any]:
    """Plan a comparison of a solver with one that has not run.

    Args:
        sources: one solver; or a bank, as PATH for a solver of its mean ability or as PATH:SOLVER
            for one of its own. None: answers right or wrong at a rate of one half, where they vary
            most.
        arms: the one solver's results, None where there are none.
        rule: of the comparison to come; without `rule.plan` it has the problems that are there.
        correlation: of the two solvers' scores over problems; None: assumed to be .5.

    Returns:
        of, rate, problems_now, correlation,
        assumed (whether it was), problems and samples of the plan; detectable (Estimate) and
        detectable_if (by correlation); needed: effect, problems, more_problems, and more_if (more
        problems by correlation).

    Raises:
        ArgumentError: a correlation outside [-1, 1]; attempts other than those known, where these
            do not say how attempts vary.
    """
    checks.within(-1, 1, correlation=USUAL if correlation is None else correlation)
    known = _known(sources, arms, rule)
    size = known.problems if rule.plan is None else rule.plan
    likely = USUAL if correlation is None else correlation
    asked: dict[str, Any] = {"power": rule.power, "alpha": 1 - rule.level, "samples": rule.samples}
    seen: dict[float, tuple[Estimate, int | None]] = {}
    for one in (likely, *RANGE):
        parts = planning.assumed(known.parts, one)
        needed = planning.problems_needed(parts, rule.effect, **asked)
        seen[one] = planning.detectable(parts, size, **asked), needed
    around = RANGE if correlation is None else ()
    needed = seen[likely][1]
    return {
        "of": known.name,
        "rate": known.parts.mean,
        "problems_now": known.problems,
        "correlation": likely,
        "assumed": correlation is None,
        "problems": size,
        "samples": known.parts.samples if rule.samples is None else rule.samples,
        "detectable": seen[likely][0],
        "detectable_if": {f"{one:g}": seen[one][0].value for one in around},
        "needed": {
            "effect": rule.effect,
            "problems": needed,
            "more_problems": _more(needed, known.problems),
            "more_if": {f"{one:g}": _more(seen[one][1], known.problems) for one in around},
        },
        "notes": [*(known.arms.notes if known.arms else ()), *([known.note] if known.note else ())],
    }


def _more(needed: int | None, there: int) -> int | None:
    return None if needed is None else max(0, needed - there)


def _known(sources: Sequence[Given], arms: Arms | None, rule: Rule) -> _Known:
    if not sources:
        coin = planning.Single(0.5, Estimate(0.25, 0.25, 0.25, 2), None, 1.0, 1.0)
        if rule.plan is None:
            raise ArgumentError("a plan without any results needs its number of problems: --plan N")
        note = "nothing is known: answers right or wrong, half of them right, which vary most"
        return _Known(None, "nobody yet", coin, 0, note)
    if arms is None:
        path, who = path_and_solver(str(sources[0]))
        return _of_bank(banks.read(path), who, str(path))
    here = arms.tried[0] > 0
    solved, tried = arms.solved[0, here], arms.tried[0, here]
    step = float(paired.steps(arms.solved, arms.tried)[0])
    jump = 0.0 if step else float(paired.jumps((solved / tried)[None])[0])
    parts = planning.single(solved, tried, step=step, jump=jump, level=rule.level)
    return _Known(arms, arms.names[0], parts, int(here.sum()), None)


def _bank(path: Path) -> Bank | None:
    if path.suffix != ".parquet":
        return None
    try:
        return banks.read(path)
    except FormatError:  # a table of results has that ending, too
        return None


def _of_bank(bank: Bank, who: str | None, label: str) -> _Known:
    """What a bank's curves say of one attempt on each of its items."""
    if who is None:
        ability, name = float(np.nanmean(bank.ability)), f"a solver of mean ability ({label})"
    else:
        row = solver_row(who, list(bank.solvers), label)
        ability, name = float(bank.ability[row]), bank.solvers[row]
    chance = probability(ability, bank)
    chance = chance[np.isfinite(chance)]
    checks.within(2, np.inf, **{"number of calibrated items": len(chance)})
    total = planning.spread_of(chance)
    luck = float(np.mean(chance * (1 - chance)))
    parts = planning.Single(
        float(chance.mean()),
        Estimate(total.value + luck, total.low + luck, total.high + luck, len(chance)),
        luck,
        1.0,
        1.0,
    )
    return _Known(None, name, parts, len(chance), "chances are those of the bank, not results")
