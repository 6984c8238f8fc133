"""Confidences of attempts: do they mean what they say, and do they tell right from wrong?"""

from typing import Any

import numpy as np

from gradatim import groups
from gradatim.audits.subject import Attempts, Subject, finding, pick
from gradatim.audits.verdicts import PASSES, said_graded, written
from gradatim.evaluation.calibration import (
    CalibrationError,
    balance,
    brier_parts,
    calibration_error,
    skill,
)
from gradatim.evaluation.comparison import clustered_mean
from gradatim.evaluation.discrimination import Discrimination, discrimination
from gradatim.evaluation.rescaling import METHODS, cross_rescaled
from gradatim.evaluation.selection import best_of_n
from gradatim.evaluation.selective import covered_at, risk_coverage
from gradatim.types import Estimate

CONFIDENCE = ("confidence", "probability", "p_correct", "prob", "certainty")
ABSTAINED = ("abstained", "abstains")
LEAST = 50  # attempts with a confidence
MOST_N = 4  # attempts of which the surest is taken
LISTED = 5  # solvers whose surest attempts are in the notes
RISK = 0.1  # share of wrong answers for which the coverage is given


def judge_confidence(subject: Subject) -> dict[str, Any] | None:
    """Calibration before and after rescaling on held-out problems, discrimination, abstention."""
    attempts = subject.attempts
    if attempts is None or subject.matrix is None:
        return None
    confidence, source, notes = _confidence(attempts)
    if confidence is None:
        return None
    gone = pick(attempts.columns, ABSTAINED)
    given = np.zeros(len(confidence), bool) if gone is None else np.nan_to_num(gone) > 0
    kept = ~np.isnan(confidence) & ~given
    if kept.sum() < LEAST:
        return None
    sure, right = confidence[kept], attempts.score[kept] > PASSES
    problem, solver = attempts.item[kept], attempts.solver[kept]
    error = calibration_error(sure, right, problem=problem)
    order = discrimination(sure, right, solver, problem=problem)
    notes = [*notes, *said_graded(attempts.score[kept])]
    curve = risk_coverage(
        np.where(np.isnan(confidence), 0, confidence),
        attempts.score > PASSES,
        abstained=~kept,
        problem=attempts.item,
    )
    rescaled = _rescaled(sure, right, problem)
    over = clustered_mean(sure - right, problem)
    notes += _told(over, error, order, rescaled, coverage=covered_at(curve, RISK)[0])
    names = subject.matrix.solvers
    surest = _surest(sure, right, problem, np.array(names)[solver])
    notes += [
        f"{row['solver']}: the surest of {row['n']} attempts is right {written(row['accuracy'])}, "
        f"{written(row['gain'])} more than one at random; a perfect choice {row['ceiling']:.3f}"
        for row in surest[:LISTED]
    ]
    return {
        "looked_at": f"{int(kept.sum()):,} attempts with a confidence {source}",
        "findings": _findings(error, rescaled, subject, stated=source == "stated"),
        "notes": notes,
        "overconfidence": over,
        "calibration_error": {
            "plug_in": error.plug_in,
            "debiased": error.debiased,
            "chance": error.chance,
            "p_value": error.p_value,
        },
        "reliability": [
            dict(zip(("predicted", "observed", "low", "high", "n"), map(float, row), strict=True))
            for row in zip(*error.bins[:5], strict=True)
        ],
        "brier": brier_parts(sure, right)._asdict(),
        "skill": skill(sure, right, problem=problem),
        "balance": balance(sure, right, problem=problem),
        "rescaled": rescaled,
        "best_of_n": surest,
        "auroc": order.auroc,
        "auprc": order.auprc,
        "within": order.within,
        "by_solver": [
            {**group._asdict(), "label": names[int(str(group.label))]} for group in order.by_group
        ],
        "risk_coverage": {
            "area": curve.area,
            "best": curve.best,
            "chance": curve.chance,
            "answered": float(kept.mean()),
        },
    }


def _told(
    over: Estimate,
    error: CalibrationError,
    order: Discrimination,
    rescaled: dict[str, dict[str, Any]],
    *,
    coverage: float,
) -> list[str]:
    """Calibration and discrimination in words."""
    after = ", ".join(f"after {name} {row['plug_in']:.3f}" for name, row in rescaled.items())
    calibrated = (
        f"confidence minus share right {written(over)}; calibration error "
        f"{written(error.debiased)} (plug-in {error.plug_in:.3f}, of which chance "
        f"{error.chance:.3f})" + (f"; {after}" if after else "")
    )
    right = order.prevalence.value
    if right in (0, 1):
        told = f"all attempts are {'right' if right else 'wrong'}: nothing to tell apart (no AUROC)"
    else:
        told = (
            f"AUROC {written(order.auroc)}, AUPRC {written(order.auprc)} at {right:.2f} right; at "
            f"most {RISK:.0%} are wrong up to a coverage of {coverage:.0%}"
        )
    return [calibrated, told, *([order.warning] if order.warning else [])]


def _confidence(attempts: Attempts) -> tuple[np.ndarray | None, str, list[str]]:
    """(attempt,) float with NaN where there is none, where it is from, and notes."""
    stated = pick(attempts.columns, CONFIDENCE)
    if stated is not None and stated.dtype.kind == "f" and not np.isnan(stated).all():
        top = np.nanmax(stated)
        if 1 < top <= 100 and np.nanmin(stated) >= 0:
            return stated / 100, "stated", ["confidences above 1 are read as percentages"]
        if top > 1 or np.nanmin(stated) < 0:
            return None, "", []
        return stated, "stated", []
    logp, tokens = (pick(attempts.columns, (name,)) for name in ("logp", "tokens"))
    if logp is None or tokens is None or logp.dtype.kind not in "fi":
        return None, "", []
    tokens = np.where(tokens > 0, tokens, np.nan)
    with np.errstate(over="ignore"):
        found = np.minimum(np.exp(logp / tokens), 1.0)
    note = "confidence is the mean probability of a token: it ranks answers, it claims nothing"
    return (None if np.isnan(found).all() else found), "from log-probabilities", [note]


def _surest(
    sure: np.ndarray, right: np.ndarray, problem: np.ndarray, solver: np.ndarray
) -> list[dict[str, Any]]:
    """What taking the attempt of most confidence brings each solver that has several a problem."""
    rows = []
    for name in np.unique(solver):
        mine = solver == name
        code, size = groups.codes(problem[mine])
        n = int(min(groups.counts(code, size).min(), MOST_N))
        if n < 2 or size < 2:
            continue
        found = best_of_n(sure[mine], right[mine], code, n)
        rows.append({"solver": str(name), "n": n, **found._asdict()})
    return rows


def _rescaled(
    confidence: np.ndarray, right: np.ndarray, problem: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Calibration error of held-out rows after each method; none where one side is missing."""
    if len(np.unique(problem)) < 5 or right.all() or not right.any():
        return {}
    found = {}
    for method in METHODS:
        again = cross_rescaled(confidence, right, method=method, problem=problem)
        error = calibration_error(again, right, problem=problem)
        found[method] = {
            "plug_in": error.plug_in,
            "debiased": error.debiased,
            "skill": skill(again, right, problem=problem),
        }
    return found


def _findings(
    error: Any, rescaled: dict[str, dict[str, Any]], subject: Subject, *, stated: bool
) -> list[dict[str, Any]]:
    """Stated confidences that are wrong by more than chance."""
    if not stated or error.p_value >= subject.alarm:
        return []
    table = error.bins
    over = float(table.n @ (table.predicted - table.observed)) / table.n.sum()
    side = "too high" if over > 0 else "too low"
    words = (
        f"confidences are wrong by {written(error.debiased)}, where chance alone would show "
        f"{error.chance:.3f}; on average {side} by {abs(over):.3f}"
    )
    best = min(rescaled, key=lambda name: rescaled[name]["plug_in"], default=None)
    remedy = "do not use them as probabilities" + (
        f", or rescale them: {best} on other problems leaves {rescaled[best]['plug_in']:.3f}"
        if best
        else ""
    )
    return [finding("miscalibrated", [], words, remedy=remedy, p_value=error.p_value)]
