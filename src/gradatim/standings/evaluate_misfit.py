"""How far off a test on a bank is, beyond what it says of itself: from the results behind the bank.

The solvers that calibrated the bank are tested in turn on banks fitted without them. Kept with the
run, so a repeated test does not measure it again.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim.engine.sources import Given
from gradatim.evaluation.intervals import widening
from gradatim.evaluation.picking import Rules
from gradatim.progress import Progress, Tick
from gradatim.standings.evaluate_behind import Behind
from gradatim.standings.evaluate_folds import deal, hold_out, same_models
from gradatim.store import banks
from gradatim.store.run import Run
from gradatim.types import Bank, Matrix, Responses

HELD = 200  # most solvers held out
HOLDOUT = 0.2
Z = 1.959964  # half-width of a posterior that is right: misfit makes none surer
VERSION = 3  # of how it is measured: 3 has a least half-width


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
    behind: Behind,
    *,
    recorded: Given | Sequence[Given] | None,
    keeper: Run,
    rules: Rules,
    asked: int,
    samples: int,
    progress: Progress,
) -> Misfit:
    """Half-widths of intervals for tests on a bank.

    Args:
        bank: that is tested on.
        behind: the results behind it.
        recorded: where they were said to be, which tells one measurement from another.
        keeper: the run that keeps what was found.
        rules: how the tests choose.
        asked: questions of a test.
        samples: attempts of a question.
        progress: told before and after.

    Returns:
        Misfit.
    """
    way = rules._replace(rng=None, strata=None)
    key = repr((VERSION, banks.name_of(bank), asked, samples, way, _named(recorded)))
    known = keeper.read_result("misfit")
    if isinstance(known, dict) and known.get("key") == key:
        score, ability = (np.array(known[name], dtype=float) for name in ("score", "ability"))
        return Misfit(score, ability, known["models"])  # null is NaN
    progress(Tick("evaluate: misfit", 0, 1))
    data, rng = behind.data, np.random.default_rng(0)
    group = same_models(data)
    fold = deal(len(data.tried), HOLDOUT, 0, group)
    asked = min(asked, len(data.items))
    found = hold_out(
        data,
        fold,
        asked=asked,
        longest=asked,
        rules=rules._replace(rng=rng, strata=None),
        enough=HELD,
        second=True,
        samples=samples,
    )
    progress(Tick("evaluate: misfit", 1, 1))
    test = found.walk
    left = np.sqrt(np.maximum(test.se**2 - found.se[:, None] ** 2, 0.0))
    misfit = Misfit(
        widening(test.score - found.truth[:, None], test.sd, least=Z),
        widening(
            test.ability - found.ability[:, None],
            np.where(left > 0.05 * test.se, left, 0.0),
            least=Z,
        ),
        len(np.unique(group[found.row])),
    )
    keeper.write_result("misfit", {"key": key, **misfit._asdict()})
    return misfit


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
