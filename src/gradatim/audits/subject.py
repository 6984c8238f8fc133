"""What `audit FILE` looks at, read once: results, their order, what is known beside them, texts.

Axes: `solver`, `item`, `attempt` (in the order made).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.audits.columns import (
    arrays_of,
    by_repeats,
    constant,
    informative,
    listed,
    pick,
    said_of_steps,
    typed,
    verdicts,
)
from gradatim.audits.known import Known, recall
from gradatim.audits.questions import (
    ANSWERS,
    PROMPTS,
    SPLITS,
    Question,
    answer_of,
    holds_problems,
    read_questions,
    words_of,
)
from gradatim.engine.sources import open_source
from gradatim.evaluation.better_checker import Stakes
from gradatim.evaluation.verifier_error import ErrorRates
from gradatim.scale import irt
from gradatim.store import logs_tables
from gradatim.store.formats import responses_of
from gradatim.store.logs import is_matrix, read_files
from gradatim.store.run import Run
from gradatim.store.sums import Log
from gradatim.store.tables import open_table, read_columns
from gradatim.types import Bank, Estimate, Matrix, Responses

CELLS = 40_000_000  # size of the table; with more, the most answered items
TIMES = ("time", "created", "timestamp", "started", "completed", "date")


class Attempts(NamedTuple):
    """Attempts one by one, in the order made.

    Attributes:
        solver, item: (attempt,) int, indices into the matrix.
        score: (attempt,) float in [0, 1].
        columns: name -> (attempt,) numbers or texts, everything else that the file says of each.
        ordered: whether a time says the order; otherwise it is the file's.
    """

    solver: np.ndarray
    item: np.ndarray
    score: np.ndarray
    columns: Mapping[str, np.ndarray]
    ordered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A file under audit.

    Attributes:
        name: as given.
        matrix: solved and tried by solver and item (tried always a table); None: no results.
        of_item: name -> (item,) what the file says of items: split, date_ms, subtask, difficulty.
        of_solver: name -> (solver,) what it says of solvers: seed, run, step, family.
        bank: items and solvers on one scale (2PL); None: fewer than two of either.
        known: of items from other attempts; None: no bank was given.
        attempts: None where the file has sums only.
        questions: texts of problems; `against`: those that no question should be among.
        errors: rates at which the verifier is said to err; None: nothing is said.
        stakes: what a wrong answer costs and who else could check; None: nothing is decided.
        ahead: training step at which scores are forecast; None: twice the last one.
        alarm: chance of a false finding that one section may take.
        seed: of simulation.
        notes: what was not read, and why.
    """

    name: str
    matrix: Matrix | None = None
    bank: Bank | None = None
    known: Known | None = None
    of_item: Mapping[str, np.ndarray] = field(default_factory=dict)
    of_solver: Mapping[str, np.ndarray] = field(default_factory=dict)
    attempts: Attempts | None = None
    questions: tuple[Question, ...] = ()
    against: tuple[Question, ...] = ()
    errors: ErrorRates | None = None
    stakes: Stakes | None = None
    ahead: float | None = None
    alarm: float = 0.01
    seed: int = 0
    notes: tuple[str, ...] = ()


def finding(
    kind: str, names: Sequence[str], words: str, *, remedy: str, **evidence: Any
) -> dict[str, Any]:
    """One finding of a section: what it is, about whom, in a sentence, and what to do."""
    return {
        "kind": kind,
        "names": list(names),
        "words": words,
        "remedy": remedy,
        "evidence": evidence,
    }


def written(rate: Estimate) -> str:
    """An estimate for a sentence."""
    if rate.low == rate.high:
        return f"{rate.value:.3f}"
    return f"{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}]"


def open_subject(
    source: str | Path | Run | Responses | Matrix,
    *,
    bank: Bank | Run | str | Path | None = None,
    against: Sequence[str | Path] = (),
    errors: ErrorRates | None = None,
    alarm: float = 0.01,
    seed: int = 0,
    **reading: Any,
) -> Subject:
    """Read what there is.

    Args:
        source: a file of problems, a matrix, logs, a table of attempts, a run or its folder.
        bank: items calibrated on other attempts: a bank, its file, or a run's newest. That of
            `source` itself is of the attempts under audit and is refused: drift is in it.
        against: files of problems that must not be among those of `source`: what was trained on.
        errors, alarm, seed: as in Subject.
        reading: format, score, columns, span of `store.logs.read_files`.

    Raises:
        FormatError: neither problems nor results are in it; says the columns there are.
        ArgumentError: an option that the source has no use for; a bank with none of its items.
    """
    about = {"errors": errors, "alarm": alarm, "seed": seed}
    subject = _opened(source, against, about, reading)
    if bank is not None:
        known, note = recall(subject.matrix, bank, source=source)
        subject = replace(subject, known=known, notes=(*subject.notes, note))
    matrix = subject.matrix
    if matrix is None or min(matrix.solved.shape) < 2:
        return subject
    return replace(subject, bank=irt.fit(matrix))


def _opened(
    source: str | Path | Run | Responses | Matrix,
    against: Sequence[str | Path],
    about: Mapping[str, Any],
    reading: Mapping[str, Any],
) -> Subject:
    others = tuple(question for path in against for question in read_questions(Path(path)))
    about = {**about, "against": others}
    if isinstance(source, Run) or (isinstance(source, str | Path) and _is_run(Path(source))):
        return _of_run(source if isinstance(source, Run) else Run(source, create=False), about)
    if isinstance(source, Responses | Matrix):
        matrix, notes = _table(source)
        return Subject(name="responses", matrix=matrix, notes=notes, **about)
    path = Path(source)
    if holds_problems(path, reading):
        return Subject(name=str(path), questions=tuple(read_questions(path)), **about)
    return _of_logs(path, about, reading)


# -- results ----------------------------------------------------------------------------------


def _is_run(path: Path) -> bool:
    return (path / "run.toml").exists()


def _table(responses: Responses | Matrix) -> tuple[Matrix, tuple[str, ...]]:
    """Counts as a table whose `tried` has an entry per cell."""
    n_solvers, n_items = len(responses.solvers), len(responses.items)
    most = max(1, CELLS // max(1, n_solvers))
    if isinstance(responses, Matrix):
        tried = np.broadcast_to(np.asarray(responses.tried), responses.solved.shape)
        if n_items <= most:
            whole = np.where(tried > 0, responses.solved, 0).astype(float)
            names = {"solvers": responses.solvers, "items": responses.items}
            return Matrix(solved=whole, tried=tried.astype(np.int64), **names), ()
        responses = responses_of(responses)
    answered = np.bincount(responses.item, minlength=n_items)
    chosen = np.sort(np.argsort(-answered, kind="stable")[:most])
    place = np.full(n_items, -1)
    place[chosen] = np.arange(len(chosen))
    kept = place[responses.item] >= 0
    where = responses.solver[kept], place[responses.item[kept]]
    solved = np.zeros((n_solvers, len(chosen)))
    tried = np.zeros(solved.shape, dtype=np.int64)
    solved[where], tried[where] = responses.solved[kept], responses.tried[kept]
    items = tuple(responses.items[i] for i in chosen)
    notes = (
        (f"the {len(chosen):,} most answered of {n_items:,} items were looked at",)
        if len(chosen) < n_items
        else ()
    )
    return Matrix(solved=solved, tried=tried, solvers=responses.solvers, items=items), notes


def _of_run(run: Run, about: Mapping[str, Any]) -> Subject:
    matrix, notes = _table(open_source(run).responses)
    seat = {name: i for i, name in enumerate(matrix.solvers)}
    place = {name: i for i, name in enumerate(matrix.items)}
    rows: list[tuple[int, int, float, float, int, str, float, int, float, str]] = []
    with run.ledger() as ledger:
        for record in ledger.attempts(text=False):
            name = record.setting.solver + f"@{record.setting.policy}" * bool(record.setting.policy)
            if record.solved is None or name not in seat or record.problem not in place:
                continue
            row = (seat[name], place[record.problem], float(record.solved))
            logp = np.nan if record.logp is None else record.logp
            made = (record.created, record.step, record.verifier or "", logp, record.tokens)
            rows.append((*row, *made, float(record.reason == "abstained"), record.tag or ""))
    attempts = None
    if rows:
        solver, item, score, *more = map(np.array, zip(*rows, strict=True))
        names = ("created", "step", "verifier", "logp", "tokens", "abstained", "tag")
        beside: dict[str, np.ndarray] = dict(zip(names, more, strict=True))
        attempts = _ordered(Attempts(solver, item, score, beside, ordered=False))
    problems = run.problems()
    questions = tuple(
        Question(p.id, words_of(p.prompt), p.answer, p.split, f"{run.path} {p.id}")
        for p in problems
    )
    known = {p.id: p for p in problems}
    of_item = {
        name: np.array([str(getattr(known.get(i), name, "") or "") for i in matrix.items])
        for name in ("family", "split", "level")
    }
    held = [known[i].meta.get("held_out") if i in known else None for i in matrix.items]
    of_item["held_out"] = np.array([str(kind or "") for kind in held])
    return Subject(
        name=str(run.path),
        matrix=matrix,
        of_item=informative(of_item),
        attempts=attempts,
        questions=questions,
        notes=notes,
        **about,
    )


def _of_logs(path: Path, about: Mapping[str, Any], reading: Mapping[str, Any]) -> Subject:
    reading = by_repeats(path, {n: value for n, value in reading.items() if value is not None})
    opened = open_source(path, **reading)
    matrix, notes = _table(opened.responses)
    notes = (*notes, *opened.notes)
    of_item: dict[str, np.ndarray] = {}
    of_solver: dict[str, np.ndarray] = {}
    attempts = None
    if is_matrix(path, reading.get("format")):
        beside = arrays_of(path)
        full = opened.responses.items
        place = {name: i for i, name in enumerate(full)}
        chosen = np.array([place[name] for name in matrix.items], dtype=int)
        of_item = {n: v[chosen] for n, v in beside.items() if v.shape == (len(full),)}
        of_solver = {n: v for n, v in beside.items() if v.shape == (len(matrix.solvers),)}
        of_solver = {n: v for n, v in of_solver.items() if n not in of_item}
    else:
        attempts = _attempts(read_files(path, **reading), matrix, reading.get("columns") or {})
        if attempts is not None:
            columns = attempts.columns
            of_item = constant(columns, attempts.item, len(matrix.items))
            of_solver = constant(columns, attempts.solver, len(matrix.solvers))
            notes = (*notes, *said_of_steps(columns, of_solver))
    questions = tuple(
        Question(item, words_of(told["prompt"]), answer_of(told), "", f"{path} {item}")
        for item, told in opened.about.items()
        if told.get("prompt")
    )
    return Subject(
        name=str(path),
        matrix=matrix,
        of_item=informative(of_item),
        of_solver=informative(of_solver),
        attempts=attempts,
        questions=questions or _words_of_items(of_item, matrix, path),
        notes=notes,
        **about,
    )


def _attempts(logs: Sequence[Log], matrix: Matrix, named: Mapping[str, str]) -> Attempts | None:
    """Rows of logs as attempts, where each row is one."""
    if any(len(log.tried) and log.tried.max() > 1 for log in logs):
        return None
    seat = {name: i for i, name in enumerate(matrix.solvers)}
    place = {name: i for i, name in enumerate(matrix.items)}
    parts, tables = [], []
    for log in logs:
        solver = np.array([seat[n] for n in log.solvers], dtype=np.int64)[log.solver]
        item = np.array([place.get(n, -1) for n in log.items], dtype=np.int64)[log.item]
        parts.append((solver, item, np.asarray(log.solved, dtype=float)))
        tables.append(_beside(log, named))
    solver, item, score = (np.concatenate(x) for x in zip(*parts, strict=True))
    shared = set(tables[0]).intersection(*tables[1:])
    columns = {n: np.concatenate([t[n] for t in tables]) for n in tables[0] if n in shared}
    kept = item >= 0
    columns = {name: value[kept] for name, value in columns.items()}
    return _ordered(Attempts(solver[kept], item[kept], score[kept], columns, ordered=False))


def _beside(log: Log, named: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Further columns of a table, one entry per row that has a score; see `read_files`."""
    if log.format not in ("table", "rollouts", "trl", "verl"):
        return {}
    opened = open_table(Path(log.path))
    names = [n for n in opened.names if str(n).strip()]
    table = read_columns(opened, names)
    values = verdicts({n: listed(table.columns[n]) for n in names})
    scored = np.array([v is not None and v != "" and v == v for v in values[log.score]])
    if scored.sum() != len(log.solver):
        return {}
    own = {log.score}
    for role in ("solver", "item"):  # the matrix has these
        own.add(named.get(role) or str(pick({n: n for n in names}, logs_tables.ROLES[role])))
    return {
        n: typed([v for v, k in zip(x, scored, strict=True) if k])
        for n, x in values.items()
        if n not in own
    }


def _ordered(attempts: Attempts) -> Attempts:
    """By time where there is one, and as they came where there is none."""
    time = pick(attempts.columns, TIMES)
    if time is None or (time.dtype.kind == "f" and np.isnan(time).any()):
        return attempts
    order = np.argsort(time, kind="stable")
    columns = {name: value[order] for name, value in attempts.columns.items()}
    solver, item, score = (x[order] for x in attempts[:3])
    return Attempts(solver, item, score, columns, ordered=True)


def _words_of_items(
    of_item: Mapping[str, np.ndarray], matrix: Matrix, path: Path
) -> tuple[Question, ...]:
    """Texts that a table of attempts repeats on each row of an item."""
    text, answer, split = (pick(of_item, names) for names in (PROMPTS, ANSWERS, SPLITS))
    if text is None or text.dtype.kind != "U":
        return ()
    return tuple(
        Question(
            item,
            str(text[i]),
            None if answer is None else str(answer[i]),
            "" if split is None else str(split[i]),
            f"{path} {item}",
        )
        for i, item in enumerate(matrix.items)
    )
