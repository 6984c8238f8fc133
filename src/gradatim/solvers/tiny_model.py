"""The tiny policy's network: a decoder-only character transformer in Llama's shape.

RMSNorm, rotary positions, SwiGLU, tied embeddings; about 0.1M parameters. The arithmetic is laid
out for a CPU and for groups of attempts that share a prompt:

- linear maps run on flat, unpadded tokens; only attention pads;
- a prompt is run once for its whole group, in sampling and in the update alike;
- the update also runs once what several replies begin with (tiny_tree).

Axes: `token` (flat, prompts or replies one after the other), `prompt`, `row` (one reply each).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from gradatim.errors import ArgumentError
from gradatim.solvers import tiny_tree

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+=."
PAD, END = len(ALPHABET), len(ALPHABET) + 1
CODE = {char: i for i, char in enumerate(ALPHABET)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of the network; `positions` is the longest prompt plus reply."""

    vocabulary: int = len(ALPHABET) + 2
    width: int = 64
    layers: int = 2
    heads: int = 4
    hidden: int = 176
    positions: int = 128
    theta: float = 10_000.0

    def record(self) -> dict[str, Any]:
        """As plain values, for a checkpoint."""
        return asdict(self)


Weights = dict[str, torch.Tensor]
Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Ragged(NamedTuple):
    """Token sequences one after the other.

    Attributes:
        tokens: (token,) int64.
        lengths: (sequence,) int64 >= 1.
    """

    tokens: torch.Tensor
    lengths: torch.Tensor


def encode(text: str) -> list[int]:
    """Characters to tokens.

    Raises:
        ArgumentError: a character is outside the alphabet.
    """
    try:
        return [CODE[char] for char in text]
    except KeyError as error:
        raise ArgumentError(
            f"the tiny policy knows the characters {ALPHABET!r} only, got {error.args[0]!r} in "
            f"{text[:40]!r}; give the problem a `compact` prompt"
        ) from None


def decode(tokens: list[int]) -> str:
    """Tokens to characters, up to the end mark."""
    return "".join(ALPHABET[t] for t in tokens if t < PAD)


def initial(shape: Shape, seed: int) -> Weights:
    """Fresh weights: normal with sd 0.02 (residual outputs scaled by 1/sqrt(2 layers)).

    The query, key and value maps are stored as one matrix, gate and up as another.
    """
    make = torch.Generator().manual_seed(seed)
    d, f = shape.width, shape.hidden

    def normal(rows: int, columns: int, scale: float) -> torch.Tensor:
        return torch.randn(rows, columns, generator=make) * scale

    out_scale = 0.08 / math.sqrt(2 * shape.layers)
    weights: Weights = {"embed": normal(shape.vocabulary, d, 0.08), "norm": torch.ones(d)}
    for i in range(shape.layers):
        weights |= {
            f"{i}.norm1": torch.ones(d),
            f"{i}.qkv": normal(3 * d, d, 0.08),
            f"{i}.out": normal(d, d, out_scale),
            f"{i}.norm2": torch.ones(d),
            f"{i}.gate_up": normal(2 * f, d, 0.08),
            f"{i}.down": normal(d, f, out_scale),
        }
    return weights


def llama_state(weights: Mapping[str, torch.Tensor], shape: Shape) -> dict[str, torch.Tensor]:
    """The same weights under the names that `transformers.LlamaForCausalLM` expects."""
    d, f = shape.width, shape.hidden
    state = {
        "model.embed_tokens.weight": weights["embed"],
        "model.norm.weight": weights["norm"],
        "lm_head.weight": weights["embed"],
    }
    for i in range(shape.layers):
        q, k, v = weights[f"{i}.qkv"].split(d)
        gate, up = weights[f"{i}.gate_up"].split(f)
        at = f"model.layers.{i}."
        state |= {
            at + "input_layernorm.weight": weights[f"{i}.norm1"],
            at + "self_attn.q_proj.weight": q,
            at + "self_attn.k_proj.weight": k,
            at + "self_attn.v_proj.weight": v,
            at + "self_attn.o_proj.weight": weights[f"{i}.out"],
            at + "post_attention_layernorm.weight": weights[f"{i}.norm2"],
            at + "mlp.gate_proj.weight": gate,
            at + "mlp.up_proj.weight": up,
            at + "mlp.down_proj.weight": weights[f"{i}.down"],
        }
    return {name: value.detach().clone().contiguous() for name, value in state.items()}


def rotary(shape: Shape) -> tuple[torch.Tensor, torch.Tensor]:
    """(position, 1, head width) cosines and signed sines, in Llama's half-split order."""
    half = shape.width // shape.heads // 2
    rate = shape.theta ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(shape.positions, dtype=torch.float64)[:, None] * rate
    cos = torch.cat((angle.cos(), angle.cos()), 1).float()[:, None]
    sin = torch.cat((-angle.sin(), angle.sin()), 1).float()[:, None]
    return cos, sin


def _turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    # the sign of the sines does what rotate_half does, so a plain roll by half is enough
    return x * cos + x.roll(x.shape[-1] // 2, -1) * sin


def run(
    weights: Mapping[str, torch.Tensor],
    shape: Shape,
    *,
    tokens: torch.Tensor,
    turns: tuple[torch.Tensor, torch.Tensor],
    attend: Attend,
) -> torch.Tensor:
    """Run flat tokens through the network; `attend` alone knows who sees whom.

    Args:
        weights, shape: the network.
        tokens: (token,) int64.
        turns: rotary cosines and sines at each token's position, (token, 1, head width).
        attend: (layer, q, k, v), each (token, head, head width) -> (token, head, head width).

    Returns:
        (token, width) float32 after the last norm; logits are `x @ embed.T`.
    """
    d, heads = shape.width, shape.heads
    x = functional.embedding(tokens, weights["embed"])
    for i in range(shape.layers):
        h = functional.rms_norm(x, (d,), weights[f"{i}.norm1"], 1e-6)
        qkv = (h @ weights[f"{i}.qkv"].T).view(-1, 3 * heads, d // heads)
        qk = _turn(qkv[:, : 2 * heads], *turns)
        seen = attend(i, qk[:, :heads], qk[:, heads:], qkv[:, 2 * heads :])
        x = x + seen.reshape(-1, d) @ weights[f"{i}.out"].T
        h = functional.rms_norm(x, (d,), weights[f"{i}.norm2"], 1e-6)
        gate, up = (h @ weights[f"{i}.gate_up"].T).chunk(2, -1)
        x = x + (functional.silu(gate) * up) @ weights[f"{i}.down"].T
    return functional.rms_norm(x, (d,), weights["norm"], 1e-6)


def _slots(lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Sequence and place of each flat token, and the longest length."""
    sequence = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    begin = torch.cumsum(lengths, 0) - lengths
    place = torch.arange(len(sequence)) - begin[sequence]
    return sequence, place, int(lengths.max()) if len(lengths) else 0


class Prefix(NamedTuple):
    """Prompts that have been run.

    Attributes:
        last: (prompt, width), what stands at each prompt's last token.
        keys, values: per layer, (prompt, head, longest prompt, head width), padded at the end.
        lengths: (prompt,) int64.
    """

    last: torch.Tensor
    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    lengths: torch.Tensor


def read_prompts(weights: Mapping[str, torch.Tensor], shape: Shape, prompts: Ragged) -> Prefix:
    """Run each prompt once and keep what its replies will look at."""
    sequence, place, longest = _slots(prompts.lengths)
    cos, sin = rotary(shape)
    keys: list[torch.Tensor] = []
    values: list[torch.Tensor] = []
    size = (len(prompts.lengths), longest, shape.heads, shape.width // shape.heads)

    def attend(_: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        # padding stands at the end, where causal attention never looks
        q, k, v = (
            t.new_zeros(size).index_put((sequence, place), t).transpose(1, 2) for t in (q, k, v)
        )
        keys.append(k)
        values.append(v)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return seen.transpose(1, 2)[sequence, place]

    x = run(weights, shape, tokens=prompts.tokens, turns=(cos[place], sin[place]), attend=attend)
    return Prefix(x[torch.cumsum(prompts.lengths, 0) - 1], keys, values, prompts.lengths)


def reply_logits(
    weights: Mapping[str, torch.Tensor],
    shape: Shape,
    prompts: Ragged,
    *,
    owner: torch.Tensor,
    replies: Ragged,
) -> torch.Tensor:
    """Logits that predict each reply token; prompts and shared beginnings are computed once.

    Args:
        weights, shape: the network.
        prompts: one sequence per prompt.
        owner: (row,) int64, the prompt of each reply.
        replies: one sequence per row, each of at least one token (the end mark included).

    Returns:
        (reply token, vocabulary) float32, in the order of `replies.tokens`.
    """
    plain = [(part.tokens.numpy(), part.lengths.numpy()) for part in (prompts, replies)]
    tree = tiny_tree.grow(plain[0], plain[1], owner.numpy())
    layout = tiny_tree.lay(tree)
    nodes = [torch.from_numpy(node) for node in layout.node]
    seen_by = [torch.from_numpy(sees)[:, None] for sees in layout.sees]
    masks = [torch.zeros(sees.shape).masked_fill_(~sees, -torch.inf) for sees in seen_by]
    home = torch.from_numpy(layout.home)

    def attend(_: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        found = []
        for node, mask in zip(nodes, masks, strict=True):
            padded = [t.index_select(0, node.view(-1)) for t in (q, k, v)]
            padded = [t.view(*node.shape, *t.shape[1:]).transpose(1, 2) for t in padded]
            seen = functional.scaled_dot_product_attention(*padded, attn_mask=mask)
            found.append(seen.transpose(1, 2).flatten(0, 1))
        return torch.cat(found).index_select(0, home)

    cos, sin = rotary(shape)
    at = torch.from_numpy(tree.depth)
    tokens = torch.from_numpy(tree.token)
    x = run(weights, shape, tokens=tokens, turns=(cos[at], sin[at]), attend=attend)
    logits = x @ weights["embed"].T
    return logits.index_select(0, torch.from_numpy(tree.predictor))


def ragged(sequences: list[list[int]]) -> Ragged:
    """Lists of tokens as one flat column."""
    lengths = torch.tensor([len(s) for s in sequences], dtype=torch.int64)
    flat = np.fromiter((t for s in sequences for t in s), np.int64, int(lengths.sum()))
    return Ragged(torch.from_numpy(flat), lengths)


def joined(parts: Sequence[Ragged]) -> Ragged:
    """Several such columns as one."""
    return Ragged(*(torch.cat(column) for column in zip(*parts, strict=True)))
