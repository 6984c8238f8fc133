"""Exact on-policy training of the tiny policy: sample, verify, weigh, update, step by step.

The loop spends rollouts only as the curriculum plans them, and skips rows without advantage in
the update, which is exact because the objective's mean still counts them (objectives.Scale).
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from gradatim.learning.objectives import OBJECTIVES, Scale, Tokens
from gradatim.rng import digest
from gradatim.solvers import tiny
from gradatim.solvers.tiny_model import Ragged, ragged, reply_logits
from gradatim.types import Use

CHUNK = 384  # rows per backward pass: bounds memory and keeps activations near the cache


class Rollouts(NamedTuple):
    """A step's replies: `owner` is the prompt of each row, prompt by prompt."""

    prompts: list[list[int]]
    owner: np.ndarray
    replies: Ragged
    finished: np.ndarray
    texts: list[str]


class Learner:
    """A policy with its optimiser: AdamW, a short ramp of the rate, clipped gradient norm.

    Args:
        policy: where to start; its tensors are copied.
        rate: learning rate after the ramp.
        ramp: steps over which the rate rises from zero.
        objective: a name of objectives.OBJECTIVES with its options.
    """

    def __init__(self, policy: tiny.Policy, *, rate: float, ramp: int, objective: Use) -> None:
        self.weights = {k: v.clone().requires_grad_() for k, v in policy.weights.items()}
        self.shape, self.meta = policy.shape, dict(policy.meta)
        self.rate, self.ramp, self.steps = rate, ramp, 0
        slot = OBJECTIVES[objective.name]
        self.objective: Callable[..., Any] = slot.suggest
        self.options = {**slot.options, **objective.options}
        self.optimiser = torch.optim.AdamW(
            list(self.weights.values()), lr=rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        )

    def policy(self) -> tiny.Policy:
        """The weights as they are now, copied."""
        now = {k: v.detach().clone() for k, v in self.weights.items()}
        return tiny.Policy(now, self.shape, tiny.fingerprint(now), self.meta)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        counts: np.ndarray,
        *,
        limit: int,
        seed: Sequence[object],
    ) -> Rollouts:
        """Sample counts[i] replies to prompt i at temperature 1; the seed fixes them."""
        noise = int.from_bytes(digest(*seed, size=7), "big")
        samples = tiny.respond(
            tiny.Policy(self.weights, self.shape, "", {}),
            prompts,
            counts,
            limit=limit,
            temperature=1.0,
            generator=torch.Generator().manual_seed(noise),
        )
        owner = np.repeat(np.arange(len(prompts)), counts)
        return Rollouts(
            [list(p) for p in prompts],
            owner,
            tiny.flat(samples),
            samples.finished.numpy(),
            tiny.texts(samples),
        )

    def update(
        self, rollouts: Rollouts, advantage: np.ndarray, *, longest: int, all_rows: bool = False
    ) -> dict[str, float]:
        """One optimiser step on the rows whose advantage is not zero.

        Args:
            rollouts: the step's replies.
            advantage: (row,) float.
            longest: the constant length of Dr.GRPO's mean.
            all_rows: compute rows without advantage too; the gradient is the same.

        Returns:
            Means over the chunks of the objective's metrics, `rows` computed and `norm` of the
            gradient; no step is taken where no row has an advantage.
        """
        lengths = rollouts.replies.lengths
        rows = np.arange(len(advantage)) if all_rows else np.flatnonzero(advantage)
        if not len(rows):
            return {"rows": 0.0, "norm": 0.0}
        scale = Scale(len(advantage), int(lengths.sum()), longest)
        sizes = np.array([len(p) for p in rollouts.prompts])
        rows = rows[np.argsort(sizes[rollouts.owner[rows]], kind="stable")]
        self.optimiser.zero_grad(set_to_none=True)
        metrics: dict[str, float] = {}
        parts = np.array_split(rows, max(1, round(len(rows) / CHUNK)))
        for part in parts:
            weight = len(part) / len(rows)
            for name, value in self._backward(rollouts, part, advantage[part], scale).items():
                metrics[name] = metrics.get(name, 0.0) + weight * value
        norm = torch.nn.utils.clip_grad_norm_(list(self.weights.values()), 1.0)
        self.steps += 1
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * min(1.0, self.steps / max(self.ramp, 1))
        self.optimiser.step()
        return {**metrics, "rows": float(len(rows)), "norm": float(norm)}

    def _backward(
        self, rollouts: Rollouts, rows: np.ndarray, advantage: np.ndarray, scale: Scale
    ) -> dict[str, float]:
        used, owner = np.unique(rollouts.owner[rows], return_inverse=True)
        lengths = rollouts.replies.lengths
        begin = torch.cumsum(lengths, 0) - lengths
        take = torch.from_numpy(rows)
        mine = lengths[take]
        row = torch.repeat_interleave(torch.arange(len(rows)), mine)
        inside = torch.arange(len(row)) - (torch.cumsum(mine, 0) - mine)[row]
        replies = Ragged(rollouts.replies.tokens[begin[take][row] + inside], mine)
        logits = reply_logits(
            self.weights,
            self.shape,
            ragged([rollouts.prompts[i] for i in used]),
            owner=torch.from_numpy(owner.reshape(-1)),
            replies=replies,
        )
        logp = -functional.cross_entropy(logits, replies.tokens, reduction="none")
        tokens = Tokens(logp, None, row, mine)
        a = torch.from_numpy(advantage).to(logp.dtype)
        loss, metrics = self.objective(tokens, a, scale, **self.options)
        loss.backward()
        return metrics

    def state(self) -> bytes:
        """Everything that the next step depends on."""
        buffer = BytesIO()
        weights = {k: v.detach() for k, v in self.weights.items()}
        optimiser = self.optimiser.state_dict()
        torch.save({"weights": weights, "optimiser": optimiser, "steps": self.steps}, buffer)
        return buffer.getvalue()

    def restore(self, state: bytes) -> None:
        """Continue from `state()`."""
        saved = torch.load(BytesIO(state), weights_only=True)
        with torch.no_grad():
            for name, value in saved["weights"].items():
                self.weights[name].copy_(value)
        self.optimiser.load_state_dict(saved["optimiser"])
        self.steps = saved["steps"]


def use_threads(n: int) -> None:
    """Fix the number of torch's threads; two runs side by side want one each."""
    torch.set_num_threads(n)
