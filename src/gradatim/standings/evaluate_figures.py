"""What tests of models held out come to: errors, orders, intervals, and where they would stop.

Axes: `model`, `step` (questions), `repeat`. One model under several names counts once.
"""

from typing import Any, NamedTuple

import numpy as np

from gradatim import groups
from gradatim.evaluation.comparison import clustered_mean, mean_rate
from gradatim.evaluation.intervals import widening_of_others
from gradatim.evaluation.rank import correlation, midranks
from gradatim.evaluation.stopping import first, settled, side_of
from gradatim.scale.rates import wilson
from gradatim.standings.evaluate_folds import HeldOut
from gradatim.types import Estimate

Z = 1.959964  # half-width of a posterior that is right: an interval has no less
RESAMPLES, WORK = (200, 500), 1 << 22  # bootstrap samples, fewer where models x repeats are many
BLOCK = 1 << 18  # numbers that are ranked at a time
FEWEST = 4  # models under which a rank correlation is a matter of luck
FEWEST_DRAWN = 8  # models under which bootstrap samples of them are too much alike for an interval


class Random(NamedTuple):
    """Random tests of the models held out.

    Attributes:
        model, plain: (model, step) |predicted - full score| of random items scored with the same
            model, and of their plain mean; means over repeats.
        ends: name -> (repeat, model) predictions, after all questions.
    """

    model: np.ndarray
    plain: np.ndarray
    ends: dict[str, np.ndarray]


class Covered(NamedTuple):
    """Intervals of (test,) and of as many random items' plain mean; `model` is whose test."""

    model: np.ndarray
    inside: np.ndarray
    width: np.ndarray
    plain_inside: np.ndarray
    plain_width: np.ndarray


def off_by(found: HeldOut) -> np.ndarray:
    """(model, step) predicted - full score."""
    return found.walk.score - found.truth[:, None]


def half_widths(found: HeldOut, group: np.ndarray) -> np.ndarray:
    """(model, step) of 95% intervals; NaN where too few others say how wide."""
    sd = found.walk.sd
    wide = widening_of_others(off_by(found), sd, group=group[found.row], least=Z)
    return np.where(sd > 0, wide * sd, 0.0)


def intervals_of(found: HeldOut, group: np.ndarray, plain: np.ndarray) -> Covered:
    """Intervals after the last question; `plain` (2, model) as they are told of random items."""
    half = half_widths(found, group)[:, -1]
    off, score = off_by(found)[:, -1], found.walk.score[:, -1]
    inside = np.where(np.isfinite(half), np.abs(off) <= half + 1e-12, np.nan)
    return Covered(group[found.row], inside, width_of(score, half), plain[0], plain[1])


def width_of(score: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Of intervals, of which what lies outside [0, 1] is no part."""
    return np.minimum(score + half, 1) - np.maximum(score - half, 0)


def coverage_of(covered: Covered) -> dict[str, Any]:
    """Shares of intervals that hold the truth, clustered by model, and their widths.

    The interval of a share is Wilson's, so that 30 of 30 is no certainty; all lie in [0, 1].
    """
    told = {}
    for name, ahead in (("inside", "coverage"), ("width", "width")):
        for mark in ("", "plain_"):
            value = np.asarray(getattr(covered, mark + name), dtype=float)
            some = np.isfinite(value)
            if not some.any():
                told[mark + ahead] = Estimate(np.nan, np.nan, np.nan, 0)
            elif name == "inside":
                code, n = groups.codes(covered.model[some])
                told[mark + ahead] = mean_rate(groups.means(value[some], code, n))
            else:
                told[mark + ahead] = mean_error(value[some], covered.model[some])
    return told


def errors_of(
    found: HeldOut,
    random: Random,
    group: np.ndarray,
    *,
    n_items: int,
    plain: int,
    seed: int,
) -> dict[str, Any]:
    """Errors and correlations.

    Args:
        found, random: tests of the same models.
        group: (model in the data,) int, see `evaluate_folds.same_models`.
        n_items: of the whole; plain: of a random test; seed: of the bootstrap.
    """
    off, mine = np.abs(off_by(found)), group[found.row]
    asked, last = off.shape[1], min(plain, n_items) - 1
    rng = np.random.default_rng([seed, 2])
    errors = {"adaptive": off, "random": random.plain, "random_model": random.model}
    curve = {f"{name}_error": _means(e[:, :asked], mine) for name, e in errors.items()}
    wide = width_of(found.walk.score, half_widths(found, group))
    given = np.bincount(found.walk.item[found.walk.item >= 0], minlength=n_items)
    ends = {"adaptive": found.walk.score[:, -1][None], **random.ends}
    return {
        "adaptive_error": mean_error(off[:, -1], mine),
        "random_error": mean_error(random.plain[:, last], mine),
        "random_model_error": mean_error(random.model[:, asked - 1], mine),
        **{
            f"{name}_spearman": _spearman(ends[name], found.truth, rng)
            for name in ("adaptive", "random", "random_model")
        },
        "enough": _enough(curve["adaptive_error"], float(_means(random.plain[:, last], mine))),
        "enough_model": _enough(
            curve["adaptive_error"], float(_means(random.model[:, last], mine))
        ),
        "random_model_all_error": mean_error(random.model[:, last], mine),
        "exposure": float(given.max() / len(found.row)),
        "overlap": float(np.sum((given / len(found.row)) ** 2) / asked),
        "curve": {"items": np.arange(1, asked + 1), **curve, "width": _means(wide, mine)},
    }


def _enough(error: np.ndarray, aim: float) -> int | None:
    """Questions from which on the error is not above `aim`."""
    above = np.flatnonzero(error > aim + 1e-12)
    first = int(above[-1]) + 2 if len(above) else 1
    return first if first <= len(error) else None


def _means(value: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(step,) or one number: means over models, those of one group together weigh as one."""
    weight = 1 / np.bincount(group)[group]
    return np.tensordot(weight / weight.sum(), value, axes=1)


def mean_error(error: np.ndarray, group: np.ndarray) -> Estimate:
    """Mean over models, which are the units that vary; none of a share is outside [0, 1]."""
    found = mean_number(error, group)
    return Estimate(found.value, found.low, min(found.high, 1.0), found.n)


def mean_number(value: np.ndarray, group: np.ndarray) -> Estimate:
    """The same of what is not below 0 and may be above 1, such as questions."""
    found = clustered_mean(value, group)
    return Estimate(found.value, max(found.low, 0.0), found.high, found.n)


def stops_of(
    found: HeldOut,
    group: np.ndarray,
    *,
    cut: float | None,
    change: float | None,
    steps: int,
) -> dict[str, Any]:
    """When tests would have stopped, and how right they were then.

    Args:
        found: tests of models held out.
        group: (model in the data,) int.
        cut, change, steps: see `evaluation.stopping`.

    Returns:
        For `cut`: at, `items` (mean questions), `decided` (share of tests), `wrong` (share of the
        tests on the other side than the full score). For `change`: below, steps, `items`,
        `reached` (share of tests), `error` where they stopped. Tests that do not stop count with
        all their questions.
    """
    mine, length = group[found.row], found.walk.score.shape[1]
    told: dict[str, Any] = {}
    if cut is not None:
        half, score = half_widths(found, group), found.walk.score
        side = side_of(score - half, score + half, cut)
        at = first(side != 0)
        last = side[np.arange(len(side)), np.maximum(at - 1, 0)]
        wrong = (at > 0) & (last * (found.truth - cut) < 0)
        told["cut"] = {
            "at": cut,
            "items": mean_number(np.where(at > 0, at, length).astype(float), mine),
            "decided": _share(at > 0, mine),
            "wrong": _share(wrong, mine),
        }
    if change is not None:
        at = first(settled(found.walk.score, change=change, steps=steps))
        stop = np.where(at > 0, at, length)
        error = np.abs(off_by(found))[np.arange(len(stop)), stop - 1]
        told["change"] = {
            "below": change,
            "steps": steps,
            "items": mean_number(stop.astype(float), mine),
            "reached": _share(at > 0, mine),
            "error": mean_error(error, mine),
        }
    return told


def _share(yes: np.ndarray, group: np.ndarray) -> Estimate:
    """Share of tests; an interval around none or all of a few has a width, too (Wilson's)."""
    n = len(np.unique(group))
    share = _means(yes.astype(float), group)
    low, high = wilson(share * n, np.array(float(n)), 0.95)
    return Estimate(float(share), float(low), float(high), n)


def _spearman(score: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> Estimate:
    """Rank correlation, mean over repeats (repeat, model); the bootstrap draws models.

    Its ends are NaN where they cannot be told: too few models, or an order without a fault in
    every sample of them, which says nothing of how often others are put wrong. Scores that are the
    full ones have no doubt about their order.
    """
    n = len(truth)

    def value(at: np.ndarray) -> np.ndarray:
        return correlation(midranks(score[:, at]), midranks(truth[at])).mean(axis=0)

    middle = float(value(np.arange(n)[None])[0]) if n >= FEWEST else np.nan
    if np.isnan(middle):
        return Estimate(np.nan, np.nan, np.nan, n)
    if np.allclose(score, truth, rtol=0, atol=1e-9):
        return Estimate(middle, middle, middle, n)
    if n < FEWEST_DRAWN:
        return Estimate(middle, np.nan, np.nan, n)
    resamples = int(np.clip(WORK // score.size, *RESAMPLES))
    block = max(1, BLOCK // score.size)
    drawn = [
        value(rng.integers(n, size=(min(block, resamples - at), n)))
        for at in range(0, resamples, block)
    ]
    low, high = np.nanquantile(np.concatenate(drawn), [0.025, 0.975])
    if low == high:
        return Estimate(middle, np.nan, np.nan, n)
    return Estimate(middle, float(min(low, middle)), float(max(high, middle)), n)
