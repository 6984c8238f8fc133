"""The whole loop once, for real: problems, attempts, one scale, training at an equal budget.

Nothing is canned: every figure is computed in the run and stands in its folder. Repeated, the
demo says what it reuses and does the rest.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from gradatim import checks, files
from gradatim.engine import loop, train, verdict
from gradatim.engine.attempt import attempt
from gradatim.engine.calibrate import calibrate
from gradatim.errors import ArgumentError, SolverError
from gradatim.evaluation.adaptive import placement
from gradatim.families.generation import generate
from gradatim.families.read import save
from gradatim.progress import Progress, Tick, silent
from gradatim.solvers import tiny
from gradatim.solvers.registry import open_solver
from gradatim.store.run import Run
from gradatim.types import Bank, Estimate, Problem

FAMILIES = ("lists", "arithmetic", "sat")
LEVELS = range(1, 11)
TRAIN, TEST = 300, 200  # problems of each family that are tried by the crowd
POOL = 4_000  # of each family to train on: of few, training learns the answers by heart
CROWD_SAMPLES, VERDICT_SAMPLES = 4, 8
ARMS = ("grpo", "gradatim")
LIMIT = 24  # characters of a reply
PROBE_SECONDS = 5.0
TRAIN_SECONDS = (
    14.0  # CPU seconds of `grpo`'s arm; pairs of attempts take two to three times as long
)
LEAST, MOST = 20_000, 240_000
ITEMS = 60  # questions of the placement test
STOP_SE = 0.25


def demo(
    run: Run | str | Path = "runs/demo",
    *,
    rollouts: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
    echo: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Run every stage and return the summary that is written to summary.json.

    Args:
        run: a run or its folder.
        rollouts: of each arm; default: from a speed probe, fixed before training and recorded.
        seed: of problems and training.
        progress, echo: told of ticks, and of lines of the two arms.

    Raises:
        ArgumentError: the run is of another seed.
        SolverError: an arm's process failed; repeat to resume.
    """
    checks.within(1, 10**9, rollouts=1 if rollouts is None else rollouts)
    checks.within(0, 2**31, seed=seed)
    run = run if isinstance(run, Run) else Run(run, seed=seed)
    if run.seed != seed:
        raise ArgumentError(
            f"`seed` is {seed}, but {run.path} is a run of seed {run.seed}: name another --run"
        )
    loop.use_threads(1)  # more threads only wait for each other on a network this small
    clock = _Clock()
    with clock.stage("problems"):
        train_set, test_set = _problems(run, seed, progress)
        everything = [*train_set, *test_set]
    with clock.stage("attempts"):
        crowd = [name for name in tiny.shipped() if name.startswith("crowd-")]
        counted = [_answer(name, everything, run, progress) for name in [*crowd, "held-out"]]
    with clock.stage("scale"):
        bank, calibration = _scale(run, crowd, progress)
        placed = _place(run, bank, seed)
    with clock.stage("budget"):
        budget = _budget(run, train_set, rollouts=rollouts, seed=seed, progress=progress)
    with clock.stage("train"):
        arms = _train(run, budget["rollouts"], seed, echo)
    with clock.stage("verdict"):
        judged = _judge(run, arms, test_set, progress)
    summary = {
        "problems": len(everything),
        "train_problems": len(train_set),
        "pool_problems": POOL * len(FAMILIES),
        "test_problems": len(test_set),
        "attempts": {k: sum(c[k] for c in counted) for k in ("requested", "reused", "made")},
        "crowd": len(crowd),
        "never_solved": calibration["never_solved"],
        "spearman": calibration["spearman"],
        "placement": {k: v for k, v in placed.items() if np.ndim(v) == 0},
        "budget": budget,
        "verdict": {k: v for k, v in judged.items() if k != "rows"},
        "seconds": clock.seconds,
        "cpu_seconds": clock.cpu,
        "seed": seed,
    }
    plain = files.plain(summary)
    files.write_atomic(run.path / "summary.json", json.dumps(plain, indent=1) + "\n")
    return plain


class _Clock:
    """Wall and CPU seconds of each stage, child processes included."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        wall, before = time.monotonic(), os.times()
        yield
        after = os.times()
        self.seconds[name] = round(time.monotonic() - wall, 2)
        self.cpu[name] = round(sum(after[:4]) - sum(before[:4]), 2)


# -- 1. problems ------------------------------------------------------------------------------


def _problems(run: Run, seed: int, progress: Progress) -> tuple[list[Problem], list[Problem]]:
    sets = {}
    for split, n in (("train", TRAIN), ("test", TEST)):
        found: list[Problem] = []
        for family in FAMILIES:
            found += generate(family, n=n, level=LEVELS, seed=seed, split=split, unique=True)
            progress(Tick(f"problems {split}", len(found), n * len(FAMILIES)))
        sets[split] = found
        save(run.path / f"{split}.jsonl", found)
        run.add_problems(found)
    pool = [p for f in FAMILIES for p in generate(f, n=POOL, level=LEVELS, seed=seed)]
    save(run.path / "pool.jsonl", pool)
    return sets["train"], sets["test"]


# -- 2. attempts and the scale ----------------------------------------------------------------


def _answer(name: str, problems: Sequence[Problem], run: Run, progress: Progress) -> dict[str, Any]:
    def named(tick: Tick) -> None:
        progress(tick._replace(stage=f"attempts {name}"))

    solver = replace(open_solver(f"tiny:{name}", limit=LIMIT), name=name)
    return attempt(problems, solver=solver, run=run, samples=CROWD_SAMPLES, progress=named)


def _scale(run: Run, crowd: Sequence[str], progress: Progress) -> tuple[Bank, Mapping[str, Any]]:
    with run.ledger() as ledger:
        responses = ledger.responses(solver=list(crowd), label=lambda who: who.solver)
    bank = calibrate(responses, run=run, progress=progress)
    return bank, run.read_result("calibration")


def _place(run: Run, bank: Bank, seed: int) -> dict[str, Any]:
    """Place the held-out checkpoint by its recorded answers: adaptive and random items."""
    with run.ledger() as ledger:
        mine = ledger.responses(solver="held-out")
    at = {item: i for i, item in enumerate(bank.items)}
    solved, tried = np.zeros(len(at)), np.zeros(len(at), dtype=np.int64)
    where = np.array([at[mine.items[i]] for i in mine.item])
    solved[where], tried[where] = mine.solved, mine.tried
    found = placement(
        bank, solved, tried, max_items=ITEMS, samples=1, rng=np.random.default_rng(seed)
    )
    sure = np.flatnonzero(found.se <= STOP_SE)
    last = int(sure[0]) if len(sure) else len(found.items) - 1
    placed = {
        "solver": "held-out",
        "stop_se": STOP_SE,
        "reached": bool(len(sure)),
        "used": last + 1,
        "error_at_used": found.ability_error[last],
        "random_error_at_used": found.random_ability_error[last],
        "score_error_at_used": found.error[last],
        "random_score_error_at_used": found.plain_error[last],
        "reference_ability": found.truth_ability,
        "reference_score": found.truth,
        "repeats": found.repeats,
        "items": found.items,
        "adaptive_error": found.ability_error,
        "adaptive_se": found.se,
        "random_error": found.random_ability_error,
        "random_low": found.random_ability_low,
        "random_high": found.random_ability_high,
    }
    run.write_result("placement", placed)
    return placed


# -- 3. training at an equal budget -----------------------------------------------------------


def _budget(
    run: Run,
    problems: Sequence[Problem],
    *,
    rollouts: int | None,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Rollouts of each arm: asked for, recorded by an earlier start, or from a probe."""
    known = run.read_result("budget")
    if known and (rollouts is None or known["rollouts"] == rollouts):
        return known
    if rollouts is not None:
        budget: dict[str, Any] = {"rollouts": rollouts, "source": "asked for"}
    else:
        progress(Tick("speed probe", 0, PROBE_SECONDS))
        speed = train.probe(problems, seconds=PROBE_SECONDS, limit=LIMIT, seed=seed)
        progress(Tick("speed probe", PROBE_SECONDS, PROBE_SECONDS))
        wanted = int(round(speed * TRAIN_SECONDS, -3))
        budget = {
            "rollouts": min(max(wanted, LEAST), MOST),
            "source": "speed probe",
            "rollouts_per_cpu_second": speed,
        }
    run.write_result("budget", budget)
    return budget


def _train(
    run: Run, rollouts: int, seed: int, echo: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Both arms as processes side by side; what they say is passed on."""
    said: dict[str, list[str]] = {arm: [] for arm in ARMS}
    with ExitStack() as stack:
        children = {arm: stack.enter_context(_start(run, arm, rollouts, seed)) for arm in ARMS}
        listeners = [
            threading.Thread(target=_listen, args=(child.stderr, said[arm], echo), daemon=True)
            for arm, child in children.items()
        ]
        for listener in listeners:
            listener.start()
        try:
            codes = {arm: child.wait() for arm, child in children.items()}
        except BaseException:
            for child in children.values():
                child.terminate()
            raise
        for listener in listeners:
            listener.join()
    for arm, code in codes.items():
        if code:
            last = said[arm][-1] if said[arm] else "no message"
            raise SolverError(f"arm {arm} ended with code {code}: {last}; repeat to resume")
    return {arm: json.loads(_result_file(run, arm).read_text()) for arm in ARMS}


def _result_file(run: Run, arm: str) -> Path:
    return run.path / "arms" / f"{arm}.json"


def _start(run: Run, arm: str, rollouts: int, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gradatim", "train", str(run.path / "pool.jsonl")]
    command += ["--held-out", str(run.path / "test.jsonl"), "--recipe", arm]
    command += ["--rollouts", str(rollouts), "--seed", str(seed), "--json"]
    command += ["--tries", "1"]  # reach is judged by the verdict, on many attempts
    command += ["--run", str(run.path / "arms" / arm)]
    result = _result_file(run, arm)
    with files.disk_errors(result):
        result.parent.mkdir(parents=True, exist_ok=True)
        with result.open("w") as out:
            threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            return subprocess.Popen(
                command,
                text=True,
                stdout=out,
                stderr=subprocess.PIPE,
                env={**os.environ, **threads},
            )


def _listen(lines: IO[str], said: list[str], echo: Callable[[str], None]) -> None:
    for line in lines:
        said.append(line.rstrip())
        echo(line.rstrip())


# -- 4. the verdict ---------------------------------------------------------------------------


def _judge(
    run: Run, arms: Mapping[str, Any], problems: Sequence[Problem], progress: Progress
) -> dict[str, Any]:
    monitors = {
        arm: [{**m, "rate": Estimate(**m["rate"])} for m in found["monitor"]]
        for arm, found in arms.items()
    }
    run.write_result("curves", {"arms": {arm: _curve(found) for arm, found in arms.items()}})
    checkpoints = {"start": "start", **{arm: found["checkpoint"] for arm, found in arms.items()}}
    versions = verdict.try_arms(
        checkpoints,
        problems,
        run=run,
        samples=VERDICT_SAMPLES,
        limit=LIMIT,
        progress=progress,
    )
    judged = verdict.judge(versions, problems, run=run, limit=LIMIT)
    target = verdict.final_rate(monitors["grpo"])
    main = next(
        d["value"]
        for d in judged["difference"]
        if d["mode"] == "sampled" and d["between"] == ["gradatim", "grpo"]
    )
    last = {arm: found["curve"][-1] for arm, found in arms.items()}
    judged |= {
        "trainings": {arm: Path(f["checkpoint"]).parent.parent.name for arm, f in arms.items()},
        "rollouts": last["grpo"]["rollouts"],  # both arms spend exactly what they are given
        "tokens": {arm: row["tokens"] for arm, row in last.items()},
        "cpu_seconds": {arm: row["cpu"] for arm, row in last.items()},
        "target": target,
        "rollouts_to_target": {
            arm: verdict.rollouts_to(target, monitor) for arm, monitor in monitors.items()
        },
        "statement": verdict.statement(main, "gradatim", "grpo"),
    }
    run.write_result("verdict", judged)
    return judged


def _curve(found: Mapping[str, Any]) -> dict[str, Any]:
    steps = found["curve"]
    names = {"rollouts": "rollouts", "tokens": "tokens", "pass_rate": "solved", "mixed": "mixed"}
    names["entropy"] = "entropy"
    columns = {name: [row[key] for row in steps] for name, key in names.items()}
    return columns | {"cpu": [row["cpu"] for row in steps], "monitor": found["monitor"]}
