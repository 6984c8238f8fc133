"""Sampling from a causal language model: each prompt is read once, finished rows leave the batch.

A row draws its tokens by uniform numbers of its own: the token is where the cumulative
probability, in the order of the vocabulary, passes the number. So a row's reply does not depend
on the rows beside it, on their order or on the device, up to rounding: logits of one prompt differ
in the sixth digit between batch shapes, which decides only where a number falls that close to a
boundary, or where two tokens tie.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import torch

from gradatim.choice.voting import certainty


class Row(NamedTuple):
    """One reply to be drawn.

    Attributes:
        prompt: index into the prompts.
        limit: most tokens, >= 1.
        uniform: the next number in [0, 1), one a token.
    """

    prompt: int
    limit: int
    uniform: Callable[[], float]


class Rule(NamedTuple):
    """How tokens are drawn, and what ends a reply.

    Attributes:
        temperature, top_p: as in `draw`.
        ends: ids of end marks.
        stopped: whether a reply is complete for another reason, asked after each token.
    """

    temperature: float
    top_p: float = 1.0
    ends: Collection[int] = ()
    stopped: Callable[[list[int]], bool] = lambda tokens: False


class Drawn(NamedTuple):
    """A reply.

    Attributes:
        tokens: ids, the end mark included where it was drawn.
        finished: whether an end mark or a stop came before the limit.
        logp: sum of the tokens' log-probabilities under the model itself: temperature 1, all words.
        certainty: mean over tokens of `voting.certainty` of the model's distribution.
    """

    tokens: list[int]
    finished: bool
    logp: float
    certainty: float


def draw(
    logp: torch.Tensor, uniform: torch.Tensor, *, temperature: float, top_p: float
) -> torch.Tensor:
    """(row,) int64 tokens.

    Args:
        logp: (row, word) log-probabilities.
        uniform: (row,) float64 in [0, 1), on the same device.
        temperature: 0 takes the likeliest word.
        top_p: draw from the likeliest words that together reach this probability.

    >>> logp = torch.tensor([[0.5, 0.3, 0.2]]).log()
    >>> uniform = torch.tensor([0.7], dtype=torch.float64)  # .5 / .8 = .625 is below it
    >>> int(draw(logp, uniform, temperature=1, top_p=0.8))
    1
    """
    if temperature == 0:
        return logp.argmax(-1)
    chance = (logp.double() / temperature).softmax(-1)
    if top_p < 1:
        falling = chance.sort(-1, descending=True).values
        before = falling.cumsum(-1) - falling
        least = falling.masked_fill(before >= top_p, 2.0).min(-1, keepdim=True).values
        chance = chance.masked_fill(chance < least, 0.0)
    upto = chance.cumsum(-1)
    total = upto[:, -1]
    below = total.nextafter(torch.zeros_like(total))  # the product may round up to the total
    number = torch.minimum(uniform * total, below)
    return torch.searchsorted(upto, number[:, None], right=True)[:, 0]


def left_padded(
    prompts: Sequence[Sequence[int]], *, pad: int, device: torch.device | str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(prompt, longest) tokens, mask and positions; padding stands on the left.

    >>> tokens, mask, positions = left_padded([[5], [6, 7]], pad=0, device="cpu")
    >>> tokens.tolist(), mask.tolist(), positions.tolist()
    ([[0, 5], [6, 7]], [[0, 1], [1, 1]], [[0, 0], [0, 1]])
    """
    longest = max(map(len, prompts))
    tokens = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    return tokens.to(device), mask.to(device), positions.to(device)


@torch.inference_mode()
def sample(
    model: Callable[..., Any],
    prompts: Sequence[Sequence[int]],
    rows: Sequence[Row],
    *,
    rule: Rule,
    device: torch.device | str = "cpu",
    share: bool = True,
) -> list[Drawn]:
    """Draw a reply for each row.

    Args:
        model: called as transformers' causal models are, with `input_ids`, `attention_mask`,
            `position_ids`, `past_key_values`; gives `logits` and `past_key_values`.
        prompts: token ids, at least one each.
        rows: in any order; several of one prompt share its reading.
        rule: for all rows.
        device: where the model is.
        share: read what all prompts begin with once (the shots of a few-shot prompt); not for
            models whose attention looks back a fixed number of places.
    """
    if not rows:
        return []
    cache, logits, mask, last = _read(model, prompts, device, share=share)
    owner = torch.tensor([row.prompt for row in rows], device=device)
    cache.batch_select_indices(owner)
    logits, mask, last = logits[owner], mask[owner], last[owner]
    alive = list(range(len(rows)))
    replies: list[list[int]] = [[] for _ in rows]
    sums = [[0.0, 0.0] for _ in rows]  # log-probability and certainty
    finished = [False] * len(rows)
    while True:
        tokens, each = _next(logits, [rows[i].uniform() for i in alive], rule)
        keep = []
        for place, (i, token) in enumerate(zip(alive, tokens.tolist(), strict=True)):
            replies[i].append(token)
            sums[i][0] += each[place][0]
            sums[i][1] += each[place][1]
            finished[i] = token in rule.ends or rule.stopped(replies[i])
            if not finished[i] and len(replies[i]) < rows[i].limit:
                keep.append(place)
        if not keep:
            break
        tokens = tokens.to(device)
        if len(keep) < len(alive):
            chosen = torch.tensor(keep, device=device)
            cache.batch_select_indices(chosen)
            mask, last, tokens = mask[chosen], last[chosen], tokens[chosen]
            alive = [alive[place] for place in keep]
        mask = torch.cat((mask, mask.new_ones(len(mask), 1)), -1)
        last = last + 1
        out = model(
            input_ids=tokens[:, None],
            attention_mask=mask,
            position_ids=last[:, None],
            past_key_values=cache,
            use_cache=True,
        )
        cache, logits = out.past_key_values, out.logits[:, -1]
    return [
        Drawn(reply, done, logp, sure / len(reply))
        for reply, done, (logp, sure) in zip(replies, finished, sums, strict=True)
    ]


def _read(
    model: Callable[..., Any],
    prompts: Sequence[Sequence[int]],
    device: torch.device | str,
    *,
    share: bool,
) -> tuple[Any, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Read the prompts: cache, (prompt, word) logits, (prompt, place) mask, (prompt,) positions."""
    cache, common = None, shared(prompts) if share and len(prompts) > 1 else 0
    tokens, mask, positions = left_padded([p[common:] for p in prompts], pad=0, device=device)
    if common:
        head = torch.tensor([list(prompts[0][:common])], device=device)
        cache = model(
            input_ids=head,
            attention_mask=torch.ones_like(head),
            position_ids=torch.arange(common, device=device)[None],
            use_cache=True,
            logits_to_keep=1,
        ).past_key_values
        cache.batch_select_indices(torch.zeros(len(prompts), dtype=torch.int64, device=device))
        mask = torch.cat((mask.new_ones(len(mask), common), mask), -1)
        positions = positions + common
    out = model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return out.past_key_values, out.logits[:, -1], mask, positions[:, -1]


def shared(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with; at least one of each is left over.

    >>> shared([[1, 2, 3], [1, 2, 4, 5]]), shared([[1, 2], [1, 2, 3]])
    (2, 1)
    """
    texts = [tuple(prompt) for prompt in prompts]
    least, most = min(texts), max(texts)  # in the order of words: all others lie between
    both = zip(least, most, strict=False)
    common = next((i for i, (a, b) in enumerate(both) if a != b), len(least))
    return min(common, min(map(len, prompts)) - 1)


def _next(
    logits: torch.Tensor, uniform: list[float], rule: Rule
) -> tuple[torch.Tensor, list[list[float]]]:
    """The tokens, and of each its log-probability and the distribution's certainty."""
    if logits.device.type == "mps":  # has no doubles
        logits = logits.cpu()
    logp = logits.float().log_softmax(-1)
    numbers = torch.tensor(uniform, dtype=torch.float64, device=logp.device)
    tokens = draw(logp, numbers, temperature=rule.temperature, top_p=rule.top_p)
    each = torch.stack((logp.gather(1, tokens[:, None])[:, 0], certainty(logp)), -1)
    return tokens, each.tolist()
