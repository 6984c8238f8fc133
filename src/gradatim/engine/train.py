"""Train the tiny policy by a recipe: every rollout lands in the ledger, any step can be resumed.

A run may be killed at any instant: it goes on from its last saved step, repeats the few steps
since (which give the same replies and so the same rows), and ends with the same curve.
"""

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks, files
from gradatim.engine import loop, steps, watching
from gradatim.engine.rows import attempt_rows
from gradatim.errors import ArgumentError
from gradatim.progress import Progress, Tick, silent
from gradatim.recipes import registry, rounds
from gradatim.recipes.curriculum import Curriculum
from gradatim.solvers import tiny
from gradatim.solvers.tiny_model import encode
from gradatim.store.banks import name_of
from gradatim.store.ledger import Ledger
from gradatim.store.rows import Setting, prompt_hash
from gradatim.store.run import Run, opened_bank
from gradatim.types import Bank, Estimate, Plan, Problem

SAVE_EVERY = 20.0  # seconds between saved steps: the most that a kill can cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a training run depends on; written to run.toml.

    Attributes:
        recipe: name of a registered recipe.
        rollouts: attempts to spend on training, everything counted.
        start: a checkpoint's file or shipped name.
        prompts, batch: prompts and rollouts of a step.
        rate, ramp: learning rate, and the steps over which it rises.
        limit: most characters of a reply.
        passes: optimiser steps on each batch.
        overrides: slot -> options that differ from the recipe's.
        monitors: how often the held-out problems are tried on the way (at temperature 1; not
            part of `rollouts`, since nothing is learned from it).
        tries: attempts on each of them, k of the pass@k that shows expanding from sharpening;
            one alone tells only the pass rate.
        threads: torch's.
    """

    recipe: str = "gradatim"
    rollouts: int
    start: str = "start"
    seed: int = 0
    prompts: int = 64
    batch: int = 512
    rate: float = 5e-4
    ramp: int = 15
    limit: int = 24
    passes: int = 1
    overrides: Mapping[str, Any]
    monitors: int = 12
    tries: int = 4
    threads: int = 1


class Trained(NamedTuple):
    """What training gave.

    Attributes:
        checkpoint: file of the trained policy.
        curve: one record a step: step, rollouts, tokens, mixed, solved, rows, cpu, and what
            watching.of_step tells (entropy, lag, stale, balance).
        monitor: records of the held-out surveys: rollouts, tokens, cpu, rate (Estimate), entropy,
            coverage (of the training problems so far), alarms, and from the second on, with two
            tries or more, reach (see learning.monitors_reach).
        reused: whether this run was finished before.
    """

    checkpoint: Path
    curve: list[dict[str, Any]]
    monitor: list[dict[str, Any]]
    reused: bool


def train(
    problems: Sequence[Problem],
    *,
    rollouts: int,
    run: Run | str | Path,
    recipe: str = "gradatim",
    held_out: Sequence[Problem] = (),
    bank: Bank | Run | str | Path | None = None,
    anchors: Sequence[Problem] = (),
    progress: Progress = silent,
    **options: Any,
) -> Trained:
    """Train the tiny policy on problems at a fixed budget of rollouts.

    Args:
        problems: what the recipe chooses from; each needs a compact prompt.
        rollouts: attempts to spend; probes and refills are paid from them.
        run: a run or its folder; the ledger, the checkpoints and the curve go there.
        recipe: a name of `list_recipes()`.
        held_out: problems to try on the way; nothing is learned from them.
        bank: difficulties known beforehand (a bank, its file, or the run that holds it), for
            recipes that need them.
        anchors: more problems, probed and never learned from, paid from `rollouts`; see Curriculum.
        progress: told after each step.
        options: further fields of Settings.

    Returns:
        Trained; a run that was finished before with the same settings is reused.

    Raises:
        ArgumentError: an option is unknown, a problem has no compact prompt, the bank holds none
            of them, or the recipe needs a bank.
        FormatError: no bank there.
    """
    known = [name for name in Settings.__dataclass_fields__ if name not in ("recipe", "rollouts")]
    checks.known_keys("train", options, known)
    problems, options = steps.beside(problems, anchors, options)
    settings = Settings(recipe=recipe, rollouts=rollouts, **{"overrides": {}, **options})
    _check(settings)
    if not problems:
        raise ArgumentError("`problems` must hold at least one problem, got none")
    registry.get(recipe)
    run = run if isinstance(run, Run) else Run(run)
    ids = prompt_hash("".join(p.id for p in (*problems, *held_out)))
    known_bank = None if bank is None else opened_bank(bank)
    session = _Session(run, problems, held_out, settings, bank=known_bank)
    about = {"problems": ids, "version": session.start_version, **asdict(settings)}
    about |= {"bank": session.bank} if session.bank else {}
    done = run.config("train", **about)
    if done and session.saved():
        return session.result(reused=True)
    run.add_problems([*problems, *held_out])
    with run.ledger(write=True) as ledger:
        session.resume()
        while session.spent < settings.rollouts:
            session.watch(ledger)
            session.step(ledger)
            progress(session.tick())
            session.save_now_and_then()
        session.watch(ledger)
    session.save()
    run.finish("train")
    return session.result(reused=False)


def _check(s: Settings) -> None:
    checks.whole(1, 10**10, rollouts=s.rollouts, prompts=s.prompts, batch=s.batch)
    checks.whole(0, 2**63 - 1, ramp=s.ramp, monitors=s.monitors, seed=s.seed)
    checks.whole(1, 100, limit=s.limit, threads=s.threads, passes=s.passes, tries=s.tries)
    checks.within(0, 1, rate=s.rate)


def probe(problems: Sequence[Problem], *, seconds: float, limit: int = 24, seed: int = 0) -> float:
    """Rollouts per CPU second of this process, training `grpo` in a folder that is thrown away."""
    settings = Settings(recipe="grpo", rollouts=10**9, seed=seed, limit=limit, overrides={})
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder)
        session = _Session(run, problems, (), settings)
        with run.ledger(write=True) as ledger:
            while session.cpu < seconds:
                session.step(ledger)
    return session.spent / session.cpu


class _Session:
    """The state of one training run between two steps."""

    def __init__(
        self,
        run: Run,
        problems: Sequence[Problem],
        held_out: Sequence[Problem],
        settings: Settings,
        *,
        bank: Bank | None = None,
    ) -> None:
        loop.use_threads(settings.threads)
        self.run, self.settings = run, settings
        self.problems, self.held_out = list(problems), list(held_out)
        self.known = {p.id for p in (*problems, *held_out)}
        hashes = {}
        for p in (*problems, *held_out):
            encode(tiny.compact(p))  # what cannot be read is said before anything is spent
            hashes[p.id] = prompt_hash(tiny.compact(p))
        start = tiny.load(settings.start)
        self.start_version = start.version
        named = files.dumps(files.plain(asdict(settings))) + start.version + "".join(hashes)
        self.bank = "" if bank is None else name_of(bank)
        named += self.bank
        self.folder = run.checkpoints / f"{settings.recipe}-{settings.seed}-{prompt_hash(named)}"
        self.curriculum = Curriculum(
            self.problems,
            settings.recipe,
            settings.seed,
            provides=steps.PROVIDES,
            bank=bank,
            total=settings.rollouts,
            **settings.overrides,
        )
        steps.affordable(self.curriculum, min(settings.batch, settings.rollouts))
        self.learner = loop.Learner(
            start,
            rate=settings.rate,
            ramp=settings.ramp,
            objective=self.curriculum.recipe.objective,
        )
        self.curve: list[dict[str, Any]] = []
        self.monitor: list[dict[str, Any]] = []
        self.first: list[int] = []  # right attempts on each held-out problem, first survey
        self.tried, self.right = ([0] * len(self.problems) for _ in range(2))
        self.spent, self.tokens, self.cpu = 0, 0, 0.0
        self.counted, self.seen = -1, Counter[str]()  # attempts on each problem at this step
        self.saved_at = time.monotonic()

    # -- a step -------------------------------------------------------------------------------

    def step(self, ledger: Ledger) -> None:
        """Plan, sample, verify, store, learn."""
        begin = time.process_time()
        now = min(self.settings.batch, self.settings.rollouts - self.spent)
        prompts = max(1, round(self.settings.prompts * now / self.settings.batch))
        number, version = len(self.curve), self.learner.steps
        taken = steps.take(
            self.curriculum,
            self.learner,
            prompts=prompts,
            rollouts=now,
            limit=self.settings.limit,
            seed=("train", self.settings.seed, self.start_version, number),
            passes=self.settings.passes,
            each=lambda made, plan: self._store(ledger, made, step=number, plan=plan, tag="train"),
        )
        batch = taken.batch
        self.spent += taken.spent
        self.tokens += int(taken.rollouts.replies.lengths.sum())
        self.cpu += time.process_time() - begin
        groups, mixed, solved = rounds.brought(batch)
        self.curve.append({
            "step": number,
            "rollouts": self.spent,
            "tokens": self.tokens,
            "mixed": mixed / max(groups, 1),
            "solved": solved,
            "rows": int(taken.moved["rows"]),
            "cpu": self.cpu,
            **watching.of_step(batch, sampled=version, updates=self.learner.steps - version),
            **watching.of_scale(self.curriculum),
        })
        self.tried = watching.added(self.tried, batch, watching.own(batch))
        self.right = watching.added(self.right, batch, watching.own(batch) & batch.solved)

    def watch(self, ledger: Ledger) -> None:
        """Try the held-out problems when the next of the evenly spread moments has come."""
        moments, done = self.settings.monitors, len(self.monitor)
        due = done * self.settings.rollouts / max(moments - 1, 1)
        if not self.held_out or not moments or done >= moments or self.spent < due - 0.5:
            return
        made = steps.survey(
            self.learner,
            self.held_out,
            n=self.settings.tries,
            limit=self.settings.limit,
            seed=("monitor", self.settings.seed, self.start_version, len(self.monitor)),
        )
        self._store(ledger, made, step=len(self.curve), plan=None, tag="monitor")
        solved = np.bincount(made.row, [v.solved for v in made.verdicts]).astype(int)
        record: dict[str, Any] = {
            "rollouts": self.spent,
            "tokens": self.tokens,
            "cpu": self.cpu,
            "rate": watching.survey_rate(solved, self.settings.tries),
            "entropy": watching.entropy_of(
                made.rollouts.logp, made.rollouts.replies.lengths.numpy()
            ),
            "coverage": watching.covered(self.tried, self.right, self.curriculum.pool.anchors),
            **watching.of_scale(self.curriculum),
        }
        record |= watching.of_survey(solved, np.array(self.first), self.settings.tries)
        self.first = self.first or solved.tolist()
        record["alarms"] = watching.alarms([*self.monitor, record], self.curve)
        self.monitor.append(record)

    def _store(
        self, ledger: Ledger, made: steps.Outcome, *, step: int, plan: Plan | None, tag: str
    ) -> None:
        if step != self.counted:  # a held-out problem may be a training problem too
            self.counted, self.seen = step, Counter()
        setting = Setting(
            f"tiny:{self.settings.start}",
            f"{self.start_version}/{self.folder.name}/{step:05d}",  # no two trainings share one
            files.dumps({"limit": self.settings.limit, "temperature": 1.0}),
        )
        changed = {p.id: p for p in made.problems if p.id not in self.known}
        if changed:  # rewritten problems are as much a part of the run as those it began with
            self.run.add_problems(changed.values())
            self.known |= changed.keys()
        more = {"setting": setting, "step": step, "tag": tag, "seen": self.seen}
        ledger.append(*attempt_rows(made, plan, **more))

    def tick(self) -> Tick:
        """What people watch: rollouts spent, share of groups with a gradient, pass rates."""
        last = self.curve[-20:]
        figures: dict[str, Any] = {
            "step": len(self.curve),
            "mixed": float(np.mean([c["mixed"] for c in last])),
            "pass": float(np.mean([c["solved"] for c in last])),
            "entropy": float(np.mean([c["entropy"] for c in last])),
        }
        if self.monitor:
            figures["held-out"] = float(self.monitor[-1]["rate"]["value"])
            if self.monitor[-1]["alarms"]:
                figures["ALARM"] = ", ".join(self.monitor[-1]["alarms"])
        return Tick(f"train {self.settings.recipe}", self.spent, self.settings.rollouts, figures)

    # -- saving and resuming ------------------------------------------------------------------

    def save_now_and_then(self) -> None:
        if time.monotonic() - self.saved_at > SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Write this step beside the last one, then switch by rename of the pointer."""
        name = f"step-{len(self.curve):06d}"
        files.write_atomic(self.folder / name / "learner.pt", self.learner.state())
        self.curriculum.save(self.folder / name / "curriculum.npz")
        keys = ("curve", "monitor", "first", "tried", "right", "spent", "tokens", "cpu")
        state = json.dumps({key: getattr(self, key) for key in keys})
        files.write_atomic(self.folder / name / "state.json", state)
        tiny.save(self.folder / name / "policy.npz", self.learner.policy())
        files.write_atomic(self.folder / "latest", name)
        for old in self.folder.glob("step-*"):
            if old.name != name:
                shutil.rmtree(old, ignore_errors=True)
        self.saved_at = time.monotonic()

    def saved(self) -> bool:
        """Whether there is a saved step."""
        return (self.folder / "latest").exists()

    def resume(self) -> None:
        """Go back to the last saved step, if there is one."""
        if not self.saved():
            return
        folder = self.folder / (self.folder / "latest").read_text()
        self.learner.restore((folder / "learner.pt").read_bytes())
        self.curriculum = Curriculum.load(folder / "curriculum.npz", self.problems)
        for key, value in json.loads((folder / "state.json").read_text()).items():
            setattr(self, key, value)

    def result(self, *, reused: bool) -> Trained:
        """What the last saved step holds."""
        folder = self.folder / (self.folder / "latest").read_text()
        state = json.loads((folder / "state.json").read_text())
        monitor = [{**m, "rate": Estimate(**m["rate"])} for m in state["monitor"]]
        return Trained(folder / "policy.npz", state["curve"], monitor, reused)
