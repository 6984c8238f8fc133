"""Sampling from the tiny policy: each prompt is read once, finished rows leave the batch."""

from collections.abc import Mapping
from typing import NamedTuple

import torch

from gradatim.choice.voting import certainty
from gradatim.solvers.tiny_model import END, Prefix, Ragged, Shape, read_prompts, rotary, run


class Samples(NamedTuple):
    """Replies of a batch.

    Attributes:
        tokens: (row, longest) int64; what stands after the end mark is PAD-like garbage.
        lengths: (row,) int64, tokens of each reply with the end mark.
        finished: (row,) bool, whether the end mark came before the limit.
        logp: (row,) float32, log-probability of each reply under the sampled distribution.
        entropy: (row,) float32, mean over its tokens of the distribution's entropy in nats;
            zeros where it was not asked for.
        token_logp: (row, longest) float32, of each token; garbage after the end mark.
        certainty: (row,) float32, mean over its tokens of `voting.certainty` at temperature 1;
            zeros where it was not asked for.
    """

    tokens: torch.Tensor
    lengths: torch.Tensor
    finished: torch.Tensor
    logp: torch.Tensor
    entropy: torch.Tensor
    token_logp: torch.Tensor
    certainty: torch.Tensor


WORDS = [*range(END - 1), END]  # what can be written: all but padding
SEATS = 8  # rows of one prompt that share a table: their queries are one matrix product


class _Tables:
    """Rows of one prompt sit together, so that they read its keys and values once.

    A table holds a prompt's keys and values and up to SEATS rows; a prompt with more rows has
    several tables. Rows must come prompt by prompt.
    """

    def __init__(self, prefix: Prefix, owner: torch.Tensor) -> None:
        counts = torch.bincount(owner, minlength=len(prefix.lengths))
        tables = (counts + SEATS - 1) // SEATS
        place = torch.arange(len(owner)) - (torch.cumsum(counts, 0) - counts)[owner]
        self.seat = (torch.cumsum(tables, 0) - tables)[owner] * SEATS + place
        prompt = torch.repeat_interleave(torch.arange(len(counts)), tables)
        self.keys = [layer[prompt].transpose(2, 3) for layer in prefix.keys]
        self.values = [layer[prompt] for layer in prefix.values]
        width = prefix.keys[0].shape[2]
        hidden = torch.arange(width) >= prefix.lengths[prompt][:, None]
        self.mask = torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)[:, None, None]
        self.full = len(owner) == len(prompt) * SEATS

    def sit(self, x: torch.Tensor) -> torch.Tensor:
        """(row, head, n) to (table, head, seat, n)."""
        if not self.full:
            x = x.new_zeros(len(self.mask) * SEATS, *x.shape[1:]).index_copy_(0, self.seat, x)
        return x.view(-1, SEATS, *x.shape[1:]).transpose(1, 2)

    def rise(self, x: torch.Tensor) -> torch.Tensor:
        """(table, head, seat, n) to (row, head, n)."""
        x = x.transpose(1, 2).flatten(0, 1)
        return x if self.full else x[self.seat]


class _Cache:
    """What the rows still running look at: their prompts' tables and their own tokens."""

    def __init__(self, prefix: Prefix, owner: torch.Tensor, limit: int) -> None:
        self.prefix, self.owner = prefix, owner
        size = (len(owner), prefix.keys[0].shape[1], limit, prefix.keys[0].shape[3])
        self.keys = [prefix.last.new_zeros(size) for _ in prefix.keys]
        self.values = [prefix.last.new_zeros(size) for _ in prefix.keys]
        self.tables = _Tables(prefix, owner)

    def keep(self, rows: torch.Tensor) -> None:
        self.owner = self.owner[rows]
        self.keys = [layer[rows] for layer in self.keys]
        self.values = [layer[rows] for layer in self.values]
        self.tables = _Tables(self.prefix, self.owner)


def _step(
    weights: Mapping[str, torch.Tensor],
    shape: Shape,
    cache: _Cache,
    *,
    tokens: torch.Tensor,
    turns: tuple[torch.Tensor, torch.Tensor],
    t: int,
) -> torch.Tensor:
    tables = cache.tables

    def attend(i: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        cache.keys[i][:, :, t] = k
        cache.values[i][:, :, t] = v
        q = q * q.shape[-1] ** -0.5
        to_prompt = tables.rise(tables.sit(q) @ tables.keys[i] + tables.mask)
        to_self = (cache.keys[i][:, :, : t + 1] * q[:, :, None]).sum(-1)
        share = torch.cat((to_prompt, to_self), -1).softmax(-1)
        split = to_prompt.shape[-1]
        seen = tables.rise(tables.sit(share[..., :split]) @ tables.values[i])
        return seen + (share[..., split:, None] * cache.values[i][:, :, : t + 1]).sum(2)

    at = cache.prefix.lengths[cache.owner] + t
    x = run(weights, shape, tokens=tokens, turns=(turns[0][at], turns[1][at]), attend=attend)
    return x @ weights["embed"].T


@torch.inference_mode()
def sample(
    weights: Mapping[str, torch.Tensor],
    shape: Shape,
    prompts: Ragged,
    *,
    counts: torch.Tensor,
    limit: int,
    temperature: float,
    generator: torch.Generator,
    entropies: bool = False,
) -> Samples:
    """Sample `counts[i]` replies to prompt i.

    Args:
        weights, shape: the network.
        prompts: one sequence per prompt.
        counts: (prompt,) int64 >= 0; rows come out prompt by prompt.
        limit: most tokens of a reply, the end mark included.
        temperature: 0 for greedy.
        generator: source of the noise; the same state gives the same replies.
        entropies: fill `entropy` and `certainty`.
    """
    owner = torch.repeat_interleave(torch.arange(len(counts)), counts)
    total = len(owner)
    tokens = torch.full((total, limit), END, dtype=torch.int64)
    lengths = torch.full((total,), limit, dtype=torch.int64)
    finished = torch.zeros(total, dtype=torch.bool)
    logp, entropy, sure = torch.zeros(total), torch.zeros(total), torch.zeros(total)
    token_logp = torch.zeros((total, limit))
    if not total:
        return Samples(tokens, lengths, finished, logp, entropy, token_logp, sure)
    prefix = read_prompts(weights, shape, prompts)
    cache = _Cache(prefix, owner, limit)
    turns = rotary(shape)
    alive = torch.arange(total)  # the rows of the result that the cache's rows belong to
    running = torch.ones(total, dtype=torch.bool)  # cache rows that still write
    logits = (prefix.last @ weights["embed"].T)[owner]
    for t in range(limit):
        logits[:, END - 1] = -torch.inf  # padding is never an answer
        drawn, score = _draw(logits, temperature, generator)
        tokens[alive[running], t] = drawn[running]
        token_logp[alive[running], t] = score[running]
        logp[alive[running]] += score[running]
        if entropies:
            open_to = torch.special.entr(logits.softmax(-1)).sum(-1)
            entropy[alive[running]] += open_to[running]
            sure[alive[running]] += certainty(logits.log_softmax(-1)[:, WORDS])[running]
        ended = running & (drawn == END)
        lengths[alive[ended]] = t + 1
        finished[alive[ended]] = True
        running = running & ~ended
        left = int(running.sum())
        if not left or t == limit - 1:
            break
        if left < 0.75 * len(alive):  # copying the cache costs about as much as a step
            rows = torch.nonzero(running)[:, 0]
            cache.keep(rows)
            alive, drawn, running = alive[rows], drawn[rows], running[rows]
        logits = _step(weights, shape, cache, tokens=drawn, turns=turns, t=t)
    return Samples(tokens, lengths, finished, logp, entropy / lengths, token_logp, sure / lengths)


def _draw(
    logits: torch.Tensor, temperature: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    if temperature == 0:
        score, drawn = logits.log_softmax(-1).max(-1)
        return drawn, score
    logp = (logits / temperature).log_softmax(-1)
    # argmax of p / exponential noise is a draw from p
    noise = torch.empty_like(logp).exponential_(generator=generator)
    drawn = (logp - noise.log()).argmax(-1)
    return drawn, logp.gather(1, drawn[:, None])[:, 0]
