"""Probes of replies: which prefixes are continued, what it costs, and who hears of it."""

import dataclasses

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.learning.credit import prefix_values
from gradatim.recipes import cuts, registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import ROLES, Batch

PROVIDES = {"logp", "entropy", "rounds", "probe", "token_logp", "token_advantage", "hint"}
PROBE = ROLES.index("probe")
PROBLEMS = generate("lists", n=20, level=range(1, 6))


def curriculum(**changes):
    return Curriculum(PROBLEMS, "spo", 1, provides=PROVIDES, **changes)


def replies(plan, lengths, prob):
    """Columns of attempts of these lengths whose tokens have these probabilities in turn."""
    prob = np.concatenate([prob[:n] for n in lengths])
    return {"lengths": np.array(lengths), "token_logp": np.log(prob)}


def test_where_replies_are_cut():
    assert registry.entry("scaffold", "probe").suggest is cuts.probe
    cur = curriculum(scaffold={"every": 2, "below": 0.9, "share": 0.5, "n": 2})
    plan = cur.suggest(2, rollouts=16)
    lengths = [1, 2, 6, 6, 6, 6, 6, 6]
    prob = np.array([0.5, 0.5, 0.95, 0.5, 0.5, 0.5])
    mask = np.array([1, 1, 1, 1, 0, 1, 1, 1], bool)
    batch = cur.observe(plan, [1, 0, 1, 0, 1, 1, 0, 0], mask=mask, **replies(plan, lengths, prob))
    probes = cur.more(batch)
    # unsure: tokens 0, 1, 3, 4, 5; every second: 0, 3, 5; before token 0 nothing is continued
    assert set(zip(probes.parent.tolist(), probes.cut.tolist(), strict=True)) <= {
        (reply, cut) for reply in (2, 3, 5, 6, 7) for cut in (3, 5)
    }
    assert len(probes.n) == 4
    assert probes.n.tolist() == [2, 2, 2, 2]
    assert (probes.role == PROBE).all()
    assert (probes.group == batch.group[probes.parent]).all()
    assert (probes.problem == batch.problem[probes.parent]).all()
    assert set(probes.why) == {"cut"}


def test_what_cannot_be_cut_is_not_paid_for():
    cur = curriculum()
    plan = cur.suggest(2, rollouts=16)
    batch = cur.observe(plan, np.ones(8), **replies(plan, [1] * 8, np.array([0.5])))
    assert cur.more(batch) is None
    assert cur.metrics()["spent"] == cur.metrics()["asked"] == 8
    value, keep = cur.advantages(batch)
    assert not value.any()
    assert not keep.any()
    few = curriculum()  # a share that pays for no cut
    plan = few.suggest(1, rollouts=5)
    batch = few.observe(plan, [1, 0, 0], **replies(plan, [6] * 3, np.full(6, 0.5)))
    assert few.more(batch) is None


def test_a_share_that_is_more_than_enough_sharpens_the_values():
    cur = curriculum(scaffold={"share": 0.9, "every": 6, "n": 2})
    plan = cur.suggest(1, rollouts=40)
    assert plan.n.tolist() == [4]
    prob = np.array([1.0, 0.5, 1.0, 1.0])
    probes = cur.more(cur.observe(plan, [1, 0, 0, 0], **replies(plan, [4] * 4, prob)))
    assert probes.n.tolist() == [9, 9, 9, 9]


def test_hints_and_changed_problems_go_along():
    cur = curriculum(scaffold={"every": 1, "n": 1})
    plan = cur.suggest(1, rollouts=8)
    posed = dataclasses.replace(PROBLEMS[0], prompt="another")
    under = cur._open[plan.step]
    rows = dataclasses.replace(under.rows, hint=np.array([0.25]), posed=np.array([posed]))
    cur._open[plan.step] = under._replace(rows=rows)
    told = replies(plan, [3] * 4, np.full(3, 0.5))
    probes = cur.more(cur.observe(plan, [1, 0, 1, 0], **told))
    assert (probes.hint == 0.25).all()
    assert all(p is posed for p in probes.posed)


@pytest.mark.parametrize("name", [n for n in registry.names("belief") if n != "known"])
def test_no_belief_hears_of_continued_replies(name):
    """They start inside a reply, so their rate is not the problem's."""
    record, options = registry.resolve("belief", registry.Use(name))
    cur = curriculum()
    state = record.init(cur.pool, **options)
    plan = cur.suggest(4, rollouts=32)
    first = cur.observe(plan, np.arange(16) % 2, **replies(plan, [6] * 16, np.full(6, 0.5)))
    probes = cur.more(first)
    size = int(probes.n.sum())
    after = {"lengths": np.full(size, 2), "token_logp": np.zeros(2 * size)}
    whole = cur.observe(probes, np.ones(size), **after)
    state = record.observe(state, first, **options)
    fields = [f.name for f in dataclasses.fields(Batch)]
    columns = {n: getattr(whole, n) for n in fields if getattr(whole, n) is not None}
    late = {n: c[16:] for n, c in columns.items() if n != "step" and len(c) == len(whole.mask)}
    heard = record.observe(state, Batch(step=whole.step, **late), **options)
    before, now = (record.suggest(s, cur.pool, **options) for s in (state, heard))
    assert now.alpha.tolist() == before.alpha.tolist()
    assert now.beta.tolist() == before.beta.tolist()


def test_attempts_on_anchors_are_not_continued():
    cur = curriculum(anchors=[0, 3], probes=0.2)
    seen = 0
    for step in range(4):
        plan = cur.suggest(4, rollouts=40)
        size = int(plan.n.sum())
        prob = np.full(6, 0.5)
        first = cur.observe(plan, np.arange(size) % 2, **replies(plan, [6] * size, prob))
        probes = cur.more(first)
        seen += int(np.isin(first.problem, (0, 3)).sum())
        assert not np.isin(probes.problem, (0, 3)).any()
        assert (probes.problem == first.problem[probes.parent]).all()
        size = int(probes.n.sum())
        after = {"lengths": np.full(size, 2), "token_logp": np.zeros(2 * size)}
        value, keep = cur.advantages(cur.observe(probes, np.ones(size), **after))
        assert len(value) == 6 * int(plan.n.sum()) + 2 * size
        assert not keep[: int(plan.n.sum())][np.isin(first.problem, (0, 3))].any()
        assert cur.metrics()["spent"] == 40 * (step + 1)
    assert seen > 0


def test_the_share_of_mixed_groups_does_not_count_probes():
    cur = curriculum()
    plan = cur.suggest(1, rollouts=16)
    probes = cur.more(cur.observe(plan, np.zeros(8), **replies(plan, [6] * 8, np.full(6, 0.5))))
    after = {"lengths": np.full(8, 2), "token_logp": np.zeros(16)}
    cur.observe(probes, np.ones(8), **after)
    assert cur.metrics()["mixed_share"] == 0
    assert cur.metrics()["pass_rate"] == 0


def test_bad_columns_and_options_are_refused():
    cur = curriculum()
    plan = cur.suggest(2, rollouts=16)
    with pytest.raises(ArgumentError, match=r"`token_logp` must have one entry a token.*\(24,\)"):
        cur.observe(plan, np.zeros(8), lengths=np.full(8, 3), token_logp=np.zeros(8))
    with pytest.raises(ArgumentError, match="`length`"):
        cur.observe(plan, np.zeros(8), token_logp=np.zeros(8))  # lengths unknown
    batch = cur.observe(plan, np.zeros(8), lengths=np.full(8, 3))
    with pytest.raises(ArgumentError, match="needs `token_logp`"):
        cur.more(batch)
    cur = curriculum()
    plan = cur.suggest(2, rollouts=16)
    nan = np.where(np.arange(24) == 5, np.nan, -1.0)
    batch = cur.observe(plan, np.zeros(8), lengths=np.full(8, 3), token_logp=nan)
    with pytest.raises(ArgumentError, match="`token_logp` must be finite"):
        cur.more(batch)
    for bad in ({"n": 0}, {"share": 1.5}, {"below": -0.1}, {"every": 0}):
        with pytest.raises(ArgumentError, match=f"`{next(iter(bad))}` must"):
            curriculum(scaffold=bad)


# -- what probes say of prefixes ------------------------------------------------------------------


def batch_of(reward, group, length, *, parent=None, cut=None, mask=None):
    """Attempts; those with a parent are probes."""
    size = len(reward)
    parent = np.full(size, -1) if parent is None else np.array(parent, int)
    return Batch(
        step=0,
        group=np.array(group, int),
        problem=np.array(group, int),
        role=np.where(parent >= 0, PROBE, 0),
        parent=parent,
        reward=np.array(reward, float),
        solved=np.array(reward) >= 1,
        length=np.array(length, int),
        mask=np.ones(size, bool) if mask is None else np.array(mask),
        cut=np.full(size, -1) if cut is None else np.array(cut),
    )


def test_values_of_prefixes_come_from_probes_and_from_the_group():
    batch = batch_of(
        [1, 0, 0.5, 1, 0, 1],
        [0, 0, 0, 0, 0, 1],
        [3, 2, 1, 2, 1, 2],
        parent=[-1, -1, -1, 0, 0, -1],
        cut=[-1, -1, -1, 1, 1, -1],
    )
    value = prefix_values(batch)
    # the others' means: .25, .75, .5; two probes from token 1 of the first; probes and the lone
    # attempt of group 1 have none
    known = [0.25, 0.5, np.nan, 0.75, np.nan, 0.5]
    np.testing.assert_allclose(value, [*known, np.nan, np.nan, np.nan, np.nan, np.nan])


def test_the_value_under_best_of_two_needs_two():
    batch = batch_of(
        [1, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [2, 2, 2, 1, 1, 1],
        parent=[-1, -1, -1, 0, 0, 1],
        cut=[-1, -1, -1, 1, 1, 1],
    )
    # of two others: none, one, one right; two probes with one right; one probe is not enough
    value = prefix_values(batch, best=2)
    expected = [0, 1, 1, np.nan, 1, np.nan, np.nan, np.nan, np.nan]
    np.testing.assert_allclose(value, expected)


def test_masked_attempts_and_probes_say_nothing():
    batch = batch_of(
        [1, 0, 0, 1, 0],
        [0, 0, 0, 0, 0],
        [2, 2, 2, 1, 1],
        parent=[-1, -1, -1, 0, 0],
        cut=[-1, -1, -1, 1, 1],
        mask=[True, True, False, True, False],
    )
    value = prefix_values(batch)
    expected = [0, 1, 1, np.nan, np.nan, np.nan, np.nan, np.nan]
    np.testing.assert_allclose(value, expected)


def test_equal_groups_have_exactly_their_reward_as_value():
    batch = batch_of([0.1] * 7, [0] * 7, [1] * 7)
    assert prefix_values(batch).tolist() == [0.1] * 7
    none = batch_of([], [], [])
    assert prefix_values(none).shape == (0,)


def test_a_trainers_own_values_are_taken_as_they_are():
    batch = dataclasses.replace(batch_of([1, 0], [0, 0], [1, 1]), prefix_value=np.array([0.3, 0.4]))
    assert prefix_values(batch, best=4).tolist() == [0.3, 0.4]
    with pytest.raises(ArgumentError, match="no column `prefix_value`"):
        prefix_values(dataclasses.replace(batch, prefix_value=None, cut=None))
    unknown = dataclasses.replace(batch_of([1, 0], [0, 0], [1, 1]), length=np.full(2, -1))
    with pytest.raises(ArgumentError, match="`length`"):
        prefix_values(unknown)
    beyond = batch_of([1, 0], [0, 0], [1, 1], parent=[-1, 0], cut=[-1, 1])
    with pytest.raises(ArgumentError, match="`cut` must lie in"):
        prefix_values(beyond)


def test_probed_advantages_have_the_gradient_of_the_expected_reward():
    """A two-token policy of coins, every outcome listed: SPO's expected push is the gradient's."""
    p = np.array([0.6, 0.3, 0.8])  # of 1: first token, second after 0, second after 1
    reward = np.array([[0.0, 1.0], [1.0, 0.0]])
    after = np.array([reward[0] @ [0.7, 0.3], reward[1] @ [0.2, 0.8]])
    rng = np.random.default_rng(0)
    groups, size = 20_000, 2
    first = (rng.random(groups * size) < p[0]).astype(int)
    second = (rng.random(groups * size) < p[1 + first]).astype(int)
    probe = (rng.random(groups * size) < p[1 + first]).astype(int)
    group = np.repeat(np.arange(groups), size)
    n = groups * size
    batch = batch_of(
        np.concatenate([reward[first, second], reward[first, probe]]),
        np.concatenate([group, group]),
        np.concatenate([np.full(n, 2), np.ones(n, int)]),
        parent=np.concatenate([np.full(n, -1), np.arange(n)]),
        cut=np.concatenate([np.full(n, -1), np.ones(n, int)]),
    )
    record, options = registry.resolve("advantage", registry.Use("spo_chain"))
    value = record.suggest(batch, **options)[0][: 2 * n].reshape(n, 2)
    push = value[:, 0] * (first - p[0])  # d log p / d logit of a coin is outcome - p
    exact = p[0] * (1 - p[0]) * (after[1] - after[0])
    assert push.mean() == pytest.approx(exact, abs=4 * push.std() / np.sqrt(n))
    for branch in (0, 1):
        chance = (p[0] if branch else 1 - p[0]) * p[1 + branch] * (1 - p[1 + branch])
        exact = chance * (reward[branch, 1] - reward[branch, 0])
        push = value[:, 1] * (second - p[1 + branch]) * (first == branch)
        assert push.mean() == pytest.approx(exact, abs=4 * push.std() / np.sqrt(n))
