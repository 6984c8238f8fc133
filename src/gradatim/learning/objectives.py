"""Policy-gradient objectives: advantages turned into a loss (torch).

Each states its four parts (see objectives_parts): stabilisation mask x 1 / reference probability x
advantage x likelihood gradient. Axes: `row` (one reply each), `token` (flat, row after row).
"""

import torch

from gradatim import checks
from gradatim.learning.objectives_parts import (
    AGGREGATIONS,
    BOUNDS,
    LIMIT,
    PENALTIES,
    Metrics,
    Parts,
    Scale,
    Tokens,
    capped,
    column,
    everywhere,
    near,
    own,
    penalised,
    sampled,
    sequence,
    shaping,
    spread,
    surrogate,
    told,
    weights,
)
from gradatim.types import Slot

__all__ = [
    "AGGREGATIONS",
    "OBJECTIVES",
    "Scale",
    "Tokens",
    "cispo",
    "clip",
    "gspo",
    "hpt",
    "reinforce",
    "shaped",
    "weights",
]


def _share(where: torch.Tensor) -> float:
    return float(where.float().mean()) if len(where) else 0.0


def _clipped(
    tokens: Tokens, reference: torch.Tensor, a: torch.Tensor, bounds: tuple[float, float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Stabilisation mask and value of min(ratio A, clip(ratio) A), at least `dual` A if A < 0."""
    low, high, dual = bounds
    log_ratio = (tokens.logp - reference).detach()
    ratio = log_ratio.clamp(max=LIMIT).exp()
    plain, kept = ratio * a, ratio.clamp(1 - low, 1 + high) * a
    stable, value = ~(kept < plain), torch.minimum(plain, kept)
    floor = torch.where(a < 0, dual * a, -torch.inf)
    return stable & (value >= floor) & (log_ratio <= LIMIT), torch.maximum(value, floor)


@penalised
def clip(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    low: float = 0.2,
    high: float = 0.2,
    dual: float | None = None,
    aggregate: str = "sequence",
) -> tuple[torch.Tensor, Metrics]:
    """The clipped surrogate: -mean min(ratio x A, clip(ratio, 1 - low, 1 + high) x A).

    Mask: the ratio may still move towards the advantage. Reference: the policy that sampled.

    Args:
        tokens: log-probabilities, see Tokens.
        advantage: (row,) or (token,) float; no gradient flows through it.
        scale: what the mean runs over, see Scale.
        low, high: clip range; high > low is clip-higher (DAPO).
        dual: >= 1, for A < 0 no token's value falls below dual x A, and none is learned there;
            None for no such bound.
        aggregate: one of AGGREGATIONS.

    Returns:
        The loss (scalar) and {"clipped": share of the tokens whose gradient the clip removed}.

    Ref: Schulman et al. 2017, arXiv:1707.06347, eq. 7; Shao et al. 2024, arXiv:2402.03300, eq. 3;
    Yu et al. 2025, arXiv:2503.14476, eq. 8 (high > low); Ye et al. 2020, arXiv:1912.09729
    (dual, 3 there).
    Differs: no KL term unless the option `kl` asks for one; `old` None means on-policy, where the
    value is -mean A and the gradient is that of REINFORCE.

    >>> one = torch.zeros(2, requires_grad=True)
    >>> rows = torch.tensor([0, 1])
    >>> part = Tokens(one, None, rows, torch.tensor([1, 1]))
    >>> loss, _ = clip(part, torch.tensor([1.0, -1.0]), Scale(2, 2, 1))
    >>> loss.backward(); one.grad
    tensor([-0.5000,  0.5000])
    """
    checks.within(0, float("inf"), low=low, high=high)
    if dual is not None:
        checks.within(1, float("inf"), dual=dual)
    a = spread(advantage, tokens)
    reference = sampled(tokens)
    stable, value = _clipped(tokens, reference, a, (low, high, dual or float("inf")))
    parts = Parts(stable, reference, a, weights(tokens, scale, aggregate))
    return surrogate(tokens, parts, beyond=value), {"clipped": _share(~stable)}


@penalised
def gspo(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    low: float = 3e-4,
    high: float = 4e-4,
    aggregate: str = "sequence",
) -> tuple[torch.Tensor, Metrics]:
    """The clipped surrogate of whole replies: one ratio, the geometric mean of the tokens' ratios.

    Mask: the same for all tokens of a row. Reference: such that each token's ratio is the row's.

    Ref: Zheng et al. 2025, arXiv:2507.18071, eq. 5, 7 (and 13, the form by tokens); clip range of
    section 5.1. Differs: the log-ratio of a row is at most 10, as in verl.

    >>> logp = torch.tensor([0.2, 0.8]).log().requires_grad_()
    >>> part = Tokens(logp, torch.tensor([0.4, 0.4]).log(), torch.tensor([0, 0]), torch.tensor([2]))
    >>> loss, _ = gspo(part, torch.ones(1), Scale(1, 2, 2))
    >>> loss.backward(); loss.item(), logp.grad  # sqrt(0.5 x 2) = 1, and half of it a token
    (-1.0, tensor([-0.5000, -0.5000]))
    """
    checks.within(0, float("inf"), low=low, high=high)
    a = spread(advantage, tokens)
    reference = sequence(tokens)
    stable, value = _clipped(tokens, reference, a, (low, high, float("inf")))
    parts = Parts(stable, reference, a, weights(tokens, scale, aggregate))
    return surrogate(tokens, parts, beyond=value), {"clipped": _share(~stable)}


@penalised
def reinforce(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    aggregate: str = "sequence",
) -> tuple[torch.Tensor, Metrics]:
    """-mean A x log-likelihood in gradient; the value is -mean A, as of `clip` on-policy.

    Mask: none. Reference: the learning policy itself, so `old` is not looked at.

    Ref: Williams 1992, Machine Learning 8:229; Ahmadian et al. 2024, arXiv:2402.14740.
    """
    a = spread(advantage, tokens)
    parts = Parts(everywhere(tokens), own(tokens), a, weights(tokens, scale, aggregate))
    return surrogate(tokens, parts), {}


@penalised
def cispo(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    high: float = 4.0,
    aggregate: str = "token",
) -> tuple[torch.Tensor, Metrics]:
    """REINFORCE weighted by the ratio, at most 1 + high: the weight is cut, never the gradient.

    Mask: none. Reference: the policy that sampled, or policy / (1 + high) where that is more.

    Ref: MiniMax 2025, arXiv:2506.13585; `high` is not published there, it is a parameter.
    """
    checks.within(0, float("inf"), high=high)
    a = spread(advantage, tokens)
    reference = capped(tokens, 1 + high)
    parts = Parts(everywhere(tokens), reference, a, weights(tokens, scale, aggregate))
    cut = reference > sampled(tokens)
    return surrogate(tokens, parts), {"capped": _share(cut)}


@penalised
def shaped(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    gamma: float = 0.1,
    aggregate: str = "sequence",
) -> tuple[torch.Tensor, Metrics]:
    """Own replies by their ratio; foreign ones by p / (p + gamma), which lifts unlikely tokens.

    Mask: none (but ratios that would overflow). Reference: the policy that sampled; for foreign
    rows (p + gamma)^2 / gamma.

    Ref: Yan et al. 2025, arXiv:2504.14945 (LUFFY); Zhang et al. 2025, arXiv:2506.03106
    (Critique-GRPO), where the part of the policy's own replies is not clipped, as here.

    >>> logp = torch.tensor([0.1]).log().requires_grad_()
    >>> zero, one = torch.tensor([0]), torch.tensor([1])
    >>> part = Tokens(logp, None, zero, one, foreign=torch.tensor([True]))
    >>> loss, _ = shaped(part, torch.ones(1), Scale(1, 1, 1))
    >>> loss.backward(); loss.item(), logp.grad.round(decimals=4)  # f = 0.5, p f' = 0.25
    (-0.5, tensor([-0.2500]))
    """
    checks.within(1e-9, float("inf"), gamma=gamma)
    a = spread(advantage, tokens)
    foreign = column(tokens, "foreign")[tokens.row]
    reference = torch.where(foreign, shaping(tokens, gamma), sampled(tokens))
    count = weights(tokens, scale, aggregate)
    loss = surrogate(tokens, Parts(near(tokens, reference), reference, a, count))
    p = own(tokens).exp()
    ratio = (own(tokens) - reference).clamp(max=LIMIT).exp()
    ratio = torch.where(foreign, p / (p + gamma), ratio)
    return told(loss, -(ratio * a * count).sum()), {}


@penalised
def hpt(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    coefficient: float = 1.0,
    aggregate: str = "constant",
) -> tuple[torch.Tensor, Metrics]:
    """REINFORCE on the policy's replies + coefficient x NLL on foreign ones (mean over tokens).

    Mask: none. Reference: the learning policy itself. Which prompts get a demonstration in place
    of their replies is decided before, by a gate on the number of solved replies.

    Ref: Lv et al. 2025, arXiv:2509.04419. Differs: the coefficient of entropy (0.001
    there) is the option `entropy`, 0 by default.
    """
    checks.within(0, float("inf"), coefficient=coefficient)
    a = spread(advantage, tokens)
    foreign = column(tokens, "foreign")[tokens.row]
    size = scale.foreign or max(int(foreign.sum()), 1)
    count = torch.where(foreign, coefficient / size, weights(tokens, scale, aggregate))
    a = torch.where(foreign, 1.0, a)
    loss = surrogate(tokens, Parts(everywhere(tokens), own(tokens), a, count))
    each = torch.where(foreign, own(tokens), 1.0) * a * count
    return told(loss, -each.sum()), {"foreign": _share(foreign)}


_LOGP = frozenset({"logp"})
_LINEAR = frozenset({"additive", "linear"})

_CLIPPED = {**BOUNDS, "low": checks.AT_LEAST_0, "high": checks.AT_LEAST_0}

OBJECTIVES = {
    "clip": Slot(
        suggest=clip,
        options={
            "low": 0.2,
            "high": 0.2,
            "dual": None,
            "aggregate": "sequence",
            **PENALTIES,
        },
        bounds=_CLIPPED | {"dual": checks.AT_LEAST_1},
        needs=_LOGP,
        invariances=_LINEAR,
        paper="PPO's clipped surrogate (arXiv:1707.06347 eq. 7), as in GRPO (2402.03300 eq. 3)",
    ),
    "clip_higher": Slot(
        suggest=clip,
        options={
            "low": 0.2,
            "high": 0.28,
            "dual": None,
            "aggregate": "token",
            **PENALTIES,
        },
        bounds=_CLIPPED | {"dual": checks.AT_LEAST_1},
        needs=_LOGP,
        invariances=_LINEAR,
        paper="DAPO (arXiv:2503.14476 eq. 8): `clip` with more room upwards and a mean over "
        "tokens; its filter and its penalty on overlong replies are matters of other slots.",
    ),
    "dual_clip": Slot(
        suggest=clip,
        options={"low": 0.2, "high": 0.2, "dual": 3.0, "aggregate": "token", **PENALTIES},
        bounds=_CLIPPED | {"dual": checks.AT_LEAST_1},
        needs=_LOGP,
        invariances=_LINEAR,
        paper="Dual clip (arXiv:1912.09729), as verl's default loss has it.",
    ),
    "gspo": Slot(
        suggest=gspo,
        options={"low": 3e-4, "high": 4e-4, "aggregate": "sequence", **PENALTIES},
        bounds=_CLIPPED,
        needs=_LOGP,
        invariances=_LINEAR,
        paper="GSPO (arXiv:2507.18071 eq. 5): one ratio for a whole reply. Differs: log-ratio at "
        "most 10, as in verl.",
    ),
    "reinforce": Slot(
        suggest=reinforce,
        options={"aggregate": "sequence", **PENALTIES},
        bounds=BOUNDS,
        needs=_LOGP,
        invariances=_LINEAR,
        paper="REINFORCE (Williams 1992), with whatever baseline the advantage has.",
    ),
    "cispo": Slot(
        suggest=cispo,
        options={"high": 4.0, "aggregate": "token", **PENALTIES},
        bounds={**BOUNDS, "high": checks.AT_LEAST_0},
        needs=_LOGP,
        invariances=_LINEAR,
        paper="CISPO (MiniMax-M1, arXiv:2506.13585); its upper bound is not published.",
    ),
    "shaped": Slot(
        suggest=shaped,
        options={"gamma": 0.1, "aggregate": "sequence", **PENALTIES},
        bounds={**BOUNDS, "gamma": checks.POSITIVE},
        needs=_LOGP | {"foreign"},
        invariances=_LINEAR,
        paper="LUFFY's shaping p / (p + 0.1) of foreign replies (arXiv:2504.14945), as in "
        "Critique-GRPO (2506.03106); own replies are not clipped.",
    ),
    "hpt": Slot(
        suggest=hpt,
        options={"coefficient": 1.0, "aggregate": "constant", **PENALTIES},
        bounds={**BOUNDS, "coefficient": checks.AT_LEAST_0},
        needs=_LOGP | {"foreign"},
        invariances=frozenset({"additive"}),
        paper="HPT (arXiv:2509.04419): REINFORCE on own replies, NLL on demonstrations. Differs: "
        "no entropy bonus by default.",
    ),
}
