"""Lessons that are given, and the choice between an answer and a tool, on the tiny policy."""

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.learning.tools import tool_usage

torch = pytest.importorskip("torch")
lessons = pytest.importorskip("gradatim.engine.lessons")
tools = pytest.importorskip("gradatim.engine.tools")
tiny = pytest.importorskip("gradatim.solvers.tiny")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def chance(learner, prompt, reply):
    """Log-probability of a reply, by forcing it through the sampler's own network."""
    from gradatim.solvers.tiny_model import END, encode, ragged, reply_logits

    said = ragged([[*encode(reply), END]])
    with torch.no_grad():
        logits = reply_logits(
            learner.weights,
            learner.shape,
            ragged([encode(prompt)]),
            owner=torch.tensor([0]),
            replies=said,
        )
    return float(logits.log_softmax(-1).gather(1, said.tokens[:, None]).sum())


def test_what_is_imitated_becomes_likely_and_weight_0_teaches_nothing():
    learner = lessons.open_learner(tiny.load(), ramp=0)
    before = chance(learner, "s21=", "zz"), learner.policy().version
    lessons.imitate(learner, ["s21="], ["zz"], weight=np.zeros(1))
    assert learner.policy().version == before[1]
    lessons.study(learner, ["s21=", "s31="], ["zz", "zz"], steps=3, batch=64)
    assert chance(learner, "s21=", "zz") > before[0] + 1


def test_the_seed_fixes_the_order_of_lessons():
    prompts = [f"s{a}1=" for a in range(2, 10)]
    replies = [f"1{a}" for a in range(2, 10)]
    found = []
    for seed in (0, 0, 1):
        learner = lessons.open_learner(tiny.load())
        lessons.study(learner, prompts, replies, steps=2, batch=1, seed=seed)
        found.append(learner.policy().version)
    assert found[0] == found[1] != found[2]


def test_lessons_that_do_not_fit_are_refused():
    learner = lessons.open_learner(tiny.load())
    with pytest.raises(ArgumentError, match="one for each prompt, got 1 for 2"):
        lessons.imitate(learner, ["a", "b"], ["a"])
    with pytest.raises(ArgumentError, match="one for each prompt, got 0 for 0"):
        lessons.study(learner, [], [], steps=1)
    with pytest.raises(ArgumentError, match="`weight` must lie"):
        lessons.imitate(learner, ["a"], ["a"], weight=np.array([np.nan]))
    with pytest.raises(ArgumentError, match="`steps` must lie"):
        lessons.study(learner, ["a"], ["a"], steps=0)


def test_a_call_is_right_where_it_is_offered_and_costs():
    problems = generate("lists", n=3, level=1)
    learner = lessons.open_learner(tiny.load(), rate=5e-3, ramp=0)
    asked = [tools.OFFER + p.compact for p in problems]
    lessons.study(learner, asked * 2, [tools.CALL] * 6, steps=12)
    with_tool = tools.try_problems(learner, problems, offered=True, n=4, cost=0.25)
    assert with_tool.called.shape == (3, 4)
    assert with_tool.called.mean() > 0.5
    assert (with_tool.right >= with_tool.called).all()
    np.testing.assert_allclose(with_tool.reward, with_tool.right - 0.25 * with_tool.called)
    without = tools.try_problems(learner, problems, offered=False, n=4)
    assert not without.called.any()
    with pytest.raises(ArgumentError, match="`cost` must lie"):
        tools.try_problems(learner, problems, offered=True, cost=2)


@pytest.mark.slow
def test_s110_the_tool_is_called_on_hard_problems_far_more_than_on_easy_ones(capsys):
    """Easy is what the same policy answers itself half of the time, measured after training."""
    made = {
        split: [
            p
            for family in ("lists", "sat")
            for p in generate(family, n=n, level=range(1, 11), split=split, seed=11)
        ]
        for split, n in (("train", 1000), ("test", 200))
    }
    learner = lessons.open_learner(tiny.load())
    before = tools.try_problems(learner, made["test"], offered=False, n=4)
    tools.adapt(learner, made["train"], knowledge=100, usage=150)
    direct = tools.try_problems(learner, made["test"], offered=False, n=8)
    chosen = tools.try_problems(learner, made["test"], offered=True, cost=0.5)
    found = tool_usage(chosen.called[:, 0], direct.right.mean(axis=1) >= 0.5)
    with capsys.disabled():
        print(
            f"\ncalls: easy {found.easy}, hard {found.hard}; precision {found.precision}; "
            f"usage accuracy {found.accuracy:.3f}\nright: {before.right.mean():.3f} before, "
            f"{direct.right.mean():.3f} without the tool, {chosen.right.mean():.3f} with it at "
            f"{chosen.called.mean():.3f} calls"
        )
    assert found.hard.low > found.easy.high + 0.2
    assert found.accuracy > 0.6
    assert direct.right.mean() > before.right.mean() - 0.02  # what it knew is not lost
    assert chosen.reward.mean() > max(direct.right.mean(), 0.5)  # never or always a call
