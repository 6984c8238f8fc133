"""The rows of a comparison: what each pair showed, what it could have shown, what a gate says."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim.evaluation import pairs as paired
from gradatim.evaluation import power as planning
from gradatim.scale.multiple import adjust
from gradatim.standings.compare_sources import Arms
from gradatim.types import Estimate


class Rule(NamedTuple):
    """How a comparison is read; see `compare.compare`."""

    level: float
    correct: str
    effect: float
    power: float
    margin: float
    plan: int | None
    samples: int | None

    def alpha(self, n: int) -> float:
        """Level of one of n tests: what the first of Holm's steps asks for."""
        return (1 - self.level) / (n if self.correct in ("holm", "joint") else 1)


def describe_pairs(
    arms: Arms,
    listed: np.ndarray,
    found: paired.Differences,
    adjusted: np.ndarray,
    *,
    step: np.ndarray,
    rule: Rule,
    clustered: str | None,
) -> list[dict[str, Any]]:
    """A row for each pair of `listed` (pair, 2)."""
    rows = []
    for i, (a, b) in enumerate(listed.tolist()):
        row = _row(arms, found, i, pair=(a, b), adjusted=float(adjusted[i]), level=rule.level)
        here = (arms.tried[a] > 0) & (arms.tried[b] > 0)
        solved, tried = arms.solved[[a, b]][:, here], arms.tried[[a, b]][:, here]
        size = float(step[[a, b]].min())
        parts = planning.split_variance(
            solved, tried, step=size, jump=float(found.jump[i]), level=rule.level
        )
        if clustered is not None and not np.isnan(found.se[i]):
            n = float(found.n[i])
            parts = planning.clustered(
                parts, float(found.se[i] ** 2 * n), units=float(found.df[i] + 1) / n
            )
        rows.append(row | _ahead(parts, int(found.n[i]), rule=rule, alpha=rule.alpha(len(listed))))
    return rows


def _row(
    arms: Arms,
    found: paired.Differences,
    i: int,
    *,
    pair: tuple[int, int],
    adjusted: float,
    level: float,
) -> dict[str, Any]:
    a, b = pair
    here = (arms.tried[a] > 0) & (arms.tried[b] > 0)
    rates = [arms.solved[s, here] / arms.tried[s, here] for s in pair]
    means = [float(np.mean(one)) for one in rates]
    value = float(found.value[i])
    verdict = "open"
    if adjusted <= 1 - level:
        verdict = "better" if value > 0 else "worse"
    return {
        "first": arms.names[a],
        "second": arms.names[b],
        "difference": Estimate(value, float(found.low[i]), float(found.high[i]), int(found.n[i])),
        "p": float(found.p[i]),
        "p_adjusted": adjusted,
        "verdict": verdict,
        "first_rate": means[0],
        "second_rate": means[1],
        "se": float(found.se[i]),
        "units": int(found.units[i]),
        "same": bool(np.allclose(rates[0], rates[1], rtol=0, atol=1e-12)),
    }


def _ahead(parts: planning.Variance, n: int, *, rule: Rule, alpha: float) -> dict[str, Any]:
    """What this comparison could see, what a difference of `effect` would need, and the plan."""
    asked, effect = {"power": rule.power, "alpha": alpha}, rule.effect
    between = parts.between
    attempts = None if between is None else parts.total.value - between
    problems = planning.problems_needed(parts, effect, **asked)
    told: dict[str, Any] = {
        "se_problems": None if between is None else float(np.sqrt(between / n)),
        "se_attempts": None if attempts is None else float(np.sqrt(max(attempts, 0.0) / n)),
        "detectable": planning.detectable(parts, n, **asked),
        "needed": {
            "effect": effect,
            "problems": problems,
            "more_problems": None if problems is None else max(0, problems - n),
            "samples": planning.samples_needed(parts, effect, n, **asked),
        },
    }
    if rule.plan is not None or rule.samples is not None:
        size, samples = n if rule.plan is None else rule.plan, rule.samples
        told["plan"] = {
            "problems": size,
            "samples": parts.samples if samples is None else samples,
            "detectable": planning.detectable(parts, size, samples=samples, **asked),
            "problems_for_effect": planning.problems_needed(
                parts, effect, samples=samples, **asked
            ),
        }
    return told


def judge(
    arms: Arms,
    listed: np.ndarray,
    found: paired.Differences,
    *,
    rule: Rule,
    kinds: Sequence[str],
) -> dict[str, Any]:
    """The gates: differences beyond the margin, at a level that holds over all comparisons.

    With one comparison: worse = the upper end of the difference is below -margin.

    Args:
        arms, listed, found: the comparison.
        rule: its level, correction and margin.
        kinds: what fails: "worse", "not better".
    """
    method = "holm" if rule.correct == "joint" else rule.correct
    past: dict[int, set[int]] = {}
    for sign in (-1, 1):
        p = paired.tail(found.centre, found.se, found.df, at=sign * rule.margin)
        sure = (adjust(p, method=method) <= 1 - rule.level) & (sign * found.centre > rule.margin)
        past[sign] = set(listed[sure, 1].tolist())
    failed = past[-1] if "worse" in kinds else set()
    if "not better" in kinds:
        failed = failed | (set(listed[:, 1].tolist()) - past[1])
    named = {
        key: [arms.names[i] for i in sorted(which)]
        for key, which in (("worse", past[-1]), ("better", past[1]), ("failed", failed))
    }
    return {"fails_if": list(kinds), "margin": rule.margin, **named}
