"""Who is compared with whom, and what they share.

Axes: `solver`, `item`, `pair`.
"""

from itertools import combinations

import numpy as np

from gradatim.errors import ArgumentError, nearest
from gradatim.evaluation.ranking import groups_said
from gradatim.standings.compare_sources import Arms

MOST = 20_000  # pairs of one call


def pairs_of(arms: Arms, baseline: str | None, *, gate: bool) -> np.ndarray:
    """(pair, 2) int: all pairs, or those with the baseline.

    Raises:
        ArgumentError: a gate over several without a baseline; too many pairs; nobody of that name.
    """
    n = len(arms.names)
    if baseline is None and gate and n > 2:
        raise ArgumentError(
            f"a gate over {n} solvers needs to know which is the standard: --baseline NAME, one of "
            f"{', '.join(arms.names[:12])}"
        )
    if baseline is None:
        if n * (n - 1) // 2 > MOST:
            raise ArgumentError(
                f"{n:,} solvers are {n * (n - 1) // 2:,} pairs; compare them with one: "
                "--baseline NAME"
            )
        return np.array(list(combinations(range(n), 2)))
    if baseline not in arms.names:
        raise ArgumentError(
            f"`baseline`: nobody is called {baseline!r}; there are {', '.join(arms.names[:12])}"
            f"{', ...' if n > 12 else ''}{nearest(baseline, arms.names)}"
        )
    first = arms.names.index(baseline)
    return np.array([(first, i) for i in range(n) if i != first])


def overlaps(arms: Arms, listed: np.ndarray, *, shared: bool) -> list[str]:
    """Say what pairs share; refuse where it is not all, unless that was allowed.

    Raises:
        ArgumentError: two share fewer than two problems, or (unless `shared`) not all.
    """
    there = arms.tried > 0
    size = there.sum(axis=1)
    table = there.astype(np.float32)
    common = (table @ table.T).astype(int)
    worst, notes = None, []
    for a, b in listed:
        both = int(common[a, b])
        if not both and len(size) > 2 and (parts := groups_said(arms.tried, arms.names)):
            raise ArgumentError(
                f"the solvers fall into {parts[0]} groups that share no problem: {parts[1]}; "
                "compare each group alone (PATH:SOLVER names one solver); do all sources name "
                "items the same way?" + _example(arms, a, b)
            )
        if both < 2:
            held = "no problem" if not both else "only one problem"
            raise ArgumentError(
                f"{arms.names[a]} and {arms.names[b]} share {held} of {size[a]:,} and "
                f"{size[b]:,}: a comparison needs at least two; do both name items the same way?"
                + _example(arms, a, b)
            )
        part = both / max(size[a], size[b])
        if part < 1 and (worst is None or part < worst[0]):
            worst = (part, a, b)
    if worst is None:
        return []
    _, a, b = worst
    words = (
        f"{arms.names[a]} and {arms.names[b]} share {common[a, b]:,} problems of "
        f"{size[a]:,} and {size[b]:,}"
    )
    if not shared:
        raise ArgumentError(
            f"the solvers answered different problems: {words}. What is missing may not be missing "
            "by chance; compare on what each pair shares with --shared, or rank all with --rank irt"
        )
    notes.append(
        f"each pair is compared on the problems that it shares; the least: {words}; what is "
        "missing may not be missing by chance"
    )
    return notes


def _example(arms: Arms, a: int, b: int) -> str:
    names = [arms.items[int(np.argmax(arms.tried[i] > 0))] for i in (a, b)]
    return f" ({names[0]!r} and {names[1]!r} are the first of each)"


def refuse_one_cluster(arms: Arms, listed: np.ndarray, units: np.ndarray, column: str) -> None:
    """Refuse pairs whose shared problems are all in one cluster: nothing says how it varies.

    Args:
        arms, listed: see `overlaps`.
        units: (pair,) clusters that each pair shares.
        column: that told the clusters.
    """
    for a, b in listed[units < 2][:1]:
        raise ArgumentError(
            f"all problems that {arms.names[a]} and {arms.names[b]} share are in one cluster of "
            f"{column!r}: a comparison needs at least two; leave out --cluster, or give a finer one"
        )
