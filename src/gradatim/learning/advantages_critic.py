"""Advantages per token from a critic or from an implicit reward model, as pure functions.

Axes: `attempt` and `token` as in credit.py: flat, the tokens of attempt 0 first. They need values
or log-probabilities of every token, so they are not registered: a trainer that has a critic calls
them.
"""

import numpy as np

from gradatim import checks, groups
from gradatim.learning.advantages import rloo, taking_part
from gradatim.learning.credit import token_column


def gae(
    reward: np.ndarray,
    value: np.ndarray,
    length: np.ndarray,
    *,
    gamma: float = 1.0,
    lam: float = 1.0,
    live: np.ndarray | None = None,
    truncated: np.ndarray | None = None,
    bootstrap: np.ndarray | None = None,
) -> np.ndarray:
    """Generalised advantage estimation; value + advantage is the critic's target.

    delta_t = reward_t + gamma V_{t+1} - V_t and A_t = delta_t + gamma lam A_{t+1}, over the live
    tokens of a reply, as if the others were not there. After the last one V is 0, or, where a
    reply was truncated, what is given or else the last value there is (EGAE).

    Args:
        reward, value: (token,) float.
        length: (attempt,) int, tokens of each reply.
        gamma, lam: in [0, 1].
        live: (token,) bool, tokens that the policy wrote (not a tool's); the others get 0.
        truncated: (attempt,) bool, replies cut at the end of a window; None = none.
        bootstrap: (attempt,) float, value of the state after the last token, read where
            truncated; None = the value at the last live token.

    Returns:
        (token,) float.

    Ref: Schulman et al. 2015, arXiv:1506.02438, eq. 16; Fan et al. 2025, arXiv:2506.15050, EGAE of
    T-PPO, whose formula we take from recollection: V after the cut := V before it.

    >>> gae(np.array([0.0, 1.0]), np.array([0.5, 0.75]), np.array([2]), lam=0.0)
    array([0.25, 0.25])
    >>> gae(np.zeros(2), np.full(2, 0.4), np.array([2]), truncated=np.array([True]))
    array([0., 0.])
    """
    checks.within(0, 1, gamma=gamma, lam=lam)
    length = np.asarray(length)
    r = token_column("reward", reward, length).astype(np.float64)
    v = token_column("value", value, length).astype(np.float64)
    use = np.ones(len(r), bool) if live is None else token_column("live", live, length).astype(bool)
    checks.finite(reward=r[use], value=v[use])
    out = np.zeros(len(r))
    out[use] = _scan(
        r[use],
        v[use],
        np.bincount(np.repeat(np.arange(len(length)), length)[use], minlength=len(length)),
        factors=(gamma, lam),
        cut=(truncated, bootstrap),
    )
    return out


def _scan(
    r: np.ndarray,
    v: np.ndarray,
    length: np.ndarray,
    *,
    factors: tuple[float, float],
    cut: tuple[np.ndarray | None, np.ndarray | None],
) -> np.ndarray:
    """The recursion, from the last token of every reply at once to the first."""
    gamma, lam = factors
    truncated, bootstrap = cut
    ends = np.cumsum(length)
    order = np.argsort(-length, kind="stable")
    filled = order[length[order] > 0]
    after = np.zeros(len(length))
    if truncated is not None:
        checks.shapes(truncated=(truncated, "attempt"), length=(length, "attempt"))
        cut_at = filled[np.asarray(truncated, bool)[filled]]
        given = v[ends[cut_at] - 1] if bootstrap is None else np.asarray(bootstrap)[cut_at]
        checks.finite(bootstrap=given)
        after[cut_at] = given
    advantage = np.zeros(len(r))
    carried = np.zeros(len(length))
    longer = np.searchsorted(-length[order], -np.arange(length.max(initial=0)), side="left")
    for back, many in enumerate(longer):
        who = order[:many]  # replies of more than `back` tokens
        at = ends[who] - 1 - back
        advantage[at] = r[at] + gamma * after[who] - v[at] + gamma * lam * carried[who]
        after[who], carried[who] = v[at], advantage[at]
    return advantage


def whiten(values: np.ndarray, live: np.ndarray | None = None, *, eps: float = 1e-8) -> np.ndarray:
    """(values - mean) / sqrt(variance + eps) over the live ones, 0 elsewhere.

    >>> whiten(np.array([1.0, 3.0]), eps=0.0)
    array([-1.,  1.])
    """
    use = np.ones(len(values), bool) if live is None else np.asarray(live, bool)
    out, part = np.zeros(len(values)), np.asarray(values, dtype=np.float64)[use]
    if len(part):
        centred = groups.deviations(part, np.zeros(len(part), dtype=np.int64), 1)
        spread = np.sqrt(np.mean(centred**2) + eps)
        out[use] = centred / (spread or 1.0)
    return out


def implicit_rewards(logp: np.ndarray, reference: np.ndarray, *, beta: float = 0.05) -> np.ndarray:
    """(token,) float: beta x (log-probability under the reward model - under its reference).

    The rewards of a prefix sum to beta x its log-ratio: what the outcome model says so far.

    Args:
        logp, reference: (token,) float.
        beta: > 0.

    Ref: Yuan et al. 2024, arXiv:2412.01981, implicit PRM; beta 0.05 as in its script.

    >>> implicit_rewards(np.array([-1.0, -2.0]), np.array([-1.0, -3.0]))
    array([0.  , 0.05])
    """
    checks.shapes(logp=(logp, "token"), reference=(reference, "token"))
    checks.finite(logp=logp, reference=reference)
    return beta * (np.asarray(logp, dtype=np.float64) - np.asarray(reference, dtype=np.float64))


def outcome_loss(reward: np.ndarray, solved: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(attempt,) float: cross-entropy of `solved` under sigmoid(sum of a reply's token rewards).

    What the implicit reward model is trained with.

    Args:
        reward: (token,) float, of `implicit_rewards`.
        solved: (attempt,) bool.
        length: (attempt,) int.

    >>> outcome_loss(np.zeros(3), np.array([True, False]), np.array([2, 1])).round(3)
    array([0.693, 0.693])
    """
    checks.shapes(solved=(solved, "attempt"), length=(length, "attempt"))
    token = token_column("reward", reward, length)
    score = groups.sums(token, np.repeat(np.arange(len(length)), length), len(length))
    return np.logaddexp(0.0, np.where(np.asarray(solved, bool), -score, score))


def prime(
    token_reward: np.ndarray,
    reward: np.ndarray,
    group: np.ndarray,
    length: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    process: float = 5.0,
    outcome: float = 1.0,
    normalise: bool = True,
) -> np.ndarray:
    """Returns of implicit token rewards and of the verifier, each less a leave-one-out baseline.

    Token rewards are compared with the mean of the other replies' mean token rewards and summed
    from each token to the end; the verifier's reward counts at the last token by `rloo`; the sum
    is whitened.

    Args:
        token_reward: (token,) float, of `implicit_rewards`.
        reward, group, mask: as in `advantages.grpo`.
        length: (attempt,) int, tokens of each reply.
        process, outcome: weights of the two parts.
        normalise: whiten over all tokens that take part.

    Returns:
        (token,) float, 0 for masked attempts. A lone attempt has nobody to be compared with.

    Ref: Cui et al. 2025, arXiv:2502.01456, PRIME, with the weight 5 of its released script for the
    process part; the weight 1 of the verifier's is ours.

    >>> token = np.array([0.2, 0.0, 0.1, 0.1])
    >>> one = {"process": 1.0, "normalise": False}
    >>> prime(token, np.array([1.0, 0]), np.zeros(2, int), np.array([2, 2]), **one)
    array([ 1. ,  0.8, -1. , -1. ])
    """
    length = np.asarray(length)
    token = token_column("token_reward", token_reward, length).astype(np.float64)
    final, _ = rloo(reward, group, mask=mask)
    rows = taking_part(reward, group, mask)
    owner = np.repeat(np.arange(len(length)), length)
    live = np.zeros(len(length), dtype=bool)
    live[rows.where] = True
    use = live[owner]
    checks.finite(token_reward=token[use])
    mean = groups.sums(np.where(use, token, 0.0), owner, len(length)) / np.maximum(length, 1)
    n = groups.counts(rows.code, rows.n_groups)
    centre = np.zeros(len(length))
    centre[rows.where] = groups.means(mean[rows.where], rows.code, rows.n_groups)[rows.code]
    factor = np.zeros(len(length))  # n / (n - 1), 0 for a lone attempt
    factor[rows.where] = np.where(n > 1, n / np.maximum(n - 1, 1), 0.0)[rows.code]
    own = np.where(use, factor[owner] * (token - centre[owner]), 0.0)
    to_go = gae(own, np.zeros(len(own)), length)  # without a critic: the sum to the end
    value = process * to_go + outcome * final[owner]
    value = np.where(use, value, 0.0)
    return whiten(value, use) if normalise else value
