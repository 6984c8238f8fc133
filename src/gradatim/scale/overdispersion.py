"""Attempts of one solver on one problem repeat each other: how much, and what they are worth.

A solver has luck and blind spots problem by problem, which no item curve knows. Then k of n varies
more than a binomial: Var(k) = n P (1 - P) (1 + (n - 1) r), and n attempts tell as much about the
curve as n / (1 + (n - 1) r) independent ones. Taking them for independent makes every error bar
too short. Axes: `cell` (a solver and an item), `item`.
"""

from typing import TypeVar

import numpy as np

from gradatim.scale.blocks import inverse_blocks, quadratic
from gradatim.scale.cells import Cells, Counts, Table, blocks
from gradatim.scale.derivatives import Items, look, sensitivities
from gradatim.scale.quadrature import Posterior

Form = TypeVar("Form", bound=Cells | Table)


def correlation_within(
    counts: Counts, items: Items, posterior: Posterior, *, prior: np.ndarray, model: str
) -> float:
    """The intraclass correlation r of attempts in a cell, by moments of the residuals.

    Each squared residual is divided by 1 - leverage, since fitted curves follow their data: with
    8 solvers and 2 parameters an item, a quarter of the variance is fitted away.

    Args:
        counts: in canonical order.
        items: estimates.
        posterior: at the estimates.
        prior: (pair, item) curvature of the priors.
        model: see `blocks.solve`.

    Returns:
        r in [0, 0.99]; 0 where every cell has one attempt (binary data cannot tell).

    Ref: Williams 1982, Applied Statistics 31:144.
    """
    if counts.tried.max() <= 1:
        return 0.0
    block = inverse_blocks(posterior.expected + prior, model)
    above, room = 0.0, 0.0
    for rows, cells in blocks(counts):
        theta = posterior.mean[rows][cells.person][:, None]
        view = look(items, cells.item, theta, counts=(cells.solved, cells.tried))
        chance = np.exp(view.log_right)[:, 0]
        lean = quadratic(block[:, cells.item], sensitivities(view, items.params)[..., 0])
        by_ability = view.slope * posterior.sd[rows][cells.person][:, None]
        lean += (by_ability**2 * view.up * view.down)[:, 0]
        kept = 1 - np.clip(cells.tried * lean, 0, 0.9)
        noise = cells.tried * chance * (1 - chance)
        above += np.sum((cells.solved - cells.tried * chance) ** 2 / kept) - noise.sum()
        room += np.sum(noise * (cells.tried - 1))
    return float(np.clip(above / room, 0, 0.99)) if room > 0 else 0.0


def worth(tried: np.ndarray, within: float) -> np.ndarray:
    """Share of each attempt that is news: 1 / (1 + (n - 1) r).

    >>> worth(np.array([1, 11]), 0.1)
    array([1. , 0.5])
    """
    return 1 / (1 + np.maximum(np.asarray(tried, dtype=float) - 1, 0) * within)


def tempered(counts: Form, within: float) -> Form:
    """Counts reduced to what they are worth."""
    share = worth(counts.tried, within)
    if isinstance(counts, Cells):
        return counts._replace(solved=counts.solved * share, tried=counts.tried * share)
    return counts._replace(
        worth=counts.worth * share, right=counts.right * share, tried=counts.tried * share
    )
