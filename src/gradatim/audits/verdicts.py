"""The verifier of a file's scores: how it errs, and what the scores are without that."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gradatim.audits.columns import AUDITED, SECOND
from gradatim.audits.stopping import decide
from gradatim.audits.subject import Attempts, Subject, finding, pick, written
from gradatim.errors import ArgumentError
from gradatim.evaluation.better_checker import samples_factor
from gradatim.evaluation.discrimination import homogeneous
from gradatim.evaluation.pools import common_chance, pool_of
from gradatim.evaluation.resampling import cap
from gradatim.evaluation.verifier_agreement import agreed_rates
from gradatim.evaluation.verifier_error import (
    Corrected,
    ErrorRates,
    audited_rates,
    clustered_share,
    corrected_pass_at_k,
    corrected_rate,
)
from gradatim.types import Estimate, Matrix

MATERIAL = 0.01  # shift of the mean that is a finding
PASSES = 0.5  # a score above this is a pass
MOST_SOLVERS = 200  # that are corrected one by one
MOST_K = 16
MOST_CAPS = 20  # solvers whose cap is estimated, which takes half a second each
LISTED = 5  # solvers in the notes


class Known(NamedTuple):
    """Rates of error, where they are from, and what was found on the way.

    Attributes:
        rates, source: how the verifier errs, and a phrase on who says so.
        findings: of solvers on whom it errs differently.
        shares: "passed" and "failed" -> share of right attempts among those audited, n = 0 where
            none was; without a verdict that nothing got, and empty where nothing was audited.
    """

    rates: ErrorRates
    source: str
    findings: list[dict[str, Any]]
    shares: dict[str, Estimate]


def judge_verdicts(subject: Subject) -> dict[str, Any] | None:
    """Rates of the verifier's error, scores corrected for them, and what resampling can reach."""
    matrix, graded = _cut(subject)
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
    notes += [*_shares(known), *graded]
    value = mean.corrected.value
    factor = float("nan")
    if 0 < value < 1:
        factor = samples_factor(value, known.rates)
        top = _cap(passed, every[some], known.rates)
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
        if odd:
            notes.append(
                "these numbers take each attempt to be misjudged by a fresh chance; where the same "
                "problems fool the verifier every time, further attempts lose less than is said"
            )
    return {
        "looked_at": f"{int(tried.sum()):,} verdicts, errors {known.source}",
        "findings": findings,
        "notes": notes,
        "false_positive": known.rates.false_positive,
        "false_negative": known.rates.false_negative,
        "right_of": known.shares,
        "mean": mean._asdict(),
        "samples_factor": factor,
        "solvers": rows,
        **decided,
    }


def _cut(subject: Subject) -> tuple[Matrix | None, list[str]]:
    """Results as passes and fails, and a note where scores are graded."""
    matrix, attempts = subject.matrix, subject.attempts
    if matrix is None or ((matrix.solved == np.rint(matrix.solved)).all() and attempts is None):
        return matrix, []
    if attempts is None:
        return matrix, ["scores are graded, and the rates of error of passes are applied to them"]
    if not (note := said_graded(attempts.score)):
        return matrix, []
    at = attempts.solver[attempts.score > PASSES], attempts.item[attempts.score > PASSES]
    solved = np.zeros(matrix.solved.shape)
    np.add.at(solved, at, 1)
    return replace(matrix, solved=solved), note


def said_graded(score: np.ndarray) -> list[str]:
    """A note where scores of attempts are neither 0 nor 1, since they are cut; or none."""
    n = int(((score > 0) & (score < 1)).sum())
    if not n:
        return []
    return [f"{n:,} of {len(score):,} scores are graded: one above {PASSES:g} counts as a pass"]


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
    blind = [name for name, share in known.shares.items() if not share.n]
    if blind:
        [name] = blind
        notes = [
            f"{known.source}: no {name} attempt was audited, so neither rate of error is known "
            f"and scores are not corrected; audit some {name} ones, or give --false-positive and "
            "--false-negative"
        ]
    else:
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
        "notes": [*notes, *_shares(known)],
        "false_positive": rates[0],
        "false_negative": rates[1],
        "right_of": known.shares,
    }


def _shares(known: Known) -> list[str]:
    """A sentence on what is right of each verdict, as far as it was audited."""
    said = [
        f"of {name} attempts {written(share)} are right"
        for name, share in known.shares.items()
        if share.n
    ]
    return ["; ".join(said)] if said else []


def _known(subject: Subject) -> Known | None:
    """Stated rates first, then those of an audit, then those of two verifiers."""
    if subject.errors is not None:
        return Known(subject.errors, "stated", [], {})
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
    """Rates from a sample, each verdict's share right counting for all attempts of that verdict.

    That holds however the sample was drawn, by verdict or from all alike, so nothing is asked about
    it; a verdict of which nothing was audited leaves both rates unknown.
    """
    there = ~np.isnan(audited)
    if not there.any():
        return None
    passed, right = attempts.score > PASSES, _verdicts(audited[there], "audited")
    said, problem = passed[there], attempts.item[there]
    of = (float(passed.sum()), float((~passed).sum()))
    n = int(there.sum())
    source = f"from {n:,} audited attempt" + "s" * (n > 1)
    shares = {
        name: clustered_share(right[kept].astype(float), problem[kept])
        for name, kept, many in (("passed", said, of[0]), ("failed", ~said, of[1]))
        if many
    }
    if not all(share.n for share in shares.values()):
        nothing = Estimate(np.nan, 0.0, 1.0, 0)
        return Known(ErrorRates(nothing, nothing), source, [], shares)
    rates = audited_rates(said, right, of=of, problem=problem)
    return Known(rates, source, _unequal(attempts, there, right, subject), shares)


def _unequal(
    attempts: Attempts, there: np.ndarray, right: np.ndarray, subject: Subject
) -> list[dict[str, Any]]:
    """Solvers on whom the verifier errs differently: their scores cannot be compared.

    A sample by verdict multiplies the odds of an error for all solvers alike: equal rates stay
    equal in it. Each attempt counts for as many as its verdict has in the shares that are shown.
    """
    found, matrix = [], subject.matrix
    assert matrix is not None
    passes = attempts.score > PASSES
    passed, solver = passes[there], attempts.solver[there]
    many = [(passes == verdict).sum() / max((passed == verdict).sum(), 1) for verdict in (0, 1)]
    weight = np.where(passed, many[1], many[0])
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
        whole, part = (
            np.bincount(solver[rows], weights=weight[rows], minlength=size)[seen]
            for rows in (among, among & hits)
        )
        share = part / whole
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
    return Known(found.first, source, [], {})


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


def _cap(passed: np.ndarray, tried: np.ndarray, rates: ErrorRates) -> Estimate:
    """What resampling can reach; one attempt a problem says nothing of how problems differ."""
    behind = pool_of if tried.min() > 1 else common_chance
    return cap(behind(passed, tried, rates), rates)


def _solver(matrix: Matrix, at: int, rates: ErrorRates) -> dict[str, Any]:
    """One solver's rate and pass@k, as they are said and as they are."""
    tried = np.asarray(matrix.tried)[at]
    some = tried > 0
    row: dict[str, Any] = {"solver": matrix.solvers[at]}
    if not some.any():
        return row
    solved, tried = matrix.solved[at][some], tried[some]
    row |= corrected_rate(solved, tried, rates, draws=1000)._asdict()
    if at < MOST_CAPS and 0 < row["corrected"].value < 1:
        row["cap"] = _cap(solved, tried, rates)
    k = min(int(tried.min()), MOST_K)
    if k > 1 and (solved == np.rint(solved)).all():
        row["pass_at_k"] = {
            "k": k,
            **corrected_pass_at_k(solved, tried, k, rates, draws=400)._asdict(),
        }
    return row
