"""A live test that is under way: what was asked, what it told, and whether to go on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from gradatim.engine.attempt import attempt
from gradatim.errors import SolverError
from gradatim.evaluation.intervals import luck_of_attempts
from gradatim.evaluation.picking import Rules
from gradatim.evaluation.replay import begin, choose, take, tell
from gradatim.evaluation.stopping import settled, side_of
from gradatim.evaluation.tables import ranking
from gradatim.standings.evaluate_behind import Behind
from gradatim.standings.evaluate_misfit import Misfit
from gradatim.standings.evaluate_start import Start, tables_of
from gradatim.store.rows import setting_of
from gradatim.types import Estimate, Problem, Solver

SILENT = 10  # questions in a row without an answer after which a solver is taken to be down
Z = 1.959964


class Stops(NamedTuple):
    """When a test ends (None: not by this).

    Attributes:
        se: standard error in logits; items: questions; attempts, tokens: at most.
        change, still: the score moves by less than `change` for `still` questions.
        cut: the score's interval lies on one side of it.
    """

    se: float
    items: int
    attempts: int | None
    tokens: int | None
    change: float | None
    still: int
    cut: float | None


class Known(NamedTuple):
    """What is known before the first question.

    Attributes:
        prior: mean and standard deviation of the ability.
        behind: results behind the bank; misfit: what they say of intervals.
        closed: (item,) bool, not to be asked.
    """

    prior: tuple[float, float]
    behind: Behind | None
    misfit: Misfit | None
    closed: np.ndarray


class Course:
    """A test that is under way: what was asked, and what it told."""

    def __init__(
        self,
        start: Start,
        solver: Solver,
        rules: Rules,
        known: Known,
        *,
        samples: int,
        stops: Stops,
    ) -> None:
        self.start, self.solver, self.samples, self.stops = start, solver, samples, stops
        self.prior, self.misfit = known.prior, known.misfit
        self.listed, self.table, beyond = tables_of(
            start,
            known.closed,
            behind=known.behind,
            prior=self.prior,
            samples=samples,
            n_asked=stops.items,
        )
        strata = None if rules.strata is None else rules.strata[self.listed]
        self.rules = rules._replace(strata=strata)
        tried = np.full((1, len(self.listed)), samples)
        self.state = begin(self.table, tried, strata=strata, beyond=beyond)
        self.ranks = ranking(self.table, tried)
        self.item: list[int] = []
        self.at: list[int] = []  # the same, places in the list
        self.steps: list[dict[str, Any]] = []
        self.made = self.reused = self.tokens = self.unanswered = self.mute = 0
        self.answers: list[tuple[float, int]] = []  # rate and attempts of each
        self.stopped, self.half, self.half_of_attempts = "", 0.0, 0.0
        self.line = self._line()

    def running(self) -> bool:
        """Whether to go on; else `stopped` says why not."""
        stops, spent = self.stops, self.made + self.reused
        if self.item and self.line["se"] <= stops.se:
            self.stopped = "se"
        elif self.item and stops.change is not None and self._settled(stops.change):
            self.stopped = "change"
        elif self.item and stops.cut is not None and self._side(stops.cut):
            self.stopped = "cut"
        elif len(self.item) >= stops.items:
            self.stopped = "max_items"
        elif stops.attempts is not None and spent + self.samples > stops.attempts:
            self.stopped = "max_attempts"
        elif stops.tokens is not None and self.tokens >= stops.tokens:
            self.stopped = "max_tokens"
        elif not self.state.open_.any():
            self.stopped = "bank"
        return not self.stopped

    def _settled(self, change: float) -> bool:
        score = np.array([[step["score"] for step in self.steps]])
        return bool(settled(score, change=change, steps=self.stops.still)[0, -1])

    def _side(self, cut: float) -> int:
        return int(side_of(np.array(self.line["low"]), np.array(self.line["high"]), cut))

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
        self.at.append(i)
        self.answers.append((float(rate[0]), tried))
        self.line = self._line()
        about = {"item": problem.id, "family": problem.family, "level": problem.level}
        self.steps.append({**about, "solved": solved, "tried": tried, **self.line})

    def _line(self) -> dict[str, float]:
        """What is known now; the interval holds misfit where that is known.

        The score is what is expected of the solver, so its interval holds the luck of the attempts
        that were made: a posterior of the score of these very attempts (`half_of_attempts`, as in
        a replay) has none left once all items are asked.
        """
        told = tell(self.state, self.table)
        wide, off = Z, Z
        if self.misfit is not None and self.item:
            at = min(len(self.item), len(self.misfit.score)) - 1
            wide, off = (
                float(v[at]) if np.isfinite(v[at]) else Z
                for v in (self.misfit.score, self.misfit.ability)
            )
        score, kept = float(told.score[0]), wide * float(told.sd[0])
        half = float(np.hypot(kept, Z * self._luck()))
        self.half, self.half_of_attempts = half, kept
        return {
            "ability": float(told.ability[0]),
            "se": float(told.se[0]) * off / Z,
            "score": score,
            "low": max(score - half, 0.0),
            "high": min(score + half, 1.0),
        }

    def _luck(self) -> float:
        """Standard deviation of the score over reruns of the questions asked."""
        if not self.at:
            return 0.0
        rate, tried = (np.array(column) for column in zip(*self.answers, strict=True))
        chance, weight = self.table.chance[self.at], self.state.weight[0]
        coin = (chance * (1 - chance)) @ weight * np.minimum(self.table.dispersion[self.at], 1)
        return float(np.sqrt(luck_of_attempts(rate, tried, coin)) / self.state.size[0])

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
            "score_of_attempts": Estimate(now["score"], *self._kept(now["score"]), n),
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
            "cut": None if self.stops.cut is None else self._cut(self.stops.cut),
            "notes": notes,
            "steps": self.steps,
        }

    def _kept(self, score: float) -> tuple[float, float]:
        """Ends of the interval in which the attempts made so far stand for their items."""
        return max(score - self.half_of_attempts, 0.0), min(score + self.half_of_attempts, 1.0)

    def _cut(self, cut: float) -> dict[str, Any]:
        """On which side of the cut the score lies, and how likely it lies above."""
        over, sd = self.line["score"] - cut, self.half / Z
        chance = float(special.ndtr(over / sd)) if sd > 0 else float(over > 0)
        side = {1: "above", -1: "below", 0: None}[self._side(cut)]
        return {"at": cut, "side": side, "chance": chance}

    def _widened(self, n: int) -> dict[str, Any]:
        assert self.misfit is not None
        at = min(max(n, 1), len(self.misfit.score)) - 1
        score, ability = (float(v[at]) for v in (self.misfit.score, self.misfit.ability))
        return {"score": score, "ability": ability, "solvers": self.misfit.models}
