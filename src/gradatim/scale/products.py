"""Products of a table of counts with vectors, without a copy of the table.

A table of 100 million counts is 100 MB of small integers and 800 MB of doubles. Large tables are
read as they lie by compiled loops (extra [fast]); without it, and for small tables, blocks of rows
are turned to doubles and given to the matrix library. Axes: `person`, `item`.
"""

import functools
import importlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np

LARGE = 1 << 21  # cells from which on loading a compiler pays
PARTS = 8  # parts that threads work on
BLOCK = 1 << 19  # cells turned to doubles at a time


@functools.cache
def compiled() -> ModuleType | None:
    """The compiled kernels, None where the extra [fast] is not installed."""
    try:
        return importlib.import_module("gradatim.scale.compiled")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("numba", "llvmlite"):
            return None
        raise


def run_parts(work: Callable[[Any], None], parts: Iterable[Any], *, size: int = LARGE) -> None:
    """Do the work of all parts, on all cores where there are LARGE numbers or more to work on.

    The work must not hold the interpreter, and must not depend on the order of the parts.
    """
    if size < LARGE:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(min(PARTS, os.cpu_count() or 1)) as pool:
        list(pool.map(work, parts))


def shares(n: int, parts: int = PARTS) -> list[slice]:
    """Cut n rows into so many parts whatever the number of cores: sums keep their last bits.

    >>> shares(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    cuts = [n * i // parts for i in range(parts + 1)]
    return [slice(low, high) for low, high in pairwise(cuts)]


def project(table: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(person, 2) sums over items of the table times `left` and times `right` (item,).

    >>> project(np.array([[1, 0], [1, 1]]), np.array([1.0, 2.0]), np.array([0.5, 0.5]))
    array([[1. , 0.5],
           [3. , 1. ]])
    """
    kernels = compiled() if table.size >= LARGE else None
    if kernels is not None:
        out = np.empty((len(table), 2))
        run_parts(
            lambda part: kernels.project(table[part], left, right, out[part]), shares(len(table))
        )
        return out
    both = np.stack([left, right], axis=1)
    return np.concatenate([table[rows].astype(float) @ both for rows in _blocks(table)])


def collect(table: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(item,) sums over persons of `weight` (person,) times the table.

    >>> collect(np.array([[1, 0], [1, 1]]), np.array([1.0, 2.0]))
    array([3., 2.])
    """
    kernels = compiled() if table.size >= LARGE else None
    if kernels is not None:
        parts = np.zeros((PARTS, table.shape[1]))
        cuts = shares(len(table))
        run_parts(
            lambda i: kernels.collect(table[cuts[i]], weight[cuts[i]], parts[i]), range(len(cuts))
        )
        return parts.sum(axis=0)
    out = np.zeros(table.shape[1])
    for rows in _blocks(table):
        out += weight[rows] @ table[rows].astype(float)
    return out


def _blocks(table: np.ndarray) -> list[slice]:
    step = max(1, BLOCK // max(1, table.shape[1]))
    return [slice(first, first + step) for first in range(0, max(1, len(table)), step)]
