"""Time to target over the workloads of a study: who gets there first, and how often.

A workload is a pool and a start; its target lies most of the way to where the baseline ends. What
an arm pays to get there is counted in steps, rollouts, tokens and seconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.engine.contrasts import Row, cost_to, flat
from gradatim.evaluation import curves
from gradatim.evaluation.profiles import R_MAX, performance_profiles
from gradatim.types import Estimate

UNITS = ("steps", "rollouts", "tokens", "cpu")
ENOUGH = 5  # workloads from which on they are resampled, as a sample of others like them
GOAL = 0.9  # of the baseline's gain: at all of it, half of its own runs would arrive by chance
SMALL = 1e-9  # a cost that is not counted as nothing


def _axis(row: Row, unit: str) -> list[float]:
    """Cost at each moment of a row's curve."""
    if unit != "steps":
        return list(row[unit])
    if row.get("step") is not None:
        return list(row["step"])
    # rows of earlier versions: steps of one size each
    return [at * row["steps"] / max(row["spent"], 1) for at in row["rollouts"]]


def _target(bases: Sequence[Row], goal: float) -> float:
    """A share of the way from where the baseline starts to where it ends, medians over seeds."""
    fits = [curves.rising(np.array(row["height"])) for row in bases]
    first, last = (float(np.median([fit[at] for fit in fits])) for at in (0, -1))
    return first + goal * (last - first)


def profiles(
    rows: Sequence[Row],
    *,
    baseline: str,
    goal: float = GOAL,
    r_max: float = R_MAX,
    level: float = 0.95,
) -> dict[str, Any] | None:
    """Performance profiles of a study's variants, in every unit of cost.

    Args:
        rows: of a study, see `cells.run_cell`.
        baseline: variant whose curve (median over seeds of monotone fits) sets the targets.
        goal: how much of its gain is the target, in (0, 1].
        r_max: factor over the best from which on an arm counts as never arriving.
        level: coverage of the intervals.

    Returns:
        workloads: pool, start, target and runs of each that counts; left_out: those whose baseline
        learned nothing; missing: variants without a run on some workload; over: "runs" or
        "workloads and runs", what was resampled; goal; r_max; units: steps, rollouts, tokens,
        cpu -> one row per variant, the best first: variant, score and gain over the baseline
        (Estimates), reached (share of runs), ratio (of each workload), tau and share (the profile,
        an Estimate of arrays). None with fewer than two variants, or no workload.

    Ref: Dahl et al. 2023, arXiv:2306.07179, as in `evaluation.profiles`.
    """
    checks.within(*checks.INSIDE[:1], 1, goal=goal)
    cells: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for row in rows:
        here = cells.setdefault((str(row["pool"]), str(row["start"])), {})
        here.setdefault(row["variant"], []).append(row)
    begun = {where: arms for where, arms in cells.items() if baseline in arms}
    still = [where for where, arms in begun.items() if all(map(flat, arms[baseline]))]
    counted = {where: arms for where, arms in begun.items() if where not in still}
    named = list(dict.fromkeys(v for arms in counted.values() for v in arms))
    names = [v for v in named if all(v in arms for arms in counted.values())]
    if not counted or len(names) < 2:
        return None
    targets = {where: _target(arms[baseline], goal) for where, arms in counted.items()}
    sampled = len(counted) >= ENOUGH
    return {
        "workloads": [
            {"pool": pool, "start": start, "target": targets[pool, start]}
            | {"runs": max(len(mine) for mine in arms.values())}
            for (pool, start), arms in counted.items()
        ],
        "left_out": [{"pool": pool, "start": start} for pool, start in still],
        "missing": [v for v in named if v not in names],
        "over": "workloads and runs" if sampled else "runs",
        "goal": goal,
        "r_max": r_max,
        "units": {
            unit: _unit(
                [[counted[w][v] for w in counted] for v in names],
                names,
                list(targets.values()),
                unit,
                against=names.index(baseline),
                given={"r_max": r_max, "level": level, "sampled": sampled},
            )
            for unit in UNITS
        },
    }


def _unit(
    arms: Sequence[Sequence[Sequence[Row]]],
    names: Sequence[str],
    targets: Sequence[float],
    unit: str,
    *,
    against: int,
    given: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Rows of variants in one unit; arms are (variant, workload, rows)."""
    keys = [
        sorted({row["seed"] for arm in arms for row in arm[w]}, key=str)
        for w in range(len(targets))
    ]
    cost = np.full((len(arms), len(targets), max(map(len, keys))), np.nan)
    for a, arm in enumerate(arms):
        for w, rows in enumerate(arm):
            for row in rows:  # one seed is one place of all arms
                paid = cost_to({**row, unit: _axis(row, unit)}, targets[w], unit)
                cost[a, w, keys[w].index(row["seed"])] = max(paid, SMALL)
    found = performance_profiles(cost, against=against, **given)
    assert found.gain is not None
    shown = [
        {
            "variant": name,
            "score": _one(found.score, a),
            "gain": _one(found.gain, a),
            "reached": float(found.reached[a]),
            "ratio": found.ratio[a].tolist(),
            "tau": found.tau,
            "share": _one(found.share, a),
        }
        for a, name in enumerate(names)
    ]
    return sorted(shown, key=lambda row: -row["score"].value)


def _one(many: Estimate, at: int) -> Estimate:
    """An arm's part of an estimate of all; numbers of single arms are plain ones."""
    value, low, high = (
        x[at] if np.ndim(x[at]) else float(x[at]) for x in (many.value, many.low, many.high)
    )
    return Estimate(value, low, high, many.n)


def table(found: Mapping[str, Any], *, baseline: str) -> str:
    """For people: the score of every variant in every unit, the best by rollouts first."""
    units = found["units"]
    best = {unit: {row["variant"]: row for row in rows} for unit, rows in units.items()}
    lines = [said(found, baseline=baseline)]
    lines.append(
        f"{'variant':<18} {'reached':>7} " + " ".join(f"{'score, ' + u:>19}" for u in UNITS)
    )
    for row in units["rollouts"]:
        scores = [best[unit][row["variant"]]["score"] for unit in UNITS]
        cells = [f"{s.value:.2f} [{s.low:.2f}, {s.high:.2f}]" for s in scores]
        reached = f"{100 * row['reached']:.0f}%"
        lines.append(f"{row['variant']:<18} {reached:>7} " + " ".join(f"{c:>19}" for c in cells))
    return "\n".join(lines)


def said(found: Mapping[str, Any], *, baseline: str) -> str:
    """What the scores are, over what, and what was left out."""
    many = len(found["workloads"])
    text = (
        f"time to {100 * found['goal']:g}% of {baseline}'s gain over {many} "
        f"workload{'s' * (many > 1)} (pool and start): score 1 = always the first, 0 = never "
        f"within {found['r_max']:g} times the best; 95% intervals over {found['over']}"
    )
    if found["left_out"]:
        where = ", ".join(f"{w['pool']} from {w['start']}" for w in found["left_out"])
        text += f"; left out, as {baseline} learned nothing there: {where}"
    if found["missing"]:
        text += f"; not on all workloads: {', '.join(found['missing'])}"
    return text
