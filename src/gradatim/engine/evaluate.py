"""An adaptive test, live: ask a solver the problems that tell most about where it stands.

Every attempt lands in the ledger of a run; repeated, the same test asks nothing twice.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.engine.attempt import attempt, list_problems
from gradatim.engine.opening import in_run
from gradatim.errors import ArgumentError, SolverError
from gradatim.evaluation.adaptive import ORDERS, next_items
from gradatim.progress import Progress, Tick, silent
from gradatim.scale.ability import Abilities, estimate_ability, expected_score
from gradatim.solvers.registry import open_solver
from gradatim.store import banks
from gradatim.store.rows import setting_of
from gradatim.store.run import Run
from gradatim.types import Bank, Estimate, Problem, Solver

SILENT = 10  # questions in a row without an answer after which a solver is taken to be down
Z = 1.959964


def evaluate(  # noqa: PLR0913  (one keyword for each dial of a test, as in the command)
    solver: Solver | str,
    bank: Bank | Run | str | Path,
    *,
    problems: Sequence[Problem] | str | Path | None = None,
    run: Run | str | Path | None = None,
    stop_se: float = 0.25,
    max_items: int = 100,
    samples: int = 1,
    order: str = "adaptive",
    top: int = 1,
    batch: int = 1,
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
        stop_se: the test ends when the standard error of the ability is at most this, in logits.
        max_items: most questions.
        samples: attempts per question.
        order: "adaptive" (maximum information) or "random".
        top: exposure control: each question is drawn among this many best.
        batch: questions chosen and asked together.
        seed: of random orders and draws.
        progress: told after each answer.
        options: of the solver, when it is given as a spec string.

    Returns:
        solver, scale, `ability` and `score` (Estimates; the score is the expected share of the
        whole bank solved, n counts questions), se, items asked, `stopped` ("se", "max_items" or
        "bank"), attempts made and reused, unanswered, and `steps`: item, family, level, solved,
        tried, ability, se, score, low, high after each. The interval holds the error of answers
        and of the bank's items, not a solver for whom the bank's order of difficulty is wrong.

    Raises:
        ArgumentError: a bad argument, or no problem of the bank is known.
        SolverError: the solver gave up or does not answer; the same call resumes.
    """
    checks.one_of("order", order, ORDERS)
    checks.within(0, np.inf, stop_se=stop_se)
    checks.within(1, 10**9, max_items=max_items, samples=samples, top=top, batch=batch)
    bank, run = _open(bank, run)
    known = _problems(bank, run, problems)
    opened = open_solver(solver, **options) if isinstance(solver, str) else solver
    if isinstance(solver, str):
        opened = in_run(run, solver, opened, options, attempts=max_items * samples)
    else:
        checks.known_keys("`evaluate` with an open solver", options, ())
    test = _Test(bank, opened, run, known)
    rng = np.random.default_rng(seed)
    try:
        while test.running(stop_se, max_items):
            test.ask(
                _choose(test, min(batch, max_items - len(test.item)), order, top=top, rng=rng),
                samples=samples,
            )
            progress(Tick("evaluate", len(test.item), max_items, test.figures()))
    finally:
        if isinstance(solver, str):
            opened.close()
    found = test.summary()
    run.write_result("evaluation", found)
    return found


class _Test:
    """A test that is under way: what was asked, and what it told."""

    def __init__(self, bank: Bank, solver: Solver, run: Run, problems: dict[int, Problem]) -> None:
        self.bank, self.solver, self.run, self.problems = bank, solver, run, problems
        self.open = np.zeros(len(bank.items), dtype=bool)
        self.open[list(problems)] = True
        self.item: list[int] = []
        self.solved: list[float] = []
        self.tried: list[float] = []
        self.steps: list[dict[str, Any]] = []
        self.made = self.reused = self.unanswered = self.mute = 0
        self.stopped = ""
        self.found = self._estimate()

    def _estimate(self) -> Abilities:
        return estimate_ability(
            self.bank,
            np.array([self.item], dtype=int),
            np.array([self.solved]),
            np.array([self.tried]),
        )

    def running(self, stop_se: float, max_items: int) -> bool:
        """Whether to go on; else `stopped` says why not."""
        if self.item and self.found.se[0] <= stop_se:
            self.stopped = "se"
        elif len(self.item) >= max_items:
            self.stopped = "max_items"
        elif not self.open.any():
            self.stopped = "bank"
        return not self.stopped

    def ask(self, chosen: Sequence[int], *, samples: int) -> None:
        """Ask, and take what the ledger then holds of this solver on these problems."""
        asked = [self.problems[i] for i in chosen]
        outcome = attempt(asked, solver=self.solver, run=self.run, samples=samples)
        self.made += outcome["made"]
        self.reused += outcome["reused"]
        setting = setting_of(self.solver)
        with self.run.ledger() as ledger:
            counts = ledger.responses(
                solver=self.solver.name,
                problem=[problem.id for problem in asked],
                label=lambda other: "me" if other == setting else "others",
            )
        mine = [name == "me" for name in counts.solvers]
        got = {
            counts.items[item]: (solved, tried)
            for who, item, solved, tried in zip(
                counts.solver, counts.item, counts.solved, counts.tried, strict=True
            )
            if mine[who]
        }
        for i, problem in zip(chosen, asked, strict=True):
            self.open[i] = False
            solved, tried = got.get(problem.id, (0.0, 0))
            self._take(i, float(solved), int(tried))

    def _take(self, i: int, solved: float, tried: int) -> None:
        self.mute = 0 if tried else self.mute + 1
        self.unanswered += not tried
        if self.mute >= SILENT:
            raise SolverError(
                f"{self.solver.name} did not answer {SILENT} questions in a row (provider errors); "
                "repeat the command when it is up again"
            )
        self.item.append(i)
        self.solved.append(solved)
        self.tried.append(tried)
        self.found = self._estimate()
        score, low, high = expected_score(self.bank, self.found)
        self.steps.append({
            "item": self.bank.items[i],
            "family": self.problems[i].family,
            "level": self.problems[i].level,
            "solved": solved,
            "tried": tried,
            "ability": float(self.found.value[0]),
            "se": float(self.found.se[0]),
            "score": float(score[0]),
            "low": float(low[0]),
            "high": float(high[0]),
        })

    def figures(self) -> dict[str, Any]:
        last = self.steps[-1]
        return {"ability": last["ability"], "se": last["se"], "score": last["score"]}

    def summary(self) -> dict[str, Any]:
        value, se, n = float(self.found.value[0]), float(self.found.se[0]), len(self.item)
        score, low, high = (float(v[0]) for v in expected_score(self.bank, self.found))
        return {
            "solver": self.solver.name,
            "policy": self.solver.policy,
            "scale": self.bank.scale,
            "ability": Estimate(value, value - Z * se, value + Z * se, n),
            "se": se,
            "score": Estimate(score, low, high, n),
            "items": n,
            "bank_items": len(self.bank.items),
            "stopped": self.stopped,
            "made": self.made,
            "reused": self.reused,
            "unanswered": self.unanswered,
            "steps": self.steps,
        }


def _choose(test: _Test, n: int, order: str, *, top: int, rng: np.random.Generator) -> list[int]:
    """The next n items, best first."""
    open_, chosen = test.open.copy(), []
    for _ in range(n):
        pick = int(
            next_items(test.bank, test.found.value, open_[None], order=order, top=top, rng=rng)[0]
        )
        if pick < 0:
            break
        chosen.append(pick)
        open_[pick] = False
    return chosen


def _open(bank: Bank | Run | str | Path, run: Run | str | Path | None) -> tuple[Bank, Run]:
    """The bank, and the run that keeps the attempts."""
    home: Run | None = None
    if isinstance(bank, str | Path):
        path = Path(bank)
        if path.is_dir():
            bank = Run(path, create=False)
        else:
            bank = banks.read(path)
            folder = path.resolve().parent.parent
            home = Run(folder, create=False) if (folder / "run.toml").exists() else None
    if isinstance(bank, Run):
        home, bank = bank, bank.bank()
    if run is not None:
        return bank, run if isinstance(run, Run) else Run(run)
    if home is None:
        raise ArgumentError("`run` must name a run folder: the bank lies in none")
    return bank, home


def _problems(
    bank: Bank, run: Run, problems: Sequence[Problem] | str | Path | None
) -> dict[int, Problem]:
    """Index in the bank -> problem, for items that have estimates and a known problem."""
    listed = {p.id: p for p in run.problems()} if problems is None else list_problems(problems)
    known = {
        i: listed[item]
        for i, item in enumerate(bank.items)
        if item in listed and np.isfinite(bank.difficulty[i])
    }
    if not known:
        raise ArgumentError(
            f"`problems`: none of the bank's {len(bank.items)} items is known here; give the "
            "JSONL file that was calibrated"
        )
    return known
