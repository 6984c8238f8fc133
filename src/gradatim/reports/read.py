"""What a run folder holds, read for a report: whatever is missing or damaged becomes a note."""

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.errors import GradatimError
from gradatim.families import registry
from gradatim.files import read_text
from gradatim.store import config, segments
from gradatim.store.counting import Counts, labels
from gradatim.store.ledger import Ledger
from gradatim.store.rows import Record, Setting
from gradatim.store.run import Run
from gradatim.types import Bank, Problem, Responses

RESULTS = ("calibration", "placement", "evaluation", "curves", "verdict")
# what may go wrong with a file that somebody else wrote, or that a crash left behind
BROKEN = (GradatimError, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError)


class Found(NamedTuple):
    """A run's content.

    Attributes:
        path: the run folder.
        config: content of run.toml.
        summary: of a demo; empty where there is none.
        results: name -> value of results/<name>.json, those that exist.
        bank: the newest bank, or None.
        problems: by id.
        counts: sums of all attempts, or None.
        samples: a few attempts with their texts.
        gaps: sentences about what could not be read.
        responses: what the bank was fitted to, where it is not the run's own attempts.
    """

    path: Path
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    results: Mapping[str, Any]
    bank: Bank | None
    problems: Mapping[str, Problem]
    counts: Counts | None
    samples: list[Record]
    gaps: list[str]
    responses: Responses | None = None


def read_run(run: Run) -> Found:
    """Read everything that a report can show; damaged parts are named in `gaps`."""
    gaps: list[str] = []

    def attempt(what: str, read: Callable[[], Any], default: Any) -> Any:
        try:
            return read()
        except BROKEN as error:
            gaps.append(f"{what} could not be read: {error}")
            return default

    results = {}
    for name in RESULTS:
        path = run.path / "results" / f"{name}.json"
        if path.exists():
            value = attempt(f"results/{name}.json", lambda path=path: read_result(path), None)
            if value is not None:
                results[name] = value
    if "curves" not in results and (run.path / "checkpoints").is_dir():
        arms = attempt("checkpoints/", lambda: saved_curves(run.path / "checkpoints"), {})
        results |= {"curves": {"arms": arms}} if arms else {}
    summary = run.path / "summary.json"
    ledger = run.path / "ledger.sqlite"
    counts, samples = None, []
    if ledger.exists():
        counts, samples = attempt("ledger.sqlite", lambda: _attempts(run), (None, []))
    has_bank = (run.path / "results" / "bank.json").exists()
    return Found(
        path=run.path,
        config=attempt("run.toml", lambda: config.load(run.path / "run.toml"), {}),
        summary=attempt("summary.json", lambda: read_result(summary), {})
        if summary.exists()
        else {},
        results=results,
        bank=attempt("the bank", run.bank, None) if has_bank else None,
        problems=attempt("problems/", lambda: {p.id: p for p in run.problems()}, {}),
        counts=counts,
        samples=samples,
        gaps=gaps,
    )


def found_bank(path: Path, bank: Bank, responses: Responses | None) -> Found:
    """A bank by itself, or with the responses behind it, as a report's content."""
    nothing: dict[str, Any] = {}
    return Found(path, nothing, nothing, nothing, bank, {}, None, [], [], responses)


def read_result(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file, out of its envelope of schema and version where it has one.

    Raises:
        ValueError: not JSON, or not an object.
    """
    content = json.loads(read_text(path))
    if isinstance(content, Mapping) and {"schema", "value"} <= set(content):
        content = content["value"]
    if not isinstance(content, Mapping):
        raise ValueError(f"expected a JSON object, got {type(content).__name__}")
    return content


def saved_curves(folder: Path) -> dict[str, dict[str, Any]]:
    """Curves of training runs from their last saved steps: arms as in results/curves.json."""
    arms: dict[str, dict[str, Any]] = {}
    for pointer in sorted(folder.glob("*/latest")):
        state = read_result(pointer.parent / read_text(pointer).strip() / "state.json")
        name = pointer.parent.name.rsplit("-", 1)[0]  # recipe-seed-hash
        recipe = name.rsplit("-", 1)[0]
        name = next(n for n in (recipe, name, pointer.parent.name) if n not in arms)
        keys = {"rollouts": "rollouts", "tokens": "tokens", "mixed": "mixed", "cpu": "cpu"}
        keys |= {"pass_rate": "solved", "entropy": "entropy"}
        curve = state["curve"]
        arms[name] = {key: [step.get(old) for step in curve] for key, old in keys.items()}
        arms[name]["monitor"] = state.get("monitor") or []
    return arms


def solvers_of(settings: Sequence[Setting]) -> list[str]:
    """A name for each setting; the steps of one training run are one solver.

    >>> solvers_of([Setting("tiny", "ab/grpo-0/00001"), Setting("tiny", "ab/grpo-0/00002")])
    ['tiny@ab/grpo-0/*', 'tiny@ab/grpo-0/*']
    """
    names = labels(tuple(settings))
    whole = []
    for name, setting in zip(names, settings, strict=True):
        run, _, step = setting.policy.rpartition("/")
        whole.append(f"{setting.solver}@{run}/*" if run and step.isdigit() else name)
    return whole


def floors(problems: Iterable[Problem]) -> dict[tuple[str, float], float]:
    """(family, level) -> chance that a guess is right: mean over the problems that say so."""
    seen: dict[tuple[str, float], list[float]] = {}
    known = set(registry.names())
    for problem in problems:
        if problem.family in known and problem.level is not None:
            with contextlib.suppress(*BROKEN):  # knobs of another version of the family
                floor = registry.get(problem.family).floor(problem.knobs)
                seen.setdefault((problem.family, float(problem.level)), []).append(floor)
    return {key: float(np.mean(values)) for key, values in seen.items()}


def _attempts(run: Run) -> tuple[Counts, list[Record]]:
    with run.ledger() as ledger:
        return segments.counts(ledger, run.path / "segments"), _some(ledger)


def _some(ledger: Ledger, each: int = 2) -> list[Record]:
    """The first attempts of each outcome: enough to see what answers look like."""
    find = (
        "SELECT g.attempt FROM grade g JOIN reason r ON r.id = g.reason WHERE r.name = ? "
        "ORDER BY g.attempt LIMIT ?"
    )
    cut = (
        "SELECT a.id FROM attempt a JOIN status t ON t.id = a.status WHERE t.name = ? "
        "ORDER BY a.id LIMIT ?"
    )
    ids: list[int] = []
    for query, name, n in (
        (find, "correct", each),
        (find, "wrong", each),
        (find, "unparsed", 1),
        (cut, "truncated", 1),
    ):
        ids += [row[0] for row in ledger.query(query, (name, n)) if row[0] not in ids]
    return [next(ledger.attempts(text=True, after=number - 1)) for number in ids]
