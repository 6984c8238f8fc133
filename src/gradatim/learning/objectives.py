"""Policy objectives: rewards already turned into advantages, here turned into a loss (torch).

Every objective is one product of four parts: stabilisation mask x 1 / reference probability x
advantage x likelihood gradient. Axes: `row` (one reply each), `token` (flat, row after row).
"""

from typing import NamedTuple

import torch

from gradatim import checks
from gradatim.types import Slot

AGGREGATIONS = ("sequence", "token", "constant")


class Tokens(NamedTuple):
    """Log-probabilities of the reply tokens of a batch, or of a part of one.

    Attributes:
        logp: (token,) float, under the policy that learns; carries the gradient.
        old: (token,) float, under the policy that sampled; None on-policy, where the ratio is 1.
        row: (token,) int64, the row of each token, 0 .. n_rows-1.
        lengths: (row,) int64 >= 1.
    """

    logp: torch.Tensor
    old: torch.Tensor | None
    row: torch.Tensor
    lengths: torch.Tensor


class Scale(NamedTuple):
    """What a mean runs over: the whole batch, also where only a part of it is computed.

    Rows without advantage add nothing to the gradient, so leaving them out is exact as long as
    these counts still include them.

    Attributes:
        rows, tokens: of the whole batch.
        longest: the constant length of Dr.GRPO's mean.
    """

    rows: int
    tokens: int
    longest: int


def weights(tokens: Tokens, scale: Scale, aggregate: str) -> torch.Tensor:
    """(token,) float: what each token counts in the loss.

    `sequence`: mean over rows of the mean over a row's tokens (GRPO, Shao et al. 2024, eq. 3).
    `token`: mean over all tokens (DAPO, Yu et al. 2025, eq. 8).
    `constant`: sum over tokens / (rows x longest) (Dr.GRPO, Liu et al. 2025).
    """
    checks.one_of("aggregate", aggregate, AGGREGATIONS)
    if aggregate == "sequence":
        return 1.0 / (scale.rows * tokens.lengths[tokens.row])
    size = scale.tokens if aggregate == "token" else scale.rows * scale.longest
    return tokens.logp.new_full(tokens.logp.shape, 1.0 / size)


def clip(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    low: float = 0.2,
    high: float = 0.2,
    aggregate: str = "sequence",
) -> tuple[torch.Tensor, dict[str, float]]:
    """The clipped surrogate: -mean min(ratio x A, clip(ratio, 1 - low, 1 + high) x A).

    Args:
        tokens: log-probabilities, see Tokens.
        advantage: (row,) float; no gradient flows through it.
        scale: what the mean runs over, see Scale.
        low, high: clip range; high > low is clip-higher (DAPO).
        aggregate: one of AGGREGATIONS.

    Returns:
        The loss (scalar) and {"clipped": share of the tokens whose gradient the clip removed}.

    Ref: Schulman et al. 2017, arXiv:1707.06347, eq. 7; Shao et al. 2024, arXiv:2402.03300, eq. 3.
    Differs: no KL term; `old` None means on-policy, where the value is -mean A and the gradient
    is that of REINFORCE.

    >>> one = torch.zeros(2, requires_grad=True)
    >>> rows = torch.tensor([0, 1])
    >>> part = Tokens(one, None, rows, torch.tensor([1, 1]))
    >>> loss, _ = clip(part, torch.tensor([1.0, -1.0]), Scale(2, 2, 1))
    >>> loss.backward(); one.grad
    tensor([-0.5000,  0.5000])
    """
    old = tokens.logp.detach() if tokens.old is None else tokens.old
    ratio = (tokens.logp - old).exp()
    a = advantage.detach()[tokens.row]
    plain, kept = ratio * a, ratio.clamp(1 - low, 1 + high) * a
    each = torch.minimum(plain, kept)
    cut = float((kept < plain).float().mean()) if len(a) else 0.0
    return -(each * weights(tokens, scale, aggregate)).sum(), {"clipped": cut}


OBJECTIVES = {
    "clip": Slot(
        suggest=clip,
        options={"low": 0.2, "high": 0.2, "aggregate": "sequence"},
        needs=frozenset({"logp"}),
        paper="PPO's clipped surrogate (arXiv:1707.06347 eq. 7), as in GRPO (2402.03300 eq. 3)",
    )
}
