"""What the tiny policy itself can tell of its replies: features for a verifier.

Axes: `row` (a reply), `feature`.
"""

from collections.abc import Sequence

import numpy as np
import torch

from gradatim.errors import ArgumentError
from gradatim.solvers.tiny import Policy, reply_tokens
from gradatim.solvers.tiny_model import ragged, read_prompts
from gradatim.solvers.tiny_sampler import Samples

CHUNK = 1024  # replies that are read at a time, which bounds memory


def reply_features(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    owner: np.ndarray,
    samples: Samples,
) -> np.ndarray:
    """(row, 4 + width) float64: the reply's likelihood and length, and the state it ends in.

    Mean, smallest and summed log-probability of its tokens under the sampling distribution, its
    number of tokens, and what the last token is predicted from, after the last norm.

    Args:
        policy: that reads the replies; the one that wrote them, for what it knows of them.
        prompts: encoded.
        owner: (row,) int, the prompt of each reply.
        samples: the replies.

    Raises:
        ArgumentError: another number of owners than of replies.
    """
    lengths = samples.lengths.numpy()
    owner = np.asarray(owner)
    if owner.shape != lengths.shape:
        raise ArgumentError(f"`owner` must be one for each of {len(lengths)} replies")
    if not len(lengths):
        return np.zeros((0, 4 + policy.shape.width))
    logp = reply_tokens(samples, samples.token_logp).numpy().astype(float)
    begin = np.cumsum(lengths) - lengths
    total = np.add.reduceat(logp, begin)
    told = np.c_[total / lengths, np.minimum.reduceat(logp, begin), total, lengths]
    rows = samples.tokens.tolist()
    # a causal state does not see what comes after it, so the last token itself is not read
    texts = [
        [*prompts[i], *row[: n - 1]]
        for i, row, n in zip(owner.tolist(), rows, lengths.tolist(), strict=True)
    ]
    states = []
    with torch.inference_mode():
        for at in range(0, len(texts), CHUNK):
            part = ragged(texts[at : at + CHUNK])
            states.append(read_prompts(policy.weights, policy.shape, part).last.numpy())
    return np.c_[told, np.concatenate(states).astype(float)]
