"""Seeds, checkpoints, other items: is a difference more than noise?"""

from typing import Any

import numpy as np

from gradatim.audits.subject import Subject, finding, pick
from gradatim.audits.variants import (
    FEWEST,
    SEEDS,
    STEPS,
    Variants,
    by_probability,
    find_variants,
    on_shared_items,
    surveyed,
)
from gradatim.audits.verdicts import written
from gradatim.errors import ArgumentError
from gradatim.evaluation.consistency import consistency
from gradatim.evaluation.learning_curves import FEWEST as POINTS
from gradatim.evaluation.learning_curves import forecast
from gradatim.evaluation.signal import signal_to_noise
from gradatim.evaluation.variance import monotonicity, seed_gaps, seed_variance
from gradatim.types import Estimate

SUBTASKS = ("subtask", "task", "subject", "topic", "category", "domain", "family", "platform")
CURVE = 4  # checkpoints from which a curve may rise or fall
LAST = 10  # checkpoints at most whose spread is a run's noise
NO_SIGNAL = 0.05  # p-value above which no difference of models is seen
MATTERS = 1.0  # deviation of runs, in noises of one checkpoint, below which it is of no use
RUNS = 3  # of two, equal scores by luck look like no difference for sure
LISTED = 5  # names in a note
AHEAD = 2.0  # times the last step: where a score is forecast, if nothing is said
FORECAST = 20  # runs that are forecast


def judge_seeds(subject: Subject) -> dict[str, Any] | None:
    """The deviation over seeds, and differences between systems that are within it."""
    systems = find_variants(subject, SEEDS, last=STEPS)
    if not systems:
        return None
    rows, findings, notes = [], [], []
    for one in systems:
        found = seed_variance(one.rate)
        rows.append({"system": one.name, "seeds": len(one.labels), **found._asdict()})
        notes.append(
            f"{one.name}: {written(found.mean)} over {len(one.labels)} seeds, deviation "
            f"{written(found.spread)}, by the luck of attempts alone {found.luck:.3f}"
        )
        error = (found.items.high - found.items.low) / 3.92
        matters = found.net.value > error / 2  # widens error bars by more than a tenth
        if found.p_value < subject.alarm / len(systems) and matters:
            wide = float(np.hypot(error, found.net.value))
            words = (
                f"the score of {one.name} depends on the seed: deviation "
                f"{written(found.spread)} over {len(one.labels)} seeds, {found.luck:.3f} by the "
                f"luck of attempts; a seed's error is {wide:.3f}, not {error:.3f} as by items"
            )
            remedy = (
                "report the mean over seeds with its interval (--json: `systems`), and compare by "
                "several seeds of both"
            )
            findings.append(
                finding("seed_noise", [one.name], words, remedy=remedy, p_value=found.p_value)
            )
    del notes[LISTED:]
    smooth = by_probability(subject)
    if smooth is not None:
        notes += _smoother(rows, *smooth)
    gaps = _gaps(systems)
    within = [row for row in gaps if row["within"]]
    if within:
        told = [f"{r['better']} over {r['worse']} by {written(r['difference'])}" for r in within]
        notes.append(
            f"differences within the noise of seeds: {'; '.join(told[:LISTED])}"
            + f" and {len(told) - LISTED} more" * (len(told) > LISTED)
        )
    elif gaps:
        notes.append("all neighbours differ by more than seeds make them")
    return {
        "looked_at": f"{sum(len(one.labels) for one in systems)} seeds of {len(systems)} systems",
        "findings": findings,
        "notes": notes,
        "systems": rows,
        "gaps": gaps,
    }


def _smoother(rows: list[dict[str, Any]], name: str, subject: Subject) -> list[str]:
    """The ratio of mean and deviation by the right answer's probability, into rows and notes."""
    known = {one.name: one for one in find_variants(subject, SEEDS, last=STEPS)}
    notes = []
    for row in rows:
        found = seed_variance(known[row["system"]].rate)
        row[name] = found._asdict()
        notes.append(
            f"{row['system']}: mean over deviation {written(row['snr'])} by verdicts, "
            f"{written(found.snr)} by {name}"
        )
    return notes[:LISTED]


def _gaps(systems: list[Variants]) -> list[dict[str, Any]]:
    same = on_shared_items(systems)
    if len(same) < 2:
        return []
    mean = np.concatenate([one.rate.mean(axis=1) for one in same])
    found = seed_gaps(
        mean, np.repeat([one.name for one in same], [len(one.labels) for one in same])
    )
    return [
        {
            "better": str(found.better[i]),
            "worse": str(found.worse[i]),
            "difference": _one(found.difference, i),
            "within": bool(found.within[i]),
        }
        for i in range(len(found.within))
    ]


# -- checkpoints ------------------------------------------------------------------------------


def judge_checkpoints(subject: Subject) -> dict[str, Any] | None:
    """Whether scores rise with training, where to, and which subtasks tell runs apart."""
    subject = surveyed(subject)
    runs = [
        one
        for one in find_variants(subject, STEPS, apart=SEEDS, fewest=CURVE)
        if one.labels.dtype.kind in "fiu"
    ]
    if not runs:
        return None
    runs = on_shared_items(runs) or runs[:1]
    parts = _subtasks(subject)
    rows = []
    for name, chosen in parts.items():
        curves = [one.rate[:, chosen[one.items]] for one in runs]
        if all(curve.shape[1] for curve in curves):
            steps = [one.labels for one in runs]
            curves = [curve.mean(axis=1) for curve in curves]
            rows.append({"subtask": name, **_rising(curves, steps), "curves": curves})
    findings, notes = _falling(rows, subject.alarm), []
    several = [row for row in rows if row["subtask"] != "all"] or rows
    summary = _signal(several, subject.alarm, findings, notes) if len(runs) > 1 else {}
    smooth = by_probability(subject)
    if smooth is not None:
        again = find_variants(smooth[1], STEPS, apart=SEEDS, fewest=CURVE)
        curves = [one.rate.mean(axis=1) for one in again]
        summary[smooth[0]] = _rising(curves, [one.labels for one in again])
        notes.append(f"by {smooth[0]} tau is {_said(summary[smooth[0]]['tau'])}")
    forecasts, said = _forecasts(runs, subject.ahead)
    notes += said
    tau = rows[0]["tau"]
    notes.insert(0, f"Kendall's tau of score and step {_said(tau)}, mean of {tau.n} runs")
    for row in rows:
        del row["curves"]
    return {
        "looked_at": f"{sum(len(one.labels) for one in runs)} checkpoints of {len(runs)} runs",
        "findings": findings,
        "notes": notes,
        "subtasks": rows,
        "forecasts": forecasts,
        **summary,
    }


def _forecasts(runs: list[Variants], ahead: float | None) -> tuple[list[dict[str, Any]], list[str]]:
    """Score of each run at a later step, and what its first half forecasts of its last score.

    Raises:
        ArgumentError: a step that some run has passed.
    """
    rows = []
    for one in runs[:FORECAST]:
        step, score = one.labels.astype(float), one.rate.mean(axis=1)
        if step[0] < 0 or step[-1] <= 0:
            continue
        at = AHEAD * step[-1] if ahead is None else ahead
        if at <= step[-1]:
            raise ArgumentError(
                f"`ahead` must be a step after the last, {step[-1]:g} of {one.name}, got {at:g}"
            )
        row = {"run": one.name, "step": float(step[-1]), "score": float(score[-1])}
        row |= {"at": float(at), "forecast": _height(step, score, at), "from_half": None}
        half = int(np.searchsorted(step, step[-1] / 2, side="right"))
        if half >= POINTS:
            row["from_half"] = _height(step[:half], score[:half], step[-1])
        rows.append(row)
    notes = []
    for row in rows[:LISTED]:
        check, now = row["from_half"], row["score"]
        past = (
            ""
            if check is None
            else (
                f"; its first half would have said {written(check)} of the last"
                + ", and missed it" * (not check.low <= now <= check.high)
            )
        )
        notes.append(
            f"{row['run']}: {now:.3f} at step {row['step']:g}, forecast {written(row['forecast'])} "
            f"at step {row['at']:g}{past}"
        )
    if rows:
        notes.append(
            "a forecast carries on what a curve has begun: of a jump or a fall that is still to "
            "come it knows nothing, and is too low or too high then, outside its interval"
        )
    return rows, notes


def _height(step: np.ndarray, score: np.ndarray, at: float) -> Estimate:
    found = forecast(step, score, np.array([at]))
    return Estimate(float(found.value[0]), float(found.low[0]), float(found.high[0]), found.n)


def _said(estimate: Any) -> str:
    return f"{estimate.value:.2f}" if np.isnan(estimate.low) else written(estimate)


def _subtasks(subject: Subject) -> dict[str, np.ndarray]:
    """Name -> (item,) bool, all items first."""
    assert subject.matrix is not None
    parts = {"all": np.ones(len(subject.matrix.items), dtype=bool)}
    column = pick(subject.of_item, SUBTASKS)
    if column is not None and len(np.unique(column)) <= len(column) / 2:
        parts |= {str(name): column == name for name in np.unique(column)}
    return parts


def _rising(curves: list[np.ndarray], steps: list[np.ndarray]) -> dict[str, Any]:
    most = max(len(curve) for curve in curves)
    table, time = (np.full((len(curves), most), np.nan) for _ in range(2))
    for at, (curve, step) in enumerate(zip(curves, steps, strict=True)):
        table[at, : len(curve)], time[at, : len(curve)] = curve, step
    found = monotonicity(table, time)
    return {"tau": found.tau, "rises": found.rises, "falls": found.falls}


def _falling(rows: list[dict[str, Any]], alarm: float) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        if row["falls"] >= alarm / len(rows):
            continue
        name = row["subtask"]
        words = (
            f"the score{'' if name == 'all' else f' on {name}'} falls with training: Kendall's "
            f"tau {_said(row['tau'])}"
        )
        remedy = "read replies of late checkpoints; stop earlier, or look for what it forgets"
        found.append(finding("falls", [name], words, remedy=remedy, p_value=row["falls"]))
    return found


def _signal(
    rows: list[dict[str, Any]], alarm: float, findings: list[dict[str, Any]], notes: list[str]
) -> dict[str, Any]:
    """Signal and noise of the last checkpoints into rows, findings and notes; what to keep.

    That no difference is seen is no finding: only that none that matters can be there is one.
    """
    last = min(*(len(curve) for row in rows for curve in row["curves"]), LAST)
    score = np.array([[curve[-last:] for curve in row["curves"]] for row in rows])
    if not (score.mean(axis=(1, 2)) > 0).all():
        return {}
    found = signal_to_noise(score, detrend=True)
    most = signal_to_noise(score, detrend=True, level=1 - 2 * alarm / len(rows)).spread.high
    for at, row in enumerate(rows):
        ratio, noise, spread = (_one(x, at) for x in (found.snr, found.noise, found.spread))
        row |= {"signal": float(found.signal[at]), "noise": noise, "snr": ratio, "spread": spread}
        row["p_value"] = float(found.p_value[at])
        row["no_signal"] = bool(score.shape[1] >= RUNS and most[at] < MATTERS)
    unseen = [row for row in rows if row["p_value"] > NO_SIGNAL]
    blind = [row for row in rows if row["no_signal"]]
    if len(unseen) == len(rows):
        blind = []
        notes.append(f"runs do not differ by more than their checkpoints do, over the last {last}")
    for row in blind:
        words = (
            f"{row['subtask']} does not tell runs apart: they deviate by {written(row['spread'])} "
            f"of one checkpoint's noise, surely by less than {MATTERS:g}"
        )
        remedy = "leave it out of the mean, give it more items, or average last checkpoints"
        about = {"spread": row["spread"], "p_value": row["p_value"]}
        findings.append(finding("no_signal", [row["subtask"]], words, remedy=remedy, **about))
    open_ = [row for row in unseen if row not in blind]
    if open_:
        told = [f"{row['subtask']} {written(row['spread'])}" for row in open_]
        notes.append(
            "no difference of runs is seen, but one could be there (deviation of runs, in noises "
            f"of one checkpoint): {'; '.join(told[:LISTED])}"
            + f" and {len(told) - LISTED} more"
            * (len(told) > LISTED)
        )
    if len(rows) < 2:
        return {"last": last}
    kept = np.array([row not in blind for row in rows])
    means = np.stack([score.mean(axis=0), score[kept].mean(axis=0)])
    both = signal_to_noise(means, detrend=True).snr
    every, alone = (_one(both, at) for at in (0, 1))
    chosen = [row["subtask"] for row, held in zip(rows, kept, strict=True) if held]
    notes.append(
        f"signal to noise of the mean of all {len(rows)} subtasks {written(every)}"
        + f", without {len(rows) - len(chosen)} of them {written(alone)}"
        * (0 < len(chosen) < len(rows))
    )
    return {"last": last, "keep": chosen, "snr_all": every, "snr_kept": alone}


def _one(many: Estimate, at: int) -> Estimate:
    value, low, high, n = (getattr(many, end)[at].item() for end in ("value", "low", "high", "n"))
    return Estimate(value, low, high, n)


# -- other items ------------------------------------------------------------------------------


def judge_consistency(subject: Subject) -> dict[str, Any] | None:
    """How far another set of items would give the same scores and ranks; no finding."""
    matrix = subject.matrix
    if matrix is None or not matrix.solved.size:
        return None
    there = np.asarray(matrix.tried) > 0
    rows = there.mean(axis=1) >= 0.5  # who tried few items would cost all others theirs
    shared = there[rows].all(axis=0) if rows.any() else np.zeros(there.shape[1], bool)
    if rows.sum() < 3 or shared.sum() < FEWEST:
        return None
    tried = np.asarray(matrix.tried)[rows][:, shared]
    found = consistency(matrix.solved[rows][:, shared] / tried)
    needed = f"{found.needed:,.0f}" if np.isfinite(found.needed) else "no number of"
    if np.isnan(found.alpha.value):
        first = "scores of these solvers do not differ: there is no reliability to measure"
    elif np.isnan(found.split_half.value) or found.alpha.value <= 0:
        first = (
            f"no reliability measurable: halves of the items correlate at {_said(found.halves)}, "
            f"alpha {_said(found.alpha)}; these solvers differ by no more than items make them"
        )
    else:
        first = (
            f"alpha {_said(found.alpha)}, split halves {found.split_half.value:.3f}: "
            f"{needed} items like these reach 0.9 among solvers like these"
        )
    notes = [
        first,
        f"a score is exact to {found.error:.3f} (standard error over items)",
    ]
    return {
        "looked_at": f"{int(rows.sum())} solvers on {int(shared.sum()):,} shared items",
        "findings": [],
        "notes": notes,
        **found._asdict(),
    }
