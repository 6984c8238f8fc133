"""Does the scale predict what it has not seen? Cells held out fold by fold, beside simpler guesses.

Axes: `cell` (a solver and an item), `bin`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradatim import checks, groups, rng
from gradatim.errors import ArgumentError
from gradatim.scale import irt
from gradatim.scale.cells import check_responses
from gradatim.scale.predictive import predict
from gradatim.scale.shrinkage import shrink
from gradatim.types import Bank, Estimate, Responses

Fit = Callable[[Responses], Bank]
LEAST = 1e-12  # a prediction is kept this far from 0 and 1, where logarithms end
GUESSES = ("item", "solver", "additive")


class Heldout(NamedTuple):
    """Predictions of every cell by fits that did not see it.

    Attributes:
        responses: the cells.
        fold: (cell,) int, the fold that each was held out in.
        chance: (cell,) predicted by the model.
        guesses: name -> (cell,) predicted by simpler means.
        converged: whether every fit did.
    """

    responses: Responses
    fold: np.ndarray
    chance: np.ndarray
    guesses: Mapping[str, np.ndarray]
    converged: bool


class Calibration(NamedTuple):
    """Predicted against observed shares in bins of equally many attempts.

    Attributes:
        predicted, observed: (bin,) means over attempts.
        low, high: (bin,) 95% interval of the observed share; cells resampled.
        n: (bin,) attempts.
        cells: (bin,) cells.
        error: expected calibration error, sum of n |predicted - observed| / sum of n.
    """

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    cells: np.ndarray
    error: float


def split_cells(responses: Responses, folds: int, *, seed: int = 0) -> np.ndarray:
    """(cell,) int: fold of each cell, by a hash of seed, solver and item alone.

    The same cell is in the same fold whatever else the data hold and however they are ordered.
    """
    names = zip(responses.solver.tolist(), responses.item.tolist(), strict=True)
    keys = (
        rng.digest(seed, responses.solvers[solver], responses.items[item], size=8)
        for solver, item in names
    )
    return np.array([int.from_bytes(key, "big") % folds for key in keys], dtype=np.int64)


def hold_out(
    responses: Responses,
    *,
    folds: int = 10,
    seed: int = 0,
    fit: Fit | None = None,
    guesses: tuple[str, ...] = GUESSES,
    plug_in: bool = False,
    most: int | None = None,
) -> Heldout:
    """Predict each cell from a fit to the cells of the other folds.

    Args:
        responses: at least as many cells as folds.
        folds: how many, >= 2.
        seed: of the folds.
        fit: responses -> Bank; None for `irt.fit` with its defaults.
        guesses: simpler predictions to set beside it. "item", "solver": the other cells' pass rate
            of the item, of the solver, shrunk by empirical Bayes (`shrinkage.shrink`). "additive":
            solver plus item in logits, which is the 1PL, with the same priors and the same
            integration over them.
        plug_in: predict at the estimates (see `predictive.predict`).
        most: hold out only so many of the folds, where a fit to each costs too much.

    Returns:
        Heldout: the cells that were held out, in the order of `responses`.

    Raises:
        ArgumentError: responses that cannot be, fewer cells than folds, an unknown guess.

    >>> solver, item = np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6)
    >>> solved = (solver - 1.5 * item > 0).astype(float)
    >>> out = hold_out(Responses(solver=solver, item=item, solved=solved, tried=np.ones(24, int),
    ...     solvers=tuple("abcdef"), items=tuple("wxyz")), folds=4)
    >>> bool(log_loss(out.responses, out.chance) < log_loss(out.responses, out.guesses["item"]))
    True
    """
    check_responses(responses)
    for guess in guesses:
        checks.one_of("guesses", guess, GUESSES)
    if not 2 <= folds <= len(responses.solver):
        raise ArgumentError(
            f"`folds` must lie in [2, {len(responses.solver)}] (the cells), got {folds}"
        )
    fold = split_cells(responses, folds, seed=seed)
    chance = np.full(len(fold), np.nan)
    others = {name: np.full(len(fold), np.nan) for name in guesses}
    converged = True
    for here in range(folds if most is None else min(folds, most)):
        out = fold == here
        if out.all():
            raise ArgumentError(f"`folds`: all {len(fold)} cells fall into one, give more cells")
        if not out.any():
            continue
        rest = _subset(responses, ~out)
        bank = irt.fit(rest) if fit is None else fit(rest)
        converged &= bool(bank.fit.get("converged", True))
        asked = responses.solver[out], responses.item[out]
        chance[out] = predict(bank, rest, *asked, plug_in=plug_in)
        for name, values in others.items():
            values[out] = _guess(name, rest, asked, plug_in=plug_in)
    done = np.isfinite(chance)
    others = {name: values[done] for name, values in others.items()}
    return Heldout(_subset(responses, done), fold[done], chance[done], others, converged)


def log_loss(responses: Responses, chance: np.ndarray) -> float:
    """Mean negative log-likelihood of an attempt; k of n solved is n attempts of one chance.

    >>> two = Responses(solver=np.array([0, 1]), item=np.array([0, 0]), solved=np.array([1.0, 1.0]),
    ...     tried=np.array([1, 2]), solvers=("a", "b"), items=("x",))
    >>> round(log_loss(two, np.array([0.5, 0.5])), 3)  # log 2
    0.693
    """
    return float(_losses(responses, chance).sum() / responses.tried.sum())


def brier(responses: Responses, chance: np.ndarray) -> float:
    """Mean squared distance of an attempt's outcome from its prediction."""
    p, k, n = _checked(responses, chance)
    return float(np.sum(k * (1 - p) ** 2 + (n - k) * p**2) / n.sum())


def auc(responses: Responses, chance: np.ndarray) -> float:
    """Chance that a solved attempt was given a higher prediction than one that was not.

    Ties count half. NaN where all or no attempts were solved.
    """
    p, k, n = _checked(responses, chance)
    code, size = groups.codes(p)
    solved, lost = (np.bincount(code, weights=w, minlength=size) for w in (k, n - k))
    below = np.cumsum(lost) - lost
    pairs = solved.sum() * lost.sum()
    return float(np.sum(solved * (below + lost / 2)) / pairs) if pairs > 0 else float("nan")


def calibration(responses: Responses, chance: np.ndarray, *, bins: int = 10) -> Calibration:
    """Reliability of predictions in bins of equally many attempts, all cells pooled.

    Args:
        responses: what happened.
        chance: (cell,) what was predicted.
        bins: how many; cells are not split, so with large cells there can be fewer.

    Returns:
        Calibration; bins from low to high predictions.

    The interval of a bin is Wilson's with the count of attempts divided by how much cells vary
    more than single attempts would: var(k - n p) / (n p (1 - p)) of the bin, at least 1.

    Ref: Naeini, Cooper & Hauskrecht 2015 (expected calibration error); differs: bins of equal
    mass, weights by attempts.
    """
    p, k, n = _checked(responses, chance)
    checks.within(1, np.inf, bins=bins)
    order = np.argsort(p, kind="stable")
    middle = np.cumsum(n[order]) - n[order] / 2
    place = np.empty(len(p), dtype=np.int64)
    place[order] = np.minimum((middle * bins / n.sum()).astype(np.int64), bins - 1)
    code, size = groups.codes(place)
    tried, solved, said = (groups.sums(w, code, size) for w in (n, k, n * p))
    predicted, observed = said / tried, solved / tried
    noise = np.maximum(groups.sums(n * p * (1 - p), code, size), 1e-12)
    excess = np.maximum(groups.sums((k - n * observed[code]) ** 2, code, size) / noise, 1.0)
    low, high = _wilson(observed, tried / np.where(groups.counts(code, size) > 1, excess, 1.0))
    return Calibration(
        predicted,
        observed,
        low,
        high,
        tried,
        groups.counts(code, size),
        float(np.sum(np.abs(said - solved)) / n.sum()),
    )


def compare_losses(
    responses: Responses, first: np.ndarray, second: np.ndarray, *, draws: int = 2000, seed: int = 0
) -> Estimate:
    """Log-loss of `first` minus that of `second`, with a 95% interval; items are resampled.

    Args:
        responses: what happened.
        first, second: (cell,) predictions of the same cells.
        draws: resamples of the items (percentile bootstrap).
        seed: of the resamples.

    Returns:
        Estimate; negative: `first` predicts better. n counts items.
    """
    gap = _losses(responses, first) - _losses(responses, second)
    code, size = groups.codes(responses.item)
    over = groups.sums(gap, code, size)
    tried = groups.sums(np.asarray(responses.tried, float), code, size)
    generator = np.random.default_rng(seed)
    found = np.empty(draws)
    for first_draw in range(0, draws, 100):  # a hundred at a time bounds memory
        many = min(100, draws - first_draw)
        drawn = generator.multinomial(size, np.full(size, 1 / size), size=many)
        found[first_draw : first_draw + many] = (drawn @ over) / (drawn @ tried)
    low, high = np.quantile(found, [0.025, 0.975])
    return Estimate(float(over.sum() / tried.sum()), float(low), float(high), size)


def _subset(responses: Responses, kept: np.ndarray) -> Responses:
    return replace(
        responses,
        solver=responses.solver[kept],
        item=responses.item[kept],
        solved=responses.solved[kept],
        tried=responses.tried[kept],
    )


def _guess(
    name: str, rest: Responses, asked: tuple[np.ndarray, np.ndarray], *, plug_in: bool
) -> np.ndarray:
    if name == "additive":
        return predict(irt.fit(rest, model="1pl"), rest, *asked, plug_in=plug_in)
    if name == "item":
        index, names, where = rest.item, rest.items, asked[1]
    else:
        index, names, where = rest.solver, rest.solvers, asked[0]
    tried, solved = (
        np.bincount(index, weights=w, minlength=len(names)) for w in (rest.tried, rest.solved)
    )
    rate = np.full(len(names), (solved.sum() + 0.5) / (tried.sum() + 1))
    seen = tried > 0
    rate[seen] = shrink(solved[seen], tried[seen]).value
    return rate[where]


def _checked(responses: Responses, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    checks.shapes(chance=(chance, "cell"), solved=(responses.solved, "cell"))
    checks.within(0, 1, chance=chance)
    if not len(chance):
        raise ArgumentError("`responses` holds no cell to score")
    p = np.clip(np.asarray(chance, dtype=float), LEAST, 1 - LEAST)
    return p, np.asarray(responses.solved, float), np.asarray(responses.tried, float)


def _losses(responses: Responses, chance: np.ndarray) -> np.ndarray:
    """(cell,) negative log-likelihood of all of a cell's attempts."""
    p, k, n = _checked(responses, chance)
    return -(k * np.log(p) + (n - k) * np.log1p(-p))


def _wilson(rate: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    z = 1.959964
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2)
    return np.minimum(middle - half, rate), np.maximum(middle + half, rate)
