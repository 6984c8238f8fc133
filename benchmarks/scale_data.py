"""Simulated 2PL responses of any size, and one judge for all estimates of them.

A size is "200x1000" (complete), "1000x200000@50" (exactly 50 persons an item) or S1 to S5.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import special

NAMED = {
    "S1": "200x1000",
    "S2": "1000x5000",
    "S3": "5000x20000",
    "S4": "1000x200000@50",
    "S5": "11785x36259",
}
SEED = 7
NODES = 15
STEP = 0.01  # of the grid on which the sum over items is read off; its error is below 1e-6
FAR = 12.0


class Size(NamedTuple):
    """Persons, items, and persons an item; `name` as it was given."""

    name: str
    persons: int
    items: int
    each: int

    @property
    def cells(self) -> int:
        return self.items * self.each

    @property
    def complete(self) -> bool:
        return self.each == self.persons


def size_of(name: str) -> Size:
    """Read a size.

    >>> size_of("S4")
    Size(name='S4', persons=1000, items=200000, each=50)
    """
    shape, _, each = NAMED.get(name, name).partition("@")
    persons, items = (int(n) for n in shape.split("x"))
    return Size(name, persons, items, int(each) if each else persons)


def truth(size: Size) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Abilities N(0, 1), slopes with log a ~ N(0, 0.3^2), difficulties N(0, 1)."""
    rng = np.random.default_rng(SEED)
    theta = rng.normal(size=size.persons)
    return theta, np.exp(rng.normal(0, 0.3, size.items)), rng.normal(size=size.items)


def write(size: Size, folder: Path) -> Path:
    """Draw responses into FOLDER/SIZE.npz, unless they are there: `solved` (person, item) int8,

    or for sparse data `person`, `item` int32 and `solved` int8 by cell.
    """
    path = folder / f"{NAMED.get(size.name, size.name)}.npz"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    theta, a, b = truth(size)
    rng = np.random.default_rng(SEED + 1)
    if size.complete:
        columns = {"solved": np.empty((size.persons, size.items), np.int8)}
        for p, row in enumerate(columns["solved"]):
            row[:] = rng.random(size.items, np.float32) < special.expit(a * (theta[p] - b))
    else:
        columns = _sparse(size, (theta, a, b), rng)
    part = path.with_suffix(".part.npz")
    np.savez(part, **columns)
    part.replace(path)
    return path


def _sparse(
    size: Size, known: tuple[np.ndarray, np.ndarray, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    theta, a, b = known
    person = np.concatenate([
        np.argpartition(rng.random((n, size.persons), np.float32), size.each)[:, : size.each]
        for n in _runs(size.items, 5000)
    ]).ravel()
    item = np.repeat(np.arange(size.items), size.each)
    order = np.lexsort((item, person))
    person, item = person[order], item[order]
    solved = rng.random(len(item)) < special.expit(a[item] * (theta[person] - b[item]))
    return {
        "person": person.astype(np.int32),
        "item": item.astype(np.int32),
        "solved": solved.astype(np.int8),
    }


def _runs(total: int, most: int) -> list[int]:
    return [min(most, total - first) for first in range(0, total, most)]


# -- judging ----------------------------------------------------------------------------------


def judge(size: Size, data: Path, estimates: Path) -> dict[str, float]:
    """What estimates are worth, whatever program made them.

    Returns:
        loglik: marginal log-likelihood of the items with abilities N(mu, sigma^2), mu and sigma
            at their best: a wrong zero or unit costs nothing here.
        sigma: that sigma; 1 where the program's own scale is the population's.
        median_a: median discrimination as the program gives it.
        rmse_theta, rmse_a, rmse_b, r_a, r_b: after placing abilities on the true mean and
            standard deviation, difficulties within +-6.
    """
    known, found = truth(size), np.load(estimates)
    theta, a, b = (np.asarray(found[name], float) for name in ("theta", "a", "b"))
    facts = {"median_a": float(np.median(a)), "sd_theta": float(np.nanstd(theta))}
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return {**facts, "loglik": float("nan")}
    loglik, mu, sigma = _loglik(data, a, b)
    facts |= {"loglik": loglik, "mu": mu, "sigma": sigma}
    unit = theta.std() / known[0].std()
    zero = theta.mean() - unit * known[0].mean()
    placed = (theta - zero) / unit, a * unit, np.clip((b - zero) / unit, -6, 6)
    for name, values, right in zip(("theta", "a", "b"), placed, known, strict=True):
        facts[f"rmse_{name}"] = float(np.sqrt(np.mean((values - right) ** 2)))
        facts[f"r_{name}"] = float(np.corrcoef(values, right)[0, 1])
    return facts


def _loglik(data: Path, a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Marginal log-likelihood at the best mean and deviation of the population (EM steps)."""
    with np.load(data) as file:
        columns = dict(file)
    work = _complete if "person" not in columns else _by_cell
    evaluate = work(columns, a, b)
    mu, sigma, last = 0.0, 1.0, -np.inf
    for _ in range(200):
        loglik, mean, sd = evaluate(mu, sigma)
        if abs(loglik - last) < 1e-3:
            break
        last = loglik
        mu, sigma = float(mean.mean()), float(np.sqrt(mean.var() + np.mean(sd**2)))
    return float(loglik), mu, sigma


def _integrated(value, mode, spread, mu, sigma):
    """Adaptive Gauss-Hermite over each person: (log-likelihood, mean, sd).

    `value(x)` is the log-likelihood at (person, node) abilities.
    """
    base, weight = np.polynomial.hermite_e.hermegauss(NODES)
    x = mode[:, None] + spread[:, None] * base
    joint = value(x) - ((x - mu) / sigma) ** 2 / 2 - np.log(sigma * np.sqrt(2 * np.pi))
    joint += np.log(weight) + base**2 / 2 + np.log(spread)[:, None]
    top = joint.max(axis=1, keepdims=True)
    h = np.exp(joint - top)
    mass = h.sum(axis=1, keepdims=True)
    h /= mass
    mean = np.sum(h * x, axis=1)
    sd = np.sqrt(np.sum(h * (x - mean[:, None]) ** 2, axis=1))
    return float(np.sum(top + np.log(mass))), mean, sd


def _complete(columns, a, b):
    """Everybody tried everything: theta t_p - c_p - A(theta), A by cubic Hermite on a grid."""
    solved = columns["solved"]
    t, c = np.empty(len(solved)), np.empty(len(solved))
    for first in range(0, len(solved), 500):
        rows = solved[first : first + 500].astype(float)
        t[first : first + 500], c[first : first + 500] = rows @ a, rows @ (a * b)
    reach = FAR / min(1.0, float(np.median(a)))
    grid = np.arange(-reach, reach, STEP)
    total, slope, curvature = np.zeros((3, len(grid)))
    for first in range(0, len(grid), 50):
        eta = a * (grid[first : first + 50, None] - b)
        p = special.expit(eta)
        here = slice(first, first + 50)
        total[here] = np.logaddexp(0, eta).sum(axis=1)
        slope[here], curvature[here] = p @ a, (p * (1 - p)) @ (a * a)

    def lines(x):
        at = np.clip(((x - grid[0]) / STEP).astype(int), 0, len(grid) - 2)
        u = (x - grid[at]) / STEP
        return (
            (1 + 2 * u) * (1 - u) ** 2 * total[at]
            + u * (1 - u) ** 2 * STEP * slope[at]
            + u * u * (3 - 2 * u) * total[at + 1]
            + u * u * (u - 1) * STEP * slope[at + 1]
        )

    def evaluate(mu, sigma):
        mode = np.interp(t + mu / sigma**2, slope + grid / sigma**2, grid)
        spread = 1 / np.sqrt(np.interp(mode, grid, curvature) + 1 / sigma**2)
        return _integrated(
            lambda x: x * t[:, None] - c[:, None] - lines(x), mode, spread, mu, sigma
        )

    return evaluate


def _by_cell(columns, a, b):
    person, solved = columns["person"], columns["solved"].astype(float)
    a, b = a[columns["item"]], b[columns["item"]]
    start = np.searchsorted(person, np.arange(person[-1] + 1))
    state = {"mode": np.zeros(len(start))}

    def value(x):
        out = np.empty_like(x)
        for q in range(x.shape[1]):
            eta = a * (x[person, q] - b)
            out[:, q] = np.add.reduceat(solved * eta - np.logaddexp(0, eta), start)
        return out

    def evaluate(mu, sigma):
        mode = state["mode"]
        for _ in range(20):
            p = special.expit(a * (mode[person] - b))
            pull = np.add.reduceat(a * (solved - p), start) - (mode - mu) / sigma**2
            hold = np.add.reduceat(a * a * p * (1 - p), start) + 1 / sigma**2
            step = np.clip(pull / hold, -1, 1)
            mode = mode + step
            if np.all(np.abs(step) * np.sqrt(hold) < 0.1):
                break
        state["mode"] = mode
        return _integrated(value, mode, 1 / np.sqrt(hold), mu, sigma)

    return evaluate


if __name__ == "__main__":  # SIZE DATA ESTIMATES: its memory is not the driver's
    import sys

    name, data, estimates = sys.argv[1:]
    print(json.dumps(judge(size_of(name), Path(data), Path(estimates))))
