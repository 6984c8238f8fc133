"""Which items and which solvers does the scale not describe?

Axes: `item`, `person` (the bank's solvers), `group` (of solvers, from weak to able), `draw`.

What is valid when (sizes in simulation, tests/test_scale_misfit.py): the item test of `fit_items`
finds 4-7% at a nominal 5% from 12 solvers on, complete or 60% missing, one or many tries a cell,
1PL or 2PL; with 10 to 24 items it finds fewer. Standardised mean squares measure misfit, they do
not test it: a 2PL's own slope takes most of their variance. `lz_star` keeps its size; plain `lz`
does so only in long tests.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.scale.refit import Frame, chances, draw_counts, frame, group_chi2, refit
from gradatim.scale.residuals import KINK, Residuals, find_residuals, split_abilities
from gradatim.types import Bank, Responses

BLOCK = 1 << 21  # draws x cells worked on at a time


class ItemFit(NamedTuple):
    """Fit of each item; NaN for items without a cell.

    Attributes:
        infit, outfit: (item,) mean squares, 1 where the curve holds, above 1 for noise.
        infit_z, outfit_z: (item,) the same, standardised.
        chi2: (item,) sum over ability groups of (observed - expected)^2 / variance.
        p: (item,) chance of a chi2 at least as large if the item followed its curve's family.
        n: (item,) cells.
    """

    infit: np.ndarray
    infit_z: np.ndarray
    outfit: np.ndarray
    outfit_z: np.ndarray
    chi2: np.ndarray
    p: np.ndarray
    n: np.ndarray


class PersonFit(NamedTuple):
    """Fit of each solver; NaN for solvers without a cell.

    Attributes:
        infit, infit_z, outfit, outfit_z: (person,) as for items.
        lz: (person,) standardised log-likelihood, low where answers surprise.
        lz_star: (person,) the same, corrected for the estimated ability.
        n: (person,) cells.
    """

    infit: np.ndarray
    infit_z: np.ndarray
    outfit: np.ndarray
    outfit_z: np.ndarray
    lz: np.ndarray
    lz_star: np.ndarray
    n: np.ndarray


class ByAbility(NamedTuple):
    """Observed and expected share solved of each item by groups of solvers.

    Attributes:
        ability: (group,) mean ability.
        observed, expected: (item, group) shares; NaN where a group did not try the item.
        se: (item, group) standard error of the observed share if the curve holds.
        n: (item, group) attempts, as many as they are worth.
    """

    ability: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    se: np.ndarray
    n: np.ndarray


def fit_items(
    responses: Responses,
    bank: Bank,
    *,
    draws: int = 200,
    n_groups: int | None = None,
    seed: int = 0,
) -> ItemFit:
    """Mean squares and a test of each item's curve.

    Args:
        responses: what the bank was fitted to, or new answers of its solvers.
        bank: items and solvers, matched by name.
        draws: simulated data sets behind `p`; 0 leaves it NaN.
        n_groups: ability groups of the test; None for one in eight solvers, 3 to 8.
        seed: of the simulation.

    Returns:
        ItemFit, items in the bank's order.

    The test: with each solver's ability from the other items, the item's curve is fitted again
    (its bounds, and for 1PL and Rasch its slope, as in the bank), chi2 is taken over ability
    groups, and the same is done to data simulated from the fitted curve with abilities drawn from
    their posteriors. `p` is the upper tail of the gamma distribution with the simulated mean and
    variance, which is finer than 1 / draws.

    Ref: Wright & Masters 1982, Rating Scale Analysis, ch. 5 (mean squares; Wilson-Hilferty);
    differs: variances less what the fit took away (leverage). Yen 1981, Applied Psychological
    Measurement 5:245 (Q1); differs: abilities without the item, and a parametric bootstrap, since
    no chi-square distribution holds for few solvers or estimated abilities.

    >>> from gradatim.scale import irt
    >>> rng = np.random.default_rng(0)
    >>> p = 1 / (1 + np.exp(np.linspace(-2, 2, 30) - rng.normal(size=(40, 1))))
    >>> p[:, 0] = p[::-1, 0]  # somebody else's answers to the first item
    >>> solver, item = np.divmod(np.arange(1200), 30)
    >>> data = Responses(solver=solver, item=item, solved=(rng.random(p.shape) < p).ravel() * 1.0,
    ...     tried=np.ones(1200, int), solvers=tuple(map(str, range(40))),
    ...     items=tuple(map(str, range(30))))
    >>> fit_items(data, irt.fit(data, model="1pl"), draws=50).outfit.shape
    (30,)
    """
    checks.within(0, 100_000, draws=draws)
    cells = find_residuals(responses, bank)
    size = len(bank.items)
    infit, infit_z, outfit, outfit_z = _mean_squares(cells, cells.item, size)
    n = np.bincount(cells.item, minlength=size)
    chi2, p = np.full(size, np.nan), np.full(size, np.nan)
    group = split_abilities(cells, n_groups)
    used = np.unique(cells.item)
    start = np.searchsorted(cells.item, used)
    most = max(1, BLOCK // (draws + 1))
    first = 0
    while first < len(used):
        last = max(first + 1, int(np.searchsorted(start, start[first] + most)) - 1)
        last = len(used) if last >= len(used) - 1 else last
        end = len(cells.item) if last == len(used) else start[last]
        rows, here = used[first:last], slice(start[first], end)
        rng = np.random.default_rng([seed, first])
        framed = frame(bank, _cut(cells, here), rows)
        chi2[rows], p[rows] = _test(framed, group[here], draws=draws, rng=rng)
        first = last
    return ItemFit(infit, infit_z, outfit, outfit_z, chi2, p, n)


def fit_persons(responses: Responses, bank: Bank) -> PersonFit:
    """Mean squares and likelihood statistics of each solver.

    Args:
        responses: what the bank was fitted to, or new answers of its solvers.
        bank: items and solvers, matched by name.

    Returns:
        PersonFit, solvers in the bank's order. Misfit is low `lz_star`: below -1.64 is a 5% test.

    Ref: Drasgow, Levine & Williams 1985, BJMSP 38:67 (l_z); Snijders 2001, Psychometrika 66:331,
    eq. 18-20 (l_z*, here for the posterior mode under N(0, 1)); binomial counts by their sums.

    >>> from gradatim.scale import irt
    >>> data = Responses(solver=np.array([0, 0, 1, 1]), item=np.array([0, 1, 0, 1]),
    ...     solved=np.array([9.0, 2.0, 3.0, 0.0]), tried=np.full(4, 10),
    ...     solvers=("able", "weak"), items=("easy", "hard"))
    >>> fit_persons(data, irt.fit(data)).n
    array([2, 2])
    """
    cells = find_residuals(responses, bank)
    size = len(bank.solvers)
    mean_squares = _mean_squares(cells, cells.person, size)
    p, q = cells.chance, 1 - cells.chance
    surprise = cells.solved - cells.tried * p

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(cells.person, weights=values, minlength=size)

    w, r = np.log(p / q), cells.slope / (p * q)
    gain = total(surprise * w)
    bend = np.maximum(total(cells.tried * cells.slope * r), 1e-12)
    c = (total(cells.tried * cells.slope * w) / bend)[cells.person]
    flat = w - c * r
    n = np.bincount(cells.person, minlength=size)
    with np.errstate(divide="ignore", invalid="ignore"):
        lz = gain / np.sqrt(total(cells.tried * p * q * w**2))
        star = total(surprise * flat) / np.sqrt(total(cells.tried * p * q * flat**2))
    seen = n > 1
    return PersonFit(*mean_squares, np.where(seen, lz, np.nan), np.where(seen, star, np.nan), n)


def residuals_by_ability(
    responses: Responses, bank: Bank, *, n_groups: int | None = None
) -> ByAbility:
    """Observed and expected share solved, item by item, for groups of solvers of like ability.

    Args:
        responses: what the bank was fitted to, or new answers of its solvers.
        bank: items and solvers, matched by name.
        n_groups: how many groups; None for one in eight solvers, 3 to 8.

    Returns:
        ByAbility. Abilities are those without the item itself; a group's expected share is the
        mean of the bank's curve over what is not known of them.
    """
    cells = find_residuals(responses, bank)
    group = split_abilities(cells, n_groups)
    n_groups = int(group.max()) + 1
    a, b = bank.discrimination[cells.item], bank.difficulty[cells.item]
    shrunk = a / np.sqrt(1 + KINK * (a * cells.rest_sd) ** 2)
    top = 1.0 if bank.ceiling is None else bank.ceiling[cells.item]
    floor = bank.floor[cells.item]
    chance = floor + (top - floor) * special.expit(shrunk * (cells.rest - b))
    shape = (len(bank.items), n_groups)
    code = cells.item * n_groups + group
    n, solved, said, noise = (
        np.bincount(code, weights=v, minlength=shape[0] * n_groups).reshape(shape)
        for v in (
            cells.tried,
            cells.solved,
            cells.tried * chance,
            cells.tried * chance * (1 - chance),
        )
    )
    many = np.bincount(group, minlength=n_groups)
    ability = np.bincount(group, weights=cells.rest, minlength=n_groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ByAbility(ability / many, solved / n, said / n, np.sqrt(noise) / n, n)


# -- mean squares -----------------------------------------------------------------------------


def _mean_squares(
    cells: Residuals, code: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Infit, its standardised form, outfit, its standardised form, of each item or person."""
    p, kept = cells.chance, 1 - cells.leverage
    noise = cells.tried * p * (1 - p)
    square = (cells.solved - cells.tried * p) ** 2
    # fourth moment of a binomial count over its squared variance
    kurtosis = 3 + (1 - 6 * p * (1 - p)) / noise

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(code, weights=values, minlength=size)

    n = np.bincount(code, minlength=size)
    with np.errstate(divide="ignore", invalid="ignore"):
        outfit = total(square / noise / kept) / n
        outfit_q = np.sqrt(np.maximum(total(kurtosis - 1), 1e-12)) / n
        held = total(noise * kept)
        infit = total(square) / held
        infit_q = np.sqrt(np.maximum(total((kurtosis - 1) * noise**2), 1e-12)) / total(noise)
        return infit, _standard(infit, infit_q), outfit, _standard(outfit, outfit_q)


def _standard(square: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Wilson-Hilferty's cube root; NaN where cells are so lopsided that it means nothing."""
    return np.where(q < 1.5, (np.cbrt(square) - 1) * 3 / q + q / 3, np.nan)


# -- the test of an item's curve --------------------------------------------------------------


def _cut(cells: Residuals, here: slice) -> Residuals:
    named = ("person", "item", "solved", "tried", "chance", "slope", "leverage", "rest", "rest_sd")
    return cells._replace(**{name: getattr(cells, name)[here] for name in named})


def _test(
    framed: Frame, group: np.ndarray, *, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(item,) chi2 and p."""
    cells = framed.cells
    solved = cells.solved[None]
    fitted = refit(framed, solved)
    seen = group_chi2(framed, group, solved, chances(framed, fitted))[0]
    if not draws:
        return seen, np.full(len(seen), np.nan)
    theta = cells.rest + cells.rest_sd * rng.normal(size=(draws, len(cells.rest)))
    solved = draw_counts(rng, cells.tried, chances(framed, fitted, theta=theta))
    made = group_chi2(framed, group, solved, chances(framed, refit(framed, solved)))
    mean, spread = made.mean(axis=0), np.maximum(made.var(axis=0), 1e-12)
    return seen, special.gammaincc(mean**2 / spread, seen * mean / spread)
