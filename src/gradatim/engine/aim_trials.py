"""What `aim` does with a setting of knobs: make problems of it, none twice, and let a solver try.

Axes: `row` (settings tried together).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradatim.engine.attempt import attempt
from gradatim.engine.tally import solved_share
from gradatim.errors import ArgumentError, SolverError
from gradatim.families.generation import generate
from gradatim.progress import Progress, Tick
from gradatim.store.rows import prompt_hash, setting_of
from gradatim.store.run import Run
from gradatim.types import Problem, Solver

EXHAUSTED = 32  # draws in a row, or more, that bring nothing new: the setting has no more


class Maker:
    """Makes problems of settings, none twice."""

    def __init__(self, split: str, seed: int) -> None:
        self.given: dict[str, Any] = {"split": split, "seed": seed}
        self.drawn: dict[str, list[Problem]] = {}  # by setting
        self.looked: dict[str, int] = {}  # at how many of them
        self.over: set[str] = set()  # settings that have no more
        self.taken: set[str] = set()  # ids: small spaces repeat theirs, and settings overlap

    def possible(self, family: str, knobs: Mapping[str, Any]) -> bool:
        """Whether such problems can be made: knobs may bound each other."""
        key = key_of(family, knobs)
        if key not in self.drawn:
            try:
                self.drawn[key] = generate(family, n=1, **self.given, **knobs)
            except ArgumentError:
                self.drawn[key] = []
        return bool(self.drawn[key])

    def fresh(self, family: str, knobs: Mapping[str, Any], n: int) -> list[Problem]:
        """The next n problems of a setting, or as many as it has: see EXHAUSTED."""
        key = key_of(family, knobs)
        found: list[Problem] = []
        while len(found) < n and key not in self.over:
            at, drawn = self.looked.get(key, 0), self.drawn.get(key, [])
            if at == len(drawn):  # item i is the same however many are asked for
                more = at + max(at, n - len(found))
                try:
                    self.drawn[key] = drawn = generate(family, n=more, **self.given, **knobs)
                except ArgumentError:  # next to nothing is of this split
                    break
            before = len(found)
            for problem in drawn[at:]:
                at += 1
                if problem.id not in self.taken:
                    self.taken.add(problem.id)
                    found.append(problem)
                if len(found) == n:
                    break
            if len(found) == before and at - self.looked.get(key, 0) >= EXHAUSTED:
                self.over.add(key)
            self.looked[key] = at
        if len(found) < n:
            self.over.add(key)
        return found


def key_of(family: str, knobs: Mapping[str, Any]) -> str:
    """A setting as a text."""
    return f"{family} {sorted(knobs.items())}"


class Trials:
    """Lets a solver try problems, and counts what that cost."""

    def __init__(
        self, solver: Solver, run: Run, *, retry: Sequence[str], most: int, progress: Progress
    ) -> None:
        self.solver, self.run, self.retry, self.progress = solver, run, retry, progress
        self.most = most  # new attempts that may still come, and those made
        self.made = self.reused = self.lost = 0
        self.figures: dict[str, Any] = {}

    def make(self, asked: Sequence[Sequence[Problem]], most: int) -> tuple[np.ndarray, np.ndarray]:
        """(row,) solved and tried, of first attempts on each row's problems.

        Args:
            asked: each row's problems.
            most: attempts that were planned for them.

        Raises:
            SolverError: a budget of the solver's is spent, or nothing was answered at all.
        """
        row = np.repeat(np.arange(len(asked)), [len(some) for some in asked])
        problems = [problem for some in asked for problem in some]
        self.most -= most - len(problems)
        if not problems:
            return np.zeros(len(asked)), np.zeros(len(asked))
        given: dict[str, Any] = {"solver": self.solver, "run": self.run, "retry": self.retry}
        told = attempt(problems, **given, progress=self._tell)
        self.made += told["made"]
        self.reused += told["reused"]
        self.most -= told["reused"]
        if told["left"]:
            limit = told["spent"].get("stopped_by") or "a limit of the solver"
            raise SolverError(
                f"{self.solver.name} was stopped by {limit} after {self.made:,} new attempts; "
                "raise it, and the same call goes on"
            )
        share = self._shares(problems)
        known = np.array([problem.id in share for problem in problems])
        self.lost += int((~known).sum())
        if self.lost == self.made + self.reused:
            fault = next(iter(told["faults"]), "no verdict")
            raise SolverError(
                f"{self.solver.name} left all of {self.lost:,} attempts without a verdict "
                f"({fault}); when that is mended, `retry` makes them again"
            )
        right = np.array([share.get(problem.id, 0.0) for problem in problems])
        return np.bincount(row, right, len(asked)), np.bincount(row, known, len(asked))

    def show(self, figures: dict[str, Any]) -> None:
        """Tell how far the search is: new attempts only.

        What the run holds already costs no time, and would spoil the ETA.
        """
        self.figures = figures
        self.progress(Tick("aim", self.made, self.most, figures))

    def _tell(self, tick: Tick) -> None:
        done = self.made + tick.done
        if done < self.most:  # the last word is `show`'s
            self.progress(Tick("aim", done, self.most, self.figures))

    def _shares(self, problems: Sequence[Problem]) -> dict[str, float]:
        """1 or 0 for each problem: its first attempt that says something of the solver.

        Only one counts: attempts that other commands add to the run do not turn the search.
        """
        asked, solver = setting_of(self.solver), self.solver
        prompts = {p.id: prompt_hash(solver.prompt(p)) for p in problems}
        given = {"solver": solver.name, "policy": solver.policy, "problem": list(prompts)}
        found: dict[str, float] = {}
        with self.run.ledger() as ledger:
            records = ledger.attempts(text=False, **given)
            for record in sorted(records, key=lambda record: record.sample):
                if record.setting == asked and record.prompt == prompts[record.problem]:
                    share = solved_share({(record.status, record.reason): 1})
                    if share is not None:
                        found.setdefault(record.problem, share)
        return found
