"""Responses as a dense table small enough to compare rows on, with totals over all of them.

Axes: `solver`, `item`.
"""

from typing import NamedTuple

import numpy as np

from gradatim.scale import cells
from gradatim.types import Matrix, Responses

CELLS = 4_000_000  # size of the table; the most answered items come first
WORK = 6e9  # solver pairs x items that a comparison of all rows may cost


class Screen(NamedTuple):
    """The responses as a table of the most answered items, with totals over all of them.

    Attributes:
        rate: (solver, item) share solved, 0 where missing; has: the same shape, float 0 or 1.
        chosen: (item,) int, which items the columns are.
        right, tried, answered: (solver,) sum of scores, attempts and cells, over all items.
        item_right, item_tried: (all items,) sums over all solvers.
    """

    rate: np.ndarray
    has: np.ndarray
    chosen: np.ndarray
    right: np.ndarray
    tried: np.ndarray
    answered: np.ndarray
    item_right: np.ndarray
    item_tried: np.ndarray


def screen(responses: Responses | Matrix, *, checked: bool = False) -> Screen:
    """Totals of all cells, and the table of the most answered items.

    Args:
        responses: counts in long form or as a table.
        checked: `cells.check_responses` has been called on them.

    Raises:
        ArgumentError: responses that cannot be, see `cells.check_responses`.

    >>> table = Matrix(solved=np.array([[1, 2]]), tried=2, solvers=("a",), items=("x", "y"))
    >>> screen(table).rate
    array([[0.5, 1. ]], dtype=float32)
    """
    if not checked:
        cells.check_responses(responses)
    if isinstance(responses, Responses):
        shape = len(responses.solvers), len(responses.items)
        solver, item = np.asarray(responses.solver), np.asarray(responses.item)
        solved, tried = np.asarray(responses.solved, float), np.asarray(responses.tried, float)
        popular = np.bincount(item, minlength=shape[1])
        chosen = _choose(popular, shape[0])
        place = np.full(shape[1], -1)
        place[chosen] = np.arange(len(chosen))
        keep = place[item] >= 0
        rate = np.zeros((shape[0], len(chosen)), dtype=np.float32)
        has = np.zeros_like(rate)
        rate[solver[keep], place[item[keep]]] = (solved / tried)[keep]
        has[solver[keep], place[item[keep]]] = 1
        sums = [
            np.bincount(at, weights=w, minlength=n)
            for at, n in ((solver, shape[0]), (item, shape[1]))
            for w in (solved, tried)
        ]
        answered = np.bincount(solver, minlength=shape[0])
        return Screen(rate, has, chosen, sums[0], sums[1], answered, sums[2], sums[3])
    table, count = np.asarray(responses.solved), np.asarray(responses.tried)
    if count.ndim == 0:  # every cell is there: nothing is copied
        answers = np.full(len(table), table.shape[1]), np.full(table.shape[1], len(table))
        tries = tuple(int(count) * x.astype(float) for x in answers)
    else:
        answers = np.count_nonzero(count, axis=1), np.count_nonzero(count, axis=0)
        tries = count.sum(axis=1, dtype=float), count.sum(axis=0, dtype=float)
        if table.dtype.kind == "f":  # missing cells may hold NaN
            table = np.where(count > 0, table, 0)
    chosen = _choose(answers[1], len(table))
    part = count if count.ndim == 0 else count[:, chosen]
    rate = table[:, chosen] / np.maximum(part, 1).astype(np.float32)
    has = np.broadcast_to(part > 0, rate.shape).astype(np.float32)
    return Screen(
        rate=(rate * has).astype(np.float32, copy=False),
        has=has,
        chosen=chosen,
        right=table.sum(axis=1, dtype=float),
        tried=tries[0],
        answered=answers[0],
        item_right=table.sum(axis=0, dtype=float),
        item_tried=tries[1],
    )


def _choose(popular: np.ndarray, n_solvers: int) -> np.ndarray:
    """Items to compare rows on, in order: all that are answered, or as many as we can afford."""
    most = int(min(CELLS / max(n_solvers, 1), WORK / max(n_solvers, 1) ** 2))
    order = np.argsort(-popular, kind="stable")[: max(most, 16)]
    return np.sort(order[popular[order] > 0])
