"""How the log-likelihood of cells moves with the parameters of their items.

Each item has (log a, b), and where they are estimated the ends of its curve as log odds against
the middle: c : u - c : 1 - u = e^g : 1 : e^h. Without a free ceiling g is logit c. No values of g
and h cross the ends, and derivatives are short: dP/dg = c (1 - P), dP/dh = -(1 - u) P.
Axes: `cell`, `node`, `item`; `param` (0 log a, 1 b, 2 g, 3 h), `pair` (see `blocks`).
"""

from typing import NamedTuple

import numpy as np

from gradatim.scale.curves import evaluate


class Items(NamedTuple):
    """Item parameters.

    Attributes:
        log_a, b: (item,).
        floor, ceiling: (item,) ends of the curve; None for all 0, all 1.
        params: how many are free: 2 (log a, b), 3 (and g), 4 (and h).
    """

    log_a: np.ndarray
    b: np.ndarray
    floor: np.ndarray | None = None
    ceiling: np.ndarray | None = None
    params: int = 2


class View(NamedTuple):
    """Cells at abilities: (cell, node) and (cell, 1) arrays that broadcast.

    Attributes:
        eta, slope: a (theta - b), and a.
        solved, lost: k and n - k.
        log_right, log_wrong: log P, log(1 - P).
        up, down: d log P / d eta, -d log(1 - P) / d eta.
        guess, slip: c and 1 - u, zero where there is none.
    """

    eta: np.ndarray
    slope: np.ndarray
    solved: np.ndarray
    lost: np.ndarray
    log_right: np.ndarray
    log_wrong: np.ndarray
    up: np.ndarray
    down: np.ndarray
    guess: np.ndarray | float
    slip: np.ndarray | float


def look(
    items: Items, item: np.ndarray, theta: np.ndarray, *, counts: tuple[np.ndarray, np.ndarray]
) -> View:
    """Cells of items `item` at (cell, node) abilities, with (cell,) counts solved and tried."""
    slope = np.exp(items.log_a[item])[:, None]
    eta = slope * (theta - items.b[item][:, None])
    floor, ceiling = ends(items, item)
    log_right, log_wrong, up, down = evaluate(eta, floor, ceiling)
    solved, tried = counts[0][:, None], counts[1][:, None]
    guess = 0.0 if floor is None else floor
    slip = 0.0 if ceiling is None else 1 - ceiling
    return View(eta, slope, solved, tried - solved, log_right, log_wrong, up, down, guess, slip)


def ends(items: Items, item: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(cell, 1) floor and ceiling of each cell's item, or None."""
    floor, ceiling = items.floor, items.ceiling
    return (
        None if floor is None else floor[item][:, None],
        None if ceiling is None else ceiling[item][:, None],
    )


def log_likelihood(view: View) -> np.ndarray:
    """(cell, node) k log P + (n - k) log(1 - P)."""
    return view.solved * view.log_right + view.lost * view.log_wrong


def scores(view: View, params: int) -> np.ndarray:
    """(param, cell, node) derivatives of the log-likelihood."""
    residual = view.solved * view.up - view.lost * view.down
    rows = [residual * view.eta, -view.slope * residual]
    tried = view.solved + view.lost
    if params > 2:
        rows.append(view.solved * _guessed(view) - tried * view.guess)
    if params > 3:
        rows.append(view.lost * _slipped(view) - tried * view.slip)
    return np.stack(rows)


def sensitivities(view: View, params: int) -> np.ndarray:
    """(param, cell, node) dP / d param over sqrt(P (1 - P)): products are information."""
    root = np.sqrt(view.up * view.down)
    rows = [root * view.eta, -view.slope * root]
    odds = np.exp((view.log_right - view.log_wrong) / 2)
    if params > 2:
        rows.append(view.guess / odds)
    if params > 3:
        rows.append(-view.slip * odds)
    return np.stack(rows)


def expected_information(view: View, params: int) -> np.ndarray:
    """(pair, cell, node) information that the cells' attempts hold on average."""
    tried, c, z = view.solved + view.lost, view.guess, view.slip
    inner = {"ee": tried * view.up * view.down}
    if params > 2:
        inner["eg"] = tried * c * view.up
        inner["gg"] = tried * c * (_guessed(view) - c)
    if params > 3:
        inner["eh"] = -tried * z * view.down
        inner["gh"] = np.broadcast_to(-tried * c * z, view.eta.shape)
        inner["hh"] = tried * z * (_slipped(view) - z)
    return _chained(view, inner, params)


def observed_information(view: View, params: int) -> np.ndarray:
    """(pair, cell, node) minus the second derivatives, bar those of eta by (log a, b).

    The terms left out are the score itself: -score_a at (log a, log a), -score_b at (log a, b).
    """
    k, lost, c, z = view.solved, view.lost, view.guess, view.slip
    turn = -np.tanh(view.eta / 2)  # 1 - 2 s(eta)
    inner = {"ee": k * view.up * (view.up - turn) + lost * view.down * (view.down + turn)}
    if params > 2:
        guessed = _guessed(view)
        inner["eg"] = k * guessed * view.up
        inner["gg"] = (k + lost) * c * (1 - c) - k * guessed * (1 - guessed)
    if params > 3:
        slipped = _slipped(view)
        inner["eh"] = -lost * slipped * view.down
        inner["gh"] = np.broadcast_to(-(k + lost) * c * z, view.eta.shape)
        inner["hh"] = (k + lost) * z * (1 - z) - lost * slipped * (1 - slipped)
    return _chained(view, inner, params)


def _guessed(view: View) -> np.ndarray:
    """c / P: chance that a right answer was a guess."""
    return view.guess * np.exp(-view.log_right)


def _slipped(view: View) -> np.ndarray:
    """(1 - u) / (1 - P): chance that a wrong answer was a slip."""
    return view.slip * np.exp(-view.log_wrong)


def _chained(view: View, inner: dict[str, np.ndarray], params: int) -> np.ndarray:
    """From eta, g, h to log a, b, g, h."""
    by = (view.eta, -view.slope)
    ee = inner["ee"]
    rows = {(0, 0): ee * by[0] ** 2, (0, 1): ee * by[0] * by[1], (1, 1): ee * by[1] ** 2}
    for param, name in zip(range(2, params), "gh", strict=False):
        for outer in (0, 1):
            rows[outer, param] = inner["e" + name] * by[outer]
        rows[param, param] = inner[name * 2]
    if params > 3:
        rows[2, 3] = inner["gh"]
    return np.stack([rows[pair] for pair in sorted(rows)])
