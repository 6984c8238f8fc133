"""A step's replies of the tiny policy: sampled, given, or begun for it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.solvers.tiny_model import END, Ragged, encode, joined, ragged


class Rollouts(NamedTuple):
    """A step's replies.

    Attributes:
        prompts: encoded, with what of a reply is given; an advantage is laid on none of it.
        owner: (row,) int, the prompt of each reply.
        replies, texts, finished: (row,) what was written, and whether it came to its end.
        logp, entropy: (row,) float, of the policy that wrote it; see tiny_sampler.Samples.
        token_logp: (token,) float, of each token, in the order of `replies`.
        given: (prompt,) int, tokens at the end of each prompt that are a reply's beginning.
    """

    prompts: list[list[int]]
    owner: np.ndarray
    replies: Ragged
    finished: np.ndarray
    texts: list[str]
    logp: np.ndarray
    entropy: np.ndarray
    token_logp: np.ndarray
    given: np.ndarray


def join(parts: Sequence[Rollouts]) -> Rollouts:
    """Replies of several rounds, in their order."""
    if len(parts) == 1:
        return parts[0]
    before = np.cumsum([0, *(len(p.prompts) for p in parts[:-1])])
    return Rollouts(
        [prompt for p in parts for prompt in p.prompts],
        np.concatenate([p.owner + n for p, n in zip(parts, before, strict=True)]),
        joined([p.replies for p in parts]),
        np.concatenate([p.finished for p in parts]),
        [text for p in parts for text in p.texts],
        np.concatenate([p.logp for p in parts]),
        np.concatenate([p.entropy for p in parts]),
        np.concatenate([p.token_logp for p in parts]),
        np.concatenate([p.given for p in parts]),
    )


def given(prompts: Sequence[Sequence[int]], texts: Sequence[str]) -> Rollouts:
    """Replies that are not sampled but given, one to a prompt: demonstrations."""
    return _placed(prompts, [[*encode(text), END] for text in texts], texts)


def begun(rollouts: Rollouts, weight: np.ndarray) -> tuple[Rollouts, np.ndarray]:
    """What was given of replies, as replies to what stands before it, one to a prompt.

    Args:
        rollouts: of a step.
        weight: (row,) float >= 0, what each row counts.

    Returns:
        The beginnings that count, and (beginning,) float: the weights of the rows that began so.
    """
    checks.shapes(weight=(weight, "row"), owner=(rollouts.owner, "row"))
    checks.within(0, np.inf, weight=weight)
    total = np.bincount(rollouts.owner, weight, minlength=len(rollouts.prompts))
    used = np.flatnonzero((rollouts.given > 0) & (total > 0))
    asked = [rollouts.prompts[i] for i in used]
    ends = [len(p) - n for p, n in zip(asked, rollouts.given[used].tolist(), strict=True)]
    cut = list(zip(asked, ends, strict=True))
    texts = [""] * len(used)
    return _placed([p[:end] for p, end in cut], [p[end:] for p, end in cut], texts), total[used]


def _placed(
    prompts: Sequence[Sequence[int]], coded: list[list[int]], texts: Sequence[str]
) -> Rollouts:
    """Replies of these tokens, one to a prompt, by no policy."""
    size = len(coded)
    return Rollouts(
        [list(p) for p in prompts],
        np.arange(size),
        ragged(coded),
        np.ones(size, dtype=bool),
        list(texts),
        np.zeros(size),
        np.zeros(size),
        np.zeros(sum(map(len, coded))),
        np.zeros(size, dtype=np.int64),
    )
