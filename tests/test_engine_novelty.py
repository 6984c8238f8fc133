"""Advantage `novelty` in training the tiny policy."""

import numpy as np
import pytest

from gradatim.engine import loop, steps
from gradatim.engine.train import train
from gradatim.families.generation import generate
from gradatim.learning.novelty import labels
from gradatim.solvers import tiny
from gradatim.types import Use


def reached(folder, advantage, seed, problems, held):
    """Pass rate, and different right answers a problem in 32 attempts, of a policy trained so."""
    trained = train(
        problems,
        rollouts=16_384,
        run=folder,
        recipe="grpo",
        seed=seed,
        overrides={"advantage": advantage},
    )
    learner = loop.Learner(tiny.load(trained.checkpoint), rate=0, ramp=1, objective=Use("clip"))
    made = steps.survey(learner, held, n=32, limit=24, seed=("held", 0))
    right = np.array([v.solved for v in made.verdicts])
    pairs = zip(made.row[right].tolist(), labels(np.array(made.rollouts.texts)[right]), strict=True)
    return right.mean(), len(set(pairs)) / len(held)


@pytest.mark.slow
def test_s054_a_policy_trained_with_novelty_keeps_more_solutions_at_an_equal_pass_rate(tmp_path):
    problems = generate("sat", n=600, level=range(1, 4), seed=3, split="train")
    held = generate("sat", n=120, level=range(1, 4), seed=4, split="test")
    for seed in range(3):
        plain = reached(tmp_path / f"plain-{seed}", "dr_grpo", seed, problems, held)
        paid = reached(
            tmp_path / f"paid-{seed}", ("novelty", {"weight": 1.0}), seed, problems, held
        )
        assert abs(paid[0] - plain[0]) < 0.03
        assert paid[1] > 1.2 * plain[1]


def test_novelty_trains_the_tiny_policy(tmp_path):
    problems = generate("sat", n=40, level=1, seed=3, split="train")
    given = {"rollouts": 128, "batch": 64, "prompts": 8, "recipe": "grpo"}
    plain, paid, unpaid = (
        train(problems, run=tmp_path / str(i), overrides={"advantage": advantage}, **given)
        for i, advantage in enumerate(["dr_grpo", "novelty", ("novelty", {"weight": 0.0})])
    )
    weights = [trained.checkpoint.read_bytes() for trained in (plain, paid, unpaid)]
    assert weights[1] != weights[0]
    assert weights[2] == weights[0]
