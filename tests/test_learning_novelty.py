import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conformance_advantages import batch_of

from gradatim.errors import ArgumentError
from gradatim.learning.advantages import dr_grpo
from gradatim.learning.novelty import bonus, labels, nothing_seen, novelty, remember
from gradatim.recipes.curriculum import Curriculum

RIGHT, WRONG = 5, 5  # right and wrong answers of the bandit below


def test_counts_by_hand():
    seen = remember(remember(nothing_seen(), np.array([4, 9, 4])), np.array([4]))
    assert seen.label.tolist() == [4, 9]
    assert seen.times.tolist() == [3, 1]
    label, group = np.array([4, 4, 4, 8]), np.array([0, 0, 1, 1])
    episodic = [0.5**0.5, 0.5**0.5, 1, 1]
    everywhere = np.array([6, 6, 6, 1]) ** -0.5  # three before and three now
    np.testing.assert_allclose(bonus(label, group, seen, kind="episodic"), episodic)
    np.testing.assert_allclose(bonus(label, group, seen, kind="global"), everywhere)
    np.testing.assert_allclose(bonus(label, group, seen), episodic * everywhere)
    assert bonus(label[:0], group[:0], seen).tolist() == []
    with pytest.raises(ArgumentError, match="`kind` must be one of episodic, global, product"):
        bonus(label, group, seen, kind="both")


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2)), max_size=30))
def test_remembering_in_parts_is_remembering_at_once(rows):
    label = np.array([value for _, value in rows], int)
    parts = remember(remember(nothing_seen(), label[:7]), label[7:])
    whole = remember(nothing_seen(), label)
    assert parts.label.tolist() == whole.label.tolist()
    assert parts.times.tolist() == whole.times.tolist()
    group = np.array([g for g, _ in rows], int)
    for i, worth in enumerate(bonus(label, group, nothing_seen(), kind="episodic")):
        same = sum(row == rows[i] for row in rows)
        assert worth == pytest.approx(same**-0.5)


def trained(weight, kind, seed):
    """Pass rate and effective number of right answers of a policy after 200 steps."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=RIGHT + WRONG)
    chance, seen, group = np.exp(logits), nothing_seen(), np.zeros(16, int)
    for _ in range(200):
        chance = np.exp(logits - logits.max())
        chance /= chance.sum()
        label = rng.choice(len(logits), size=16, p=chance)
        reward = (label < RIGHT).astype(float)
        if weight:
            reward *= 1 + weight * bonus(label, group, seen, kind=kind)
            seen = remember(seen, label)
        value, _ = dr_grpo(reward, group)
        logits += 0.1 * (np.bincount(label, value, minlength=len(logits)) - chance * value.sum())
    right = chance[:RIGHT]
    share = right / right.sum()
    return right.sum(), np.exp(-(share * np.log(share)).sum())


@pytest.mark.parametrize("kind", ["episodic", "global", "product"])
def test_s054_more_different_solutions_at_the_same_pass_rate(kind):
    plain = np.array([trained(0.0, kind, seed) for seed in range(12)])
    paid = np.array([trained(1.0, kind, seed) for seed in range(12)])
    assert (plain[:, 0] > 0.95).all()
    assert (paid[:, 0] > 0.95).all()
    more = paid[:, 1] - plain[:, 1]
    assert more.mean() > 2 * more.std(ddof=1) / np.sqrt(12)


# -- the advantage ----------------------------------------------------------------------------


def written(reward, text, group=None):
    batch = batch_of(reward, np.zeros(len(reward), int) if group is None else group)
    return dataclasses.replace(batch, text=np.array(text, dtype=object))


def test_rare_solutions_have_the_larger_advantage_by_hand():
    batch = written([1, 1, 1, 0], ["1 0", "1  0", "0 1", "1 1"])
    value, keep = novelty(batch, weight=0.5)
    # bonus .707, .707, 1 and none for the wrong one: its reply is as rare as the third
    reward = np.array([1 + 0.5**1.5, 1 + 0.5**1.5, 1.5, 0])
    np.testing.assert_allclose(value, reward - reward.mean())
    assert keep.all()
    np.testing.assert_array_equal(
        novelty(batch, weight=0.0)[0], dr_grpo(batch.reward, batch.group)[0]
    )


def test_groups_all_right_teach_while_some_solutions_are_rarer():
    same = written([1, 1, 1], ["a", "a", "a"])
    assert not novelty(same)[1].any()
    assert not novelty(written([1, 1, 1], ["a", "b", "c"]))[1].any()
    varied = written([1, 1, 1], ["a", "a", "b"])
    assert np.sign(novelty(varied)[0]).tolist() == [-1, -1, 1]
    # over the step "b" is the frequent one, in its own group it is the rare one
    step = written([1] * 7, ["a", "a", "b", "b", "b", "b", "b"], [0, 0, 0, 1, 1, 1, 1])
    assert np.sign(novelty(step, kind="global")[0][:3]).tolist() == [1, 1, -1]
    assert np.sign(novelty(step, kind="episodic")[0][:3]).tolist() == [-1, -1, 1]


def test_masked_attempts_are_not_counted():
    batch = written([1, 1, 1, np.nan], ["a", "a", "b", "a"])
    batch = dataclasses.replace(batch, mask=np.array([True, False, True, False]))
    assert not novelty(batch)[1].any()  # one "a" and one "b" are equally rare


def test_labels_are_of_words_and_do_not_change():
    found = labels(np.array(["1 0", " 1\n0 ", None, "", "10"], dtype=object))
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert len(set(found.tolist())) == 3
    assert labels(np.array(["1 0"], dtype=object))[0] == found[0] == 62876494534133976
    assert labels(np.zeros(0, dtype=object)).shape == (0,)


def test_mistakes_are_named():
    batch = written([1, 0], ["a", "b"])
    with pytest.raises(ArgumentError, match="`weight` must lie"):
        novelty(batch, weight=-1)
    with pytest.raises(ArgumentError, match="`of` must be one of"):
        novelty(batch, of="opo")
    with pytest.raises(ArgumentError, match="no column `text`"):
        novelty(dataclasses.replace(batch, text=None))
    with pytest.raises(ArgumentError, match="advantage 'novelty' needs 'text'"):
        Curriculum(range(3), "grpo", advantage="novelty")
    with pytest.raises(ArgumentError, match="`weight`"):
        Curriculum(range(3), "grpo", provides={"text"}, advantage=("novelty", {"weight": -1}))
