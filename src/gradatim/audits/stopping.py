"""How many attempts, and which checker, where a wrong answer costs: from a file's counts."""

from typing import Any

import numpy as np

from gradatim.audits.subject import written
from gradatim.evaluation.better_checker import Checker, Stakes, advise, cascade, price_limit
from gradatim.evaluation.pools import pool_of
from gradatim.evaluation.resampling import best_attempts
from gradatim.evaluation.verifier_error import ErrorRates, stated_rates
from gradatim.types import Estimate, Matrix

PRESENT = "the present one"
PERFECT = "one without errors"
NOBODY = "no answer at all"
LISTED = 5  # solvers in the notes
MOST = 20  # solvers that are decided for
DRAWS = 100  # of the rates and the pool: attempts are whole, and gains are not needed to a digit


def decide(
    matrix: Matrix, rates: ErrorRates, stakes: Stakes
) -> tuple[list[dict[str, Any]], list[str]]:
    """Best number of attempts and best checker for each solver.

    Args:
        matrix: of passed and tried, by solver and item.
        rates: of the verifier that passed them.
        stakes: prices, and other checkers. With none, one without errors stands for them, at no
            price: what could be gained at most, and what a verdict may cost for that.

    Returns:
        A row for each solver with at least two attempts on each of its problems (with one it
        cannot be told how problems differ, which the best number hangs on): solver; attempts,
        utility and no_limit of `best_attempts`; choice and over (checkers, or NOBODY), gain and
        sure of `advise`; checkers: attempts and utility of each; price_limit. And notes.
    """
    rows, notes = [], [_prices(stakes)]
    single = 0
    for at, name in enumerate(matrix.solvers[:MOST]):
        tried = np.asarray(matrix.tried)[at]
        some = tried > 0
        if not some.any() or tried[some].min() < 2:
            single += bool(some.any())
            continue
        rows.append({
            "solver": name,
            **_decided(matrix.solved[at][some], tried[some], rates, stakes),
        })
    notes += [line for row in rows[:LISTED] for line in _said(row)]
    if single:
        notes.append(
            f"{single} solvers have one attempt on some problem: how problems differ, which the "
            "best number of attempts hangs on, cannot be told; make two or more"
        )
    if len(matrix.solvers) > MOST:
        notes.append(f"decided for the first {MOST} of {len(matrix.solvers)} solvers")
    return rows, notes


def _decided(
    passed: np.ndarray, tried: np.ndarray, rates: ErrorRates, stakes: Stakes
) -> dict[str, Any]:
    pool, prices = pool_of(passed, tried, rates, draws=DRAWS), stakes.prices
    share = float(np.mean(passed / tried))
    offered = dict(stakes.checkers) or {PERFECT: Checker(stated_rates(0.0))}
    known = {PRESENT: Checker(rates), **offered}
    if stakes.checkers:
        known |= {
            f"{PRESENT}, then {name}": cascade(known[PRESENT], checker, share)
            for name, checker in offered.items()
        }
    stop = best_attempts(pool, rates, prices)
    advice = advise(pool, list(known.values()), prices)
    names = list(known)
    return {
        **stop._asdict(),
        "choice": names[advice.choice] if advice.choice >= 0 else NOBODY,
        "over": names[advice.over] if advice.over >= 0 else NOBODY,
        "gain": advice.gain,
        "sure": advice.sure,
        "checkers": [
            {"checker": name, "attempts": float(k), "utility": float(worth)}
            for name, k, worth in zip(names, advice.attempts, advice.utility, strict=True)
        ],
        "price_limit": price_limit(pool, rates, prices),
    }


def _prices(stakes: Stakes) -> str:
    right, wrong, attempt = stakes.prices
    return (
        f"a right answer is worth {right:g}, a wrong one costs {wrong:g}, an attempt {attempt:g}; "
        "the first attempt that passes is given, or no answer"
    )


def _said(row: dict[str, Any]) -> list[str]:
    """Sentences of one solver."""
    many, worth = row["attempts"], row["utility"]
    best = {
        0.0: "no attempt pays with the present checker",
        np.inf: f"go on until one passes, worth {written(worth)} a problem",
    }.get(many.value, f"at most {_whole(many)} attempts, worth {written(worth)} a problem")
    if 0 < many.value < np.inf:
        best += f", {row['no_limit']:.3f} without a limit"
    sure = "" if row["sure"] else ", not surely"
    made = {one["checker"]: _number(one["attempts"]) for one in row["checkers"]}
    ask = (
        f"more attempts or a better checker? {row['choice']}"
        + (f" with {_attempts(made[row['choice']])}" if row["choice"] in made else "")
        + f", by {written(row['gain'])} a problem over {row['over']}{sure}"
    )
    limit = (
        f"a verdict without errors may cost {written(row['price_limit'])} more than the present one"
    )
    return [f"{row['solver']}: {best}", f"{row['solver']}: {ask}; {limit}"]


def _attempts(many: str) -> str:
    return f"{many} attempt{'s' * (many != '1')}"


def _whole(many: Estimate) -> str:
    low, value, high = (_number(x) for x in (many.low, many.value, many.high))
    return f"{value} [{low}, {high}]"


def _number(many: float) -> str:
    return "any number of" if np.isinf(many) else f"{many:g}"
