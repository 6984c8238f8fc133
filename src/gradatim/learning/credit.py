"""Which part of a reply earned its reward: values of prefixes to advantages of segments.

Axes: `attempt` as in advantages.py; `token`, flat: the tokens of attempt 0, then those of attempt
1 and so on, sum(length) entries, masked attempts included; `segment`, flat in the same order. A
column of prefix values is (token,): at token t of a reply it holds the value of the prefix before
t, NaN where it was not measured. Measured tokens begin segments; a segment ends where the next one
of its reply begins, or with the reply. The value at a reply's end is its reward. Advantages are
(token,), the same for all tokens of a segment and 0 before the first; keep is (attempt,).

Values are a trainer's own (a critic's, exact ones), or come from probes: attempts of role "probe"
that continue their `parent` from token `cut`; see `prefix_values`.
"""

from typing import Any, NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.learning.advantages import (
    PROBE,
    Advantage,
    dr_grpo,
    learned,
    needed,
    rloo,
    taking_part,
)
from gradatim.scale.pass_at_k import none_of
from gradatim.types import Batch, Slot


class Segments(NamedTuple):
    """Parts of replies, in order.

    Attributes:
        attempt: (segment,) int, rising.
        start: (segment,) int, index of the first token in the flat column.
        size: (segment,) int >= 1, tokens.
        last: (segment,) bool, whether the reply ends with it.
    """

    attempt: np.ndarray
    start: np.ndarray
    size: np.ndarray
    last: np.ndarray


def token_column(name: str, values: np.ndarray, length: np.ndarray) -> np.ndarray:
    """A (token,) column, checked against the lengths of the replies.

    Raises:
        ArgumentError: a negative length, or a column that does not have sum(length) entries.
    """
    values, length = np.asarray(values), np.asarray(length)
    checks.within(0, np.inf, length=length)
    if values.shape != (length.sum(),):
        raise ArgumentError(
            f"`{name}` must have one entry a token of the replies, ({length.sum()},), "
            f"got shape {values.shape}"
        )
    return values


def segments(begins: np.ndarray, length: np.ndarray) -> Segments:
    """Cut replies before marked tokens.

    Args:
        begins: (token,) bool, True where a segment begins.
        length: (attempt,) int, tokens of each reply.

    >>> segments(np.array([0, 1, 0, 1, 1], bool), np.array([4, 1])).size
    array([2, 1, 1])
    """
    begins = token_column("begins", begins, length)
    ends = np.cumsum(length)
    start = np.flatnonzero(begins)
    attempt = np.searchsorted(ends, start, side="right")
    last = np.append(attempt[1:] != attempt[:-1], True)[: len(start)]
    stop = np.where(last, ends[attempt], np.append(start[1:], 0)[: len(start)])
    return Segments(attempt, start, stop - start, last)


def spread(values: np.ndarray, parts: Segments, n_tokens: int) -> np.ndarray:
    """(token,) float64: each token gets the value of its segment, 0 outside segments."""
    checks.shapes(values=(values, "segment"), start=(parts.start, "segment"))
    out = np.zeros(n_tokens)
    begin = np.cumsum(parts.size) - parts.size
    token = np.arange(parts.size.sum()) + np.repeat(parts.start - begin, parts.size)
    out[token] = np.repeat(values, parts.size)
    return out


def progress(
    reward: np.ndarray, prefix_value: np.ndarray, length: np.ndarray
) -> tuple[np.ndarray, Segments]:
    """What each segment changed: value after it - value before it.

    Args:
        reward: (attempt,) float, the value at the end of each reply.
        prefix_value: (token,) float, see the module; exact or sampled.
        length: (attempt,) int, tokens of each reply.

    Returns:
        (segment,) float, which sums to reward - first value over a reply, and the segments.

    >>> progress(np.array([1.0]), np.array([0.25, np.nan, 0.75]), np.array([3]))[0]
    array([0.5 , 0.25])
    """
    checks.shapes(reward=(reward, "attempt"), length=(length, "attempt"))
    values = token_column("prefix_value", prefix_value, length).astype(np.float64)
    if np.isinf(values).any():
        raise ArgumentError("`prefix_value` must be finite, or NaN where it was not measured")
    parts = segments(~np.isnan(values), length)
    before = values[parts.start]
    after = np.where(parts.last, np.asarray(reward)[parts.attempt], np.append(before[1:], 0.0))
    return after - before, parts


def _of_segments(
    values: np.ndarray, parts: Segments, mask: np.ndarray | None, length: np.ndarray
) -> Advantage:
    """Spread over tokens; masked attempts get 0 and are not kept, nor are those without any."""
    live = np.ones(len(length), bool) if mask is None else np.asarray(mask, bool)
    values = np.where(live[parts.attempt], values, 0.0)
    keep = np.zeros(len(length), bool)
    keep[parts.attempt[values != 0]] = True
    return spread(values, parts, int(np.sum(length))), keep


def spo_chain(
    reward: np.ndarray,
    group: np.ndarray,
    prefix_value: np.ndarray,
    length: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    prob: np.ndarray | None = None,
    confident: float = 0.9,
) -> Advantage:
    """Value after each segment - value before it, on all its tokens.

    Args:
        reward, group, mask: as in `advantages.grpo`; the group does not matter, since the values
            are the baseline.
        prefix_value: (token,) float, mean reward of continuations sampled from each cut.
        length: (attempt,) int, tokens of each reply.
        prob: (token,) probability of each token when it was sampled; tokens above `confident` get
            0, as in the paper. None = no token is left out.
        confident: in [0, 1].

    Returns:
        (token,) float advantage and (attempt,) bool keep.

    Ref: Guo et al. 2025, arXiv:2505.23564, SPO-chain. Replies without a cut give nothing.

    >>> value = np.array([0.5, np.nan, 1.0, np.nan])
    >>> spo_chain(np.array([0.0]), np.zeros(1), value, np.array([4]))[0]
    array([ 0.5,  0.5, -1. , -1. ])
    """
    rows = taking_part(reward, group, mask)
    checks.within(0, 1, confident=confident)
    change, parts = progress(_known(reward, rows.where), prefix_value, length)
    value, keep = _of_segments(change, parts, mask, length)
    if prob is not None:
        value = np.where(token_column("prob", prob, length) > confident, 0.0, value)
        token_of = np.repeat(np.arange(len(length)), length)
        keep = np.bincount(token_of, weights=value != 0, minlength=len(length)) > 0
    return value, keep


def _known(reward: np.ndarray, where: np.ndarray | slice) -> np.ndarray:
    """Rewards of the attempts that take part, 0 for the others, whose reward may be NaN."""
    found = np.zeros(len(reward))
    found[where] = np.asarray(reward, dtype=np.float64)[where]
    return found


def pav(
    reward: np.ndarray,
    group: np.ndarray,
    prefix_value: np.ndarray,
    length: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    alpha: float = 5.0,
) -> Advantage:
    """Dr.GRPO's advantage on all tokens + alpha x progress of a prover on each segment.

    Args:
        reward, group, mask: as in `advantages.grpo`.
        prefix_value: (token,) float, success of the prover from each prefix. A prover equal to the
            policy changes the expected gradient by a factor only; choose another (best of K).
        length: (attempt,) int, tokens of each reply.
        alpha: >= 0, weight of progress.

    Returns:
        (token,) float advantage and (attempt,) bool keep.

    Ref: Setlur et al. 2024, arXiv:2410.08146: effective reward Q + alpha x A. Differs: Q
    is the outcome less the group mean; 5 is the weight in SPO's baseline, the paper's is
    recalled as 3 to 5.

    >>> value = np.array([0.5, 1.0, 0.5, 0.5])
    >>> pav(np.array([1.0, 0.0]), np.zeros(2), value, np.array([2, 2]), alpha=1.0)[0]
    array([ 1. ,  0.5, -0.5, -1. ])
    """
    checks.within(0, np.inf, alpha=alpha)
    outcome, kept = dr_grpo(reward, group, mask=mask)
    rows = taking_part(reward, group, mask)
    change, parts = progress(_known(reward, rows.where), prefix_value, length)
    value, keep = _of_segments(alpha * change, parts, mask, length)
    return np.repeat(outcome, length) + value, keep | kept


def mrt(
    reward: np.ndarray,
    group: np.ndarray,
    prefix_value: np.ndarray,
    length: np.ndarray,
    *,
    mask: np.ndarray | None = None,
) -> Advantage:
    """Reward - success if the model had been made to stop and answer before each block.

    A block is credited with what stopping there would have missed; where the forced answer is
    already as good as the final one, more tokens earn nothing. Differences between neighbouring
    blocks are their progress.

    Args:
        reward, group, mask: as in `advantages.grpo`; the group does not matter.
        prefix_value: (token,) float, success of the forced answer at the start of each block.
        length: (attempt,) int, tokens of each reply.

    Returns:
        (token,) float advantage and (attempt,) bool keep.

    Ref: Qu et al. 2025, arXiv:2503.07572, in the form of its repository's recipe. The paper's form
    (outcome + alpha x progress between blocks) is `pav` with these values.

    >>> mrt(np.array([1.0]), np.zeros(1), np.array([0.25, np.nan, 1.0]), np.array([3]))[0]
    array([0.75, 0.75, 0.  ])
    """
    rows = taking_part(reward, group, mask)
    known = _known(reward, rows.where)
    _, parts = progress(known, prefix_value, length)
    before = np.asarray(prefix_value, dtype=np.float64)[parts.start]
    return _of_segments(known[parts.attempt] - before, parts, mask, length)


def regret(prefix_value: np.ndarray, length: np.ndarray, *, best: float = 1.0) -> np.ndarray:
    """(attempt,) float: tokens spent x what was missing of `best` while they were spent, summed.

    Ref: Qu et al. 2025, arXiv:2503.07572, cumulative regret over a reply's tokens.

    >>> regret(np.array([0.25, np.nan, 1.0]), np.array([3]))
    array([1.5])
    """
    _, parts = progress(np.zeros(len(length)), prefix_value, length)
    before = np.asarray(prefix_value, dtype=np.float64)[parts.start]
    return groups.sums((best - before) * parts.size, parts.attempt, len(length))


def cut_points(
    prob: np.ndarray, length: np.ndarray, *, below: float = 0.9, every: int = 5
) -> np.ndarray:
    """(token,) bool: where to cut replies, before every `every`-th token of low probability.

    Args:
        prob: (token,) float, probability of each token when it was sampled.
        length: (attempt,) int, tokens of each reply.
        below: a token under this probability may begin a segment.
        every: >= 1; counting begins anew in each reply, and its first such token is a cut.

    Ref: Guo et al. 2025, arXiv:2505.23564; 5 or 10 on GSM8K. Where the counting begins is ours.

    >>> cut_points(np.array([0.5, 1, 0.5, 0.5]), np.array([4]), every=2)
    array([ True, False, False,  True])
    """
    checks.within(1, np.inf, every=every)
    low = token_column("prob", prob, length) < below
    at = np.flatnonzero(low)
    reply = np.repeat(np.arange(len(length)), length)[at]
    cuts = np.zeros(len(low), dtype=bool)
    cuts[at[groups.ranks(at, reply) % every == 0]] = True
    return cuts


def probe_values(
    reward: np.ndarray, parent: np.ndarray, cut: np.ndarray, length: np.ndarray
) -> np.ndarray:
    """(token,) float: mean reward of the probes from each cut, NaN where nothing was probed.

    Args:
        reward: (probe,) float.
        parent: (probe,) int, attempt that a probe continues.
        cut: (probe,) int, tokens of it that the probe keeps, in [0, length of the parent).
        length: (attempt,) int, tokens of each attempt.

    >>> probe_values(np.array([1.0, 0.0]), np.array([1, 1]), np.array([0, 0]), np.array([1, 2]))
    array([nan, 0.5, nan])
    """
    checks.shapes(reward=(reward, "probe"), parent=(parent, "probe"), cut=(cut, "probe"))
    checks.finite(reward=reward)
    length, parent, cut = np.asarray(length), np.asarray(parent), np.asarray(cut)
    checks.within(0, len(length) - 1, parent=parent)
    bad = (cut < 0) | (cut >= length[parent])
    if bad.any():
        raise ArgumentError(
            f"`cut` must lie in [0, length of its attempt), got {cut[bad][0]} of an attempt of "
            f"{length[parent][bad][0]} tokens"
        )
    begins = np.cumsum(length) - length
    return groups.means(np.asarray(reward), begins[parent] + cut, int(length.sum()))


def prefix_values(batch: Batch, *, best: int = 1) -> np.ndarray:
    """(token,) value of prefixes: the batch's column, else from its probes, NaN where unknown.

    Continuations of an empty reply need no probes: they are the other attempts of its group. So a
    reply that was never cut has one segment, whose change in value is RLOO's advantage.

    Args:
        batch: of a step. Where it has `prefix_value`, nothing is worked out and `best` plays no
            part.
        best: 1 for the mean reward of the continuations, the policy's own value; K > 1 for the
            chance that one of K is solved, the value under the prover best-of-K, without bias from
            the n >= K there are; prefixes with fewer stay unknown.

    Raises:
        ArgumentError: no such column, and no probes either; an unknown length.
    """
    if batch.prefix_value is not None or batch.cut is None:
        return needed(batch, "prefix_value")
    checks.within(1, np.inf, best=best)
    length, parent, cut = (np.asarray(x) for x in (batch.length, batch.parent, batch.cut))
    checks.within(0, np.inf, length=length)
    score = np.asarray(batch.reward if best == 1 else batch.solved, dtype=np.float64)
    probe = np.flatnonzero(batch.mask & (batch.role == PROBE) & (parent >= 0))
    values = probe_values(score[probe], parent[probe], cut[probe], length)
    begins = np.cumsum(length) - length
    n = np.bincount(begins[parent[probe]] + cut[probe], minlength=len(values))
    own = np.flatnonzero(learned(batch) & (length > 0))
    code, n_groups = groups.codes(np.asarray(batch.group)[own])
    others = groups.counts(code, n_groups)[code] - 1
    mean = score[own] - rloo(score[own], code)[0]
    fresh = (n[begins[own]] == 0) & (others > 0)
    values[begins[own][fresh]], n[begins[own][fresh]] = mean[fresh], others[fresh]
    if best == 1:
        return values
    enough = n >= best
    right = np.rint(values[enough] * n[enough])
    values[enough] = 1 - none_of(right, n[enough], best)
    return np.where(enough, values, np.nan)


def _spo_chain(batch: Batch, *, confident: float) -> Advantage:
    """Without `token_logp` only where no token is left out for being confident."""
    prob = None if confident >= 1 else np.exp(needed(batch, "token_logp"))
    known = batch.reward, batch.group, prefix_values(batch), batch.length
    return spo_chain(*known, mask=learned(batch), prob=prob, confident=confident)


def _pav(batch: Batch, *, alpha: float, best: int) -> Advantage:
    known = batch.reward, batch.group, prefix_values(batch, best=best), batch.length
    return pav(*known, mask=learned(batch), alpha=alpha)


def _mrt(batch: Batch, **_: Any) -> Advantage:
    known = batch.reward, batch.group, prefix_values(batch), batch.length
    return mrt(*known, mask=learned(batch))


ADVANTAGES: dict[str, Slot] = {
    "spo_chain": Slot(
        suggest=_spo_chain,
        options={"confident": 1.0},
        bounds={"confident": checks.SHARE},
        needs=frozenset({"prefix_value", "token_advantage"}),
        invariances=frozenset({"telescopes"}),
        paper="SPO-chain (arXiv:2505.23564): change of sampled prefix value; the value of an empty "
        "reply is the mean of the other attempts. `confident` .9 is the paper's mask of sure "
        "tokens, 1 leaves none out.",
    ),
    "pav": Slot(
        suggest=_pav,
        options={"alpha": 5.0, "best": 4},
        bounds={"alpha": checks.AT_LEAST_0, "best": checks.AT_LEAST_1},
        needs=frozenset({"prefix_value", "token_advantage"}),
        paper="PAV (arXiv:2410.08146): outcome less the group mean + alpha x a prover's progress; "
        "from probes the prover is best-of-`best` of the policy.",
    ),
    "mrt": Slot(
        suggest=_mrt,
        needs=frozenset({"prefix_value", "token_advantage"}),
        paper="MRT (arXiv:2503.07572), the repository's form: reward - success of a forced answer "
        "at the start of each block.",
    ),
}
