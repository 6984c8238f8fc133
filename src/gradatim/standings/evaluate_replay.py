"""How few items would have done? Adaptive tests on a recorded matrix, with models held out."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.engine.sources import Opened
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import clustered_mean
from gradatim.evaluation.intervals import plain_interval
from gradatim.evaluation.picking import Rules
from gradatim.evaluation.replay import Walk, full_scores, plain_means, random_orders, walk
from gradatim.evaluation.tables import CRITERIA
from gradatim.progress import Progress, Tick, silent
from gradatim.standings.columns import joined, labels_of, told_of
from gradatim.standings.evaluate_figures import (
    Covered,
    Random,
    coverage_of,
    errors_of,
    intervals_of,
    mean_error,
    off_by,
    stops_of,
    width_of,
)
from gradatim.standings.evaluate_folds import (
    BATCH,
    Data,
    HeldOut,
    Part,
    deal,
    hold_out,
    kept,
    order_of,
    same_models,
)
from gradatim.store.formats import read_matrix
from gradatim.types import Matrix

REPEATS = (10, 50)  # fewest and most random tests of each model
TESTS = 10_000  # random tests in all that are wanted
FEW = 8  # models, under which what is said of others rests on next to nothing
NAMED = 5  # models of one row that a note names


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
    balance: str | None = None,
    groups: str | Path | None = None,
    stop_change: float | None = None,
    stop_steps: int = 10,
    cut: float | None = None,
    halves: int = 0,
    repeats: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Predict the full score of models held out, from adaptive and from random items.

    Models are dealt into round(1 / holdout) parts, one model under two names into one; each part in
    turn is tested on a bank that the other parts calibrate (2PL), until 500 models or all have been
    held out. Up to 300,000 graded or repeated answers also calibrate a second dimension, which
    scores random items too. A live test with the results behind its bank is the same.

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
        balance: keep the shares of kinds of items: a column, or several with commas, of `groups`
            or of the matrix file.
        groups: a table of items with further columns (.csv, .jsonl, .parquet), or of problems.
        cut, stop_change, stop_steps: see when tests would have stopped, as in
            `evaluate_live.evaluate_live`.
        halves: further tests on this many random halves of the items, calibrated anew, whose
            intervals are pooled; 0: the intervals of the tests on all items.
        repeats: random tests of each model, whose errors are averaged; None: 10 to 50, more
            where models are few.
        progress: told after each batch of models; tests on halves are a stage of their own.

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
        items. `stops`: see `evaluate_figures.stops_of`. `notes`: what these figures cannot say, and
        models that are one under several names, which count once in all means. A full score is the
        mean over a model's recorded items; where it has fewer than asked for, all are asked.

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
    checks.within(1e-12, 1, stop_change=1.0 if stop_change is None else stop_change)
    checks.whole(1, 10**9, stop_steps=stop_steps)
    checks.within(0, 1, cut=0.0 if cut is None else cut)
    checks.one_of("criterion", criterion, (*CRITERIA, "random"))
    path = None if isinstance(matrix, Matrix) else Path(matrix)
    if not isinstance(matrix, Matrix):
        if Path(matrix).suffix.lower() != ".npz":
            raise ArgumentError(f"`replay` must be a matrix file ending in .npz, got {matrix}")
        matrix = read_matrix(matrix)
    data = kept(matrix)
    models, n_items = data.tried.shape
    if repeats is None:
        repeats = int(np.clip(TESTS // models, *REPEATS))
    strata = None if balance is None else _kinds(balance, path, matrix, groups)
    rules = Rules(criterion, top, progressive, strata, rng=np.random.default_rng([seed, 3]))
    group = same_models(data)
    counted = _counted(progress, 1)
    test = _Test(data, group, items, rules, max_exposure, holdout, seed, counted)
    fold = deal(models, holdout, seed, group)
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
        "balance": balance,
        "halves": halves,
        "repeats": repeats,
        "seed": seed,
        **errors_of(found, random, group, n_items=n_items, plain=compare_random, seed=seed),
        "stops": stops_of(found, group, cut=cut, change=stop_change, steps=stop_steps),
        "notes": _notes(matrix, group, fold, items=items, random=compare_random),
    }
    if max_exposure < 1:
        free = test._replace(max_exposure=1.0, progress=silent).alone(fold)
        loss = np.abs(off_by(found)[:, -1]) - np.abs(off_by(free)[:, -1])
        told["uncapped_error"] = mean_error(np.abs(off_by(free)[:, -1]), group[free.row])
        told["exposure_loss"] = clustered_mean(loss, group[found.row])
    if halves:
        test = test._replace(progress=_counted(progress, halves))
        covered = Covered(*map(np.concatenate, zip(*map(test.on_half, range(halves)), strict=True)))
    return {**told, **coverage_of(covered)}


class _Test(NamedTuple):
    """What is tried, and how."""

    data: Data
    group: np.ndarray
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
    ) -> tuple[HeldOut, Random, Covered]:
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
        return found, Random(errors[0], errors[1], ends), intervals_of(found, self.group, covered)

    def on_half(self, number: int) -> Covered:
        """Intervals on a random half of the items."""
        rng = np.random.default_rng([self.seed, 4, number])
        n = len(self.data.items)
        index = np.sort(rng.permutation(n)[: max(1, n // 2)])
        part = self.data.of_items(index)
        rows = np.flatnonzero((part.tried > 0).any(axis=1))
        strata = None if self.rules.strata is None else self.rules.strata[index]
        test = self._replace(
            data=Data(part.solved[rows], part.tried[rows], part.items),
            group=self.group[rows],
            rules=self.rules._replace(strata=strata),
        )
        plain: list[np.ndarray] = []
        fold = deal(len(rows), self.holdout, self.seed + number, test.group)
        most = len(order_of(fold))

        def besides(now: Part, tests: Walk) -> None:
            order = random_orders(now.tried, tests.item.shape[1], rng=rng)
            plain.append(_plain(now, order, full_scores(now.rate, now.tried)))
            self.progress(Tick("replay: halves", len(now.at), most, {"half": number + 1}))

        if not number:  # their pace is their own: a half has one random test of a model, not fifty
            self.progress(Tick("replay: halves", 0, most))
        found = test.alone(fold, besides=besides)
        return intervals_of(found, test.group, np.concatenate(plain, axis=1))


def _counted(progress: Progress, rounds: int) -> Progress:
    """Ticks of a batch's size in, ticks of all that is done so far out."""
    done = 0.0

    def report(tick: Tick) -> None:
        nonlocal done
        done += tick.done
        progress(tick._replace(done=done, total=rounds * tick.total))

    return report


def _plain(part: Part, order: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(2, model) whether the plain mean's interval holds the truth, and its width."""
    mean, half = plain_interval(part.rate, order, (part.tried > 0).sum(axis=1))
    inside = np.where(np.isfinite(half), np.abs(mean - truth) <= half + 1e-12, np.nan)
    return np.stack([inside, width_of(mean, half)])


# -- kinds of items, and what there is to say -------------------------------------------------


def _kinds(
    balance: str, path: Path | None, matrix: Matrix, groups: str | Path | None
) -> np.ndarray:
    """(item,) int: the kind of each item."""
    columns = [] if path is None else [told_of(path, Opened(matrix, None, [], [], {}))]
    told = joined(columns, matrix.items, groups)
    names = [name.strip() for name in balance.split(",")]
    labels = [labels_of(told, name, argument="balance").tolist() for name in names]
    return np.unique([repr(kind) for kind in zip(*labels, strict=True)], return_inverse=True)[1]


def _notes(
    matrix: Matrix, group: np.ndarray, fold: np.ndarray, *, items: int, random: int
) -> list[str]:
    """What the figures cannot say, in words."""
    names = _with_results(matrix)
    notes, n = [], len(np.unique(group))
    if n < FEW:
        notes.append(
            f"{n} models are few: items are calibrated by {_least(fold)}, and errors, orders and "
            f"intervals of these say next to nothing of other models; have {FEW} or more"
        )
    same = [np.flatnonzero(group == g) for g in np.unique(group) if np.sum(group == g) > 1]
    if same:
        listed = [" = ".join(names[i] for i in rows[:NAMED]) for rows in same[:NAMED]]
        more = f", and {len(same) - NAMED} groups more" if len(same) > NAMED else ""
        how = "held out together and counted once" if n > 1 else "counted once"
        notes.append(f"rows that are nearly the same are {how}: {'; '.join(listed)}{more}")
    if n == 1:
        notes.append("all models are one: each is tested on items that its own answers calibrated")
    return notes + _cut(len(matrix.items), items, random)


def _least(fold: np.ndarray) -> str:
    """The fewest models that calibrate the items of a test."""
    least = len(fold) - int(np.bincount(fold).max())
    return "one of them alone" if least == 1 else f"{least} or more of them"


def _cut(most: int, items: int, random: int) -> list[str]:
    """What asking for all items, or more than there are, makes of the figures."""
    notes = []
    items_for, random_for = (
        f" ({asked:,} are asked for)" if asked > most else "" for asked in (items, random)
    )
    if items >= most:
        notes.append(f"a test may ask all {most:,} items{items_for}, and then knows the full score")
    if random >= most:
        notes.append(
            f"random items are all {most:,}{random_for}, and their plain mean is the full score"
        )
    return notes


def _with_results(matrix: Matrix) -> list[str]:
    tried = np.broadcast_to(np.asarray(matrix.tried), np.shape(matrix.solved))
    return [matrix.solvers[i] for i in np.flatnonzero((tried > 0).any(axis=1))]
