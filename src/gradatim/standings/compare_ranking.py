"""The ranking of a comparison: all solvers in one order, whichever problems each has answered."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.ranking import HOW, rank
from gradatim.standings.columns import labels_of
from gradatim.standings.compare_sources import Arms
from gradatim.types import Estimate

LISTED = 200  # pairs of a list


def meeting(arms: Arms, listed: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Pairs that share at least two problems, and a note where some do not.

    Raises:
        ArgumentError: no pair does.
    """
    there = (arms.tried > 0).astype(np.float32)
    common = there @ there.T
    met = common[listed[:, 0], listed[:, 1]] >= 2
    if not met.any():
        raise ArgumentError(
            f"none of the {len(listed):,} pairs shares two problems; do all sources name items the "
            "same way?"
        )
    apart = int(np.sum(~met))
    note = f"{apart:,} of {len(listed):,} pairs share fewer than two problems: ranked, not compared"
    return listed[met], [note] * bool(apart)


def first_of_many(rows: Sequence[Mapping[str, Any]] | None, *, most: int) -> str | None:
    """The best solver, where all pairs are more than `most`; None where they are not."""
    n = len(rows or ())
    return rows[0]["solver"] if rows and n * (n - 1) // 2 > most else None


def ranking(
    arms: Arms,
    *,
    how: str | None,
    by: str | None,
    cluster: str | None,
    level: float,
    draws: int,
    seed: int,
) -> tuple[list[dict[str, Any]], dict[str, Any]] | tuple[None, None]:
    """Solvers in order, with what the data do not decide.

    Args:
        arms: who is compared.
        how: see `evaluation.ranking.rank`; None: by mean, where three or more solvers answered the
            same problems.
        by: a column of problems for two levels: each of its groups ranks the solvers, and these
            orders are made one; None for one level.
        cluster: a column of problems that go together, which are resampled as one.
        level, draws, seed: of the bootstrap of problems.

    Returns:
        Rows, best solver first: solver, rank and score (Estimate), p_best, may_be_best, tier. And
        what they are: how, by, cluster, level, problems (answered by at least two), best (the set
        that holds the best at `level`), pairs, apart (how many have an order that holds, all at
        once) and not_apart (the first of the others). None and None where nothing was asked for and
        there are two solvers, or different problems.
    """
    if how is None:
        if by is not None:
            raise ArgumentError("`rank_by` (--rank-by) needs `rank` (--rank HOW): how to rank")
        if len(arms.names) < 3 or (arms.tried == 0).any():
            return None, None
    checks.one_of("rank", how or "mean", HOW)
    found = rank(
        arms.solved,
        arms.tried,
        how=how or "mean",
        names=arms.names,
        task=None if by is None else labels_of(arms.columns, by),
        cluster=None if cluster is None else labels_of(arms.columns, cluster, argument="cluster"),
        draws=draws,
        level=level,
        rng=np.random.default_rng(seed),
    )
    rows = [
        {
            "solver": found.names[i],
            "rank": _at(found.rank, i, found.n_items),
            "score": _at(found.score, i, int(found.score.n[i])),
            "p_best": float(found.p_best[i]),
            "may_be_best": bool(found.best[i]),
            "tier": int(found.tier[i]),
        }
        for i in found.order.tolist()
    ]
    one, other = np.nonzero(np.triu(~found.apart[np.ix_(found.order, found.order)], 1))
    pairs = len(rows) * (len(rows) - 1) // 2
    return rows, {
        "how": found.how,
        "by": by,
        "cluster": cluster,
        "level": level,
        "problems": found.n_items,
        "best": [row["solver"] for row in rows if row["may_be_best"]],
        "pairs": pairs,
        "apart": pairs - len(one),
        "not_apart": [
            [rows[a]["solver"], rows[b]["solver"]]
            for a, b in zip(one[:LISTED].tolist(), other[:LISTED].tolist(), strict=True)
        ],
    }


def _at(values: Estimate, i: int, n: int) -> Estimate:
    return Estimate(float(values.value[i]), float(values.low[i]), float(values.high[i]), n)
