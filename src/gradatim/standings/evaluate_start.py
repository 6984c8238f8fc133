"""What a live test begins with: bank, run, problems, kinds of items, and what is known already."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.engine.attempt import list_problems
from gradatim.errors import ArgumentError, FormatError, nearest
from gradatim.evaluation.replay import Beyond
from gradatim.evaluation.shortlist import listed_items
from gradatim.evaluation.tables import Table, rows_of, tabulate, with_item_errors
from gradatim.scale.ability import select_items
from gradatim.scale.curves import probability
from gradatim.standings.evaluate_behind import Behind
from gradatim.standings.evaluate_folds import CELLS, table_of
from gradatim.store import banks
from gradatim.store.run import Run
from gradatim.types import Bank, Problem

PARQUET = b"PAR1"  # the first bytes of such a file
LISTED, EACH = 5_000, 50  # items that are weighed, and for each question: the most telling


class Start(NamedTuple):
    """Before the first question.

    Attributes:
        bank: that is tested on.
        run: which keeps the attempts.
        home: the run that the bank lies in, if any.
        problems: index in the bank -> problem, for items that can be asked.
    """

    bank: Bank
    run: Run
    home: Run | None
    problems: dict[int, Problem]


def open_start(
    bank: Bank | Run | str | Path,
    run: Run | str | Path | None,
    problems: Sequence[Problem] | str | Path | None,
) -> Start:
    """Open what is named.

    Raises:
        ArgumentError: no run to keep attempts in; no problem of the bank is known.
        FormatError: no bank.
    """
    home: Run | None = None
    if isinstance(bank, str | Path):
        path = Path(bank)
        if path.is_dir():
            bank = Run(path, create=False)
        else:
            _check_parquet(path)
            bank = banks.read(path)
            folder = path.resolve().parent.parent
            home = Run(folder, create=False) if (folder / "run.toml").exists() else None
    if isinstance(bank, Run):
        home, bank = bank, bank.bank()
    if run is None:
        if home is None:
            raise ArgumentError("`run` must name a run folder: the bank lies in none")
        run = home
    run = run if isinstance(run, Run) else Run(run)
    return Start(bank, run, home, _known(bank, run, problems))


def _check_parquet(path: Path) -> None:
    """Say what a file is for that is given as a bank and is none."""
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(PARQUET)) == PARQUET:
                return
        raise FormatError(
            path,
            expected="a bank (Parquet), as `gradatim calibrate` writes it",
            got="another kind of file",
            remedy="problems go to --problems, recorded results to --recorded",
        )


def _known(
    bank: Bank, run: Run, problems: Sequence[Problem] | str | Path | None
) -> dict[int, Problem]:
    """Index in the bank -> problem, for items that have estimates and a known problem."""
    listed = {p.id: p for p in run.problems()} if problems is None else list_problems(problems)
    known = {
        i: listed[item]
        for i, item in enumerate(bank.items)
        if item in listed and np.isfinite(bank.difficulty[i] + bank.discrimination[i])
    }
    if not known:
        raise ArgumentError(
            f"`problems`: none of the bank's {len(bank.items)} items is known here; give the "
            "JSONL file that was calibrated"
        )
    return known


# -- what is known already --------------------------------------------------------------------


def prior_of(
    bank: Bank, warm: Run | str | Path | tuple[float, float] | None, drift: float
) -> tuple[float, float]:
    """Mean and standard deviation of the ability before any answer.

    Args:
        bank: whose scale counts.
        warm: an earlier place of this solver, or of the checkpoint before: a run (or its folder)
            with an evaluation, "BANK.parquet:NAME" for a solver of a bank ("RUN:NAME" for one of
            a run's bank), or (ability, standard error). None: the bank's population.
        drift: standard deviation of what has changed since, in logits.

    Raises:
        ArgumentError: no evaluation there, nobody of that name, or another scale.
        FormatError: no bank.
    """
    if warm is None:
        mean, sd = bank.fit.get("population", (0.0, 1.0))
        return float(mean), float(sd)
    if isinstance(warm, tuple):
        ability, se = warm
    else:
        ability, se, scale, where = _earlier(warm)
        if scale != bank.scale:
            raise ArgumentError(
                f"`warm`: {where} is on scale {scale}, the bank on scale {bank.scale}: abilities "
                "of two scales say nothing of each other; link them first (gradatim calibrate "
                "SOURCE --link BANK)"
            )
    wide = float(np.hypot(se, drift))
    if not (np.isfinite(ability) and np.isfinite(wide) and wide > 0):
        raise ArgumentError(
            f"`warm` must be a finite ability and an error above 0, got {ability} and {wide}"
        )
    return float(ability), wide


def _earlier(warm: Run | str | Path) -> tuple[float, float, str, str]:
    """Ability, its error, the scale, and where it was found."""
    if isinstance(warm, Run) or Path(warm).is_dir():
        run = warm if isinstance(warm, Run) else Run(warm, create=False)
        found = run.read_result("evaluation")
        if not isinstance(found, Mapping) or not isinstance(found.get("ability"), Mapping):
            raise ArgumentError(
                f"`warm`: {run.path} holds no evaluation; run `gradatim evaluate` there first, or "
                "give BANK.parquet:NAME"
            )
        value = found["ability"]["value"]
        return float(value), float(found["se"]), str(found["scale"]), f"the test in {run.path}"
    place, _, name = str(warm).rpartition(":")
    if not place:
        raise ArgumentError(
            f"`warm` must be a run with an evaluation, or BANK.parquet:NAME; got {str(warm)!r}"
        )
    bank = Run(place, create=False).bank() if Path(place).is_dir() else banks.read(place)
    if name not in bank.solvers:
        raise ArgumentError(
            f"`warm`: nobody in {place} is called {name!r} (there are "
            f"{', '.join(bank.solvers[:12])}){nearest(name, bank.solvers)}"
        )
    at = bank.solvers.index(name)
    return float(bank.ability[at]), float(bank.se_ability[at]), bank.scale, place


# -- kinds of items ---------------------------------------------------------------------------


def kinds_of(start: Start, balance: str | None) -> np.ndarray | None:
    """(item,) int: the kind of each of the bank's items.

    Args:
        start: see `open_start`.
        balance: "family", "level", "family,level", or the name of a knob or a field of `meta`;
            None: no balance.

    Raises:
        ArgumentError: no problem has such a field.
    """
    if balance is None:
        return None
    names = [name.strip() for name in balance.split(",")]
    for name in names:
        fields = [_field(problem, name) for problem in start.problems.values()]
        if all(value is None for value in fields):
            some = next(iter(start.problems.values()))
            has = list(dict.fromkeys(["family", "level", *some.knobs, *some.meta]))
            raise ArgumentError(
                f"`balance`: no problem has a field {name!r} (the first has {', '.join(has)})"
                f"{nearest(name, has)}"
            )
    label = [
        repr([_field(start.problems[i], name) for name in names]) if i in start.problems else ""
        for i in range(len(start.bank.items))
    ]
    return np.unique(label, return_inverse=True)[1]


def _field(problem: Problem, name: str) -> Any:
    if name in ("family", "level"):
        return getattr(problem, name)
    return problem.knobs.get(name, problem.meta.get(name))


# -- exposure over recorded tests -------------------------------------------------------------


def earlier_tests(run: Run, bank: Bank, me: str) -> list[dict[str, Any]]:
    """Tests of others on this scale that the run remembers: `who`, `scale`, `items`."""
    known = run.read_result("evaluations")
    tests = known.get("tests", []) if isinstance(known, Mapping) else []
    return [test for test in tests if test["scale"] == bank.scale and test["who"] != me]


def closed_items(tests: Sequence[Mapping[str, Any]], bank: Bank, cap: float) -> np.ndarray:
    """(item,) bool: given to the share `cap` of the tests so far, this one among them.

    As in `evaluate_folds.hold_out`: one test may always have an item.
    """
    at = {item: i for i, item in enumerate(bank.items)}
    given = np.zeros(len(bank.items), dtype=int)
    for test in tests:
        given[[at[item] for item in test["items"] if item in at]] += 1
    return given >= (max(1, int(cap * (len(tests) + 1))) if cap < 1 else np.inf)


# -- items that are weighed -------------------------------------------------------------------


def tables_of(
    start: Start,
    closed: np.ndarray,
    *,
    behind: Behind | None = None,
    prior: tuple[float, float],
    samples: int,
    n_asked: int,
) -> tuple[np.ndarray, Table, Beyond]:
    """(listed,) items that are weighed, their table, and the sums over all others.

    With the results behind the bank, up to 300,000 cells of them, the table is a replay's
    (`evaluate_folds.table_of`): items are integrated out, graded or repeated answers have a second
    dimension. Else items have the bank's own errors, and answers the bank's overdispersion.
    """
    bank = start.bank
    open_ = np.zeros(len(bank.items), dtype=bool)
    open_[list(start.problems)] = True
    open_ &= ~closed
    listed = listed_items(bank, open_, max(LISTED, EACH * n_asked))
    rest = np.isfinite(bank.difficulty + bank.discrimination)
    if behind is not None and behind.whole and behind.data.tried.size <= CELLS:
        own = "population" not in bank.fit  # a linked bank's priors are of another scale
        table = table_of(
            behind.bank,
            behind.data,
            asked=n_asked,
            second=True,
            samples=samples,
            posterior=None if own else with_item_errors(behind.bank),
            prior=prior,
        )
        place = np.cumsum(rest) - 1  # of the bank's items in the table
        rest[listed] = False
        others = place[rest]
        p = table.chance[others]
        spread = table.dispersion[others, None] / samples
        beyond = Beyond(len(others), p.sum(axis=0), (p * (1 - p) * spread).sum(axis=0))
        return listed, rows_of(table, place[listed]), beyond
    part = select_items(bank, listed)
    none = np.zeros((0, len(listed)))
    posterior = with_item_errors(part)
    table = tabulate(
        part, none, none.astype(int), n_asked=n_asked * samples, posterior=posterior, prior=prior
    )
    r = float(bank.fit.get("overdispersion", 0.0))
    spread = np.full(len(listed), 1 + (samples - 1) * r)
    table = table._replace(dispersion=spread, caution=spread)
    rest[listed] = False
    others = select_items(bank, np.flatnonzero(rest))
    chance, noise = np.zeros((2, len(table.node)))
    for at, theta in enumerate(table.node):  # (item,) at a time bounds memory
        p = probability(float(theta), others)
        chance[at], noise[at] = p.sum(), (p * (1 - p)).sum() * spread[0] / samples
    return listed, table, Beyond(int(rest.sum()), chance, noise)
