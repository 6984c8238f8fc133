"""AdamW over a list of tensors, by torch's own kernel and without the start of torch's class.

The first `torch.optim.Optimizer` of a process imports torch's compiler (`torch._dynamo`), which is
never used here and takes 1.7 s of the start of every training.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.optim.adamw import adamw


class AdamW:
    """Adam with decoupled weight decay, here 0 (Loshchilov & Hutter 2019, algorithm 2).

    Its steps are those of `torch.optim.AdamW(fused=True)`, bit by bit, and it continues from the
    state of that class, which earlier versions saved.

    Args:
        tensors: what is learned, in an order that stays; a step reads and clears their `grad`.
        betas: shares that the two running means keep at a step.
    """

    def __init__(self, tensors: Sequence[torch.Tensor], *, betas: tuple[float, float]) -> None:
        self.tensors, self.betas = list(tensors), betas
        self.moments: dict[int, dict[str, torch.Tensor]] = {}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move every tensor that has a gradient at this learning rate."""
        moving = [i for i, tensor in enumerate(self.tensors) if tensor.grad is not None]
        for i in moving:
            if i not in self.moments:
                zero = torch.zeros_like(self.tensors[i])
                of = {"step": torch.zeros(()), "exp_avg": zero, "exp_avg_sq": zero.clone()}
                self.moments[i] = of
        held = [self.moments[i] for i in moving]
        adamw(
            [self.tensors[i] for i in moving],
            [g for i in moving if (g := self.tensors[i].grad) is not None],
            [moment["exp_avg"] for moment in held],
            [moment["exp_avg_sq"] for moment in held],
            [],
            [moment["step"] for moment in held],
            fused=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    def clear(self) -> None:
        """Drop the gradients."""
        for tensor in self.tensors:
            tensor.grad = None

    def state(self) -> dict[str, Any]:
        """The running means by place, as `torch.optim` lays them out."""
        return {"state": self.moments}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from `state()`, or from that of `torch.optim.AdamW`."""
        self.moments = {
            i: {name: value.clone() for name, value in of.items()}
            for i, of in state["state"].items()
        }
