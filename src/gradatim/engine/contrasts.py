"""What a study shows: each variant against the baseline, paired by pool, start and seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradatim.engine.study import SETTINGS
from gradatim.errors import ArgumentError
from gradatim.evaluation import curves
from gradatim.types import Estimate

Row = Mapping[str, Any]


def final(row: Row) -> float:
    """Held-out pass rate at temperature 1 at the end of the budget."""
    return float(row["height"][-1])


def _early(row: Row, limit: float) -> float:
    """Mean height over the first `limit` rollouts."""
    cost, height = np.array(row["rollouts"]), np.array(row["height"])
    inside = cost <= limit * 1.1  # steps end a little after the moment they were due
    return curves.area(cost[inside], height[inside]) if inside.sum() > 1 else float("nan")


def forgotten(row: Row) -> float:
    """Mean over families and levels of what was lost of the pass rate, gains not counted.

    >>> forgotten({"before": [0.5, 0.9], "after": [0.7, 0.8]})
    0.05
    """
    lost = np.maximum(np.array(row["before"]) - np.array(row["after"]), 0)
    return round(float(lost.mean()), 9)


def _cost_to(row: Row, target: float, unit: str) -> float:
    return curves.reach(np.array(row[unit]), np.array(row["height"]), target)


def _ratio(rows: Sequence[Row], bases: Sequence[Row], unit: str) -> curves.Ratio:
    """Cost of reaching the baseline's final height (of its monotone fit), in its own cost."""
    goals = [float(curves.rising(np.array(b["height"]))[-1]) for b in bases]
    ours = np.array([_cost_to(r, g, unit) for r, g in zip(rows, goals, strict=True)])
    theirs = np.array([_cost_to(b, g, unit) for b, g in zip(bases, goals, strict=True)])
    budget = max(float(r[unit][-1]) for r in (*rows, *bases))
    return curves.mean_ratio(ours, theirs, budget)


def contrast(
    rows: Sequence[Row],
    *,
    baseline: str = "grpo",
    early: float = SETTINGS["early_rollouts"],
) -> list[dict[str, Any]]:
    """Every variant of every pool against the baseline.

    Args:
        rows: of a study, see `study.run_cell`; pairs share pool, start and seed.
        baseline: variant that the others are compared with.
        early: rollouts that count as the beginning.

    Returns:
        One dict per pool and variant: pairs; final, greedy and area (means of the arm); and, the
        baseline apart, Estimates of differences d_final, d_greedy, d_area, d_early and of ratios
        x_rollouts, x_tokens, x_cpu (cost of reaching the baseline's final height, over what the
        baseline needed for it by the same monotone fit), with never (pairs in which that height
        was not reached); gradient (share of groups with one), forgotten.

    Raises:
        ArgumentError: no row of the baseline.
    """
    bases = {(r["pool"], r["start"], r["seed"]): r for r in rows if r["variant"] == baseline}
    if not bases:
        raise ArgumentError(f"no row of the baseline '{baseline}': run its cells first")
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if (row["pool"], row["start"], row["seed"]) in bases:
            cells.setdefault((row["pool"], row["variant"]), []).append(row)
    found = [
        _one(pool, variant, mine, bases, baseline=baseline, early=early)
        for (pool, variant), mine in cells.items()
    ]
    return sorted(found, key=lambda r: (r["pool"], r["variant"] != baseline, -r["final"]))


def _one(
    pool: str,
    variant: str,
    rows: Sequence[Row],
    bases: Mapping[tuple[str, str, int], Row],
    *,
    baseline: str,
    early: float,
) -> dict[str, Any]:
    about: dict[str, Any] = {
        "pool": pool,
        "variant": variant,
        "pairs": len(rows),
        "final": float(np.mean([final(r) for r in rows])),
        "greedy": float(np.mean([np.mean(r["greedy"]) for r in rows])),
        "area": float(np.mean([_area(r) for r in rows])),
        "gradient": float(np.mean([r["mixed"] / max(r["groups"], 1) for r in rows])),
        "forgotten": float(np.mean([forgotten(r) for r in rows])),
        "cpu": float(np.mean([r["cpu"][-1] for r in rows])),
    }
    if variant == baseline:
        return about
    others = [bases[r["pool"], r["start"], r["seed"]] for r in rows]

    def difference(measure: Any) -> Estimate:
        first, second = ([measure(r) for r in side] for side in (rows, others))
        return curves.mean_difference(np.array(first), np.array(second))

    about |= {
        "d_final": difference(final),
        "d_greedy": difference(lambda r: np.mean(r["greedy"])),
        "d_area": difference(_area),
        "d_early": difference(lambda r: _early(r, early)),
    }
    for unit in ("rollouts", "tokens", "cpu"):
        ratio = _ratio(rows, others, unit)
        about[f"x_{unit}"] = ratio.estimate
        if unit == "rollouts":
            about["never"] = ratio.never
    return about


def _area(row: Row) -> float:
    return curves.area(np.array(row["rollouts"]), np.array(row["height"]))


def table(found: Sequence[Mapping[str, Any]], *, configurations: int) -> str:
    """For people: points of pass rate with 95% intervals, and ratios of rollouts.

    Args:
        found: of `contrast`.
        configurations: how many were tried, for the reader who corrects for it.
    """
    lines = []
    head = f"{'variant':<18} {'pairs':>5} {'final':>6} {'difference, points':>22} "
    head += f"{'greedy difference':>22} {'rollouts to its height':>24} {'gradient':>8}"
    for pool in dict.fromkeys(r["pool"] for r in found):
        lines += [f"pool {pool}", head]
        lines += [_line(row) for row in found if row["pool"] == pool]
    lines.append(
        f"{configurations} configurations; 95% intervals over pairs (same pool, start and seed), "
        "not corrected for the number of comparisons"
    )
    return "\n".join(lines)


def _points(value: Estimate | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value.value:+.1f} [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"


def _line(row: Mapping[str, Any]) -> str:
    ratio = row.get("x_rollouts")
    text = "-"
    if ratio is not None:
        text = f"x{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
        text += f", {row['never']} never" * bool(row["never"])
    return (
        f"{row['variant']:<18} {row['pairs']:>5} {row['final']:>6.3f} "
        f"{_points(row.get('d_final')):>22} {_points(row.get('d_greedy')):>22} {text:>24} "
        f"{row['gradient']:>8.2f}"
    )
