"""Keep the items that a solver is ready for: by pass rate, with interval, difficulty and level.

Axes: `item` (of the bank).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.engine.calibrate import calibrate, guess_floors, unsettled
from gradatim.engine.sources import Given, open_source, refuse
from gradatim.errors import ArgumentError, FormatError, nearest
from gradatim.families.read import to_row
from gradatim.files import Row, rows
from gradatim.scale.rates import pass_rate
from gradatim.scale.shrinkage import shrink
from gradatim.store import banks
from gradatim.store.logs_tables import ROLES, prompt_id
from gradatim.types import Bank, Estimate, Matrix, Problem, Responses

RATES = ("observed", "shrunk", "predicted")
LEVELS = 10
FEW = 4  # attempts below which an observed rate says little


class Selection(NamedTuple):
    """What was kept.

    Attributes:
        rows: one per kept item, in the order of the source: `id`, the problem's own fields where
            they are known, pass_rate, pass_low, pass_high, pass_n, pass_from (one of RATES),
            pass_solver (None: all attempts), difficulty, se_difficulty, level, level_from
            ("problem", or "decile" of difficulty among the bank's items), guess_floor.
        items: how many there were to keep.
        notes: what a reader must know.
    """

    rows: list[Row]
    items: int
    notes: list[str]


class _Known(NamedTuple):
    """A bank, counts of one solver (or of all) by item, problems by id, what logs say of items.

    `notes` are of the source and of the fit.
    """

    bank: Bank
    solved: np.ndarray
    tried: np.ndarray
    solver: str | None
    problems: Mapping[str, Problem]
    about: Mapping[str, Row]
    notes: Sequence[str]


def select(
    source: Bank | Given | Sequence[Given],
    *,
    band: tuple[float, float] = (0.2, 0.8),
    above_floor: bool = False,
    solver: str | None = None,
    problems: str | Path | Sequence[Problem] | None = None,
    rate: str = "observed",
    level: float = 0.95,
    **reading: Any,
) -> Selection:
    """Keep items by the pass rate of a solver.

    Args:
        source: a bank or its file; or what `calibrate` takes, which is calibrated first.
        band: lowest and highest pass rate that is kept, both included.
        above_floor: keep only items whose whole interval lies above the chance of a guess: the
            bank's floor, or that of the problem's family if it is higher.
        solver: whose pass rate; None: all attempts together, whoever made them.
        problems: a file of problems, or problems, whose fields the rows carry; a run brings its
            own. Rows of other files are found by an id column, or by the hash of their prompt.
        rate: "observed" (solved / tried, Wilson interval), "shrunk" (empirical Bayes: pulled to
            what the solver's items are like) or "predicted" (by the bank's curve at the solver's
            ability; takes a solver). Items that the solver has not tried are predicted in any case.
        level: coverage of the intervals.
        reading: format, score, columns, span of logs, as in `calibrate`.

    Returns:
        Selection.

    Raises:
        ArgumentError: a band outside [0, 1] or upside down, an unknown solver or rate, rates
            predicted of nobody in particular.
        FormatError: a source that is not what it should be.
    """
    low, high = band
    checks.within(0, 1, band=np.array(band, dtype=float))
    if low > high:
        raise ArgumentError(f"`band` must be LOW:HIGH with LOW <= HIGH, got {low:g}:{high:g}")
    checks.one_of("rate", rate, RATES)
    checks.within(1e-9, 1 - 1e-9, level=level)
    known = _known(source, solver, reading)
    if rate == "predicted" and known.solver is None:
        raise ArgumentError(
            "`rate` 'predicted' is of one solver: name it with `solver`, one of "
            f"{_few(known.bank.solvers)}"
        )
    found, how = _rates(known, rate, level)
    rows_of, lost = _problem_rows(problems, known)
    notes = [*known.notes, *lost]
    floor = np.maximum(known.bank.floor, guess_floors(known.bank.items, known.problems))
    kept = np.isfinite(found.value) & (found.value >= low) & (found.value <= high)
    if above_floor:
        guessed = kept & ~(found.low > floor)
        kept &= ~guessed
        if guessed.any():
            notes.append(f"{guessed.sum():,} items in the band may be guessed: left out")
    notes += _remarks(known, found, how, rate)
    written = _written(known, found, (how, floor), rows_of=rows_of, kept=kept)
    return Selection(written, len(known.bank.items), notes)


# -- what is known ----------------------------------------------------------------------------


def _known(source: Any, solver: str | None, reading: Mapping[str, Any]) -> _Known:
    if isinstance(source, str | Path) and _is_bank(Path(source)):
        source = banks.read(source)
    if isinstance(source, Bank):
        refuse(reading)
        notes = unsettled(source.fit)
        if solver is not None:
            _index(source.solvers, solver)
            nothing = np.zeros(len(source.items))
            return _Known(source, nothing, nothing, solver, {}, {}, notes)
        return _Known(source, source.solved, source.tried, None, {}, {}, notes)
    opened = open_source(source, **reading)
    found = opened.responses
    bank = calibrate(found, run=opened.run)
    problems = {} if opened.run is None else {p.id: p for p in opened.run.problems()}
    if solver is None and len(found.solvers) == 1:
        solver = found.solvers[0]
    solved, tried = _counts(found, solver)
    notes = [*opened.notes, *unsettled(bank.fit)]
    return _Known(bank, solved, tried, solver, problems, opened.about, notes)


def _is_bank(path: Path) -> bool:
    if path.suffix != ".parquet" or not path.is_file():
        return False
    try:
        banks.read(path)
    except FormatError as error:
        return "newer" in str(error)
    return True


def _index(names: Sequence[str], wanted: str) -> int:
    if wanted not in names:
        raise ArgumentError(
            f"`solver`: nobody is called {wanted!r} (there are {_few(names)})"
            f"{nearest(wanted, names)}"
        )
    return names.index(wanted)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def _counts(responses: Responses | Matrix, solver: str | None) -> tuple[np.ndarray, np.ndarray]:
    """(item,) solved and tried of one solver, or of all."""
    if isinstance(responses, Matrix):
        at = slice(None)
        if solver is not None:
            first = _index(responses.solvers, solver)
            at = slice(first, first + 1)
        solved = responses.solved[at].sum(axis=0, dtype=float)
        if not isinstance(responses.tried, int):
            return solved, responses.tried[at].sum(axis=0, dtype=float)
        return solved, np.full(solved.shape, float(responses.tried * len(responses.solved[at])))
    mine = slice(None)
    if solver is not None:
        mine = np.flatnonzero(responses.solver == _index(responses.solvers, solver))
    item, n = responses.item[mine], len(responses.items)
    solved = np.bincount(item, weights=responses.solved[mine], minlength=n)
    tried = np.bincount(item, weights=responses.tried[mine], minlength=n)
    return np.minimum(solved, tried), tried


def _rates(known: _Known, rate: str, level: float) -> tuple[Estimate, np.ndarray]:
    """Pass rate of every item, and which of RATES it is; NaN where nothing is known."""
    size = len(known.bank.items)
    value, low, high = np.full((3, size), np.nan)
    how = np.full(size, "", dtype="<U9")
    if known.solver is not None:
        value, low, high = _predicted(known.bank, known.solver, level)
        how[np.isfinite(value)] = "predicted"
    seen = np.flatnonzero(known.tried > 0) if rate != "predicted" else np.zeros(0, dtype=int)
    if len(seen):
        rated = pass_rate if rate == "observed" else shrink
        found = rated(known.solved[seen], known.tried[seen], level=level)
        value[seen], low[seen], high[seen] = found.value, found.low, found.high
        how[seen] = rate
    return Estimate(value, low, high, known.tried), how


def _predicted(bank: Bank, solver: str, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chance on the item's curve, averaged over the errors of item and ability.

    Ref: MacKay 1992, Neural Computation 4:720, for the mean of a logistic of a normal.
    """
    at = _index(bank.solvers, solver)
    away = bank.ability[at] - bank.difficulty
    eta = bank.discrimination * away
    spread = bank.discrimination**2 * (bank.se_ability[at] ** 2 + bank.se_difficulty**2)
    spread = spread + (away * bank.se_discrimination) ** 2
    top = 1.0 if bank.ceiling is None else bank.ceiling
    half = special.ndtri(0.5 + level / 2) * np.sqrt(spread)
    mean = eta / np.sqrt(1 + np.pi * spread / 8)
    value, low, high = (
        bank.floor + (top - bank.floor) * special.expit(x) for x in (mean, eta - half, eta + half)
    )
    return value, np.minimum(low, value), np.maximum(high, value)


def _remarks(known: _Known, found: Estimate, how: np.ndarray, rate: str) -> list[str]:
    notes = []
    nothing = ~np.isfinite(found.value)
    if nothing.any():
        notes.append(f"{nothing.sum():,} items have no pass rate: nobody tried them")
    predicted = int((how == "predicted").sum())
    if predicted and rate != "predicted":
        why = "" if known.tried.any() else ": a bank has no attempts of single solvers"
        notes.append(f"{predicted:,} pass rates are predicted by the scale, not {rate}{why}")
    seen = known.tried[how == "observed"]
    if len(seen) and np.median(seen) < FEW:
        notes.append(
            f"most items have fewer than {FEW} attempts, so observed rates say little: "
            "rate 'shrunk' pulls them to what the solver's items are like"
        )
    return notes


# -- rows -------------------------------------------------------------------------------------


def _problem_rows(
    problems: str | Path | Sequence[Problem] | None, known: _Known
) -> tuple[dict[str, Row], list[str]]:
    """Item -> the fields of its problem."""
    own = dict(known.about) | {name: to_row(p) for name, p in known.problems.items()}
    if problems is None:
        return own, []
    if not isinstance(problems, str | Path):
        return own | {p.id: to_row(p) for p in problems}, []
    found = {}
    items = set(known.bank.items)
    short = {name.rpartition("/")[2]: name for name in items}
    if len(short) < len(items):  # several tasks share their ids
        short = {}
    for _, row in rows(problems):
        for name in _names(row):
            item = name if name in items else short.get(name)
            if item is not None:
                found.setdefault(item, row)
                break
    if not found:
        raise FormatError(
            problems,
            expected="problems of the source, by an id or by their prompt",
            got=f"none of its {len(items):,} items (such as {next(iter(known.bank.items))!r})",
        )
    lost = len(items) - len(found)
    return own | found, [f"{lost:,} items are not in {problems}"] if lost else []


def _names(row: Row) -> list[str]:
    """What an item of this row may be called."""
    names = [str(row[n]) for n in ("id", *ROLES["item"], "doc_id") if row.get(n) is not None]
    prompts = [row[n] for n in ROLES["prompt"] if row.get(n)]
    return names + [prompt_id(p) for p in prompts if isinstance(p, str | list)]


def _written(
    known: _Known,
    found: Estimate,
    told: tuple[np.ndarray, np.ndarray],
    *,
    rows_of: Mapping[str, Row],
    kept: np.ndarray,
) -> list[Row]:
    bank, (how, floor) = known.bank, told
    deciles = _deciles(bank.difficulty)
    written = []
    for i in np.flatnonzero(kept).tolist():
        row = rows_of.get(bank.items[i], {})
        own = row.get("level")
        written.append({
            **row,
            "id": row.get("id", bank.items[i]),
            "pass_rate": float(found.value[i]),
            "pass_low": float(found.low[i]),
            "pass_high": float(found.high[i]),
            "pass_n": int(found.n[i]),
            "pass_from": str(how[i]),
            "pass_solver": known.solver,
            "difficulty": float(bank.difficulty[i]),
            "se_difficulty": float(bank.se_difficulty[i]),
            "level": int(deciles[i]) if own is None else own,
            "level_from": "decile" if own is None else "problem",
            "guess_floor": float(floor[i]),
        })
    return written


def _deciles(difficulty: np.ndarray) -> np.ndarray:
    """(item,) 1 .. 10 by rank of difficulty; equal difficulties share a level.

    >>> _deciles(np.array([0.3, -1.0, 2.0, 0.3]))
    array([3, 1, 8, 3])
    """
    ordered = np.sort(difficulty[np.isfinite(difficulty)])
    below = np.searchsorted(ordered, difficulty, side="left")
    return 1 + np.minimum(LEVELS * below // max(1, len(ordered)), LEVELS - 1)
