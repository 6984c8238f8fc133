"""Lessons: the tiny policy learns replies that are given, not sampled; weighted imitation.

For methods that write their own data (training markers, direct answer or tool) and then only
imitate it. Axes: `lesson` (a prompt with its reply), `step`.
"""

from collections.abc import Sequence

import numpy as np

from gradatim import checks
from gradatim.engine.loop import Learner
from gradatim.engine.rollouts import given
from gradatim.errors import ArgumentError
from gradatim.rng import digest
from gradatim.solvers import tiny
from gradatim.solvers.tiny_model import encode
from gradatim.types import ROLES, Batch, Use

DEMO = ROLES.index("demo")


def open_learner(policy: tiny.Policy, *, rate: float = 1e-3, ramp: int = 15) -> Learner:
    """A learner of this policy that imitates: objective `sft`, each reply's tokens averaged."""
    return Learner(policy, rate=rate, ramp=ramp, objective=Use("sft", {}))


def imitate(
    learner: Learner,
    prompts: Sequence[str],
    replies: Sequence[str],
    *,
    weight: np.ndarray | None = None,
) -> None:
    """One optimiser step up the mean log-likelihood of these replies.

    Args:
        learner: of `open_learner`, changed in place.
        prompts, replies: (lesson,) compact texts.
        weight: (lesson,) float >= 0, what each counts; None: 1.

    Raises:
        ArgumentError: no lessons, another number of replies, or an objective other than `sft`.
    """
    size = len(prompts)
    if not size or len(replies) != size:
        raise ArgumentError(f"`replies` must be one for each prompt, got {len(replies)} for {size}")
    weight = np.ones(size) if weight is None else np.asarray(weight, dtype=float)
    checks.shapes(prompts=(np.empty(size), "lesson"), weight=(weight, "lesson"))
    checks.within(0, np.inf, weight=weight)
    rollouts = given([encode(p) for p in prompts], replies)
    sure, each = np.ones(size, dtype=bool), np.arange(size)
    batch = Batch(
        step=learner.steps,
        group=each,
        problem=each,
        role=np.full(size, DEMO),
        parent=np.full(size, -1),
        reward=np.ones(size),
        solved=sure,
        length=rollouts.replies.lengths.numpy(),
        mask=sure,
        weight=weight.astype(np.float32),
    )
    longest = int(batch.length.max())
    learner.update(rollouts, np.ones(size), longest=longest, batch=batch)


def study(
    learner: Learner,
    prompts: Sequence[str],
    replies: Sequence[str],
    *,
    steps: int,
    batch: int = 64,
    weight: np.ndarray | None = None,
    seed: int = 0,
) -> None:
    """Passes over the lessons, each in a new order that the seed fixes.

    Args:
        learner, prompts, replies, weight: as for `imitate`.
        steps: optimiser steps.
        batch: lessons of a step; all of them where there are fewer.
        seed: of the orders.
    """
    checks.whole(1, 10**9, steps=steps, batch=batch)
    size = len(prompts)
    weight = np.ones(size) if weight is None else np.asarray(weight, dtype=float)
    rng = np.random.default_rng(int.from_bytes(digest("lessons", str(seed), size=7), "big"))
    left = np.zeros(0, dtype=np.int64)
    for _ in range(steps):
        if len(left) < min(batch, size):
            left = np.concatenate([left, rng.permutation(size)])
        now, left = left[:batch], left[batch:]
        which: list[int] = now.tolist()
        asked, said = [prompts[i] for i in which], [replies[i] for i in which]
        imitate(learner, asked, said, weight=weight[now])
