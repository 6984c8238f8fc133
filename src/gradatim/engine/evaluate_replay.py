"""How few items would have done? Adaptive tests on a recorded matrix, with models held out."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import clustered_mean
from gradatim.evaluation.rank import correlation, midranks
from gradatim.evaluation.replay import (
    CRITERIA,
    Table,
    full_scores,
    plain_means,
    random_orders,
    right_or_wrong,
    tabulate,
    walk,
)
from gradatim.progress import Progress, Tick, silent
from gradatim.scale import irt
from gradatim.scale.predictive import item_posteriors
from gradatim.store.formats import read_matrix, responses_of
from gradatim.types import Estimate, Matrix

REPEATS = (10, 50)  # fewest and most random tests of each model
TESTS = 10_000  # random tests in all that are wanted
CELLS = 300_000  # up to which items are integrated out; with more their errors are small
ENOUGH = 500  # models held out after which no further part is
BATCH = 1000  # tests between two reports of progress
RESAMPLES, WORK = (200, 500), 1 << 22  # bootstrap samples, fewer where models x repeats are many
BLOCK = 1 << 18  # numbers that are ranked at a time


class _Found(NamedTuple):
    """What tests came to.

    Attributes:
        adaptive, model, plain: (model, step) |predicted - full score| of adaptive items, of
            random items scored with the same model, and of their plain mean; of random ones the
            mean over repeats.
        ends: name -> (repeat, model) predictions after the last step.
        item: (model, step) items of the adaptive tests.
        out: (model,) rows of the matrix.
    """

    adaptive: np.ndarray
    model: np.ndarray
    plain: np.ndarray
    ends: dict[str, np.ndarray]
    item: np.ndarray
    out: np.ndarray


def evaluate_replay(
    matrix: Matrix | str | Path,
    *,
    holdout: float = 0.1,
    items: int = 50,
    compare_random: int = 100,
    seed: int = 0,
    criterion: str = "variance",
    repeats: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Predict the full score of models held out, from adaptive and from random items.

    Models are dealt into round(1 / holdout) parts; each part in turn is tested on a bank that the
    other parts calibrate (2PL), until 500 models or all have been held out.

    Args:
        matrix: recorded results, or their file (.npz): right or wrong, k of n, or scores in
            [0, 1]; cells may be missing.
        holdout: share of models held out at a time, in (0, 0.5].
        items: questions of an adaptive test.
        compare_random: items of the random test that is scored by its plain mean.
        seed: of parts and random orders.
        criterion: how an adaptive test chooses, see `evaluation.replay.walk`.
        repeats: random tests of each model, whose errors are averaged; None: 10 to 50, more
            where models are few.
        progress: told after each batch of models.

    Returns:
        models (held out), recorded (in the file), bank_items, items, compare_random, holdout,
        folds, criterion, repeats, seed; as Estimates whose n is the number of models, intervals
        over models: `adaptive_error` (mean
        |predicted - full score| after `items` adaptive items), `random_error` (plain mean of
        `compare_random` random items), `random_model_error` (`items` random items scored with the
        same model), `adaptive_spearman`, `random_spearman`, `random_model_spearman` (with the
        full scores); `enough`, the fewest adaptive items from which on their error is not above
        `random_error` (None: more than `items`); `exposure`, the largest share of models given
        one item; `curve`: the three errors after 1, 2 .. items; `left_out`, models without a
        recorded item. A full score is the mean over a model's recorded items; where it has fewer
        than asked for, all are asked.

    Raises:
        ArgumentError: an argument out of range, fewer than two models, no item.
        FormatError: a file that is no matrix.
    """
    checks.within(1e-9, 0.5, holdout=holdout)
    checks.whole(1, 10**9, items=items, compare_random=compare_random)
    checks.whole(1, 10**9, repeats=REPEATS[0] if repeats is None else repeats)
    checks.whole(0, 2**63 - 1, seed=seed)
    checks.one_of("criterion", criterion, CRITERIA)
    if not isinstance(matrix, Matrix):
        if Path(matrix).suffix.lower() != ".npz":
            raise ArgumentError(f"`replay` must be a matrix file ending in .npz, got {matrix}")
        matrix = read_matrix(matrix)
    solved, tried = _kept(matrix)
    if repeats is None:
        repeats = int(np.clip(TESTS // len(tried), *REPEATS))
    fold = _folds(len(tried), holdout, seed)
    found = _tests(
        (solved, tried, matrix.items),
        fold,
        sizes=(items, compare_random),
        settings=(seed, criterion, repeats),
        progress=progress,
    )
    out = found.out
    truth = full_scores(_rates(solved[out], tried[out]), tried[out])
    return {
        "models": len(out),
        "recorded": len(matrix.solvers),
        "left_out": len(matrix.solvers) - len(tried),
        "bank_items": tried.shape[1],
        "items": items,
        "compare_random": compare_random,
        "holdout": holdout,
        "folds": int(fold.max()) + 1,
        "criterion": criterion,
        "repeats": repeats,
        "seed": seed,
        **_figures(found, truth, n_items=tried.shape[1], plain=compare_random, seed=seed),
    }


def _kept(matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """(model, item) sums of scores and attempts, of the models that have any."""
    solved = np.asarray(matrix.solved)
    tried = np.broadcast_to(np.asarray(matrix.tried), solved.shape)
    some = (tried > 0).any(axis=1)
    if some.sum() < 2:
        raise ArgumentError(
            f"`replay` must hold at least two models with results, got {int(some.sum())}"
        )
    return solved[some], tried[some]


def _folds(n: int, holdout: float, seed: int) -> np.ndarray:
    """(model,) int part in which each model is held out."""
    n_folds = max(2, min(n, round(1 / holdout)))
    fold = np.empty(n, dtype=int)
    fold[np.random.default_rng([seed, 0]).permutation(n)] = np.arange(n) % n_folds
    return fold


def _rates(solved: np.ndarray, tried: np.ndarray) -> np.ndarray:
    return np.where(tried > 0, solved / np.maximum(tried, 1), 0.0)


def _tests(
    data: tuple[np.ndarray, np.ndarray, tuple[str, ...]],
    fold: np.ndarray,
    *,
    sizes: tuple[int, int],
    settings: tuple[int, str, int],
    progress: Progress,
) -> _Found:
    """All tests, fold by fold."""
    (solved, tried, names), (seed, criterion, repeats) = data, settings
    asked, plain = (min(size, tried.shape[1]) for size in sizes)
    ends_at = np.cumsum(np.bincount(fold))
    parts = min(int(np.searchsorted(ends_at, ENOUGH)) + 1, len(ends_at))
    dealt = np.argsort(fold, kind="stable")[: ends_at[parts - 1]]  # part by part
    models, longest = len(dealt), max(asked, plain)
    found = _Found(
        np.empty((models, asked)),
        np.zeros((models, asked)),
        np.zeros((models, longest)),
        {
            "adaptive": np.empty((1, models)),
            "random": np.empty((repeats, models)),
            "random_model": np.empty((repeats, models)),
        },
        np.empty((models, asked), dtype=int),
        dealt,
    )
    done = 0
    progress(Tick("replay", 0, models))
    for part in range(parts):
        rest, held = np.flatnonzero(fold != part), np.flatnonzero(fold[dealt] == part)
        matrix = Matrix(
            solved=solved[rest], tried=tried[rest], solvers=tuple(map(str, rest)), items=names
        )
        table = _calibrated(matrix, asked)
        rng = np.random.default_rng([seed, 1, part])
        for out in np.array_split(held, -(-len(held) // BATCH)):
            rows = dealt[out]
            rate, n = _rates(solved[rows], tried[rows]), tried[rows]
            truth = full_scores(rate, n)[:, None]
            tests = walk(table, rate, n, n_asked=asked, criterion=criterion)
            found.adaptive[out], found.item[out] = np.abs(tests.score - truth), tests.item
            found.ends["adaptive"][0, out] = tests.score[:, -1]
            together = max(1, BATCH // len(out))
            for first in range(0, repeats, together):
                now = slice(first, min(first + together, repeats))
                again = np.tile(np.arange(len(out)), now.stop - first)
                order = random_orders(n[again], longest, rng=rng)
                means = plain_means(rate[again], order)
                score = walk(table, rate[again], n[again], n_asked=asked, order=order).score
                for off, value in ((found.plain, means), (found.model, score)):
                    error = np.abs(value - truth[again]).reshape(-1, len(out), value.shape[1])
                    off[out] += error.sum(axis=0) / repeats
                ends = {"random": means[:, plain - 1], "random_model": score[:, -1]}
                for name, end in ends.items():
                    found.ends[name][now, out] = end.reshape(-1, len(out))
            done += len(out)
            progress(Tick("replay", done, models, {"fold": part + 1}))
    return found


def _calibrated(matrix: Matrix, asked: int) -> Table:
    """The items, fitted to models that are not held out."""
    bank = irt.fit(matrix)
    tried = np.asarray(matrix.tried)
    rate = _rates(matrix.solved, tried)
    posterior = None
    if tried.size <= CELLS and right_or_wrong(rate, tried):
        posterior = item_posteriors(bank, responses_of(matrix))
    return tabulate(bank, rate, tried, n_asked=asked, posterior=posterior)


def _figures(
    found: _Found, truth: np.ndarray, *, n_items: int, plain: int, seed: int
) -> dict[str, Any]:
    """Errors and correlations."""
    asked, random = found.adaptive.shape[1], found.plain[:, min(plain, n_items) - 1]
    rng = np.random.default_rng([seed, 2])
    errors = {"adaptive": found.adaptive, "random": found.plain, "random_model": found.model}
    curve = {f"{name}_error": error[:, :asked].mean(axis=0) for name, error in errors.items()}
    above = np.flatnonzero(curve["adaptive_error"] > random.mean())
    enough = int(above[-1]) + 2 if len(above) else 1
    given = np.bincount(found.item[found.item >= 0], minlength=n_items)
    return {
        "adaptive_error": _mean(found.adaptive[:, -1]),
        "random_error": _mean(random),
        "random_model_error": _mean(found.model[:, -1]),
        **{f"{name}_spearman": _spearman(end, truth, rng) for name, end in found.ends.items()},
        "enough": enough if enough <= asked else None,
        "exposure": float(given.max() / len(truth)),
        "curve": {"items": np.arange(1, asked + 1), **curve},
    }


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
