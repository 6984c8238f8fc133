"""Rewards as they come back from a trainer, checked and turned into a Batch."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.learning.credit import token_column
from gradatim.scale.belief_weighted import importance
from gradatim.types import ROLES, Batch, Plan

TOKENS = ("token_logp", "prefix_value", "anchor")  # flat: the tokens of attempt 0 first
COLUMNS = ("logp", "entropy", "text", "value", *TOKENS, "weight", "kl_scale")
NOW = "logp_now"  # of the policy that learns, where another one sampled; with `logp` a weight
PROBE = ROLES.index("probe")


def _rows(plan: Plan, row: Any, attempts: int) -> np.ndarray:
    """Plan row of each attempt, checked against what was asked for."""
    rows = len(plan.n)
    if row is None:
        if attempts != plan.n.sum():
            raise ArgumentError(
                f"`rewards` has {attempts} attempts but the plan of step {plan.step} asked for "
                f"{plan.n.sum()}; give `row` (the plan row of each) where some are missing"
            )
        return np.repeat(np.arange(rows), plan.n)
    code = np.asarray(row)
    if code.size == 0:
        code = code.astype(np.int64)
    if code.dtype.kind not in "iu":
        raise ArgumentError(f"`row` must hold integers, the rows of the plan; got {code.dtype}")
    checks.within(0, rows - 1, row=code)
    over = np.flatnonzero(np.bincount(code.ravel(), minlength=rows) > plan.n)
    if len(over):
        at = int(over[0])
        raise ArgumentError(
            f"`row` has {np.count_nonzero(code == at)} attempts on row {at}, "
            f"the plan asked for {plan.n[at]}"
        )
    return code


def _solved(solved: Any, reward: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if solved is not None:
        found = np.asarray(solved)
        if found.dtype == bool:
            return found
        checks.within(0, 1, solved=np.where(mask, found, 0) if found.shape == mask.shape else found)
        return np.where(mask, found, 0) >= 1
    given = reward[mask]
    if len(given) and (given.min() < 0 or given.max() > 1):
        raise ArgumentError(
            f"`rewards` leave [0, 1] (they span {given.min()} .. {given.max()}); "
            "give `solved` to say which attempts passed"
        )
    return reward >= 1 - 1e-6  # float32 rewards too


def build(
    plan: Plan,
    rewards: Any,
    solved: Any = None,
    *,
    lengths: Any,
    row: Any,
    mask: Any,
    columns: Mapping[str, Any],
) -> Batch:
    """The attempts of a plan as a Batch; see Curriculum.observe for the arguments.

    Raises:
        ArgumentError: lengths that differ, NaN rewards, rows or attempts the plan has not.
    """
    checks.known_keys("observe", columns, (*COLUMNS, NOW))
    reward = np.asarray(rewards, dtype=np.float64)
    if reward.ndim != 1:
        raise ArgumentError(
            f"`rewards` must be flat, one entry per attempt in the order of the plan's rows; "
            f"got shape {reward.shape}"
        )
    live = np.ones(len(reward), bool) if mask is None else np.asarray(mask, dtype=bool)
    checks.shapes(rewards=(reward, "attempt"), mask=(live, "attempt"))
    code = _rows(plan, row, len(reward))
    bad = np.flatnonzero(live & ~np.isfinite(reward))
    if len(bad):
        raise ArgumentError(
            f"`rewards` must be finite, got {reward[bad[0]]} for attempt {bad[0]} "
            f"({len(bad)} of {len(reward)} are not); mask attempts that have no reward"
        )
    reward = np.where(live, reward, 0.0)
    passed = _solved(solved, reward, live) & live
    length = np.full(len(reward), -1) if lengths is None else np.asarray(lengths)
    more = {
        name: np.asarray(value, dtype=object if name == "text" else None)
        for name, value in _weighed(columns, live).items()
        if value is not None
    }
    checks.shapes(
        rewards=(reward, "attempt"),
        row=(code, "attempt"),
        solved=(passed, "attempt"),
        lengths=(length, "attempt"),
        **{name: (value, "attempt") for name, value in more.items() if name not in TOKENS},
    )
    for name in set(TOKENS) & more.keys():
        token_column(name, more[name], length)
    return Batch(
        step=plan.step,
        group=plan.group[code],
        problem=plan.problem[code],
        role=plan.role[code],
        parent=plan.parent[code],
        reward=reward,
        solved=passed,
        length=length,
        mask=live,
        row=plan.start + code,
        hint=plan.hint[code],
        alpha=plan.alpha[code],
        beta=plan.beta[code],
        cut=plan.cut[code],
        propensity=plan.propensity[code],
        **more,
    )


def _weighed(columns: Mapping[str, Any], live: np.ndarray) -> dict[str, Any]:
    """The columns with `weight` in place of `logp_now`: what stale replies are worth by now."""
    found = dict(columns)
    now = found.pop(NOW, None)
    if now is None:
        return found
    if found.get("logp") is None or found.get("weight") is not None:
        raise ArgumentError(
            f"`{NOW}` gives `weight` together with `logp`, of the policy that sampled; give these "
            "two, or `weight` itself"
        )
    now, then = np.asarray(now, dtype=float), np.asarray(found["logp"], dtype=float)
    checks.shapes(rewards=(live, "attempt"), logp_now=(now, "attempt"), logp=(then, "attempt"))
    found["weight"] = importance(np.where(live, now, 0.0), np.where(live, then, 0.0))
    return found


def learnable(batch: Batch) -> Batch:
    """The batch with probes of whole problems masked: the belief alone is told of them."""
    probed = (batch.role == PROBE) & (batch.parent < 0)
    return dataclasses.replace(batch, mask=batch.mask & ~probed) if probed.any() else batch


def soften(batch: Batch, *, hard: float, soft: float, **_: Any) -> dict[str, np.ndarray]:
    """`kl_scale`: `soft` for attempts on hard problems and on what they were rewritten to, else 1.

    A problem is hard where at most `hard` of the step's plain attempts on it were right, which is
    what `scaffolds.rewrite` makes simpler.
    """
    checks.within(0, 1, soft=soft)
    plain = batch.mask & (batch.role == 0)
    size = int(batch.problem.max(initial=-1)) + 1
    tried = np.bincount(batch.problem[plain], minlength=size)
    solved = np.bincount(batch.problem[plain], weights=batch.solved[plain], minlength=size)
    low = (tried > 0) & (solved / np.maximum(tried, 1) <= hard)
    return {"kl_scale": np.where(low[batch.problem], soft, 1.0)}


def weigh_hints(batch: Batch, *, hint_weight: float, **_: Any) -> dict[str, np.ndarray]:
    """`hint_weight` of attempts that were given a hint, 0 of others; no column where it is 0."""
    if not hint_weight or batch.hint is None:
        return {}
    return {"hint_weight": np.where(batch.hint > 0, hint_weight, 0.0)}


def from_counts(problem: Any, solved: Any, tried: Any, *, step: int, problems: int) -> Batch:
    """Counts of earlier attempts as a Batch with one group per row.

    Raises:
        ArgumentError: an index outside the problems, or more solved than tried.
    """
    index, k, n = (np.asarray(x) for x in (problem, solved, tried))
    checks.shapes(problem=(index, "row"), solved=(k, "row"), tried=(n, "row"))
    checks.within(0, problems - 1, problem=index)
    checks.within(0, np.inf, tried=n)
    checks.within(0, 1, **{"solved / tried": k / np.maximum(n, 1)})
    group = np.repeat(np.arange(len(index)), n.astype(np.int64))
    rank = np.arange(len(group)) - np.repeat(np.cumsum(n) - n, n.astype(np.int64))
    passed = rank < k[group]
    return Batch(
        step=step,
        group=group,
        problem=index[group],
        role=np.zeros(len(group), dtype=np.int64),
        parent=np.full(len(group), -1),
        reward=passed.astype(float),
        solved=passed,
        length=np.full(len(group), -1),
        mask=np.ones(len(group), dtype=bool),
    )
