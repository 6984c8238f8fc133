"""Scores of models behind a ranking, each with what every item adds to it.

A score here is a function of how much each item weighs; its derivative in those weights stands for
fitting it again to resampled items, so that a bootstrap costs one product, not a fit per sample.
Axes: `model`, `item`; cells that were not tried are NaN in `share`.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from gradatim.evaluation.aggregation import beaten, borda, borda_parts
from gradatim.scale import choices, concave, irt
from gradatim.scale.overdispersion import worth
from gradatim.types import Matrix

STEPS, REST = 200, 1e-9


class Fit(NamedTuple):
    """Scores of models.

    Attributes:
        score: (model,) on the method's own scale, higher is better.
        parts: (model, item) derivative of the score in the item's weight, at weights of one.
        unit: (model,) how far one item more, answered as by a coin, moves the score.
    """

    score: np.ndarray
    parts: np.ndarray
    unit: np.ndarray


def mean(share: np.ndarray) -> Fit:
    """Mean over the items that a model tried."""
    tried = ~np.isnan(share)
    n = tried.sum(axis=1)
    score = np.where(tried, share, 0.0).sum(axis=1) / n
    parts = np.where(tried, share - score[:, None], 0.0) / n[:, None]
    return Fit(score, parts, 1 / n)


def borda_count(share: np.ndarray) -> Fit:
    """Share of others that a model beats, see `aggregation.borda`."""
    code = choices.levels(share)
    wins = beaten(code)
    return Fit(borda(wins), borda_parts(code, wins), 1 / (code >= 0).sum(axis=1))


def bradley_terry(share: np.ndarray, *, alpha: float) -> Fit:
    """Strengths from games inside each item: an attempt of one model against one of another.

    With shares y, model j wins y_j (1 - y_k) games of k and loses y_k (1 - y_j). Under the Rasch
    model that is all that two answers say of two abilities, whatever the item's difficulty.
    """
    tried = ~np.isnan(share)
    won, lost = np.where(tried, share, 0.0), np.where(tried, 1 - share, 0.0)
    wins = won @ lost.T
    np.fill_diagonal(wins, 0.0)
    n = len(wins)
    function = choices.paired(wins, alpha=alpha)
    x = concave.maximise(function, np.zeros(n), n_players=n, tolerance=REST, most=STEPS).x
    ahead = expit(x[:, None] - x[None])
    np.fill_diagonal(ahead, 0.0)  # nobody plays against itself
    residual = won * (ahead.T @ lost) - lost * (ahead @ won)
    return _strengths(x, residual, function.at(x).dense())


def plackett_luce(share: np.ndarray, *, alpha: float) -> Fit:
    """Strengths from choices, see `scale.choices`."""
    code = choices.levels(share)
    n = len(code)
    function = choices.likelihood(code, alpha=alpha)
    x = concave.maximise(function, np.zeros(n), n_players=n, tolerance=REST, most=STEPS).x
    return _strengths(x, choices.residuals(code, x), function.at(x).dense())


def ability(solved: np.ndarray, tried: np.ndarray, *, model: str) -> Fit:
    """Abilities of item response theory.

    Parts are those of the likelihood with each item's own parameters at their best for any
    abilities: its difficulty, for "2pl" its discrimination too. What all items share (for "1pl" the
    discrimination) only stretches the scale, and is held.
    """
    names = tuple(map(str, range(len(solved)))), tuple(map(str, range(solved.shape[1])))
    table = Matrix(solved=solved, tried=tried, solvers=names[0], items=names[1])
    bank = irt.fit(table, model=model)
    theta = bank.ability
    known = np.isfinite(bank.difficulty)
    a, b = np.where(known, bank.discrimination, 0.0), np.where(known, bank.difficulty, 0.0)
    each = worth(tried, float(bank.fit["overdispersion"]))
    n, count = tried * each, solved * each
    chance = expit(a * (theta[:, None] - b))
    told = count - n * chance
    residual, bend = a * told, a**2 * n * chance * (1 - chance)
    moves = [-np.ones_like(theta)[:, None] * known]  # of a logit over a, with b; with log a
    if model == "2pl":
        moves.append(theta[:, None] - b)
    # how strongly each ability holds each parameter of an item, and these hold each other
    ties = [bend * move for move in moves]
    if model == "2pl":
        ties[1] = ties[1] - residual  # log a also turns the pull itself
    held = np.array([[np.sum(bend * x * y, axis=0) for y in moves] for x in moves])
    held[0, 0] += 1e-9 + (a / irt.WEAK.difficulty) ** 2
    if model == "2pl":
        held[1, 1] += irt.WEAK.slope**-2
    back = np.moveaxis(np.linalg.inv(np.moveaxis(held, 2, 0)), 0, 2)
    pulls = [np.sum(residual * move, axis=0) for move in moves]
    curvature = np.diag(bend.sum(axis=1) + 1.0)  # 1: N(0, 1) prior
    for i, tie in enumerate(ties):
        for j, other in enumerate(ties):
            curvature -= (tie * back[i, j]) @ other.T
            residual = residual - tie * (back[i, j] * pulls[j])
    if model == "2pl":
        curvature = _at_least(curvature, 1.0)
    return _strengths(theta, residual, curvature, slope=float(np.median(a[known])))


def _at_least(curvature: np.ndarray, least: float) -> np.ndarray:
    """The same, bent by `least` in every direction: free slopes of few answers may not be."""
    values, vectors = np.linalg.eigh(curvature)
    if values[0] >= least:
        return curvature
    return (vectors * np.maximum(values, least)) @ vectors.T


def _strengths(
    x: np.ndarray, residual: np.ndarray, curvature: np.ndarray, *, slope: float = 1.0
) -> Fit:
    """Strengths about their mean: a common shift, which data leave open, is taken out."""
    n = len(x)
    lifted = curvature + np.trace(curvature) / n**2
    inverse = cho_solve(cho_factor(lifted), np.eye(n))
    inverse -= inverse.mean(axis=0)
    own = np.maximum(np.diag(inverse), 0)
    # at even odds an answer pulls by slope / 2, and adds slope^2 / 4 to what holds against it
    unit = slope / 2 * own / (1 + slope**2 / 4 * own)
    return Fit(x - x.mean(), inverse @ residual, unit)
