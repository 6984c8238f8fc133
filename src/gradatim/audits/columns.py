"""Columns beside the results of a file: found by name, typed, and reduced to what they tell of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def pick(columns: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first column that goes by one of these names, whatever its case.

    >>> pick({"Step": np.array([1, 2])}, ("step",))
    array([1, 2])
    """
    known = {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in columns}
    return next((columns[known[name]] for name in names if name in known), None)


def listed(column: Any) -> list[Any]:
    """A column's values, of Arrow or not."""
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def typed(values: Iterable[Any]) -> np.ndarray:
    """Numbers where all are, with NaN for what is empty; texts otherwise."""
    values = list(values)
    try:
        return np.array([np.nan if v is None or v == "" else float(v) for v in values])
    except (TypeError, ValueError):
        return np.array(["" if v is None else v if isinstance(v, str) else str(v) for v in values])


def constant(
    columns: Mapping[str, np.ndarray], code: np.ndarray, size: int
) -> dict[str, np.ndarray]:
    """Columns that say one thing of each item (or solver), one entry for each."""
    found = {}
    first = np.full(size, -1)
    first[code[::-1]] = np.arange(len(code))[::-1]
    if (first < 0).any():
        return found
    for name, value in columns.items():
        same = value == value[first][code]
        if value.dtype.kind == "f":
            same |= np.isnan(value) & np.isnan(value[first][code])
        if same.all():
            found[name] = value[first]
    return found


def informative(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns that tell anything apart."""
    return {n: v for n, v in columns.items() if len(v) and (v != v[0]).any()}
