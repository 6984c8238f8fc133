"""An archive of knob settings: for each kind of problem, the setting nearest to a pass rate.

A grid over descriptors (family, a knob, measured steps ...) has cells; a cell keeps one setting,
its elite, and the attempts behind it. New settings are elites with some knobs changed, so one
search covers all kinds of problems at once, also those that random settings seldom give.
Axes: `row` (settings), `cell`, `descriptor`; `place` as in settings.py.

    space, rng = settings.space_of({"arithmetic": family.knobs}), np.random.default_rng(0)
    edges = [np.array([3.5, 6.5])]
    archive = init(space, edges)
    setting = propose(archive, space, 64, rng=rng)
    # make problems of settings.named(space, setting), and let the solver try them
    cell = cells_of(settings.describe(space, setting, ["steps"]), edges)
    archive = observe(archive, setting, cell, solved=solved, tried=tried)

The state is saved as any slot's: `recipes.saving.state_arrays` and `state_like`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.choice import settings
from gradatim.choice.samplers import target_rate
from gradatim.choice.settings import Allowed, Space
from gradatim.errors import ArgumentError
from gradatim.types import Estimate

POINTS = 256  # of the integral in `nearer`
PRIOR = 1.0  # pseudo-attempts right, and wrong: before any, every pass rate is as likely


class Archive(NamedTuple):
    """The elites.

    Attributes:
        setting: (cell, place) int, the elite's family and knobs; -1 where a cell is empty.
        solved, tried: (cell,) float, attempts on the elite's problems.
        seen: (cell,) int, settings that were measured there, elites again included.
    """

    setting: np.ndarray
    solved: np.ndarray
    tried: np.ndarray
    seen: np.ndarray


class Figures(NamedTuple):
    """How much of the grid is lit, and how well.

    Attributes:
        cells, filled: number of cells, and of those with an elite.
        coverage: filled / cells.
        fitness: mean over filled cells of the believed closeness, 1 at the target and 0 as far
            from it as a pass rate can be, with a 95% interval; NaN where none is filled. An elite
            was chosen by the attempts that it is judged by, so this flatters a little.
        total: sum of the closeness over cells, empty ones counting 0.
    """

    cells: int
    filled: int
    coverage: float
    fitness: Estimate
    total: float


def _sizes(edges: Sequence[np.ndarray]) -> list[int]:
    for at, edge in enumerate(edges):
        checks.finite(**{f"edges[{at}]": edge})
        if np.ndim(edge) != 1 or (np.diff(edge) <= 0).any():
            raise ArgumentError(f"`edges[{at}]` must be a rising list of numbers, got {edge}")
    return [len(edge) + 1 for edge in edges]


def init(space: Space, edges: Sequence[np.ndarray]) -> Archive:
    """An empty archive.

    Args:
        space: of `settings.space_of`.
        edges: for each descriptor where its bins part, rising; k edges make k + 1 bins, and the
            first and last are open. No descriptor: one cell.

    >>> from gradatim.types import Knob
    >>> space = settings.space_of({"sums": {"digits": Knob("how many", 3, 1, 9)}})
    >>> init(space, [np.array([3.5, 6.5])]).seen
    array([0, 0, 0])
    """
    cells = int(np.prod(_sizes(edges), dtype=int))
    places = 1 + max(map(len, space.knobs))
    return Archive(
        np.full((cells, places), -1), np.zeros(cells), np.zeros(cells), np.zeros(cells, dtype=int)
    )


def cells_of(described: np.ndarray, edges: Sequence[np.ndarray]) -> np.ndarray:
    """(row,) int: the cell of each row's descriptors; a value at an edge is in the upper bin."""
    bins = np.empty(len(edges))
    checks.shapes(described=(described, "row descriptor"), edges=(bins, "descriptor"))
    checks.finite(described=described)
    cell = np.zeros(len(described), dtype=int)
    for column, edge, size in zip(np.transpose(described), edges, _sizes(edges), strict=True):
        cell = cell * size + np.searchsorted(edge, column, side="right")
    return cell


def observe(
    archive: Archive,
    setting: np.ndarray,
    cell: np.ndarray,
    *,
    solved: np.ndarray,
    tried: np.ndarray,
    target: float = 0.5,
    sure: float = 0.6,
) -> Archive:
    """Fold in measured pass rates.

    An empty cell takes the first setting that comes. After that a challenger replaces the elite
    only if its pass rate is the nearer one with probability at least `sure` (`nearer`): a lucky
    handful of attempts seldom is. Attempts on the elite's own setting are added to its counts.

    Args:
        archive: not changed.
        setting: (row, place) int, of `propose`; folded in one after the other.
        cell: (row,) int, of `cells_of`.
        solved, tried: (row,) attempts on problems of that setting, 0 <= solved <= tried and
            tried > 0. Several attempts on one problem tell less than as many problems: give each
            problem one, or count what they are worth.
        target: wanted pass rate, inside (0, 1).
        sure: in [0.5, 1); 0.5 goes by the likelier one, however close.

    Ref: Mouret & Clune 2015, arXiv:1504.04909, MAP-Elites. Differs: fitness is a posterior of the
    distance between pass rate and target, and replacing needs evidence, not a higher number.
    """
    setting, cell = np.asarray(setting), np.asarray(cell)
    solved, tried = np.asarray(solved, dtype=float), np.asarray(tried, dtype=float)
    checks.shapes(
        archive=(archive.setting, "cell place"),
        setting=(setting, "row place"),
        cell=(cell, "row"),
        solved=(solved, "row"),
        tried=(tried, "row"),
    )
    target_rate(target)
    checks.within(0, len(archive.seen) - 1, cell=cell)
    checks.finite(tried=tried)
    checks.within(checks.INSIDE[0], np.inf, tried=tried)
    checks.within(0, 1, **{"solved / tried": solved / tried})
    checks.within(0.5, checks.INSIDE[1], sure=sure)
    kept, k, n, seen = (field.copy() for field in archive)
    for row, at in enumerate(cell.tolist()):
        one, elite = (float(solved[row]), float(tried[row])), (float(k[at]), float(n[at]))
        seen[at] += 1
        if n[at] and np.array_equal(kept[at], setting[row]):
            k[at] += one[0]
            n[at] += one[1]
        elif not n[at] or nearer(*one, *elite, target=target) >= sure:
            kept[at], k[at], n[at] = setting[row], *one
    return Archive(kept, k, n, seen)


def nearer(
    solved: float, tried: float, solved_other: float, tried_other: float, *, target: float = 0.5
) -> float:
    """Probability that the first pass rate is nearer to the target than the other.

    Both have a Beta posterior under an even prior; the distances' distributions are integrated on
    a fixed grid, to about 1e-3.

    >>> round(nearer(4, 8, 0, 8), 2), round(nearer(4, 8, 4, 8), 2)
    (0.97, 0.5)
    """
    grid = np.linspace(0, max(target, 1 - target), POINTS + 1)
    one, other = (
        special.betainc(k + PRIOR, n - k + PRIOR, np.minimum(target + grid, 1))
        - special.betainc(k + PRIOR, n - k + PRIOR, np.maximum(target - grid, 0))
        for k, n in ((solved, tried), (solved_other, tried_other))
    )
    # P(one < other) with half of what falls into the same step
    return float(np.sum((one[1:] + one[:-1]) / 2 * np.diff(other)))


def propose(
    archive: Archive,
    space: Space,
    size: int,
    *,
    rng: np.random.Generator,
    fresh: float = 0.1,
    again: float = 0.1,
    allowed: Allowed | None = None,
) -> np.ndarray:
    """Settings to measure next.

    Most are elites, drawn evenly over filled cells, with a knob or more changed within its range
    (`settings.mutants`). A mutant stays in its family; `fresh` brings in others.

    Args:
        archive: while it is empty all settings are fresh.
        space: the archive's.
        size: settings wanted.
        rng: decides all.
        fresh: share of settings drawn at random from the space; 1 is random search.
        again: share that are elites as they are, those with the most doubtful pass rate.
        allowed: (family, knobs) -> whether such problems can be made, for knobs that bound each
            other: True where `generate` raises nothing. What is not allowed is drawn again.

    Returns:
        (size, place) int.

    Raises:
        ArgumentError: nothing allowed was found in 100 draws.
    """
    checks.within(0, 1, fresh=fresh, again=again, **{"fresh + again": fresh + again})
    checks.within(0, 10**9, size=size)
    filled = np.flatnonzero(archive.tried > 0)
    if not len(filled):
        fresh, again = 1.0, 0.0
    repeat = min(round(again * size), len(filled))
    n_fresh = min(round(fresh * size), size - repeat)
    doubt = _posterior(archive, filled, 0.5)[2]
    doubtful = filled[np.argsort(-doubt, kind="stable")[:repeat]]
    parents = rng.choice(filled, size - repeat - n_fresh)
    return np.concatenate((
        archive.setting[doubtful],
        settings.draw(space, n_fresh, rng=rng, allowed=allowed),
        settings.mutants(space, archive.setting[parents], rng=rng, allowed=allowed),
    ))


def figures(archive: Archive, *, target: float = 0.5) -> Figures:
    """Coverage and fitness of an archive.

    >>> from gradatim.types import Knob
    >>> space = settings.space_of({"sums": {"digits": Knob("how many", 3, 1, 9)}})
    >>> archive, at = init(space, []), np.zeros(1, int)
    >>> counts = {"solved": np.array([8]), "tried": np.array([16])}
    >>> archive = observe(archive, np.array([[0, 3]]), at, **counts)
    >>> figures(archive).coverage, round(figures(archive).fitness.value, 2)
    (1.0, 0.81)
    """
    target_rate(target)
    filled, cells = np.flatnonzero(archive.tried > 0), len(archive.seen)
    near, spread, _ = _posterior(archive, filled, target)
    n = len(filled)
    if not n:
        nothing = Estimate(float("nan"), float("nan"), float("nan"), 0)
        return Figures(cells, 0, 0.0, nothing, 0.0)
    mean, half = float(near.mean()), float(special.ndtri(0.975) * np.sqrt((spread**2).sum()) / n)
    fitness = Estimate(mean, max(mean - half, 0.0), min(mean + half, 1.0), n)
    return Figures(cells, n, n / cells, fitness, float(near.sum()))


def _posterior(
    archive: Archive, cells: np.ndarray, target: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Believed closeness of elites with its standard deviation, and that of their pass rates."""
    a = archive.solved[cells] + PRIOR
    b = archive.tried[cells] - archive.solved[cells] + PRIOR
    mean = a / (a + b)
    variance = mean * (1 - mean) / (a + b + 1)
    # E|p - t| of a Beta: mean - t + 2 (t F(t; a, b) - mean F(t; a + 1, b))
    below = target * special.betainc(a, b, target) - mean * special.betainc(a + 1, b, target)
    away, far = mean - target + 2 * below, max(target, 1 - target)
    spread = np.sqrt(np.maximum(variance + (mean - target) ** 2 - away**2, 0))
    return 1 - away / far, spread / far, np.sqrt(variance)
