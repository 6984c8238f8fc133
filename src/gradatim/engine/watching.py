"""What a training run logs of the policy itself: entropy, staleness, reach, coverage, alarms.

Nothing here is learned from. What a step logs is read off the attempts it makes anyway; surveys
of held-out problems are monitors, beside the budget. Hidden states are not kept, so effective rank
(learning.monitors) is for trainers that have them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from gradatim.errors import ArgumentError
from gradatim.learning import monitors, monitors_reach
from gradatim.recipes.curriculum import Curriculum
from gradatim.scale.rates import pass_rate
from gradatim.types import ROLES, Batch, Estimate

COLLAPSED = 0.2  # share of the first survey's entropy; papers give no number, this one is ours
OTHERS = [ROLES.index("demo"), ROLES.index("probe")]  # not sampled, or not whole replies
SCALED = ("ability", "drift")  # with `_low` and `_high` beside them
INTERVALS = tuple(f"{name}{end}" for name in SCALED for end in ("", "_low", "_high"))
SCALE = ("probed", "anchor_pass_rate", *INTERVALS, "anchors_moved")
ALARMS = {
    "entropy collapse": "entropy fell below a fifth of where it began",
    "shrinking": "pass@1 rose while pass@k fell",
    "stale rollouts": "more than half of the updates used rollouts over one version old",
    "anchors moved": "anchors became easier or harder than their difficulties say",
}
VERDICTS = {
    "expanded": "Expanding: it now solves held-out problems that it could not",
    "sharpened": "Sharpening: it solves more often what it could solve before",
    "shrunk": "Shrinking: it no longer solves problems that it could",
    "unchanged": "Unchanged on held-out problems",
    "unresolved": "Expanding or sharpening is not resolved",
}


def entropy_of(logp: np.ndarray, length: np.ndarray) -> float:
    """Mean entropy of the policy's tokens in nats, from the replies it sampled at temperature 1.

    Args:
        logp: (attempt,) float, log-probability of each whole reply.
        length: (attempt,) int, its tokens.

    Returns:
        Mean of -log p over the sampled tokens, whose expectation at every place is the entropy
        there: no distribution has to be kept. NaN where nothing was sampled.

    >>> round(entropy_of(np.log([0.25, 0.5]), np.array([2, 1])), 4)  # every token: one bit
    0.6931
    """
    tokens = float(np.sum(length))
    return float(-np.sum(logp, dtype=float) / tokens) if tokens else float("nan")


def own(batch: Batch) -> np.ndarray:
    """(attempt,) bool: whole replies that the policy sampled to learn from, and nothing else."""
    return batch.mask & ~np.isin(batch.role, OTHERS)


def of_step(batch: Batch, *, sampled: int, updates: int) -> dict[str, float]:
    """What one step logs: entropy, lag and stale (see monitors.lag), balance.

    Args:
        batch: of the whole step, with `logp`.
        sampled: version of the policy (its optimiser steps) that wrote the replies.
        updates: optimiser steps that learned from them; further passes are further behind.
    """
    assert batch.logp is not None
    mine = own(batch)
    lag = monitors.lag(np.full(max(updates, 1), sampled), sampled + np.arange(max(updates, 1)))
    _, code = np.unique(batch.group[mine], return_inverse=True)
    n = np.bincount(code.reshape(-1))
    right = np.bincount(code.reshape(-1), weights=batch.solved[mine])
    return {
        "entropy": entropy_of(batch.logp[mine], batch.length[mine]),
        "lag": lag.mean,
        "stale": lag.stale,
        "balance": float(monitors.balance(right, n).mean()) if len(n) else float("nan"),
    }


def of_scale(curriculum: Curriculum) -> dict[str, Any]:
    """Nothing without anchors, else `scale`: what `Curriculum.metrics` tells by them."""
    if curriculum.pool.anchors is None:
        return {}
    known = curriculum.metrics()
    return {"scale": {name: known[name] for name in SCALE if name in known}}


def survey_rate(solved: np.ndarray, tries: int) -> dict[str, float]:
    """Pass rate of problems tried `tries` times each, as plain values; n counts problems.

    Args:
        solved: (problem,) int, right attempts.
        tries: attempts on each; from two on, the interval is over problems (Student's t).
    """
    if tries == 1:
        found = pass_rate(np.array([solved.sum()]), np.array([len(solved)]))
        return {name: getattr(found, name)[0].item() for name in ("value", "low", "high", "n")}
    found = monitors.paired(solved / tries)
    ends = {"low": max(found.low, 0.0), "high": min(found.high, 1.0)}
    return {"value": found.value, **ends, "n": found.n}


def of_survey(solved: np.ndarray, first: np.ndarray, tries: int) -> dict[str, Any]:
    """How the policy's reach moved since the first survey: a plain monitors_reach.Boundary.

    Args:
        solved, first: (problem,) int, right attempts now and in the first survey; `first` is
            empty while this is the first.
        tries: attempts on each, k of pass@k; one alone tells nothing of reach.

    Returns:
        Nothing, or `reach` with pass_1, pass_k (changes), k, verdict and alarm.
    """
    if tries < 2 or not len(first):
        return {}
    n = np.full(len(solved), tries)
    found = monitors_reach.boundary((first, n), (solved, n), tries)._asdict()
    return {"reach": {k: asdict(v) if isinstance(v, Estimate) else v for k, v in found.items()}}


def added(counts: Sequence[int], batch: Batch, which: np.ndarray) -> list[int]:
    """Counts of a pool's problems with some attempts of a step, (attempt,) bool, added."""
    found = np.bincount(batch.problem[which], minlength=len(counts))
    return (found + np.asarray(counts)).tolist()


def covered(
    tried: Sequence[int], right: Sequence[int], anchors: np.ndarray | None = None
) -> dict[str, Any]:
    """How much of the training pool attempts went to: a plain monitors_reach.Coverage.

    Args:
        tried, right: (problem,) int, attempts of the run so far (`own`) and the right ones.
        anchors: (problem,) bool, problems that are never trained on and do not count.
    """
    counts = np.array([tried, right])
    n, k = counts if anchors is None else counts[:, ~anchors]
    problem = np.repeat(np.arange(len(n)), n)
    rank = np.arange(len(problem)) - np.repeat(np.cumsum(n) - n, n)
    found = monitors_reach.coverage(problem, rank < k[problem], len(n))._asdict()
    return {k: asdict(v) if isinstance(v, Estimate) else v for k, v in found.items()}


def alarms(
    surveys: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
    """Names of ALARMS that the last survey, and the steps before it, give."""
    found = []
    entropies = [e for s in surveys if (e := s.get("entropy")) is not None and np.isfinite(e)]
    if len(entropies) > 1 and entropies[-1] < COLLAPSED * entropies[0]:
        found.append("entropy collapse")
    if surveys and (surveys[-1].get("reach") or {}).get("alarm"):
        found.append("shrinking")
    if surveys and (surveys[-1].get("scale") or {}).get("anchors_moved"):
        found.append("anchors moved")
    stale = [s["stale"] for s in steps if "stale" in s]
    if stale and np.mean(stale) > 0.5:
        found.append("stale rollouts")
    return found


class Watched(NamedTuple):
    """What the surveys of one run say together.

    Attributes:
        verdict: one of monitors_reach.VERDICTS; "" where it was not looked at.
        law: R = -a e^H + b over the surveys; None where there are too few.
        alarms: names of ALARMS, of any survey.
        sentence: all of it in plain words.
    """

    verdict: str
    law: monitors.EntropyLaw | None
    alarms: tuple[str, ...]
    sentence: str


def summary(surveys: Sequence[Mapping[str, Any]]) -> Watched:
    """Read the surveys of one run: expanding or sharpening, the law's ceiling, alarms.

    Args:
        surveys: records of `rate` {value}, and where known `entropy`, `reach`, `scale` and
            `alarms`.
    """
    reach = (surveys[-1].get("reach") or {}) if surveys else {}
    verdict, said = str(reach.get("verdict", "")), []
    if verdict:
        moved = (
            f"pass@{k} {_points(reach[key])}" for k, key in ((1, "pass_1"), (reach["k"], "pass_k"))
        )
        said.append(f"{VERDICTS[verdict]} ({', '.join(moved)})")
    law = _law(surveys)
    if law is not None:
        said.append(_said(law))
    said += _scaled([s["scale"] for s in surveys if s.get("scale")])
    seen = tuple(dict.fromkeys(name for s in surveys for name in s.get("alarms") or ()))
    said += ["Alarm: " + "; ".join(ALARMS[name] for name in seen)] if seen else []
    if not seen and len(surveys) > 1 and "alarms" in surveys[-1]:
        said.append("No alarm")
    return Watched(verdict, law, seen, ". ".join(said) + "." if said else "")


def _scaled(known: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on the anchors of the last survey, beside the first."""
    if not known:
        return []
    first, last = known[0], known[-1]
    said = [
        f"Anchors, never trained on, are believed to be solved "
        f"{100 * last['anchor_pass_rate']:.0f}% of the time (at first "
        f"{100 * first['anchor_pass_rate']:.0f}%), from {last['probed']:,} probes"
    ]
    if "drift" in last:
        ability, gain = ([last[k + end] for end in ("", "_low", "_high")] for k in SCALED)
        said.append(
            f"On their scale the ability is {ability[0]:+.2f} [{ability[1]:+.2f}, "
            f"{ability[2]:+.2f}] logits (at first {first['ability']:+.2f}), and problems that are "
            f"trained on have become {gain[0]:+.2f} [{gain[1]:+.2f}, {gain[2]:+.2f}] easier "
            "beyond that"
        )
    return said


def _points(change: Any) -> str:
    """A change of a pass rate, in points."""
    if isinstance(change, Estimate):
        change = asdict(change)
    low, high = (f"{100 * change[k]:+.1f}" for k in ("low", "high"))
    return f"{100 * change['value']:+.1f} points [{low}, {high}]"


def _law(surveys: Sequence[Mapping[str, Any]]) -> monitors.EntropyLaw | None:
    known = [s for s in surveys if s.get("entropy") is not None]
    rates = [
        s["rate"].value if isinstance(s["rate"], Estimate) else s["rate"]["value"] for s in known
    ]
    pairs = np.array([(s["entropy"], r) for s, r in zip(known, rates, strict=True)]).reshape(-1, 2)
    try:
        return monitors.entropy_law(*pairs[np.isfinite(pairs).all(axis=1)].T)
    except ArgumentError:
        return None  # fewer than three surveys, or entropy that never moved


def _said(law: monitors.EntropyLaw) -> str:
    if law.a.low <= 0:
        return "Pass rate was not clearly bought with entropy, so its law predicts no ceiling"
    end = (f"{100 * v:.0f}%" for v in (law.ceiling.value, law.ceiling.low, law.ceiling.high))
    value, low, high = end
    beyond = " (beyond 100%: the law does not hold that far)" if law.ceiling.low > 1 else ""
    return (
        f"The entropy law R = -a e^H + b predicts a pass rate of {value} [{low}, {high}] when all "
        f"entropy is spent{beyond}"
    )
