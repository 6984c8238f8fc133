"""Objectives that keep entropy up by handling the few tokens that would lower it most (torch).

To first order a policy-gradient step changes the entropy by - rate x cov(log-probability,
advantage), so the tokens with the largest contribution to that covariance are left out (Clip-Cov)
or held to the policy that sampled them (KL-Cov). What is seen in one call is taken as the batch.
Axes: `row`, `token` as in objectives_parts.
"""

import torch

from gradatim import checks
from gradatim.learning.objectives import clip
from gradatim.learning.objectives_parts import (
    BOUNDS,
    PENALTIES,
    Metrics,
    Parts,
    Scale,
    Tokens,
    near,
    penalised,
    sampled,
    spread,
    surrogate,
    weights,
)
from gradatim.types import Slot

__all__ = ["OBJECTIVES", "clip_cov", "covariance", "kl_cov"]


def covariance(logp: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
    """(token,) what each token adds to cov(log-probability, advantage), times the tokens.

    Ref: Cui et al. 2025, arXiv:2505.22617.

    >>> covariance(torch.tensor([-3.0, -1.0, -1.0, -3.0]), torch.tensor([1.0, 1.0, -1.0, -1.0]))
    tensor([-1.,  1., -1.,  1.])
    """
    logp = logp.detach()
    return (advantage - advantage.mean()) * (logp - logp.mean())


def _chosen(candidates: torch.Tensor, most: int) -> torch.Tensor:
    """(token,) bool: at most `most` of the candidates, by a shuffle that only their number sets.

    A step that is repeated makes the same choice, and no state is carried from step to step.
    """
    at = candidates.nonzero()[:, 0]
    order = torch.randperm(len(at), generator=torch.Generator().manual_seed(len(at)))
    chosen = torch.zeros_like(candidates)
    chosen[at[order[:most]]] = True
    return chosen


@penalised
def clip_cov(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    share: float = 2e-4,
    band: tuple[float, float] = (1.0, 5.0),
    epsilon: float = 1.0,
    aggregate: str = "token",
) -> tuple[torch.Tensor, Metrics]:
    """`clip` without the gradient of a few tokens whose covariance lies inside the band.

    Mask: clip's, and not one of max(1, floor(share x tokens)) tokens drawn from the band. Their
    value is 0. An empty band leaves `clip`. Reference: the policy that sampled.

    Args:
        tokens, advantage, scale: see `clip`; the whole batch, since its means decide.
        share: of the tokens, how many are left out.
        band: open interval of covariances; it means something for advantages of deviation 1.
        epsilon: clip range on both sides; 1 all but switches the clip off.
        aggregate: one of AGGREGATIONS.

    Ref: Cui et al. 2025, arXiv:2505.22617; settings of the released scripts.
    Differs: tokens are drawn by a shuffle that can be repeated.
    """
    checks.within(0, 1, share=share)
    a = spread(advantage, tokens)
    low, high = band
    cov = covariance(tokens.logp, a)
    log_ratio = (tokens.logp - sampled(tokens)).detach()
    free = torch.where(a > 0, log_ratio.exp() <= 1 + epsilon, log_ratio.exp() >= 1 - epsilon)
    inside = (cov > low) & (cov < high) & free
    chosen = _chosen(inside, max(1, int(share * len(cov))))
    loss, metrics = clip(
        tokens,
        torch.where(chosen, 0.0, a),
        scale,
        low=epsilon,
        high=epsilon,
        aggregate=aggregate,
    )
    return loss, {**metrics, "chosen": float(chosen.sum())}


@penalised
def kl_cov(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    share: float = 2e-4,
    coefficient: float = 1.0,
    aggregate: str = "token",
) -> tuple[torch.Tensor, Metrics]:
    """-ratio x A, and + coefficient x |log ratio| on the tokens of the largest covariance.

    Mask: none, there is no clip. Reference: the policy that sampled. The first step on fresh
    replies is REINFORCE (|log ratio| is 0 with slope 0): it takes several updates on one batch,
    or replies of an older policy, for the term to act.

    Args:
        tokens, advantage, scale: see `clip`; the whole batch, since its means decide.
        share: max(1, floor(share x tokens)) tokens are chosen; equal ones in order.
        coefficient: of the term.
        aggregate: one of AGGREGATIONS.

    Ref: Cui et al. 2025, arXiv:2505.22617; settings of the released scripts.
    """
    checks.within(0, 1, share=share)
    checks.within(0, float("inf"), coefficient=coefficient)
    a = spread(advantage, tokens)
    counts = weights(tokens, scale, aggregate)
    loss = surrogate(tokens, Parts(near(tokens, sampled(tokens)), sampled(tokens), a, counts))
    most = min(max(1, int(share * len(a))), len(a))
    at = torch.argsort(covariance(tokens.logp, a), descending=True, stable=True)[:most]
    away = (tokens.logp - sampled(tokens))[at].abs()
    return loss + coefficient * (away * counts[at]).sum(), {"chosen": float(most)}


_NEEDS = frozenset({"logp", "all_rows", "whole"})

OBJECTIVES = {
    "clip_cov": Slot(
        suggest=clip_cov,
        options={
            "share": 2e-4,
            "band": (1.0, 5.0),
            "epsilon": 1.0,
            "aggregate": "token",
            **PENALTIES,
        },
        bounds={**BOUNDS, "share": checks.SHARE, "band": checks.ANY, "epsilon": checks.AT_LEAST_0},
        needs=_NEEDS,
        paper="Clip-Cov (arXiv:2505.22617): tokens drawn from a band of covariance give no "
        "gradient. The band is meant for advantages of deviation 1.",
    ),
    "kl_cov": Slot(
        suggest=kl_cov,
        options={"share": 2e-4, "coefficient": 1.0, "aggregate": "token", **PENALTIES},
        bounds={**BOUNDS, "share": checks.SHARE, "coefficient": checks.AT_LEAST_0},
        needs=_NEEDS,
        paper="KL-Cov (arXiv:2505.22617): the tokens of the largest covariance are held to the "
        "policy that sampled them. Acts from the second update on a batch.",
    ),
}
