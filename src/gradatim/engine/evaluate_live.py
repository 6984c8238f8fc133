"""An adaptive test, live: ask a solver the problems that tell most about where it stands.

Every attempt lands in the ledger of a run; repeated, the same test asks nothing twice.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.engine.attempt import attempt
from gradatim.engine.evaluate_misfit import Misfit, find_misfit
from gradatim.engine.evaluate_start import (
    Start,
    closed_items,
    earlier_tests,
    kinds_of,
    open_start,
    prior_of,
    tables_of,
)
from gradatim.engine.opening import in_run
from gradatim.engine.sources import Given
from gradatim.errors import SolverError
from gradatim.evaluation.picking import Rules, check_rules
from gradatim.evaluation.replay import begin, choose, take, tell
from gradatim.evaluation.tables import CRITERIA, ranking
from gradatim.progress import Progress, Tick, silent
from gradatim.solvers.registry import open_solver
from gradatim.store.rows import setting_of
from gradatim.store.run import Run
from gradatim.types import Bank, Estimate, Problem, Solver

SILENT = 10  # questions in a row without an answer after which a solver is taken to be down
Z = 1.959964


class Stops(NamedTuple):
    """When a test ends: standard error in logits, questions, attempts, tokens (None: no limit)."""

    se: float
    items: int
    attempts: int | None
    tokens: int | None


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
    stop_se: float = 0.25,
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
        max_items, max_attempts, max_tokens: most questions, attempts, and tokens in replies;
            attempts that were in the ledger count too. The last question may go beyond the tokens.
        samples: attempts per question.
        batch: questions chosen and asked together.
        warm, drift: begin from an earlier place, see `evaluate_start.prior_of`.
        recorded: the results that the bank was fitted to (a run, matrix or logs), which say how
            far intervals must be widened for misfit. None: looked for where the bank lies.
        seed: of draws.
        progress: told after each answer.
        options: of the solver, when it is given as a spec string.

    Returns:
        solver, policy, scale, `ability` and `score` (Estimates; the score is the share of the
        whole bank that is solved if each item is tried `samples` times; n counts questions), se,
        items asked, bank_items, `stopped` ("se", "max_items", "max_attempts", "max_tokens" or
        "bank"), attempts made and reused, tokens, unanswered, prior, misfit (half-widths of the
        95% intervals in standard deviations of the posterior, and the solvers they come from;
        None where these are not known), notes, and `steps`: item, family, level, solved, tried,
        and after each answer ability, se, score, low, high. The standard error holds misfit.

    Raises:
        ArgumentError: a bad argument; no problem of the bank is known; `warm` on another scale.
        SolverError: the solver gave up or does not answer; the same call resumes.
    """
    checks.within(0, np.inf, stop_se=stop_se, drift=drift)
    checks.whole(1, 10**9, max_items=max_items, samples=samples, batch=batch)
    for name, most in (("max_attempts", max_attempts), ("max_tokens", max_tokens)):
        checks.whole(1, 10**15, **{name: 1 if most is None else most})
    checks.within(1e-9, 1, max_exposure=max_exposure)
    rng = np.random.default_rng(seed)
    rules = Rules(criterion, top, progressive, rng=rng)
    check_rules(rules, CRITERIA)
    start = open_start(bank, run, problems)
    prior = prior_of(start.bank, warm, drift)
    rules = rules._replace(strata=kinds_of(start, balance))
    stops = Stops(stop_se, max_items, max_attempts, max_tokens)
    opened = open_solver(solver, **options) if isinstance(solver, str) else solver
    if isinstance(solver, str):
        opened = in_run(start.run, solver, opened, options, attempts=max_items * samples)
    else:
        checks.known_keys("`evaluate` with an open solver", options, ())
    try:
        misfit, note = find_misfit(
            start.bank,
            recorded=recorded,
            home=start.home,
            run=start.run,
            rules=rules,
            asked=min(max_items, len(start.problems)),
            progress=progress,
        )
        me = repr(setting_of(opened))
        tests = earlier_tests(start.run, start.bank, me)
        closed = np.zeros(len(start.bank.items), dtype=bool)
        if max_exposure < 1:
            closed = closed_items(tests, start.bank, max_exposure)
        test = _Test(start, opened, rules, (prior, misfit, closed), samples=samples, stops=stops)
        while test.running():
            test.ask(test.choose(batch))
            progress(Tick("evaluate", len(test.item), max_items, test.figures()))
        progress(Tick("evaluate", len(test.item), len(test.item), test.figures()))
    finally:
        if isinstance(solver, str):
            opened.close()
    found = test.summary([note] if note else [])
    start.run.write_result("evaluation", found)
    asked = [step["item"] for step in test.steps]
    every = [*tests, {"who": me, "scale": start.bank.scale, "items": asked}]
    others = _other_scales(start.run, start.bank)
    start.run.write_result("evaluations", {"tests": [*others, *every]})
    return found


def _other_scales(run: Run, bank: Bank) -> list[Any]:
    known = run.read_result("evaluations")
    tests = known.get("tests", []) if isinstance(known, dict) else []
    return [test for test in tests if test["scale"] != bank.scale]


class _Test:
    """A test that is under way: what was asked, and what it told."""

    def __init__(
        self,
        start: Start,
        solver: Solver,
        rules: Rules,
        known: tuple[tuple[float, float], Misfit | None, np.ndarray],
        *,
        samples: int,
        stops: Stops,
    ) -> None:
        self.start, self.solver, self.samples, self.stops = start, solver, samples, stops
        self.prior, self.misfit, closed = known
        self.listed, self.table, beyond = tables_of(
            start, closed, prior=self.prior, samples=samples, n_asked=stops.items
        )
        strata = None if rules.strata is None else rules.strata[self.listed]
        self.rules = rules._replace(strata=strata)
        tried = np.full((1, len(self.listed)), samples)
        self.state = begin(self.table, tried, strata=strata, beyond=beyond)
        self.ranks = ranking(self.table, tried)
        self.item: list[int] = []
        self.steps: list[dict[str, Any]] = []
        self.made = self.reused = self.tokens = self.unanswered = self.mute = 0
        self.stopped = ""
        self.line = self._line()

    def running(self) -> bool:
        """Whether to go on; else `stopped` says why not."""
        stops, spent = self.stops, self.made + self.reused
        if self.item and self.line["se"] <= stops.se:
            self.stopped = "se"
        elif len(self.item) >= stops.items:
            self.stopped = "max_items"
        elif stops.attempts is not None and spent + self.samples > stops.attempts:
            self.stopped = "max_attempts"
        elif stops.tokens is not None and self.tokens >= stops.tokens:
            self.stopped = "max_tokens"
        elif not self.state.open_.any():
            self.stopped = "bank"
        return not self.stopped

    def choose(self, batch: int) -> list[int]:
        """The next items, places in the list; none is asked twice."""
        most = min(batch, self.stops.items - len(self.item))
        if self.stops.attempts is not None:
            left = self.stops.attempts - self.made - self.reused
            most = min(most, left // self.samples)
        state, chosen, nothing = self.state, [], np.zeros(1)
        for _ in range(most):
            share = (len(self.item) + len(chosen)) / self.stops.items
            pick = choose(state, self.ranks, self.rules, share=share)
            if pick[0] < 0:
                break
            chosen.append(int(pick[0]))
            state = take(
                state, self.table, pick, rate=nothing, tried=nothing, strata=self.rules.strata
            )
        return chosen

    def ask(self, chosen: Sequence[int]) -> None:
        """Ask, and take what the ledger then holds of this solver on these problems."""
        asked = [self.start.problems[int(self.listed[i])] for i in chosen]
        outcome = attempt(asked, solver=self.solver, run=self.start.run, samples=self.samples)
        self.made += outcome["made"]
        self.reused += outcome["reused"]
        setting, ids = setting_of(self.solver), [problem.id for problem in asked]
        with self.start.run.ledger() as ledger:
            counts = ledger.responses(
                solver=self.solver.name,
                problem=ids,
                label=lambda other: "me" if other == setting else "others",
            )
            if self.stops.tokens is not None:
                self.tokens += sum(
                    max(record.tokens, 0)
                    for record in ledger.attempts(text=False, solver=self.solver.name, problem=ids)
                    if record.setting == setting and record.sample < self.samples
                )
            elif outcome.get("tokens"):
                self.tokens += int(outcome["tokens"])
        mine = [name == "me" for name in counts.solvers]
        got = {
            counts.items[item]: (float(solved), int(tried))
            for who, item, solved, tried in zip(
                counts.solver, counts.item, counts.solved, counts.tried, strict=True
            )
            if mine[who]
        }
        for i, problem in zip(chosen, asked, strict=True):
            self._take(i, problem, *got.get(problem.id, (0.0, 0)))

    def _take(self, i: int, problem: Problem, solved: float, tried: int) -> None:
        self.mute = 0 if tried else self.mute + 1
        self.unanswered += not tried
        if self.mute >= SILENT:
            raise SolverError(
                f"{self.solver.name} did not answer {SILENT} questions in a row (provider errors); "
                "repeat the command when it is up again"
            )
        rate = np.array([solved / max(tried, 1)])
        at, n = np.array([i]), np.array([tried])
        self.state = take(self.state, self.table, at, rate=rate, tried=n, strata=self.rules.strata)
        self.item.append(int(self.listed[i]))
        self.line = self._line()
        about = {"item": problem.id, "family": problem.family, "level": problem.level}
        self.steps.append({**about, "solved": solved, "tried": tried, **self.line})

    def _line(self) -> dict[str, float]:
        """What is known now; the interval holds misfit where that is known."""
        told = tell(self.state, self.table)
        wide, off = Z, Z
        if self.misfit is not None and self.item:
            at = min(len(self.item), len(self.misfit.score)) - 1
            wide, off = (
                float(v[at]) if np.isfinite(v[at]) else Z
                for v in (self.misfit.score, self.misfit.ability)
            )
        score, half = float(told.score[0]), wide * float(told.sd[0])
        return {
            "ability": float(told.ability[0]),
            "se": float(told.se[0]) * off / Z,
            "score": score,
            "low": max(score - half, 0.0),
            "high": min(score + half, 1.0),
        }

    def figures(self) -> dict[str, Any]:
        """For the live line: the interval, which shrinks."""
        now = self.line
        return {
            "ability": f"{now['ability']:+.2f} ± {Z * now['se']:.2f}",
            "score": f"{now['score']:.3f} [{now['low']:.3f}, {now['high']:.3f}]",
        }

    def summary(self, notes: list[str]) -> dict[str, Any]:
        """What `evaluate_live` returns."""
        now, n, bank = self.line, len(self.item), self.start.bank
        value, half = now["ability"], Z * now["se"]
        if self.solver.name in bank.solvers:
            notes = [*notes, "this solver is one of those that the bank was fitted to"]
        return {
            "solver": self.solver.name,
            "policy": self.solver.policy,
            "scale": bank.scale,
            "ability": Estimate(value, value - half, value + half, n),
            "se": now["se"],
            "score": Estimate(now["score"], now["low"], now["high"], n),
            "items": n,
            "bank_items": len(bank.items),
            "stopped": self.stopped,
            "made": self.made,
            "reused": self.reused,
            "tokens": self.tokens,
            "unanswered": self.unanswered,
            "criterion": self.rules.criterion,
            "prior": {"ability": self.prior[0], "sd": self.prior[1]},
            "misfit": None if self.misfit is None else self._widened(n),
            "notes": notes,
            "steps": self.steps,
        }

    def _widened(self, n: int) -> dict[str, Any]:
        assert self.misfit is not None
        at = min(max(n, 1), len(self.misfit.score)) - 1
        score, ability = (float(v[at]) for v in (self.misfit.score, self.misfit.ability))
        return {"score": score, "ability": ability, "solvers": self.misfit.models}
