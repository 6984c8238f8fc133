"""New problems that a solver solves about as often as wanted, of as many kinds as there are.

An archive of knob settings (choice.archive) is filled by trying: each cell of a grid over knobs
keeps the setting whose pass rate is believed nearest to the target. What comes back are fresh
problems of these settings. Axes: `row` (settings tried together).
"""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.choice import archive as archives
from gradatim.choice import settings
from gradatim.choice.samplers import target_rate
from gradatim.engine.aim_trials import Maker, Trials, key_of
from gradatim.engine.attempt import open_run
from gradatim.engine.opening import in_run
from gradatim.errors import ArgumentError
from gradatim.families import registry
from gradatim.families.generation import LEVELS, SPLITS
from gradatim.progress import Progress, silent
from gradatim.rng import digest
from gradatim.scale.rates import pass_rate
from gradatim.solvers.registry import open_solver
from gradatim.store.run import Run
from gradatim.types import STATUSES, Estimate, Family, Knob, Problem, Solver

BATCH = 16  # settings tried between two looks at the archive
SEEDS = 2**63


class Aimed(NamedTuple):
    """What was found.

    Attributes:
        problems: new ones, none twice and none that the search tried; the kinds take turns.
            Fewer than were asked for where the settings have no more.
        kinds: one row per filled cell: family, knobs, rate (Estimate of the setting's pass rate;
            it was chosen by these attempts, which flatters a little), cell, and how many
            `problems` are of it, 0 where the rate is not near the target.
        figures: coverage and fitness of the archive, see `choice.archive.figures`.
        made: attempts that the search paid for.
        reused: attempts of it that the run held already.
        lost: problems tried of which no attempt says anything of the solver (provider's faults).
        spent: what the solver counts (requests, tokens, money), where it does.
    """

    problems: list[Problem]
    kinds: list[dict[str, Any]]
    figures: archives.Figures
    made: int
    reused: int
    lost: int
    spent: dict[str, Any]


class _Grid(NamedTuple):
    """Settings, and the cells that keep them: `names` are what `edges` part."""

    space: settings.Space
    edges: list[np.ndarray]
    names: tuple[str, ...]
    target: float


def aim(  # noqa: PLR0913  (one keyword for each thing that a search can be told)
    families: str | Sequence[str],
    *,
    solver: Solver | str,
    run: Run | str | Path,
    target: float = 0.5,
    n: int = 100,
    attempts: int = 1024,
    each: int = 8,
    spread: Sequence[str] = (),
    bins: int = 3,
    near: float = 0.2,
    seed: int = 0,
    split: str = "train",
    retry: Sequence[str] = (),
    progress: Progress = silent,
    **options: Any,
) -> Aimed:
    """Find knob settings at a pass rate by trying, and make problems of them.

    Args:
        families: one or several; their knobs vary within what levels 1 to 10 set.
        solver: a spec string, or a Solver.
        run: a run, or its folder; the attempts are kept there. The same call, or one that differs
            in `n` or `near` only, pays for none of them again.
        target: wanted pass rate, inside (0, 1).
        n: problems wanted.
        attempts: most attempts of the search, those that the run holds among them.
        each: attempts on one setting, each on a problem of its own.
        spread: knobs, of all the families, over which settings are to differ; the family is one
            of the kinds in any case.
        bins: of each of these knobs.
        near: problems come from settings whose observed pass rate is this near to the target.
        seed: decides all.
        split: of the problems; the search's are of the same one.
        retry: statuses whose stored attempts are made again, as for `attempt`.
        progress: told after each batch of replies; counts new attempts only.
        options: of the solver, when it is given as a spec string.

    Raises:
        ArgumentError: a bad argument, knobs that some family has not, or no setting near the
            target: the message says what the nearest is.
        SolverError: the solver gave up, or its budget is spent; the same call resumes.

    Ref: Mouret & Clune 2015, arXiv:1504.04909, as in `choice.archive.observe`.
    """
    names = [families] if isinstance(families, str) else list(families)
    if not names:
        raise ArgumentError("`families` must name at least one family, got none")
    target_rate(target)
    checks.whole(1, 10**6, n=n, each=each, bins=bins)
    checks.whole(each, 10**9, attempts=attempts)
    checks.whole(-SEEDS, SEEDS, seed=seed)
    checks.within(0, 1, near=near)
    checks.one_of("split", split, SPLITS)
    for status in retry:
        checks.one_of("retry", status, STATUSES[1:])
    if not isinstance(solver, str) and options:
        raise ArgumentError(f"`solver` is open: its options are set; got {', '.join(options)}")
    space = settings.space_of({name: _dials(registry.get(name)) for name in names})
    grid = _Grid(space, _edges(space, spread, bins), ("family", *spread), target)
    maker, rounds = Maker(split, int(seed)), _rounds(attempts // each)
    opened = open_solver(solver, **options) if isinstance(solver, str) else solver
    try:
        kept = open_run(run, None)  # last: a mistake leaves no empty run behind
        if isinstance(solver, str):
            opened = in_run(kept, solver, opened, options, attempts=sum(rounds) * each)
        told = {"solver": opened.name, "policy": opened.policy, "params": dict(opened.params)}
        told |= {"families": names, "target": target, "attempts": attempts, "each": each}
        kept.config("aim", **told, spread=list(spread), bins=bins, seed=int(seed), split=split)
        given: dict[str, Any] = {"retry": retry, "most": sum(rounds) * each, "progress": progress}
        trials = Trials(opened, kept, **given)
        found = _search(grid, maker, trials, rounds, each=each, seed=int(seed))
        kept.finish("aim")
    finally:
        if isinstance(solver, str):
            opened.close()
    kinds = _kinds(found, space)
    problems = _deal(maker, _near(kinds, target, near), n)
    figures = archives.figures(found, target=target)
    paid = (trials.made, trials.reused, trials.lost, dict(opened.report()))
    return Aimed(problems, kinds, figures, *paid)


def _search(
    grid: _Grid, maker: Maker, trials: Trials, rounds: Sequence[int], *, each: int, seed: int
) -> archives.Archive:
    """The archive after all rounds."""
    found = archives.init(grid.space, grid.edges)
    rng = np.random.default_rng(int.from_bytes(digest("aim", seed, size=8), "big"))
    for size in rounds:
        setting = archives.propose(found, grid.space, size, rng=rng, allowed=maker.possible)
        asked = [maker.fresh(*one, each) for one in settings.named(grid.space, setting)]
        solved, tried = trials.make(asked, size * each)
        cell = archives.cells_of(settings.describe(grid.space, setting, grid.names), grid.edges)
        some = tried > 0  # not where a small space has no more problems, or all was lost
        given = {"solved": solved[some], "tried": tried[some], "target": grid.target}
        found = archives.observe(found, setting[some], cell[some], **given)
        reached = archives.figures(found, target=grid.target)
        trials.show({"kinds": reached.filled, "fitness": reached.fitness.value})
    return found


# -- the grid ---------------------------------------------------------------------------------


def _dials(family: Family) -> dict[str, Knob]:
    """Knobs that levels set, within what levels 1 to 10 set; the others keep their defaults."""
    ladder = [family.ladder(level) for level in LEVELS]
    dials = {}
    for name, knob in family.knobs.items():
        values = [rung[name] for rung in ladder if name in rung]
        if values and knob.choices:
            dials[name] = knob._replace(choices=tuple(c for c in knob.choices if c in values))
        elif values:
            dials[name] = knob._replace(low=min(values), high=max(values))
    if not dials:
        raise ArgumentError(f"`families`: levels set no knob of '{family.name}'; use `generate`")
    return dials


def _span(dial: Knob) -> tuple[int, int]:
    """Lowest and highest value; those of choices are places in the list, as in a setting."""
    return (0, len(dial.choices) - 1) if dial.choices else (int(dial.low or 0), int(dial.high or 0))


def _edges(space: settings.Space, spread: Sequence[str], bins: int) -> list[np.ndarray]:
    """Where kinds part: each family, and equal parts of each knob's whole range."""
    edges = [np.arange(1, len(space.families)) - 0.5]
    for name in spread:
        for family, own in zip(space.families, space.knobs, strict=True):
            checks.one_of(f"spread of '{family}'", name, own)
        lows, highs = zip(*(_span(own[name]) for own in space.knobs), strict=True)
        low, size = min(lows), max(highs) - min(lows) + 1
        parts = min(bins, size)
        edges.append(low - 0.5 + size * np.arange(1, parts) / parts)
    return edges


def _rounds(count: int) -> list[int]:
    """Settings of each round."""
    return [min(BATCH, count - at) for at in range(0, count, BATCH)]


# -- what comes back --------------------------------------------------------------------------


def _kinds(found: archives.Archive, space: settings.Space) -> list[dict[str, Any]]:
    """One row per filled cell; `problems` is 0 until they are made."""
    filled = np.flatnonzero(found.tried > 0)
    rates = pass_rate(found.solved[filled], found.tried[filled])
    named = settings.named(space, found.setting[filled])
    columns = zip(filled, rates.value, rates.low, rates.high, found.tried[filled], strict=True)
    return [
        {
            "family": family,
            "knobs": knobs,
            "rate": Estimate(float(value), float(low), float(high), int(n)),
            "cell": int(cell),
            "problems": 0,
        }
        for (family, knobs), (cell, value, low, high, n) in zip(named, columns, strict=True)
    ]


def _near(kinds: list[dict[str, Any]], target: float, near: float) -> list[dict[str, Any]]:
    """The kinds near the target.

    Raises:
        ArgumentError: there is none; names the nearest.
    """
    chosen = [kind for kind in kinds if abs(kind["rate"].value - target) <= near + 1e-9]
    if not chosen:
        best = min(kinds, key=lambda kind: abs(kind["rate"].value - target))
        knobs = ", ".join(f"{name} {value}" for name, value in best["knobs"].items())
        raise ArgumentError(
            f"`target` {target:g} was not reached within {near:g}: the nearest setting, "
            f"{best['family']} with {knobs}, is solved {best['rate']}; give more `attempts` or "
            "other families, or a wider `near`, which costs nothing"
        )
    return chosen


def _deal(maker: Maker, kinds: list[dict[str, Any]], n: int) -> list[Problem]:
    """n new problems, the kinds in turn; where one has no more the others give its share."""
    hands: list[list[Problem]] = [[] for _ in kinds]
    giving = list(range(len(kinds)))
    while giving and (lack := n - sum(map(len, hands))):
        part, rest = divmod(lack, len(giving))
        wanted = {i: part + (turn < rest) for turn, i in enumerate(giving)}
        for i in giving:
            hands[i] += maker.fresh(kinds[i]["family"], kinds[i]["knobs"], wanted[i])
        giving = [
            i for i in giving if key_of(kinds[i]["family"], kinds[i]["knobs"]) not in maker.over
        ]
    for kind, hand in zip(kinds, hands, strict=True):
        kind["problems"] = len(hand)
    return [p for turn in zip_longest(*hands) for p in turn if p is not None]
