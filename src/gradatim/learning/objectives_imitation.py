"""Objectives on given replies: weighted imitation (SFT) and learning from wrong ones too (torch).

Axes: `row`, `token` as in objectives_parts.
"""

import torch

from gradatim import checks
from gradatim.learning.objectives_parts import (
    BOUNDS,
    PENALTIES,
    Metrics,
    Parts,
    Scale,
    Tokens,
    column,
    everywhere,
    own,
    penalised,
    row_means,
    spread,
    surrogate,
    told,
    weights,
)
from gradatim.types import Slot

__all__ = ["OBJECTIVES", "WEIGHTINGS", "redi", "sample_weights", "sft"]

# loss scaled to [-1, 1] -> how much a sample is wanted
WEIGHTINGS = {
    "linupper": lambda h: (h + 1).clamp(max=1),
    "quadratic": lambda h: 1 - h**2,
    "extremes": lambda h: h.abs(),
    "upper": lambda h: h / 2 + 0.5,
}


def sample_weights(loss: torch.Tensor, weighting: str, *, temperature: float = 1.0) -> torch.Tensor:
    """(row,) weights that sum to 1, from each sample's loss among the batch's.

    Args:
        loss: (row,) float, mean loss of each sample; no gradient flows through.
        weighting: a name in WEIGHTINGS: `linupper` turns away from the easiest half, `quadratic`
            from both ends, `extremes` from the middle, `upper` is linear.
        temperature: > 0; large ones weigh all the same.

    Ref: Sow et al. 2025, arXiv:2502.06733, with h = 2 (l - min) / max(max - min, 1e-6) - 1 and
    w = softmax(f(h) / r).

    >>> sample_weights(torch.tensor([0.0, 1.0, 2.0]), "linupper").round(decimals=3)
    tensor([0.1550, 0.4220, 0.4220])
    """
    checks.one_of("weighting", weighting, WEIGHTINGS)
    checks.within(1e-9, float("inf"), temperature=temperature)
    if not len(loss):
        return loss.detach()
    loss = loss.detach() - loss.detach().min()  # beside a large offset the digits stay
    h = 2 * loss / loss.max().clamp(min=1e-6) - 1
    return torch.softmax(WEIGHTINGS[weighting](h) / temperature, 0)


def _imitated(tokens: Tokens) -> torch.Tensor:
    """(row,) bool: foreign and solved rows; all where nothing says which."""
    if tokens.solved is None and tokens.foreign is None:
        return torch.ones_like(tokens.lengths, dtype=torch.bool)
    found = torch.zeros_like(tokens.lengths, dtype=torch.bool)
    for given in (tokens.solved, tokens.foreign):
        found = found if given is None else found | given
    return found


@penalised
def sft(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    aggregate: str = "sequence",
    weighting: str = "none",
    temperature: float = 1.0,
) -> tuple[torch.Tensor, Metrics]:
    """Negative log-likelihood of foreign and solved replies, of all where nothing says which.

    Mask: none. Reference: the learning policy itself. Advantage: 1 for the replies that are
    imitated, 0 for others; the one that is given is not looked at.

    Args:
        tokens: `weight` multiplies the rows.
        advantage: (row,) float, not used.
        scale: what the mean runs over: all rows, also those that are not imitated.
        aggregate: one of AGGREGATIONS.
        weighting: "none" or a name in WEIGHTINGS; weights have mean 1 over the imitated rows of
            this call, which should be the whole batch.
        temperature: of the weighting.

    Ref: Sow et al. 2025, arXiv:2502.06733, for the weighting; the temperature falls during a run
    there. Differs: loss = sum of w l x share of the rows that are imitated.
    """
    spread(advantage, tokens)
    imitated = _imitated(tokens)
    a = imitated.to(tokens.logp.dtype)
    if weighting != "none":
        chosen = imitated.nonzero()[:, 0]
        loss = -row_means(own(tokens), tokens)[chosen]
        w = sample_weights(loss, weighting, temperature=temperature) * len(chosen)
        a = a.index_put((chosen,), w)
    return _likelihood(tokens, a, weights(tokens, scale, aggregate))


def _likelihood(
    tokens: Tokens, a: torch.Tensor, counts: torch.Tensor
) -> tuple[torch.Tensor, Metrics]:
    """-sum of count x advantage of the row x log-likelihood."""
    each = a[tokens.row]
    loss = surrogate(tokens, Parts(everywhere(tokens), own(tokens), each, counts))
    return told(loss, -(each * counts * own(tokens)).sum()), {"rows": float((a != 0).sum())}


@penalised
def redi(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    positive: float = 1.0,
    negative: float = 0.8,
    aggregate: str = "sequence",
) -> tuple[torch.Tensor, Metrics]:
    """Lift right replies and press wrong ones, by fixed weights and without a reference.

    Mask: none. Reference: the learning policy itself. Advantage: + positive for right and foreign
    rows, - negative for wrong ones; the one that is given is not looked at.

    Args:
        tokens: with `solved`.
        advantage: (row,) float, not used.
        scale: what the mean runs over.
        positive, negative: >= 0; negative = 0 is SFT.
        aggregate: one of AGGREGATIONS.

    Ref: Xu et al. 2025, arXiv:2505.24850, stage 2. Differs: mean over rows, not over pairs, which
    for as many right as wrong rows is half of the paper's loss.
    """
    checks.within(0, float("inf"), positive=positive, negative=negative)
    spread(advantage, tokens)
    column(tokens, "solved")
    a = torch.where(_imitated(tokens), positive, -negative).to(tokens.logp.dtype)
    return _likelihood(tokens, a, weights(tokens, scale, aggregate))


OBJECTIVES = {
    "sft": Slot(
        suggest=sft,
        options={
            "aggregate": "sequence",
            "weighting": "none",
            "temperature": 1.0,
            **PENALTIES,
        },
        bounds={
            **BOUNDS,
            "weighting": frozenset({"none", *WEIGHTINGS}),
            "temperature": checks.POSITIVE,
        },
        needs=frozenset({"logp", "solved", "solved_rows"}),
        invariances=frozenset({"additive", "own_advantage"}),
        paper="Likelihood of demonstrations and solved replies (rejection fine-tuning); weights "
        "by loss: arXiv:2502.06733.",
    ),
    "redi": Slot(
        suggest=redi,
        options={
            "positive": 1.0,
            "negative": 0.8,
            "aggregate": "sequence",
            **PENALTIES,
        },
        bounds={**BOUNDS, "positive": checks.AT_LEAST_0, "negative": checks.AT_LEAST_0},
        needs=frozenset({"logp", "solved", "all_rows"}),
        invariances=frozenset({"additive", "own_advantage"}),
        paper="REDI (arXiv:2505.24850): likelihood of right replies minus 0.8 of wrong ones, by "
        "length. Differs: mean over rows, not pairs.",
    ),
}
