import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning.advantages import dr_grpo
from gradatim.learning.novelty import bonus, nothing_seen, remember

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
