import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import compare
from gradatim.learning.evaluators import choose_attempt, fit_verifier, judge


def sample(n, rng, slope):
    """Attempts with two features, of which the first tells."""
    features = rng.normal(size=(n, 2))
    right = rng.random(n) < 1 / (1 + np.exp(-slope * features[:, 0]))
    return features, right


def test_the_slope_is_recovered():
    features, right = sample(20_000, np.random.default_rng(1), 1.5)
    found = fit_verifier(features, right)
    per_unit = found.weight / found.spread
    # standard error of a logistic slope of 1.5 at n = 20,000 is about .023
    np.testing.assert_allclose(per_unit, [1.5, 0], atol=0.08)
    chance = judge(found, features)
    for low in np.arange(0, 1, 0.2):  # chances mean what they say
        inside = (chance >= low) & (chance < low + 0.2)
        assert right[inside].mean() == pytest.approx(chance[inside].mean(), abs=0.03)


def test_the_fit_is_a_stationary_point():
    features, right = sample(50, np.random.default_rng(2), 3.0)
    found = fit_verifier(features, right, ridge=0.7)
    z = (features - found.centre) / found.spread
    wrong = judge(found, features) - right
    np.testing.assert_allclose(z.T @ wrong + 0.7 * found.weight, 0, atol=1e-6)
    assert wrong.sum() == pytest.approx(0, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(shift=st.floats(-1e3, 1e3), scale=st.floats(0.01, 100), seed=st.integers(0, 5))
def test_units_of_features_do_not_matter(shift, scale, seed):
    features, right = sample(60, np.random.default_rng(seed), 2.0)
    there = features * [scale, 1] + [shift, 0]
    one = judge(fit_verifier(features, right), features)
    np.testing.assert_allclose(judge(fit_verifier(there, right), there), one, atol=1e-5)


def test_classes_that_can_be_told_apart_and_constant_features():
    features = np.c_[np.arange(6.0), np.full(6, 1e6)]
    right = features[:, 0] > 2
    found = fit_verifier(features, right, ridge=1e-6)
    assert np.isfinite(found.weight).all()
    assert found.weight[1] == 0
    assert ((judge(found, features) > 0.5) == right).all()
    elsewhere = judge(found, np.array([[0.0, -1e9], [5.0, 1e9]]))
    assert elsewhere[0] < 0.5 < elsewhere[1]
    assert judge(found, np.zeros((0, 2))).shape == (0,)


@pytest.mark.parametrize("right", [np.ones(3, bool), np.zeros(3, bool)])
def test_one_class_teaches_nothing(right):
    with pytest.raises(ArgumentError, match="right and wrong attempts, got 3 alike"):
        fit_verifier(np.zeros((3, 1)), right)


def test_mistakes_are_named():
    x, right = np.arange(4.0)[:, None], np.array([0, 0, 1, 1], bool)
    with pytest.raises(ArgumentError, match="`right` must hold right and wrong"):
        fit_verifier(np.zeros((0, 1)), np.zeros(0, bool))
    with pytest.raises(ArgumentError, match="`features` must be finite"):
        fit_verifier(np.array([[np.nan], [1], [2], [3]]), right)
    with pytest.raises(ArgumentError, match="`right` must be bool, got int64"):
        fit_verifier(x, right.astype(int))
    with pytest.raises(ArgumentError, match="`ridge` must lie"):
        fit_verifier(x, right, ridge=0)
    with pytest.raises(ArgumentError, match="axis 'feature'"):
        judge(fit_verifier(x, right), np.zeros((1, 2)))
    with pytest.raises(ArgumentError, match="`by` must be one of best, vote, weighted"):
        choose_attempt(np.zeros(1, int), ["a"], by="votes")
    with pytest.raises(ArgumentError, match="`score` must be given for 'best'"):
        choose_attempt(np.zeros(1, int), ["a"], by="best")
    with pytest.raises(ArgumentError, match="`score` must lie"):
        choose_attempt(np.zeros(1, int), ["a"], np.array([np.nan]))
    with pytest.raises(ArgumentError, match="axis 'attempt'"):
        choose_attempt(np.zeros(2, int), ["a"], by="vote")


def test_choices_by_hand():
    problem = np.array([7, 3, 7, 7, 3, 7])
    answer = ["a", "x", "b", "b", "y", "c"]
    score = np.array([0.5, 0.2, 0.3, 0.1, 0.2, 0.4])
    # sums of problem 7: a .5, b .4, c .4; of 3: a tie, which goes to the earlier
    assert choose_attempt(problem, answer, score).tolist() == [1, 0]
    assert choose_attempt(problem, answer, score, by="best").tolist() == [1, 0]
    assert choose_attempt(problem, answer, by="vote").tolist() == [1, 2]
    assert choose_attempt(problem[:0], [], by="vote").tolist() == []


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=25))
def test_equal_scores_are_a_vote_and_the_choice_is_of_the_problem(rows):
    problem = np.array([p for p, _ in rows])
    answer = [a for _, a in rows]
    vote = choose_attempt(problem, answer, by="vote")
    assert problem[vote].tolist() == np.unique(problem).tolist()
    same = choose_attempt(problem, answer, np.full(len(rows), 0.25))
    assert same.tolist() == vote.tolist()
    for i in vote:  # nobody has more
        mine = [a for p, a in rows if p == problem[i]]
        assert mine.count(answer[i]) == max(map(mine.count, mine))


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True, reason="measured: .517 against .509 of the vote, a gain of .008 [-.007, .024]"
)
def test_s145_a_verifier_of_levels_1_to_3_reranks_levels_4_and_5_above_the_vote(capsys):
    """On satisfiability, whose answers are many, by what the tiny policy knows of its replies."""
    torch = pytest.importorskip("torch")
    from gradatim.families.generation import generate
    from gradatim.families.verify import check
    from gradatim.solvers import tiny
    from gradatim.solvers.tiny_features import reply_features

    torch.set_num_threads(1)
    policy = tiny.load()

    def attempts(levels, n, split, k):
        asked = generate("sat", n=n, level=levels, split=split, seed=9)
        prompts = [tiny.encode(p.compact or "") for p in asked]
        made = tiny.respond(
            policy,
            prompts,
            np.full(len(asked), k),
            limit=24,
            temperature=1.0,
            generator=torch.Generator().manual_seed(n),
        )
        owner = np.repeat(np.arange(len(asked)), k)
        texts = tiny.texts(made)
        right = [check(asked[i], text).solved for i, text in zip(owner, texts, strict=True)]
        return owner, texts, np.array(right), reply_features(policy, prompts, owner, made)

    _, _, right, features = attempts((1, 2, 3), 900, "train", 8)
    verifier = fit_verifier(features, right)
    owner, texts, right, features = attempts((4, 5), 1200, "test", 16)
    score = judge(verifier, features)
    chosen = {by: right[choose_attempt(owner, texts, score, by=by)] for by in ("vote", "weighted")}
    found = compare(chosen["vote"].astype(float), chosen["weighted"].astype(float))
    with capsys.disabled():
        print(
            f"\nlevels 4 and 5 of sat: one attempt {right.mean():.3f}, vote {found.first}, "
            f"weighted vote {found.second}, difference {found.difference}"
        )
    assert found.difference.low > 0
