"""The four parts that every policy objective is a product of (torch).

gradient = - sum over tokens of count x stabilisation mask x 1 / reference probability x advantage
x gradient of the token's probability. What differs between SFT, REINFORCE, PPO, GRPO, GSPO and DPO
is what stands for each part: `Parts` holds them and `surrogate` multiplies them.
Axes: `row` (one reply each), `token` (flat, row after row).

Ref: Lv et al. 2025, arXiv:2509.04419 (Hybrid Post-Training), the unified gradient estimator.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.types import Slot

AGGREGATIONS = ("sequence", "token", "constant")
ESTIMATORS = ("k1", "k2", "k3")
LIMIT = 20.0  # log-ratios beyond it (a ratio of 5e8) give no gradient instead of overflowing

Metrics = dict[str, float]
Objective = Callable[..., tuple[torch.Tensor, Metrics]]


class Tokens(NamedTuple):
    """Log-probabilities of the reply tokens of a batch, or of a part of one.

    Attributes:
        logp: (token,) float, under the policy that learns; carries the gradient.
        old: (token,) float, under the policy that sampled; None on-policy, where the ratio is 1.
        row: (token,) int64, the row of each token, 0 .. n_rows-1.
        lengths: (row,) int64 >= 1.
        reference: (token,) float, under the policy that a KL term or DPO holds to.
        entropy: (token,) float in nats, of the learning policy's choice; carries gradient.
        group: (row,) int64 labels, rows of one prompt.
        solved: (row,) bool.
        foreign: (row,) bool, replies that the policy did not sample from this prompt itself:
            demonstrations, and refinements made with a critique in sight.
        weight: (row,) float >= 0, counts of the rows; None for 1.
        kl_scale: (row,) float >= 0, factors on the KL term; None for 1.
    """

    logp: torch.Tensor
    old: torch.Tensor | None
    row: torch.Tensor
    lengths: torch.Tensor
    reference: torch.Tensor | None = None
    entropy: torch.Tensor | None = None
    group: torch.Tensor | None = None
    solved: torch.Tensor | None = None
    foreign: torch.Tensor | None = None
    weight: torch.Tensor | None = None
    kl_scale: torch.Tensor | None = None


class Scale(NamedTuple):
    """What a mean runs over: the whole batch, also where only a part of it is computed.

    Rows without advantage add nothing to the gradient, so leaving them out is exact as long as
    these counts still include them.

    Attributes:
        rows, tokens: of the whole batch.
        longest: the constant length of Dr.GRPO's mean.
        groups: of the whole batch; 0 stands for those that are seen.
        foreign: tokens of the whole batch's foreign rows; 0 stands for those that are seen.
    """

    rows: int
    tokens: int
    longest: int
    groups: int = 0
    foreign: int = 0


class Parts(NamedTuple):
    """The four parts without the fourth, which is the gradient of `Tokens.logp`.

    Attributes:
        stable: (token,) bool, the stabilisation mask; False gives no gradient.
        reference: (token,) float, logarithm of what the probability is divided by.
        advantage: (token,) float.
        counts: (token,) float, what each token counts in the mean.
    """

    stable: torch.Tensor
    reference: torch.Tensor
    advantage: torch.Tensor
    counts: torch.Tensor


def surrogate(
    tokens: Tokens, parts: Parts, beyond: torch.Tensor | float | None = None
) -> torch.Tensor:
    """The loss whose gradient is the product of the parts: -sum count x ratio x advantage.

    Args:
        tokens: whose `logp` carries the gradient.
        parts: see Parts; no gradient flows through them.
        beyond: (token,) value of ratio x advantage where the mask is False; None for 0.

    >>> logp = torch.tensor([0.5, 0.25]).log().requires_grad_()
    >>> part = Tokens(logp, None, torch.tensor([0, 0]), torch.tensor([2]))
    >>> yes, one = torch.tensor([True, True]), torch.ones(2)
    >>> loss = surrogate(part, Parts(yes, torch.tensor([0.25, 0.25]).log(), one, one / 2))
    >>> round(loss.item(), 6)  # ratios 2 and 1
    -1.5
    """
    # masked tokens get ratio 1 before exp, so that one that would overflow leaves no NaN behind
    log_ratio = torch.where(parts.stable, tokens.logp - parts.reference, 0.0)
    outside = torch.as_tensor(0.0 if beyond is None else beyond, dtype=tokens.logp.dtype)
    each = torch.where(parts.stable, log_ratio.exp() * parts.advantage, outside)
    return -(each * parts.counts).sum()


def told(loss: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The gradient of one loss with the value of another, the published one."""
    return loss + (value - loss).detach()


def flat(
    mask: torch.Tensor,
    logp: torch.Tensor,
    by_token: Mapping[str, torch.Tensor | None] = {},
    by_row: Mapping[str, torch.Tensor | None] = {},
) -> Tokens:
    """Padded columns, as most trainers have them, to Tokens.

    Args:
        mask: (row, place) bool or 0/1, True for tokens of the reply; at least one in each row.
        logp: (row, place) float.
        by_token: (row, place) further columns: old, reference, entropy.
        by_row: (row,) columns: group, solved, foreign, weight, kl_scale.

    Raises:
        ArgumentError: a row without a token (leave such rows out), or an unknown column.

    >>> found = flat(torch.tensor([[1, 1], [0, 1]]), torch.tensor([[-1.0, -2], [-3, -4]]))
    >>> found.logp, found.row
    (tensor([-1., -2., -4.]), tensor([0, 0, 1]))
    """
    checks.known_keys("`by_token`", by_token, ("old", "reference", "entropy"))
    checks.known_keys("`by_row`", by_row, ("group", "solved", "foreign", "weight", "kl_scale"))
    mask = mask.bool()
    lengths = mask.sum(1)
    if not bool((lengths > 0).all()):
        row = int((lengths == 0).nonzero()[0, 0])
        raise ArgumentError(f"`mask` must keep a token of every row, row {row} has none")
    columns = {k: None if v is None else v[mask] for k, v in by_token.items()}
    row = torch.repeat_interleave(torch.arange(len(lengths), device=mask.device), lengths)
    return Tokens(logp[mask], columns.pop("old", None), row, lengths, **columns, **by_row)


# -- stabilisation mask ---------------------------------------------------------------------------


def everywhere(tokens: Tokens) -> torch.Tensor:
    """(token,) True: no token is held back."""
    return torch.ones_like(tokens.logp, dtype=torch.bool)


def near(tokens: Tokens, reference: torch.Tensor) -> torch.Tensor:
    """(token,) bool: only tokens whose ratio would overflow are held back."""
    return (tokens.logp - reference).detach() <= LIMIT


# -- reference: what the probability is divided by ------------------------------------------------


def own(tokens: Tokens) -> torch.Tensor:
    """The learning policy itself: the ratio is 1 and the gradient that of the log-likelihood."""
    return tokens.logp.detach()


def sampled(tokens: Tokens) -> torch.Tensor:
    """The policy that sampled (PPO); on-policy that is the learning policy."""
    return own(tokens) if tokens.old is None else tokens.old


def sequence(tokens: Tokens, most: float = 10.0) -> torch.Tensor:
    """Such that every token's ratio is the geometric mean of its row's ratios (GSPO)."""
    log_ratio = tokens.logp.detach() - sampled(tokens)
    return own(tokens) - row_means(log_ratio, tokens).clamp(max=most)[tokens.row]


def capped(tokens: Tokens, most: float) -> torch.Tensor:
    """Such that no ratio is above `most`, and no gradient is lost there (CISPO)."""
    return torch.maximum(sampled(tokens), own(tokens) - math.log(most))


def shaping(tokens: Tokens, gamma: float) -> torch.Tensor:
    """(p + gamma)^2 / gamma, which makes the product the gradient of p / (p + gamma) (LUFFY)."""
    return 2 * (own(tokens).exp() + gamma).log() - math.log(gamma)


# -- advantage ------------------------------------------------------------------------------------


def spread(advantage: torch.Tensor, tokens: Tokens) -> torch.Tensor:
    """(token,) advantage, from one for each row or one for each token; no gradient flows through.

    Raises:
        ArgumentError: NaN, neither rows nor tokens, or columns of different lengths.
    """
    size, rows = len(tokens.row), len(tokens.lengths)
    if tokens.logp.shape != tokens.row.shape:
        raise ArgumentError(f"axis 'token' is {size} in `row` but {len(tokens.logp)} in `logp`")
    if advantage.ndim != 1 or len(advantage) not in (rows, size):
        raise ArgumentError(
            f"`advantage` must have one entry for each of {rows} rows or {size} tokens, got shape "
            f"{tuple(advantage.shape)}"
        )
    for name, values in (("advantage", advantage), ("logp", tokens.logp)):
        if not torch.isfinite(values.detach()).all():
            bad = values[~torch.isfinite(values.detach())]
            raise ArgumentError(
                f"`{name}` must be finite, got {bad[0].item()} ({len(bad)} of {len(values)} are "
                "not); mask replies without a reward, and lower the rate if the policy diverged"
            )
    fixed = advantage.detach().to(tokens.logp.dtype)
    return fixed if len(fixed) != rows else fixed[tokens.row]


# -- counts: what a mean runs over ----------------------------------------------------------------


def weights(tokens: Tokens, scale: Scale, aggregate: str) -> torch.Tensor:
    """(token,) float: what each token counts in the loss, times its row's weight.

    `sequence`: mean over rows of the mean over a row's tokens (GRPO, Shao et al. 2024, eq. 3).
    `token`: mean over all tokens (DAPO, Yu et al. 2025, eq. 8).
    `constant`: sum over tokens / (rows x longest) (Dr.GRPO, Liu et al. 2025).
    """
    checks.one_of("aggregate", aggregate, AGGREGATIONS)
    if aggregate == "sequence":
        count = 1.0 / (scale.rows * tokens.lengths[tokens.row]).to(tokens.logp.dtype)
    else:
        size = scale.tokens if aggregate == "token" else scale.rows * scale.longest
        count = tokens.logp.new_full(tokens.logp.shape, 1.0 / size)
    return count if tokens.weight is None else count * tokens.weight[tokens.row].to(count)


def row_sums(values: torch.Tensor, tokens: Tokens) -> torch.Tensor:
    """(row,) sum over each row's tokens."""
    return values.new_zeros(len(tokens.lengths)).index_add(0, tokens.row, values)


def row_means(values: torch.Tensor, tokens: Tokens) -> torch.Tensor:
    """(row,) mean over each row's tokens."""
    return row_sums(values, tokens) / tokens.lengths


# -- terms beside the product ---------------------------------------------------------------------


def kl(tokens: Tokens, estimator: str = "k3") -> torch.Tensor:
    """(token,) estimate of KL(policy || reference) from the sampled token; carries gradient.

    With d = log reference - log policy: k1 = -d, k2 = d^2 / 2, k3 = exp(d) - 1 - d. In value k1
    and k3 are unbiased. As a term of a loss, on-policy, only k2 has the gradient of the KL in
    expectation; k3 has that of KL(reference || policy) and k1 has none.

    Ref: Schulman 2020, "Approximating KL divergence"; Tang & Munos 2025, arXiv:2506.09477.

    >>> part = Tokens(torch.tensor([0.5]).log(), None, torch.tensor([0]), torch.tensor([1]),
    ...               reference=torch.tensor([0.25]).log())
    >>> [round(kl(part, name).item(), 4) for name in ("k1", "k2", "k3")]
    [0.6931, 0.2402, 0.1931]
    """
    checks.one_of("estimator", estimator, ESTIMATORS)
    away = column(tokens, "reference") - tokens.logp
    if estimator == "k1":
        return -away
    return away**2 / 2 if estimator == "k2" else away.clamp(max=LIMIT).expm1() - away


def column(tokens: Tokens, name: str) -> torch.Tensor:
    """A column that an objective cannot do without.

    Raises:
        ArgumentError: it is None.
    """
    found = getattr(tokens, name)
    if found is None:
        raise ArgumentError(f"this objective needs `Tokens.{name}`, which the trainer left out")
    return found


def penalised(objective: Objective) -> Objective:
    """Give an objective the options `kl`, `estimator` and `entropy`.

    The loss gains kl x mean KL estimate - entropy x mean entropy, with the objective's own
    aggregation. With 0 (the default) nothing is computed and nothing more is needed.
    """
    default = inspect.signature(objective).parameters["aggregate"].default

    @functools.wraps(objective)
    def with_terms(
        tokens: Tokens, advantage: torch.Tensor, scale: Scale, **options: Any
    ) -> tuple[torch.Tensor, Metrics]:
        force, bonus = options.pop("kl", 0.0), options.pop("entropy", 0.0)
        estimator = options.pop("estimator", "k3")
        loss, metrics = objective(tokens, advantage, scale, **options)
        if not force and not bonus:
            return loss, metrics
        checks.within(0, float("inf"), kl=force)
        aggregate = options.get("aggregate", default)
        count = weights(tokens._replace(weight=None), scale, aggregate)
        if force:
            each = kl(tokens, estimator) * count
            factor = 1.0 if tokens.kl_scale is None else tokens.kl_scale[tokens.row].to(each)
            loss = loss + force * (each * factor).sum()
            metrics = {**metrics, "kl": each.detach().sum().item()}
        if bonus:
            mean = (column(tokens, "entropy") * count).sum()
            loss = loss - bonus * mean
            metrics = {**metrics, "entropy": mean.item()}
        return loss, metrics

    return with_terms


PENALTIES: Mapping[str, Any] = {"kl": 0.0, "estimator": "k3", "entropy": 0.0}
# of these, and of other options by the names that objectives have in common
BOUNDS: Mapping[str, Any] = {
    "kl": checks.AT_LEAST_0,
    "estimator": frozenset(ESTIMATORS),
    "entropy": checks.ANY,
    "aggregate": frozenset(AGGREGATIONS),
}


# -- what a trainer must give ---------------------------------------------------------------------

# words of `Slot.needs` that are no columns but say which rows an objective must see; without one,
# rows whose advantage is not 0 (and foreign rows, where it asks for them) are enough
ROWS: Mapping[str, str] = {
    "all_rows": "every row, also those without advantage",
    "whole": "all of the batch's rows that are needed in one call",
    "mixed_rows": "whole groups that hold both solved and unsolved rows",
    "solved_rows": "solved rows",
    "trust": "every row where `old` is given: a term holds the policy to the one that sampled",
}


def needed(slot: Slot, options: Mapping[str, Any], *, off_policy: bool = False) -> frozenset[str]:
    """Columns and rows that an objective needs with these options; see ROWS.

    Args:
        slot: an entry of the objective slot.
        options: its options, defaults filled in.
        off_policy: whether `old` will be given.

    >>> sorted(needed(Slot(suggest=kl, needs=frozenset({"logp"})), {"kl": 0.001}))
    ['all_rows', 'logp', 'reference']
    """
    found = set(slot.needs)
    if options.get("kl"):
        found |= {"reference", "all_rows"}
    if options.get("entropy"):
        found |= {"entropy", "all_rows"}
    if options.get("weighting", "none") != "none":
        found |= {"whole"}
    if off_policy and "trust" in found:
        found |= {"all_rows"}
    return frozenset(found)


def rows_needed(
    needs: frozenset[str], advantage: np.ndarray, columns: Mapping[str, np.ndarray | None]
) -> np.ndarray:
    """Rows that an objective must see; those left out would add nothing to its gradient.

    Args:
        needs: see `needed`.
        advantage: (row,) float.
        columns: (row,) columns that are there, of `group`, `solved`, `foreign` and `mask`; rows
            whose mask is False are never seen.

    Returns:
        (n,) int, in order.

    >>> solved, group = np.array([True, False, True, True]), np.array([0, 0, 1, 1])
    >>> rows_needed(frozenset({"mixed_rows"}), np.zeros(4), {"solved": solved, "group": group})
    array([0, 1])
    """
    given = {name: np.asarray(c) for name, c in columns.items() if c is not None}
    right = given.get("solved", np.zeros(len(advantage), dtype=bool))
    foreign = given.get("foreign", np.zeros(len(advantage), dtype=bool))
    right = right | foreign
    live = given.get("mask", np.ones(len(advantage), dtype=bool))
    if "all_rows" in needs:
        found = np.ones(len(advantage), dtype=bool)
    elif "mixed_rows" in needs:
        code, n_groups = groups.codes(given["group"])
        good, bad = (groups.sums(x & live, code, n_groups) > 0 for x in (right, ~right))
        found = np.logical_and(good, bad)[code]
    elif "solved_rows" in needs:
        found = right
    else:
        found = (advantage != 0) | (foreign if "foreign" in needs else False)
    return np.flatnonzero(found & live)
