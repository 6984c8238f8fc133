"""Replies to a prompt as a tree of prefixes, so that what they share is computed once.

Replies to one prompt begin alike and often are alike: a batch has about half as many different
prefixes as tokens. Every prefix is one node, which sees its prompt and the nodes above it. A
prompt and its nodes stand side by side in a pack; packs of similar size are padded together. A
prompt with very many replies has several packs.

Index arithmetic only (numpy); axes: `node` (flat: the prompts' tokens one after the other, then
the prefixes from short to long), `pack`, `slot` (place in a pack).
"""

from typing import NamedTuple

import numpy as np

BUCKETS = 4  # sizes that packs are padded to: more pad less and start more kernels
SEATS = 32  # replies in a pack: attention within a pack costs the square of its nodes


class Tree(NamedTuple):
    """Prompts with the prefixes of their replies.

    Attributes:
        token: (node,) int64, the last token of the prompt's beginning or prefix.
        parent: (node,) int64, the node one token shorter; unused for tokens of a prompt.
        pack: (node,) int64, the pack that it stands in; packs follow their prompts' order.
        depth: (node,) int64, its position from the start of the prompt.
        levels: first node of every length of prefix, shortest first, and the number of nodes.
        predictor: (reply token,) int64, the node whose state predicts the token.
    """

    token: np.ndarray
    parent: np.ndarray
    pack: np.ndarray
    depth: np.ndarray
    levels: list[int]
    predictor: np.ndarray


class Layout(NamedTuple):
    """Nodes side by side, in buckets of packs that are padded to one size.

    Attributes:
        node: per bucket, (pack, slot) int64; padding repeats a node, and nobody sees it.
        sees: per bucket, (pack, slot, slot) bool, whether the first slot looks at the second.
        home: (node,) int64, where each node stands when the buckets are laid out flat.
    """

    node: list[np.ndarray]
    sees: list[np.ndarray]
    home: np.ndarray


def grow(
    prompts: tuple[np.ndarray, np.ndarray],
    replies: tuple[np.ndarray, np.ndarray],
    owner: np.ndarray,
) -> Tree:
    """The tree of a batch.

    Args:
        prompts: tokens one after the other, and the length of each.
        replies: the same; the last token of a reply predicts nothing and is no node.
        owner: (reply,) int64, the prompt of each.

    >>> one = np.array([7, 8]), np.array([2])
    >>> two = np.array([1, 2, 0, 1, 3, 0]), np.array([3, 3])  # they share the 1
    >>> tree = grow(one, two, np.array([0, 0]))
    >>> tree.token.tolist(), tree.parent.tolist(), tree.predictor.tolist()
    ([7, 8, 1, 2, 3], [0, 0, 1, 2, 2], [1, 2, 3, 1, 2, 4])
    """
    said, lengths = replies
    begin = np.cumsum(lengths) - lengths
    (first_tokens, sizes), owner = _seat(prompts, owner)
    at = (np.cumsum(sizes) - 1)[owner]  # the node at which each reply stands
    count, base = len(first_tokens), int(said.max(initial=0)) + 1
    tokens, parents, levels = [first_tokens], [np.zeros(count, dtype=np.int64)], [count]
    pack = [np.repeat(np.arange(len(sizes)), sizes)]
    starts = np.cumsum(sizes) - sizes
    depth = [np.arange(count) - starts[pack[0]]]
    predictor = np.empty(len(said), dtype=np.int64)
    rows = np.arange(len(lengths))
    for j in range(int(lengths.max(initial=0))):
        rows = rows[lengths[rows] > j]
        predictor[begin[rows] + j] = at[rows]
        onward = rows[lengths[rows] > j + 1]
        key, which = np.unique(at[onward] * base + said[begin[onward] + j], return_inverse=True)
        parent = key // base
        first = levels[-2] if len(levels) > 1 else 0  # where the last level begins
        tokens.append(key % base)
        parents.append(parent)
        pack.append(pack[-1][parent - first])
        depth.append(depth[-1][parent - first] + 1)
        at[onward] = levels[-1] + which.reshape(-1)
        levels.append(levels[-1] + len(key))
    join = np.concatenate
    return Tree(join(tokens), join(parents), join(pack), join(depth), levels, predictor)


def _seat(
    prompts: tuple[np.ndarray, np.ndarray], owner: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Prompts repeated until none has more than SEATS replies, and the owners among them."""
    tokens, sizes = prompts
    counts = np.bincount(owner, minlength=len(sizes))
    if counts.max(initial=0) <= SEATS:
        return prompts, owner
    order = np.argsort(owner, kind="stable")
    rank = np.empty_like(owner)
    rank[order] = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner[order]]
    packs = np.maximum(1, -(-counts // SEATS))
    prompt = np.repeat(np.arange(len(sizes)), packs)
    taken = sizes[prompt]
    inside = np.arange(taken.sum()) - np.repeat(np.cumsum(taken) - taken, taken)
    flat = np.repeat((np.cumsum(sizes) - sizes)[prompt], taken) + inside
    return (tokens[flat], taken), (np.cumsum(packs) - packs)[owner] + rank // SEATS


def lay(tree: Tree) -> Layout:
    """Nodes side by side with who sees whom, in at most BUCKETS buckets of similar packs."""
    sizes = np.bincount(tree.pack)
    packs = len(sizes)
    order = np.argsort(tree.pack, kind="stable")  # by pack: the prompt, then short to long
    begin = np.cumsum(sizes) - sizes
    slot = np.empty_like(order)
    slot[order] = np.arange(len(order)) - begin[tree.pack[order]]
    slots = np.arange(sizes.max(initial=0))
    own = np.bincount(tree.pack[: tree.levels[0]], minlength=packs)  # length of each prompt
    # what is no token of the prompt sees all of the prompt, padding too, so no row is empty
    sees = np.tri(len(slots), dtype=bool) & (slots < own[:, None])[:, None]
    for first, end in zip(tree.levels, tree.levels[1:], strict=False):
        pack, mine = tree.pack[first:end], slot[first:end]
        sees[pack, mine] = sees[pack, slot[tree.parent[first:end]]]
        sees[pack, mine, mine] = True
    nodes, masks, done = [], [], 0
    offset = np.empty(packs, dtype=np.int64)
    for chosen in np.array_split(np.argsort(sizes, kind="stable"), max(1, min(BUCKETS, packs))):
        width = sizes[chosen].max(initial=0)
        inside = slots[:width] < sizes[chosen][:, None]
        nodes.append(order[begin[chosen][:, None] + np.where(inside, slots[:width], 0)])
        masks.append(sees[chosen, :width, :width])
        offset[chosen] = done + width * np.arange(len(chosen))
        done += width * len(chosen)
    return Layout(nodes, masks, offset[tree.pack] + slot)
