"""Why a section had no use for a column that is there."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradatim.audits import confidence, prompts, steps, transfer
from gradatim.audits.columns import AUDITED, LAYOUTS, SECOND, SEEDS, STEPS, pick
from gradatim.audits.subject import Subject
from gradatim.errors import ArgumentError

COLUMNS = {
    "verdicts": (*AUDITED, *SECOND),
    "lucky": steps.SOUND,
    "confidence": confidence.CONFIDENCE,
    "horizon": steps.LENGTHS,
    "seeds": SEEDS,
    "checkpoints": STEPS,
    "layout": LAYOUTS,
    "blind": prompts.BLIND,
    "transfer": transfer.HELD,
}
RANGES = {"verdicts": "0, 1 or nothing", "confidence": "numbers from 0 to 1, or percentages"}


def refuse_words(subject: Subject) -> None:
    """Refuse trusted or second verdicts that are words, as other numbers than 0 and 1 are.

    Raises:
        ArgumentError: says the column and the first word.
    """
    columns = {} if subject.attempts is None else subject.attempts.columns
    for names in (AUDITED, SECOND):
        column = pick(columns, names)
        if column is not None and column.dtype.kind == "U" and (column != "").any():
            word = str(column[column != ""][0])
            raise ArgumentError(
                f"column `{_name(columns, names)}` must hold 0, 1 or nothing, got {word!r}"
            )


def shortfall(section: str, needs: str, subject: Subject) -> str | None:
    """What is wrong with a section's column, as a sentence; None where the file has no such one.

    Args:
        section: that could not look.
        needs: what it needs, as a phrase.
        subject: the file.
    """
    columns = {} if subject.attempts is None else subject.attempts.columns
    columns = {**subject.of_item, **subject.of_solver, **columns}
    names = COLUMNS.get(section, ())
    column = pick(columns, names)
    if column is None:
        return None
    name = f"column `{_name(columns, names)}`"
    numbers = column.dtype.kind in "fiub"
    there = ~np.isnan(column) if column.dtype.kind == "f" else column == column
    if section in RANGES and not numbers:
        return f"{name} must hold {RANGES[section]}, got {str(column[column != ''][:1])[1:-1]}"
    if numbers and not there.any():
        return f"{name} is empty"
    few = int(there.sum())
    if section == "confidence" and (np.nanmin(column) < 0 or np.nanmax(column) > 100):
        worst = np.nanmin(column) if np.nanmin(column) < 0 else np.nanmax(column)
        return f"{name} must hold {RANGES[section]}, got {worst:g}"
    if section == "confidence" and few < confidence.LEAST:
        return f"{name} is there for {few} attempts, and {confidence.LEAST} are needed"
    if section == "verdicts" and subject.attempts is not None:
        n = len(np.unique(subject.attempts.solver[there]))
        return f"{name} is there for {n} solver{'s' * (n != 1)}, and 2 are needed"
    return f"{name} is there, but not all of what it needs: {needs}"


def _name(columns: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    return str(pick({name: name for name in columns}, names))
