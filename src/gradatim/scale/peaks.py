"""Where posteriors of ability peak and lie, for items that are known, whatever their curves.

With a guess floor or a ceiling below 1 the posterior can have several peaks, and steps by the
expected curvature can circle for ever. Here intervals are halved until bounds on value, slope and
curvature say of each that it is lower than the best point known, that the posterior rises or falls
throughout, or that it bends down throughout; what is left is a bracket of a peak.
Axes: `run` (solvers), `asked` (positions in a test), `cell` (an interval of one run's ability).

Ref: Moore, Kearfott & Cloud 2009, Introduction to Interval Analysis, ch. 9 (branch and bound);
Press et al. 2007, Numerical Recipes, 9.4 (Newton steps within a bracket).
"""

from typing import NamedTuple

import numpy as np

from gradatim.scale.curves import evaluate, log_chances, slopes

BLOCK = 1 << 18  # cells x asked worked on at a time: what bounds memory
ROUNDS = 60  # of halving, and then of steps; each alone is enough for 1e-9
WIDE = 6.0  # standard deviations around a mode that hold all but 1e-9 of a normal
DROP = 17.0  # log-density below the highest that is left out: 4e-8
RESERVE = 8.0  # prior sd by which the reach of answers is widened


class Answers(NamedTuple):
    """(run, asked) items and answers; unasked places have tried 0. Ends None where all 0, all 1."""

    a: np.ndarray
    b: np.ndarray
    floor: np.ndarray | None
    ceiling: np.ndarray | None
    solved: np.ndarray
    tried: np.ndarray

    def eta(self, theta: np.ndarray) -> np.ndarray:
        """(run, asked) logits at one ability per run."""
        return self.a * (theta[:, None] - self.b)

    def take(self, run: np.ndarray) -> "Answers":
        """The answers of some runs, repeated where asked for."""
        if len(run) == len(self.a) == 1:  # one long test is not copied
            return self
        floor = None if self.floor is None else self.floor[run]
        ceiling = None if self.ceiling is None else self.ceiling[run]
        return Answers(self.a[run], self.b[run], floor, ceiling, self.solved[run], self.tried[run])


class Slope(NamedTuple):
    """(run,) slope of the log-posterior, minus its second derivative, and the latter expected."""

    slope: np.ndarray
    curvature: np.ndarray
    information: np.ndarray


class Bounds(NamedTuple):
    """(cell,) what holds within an interval.

    Attributes:
        left, right: log-posterior at the ends.
        start, stop: slope at the ends.
        value: at most, inside.
        rise, fall: highest and lowest slope.
        bend: highest second derivative.
        information: highest sum of what the answers' items tell, with the prior's.
    """

    left: np.ndarray
    right: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    value: np.ndarray
    rise: np.ndarray
    fall: np.ndarray
    bend: np.ndarray
    information: np.ndarray


def density(answers: Answers, theta: np.ndarray, *, prior: tuple[float, float]) -> np.ndarray:
    """(run,) log-posterior up to a constant, at one ability per run."""
    right, wrong = log_chances(answers.eta(theta), answers.floor, answers.ceiling)
    log = np.sum(answers.solved * right + (answers.tried - answers.solved) * wrong, axis=1)
    return log - prior[1] ** -2 * (theta - prior[0]) ** 2 / 2


def look(answers: Answers, theta: np.ndarray, *, prior: tuple[float, float]) -> Slope:
    """(run,) where the log-posterior turns to, at one ability per run."""
    eta, lost = answers.eta(theta), answers.tried - answers.solved
    up, down = slopes(eta, answers.floor, answers.ceiling)
    turn, gap, weight = -np.tanh(eta / 2), theta - prior[0], prior[1] ** -2
    pull = answers.a * (answers.solved * up - lost * down)
    # d up / d eta = up (1 - 2 s - up), d down / d eta = down (1 - 2 s + down)
    bend = answers.solved * up * (turn - up) - lost * down * (turn + down)
    told = answers.a**2 * answers.tried * up * down
    return Slope(
        pull.sum(axis=1) - weight * gap,
        weight - np.sum(answers.a**2 * bend, axis=1),
        told.sum(axis=1) + weight,
    )


def reach(answers: Answers, *, prior: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """(run,) below which the log-posterior rises, and above which it falls, for certain."""
    tops = _tops(answers)
    high = np.sum(answers.a * answers.solved * tops[0][0], axis=1)
    low = np.sum(answers.a * (answers.tried - answers.solved) * tops[1][0], axis=1)
    return prior[0] - prior[1] ** 2 * low, prior[0] + prior[1] ** 2 * high


def climb(
    answers: Answers,
    theta: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
    *,
    prior: tuple[float, float],
    close: float = 1e-9,
) -> tuple[np.ndarray, np.ndarray]:
    """(run,) a peak between `ends`, to `close` standard deviations, and the expected sd there.

    Newton steps; halving where they leave the bracket of the slope's signs seen so far, or do not
    shrink fast enough. The log-posterior must rise at the lower end and fall at the upper.
    """
    low, high = ends[0].copy(), ends[1].copy()
    theta = np.clip(theta, low, high)
    last = high - low
    sd = np.full(len(theta), float(prior[1]))
    for _ in range(4 * ROUNDS):
        here = look(answers, theta, prior=prior)
        sd = here.information**-0.5
        low = np.where(here.slope >= 0, theta, low)
        high = np.where(here.slope <= 0, theta, high)
        step = here.slope / np.where(here.curvature > 0, here.curvature, here.information)
        bad = (theta + step < low) | (theta + step > high) | (np.abs(step) > np.abs(last) / 2)
        last = np.where(bad, (low + high) / 2 - theta, step)
        theta = theta + last
        if np.all(np.abs(last) <= close * sd + 4e-16 * np.abs(theta)):
            break
    return theta, sd


def mode(
    answers: Answers, start: np.ndarray, *, prior: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(run,) where the posterior is highest, and 1 / sqrt(expected information) there.

    Where right answers to items without floor and wrong answers to items without ceiling are all
    there is, it has one peak. Of peaks as high as each other the one uphill of `start` is taken.

    >>> one, two = np.ones((1, 1)), np.full((1, 1), 2.0)
    >>> answers = Answers(3 * one, 0 * one, one / 2, None, 0 * one, two)
    >>> mode(answers, np.zeros(1), prior=(0.0, 1.0))[0].round(4)
    array([-0.6837])
    """
    ends = reach(answers, prior=prior)
    theta, sd = climb(answers, start, ends, prior=prior)
    runs = np.flatnonzero(_bumpy(answers))
    if not len(runs):
        return theta, sd
    part = answers.take(runs)
    own = theta[runs], sd[runs]
    run, low, high = _brackets(part, own, (ends[0][runs], ends[1][runs]), prior=prior)
    best = density(part, own[0], prior=prior)
    best = best + 1e-12 * (1 + np.abs(best))
    for cells in _chunks(len(run), part):
        these = run[cells]
        found, spread = climb(
            part.take(these),
            (low[cells] + high[cells]) / 2,
            (low[cells], high[cells]),
            prior=prior,
        )
        value = density(part.take(these), found, prior=prior)
        for cell in np.flatnonzero(value > best[these]):
            if value[cell] > best[these[cell]]:
                best[these[cell]] = value[cell]
                theta[runs[these[cell]]], sd[runs[these[cell]]] = found[cell], spread[cell]
    return theta, sd


def extent(
    answers: Answers, near: tuple[np.ndarray, np.ndarray], *, prior: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(run,) ends between which a posterior lies, and the finest standard deviation within.

    Args:
        answers: of the runs.
        near: a peak of each and its standard deviation, where the search begins.
        prior: mean and sd.

    Returns:
        Low and high, outside of which the log-density is DROP and more below the highest; and
        1 / sqrt(most information) anywhere between.
    """
    ends = reach(answers, prior=prior)
    wide = RESERVE * prior[1]
    most = np.maximum(near[0] - ends[0], ends[1] - near[0]) + wide
    far = np.arcsinh(np.maximum(most / near[1], 2 * WIDE))
    size, first = len(far), np.arcsinh(WIDE)
    best = density(answers, near[0], prior=prior)
    run = np.tile(np.arange(size), 3)
    side = np.full(size, first)
    low = np.concatenate([-far, -side, side])
    high = np.concatenate([-side, side, far])
    left, right = np.full(size, np.inf), np.full(size, -np.inf)
    finest = np.zeros(size)
    for turn in range(ROUNDS):
        found = _bounds(answers, run, _spans(near, run, low, high), prior=prior)
        np.maximum.at(best, run, np.maximum(found.left, found.right))
        kept = found.value >= best[run] - DROP
        inside = np.minimum(found.left, found.right) >= best[run] - DROP
        if turn == 0:
            kept[size : 2 * size] = inside[size : 2 * size] = True
        done = kept & (inside | (high - low <= 0.25) | (turn == ROUNDS - 1))
        spans = _spans(near, run, low, high)
        np.minimum.at(left, run[done], spans[0][done])
        np.maximum.at(right, run[done], spans[1][done])
        np.maximum.at(finest, run[done], found.information[done])
        more = kept & ~done
        if not more.any():
            break
        run, low, high = _halve(run[more], low[more], high[more])
    return left, right, finest**-0.5


def _bumpy(answers: Answers) -> np.ndarray:
    """(run,) bool: a term of the log-posterior does not bend down everywhere."""
    bumpy = np.zeros(len(answers.a), dtype=bool)
    if answers.floor is not None:
        bumpy |= np.any((answers.floor > 0) & (answers.solved > 0), axis=1)
    if answers.ceiling is not None:
        bumpy |= np.any((answers.ceiling < 1) & (answers.solved < answers.tried), axis=1)
    return bumpy


def _brackets(
    answers: Answers,
    near: tuple[np.ndarray, np.ndarray],
    ends: tuple[np.ndarray, np.ndarray],
    *,
    prior: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(cell,) run, low, high around each peak that may be the highest; near[0] is some peak."""
    far = np.arcsinh(np.maximum(near[0] - ends[0], ends[1] - near[0]) / near[1] + 1)
    size = len(far)
    best = density(answers, near[0], prior=prior)
    side = np.minimum(far / 2, 1.5)
    run = np.tile(np.arange(size), 3)
    low, high = np.concatenate([-far, -side, side]), np.concatenate([-side, side, far])
    kept = []
    for turn in range(ROUNDS):
        found = _bounds(answers, run, _spans(near, run, low, high), prior=prior)
        np.maximum.at(best, run, np.maximum(found.left, found.right))
        slack = 1e-12 * (1 + np.abs(best[run]))
        open_ = (found.value >= best[run] - slack) & (found.rise >= 0) & (found.fall <= 0)
        done = open_ & ((found.bend < 0) | (turn == ROUNDS - 1))
        peak = done & (found.start >= 0) & (found.stop <= 0)
        kept.append((run[peak], *_spans(near, run[peak], low[peak], high[peak])))
        more = open_ & ~done
        if not more.any():
            break
        run, low, high = _halve(run[more], low[more], high[more])
    run, low, high = (np.concatenate(part) for part in zip(*kept, strict=True))
    return run, low, high


def _halve(
    run: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    middle = (low + high) / 2
    return np.tile(run, 2), np.concatenate([low, middle]), np.concatenate([middle, high])


def _spans(
    near: tuple[np.ndarray, np.ndarray], run: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(cell,) abilities; cells are even in asinh of the distance from a peak, in its sd."""
    centre, sd = near[0][run], near[1][run]
    return centre + sd * np.sinh(low), centre + sd * np.sinh(high)


def _chunks(size: int, answers: Answers) -> list[slice]:
    """Cells to work on at a time."""
    most = max(1, BLOCK // max(1, answers.a.shape[1]))
    return [slice(first, first + most) for first in range(0, size, most)]


def _bounds(
    answers: Answers,
    run: np.ndarray,
    span: tuple[np.ndarray, np.ndarray],
    *,
    prior: tuple[float, float],
) -> Bounds:
    parts = [
        _bound(answers.take(run[cells]), span[0][cells], span[1][cells], prior=prior)
        for cells in _chunks(len(run), answers)
    ]
    return Bounds(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _bound(
    answers: Answers, low: np.ndarray, high: np.ndarray, *, prior: tuple[float, float]
) -> Bounds:
    """One row of answers per cell.

    -d log(1 - P) / d eta has one top, as has d log P / d eta: least at an end of the cell.
    """
    a, k, lost = answers.a, answers.solved, answers.tried - answers.solved
    eta = answers.eta(low), answers.eta(high)
    right, wrong, up, down = zip(
        *(evaluate(x, answers.floor, answers.ceiling) for x in eta), strict=True
    )
    least, most = [], []
    for ends, (top, where) in zip((up, down), _tops(answers), strict=True):
        least.append(np.minimum(*ends))
        inside = (eta[0] < where) & (where < eta[1])
        most.append(np.where(inside, top, np.maximum(*ends)))
    weight = prior[1] ** -2
    rise = np.sum(a * (k * most[0] - lost * least[1]), axis=1) - weight * (low - prior[0])
    fall = np.sum(a * (k * least[0] - lost * most[1]), axis=1) - weight * (high - prior[0])
    turn = -np.tanh(eta[0] / 2), -np.tanh(eta[1] / 2)  # 1 - 2 s falls
    over, under = turn[0] - least[0], turn[1] + least[1]
    bend = k * over * np.where(over > 0, most[0], least[0])
    bend = bend - lost * under * np.where(under < 0, most[1], least[1])
    told = a**2 * answers.tried * np.minimum(most[0] * most[1], 0.25)
    start, stop = (
        np.sum(a * (k * u - lost * d), axis=1) - weight * (x - prior[0])
        for u, d, x in zip(up, down, (low, high), strict=True)
    )
    left, right_ = (
        np.sum(k * r + lost * w, axis=1) - weight * (x - prior[0]) ** 2 / 2
        for r, w, x in zip(right, wrong, (low, high), strict=True)
    )
    width = high - low
    value = np.minimum(left + np.maximum(rise, 0) * width, right_ + np.maximum(-fall, 0) * width)
    return Bounds(
        left,
        right_,
        start,
        stop,
        value,
        rise,
        fall,
        np.sum(a**2 * bend, axis=1) - weight,
        told.sum(axis=1) + weight,
    )


def _tops(answers: Answers) -> list[tuple[np.ndarray | float, np.ndarray | float]]:
    """Highest d log P / d eta and the logit where; the same of -d log(1 - P) / d eta.

    With floor c and ceiling u the first is (sqrt u - sqrt c) / (sqrt u + sqrt c) at
    log(c / u) / 2; the second is that of c' = 1 - u and u' = 1 - c, at minus its logit.
    """
    low = np.zeros(1) if answers.floor is None else answers.floor
    high = np.ones(1) if answers.ceiling is None else answers.ceiling
    tops = []
    for c, u, sign in ((low, high, 1), (1 - high, 1 - low, -1)):
        root = np.sqrt(c / u)
        with np.errstate(divide="ignore"):
            tops.append(((1 - root) / (1 + root), sign * np.log(root)))
    return tops
