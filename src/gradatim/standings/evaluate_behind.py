"""The results behind a bank: what says how its items scatter, and how far off tests on it are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.engine.sources import Given, open_source
from gradatim.errors import ArgumentError, GradatimError
from gradatim.scale.ability import select_items
from gradatim.standings.evaluate_folds import CELLS, Data
from gradatim.store.run import Run
from gradatim.types import Bank, Matrix, Responses

FEWEST = 8  # solvers, under which they say little
SHOWN = 3  # names that a message lists
MODELS, ITEMS = 1000, 5000  # most solvers and items of results too large for one table


class Behind(NamedTuple):
    """Results behind a bank.

    Attributes:
        bank: its solvers and items that have results, in the order of `data`.
        data: their results.
        whole: whether every item of the bank that has estimates is there.
    """

    bank: Bank
    data: Data
    whole: bool


def find_behind(
    bank: Bank, recorded: Given | Sequence[Given] | None, home: Run | None
) -> tuple[Behind | None, str]:
    """The results that a bank was fitted to.

    Args:
        bank: that is tested on.
        recorded: the results; None: those of `home`, or the files the bank names.
        home: the run that the bank lies in.

    Returns:
        Behind, and an empty note; or None, and what is missing.

    Raises:
        ArgumentError: `recorded` has not enough of the bank's solvers and items.
    """
    source: Any = _named(bank, home) if recorded is None else recorded
    if source is None:
        return None, "the results behind the bank are not here"
    try:
        responses = open_source(source).responses
    except GradatimError as error:
        if recorded is not None:
            raise
        return None, f"the results behind the bank cannot be read ({error})"
    found = _dense(responses, bank)
    if len(found.data.tried) >= FEWEST:
        return found, ""
    note = (
        f"{len(found.data.tried)} of the bank's {len(bank.solvers)} solvers have results here, "
        f"{FEWEST} are needed"
    )
    if recorded is not None:
        raise ArgumentError(
            f"`recorded`: {note}; it has {_some(responses.solvers, 'solver')} with "
            f"{_some(responses.items, 'item')}, the bank {_some(bank.solvers, 'solver')} with "
            f"{_some(bank.items, 'item')}; give the results that the bank was fitted to"
        )
    return None, note


def _some(names: Sequence[str], thing: str) -> str:
    """How many, and the first of them."""
    listed = ", ".join(map(repr, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
    return f"{len(names):,} {thing}{'' if len(names) == 1 else 's'} ({listed or 'none'})"


def _named(bank: Bank, home: Run | None) -> Run | list[Path] | None:
    """Where the results that made the bank are."""
    named = [
        Path(str(origin["path"])) for origin in bank.fit.get("sources", ()) if "path" in origin
    ]
    if named:
        return named if all(path.exists() for path in named) else None
    return home if home is not None and (home.path / "ledger.sqlite").exists() else None


def _dense(responses: Responses | Matrix, bank: Bank) -> Behind:
    """(solver, item) tables of the solvers and items that the bank knows, in its order."""
    rng = np.random.default_rng(0)
    fine = np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination)
    listed = set(responses.items)
    items = np.flatnonzero([f and n in listed for n, f in zip(bank.items, fine, strict=True)])
    named = set(responses.solvers)
    solvers = np.flatnonzero([name in named for name in bank.solvers])
    whole = len(items) == fine.sum()
    if len(items) * len(solvers) > CELLS:
        if len(items) > ITEMS:
            items, whole = np.sort(rng.permutation(items)[:ITEMS]), False
        if len(solvers) > MODELS:
            solvers = np.sort(rng.permutation(solvers)[:MODELS])
    solved, tried = _cells(
        responses, [bank.solvers[i] for i in solvers], [bank.items[i] for i in items]
    )
    some = (tried > 0).any(axis=1) if len(items) else np.zeros(len(solvers), dtype=bool)
    part = replace(
        select_items(bank, items),
        solvers=tuple(bank.solvers[i] for i in solvers[some]),
        ability=bank.ability[solvers[some]],
        se_ability=bank.se_ability[solvers[some]],
    )
    return Behind(part, Data(solved[some], tried[some], part.items), whole)


def _cells(
    responses: Responses | Matrix, solvers: Sequence[str], items: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """(solver, item) sums of scores and attempts."""
    solver_at, item_at = (
        {name: i for i, name in enumerate(names)} for names in (responses.solvers, responses.items)
    )
    row = np.array([solver_at[name] for name in solvers], dtype=int)
    column = np.array([item_at[name] for name in items], dtype=int)
    if isinstance(responses, Matrix):
        cells = np.ix_(row, column)
        tried = np.broadcast_to(responses.tried, np.shape(responses.solved))
        return np.asarray(responses.solved)[cells].astype(float), tried[cells]
    new_row, new_column = (np.full(len(n), -1) for n in (responses.solvers, responses.items))
    new_row[row], new_column[column] = np.arange(len(row)), np.arange(len(column))
    at = new_row[responses.solver], new_column[responses.item]
    here = (at[0] >= 0) & (at[1] >= 0)
    cell, shape = (at[0][here], at[1][here]), (len(row), len(column))
    solved, tried = np.zeros(shape), np.zeros(shape, dtype=int)
    np.add.at(solved, cell, np.asarray(responses.solved)[here])
    np.add.at(tried, cell, np.asarray(responses.tried)[here])
    return solved, tried
