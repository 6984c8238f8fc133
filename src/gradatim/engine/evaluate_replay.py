"""How few items would have done? Adaptive tests on a recorded matrix, with models held out."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.engine.evaluate_folds import (
    BATCH,
    Data,
    HeldOut,
    Part,
    deal,
    hold_out,
    kept,
    order_of,
)
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import clustered_mean
from gradatim.evaluation.intervals import plain_interval, widening_of_others
from gradatim.evaluation.picking import Rules
from gradatim.evaluation.rank import correlation, midranks
from gradatim.evaluation.replay import Walk, full_scores, plain_means, random_orders, walk
from gradatim.evaluation.tables import CRITERIA
from gradatim.progress import Progress, Tick, silent
from gradatim.store.formats import read_matrix
from gradatim.types import Estimate, Matrix

REPEATS = (10, 50)  # fewest and most random tests of each model
TESTS = 10_000  # random tests in all that are wanted
RESAMPLES, WORK = (200, 500), 1 << 22  # bootstrap samples, fewer where models x repeats are many
BLOCK = 1 << 18  # numbers that are ranked at a time


class _Random(NamedTuple):
    """Random tests of the models held out.

    Attributes:
        model, plain: (model, step) |predicted - full score| of random items scored with the same
            model, and of their plain mean; means over repeats.
        ends: name -> (repeat, model) predictions, after all questions.
    """

    model: np.ndarray
    plain: np.ndarray
    ends: dict[str, np.ndarray]


class _Covered(NamedTuple):
    """Intervals of (test,) and of as many random items' plain mean; `model` is whose test."""

    model: np.ndarray
    inside: np.ndarray
    width: np.ndarray
    plain_inside: np.ndarray
    plain_width: np.ndarray


def evaluate_replay(  # noqa: PLR0913  (one keyword for each dial, as in the command)
    matrix: Matrix | str | Path,
    *,
    holdout: float = 0.1,
    items: int = 50,
    compare_random: int = 100,
    seed: int = 0,
    criterion: str = "variance",
    top: int = 1,
    progressive: float = 0.0,
    max_exposure: float = 1.0,
    halves: int = 0,
    repeats: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Predict the full score of models held out, from adaptive and from random items.

    Models are dealt into round(1 / holdout) parts; each part in turn is tested on a bank that the
    other parts calibrate (2PL), until 500 models or all have been held out. Up to 300,000 graded or
    repeated answers also calibrate a second dimension, which scores random items too; a live test,
    which knows its bank but not the results behind it, does without.

    Args:
        matrix: recorded results, or their file (.npz): right or wrong, k of n, or scores in
            [0, 1]; cells may be missing.
        holdout: share of models held out at a time, in (0, 0.5].
        items: questions of an adaptive test.
        compare_random: items of the random test that is scored by its plain mean.
        seed: of parts, random orders and draws.
        criterion: how an adaptive test chooses: "variance" or "information", see
            `evaluation.tables.worth_asking`; or "random".
        top, progressive: exposure control by chance, see `evaluation.picking.Rules`.
        max_exposure: an item is closed once this share of the models tested so far have had it.
        halves: further tests on this many random halves of the items, calibrated anew, whose
            intervals are pooled; 0: the intervals of the tests on all items.
        repeats: random tests of each model, whose errors are averaged; None: 10 to 50, more
            where models are few.
        progress: told after each batch of models.

    Returns:
        models (held out), recorded (in the file), left_out (without a recorded item), bank_items,
        folds and the arguments; as Estimates whose n is the number of models, intervals over
        models:
        `adaptive_error` (mean |predicted - full score| after `items` adaptive items),
        `random_error` (plain mean of `compare_random` random items), `random_model_error`
        (`items` random items scored with the same model), `adaptive_spearman`,
        `random_spearman`, `random_model_spearman` (with the full scores);
        `coverage` (share of the tests whose 95% interval holds the full score; see
        `evaluation.intervals.widening`) and `plain_coverage` (of the plain mean of as many
        random items), with `width` and `plain_width`, mean widths of the intervals;
        where `max_exposure` is under 1, `uncapped_error`, and `exposure_loss`, the error that the
        cap adds. `enough`: the fewest adaptive items from which on their error is not above
        `random_error`, `enough_model`: not above that of `compare_random` random items scored
        with the same model (None: more than `items`), whose error is `random_model_all_error`.
        `exposure`: the largest share of models given one item; `overlap`: the share of a test
        that another test has too. `curve`: the three errors, and the mean width, after 1, 2 ..
        items. A full score is the mean over a model's recorded items; where it has fewer than
        asked for, all are asked.

    Raises:
        ArgumentError: an argument out of range, fewer than two models, no item.
        FormatError: a file that is no matrix.
    """
    checks.within(1e-9, 0.5, holdout=holdout)
    checks.whole(1, 10**9, items=items, compare_random=compare_random)
    checks.whole(1, 10**9, repeats=REPEATS[0] if repeats is None else repeats)
    checks.whole(0, 2**63 - 1, seed=seed)
    checks.whole(0, 10**4, halves=halves)
    checks.within(1e-9, 1, max_exposure=max_exposure)
    checks.one_of("criterion", criterion, (*CRITERIA, "random"))
    if not isinstance(matrix, Matrix):
        if Path(matrix).suffix.lower() != ".npz":
            raise ArgumentError(f"`replay` must be a matrix file ending in .npz, got {matrix}")
        matrix = read_matrix(matrix)
    data = kept(matrix)
    models, n_items = data.tried.shape
    if repeats is None:
        repeats = int(np.clip(TESTS // models, *REPEATS))
    rules = Rules(criterion, top, progressive, rng=np.random.default_rng([seed, 3]))
    test = _Test(data, items, rules, max_exposure, holdout, seed, _counted(progress, 1 + halves))
    fold = deal(models, holdout, seed)
    found, random, covered = test.with_random(fold, compare_random, repeats)
    told = {
        "models": len(found.row),
        "recorded": len(matrix.solvers),
        "left_out": len(matrix.solvers) - models,
        "bank_items": n_items,
        "items": items,
        "compare_random": compare_random,
        "holdout": holdout,
        "folds": int(fold.max()) + 1,
        "criterion": criterion,
        "top": top,
        "progressive": progressive,
        "max_exposure": max_exposure,
        "halves": halves,
        "repeats": repeats,
        "seed": seed,
        **_figures(found, random, n_items=n_items, plain=compare_random, seed=seed),
    }
    if max_exposure < 1:
        free = test._replace(max_exposure=1.0, progress=silent).alone(fold)
        loss = np.abs(_off(found)[:, -1]) - np.abs(_off(free)[:, -1])
        told["uncapped_error"] = _mean(np.abs(_off(free)[:, -1]))
        told["exposure_loss"] = clustered_mean(loss, np.arange(len(loss)))
    if halves:
        covered = _Covered(
            *map(np.concatenate, zip(*map(test.on_half, range(halves)), strict=True))
        )
    return {**told, **_coverage(covered)}


class _Test(NamedTuple):
    """What is tried, and how."""

    data: Data
    items: int
    rules: Rules
    max_exposure: float
    holdout: float
    seed: int
    progress: Progress

    def alone(self, fold: np.ndarray, **options: Any) -> HeldOut:
        """Adaptive tests."""
        asked = min(self.items, len(self.data.items))
        return hold_out(
            self.data,
            fold,
            asked=asked,
            rules=self.rules,
            max_exposure=self.max_exposure,
            second=True,
            **{"longest": asked, **options},
        )

    def with_random(
        self, fold: np.ndarray, plain: int, repeats: int
    ) -> tuple[HeldOut, _Random, _Covered]:
        """Adaptive tests and random ones of the same models, on the same tables."""
        asked, plain = (min(size, len(self.data.items)) for size in (self.items, plain))
        longest = max(asked, plain)
        most = len(order_of(fold))
        errors = np.zeros((2, most, longest))
        ends = {name: np.empty((repeats, most)) for name in ("random", "random_model")}
        covered = np.empty((2, most))
        self.progress(Tick("replay", 0, most))
        generators: dict[int, np.random.Generator] = {}

        def besides(part: Part, tests: Walk) -> None:
            rng = generators.setdefault(
                part.number, np.random.default_rng([self.seed, 1, part.number])
            )
            size, truth = len(part.at), full_scores(part.rate, part.tried)
            together = max(1, BATCH // size)
            for first in range(0, repeats, together):
                now = slice(first, min(first + together, repeats))
                again = np.tile(np.arange(size), now.stop - first)
                order = random_orders(part.tried[again], longest, rng=rng)
                means = plain_means(part.rate[again], order)
                score = walk(
                    part.table, part.rate[again], part.tried[again], n_asked=longest, order=order
                ).score
                for total, value in zip(errors, (score, means), strict=True):
                    error = np.abs(value - truth[again][:, None]).reshape(-1, size, longest)
                    total[part.at] += error.sum(axis=0) / repeats
                at_end = {"random": means[:, plain - 1], "random_model": score[:, asked - 1]}
                for name, end in at_end.items():
                    ends[name][now, part.at] = end.reshape(-1, size)
                if not first:
                    covered[:, part.at] = _plain(part, order[:size, :asked], truth)
            self.progress(Tick("replay", size, most, {"fold": part.number + 1}))

        found = self.alone(fold, longest=longest, besides=besides)
        return found, _Random(errors[0], errors[1], ends), _intervals(found, covered)

    def on_half(self, number: int) -> _Covered:
        """Intervals on a random half of the items."""
        rng = np.random.default_rng([self.seed, 4, number])
        n = len(self.data.items)
        part = self.data.of_items(np.sort(rng.permutation(n)[: max(1, n // 2)]))
        rows = np.flatnonzero((part.tried > 0).any(axis=1))
        test = self._replace(data=Data(part.solved[rows], part.tried[rows], part.items))
        plain: list[np.ndarray] = []
        fold = deal(len(rows), self.holdout, self.seed + number)
        most = len(order_of(fold))

        def besides(now: Part, tests: Walk) -> None:
            order = random_orders(now.tried, tests.item.shape[1], rng=rng)
            plain.append(_plain(now, order, full_scores(now.rate, now.tried)))
            self.progress(Tick("replay", len(now.at), most, {"half": number + 1}))

        found = test.alone(fold, besides=besides)
        covered = _intervals(found, np.concatenate(plain, axis=1))
        return covered._replace(model=rows[covered.model])


def _counted(progress: Progress, rounds: int) -> Progress:
    """Ticks of a batch's size in, ticks of all that is done so far out."""
    done = 0.0

    def report(tick: Tick) -> None:
        nonlocal done
        done += tick.done
        progress(tick._replace(done=done, total=rounds * tick.total))

    return report


def _off(found: HeldOut) -> np.ndarray:
    """(model, step) predicted - full score."""
    return found.walk.score - found.truth[:, None]


def _plain(part: Part, order: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(2, model) whether the plain mean's interval holds the truth, and its width."""
    mean, half = plain_interval(part.rate, order, (part.tried > 0).sum(axis=1))
    return np.stack([np.abs(mean - truth) <= half + 1e-12, 2 * half])


def _intervals(found: HeldOut, plain: np.ndarray) -> _Covered:
    """Intervals after the last question."""
    off, sd = _off(found)[:, -1], found.walk.sd[:, -1]
    half = np.where(sd > 0, widening_of_others(off, sd) * sd, 0.0)
    inside = np.where(np.isfinite(half), np.abs(off) <= half + 1e-12, np.nan)
    score = found.walk.score[:, -1]
    width = np.minimum(score + half, 1) - np.maximum(score - half, 0)
    return _Covered(found.row, inside, width, plain[0], plain[1])


def _coverage(covered: _Covered) -> dict[str, Any]:
    """Shares of intervals that hold the truth, clustered by model, and their widths."""
    told = {}
    for name, ahead in (("inside", "coverage"), ("width", "width")):
        for mark in ("", "plain_"):
            value = np.asarray(getattr(covered, mark + name), dtype=float)
            some = np.isfinite(value)
            found = Estimate(np.nan, np.nan, np.nan, 0)
            if some.any():
                found = clustered_mean(value[some], covered.model[some])
            top = 1.0 if name == "inside" else np.inf
            low, high = np.clip([found.low, found.high], 0, top).tolist()
            told[mark + ahead] = Estimate(found.value, low, high, found.n)
    return told


def _figures(
    found: HeldOut, random: _Random, *, n_items: int, plain: int, seed: int
) -> dict[str, Any]:
    """Errors and correlations."""
    off = np.abs(_off(found))
    asked, last = off.shape[1], min(plain, n_items) - 1
    rng = np.random.default_rng([seed, 2])
    errors = {"adaptive": off, "random": random.plain, "random_model": random.model}
    curve = {f"{name}_error": error[:, :asked].mean(axis=0) for name, error in errors.items()}
    half = widening_of_others(_off(found), found.walk.sd) * found.walk.sd
    given = np.bincount(found.walk.item[found.walk.item >= 0], minlength=n_items)
    ends = {"adaptive": found.walk.score[:, -1][None], **random.ends}
    return {
        "adaptive_error": _mean(off[:, -1]),
        "random_error": _mean(random.plain[:, last]),
        "random_model_error": _mean(random.model[:, asked - 1]),
        **{
            f"{name}_spearman": _spearman(ends[name], found.truth, rng)
            for name in ("adaptive", "random", "random_model")
        },
        "enough": _enough(curve["adaptive_error"], float(random.plain[:, last].mean())),
        "enough_model": _enough(curve["adaptive_error"], float(random.model[:, last].mean())),
        "random_model_all_error": _mean(random.model[:, last]),
        "exposure": float(given.max() / len(found.row)),
        "overlap": float(np.sum((given / len(found.row)) ** 2) / asked),
        "curve": {"items": np.arange(1, asked + 1), **curve, "width": 2 * half.mean(axis=0)},
    }


def _enough(error: np.ndarray, aim: float) -> int | None:
    """Questions from which on the error is not above `aim`."""
    above = np.flatnonzero(error > aim + 1e-12)
    first = int(above[-1]) + 2 if len(above) else 1
    return first if first <= len(error) else None


def _mean(error: np.ndarray) -> Estimate:
    """Mean over models, which are the units that vary; an error is not below 0."""
    found = clustered_mean(error, np.arange(len(error)))
    return Estimate(found.value, max(found.low, 0.0), found.high, found.n)


def _spearman(score: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> Estimate:
    """Rank correlation, mean over repeats (repeat, model); the bootstrap draws models."""
    n = len(truth)

    def value(at: np.ndarray) -> np.ndarray:
        return correlation(midranks(score[:, at]), midranks(truth[at])).mean(axis=0)

    middle = float(value(np.arange(n)[None])[0]) if n > 2 else np.nan
    if np.isnan(middle):
        return Estimate(np.nan, np.nan, np.nan, n)
    resamples = int(np.clip(WORK // score.size, *RESAMPLES))
    block = max(1, BLOCK // score.size)
    drawn = [
        value(rng.integers(n, size=(min(block, resamples - at), n)))
        for at in range(0, resamples, block)
    ]
    low, high = np.nanquantile(np.concatenate(drawn), [0.025, 0.975])
    return Estimate(middle, float(min(low, middle)), float(max(high, middle)), n)
