"""Any sequence of problems as the arrays that slots see."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.errors import ArgumentError, FormatError
from gradatim.families import registry as families
from gradatim.types import Bank, Belief, Pool, Problem

MOST_KNOBS = 32  # numeric knobs that become features


def _field(item: Any, name: str) -> Any:
    if isinstance(item, Problem):
        return getattr(item, name)
    return item.get(name) if isinstance(item, Mapping) else None


def _label(item: Any) -> str:
    """Family and level, and what a knob set to "any" became; a problem may have none of them.

    Problems of one level that do different things are often all solved or all missed: told
    apart, a sampler need not spend on both.
    """
    parts = [_field(item, "family"), _field(item, "level")]
    knobs, meta = _field(item, "knobs"), _field(item, "meta")
    if isinstance(knobs, Mapping) and isinstance(meta, Mapping):
        parts += [meta.get(name) for name, value in knobs.items() if value == "any"]
    return ":".join(str(part) for part in parts if part not in (None, "")) or "all"


def identity(item: Any) -> str:
    """The id of a problem, or the text of anything else."""
    found = _field(item, "id")
    return str(item) if found is None else str(found)


def _coded(labels: Iterable[str], size: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes of labels, numbered by first appearance, which is the same on any machine."""
    codes: dict[str, int] = {}
    found = (codes.setdefault(label, len(codes)) for label in labels)
    return np.fromiter(found, np.int32, size), tuple(codes)


def _levels(problems: Sequence[Any]) -> np.ndarray:
    """(problem,) float; NaN where a problem has none."""
    given = (_field(item, "level") for item in problems)
    numbers = (x if isinstance(x, int | float) else np.nan for x in given)
    return np.fromiter(numbers, float, len(problems))


def _floors(problems: Sequence[Any]) -> np.ndarray:
    """(problem,) chance of a guess, as the families state it; 0 where none does."""
    known: dict[Any, float] = {}

    def floor(item: Any) -> float:
        if not isinstance(item, Problem) or not item.family or not item.knobs:
            return 0.0
        key = (item.family, *item.knobs.items())
        if key not in known:
            listed = item.family in families.names()
            known[key] = families.get(item.family).floor(item.knobs) if listed else 0.0
        return known[key]

    return np.fromiter((floor(item) for item in problems), float, len(problems))


def _features(family: np.ndarray, level: np.ndarray, problems: Sequence[Any]) -> np.ndarray:
    """(problem, feature): per family 1 and its level, then the numeric knobs, standardised."""
    inside = family[:, None] == np.arange(int(family.max()) + 1)
    scaled = np.nan_to_num((level - 5.5) / 4.5)
    knobs = [_field(item, "knobs") or {} for item in problems]
    names = sorted({k for row in knobs for k, v in row.items() if type(v) in (int, float)})
    columns = [inside, inside * scaled[:, None]]
    for name in names[:MOST_KNOBS]:
        values = np.array([float(row[name]) if name in row else np.nan for row in knobs])
        spread = np.nanstd(values)
        if spread > 0:
            columns.append(np.nan_to_num((values - np.nanmean(values)) / spread)[:, None])
    return np.concatenate(columns, axis=1).astype(float)


def pool(
    problems: Sequence[Any],
    source: Sequence[Any] | None = None,
    *,
    bank: Bank | None = None,
    features: bool = False,
) -> Pool:
    """What slots see of a sequence of problems.

    Args:
        problems: Problems, or rows with some of `id`, `family`, `level`, or anything at all.
        source: (problem,) labels of the sources; default: family, level and what a knob set to
            "any" became.
        bank: calibrated difficulties, found by the problems' ids.
        features: describe each problem by numbers (family, level, knobs).

    Returns:
        Pool with sources in order of first appearance, which is the same for any machine.

    Raises:
        ArgumentError: no problems, labels for another number of problems, or a bank that holds
            none of them.

    >>> pool([{"family": "sat", "level": 2}, {"family": "sat", "level": 1}, "1 + 1"]).sources
    ('sat:2', 'sat:1', 'all')
    """
    size = len(problems)
    if not size:
        raise ArgumentError("`problems` must hold at least one problem, got none")
    if source is not None and len(source) != size:
        raise ArgumentError(
            f"`source` must have one label per problem, got {len(source)} for {size}"
        )
    labels = map(str, source) if source is not None else map(_label, problems)
    code, names = _coded(labels, size)
    family, _ = _coded((str(_field(item, "family") or "") for item in problems), size)
    level = _levels(problems)
    difficulty = discrimination = None
    if bank is not None:
        place = {item: i for i, item in enumerate(bank.items)}
        at = np.array([place.get(identity(item), -1) for item in problems])
        if (at < 0).all():
            raise ArgumentError(
                f"`bank` holds none of the {size} problems; its items are {bank.items[0]!r}, ...: "
                "calibrate attempts on these problems"
            )
        difficulty = np.where(at >= 0, bank.difficulty[at], np.nan)
        discrimination = np.where(at >= 0, bank.discrimination[at], np.nan)
    return Pool(
        source=code,
        sources=names,
        floor=_floors(problems),
        family=family,
        level=level,
        features=_features(family, level, problems) if features else None,
        difficulty=difficulty,
        discrimination=discrimination,
    )


def provides(pool: Pool) -> frozenset[str]:
    """What slots may need of a pool, beside what a trainer gives."""
    given = {"features": pool.features, "bank": pool.difficulty}
    return frozenset(name for name, value in given.items() if value is not None)


def believed(pool: Pool, belief: Belief) -> dict[str, float]:
    """Means over a pool: believed pass rate, attempts of evidence, and the anchors' pass rate."""
    weight = belief.alpha + belief.beta
    rate = belief.alpha / weight
    found = {"mean_pass_rate": rate.mean(), "evidence": weight.mean()}
    if pool.anchors is not None and pool.anchors.any():
        found["anchor_pass_rate"] = rate[pool.anchors].mean()
    return {name: float(value) for name, value in found.items()}


def fingerprint(problems: Sequence[Any]) -> str:
    """Hash of the ids in order: a saved curriculum goes on with the problems it knows."""
    known = hashlib.blake2b(digest_size=16)
    for item in problems:
        known.update(identity(item).encode() + b"\0")
    return known.hexdigest()


def same(problems: Sequence[Any], known: str, path: str | Path) -> None:
    """Check that problems have the fingerprint that a file knows.

    Raises:
        FormatError: they are others, or in another order.
    """
    if known != fingerprint(problems):
        raise FormatError(
            path,
            field="problems",
            expected="the problems it was saved with, in the same order",
            got=f"{len(problems)} others",
        )
