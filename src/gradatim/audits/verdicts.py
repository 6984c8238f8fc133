"""The verifier of a file's scores: how it errs, and what the scores are without that."""

from typing import Any, NamedTuple

import numpy as np

from gradatim.audits.stopping import decide
from gradatim.audits.subject import Attempts, Subject, finding, pick, written
from gradatim.errors import ArgumentError
from gradatim.evaluation.better_checker import samples_factor
from gradatim.evaluation.discrimination import homogeneous
from gradatim.evaluation.resampling import cap, pass_rates
from gradatim.evaluation.verifier_agreement import agreed_rates
from gradatim.evaluation.verifier_error import (
    Corrected,
    ErrorRates,
    audited_rates,
    corrected_pass_at_k,
    corrected_rate,
)
from gradatim.types import Estimate, Matrix

AUDITED = ("audited", "audited_verdict", "trusted_verdict", "human_verdict")
SECOND = ("second_verdict", "other_verdict")
MATERIAL = 0.01  # shift of the mean that is a finding
PASSES = 0.5  # a score above this is a pass
MOST_SOLVERS = 200  # that are corrected one by one
MOST_K = 16
LISTED = 5  # solvers in the notes


class Known(NamedTuple):
    """Rates of error, where they are from, and what was found on the way."""

    rates: ErrorRates
    source: str
    findings: list[dict[str, Any]]


def judge_verdicts(subject: Subject) -> dict[str, Any] | None:
    """Rates of the verifier's error, scores corrected for them, and what resampling can reach."""
    matrix = subject.matrix
    known = _known(subject)
    if matrix is None or known is None:
        return None
    if unknown := _unknown(known, int(np.sum(matrix.tried))):
        return unknown
    tried = np.asarray(matrix.tried)
    every = tried.sum(axis=0)
    some = every > 0
    level = 1 - subject.alarm
    passed = matrix.solved.sum(axis=0)[some]
    strict = corrected_rate(passed, every[some], known.rates, level=level)
    mean = corrected_rate(passed, every[some], known.rates)
    findings = [*known.findings, *_biased(strict, mean, known)]
    notes = [
        f"{known.source}: wrong attempts pass {written(known.rates.false_positive)}, right ones "
        f"fail {written(known.rates.false_negative)}; mean {written(mean.naive)}"
        + ("" if np.isnan(mean.corrected.value) else f" is {written(mean.corrected)} without that")
    ]
    value = mean.corrected.value
    factor = float("nan")
    if 0 < value < 1:
        factor = samples_factor(value, known.rates)
        top = _cap(passed, every[some], mean, known.rates)
        notes.append(
            f"taking the first attempt that passes is right {written(top)} at most, however many "
            f"are made; to see a difference takes {factor:.2f} times as many problems"
        )
    names = matrix.solvers[:MOST_SOLVERS]
    rows = [_solver(matrix, at, known.rates) for at in range(len(names))]
    notes += _ladders(rows)
    odd = sum(not row["pass_at_k"]["inside"] for row in rows if "pass_at_k" in row)
    if odd:
        notes.append(
            f"{odd} of {len(rows)} solvers have fewer stray passes than these rates imply: the "
            "verifier is fooled on the same problems again and again, or less often than said; "
            "their pass@k is not corrected beyond the rate"
        )
    if len(names) < len(matrix.solvers):
        notes.append(f"the first {MOST_SOLVERS} of {len(matrix.solvers)} solvers are listed")
    decided: dict[str, Any] = {}
    if subject.stakes is not None and not np.isnan(value):
        decided["decisions"], more = decide(matrix, known.rates, subject.stakes)
        notes += more
    return {
        "looked_at": f"{int(tried.sum()):,} verdicts, errors {known.source}",
        "findings": findings,
        "notes": notes,
        "false_positive": known.rates.false_positive,
        "false_negative": known.rates.false_negative,
        "mean": mean._asdict(),
        "samples_factor": factor,
        "solvers": rows,
        **decided,
    }


def _ladders(rows: list[dict[str, Any]]) -> list[str]:
    """Sentences on the pass@k of the first solvers."""
    return [
        f"{row['solver']}: pass rate {written(row['naive'])} is {written(row['corrected'])}, "
        f"pass@{row['pass_at_k']['k']} {written(row['pass_at_k']['naive'])} is "
        f"{written(row['pass_at_k']['corrected'])}"
        for row in rows[:LISTED]
        if "pass_at_k" in row and not np.isnan(row["corrected"].value)
    ]


def _unknown(known: Known, n: int) -> dict[str, Any] | None:
    """The section where a rate has nothing behind it: what to audit; None where both are known."""
    rates = (known.rates.false_positive, known.rates.false_negative)
    if not np.isnan([rate.value for rate in rates]).any():
        return None
    kinds = ("wrong attempts pass", "right ones fail")
    asked = ("passes, or give --false-positive", "fails, or give --false-negative")
    rows = list(zip(kinds, asked, rates, strict=True))
    notes = [
        f"{known.source}: none shows how often {kind}, so scores are not corrected; "
        f"audit more {ask}"
        for kind, ask, rate in rows
        if np.isnan(rate.value)
    ]
    notes += [f"{kind} {written(rate)}" for kind, _, rate in rows if not np.isnan(rate.value)]
    return {
        "looked_at": f"{n:,} verdicts, errors {known.source}",
        "findings": known.findings,
        "notes": notes,
        "false_positive": rates[0],
        "false_negative": rates[1],
    }


def _known(subject: Subject) -> Known | None:
    """Stated rates first, then those of an audit, then those of two verifiers."""
    if subject.errors is not None:
        return Known(subject.errors, "stated", [])
    attempts = subject.attempts
    if attempts is None:
        return None
    audited, second = (pick(attempts.columns, names) for names in (AUDITED, SECOND))
    if audited is not None and audited.dtype.kind == "f":
        return _audited(attempts, audited, subject)
    if second is not None and second.dtype.kind == "f":
        return _second(attempts, second)
    return None


def _verdicts(values: np.ndarray, name: str) -> np.ndarray:
    """(attempt,) bool; refused where a column of verdicts holds anything else than 0 and 1."""
    if not np.isin(values, (0, 1)).all():
        raise ArgumentError(f"column `{name}` must hold 0, 1 or nothing, got {values.max():g}")
    return values > PASSES


def _audited(attempts: Attempts, audited: np.ndarray, subject: Subject) -> Known | None:
    there = ~np.isnan(audited)
    if not there.any():
        return None
    passed, right = attempts.score > PASSES, _verdicts(audited[there], "audited")
    of = None
    shares = [there[passed == verdict].mean() if (passed == verdict).any() else np.nan
              for verdict in (True, False)]  # fmt: skip
    counts = np.array([passed.sum(), (~passed).sum()], dtype=float)
    apart = homogeneous(np.nan_to_num(shares) * counts, np.maximum(counts, 1)) < subject.alarm
    if apart and all(share > 0 for share in shares):
        of = (float(counts[0]), float(counts[1]))
        rates = audited_rates(passed[there], right, of=of)
    else:
        rates = audited_rates(passed[there], right, problem=attempts.item[there])
    source = f"from {int(there.sum()):,} audited attempts"
    findings = [] if of else _unequal(attempts, there, right, subject)
    return Known(rates, source, findings)


def _unequal(
    attempts: Attempts, there: np.ndarray, right: np.ndarray, subject: Subject
) -> list[dict[str, Any]]:
    """Solvers on whom the verifier errs differently: their scores cannot be compared."""
    found, matrix = [], subject.matrix
    assert matrix is not None
    passed, solver = (attempts.score > PASSES)[there], attempts.solver[there]
    size = len(matrix.solvers)
    for kind, among, hits in (
        ("false positives", ~right, passed),
        ("false negatives", right, ~passed),
    ):
        n = np.bincount(solver[among], minlength=size)
        k = np.bincount(solver[among & hits], minlength=size)
        seen = n > 0
        chance = homogeneous(k[seen], n[seen]) if seen.sum() > 1 else 1.0
        if chance >= subject.alarm / 4 or n[seen].min() < 10:
            continue
        share = k[seen] / n[seen]
        names = [matrix.solvers[i] for i in np.flatnonzero(seen)[np.argsort(share)]]
        words = (
            f"{kind} differ between solvers, from {share.min():.3f} ({names[0]}) to "
            f"{share.max():.3f} ({names[-1]}): their scores cannot be compared"
        )
        remedy = "judge the passes of both with a better verifier, or correct each by its own rates"
        found.append(finding("unequal_errors", names, words, remedy=remedy, p_value=chance))
    return found


def _second(attempts: Attempts, second: np.ndarray) -> Known | None:
    there = ~np.isnan(second)
    groups = attempts.solver[there]
    if len(np.unique(groups)) < 2:
        return None
    found = agreed_rates(
        attempts.score[there] > PASSES,
        _verdicts(second[there], "second_verdict"),
        groups,
        problem=attempts.item[there],
    )
    source = f"from agreement on {int(there.sum()):,} attempts ({found.agree:.1%} agree)"
    return Known(found.first, source, [])


def _biased(strict: Corrected, mean: Corrected, known: Known) -> list[dict[str, Any]]:
    """Findings about the mean score: it is off, or it contradicts the rates."""
    found = []
    true, naive = strict.corrected, strict.naive
    if np.isnan(true.value):
        words = "the verifier passes no more right attempts than wrong ones: scores say nothing"
        return [finding("says_nothing", [], words, remedy="use another verifier")]
    if not strict.inside and (true.low == true.high or true.high < 1e-9 or true.low > 1 - 1e-9):
        words = (
            f"a mean of {naive.value:.3f} cannot be with these rates of error: they are too high"
        )
        remedy = "audit attempts of these solvers; rates of other ones do not hold here"
        found.append(finding("rates_too_high", [], words, remedy=remedy))
    if strict.shift.high < -MATERIAL or strict.shift.low > MATERIAL:
        words = (
            f"the mean score is {naive.value:.3f} by the verifier and {written(mean.corrected)} "
            f"without its errors, {mean.shift.value:+.3f} [{mean.shift.low:+.3f}, "
            f"{mean.shift.high:+.3f}] ({known.source})"
        )
        remedy = "report corrected rates (--json: `solvers`), or use a verifier that errs less"
        found.append(finding("biased_score", [], words, remedy=remedy))
    return found


def _cap(passed: np.ndarray, tried: np.ndarray, mean: Corrected, rates: ErrorRates) -> Estimate:
    """What resampling can reach; one attempt a problem says nothing of how problems differ."""
    several = tried.min() > 1
    found = cap(pass_rates(passed, tried, rates) if several else mean.corrected.value, rates)
    return Estimate(found.value, found.low, found.high, len(tried))


def _solver(matrix: Matrix, at: int, rates: ErrorRates) -> dict[str, Any]:
    """One solver's rate and pass@k, as they are said and as they are."""
    tried = np.asarray(matrix.tried)[at]
    some = tried > 0
    row: dict[str, Any] = {"solver": matrix.solvers[at]}
    if not some.any():
        return row
    solved, tried = matrix.solved[at][some], tried[some]
    row |= corrected_rate(solved, tried, rates, draws=1000)._asdict()
    if 0 < row["corrected"].value < 1:
        row["cap"] = _cap(solved, tried, Corrected(**{n: row[n] for n in Corrected._fields}), rates)
    k = min(int(tried.min()), MOST_K)
    if k > 1 and (solved == np.rint(solved)).all():
        row["pass_at_k"] = {
            "k": k,
            **corrected_pass_at_k(solved, tried, k, rates, draws=400)._asdict(),
        }
    return row
