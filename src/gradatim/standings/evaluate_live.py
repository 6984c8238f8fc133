"""An adaptive test, live: ask a solver the problems that tell most about where it stands.

Every attempt lands in the ledger of a run; repeated, the same test asks nothing twice.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.engine.opening import in_run
from gradatim.engine.sources import Given
from gradatim.evaluation.picking import Rules, check_rules
from gradatim.evaluation.tables import CRITERIA
from gradatim.progress import Progress, Tick, silent
from gradatim.solvers.registry import open_solver
from gradatim.standings.evaluate_behind import Behind, find_behind
from gradatim.standings.evaluate_course import Course, Known, Stops
from gradatim.standings.evaluate_misfit import find_misfit
from gradatim.standings.evaluate_start import (
    closed_items,
    earlier_tests,
    kinds_of,
    open_start,
    prior_of,
)
from gradatim.store.rows import setting_of
from gradatim.store.run import Run
from gradatim.types import Bank, Problem, Solver

SE = 0.25  # standard error at which a test ends that is told of no other aim


def evaluate_live(  # noqa: PLR0913  (one keyword for each dial of a test, as in the command)
    solver: Solver | str,
    bank: Bank | Run | str | Path,
    *,
    problems: Sequence[Problem] | str | Path | None = None,
    run: Run | str | Path | None = None,
    criterion: str = "variance",
    balance: str | None = None,
    top: int = 1,
    progressive: float = 0.0,
    max_exposure: float = 1.0,
    stop_se: float | None = None,
    stop_change: float | None = None,
    stop_steps: int = 10,
    cut: float | None = None,
    max_items: int = 100,
    max_attempts: int | None = None,
    max_tokens: int | None = None,
    samples: int = 1,
    batch: int = 1,
    warm: Run | str | Path | tuple[float, float] | None = None,
    drift: float = 0.5,
    recorded: Given | Sequence[Given] | None = None,
    seed: int = 0,
    progress: Progress = silent,
    **options: Any,
) -> dict[str, Any]:
    """Place a solver on a bank's scale with few attempts.

    Args:
        solver: a spec string or a Solver.
        bank: a Bank, its file, or the run (or its folder) that holds it.
        problems: the bank's problems, a list or a JSONL file. None: those of `run`, or of the
            run that the bank lies in.
        run: where attempts are kept. None: the run that the bank lies in.
        criterion: "variance" (of the score), "information" (both in
            `evaluation.tables.worth_asking`) or "random".
        balance: keep the shares of kinds of problems that the bank has: "family", "level",
            "family,level", or a knob or field of `meta`.
        top, progressive: exposure control by chance, see `evaluation.picking.Rules`.
        max_exposure: leave out items that this share of the tests on this scale in `run` had.
        stop_se: the test ends when the standard error of the ability is at most this, in logits.
            None: 0.25, or not by this where `stop_change` or `cut` is given.
        stop_change, stop_steps: it ends when the score moved by less than this for as many
            questions, see `evaluation.stopping.settled`.
        cut: it ends when the score's interval lies on one side of this, see
            `evaluation.stopping.side_of`.
        max_items, max_attempts, max_tokens: most questions, attempts, and tokens in replies;
            attempts that were in the ledger count too. The last question may go beyond the tokens.
        samples: attempts per question.
        batch: questions chosen and asked together.
        warm, drift: begin from an earlier place, see `evaluate_start.prior_of`.
        recorded: the results that the bank was fitted to (a run, matrix or logs), which say what
            its items share beyond one ability, and how far intervals must be widened for misfit.
            None: looked for where the bank lies.
        seed: of draws.
        progress: told after each answer.
        options: of the solver, when it is given as a spec string.

    Returns:
        solver, policy, scale, `ability`, `score` and `score_of_attempts` (Estimates; n counts
        questions). The score is the share of the whole bank that the solver is expected to solve:
        its interval holds the luck of the attempts made, which a rerun would not have
        (`evaluation.intervals.luck_of_attempts`). That of attempts is the share that these attempts
        and one go at all other items would come to, which is what a replay predicts: it is certain
        once all are asked. Then se, items asked, bank_items, `stopped` ("se", "change", "cut",
        "max_items", "max_attempts", "max_tokens" or "bank"), attempts made and reused, tokens,
        unanswered, prior, misfit
        (half-widths of the 95% intervals in standard deviations of the posterior, and the solvers
        they come from; None where these are not known), `cut` (at, side: "above", "below" or None,
        chance of a score above it; None without `cut`), notes, and `steps`: item, family, level,
        solved, tried, and after each answer ability, se, score, low, high. The standard error holds
        misfit.

    Raises:
        ArgumentError: a bad argument; no problem of the bank is known; `warm` on another scale.
        SolverError: the solver gave up or does not answer; the same call resumes.
    """
    checks.within(0, np.inf, drift=drift)
    checks.whole(1, 10**9, samples=samples, batch=batch)
    checks.whole(0, 2**63 - 1, seed=seed)
    checks.within(1e-9, 1, max_exposure=max_exposure)
    stops = _stops(
        stop_se, Stops(0.0, max_items, max_attempts, max_tokens, stop_change, stop_steps, cut)
    )
    rules = Rules(criterion, top, progressive, rng=np.random.default_rng(seed))
    check_rules(rules, CRITERIA)
    start = open_start(bank, run, problems)
    prior = prior_of(start.bank, warm, drift)
    rules = rules._replace(strata=kinds_of(start, balance))
    opened = open_solver(solver, **options) if isinstance(solver, str) else solver
    if isinstance(solver, str):
        opened = in_run(start.run, solver, opened, options, attempts=max_items * samples)
    else:
        checks.known_keys("`evaluate` with an open solver", options, ())
    try:
        behind, missing = find_behind(start.bank, recorded, start.home)
        misfit = None
        if behind is not None:
            misfit = find_misfit(
                start.bank,
                behind,
                recorded=recorded,
                keeper=start.home or start.run,  # what is known of a bank is kept beside it
                rules=rules,
                asked=min(max_items, len(start.problems)),
                samples=samples,
                progress=progress,
            )
        me = repr(setting_of(opened))
        tests = earlier_tests(start.run, start.bank, me)
        closed = closed_items(tests, start.bank, max_exposure)
        known = Known(prior, behind, misfit, closed)
        test = Course(start, opened, rules, known, samples=samples, stops=stops)
        while test.running():
            test.ask(test.choose(batch))
            progress(Tick("evaluate", len(test.item), max_items, test.figures()))
        progress(Tick("evaluate", len(test.item), len(test.item), test.figures()))
    finally:
        if isinstance(solver, str):
            opened.close()
    found = test.summary(_notes(behind, missing, samples))
    start.run.write_result("evaluation", found)
    asked = [step["item"] for step in test.steps]
    every = [*tests, {"who": me, "scale": start.bank.scale, "items": asked}]
    others = _other_scales(start.run, start.bank)
    start.run.write_result("evaluations", {"tests": [*others, *every]})
    return found


def _stops(se: float | None, stops: Stops) -> Stops:
    """Stops that can be, with the standard error that is aimed at where nothing else is."""
    if se is None:
        se = SE if stops.change is None and stops.cut is None else 0.0
    checks.within(0, np.inf, stop_se=se)
    checks.within(1e-12, 1, stop_change=1.0 if stops.change is None else stops.change)
    checks.within(0, 1, cut=0.0 if stops.cut is None else stops.cut)
    checks.whole(1, 10**9, max_items=stops.items, stop_steps=stops.still)
    for name, most in (("max_attempts", stops.attempts), ("max_tokens", stops.tokens)):
        checks.whole(1, 10**15, **{name: 1 if most is None else most})
    return stops._replace(se=se)


def _notes(behind: Behind | None, missing: str, samples: int) -> list[str]:
    if behind is None:
        return [
            f"intervals hold no misfit of the model: {missing}; give the results that the bank was "
            "fitted to (--recorded)"
        ]
    if samples > 1 and behind.data.tried.max() <= 1:
        return [
            f"the results behind the bank have one attempt a cell: {samples} attempts of a "
            "question are taken for independent, and the interval may be too short"
        ]
    return []


def _other_scales(run: Run, bank: Bank) -> list[Any]:
    known = run.read_result("evaluations")
    tests = known.get("tests", []) if isinstance(known, dict) else []
    return [test for test in tests if test["scale"] != bank.scale]
