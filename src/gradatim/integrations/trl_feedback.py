"""What came back of a plan, told to the curriculum: advantages and statistics of ragged groups.

numpy only; the trainer calls this on its main process and shares what it returns.
Axes: `attempt`, in the order of the plan's rows; `function`, the reward functions; `token`, flat.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.learning.credit_states import prefix_states
from gradatim.learning.gates import filter_groups
from gradatim.recipes.batches import PROBE
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import Plan

# what slots may ask of TRL's loop; it generates once for each plan, so there are no rounds
PROVIDES = frozenset({"logp", "entropy", "text", "token_logp", "anchor", "token_advantage"})
MEASURED = frozenset({"logp", "entropy", "token_logp"})  # of these, what takes a forward pass


class Returned(NamedTuple):
    """What each attempt is worth.

    Attributes:
        advantage: (attempt,) or (token,) float, 0 where it is not kept.
        group: (attempt,) int.
        solved: (attempt,) bool.
        counted: (attempt,) bool, what a mean over attempts runs over: all but probes.
        silent: share of the attempts whose group has one reward, by exact comparison.
        metrics: of the curriculum, and share of attempts kept.
    """

    advantage: np.ndarray
    group: np.ndarray
    solved: np.ndarray
    counted: np.ndarray
    silent: float
    metrics: dict[str, float]


def totals(rewards: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(attempt,) weighted sum over reward functions; NaN where none of them gave a number.

    >>> totals(np.array([[1.0, np.nan], [np.nan, np.nan]]), np.array([1.0, 0.5]))
    array([ 1., nan])
    """
    checks.shapes(rewards=(rewards, "attempt function"), weights=(weights, "function"))
    none = np.isnan(rewards).all(axis=1)
    return np.where(none, np.nan, np.nansum(rewards * weights, axis=1))


def passed(rewards: np.ndarray, names: Sequence[str], name: str | None) -> np.ndarray | None:
    """(attempt,) bool by one reward function, 1 or more where it passed; None for no name.

    Raises:
        ArgumentError: no function of that name.
    """
    if name is None:
        return None
    checks.one_of("solved", name, names)
    return np.nan_to_num(rewards[:, list(names).index(name)]) >= 1 - 1e-6


def observe(
    curriculum: Curriculum,
    plan: Plan,
    rewards: np.ndarray,
    *,
    solved: np.ndarray | None,
    columns: Mapping[str, Any],
) -> Returned:
    """Tell the curriculum what came back, and ask what each attempt is worth.

    Args:
        curriculum: that made the plan.
        plan: whose attempts these are, in the order of its rows.
        rewards: (attempt,) float, NaN where an attempt could not be scored: it is masked.
        solved: (attempt,) bool; None: reward 1.
        columns: lengths and, where slots need them, logp, entropy, text, token_logp, tokens.

    Raises:
        ArgumentError: see Curriculum.observe.
    """
    given = dict(columns)
    tokens = given.pop("tokens", None)
    if tokens is not None:
        given["anchor"] = prefix_states(tokens, given["lengths"], np.zeros(len(rewards), int))
    if solved is None:
        known = rewards[np.isfinite(rewards)]
        if len(known) and (known.min() < 0 or known.max() > 1):
            raise ArgumentError(
                f"rewards leave [0, 1] (they span {known.min():g} .. {known.max():g}); give "
                "`solved`, the name of the reward function that is 1 where an attempt passed"
            )
    batch = curriculum.observe(plan, rewards, solved=solved, mask=np.isfinite(rewards), **given)
    advantage, keep = curriculum.advantages(batch)
    every = keep if len(advantage) == len(keep) else np.repeat(keep, batch.length)
    counted = batch.role != PROBE
    found = filter_groups(batch.reward, batch.group, mask=batch.mask & counted)
    return Returned(
        np.where(every, advantage, 0.0),
        batch.group,
        batch.solved,
        counted,
        found.evicted / max(found.generated, 1),
        {**curriculum.metrics(), "kept_share": float(keep.mean())},
    )
