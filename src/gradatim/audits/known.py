"""What a bank of other attempts knows of items whose results are under audit."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.errors import ArgumentError
from gradatim.scale.anchored import fit_anchored
from gradatim.scale.anchors import usable_items
from gradatim.store.run import Run, opened_bank
from gradatim.types import Bank, Matrix


class Known(NamedTuple):
    """What is known beforehand.

    Attributes:
        bank: items and solvers of the results on the scale of the other attempts; items that
            these did not have are fitted to the results.
        items: (item,) bool, those that they had.
    """

    bank: Bank
    items: np.ndarray

    @property
    def curves(self) -> Bank:
        """The bank with NaN for items that the other attempts did not have."""
        return replace(self.bank, difficulty=np.where(self.items, self.bank.difficulty, np.nan))


def recall(
    matrix: Matrix | None, bank: Bank | Run | str | Path, *, source: Any = None
) -> tuple[Known, str]:
    """Place results on the scale of a bank.

    Args:
        matrix: results; None: there are none.
        bank: of other attempts: a bank, its file, or a run's newest.
        source: where the results are from. A run's own bank is fitted to the attempts under
            audit, so that a drift is in it, and is refused.

    Returns:
        What is known, and how much of the results that is, as a sentence.

    Raises:
        ArgumentError: no results; a run and its own bank; no item in common.
        FormatError: no bank there.
    """
    if matrix is None:
        raise ArgumentError("`bank` (--bank) is for results, got only problems: leave it out")
    where = [
        Path(x.path if isinstance(x, Run) else x).resolve()
        for x in (source, bank)
        if isinstance(x, str | Path | Run)
    ]
    if len(where) == 2 and where[0] == where[1]:
        raise ArgumentError(
            f"`bank` (--bank) must be of other attempts than those under audit, got {bank} for "
            "both: name the file of an earlier bank"
        )
    opened = opened_bank(bank)
    told = {name for name, good in zip(opened.items, usable_items(opened), strict=True) if good}
    known = np.array([name in told for name in matrix.items], dtype=bool)
    found = fit_anchored(matrix, opened)
    left = int(np.broadcast_to(matrix.tried, matrix.solved.shape)[:, ~known].sum())
    note = f"the bank has {known.sum():,} of the {len(known):,} items"
    if left:
        note += f"; {left:,} attempts on the others are not judged by it"
    return Known(found, known), note
