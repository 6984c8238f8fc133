"""Any sequence of problems as the arrays that slots see."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradatim.errors import ArgumentError
from gradatim.types import Pool, Problem


def _field(item: Any, name: str) -> Any:
    if isinstance(item, Problem):
        return getattr(item, name)
    return item.get(name) if isinstance(item, Mapping) else None


def _label(item: Any) -> str:
    """Family and level, of which a problem may have both, one or none."""
    family, level = _field(item, "family"), _field(item, "level")
    parts = [str(part) for part in (family, level) if part not in (None, "")]
    return ":".join(parts) or "all"


def identity(item: Any) -> str:
    """The id of a problem, or the text of anything else."""
    found = _field(item, "id")
    return str(item) if found is None else str(found)


def pool(problems: Sequence[Any], source: Sequence[Any] | None = None) -> Pool:
    """Sources and floors of a sequence of problems.

    Args:
        problems: Problems, or rows with some of `id`, `family`, `level`, or anything at all.
        source: (problem,) labels of the sources; default: family and level.

    Returns:
        Pool with sources in order of first appearance, which is the same for any machine.

    Raises:
        ArgumentError: no problems, or labels for another number of problems.

    >>> pool([{"family": "sat", "level": 2}, {"family": "sat", "level": 1}, "1 + 1"]).sources
    ('sat:2', 'sat:1', 'all')
    """
    if not len(problems):
        raise ArgumentError("`problems` must hold at least one problem, got none")
    if source is not None and len(source) != len(problems):
        raise ArgumentError(
            f"`source` must have one label per problem, got {len(source)} for {len(problems)}"
        )
    labels = map(str, source) if source is not None else map(_label, problems)
    codes: dict[str, int] = {}
    code = np.fromiter(
        (codes.setdefault(label, len(codes)) for label in labels), np.int32, len(problems)
    )
    return Pool(source=code, sources=tuple(codes), floor=np.zeros(len(problems)))


def fingerprint(problems: Sequence[Any]) -> str:
    """Hash of the ids in order: a saved curriculum goes on with the problems it knows."""
    known = hashlib.blake2b(digest_size=16)
    for item in problems:
        known.update(identity(item).encode() + b"\0")
    return known.hexdigest()
