"""The tree of prefixes: who stands where and who sees whom, against walking every reply alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradatim.solvers.tiny_tree import BUCKETS, SEATS, grow, lay

sequence = st.lists(st.integers(0, 2), min_size=1, max_size=6)
batches = st.lists(st.tuples(sequence, st.lists(sequence, max_size=5)), min_size=1, max_size=9)


def column(sequences):
    flat = [token for one in sequences for token in one]
    return np.array(flat, dtype=np.int64), np.array([len(s) for s in sequences], dtype=np.int64)


def planted(groups):
    owner = np.array([i for i, (_, said) in enumerate(groups) for _ in said], dtype=np.int64)
    replies = [reply for _, said in groups for reply in said]
    return grow(column([p for p, _ in groups]), column(replies), owner), owner, replies


def spelled(tree, node, own):
    """The whole text up to a node, by walking to the top; own is the prompt."""
    tail = []
    while node >= tree.levels[0]:
        tail.append(int(tree.token[node]))
        node = tree.parent[node]
    return [*own, *reversed(tail)]


@given(batches)
def test_each_token_is_predicted_by_the_node_that_spells_what_stands_before_it(groups):
    tree, owner, replies = planted(groups)
    predictor = iter(tree.predictor.tolist())
    for prompt, reply in zip(owner, replies, strict=True):
        own = groups[prompt][0]
        for j in range(len(reply)):
            node = next(predictor)
            assert spelled(tree, node, own) == [*own, *reply[:j]]
            assert tree.pack[node] == prompt
            assert tree.depth[node] == len(own) + j - 1


@given(batches)
def test_a_prefix_is_there_once_and_nothing_else_is(groups):
    tree, _, _ = planted(groups)
    wanted = {
        (i, tuple(reply[:j]))
        for i, (_, said) in enumerate(groups)
        for reply in said
        for j in range(1, len(reply))
    }
    assert len(tree.token) == sum(len(p) for p, _ in groups) + len(wanted)


@given(batches)
def test_a_node_sees_its_beginning_and_nobody_else(groups):
    tree, _, _ = planted(groups)
    layout = lay(tree)
    assert len(layout.node) <= BUCKETS
    flat = np.concatenate([node.reshape(-1) for node in layout.node])
    assert (flat[layout.home] == np.arange(len(tree.token))).all()
    seen = {}
    done = 0
    for node, sees in zip(layout.node, layout.sees, strict=True):
        assert sees.any(-1).all()  # a row that sees nobody would be nan
        for pack, slot in np.ndindex(node.shape):
            here = done + pack * node.shape[1] + slot
            seen[here] = sorted(node[pack][sees[pack, slot]].tolist())
        done += node.size
    starts = np.cumsum([0, *(len(p) for p, _ in groups)])
    for node in range(len(tree.token)):
        walk, at = [], node
        while at >= tree.levels[0]:
            walk.append(int(at))
            at = tree.parent[at]
        walk += range(starts[tree.pack[node]], at + 1)
        assert seen[int(layout.home[node])] == sorted(walk)


def test_equal_replies_share_everything_and_one_token_replies_add_nothing():
    # the prompt's 2 tokens, then "1" and "12"; the last token of a reply is no node
    tree, _, _ = planted([([5, 6], [[1, 2, 3]] * 4), ([7], [[1], [2]])])
    assert tree.token.tolist() == [5, 6, 7, 1, 2]
    assert tree.predictor.tolist() == [1, 3, 4] * 4 + [2, 2]


def test_no_reply_at_all():
    tree, _, _ = planted([([5, 6], []), ([7], [])])
    assert tree.token.tolist() == [5, 6, 7]
    assert tree.predictor.size == 0
    assert sum(node.size for node in lay(tree).node) == 3


def test_a_prompt_with_very_many_replies_has_several_packs():
    groups = [([5], [[0]]), ([6, 7], [[1, i, 9] for i in range(2 * SEATS + 1)]), ([8], [])]
    tree, _, replies = planted(groups)
    # the prompt of 2 tokens stands three times, each time with one shared 1 and a node a reply
    assert np.bincount(tree.pack).tolist() == [1, 3 + SEATS, 3 + SEATS, 4, 1]
    predictor = tree.predictor[1:].reshape(len(replies) - 1, 3)
    for (_, second, _), nodes in zip(replies[1:], predictor, strict=True):
        assert tree.token[nodes].tolist() == [7, 1, second]
    assert max(node.shape[1] for node in lay(tree).node) == 3 + SEATS
