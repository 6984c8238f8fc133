"""How far off a test on a bank is, beyond what it says of itself: from the results behind the bank.

The solvers that calibrated the bank are tested in turn on banks fitted without them. Kept with the
run, so a repeated test does not measure it again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.engine.evaluate_folds import Data, deal, hold_out
from gradatim.engine.sources import Given, open_source
from gradatim.errors import ArgumentError, GradatimError
from gradatim.evaluation.intervals import widening
from gradatim.evaluation.picking import Rules
from gradatim.progress import Progress, Tick
from gradatim.store import banks
from gradatim.store.run import Run
from gradatim.types import Bank, Matrix, Responses

FEWEST = 8  # solvers, under which their errors say little
MODELS, HELD, ITEMS = 1000, 200, 5000  # most solvers, most of them held out, most items
HOLDOUT = 0.2


class Misfit(NamedTuple):
    """What intervals need, in standard deviations of the posterior.

    Attributes:
        score, ability: (step,) half-widths after 1, 2 .. questions.
        models: solvers behind them.
    """

    score: np.ndarray
    ability: np.ndarray
    models: int


def find_misfit(
    bank: Bank,
    *,
    recorded: Given | Sequence[Given] | None,
    home: Run | None,
    run: Run,
    rules: Rules,
    asked: int,
    progress: Progress,
) -> tuple[Misfit | None, str]:
    """Half-widths of intervals for tests on a bank.

    Args:
        bank: that is tested on.
        recorded: the results behind it; None: those of `home`, or the files the bank names.
        home: the run that the bank lies in, which keeps what was found.
        run: keeps it where there is no such run.
        rules: how the tests choose.
        asked: questions of a test.
        progress: told before and after.

    Returns:
        Misfit, and an empty note; or None, and what is missing.

    Raises:
        ArgumentError: `recorded` has not enough of the bank's solvers and items.
    """
    way = rules._replace(rng=None, strata=None)
    key = repr((banks.name_of(bank), asked, way, _named(recorded)))
    keeper = home or run  # what is known of a bank is kept beside it
    known = keeper.read_result("misfit")
    if isinstance(known, dict) and known.get("key") == key:
        score, ability = (np.array(known[name], dtype=float) for name in ("score", "ability"))
        return Misfit(score, ability, known["models"]), ""  # null is NaN
    data, note = _data(bank, recorded, home)
    if data is None:
        if recorded is not None:
            raise ArgumentError(f"`recorded`: {note}")
        return None, (
            f"intervals hold no misfit of the model: {note}; give the results that the bank was "
            "fitted to (--recorded)"
        )
    progress(Tick("evaluate: misfit", 0, 1))
    rng = np.random.default_rng(0)
    fold = deal(len(data.tried), HOLDOUT, 0)
    asked = min(asked, len(data.items))
    plain = rules._replace(rng=rng, strata=None)
    found = hold_out(data, fold, asked=asked, longest=asked, rules=plain, enough=HELD)
    progress(Tick("evaluate: misfit", 1, 1))
    test = found.walk
    left = np.sqrt(np.maximum(test.se**2 - found.se[:, None] ** 2, 0.0))
    misfit = Misfit(
        widening(test.score - found.truth[:, None], test.sd),
        widening(test.ability - found.ability[:, None], np.where(left > 0.05 * test.se, left, 0.0)),
        len(found.row),
    )
    keeper.write_result("misfit", {"key": key, **misfit._asdict()})
    return misfit, ""


def _named(recorded: Any) -> Any:
    """What tells one source from another, in few words."""
    if isinstance(recorded, Responses | Matrix):
        sums = float(np.sum(recorded.solved)), float(np.sum(recorded.tried))
        return (len(recorded.solvers), len(recorded.items), *sums)
    if isinstance(recorded, Run):
        return str(recorded.path)
    if isinstance(recorded, Sequence) and not isinstance(recorded, str):
        return [_named(one) for one in recorded]
    return str(recorded)


def _data(
    bank: Bank, recorded: Given | Sequence[Given] | None, home: Run | None
) -> tuple[Data | None, str]:
    """The bank's solvers' results on its items; or None, and why not."""
    source: Any = recorded
    if source is None:
        source = _behind(bank, home)
    if source is None:
        return None, "the results behind the bank are not here"
    try:
        responses = open_source(source).responses
    except GradatimError as error:
        if recorded is not None:
            raise
        return None, f"the results behind the bank cannot be read ({error})"
    data = _dense(responses, bank)
    if len(data.tried) < FEWEST:
        return None, (
            f"{len(data.tried)} of the bank's {len(bank.solvers)} solvers have results here, "
            f"{FEWEST} are needed"
        )
    return data, ""


def _behind(bank: Bank, home: Run | None) -> Run | list[Path] | None:
    """Where the results that made the bank are."""
    named = [
        Path(str(origin["path"])) for origin in bank.fit.get("sources", ()) if "path" in origin
    ]
    if named:
        return named if all(path.exists() for path in named) else None
    return home if home is not None and (home.path / "ledger.sqlite").exists() else None


def _dense(responses: Responses | Matrix, bank: Bank) -> Data:
    """(solver, item) tables of the solvers and items that the bank knows."""
    rng = np.random.default_rng(0)
    item_at = {item: i for i, item in enumerate(responses.items)}
    fine = np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination)
    items = np.array([
        item_at[n] for n, f in zip(bank.items, fine, strict=True) if f and n in item_at
    ])
    wanted = set(bank.solvers)
    solvers = np.flatnonzero([name in wanted for name in responses.solvers])
    if len(items) > ITEMS:
        items = np.sort(rng.permutation(items)[:ITEMS])
    if len(solvers) > MODELS:
        solvers = np.sort(rng.permutation(solvers)[:MODELS])
    items, solvers = items.astype(int), solvers.astype(int)
    if isinstance(responses, Matrix):
        whole = np.ix_(solvers, items)
        solved = np.asarray(responses.solved)[whole].astype(float)
        tried = np.broadcast_to(responses.tried, np.shape(responses.solved))[whole]
    else:
        row, column = (np.full(len(n), -1) for n in (responses.solvers, responses.items))
        row[solvers], column[items] = np.arange(len(solvers)), np.arange(len(items))
        at = row[responses.solver], column[responses.item]
        here = (at[0] >= 0) & (at[1] >= 0)
        cell = at[0][here], at[1][here]
        solved, tried = (
            np.zeros((len(solvers), len(items))),
            np.zeros((len(solvers), len(items)), int),
        )
        np.add.at(solved, cell, np.asarray(responses.solved)[here])
        np.add.at(tried, cell, np.asarray(responses.tried)[here])
    some = (tried > 0).any(axis=1) if len(items) else np.zeros(len(solvers), dtype=bool)
    return Data(solved[some], tried[some], tuple(responses.items[i] for i in items))
