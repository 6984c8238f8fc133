"""Where the difference lies: groups of problems, and the problems that changed sides."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradatim.evaluation import pairs as paired
from gradatim.evaluation.regressions import changes
from gradatim.scale.multiple import adjust
from gradatim.standings.columns import ordered
from gradatim.standings.compare_sources import Arms
from gradatim.types import Estimate

LISTED = 200  # problems of a list


def varies(arms: Arms) -> np.ndarray:
    """(solver,) bool: whether its attempts, right or wrong, say how attempts vary."""
    counted = paired.steps(arms.solved, arms.tried) > 0
    return counted & ~paired.agreeing(arms.solved, arms.tried)


def repeat_sd(arms: Arms, i: int, here: np.ndarray, *, lucky: bool) -> float | None:
    """Standard deviation of a solver's score if the same problems were attempted again.

    None where no problem was tried twice, answers are graded, or attempts never disagree.
    """
    solved, tried = arms.solved[i, here], arms.tried[i, here]
    again = tried >= 2
    if not lucky or not again.any():
        return None
    rate = solved[again] / tried[again]
    luck = np.mean(rate * (1 - rate) * tried[again] / (tried[again] - 1))  # of one attempt
    return float(np.sqrt(luck * np.mean(1 / tried) / len(tried)))


def by_group(
    arms: Arms,
    rate: np.ndarray,
    listed: np.ndarray,
    *,
    kinds: tuple[str, np.ndarray],
    unit: Mapping[str, Any],
    cluster: np.ndarray | None,
) -> list[dict[str, Any]]:
    """A row for each group and pair: rates, difference, p over the groups of the pair, reruns.

    `kinds` is the column and (item,) its labels, `unit` what `pairs.differences` knows of solvers.
    Groups with fewer than two shared problems (or clusters) have no interval.
    """
    column, label = kinds
    found: list[dict[str, Any]] = []
    lucky = varies(arms)
    names = ordered(label)
    for group in names:
        mine = label == group
        own = None if cluster is None else cluster[mine]
        sub = paired.differences(rate[:, mine], listed, cluster=own, **unit)
        for i, (a, b) in enumerate(listed):
            n = int(sub.n[i])
            if not n:
                continue
            here = mine & (arms.tried[a] > 0) & (arms.tried[b] > 0)
            found.append({
                "by": column,
                "group": group,
                "first": arms.names[a],
                "second": arms.names[b],
                "first_rate": float(rate[a, here].mean()),
                "second_rate": float(rate[b, here].mean()),
                "first_rerun_sd": repeat_sd(arms, a, here, lucky=bool(lucky[a])),
                "second_rerun_sd": repeat_sd(arms, b, here, lucky=bool(lucky[b])),
                "difference": Estimate(
                    float(sub.value[i]), float(sub.low[i]), float(sub.high[i]), n
                ),
                "p": float(sub.p[i]),
            })
    for a, b in listed:
        rows = [r for r in found if (r["first"], r["second"]) == (arms.names[a], arms.names[b])]
        p = adjust(np.array([r["p"] for r in rows]), method="holm")
        for row, value in zip(rows, p, strict=True):
            row["p_adjusted"] = float(value)
    return found


def changed_problems(arms: Arms, pair: tuple[int, int], *, step: np.ndarray) -> dict[str, Any]:
    """Problems that the first solved and the second does not, and the other way round.

    Returns:
        lost, gained: counts; more_lost: p-value of losing more often than gaining; clear: names of
        problems that are worse beyond luck (5% false ones expected), most certain first;
        clear_gained likewise; lost_items, gained_items: up to 200 names; can_tell: whether any
        problem was tried often enough to be clear.
    """
    here = np.all(arms.tried[list(pair)] > 0, axis=0)
    index = np.flatnonzero(here)
    solved, tried = arms.solved[list(pair)][:, here], arms.tried[list(pair)][:, here]
    counted = bool(step[list(pair)].min() > 0)
    once = paired.agreeing(solved, tried)[:, None]  # ten copies of one answer are one attempt
    solved, tried = np.where(once, solved / tried, solved), np.where(once, 1, tried)
    down = changes(solved, tried, counted=counted)
    up = changes(solved[::-1], tried[::-1], counted=counted)

    def names(chosen: np.ndarray, by: np.ndarray) -> list[str]:
        at = np.flatnonzero(chosen)
        at = at[np.argsort(by[at], kind="stable")]
        return [arms.items[index[i]] for i in at[:LISTED]]

    gap = (solved[1] / tried[1]) - (solved[0] / tried[0])
    return {
        "lost": int(down.lost.sum()),
        "gained": int(down.gained.sum()),
        "more_lost": down.more_lost,
        "clear": names(down.clear, down.p),
        "clear_gained": names(up.clear, up.p),
        "lost_items": names(down.lost, gap),
        "gained_items": names(down.gained, -gap),
        "can_tell": counted and bool(np.any(tried.min(axis=0) > 1)),
    }
