"""What a study shows: each variant against the baseline, paired by pool, start and seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradatim.errors import ArgumentError
from gradatim.evaluation import curves
from gradatim.types import Estimate

Row = Mapping[str, Any]
WITHOUT = "without_"  # variants of a recipe that lack one of its parts


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


def cost_to(row: Row, target: float, unit: str) -> float:
    """Cost of a height; never less than that of the first moment, below which nothing is seen."""
    cost = np.array(row[unit], dtype=float)
    reached = curves.reach(cost, np.array(row["height"]), target)
    later = cost[cost > 0]
    return max(reached, float(later[0])) if len(later) else reached


def _ratio(rows: Sequence[Row], bases: Sequence[Row], unit: str) -> curves.Ratio:
    """Cost of reaching the baseline's final height (of its monotone fit), in its own cost."""
    goals = [float(curves.rising(np.array(b["height"]))[-1]) for b in bases]
    ours = np.array([cost_to(r, g, unit) for r, g in zip(rows, goals, strict=True)])
    theirs = np.array([cost_to(b, g, unit) for b, g in zip(bases, goals, strict=True)])
    budget = max(float(r[unit][-1]) for r in (*rows, *bases))
    return curves.mean_ratio(ours, theirs, max(budget, 1e-300))


def flat(base: Row) -> bool:
    """Whether a baseline ended where it began, so that the cost of its height means nothing."""
    fit = curves.rising(np.array(base["height"]))
    return bool(fit[-1] <= fit[0] + 1e-9)


def _per_rollout(rows: Sequence[Row], bases: Sequence[Row], unit: str) -> Estimate:
    """What a rollout costs, over what one of the baseline costs: the whole run's."""
    ours, theirs = (
        np.array([max(float(r[unit][-1]), 1e-9) / max(float(r["rollouts"][-1]), 1) for r in side])
        for side in (rows, bases)
    )
    return curves.mean_ratio(ours, theirs, float("1e300")).estimate


def contrast(
    rows: Sequence[Row],
    *,
    baseline: str = "grpo",
    early: float = 8_000,
) -> list[dict[str, Any]]:
    """Every variant of every pool against the baseline.

    Args:
        rows: of a study, see `cells.run_cell`; pairs share pool, start and seed.
        baseline: variant that the others are compared with.
        early: rollouts that count as the beginning.

    Returns:
        One dict per pool and variant: pairs; final, greedy and area (means of the arm); and, the
        baseline apart, Estimates of differences d_final, d_greedy, d_area, d_early and of ratios
        d_forgotten and of ratios x_rollouts, x_tokens, x_cpu (cost of reaching the baseline's
        final height, over what the baseline needed for it by the same monotone fit), with never
        (pairs in which that height was not reached, which count with the whole budget) and flat
        (pairs whose baseline learned nothing); tokens_per_rollout and cpu_per_rollout (ratios at
        equal rollouts); gradient (share of groups with one), forgotten, cpu (seconds).
        With one pair there is no interval: low and high are infinite.

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
    about |= {
        "d_forgotten": difference(forgotten),
        "tokens_per_rollout": _per_rollout(rows, others, "tokens"),
        "cpu_per_rollout": _per_rollout(rows, others, "cpu"),
        "flat": sum(map(flat, others)),
    }
    for unit in ("rollouts", "tokens", "cpu"):
        ratio = _ratio(rows, others, unit)
        about |= {f"x_{unit}": ratio.estimate, "never": ratio.never}
    return about


def _area(row: Row) -> float:
    return curves.area(np.array(row["rollouts"]), np.array(row["height"]))


def by_level(rows: Sequence[Row], *, baseline: str = "grpo") -> list[dict[str, Any]]:
    """Final held-out pass rates of every family and level, with paired differences.

    Returns:
        One dict per pool, variant, family and level: pairs, before, final, greedy (means) and,
        the baseline apart, the Estimates d_final and d_greedy.
    """
    bases = {(r["pool"], r["start"], r["seed"]): r for r in rows if r["variant"] == baseline}
    cells: dict[tuple[str, str, str], list[tuple[Row, Row, int]]] = {}
    for row in rows:
        base = bases.get((row["pool"], row["start"], row["seed"]))
        for i, label in enumerate(row["labels"] if base is not None else ()):
            assert base is not None
            if i < len(base["labels"]) and base["labels"][i] == label:
                cells.setdefault((row["pool"], row["variant"], label), []).append((row, base, i))
    found = []
    for (pool, variant, label), triples in cells.items():
        family, _, level = label.rpartition(":")
        number = int(level) if level.isdecimal() else None
        about: dict[str, Any] = {"pool": pool, "variant": variant, "family": family or label}
        about |= {"level": number, "pairs": len(triples)}
        for name, key in (("before", "before"), ("final", "after"), ("greedy", "greedy")):
            ours = np.array([row[key][i] for row, _, i in triples])
            theirs = np.array([base[key][i] for _, base, i in triples])
            about[name] = float(ours.mean())
            if variant != baseline and name != "before":
                about[f"d_{name}"] = curves.mean_difference(ours, theirs)
        found.append(about)
    return sorted(found, key=lambda r: (r["pool"], r["family"], r["level"] or 0, r["variant"]))


def leave_one_out(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What each part of a recipe brings: the whole against its variants `without_...`.

    A variant `without_sampler` of recipe `gradatim` is paired with the variant `gradatim`.

    Returns:
        One dict per pool and part: part, whole, pairs, and the Estimates brings_final,
        brings_greedy, brings_area (of the whole over the variant without the part), x_rollouts
        (what the variant needs to reach the whole's height), with never. Empty where there are
        no such variants.
    """
    left_out = {r["variant"]: r["recipe"] for r in rows if r["variant"].startswith(WITHOUT)}
    found = []
    for whole in dict.fromkeys(left_out.values()):
        names = {whole, *(v for v, recipe in left_out.items() if recipe == whole)}
        mine = [r for r in rows if r["variant"] in names]
        if not any(r["variant"] == whole for r in mine):
            continue
        for row in contrast(mine, baseline=whole):
            if row["variant"] == whole:
                continue
            brings = {f"brings_{k}": _turned(row[f"d_{k}"]) for k in ("final", "greedy", "area")}
            about = {"pool": row["pool"], "part": row["variant"].removeprefix(WITHOUT)}
            about |= {"whole": whole, "pairs": row["pairs"]}
            found.append({
                **about,
                **brings,
                "x_rollouts": row["x_rollouts"],
                "never": row["never"],
            })
    return found


def _turned(value: Estimate) -> Estimate:
    return Estimate(-value.value, -value.high, -value.low, value.n)


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
    lines += notes(found, configurations=configurations)
    return "\n".join(lines)


def notes(found: Sequence[Mapping[str, Any]], *, configurations: int) -> list[str]:
    """What a reader of contrasts must know: how many were tried, what an interval is of."""
    said = [
        f"{configurations} configurations; 95% intervals over pairs (same pool, start and seed), "
        "not corrected for the number of comparisons"
    ]
    alone = sum(r["pairs"] == 1 for r in found)
    if alone:
        said.append(f"{alone} of {len(found)} rows with one pair: no interval")
    never = sum(bool(r.get("never")) for r in found)
    if never:
        said.append(
            f"{never} rows with pairs that never reached the baseline's height: they count with "
            "the whole budget, so that the true ratio is larger"
        )
    flat = sum(bool(r.get("flat")) for r in found)
    if flat:
        said.append(f"{flat} rows with pairs whose baseline ended where it began")
    return said


def parts_table(found: Sequence[Mapping[str, Any]]) -> str:
    """For people: what each part of a recipe brings, of `leave_one_out`."""
    lines = []
    head = f"{'part':<18} {'pairs':>5} {'brings, points':>22} {'greedy':>22} "
    head += f"{'rollouts without it':>24}"
    for pool, whole in dict.fromkeys((r["pool"], r["whole"]) for r in found):
        lines += [f"pool {pool}: {whole} without one part", head]
        lines += [
            f"{r['part']:<18} {r['pairs']:>5} {_points(r['brings_final']):>22} "
            f"{_points(r['brings_greedy']):>22} {ratio(r):>24}"
            for r in found
            if (r["pool"], r["whole"]) == (pool, whole)
        ]
    return "\n".join(lines)


def _points(value: Estimate | None) -> str:
    if value is None or np.isnan(value.value):  # rows that were not tried greedily
        return "-"
    if value.n == 1:
        return f"{100 * value.value:+.1f}"
    return f"{100 * value.value:+.1f} [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"


def ratio(row: Mapping[str, Any], unit: str = "rollouts") -> str:
    """The cost to the baseline's height beside the baseline's, with how often it was missed.

    >>> ratio({"pairs": 1, "never": 1, "x_rollouts": Estimate(1.2, 0, float("inf"), 1)})
    '>x1.20, never'
    """
    value = row.get(f"x_{unit}")
    if value is None:
        return "-"
    never = row["never"]
    text = f"x{value.value:.2f}"
    if never == row["pairs"]:
        return f">{text}, never"
    if value.n > 1:
        text += f" [{value.low:.2f}, {value.high:.2f}]"
    return text + (f", {never} never" if never else "")


def _line(row: Mapping[str, Any]) -> str:
    return (
        f"{row['variant']:<18} {row['pairs']:>5} {row['final']:>6.3f} "
        f"{_points(row.get('d_final')):>22} {_points(row.get('d_greedy')):>22} {ratio(row):>24} "
        f"{row['gradient']:>8.2f}"
    )
