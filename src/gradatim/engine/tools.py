"""The tiny policy learns when to ask a tool: answers first, then the choice.

The tool is one that knows the answer and costs something: a reply of CALL is a call. A prompt
that begins with OFFER offers it. Axes: `problem`, `lesson`.

Ref: Adapting While Learning, Lyu et al. 2025, arXiv:2411.00412; see learning.tools.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.engine import lessons, steps
from gradatim.engine.loop import Learner
from gradatim.families.verify import check
from gradatim.learning.tools import choose_lessons, easy_enough
from gradatim.solvers.tiny import compact
from gradatim.solvers.tiny_model import encode
from gradatim.types import Problem

OFFER, CALL = ".", "."
LIMIT = 24  # most characters of a reply


class Tried(NamedTuple):
    """Attempts at problems, with or without the tool.

    Attributes:
        called: (problem, attempt) bool, whether the tool was asked.
        right: (problem, attempt) bool, by itself or by the tool.
        reward: (problem, attempt) float, 1 for a right answer, less the cost of a call.
    """

    called: np.ndarray
    right: np.ndarray
    reward: np.ndarray


def try_problems(
    learner: Learner,
    problems: Sequence[Problem],
    *,
    offered: bool,
    n: int = 1,
    cost: float = 0.2,
    seed: int = 0,
) -> Tried:
    """Attempt each problem n times at temperature 1.

    Args:
        learner: whose policy as it is now answers.
        problems: each with a compact prompt.
        offered: whether the prompts offer the tool; where they do not, CALL is a wrong answer.
        n: attempts on each.
        cost: in [0, 1], of a call.
        seed: fixes the replies.
    """
    checks.whole(1, 10**6, n=n)
    checks.within(0, 1, cost=cost)
    prompts = [encode(_posed(p, offered)) for p in problems]
    made = learner.sample(
        prompts, np.full(len(prompts), n), limit=LIMIT, seed=("tools", str(offered), str(seed))
    )
    called = np.array([offered and text == CALL for text in made.texts], dtype=bool)
    own = [
        bool(ended) and check(problems[i], text).solved
        for i, text, ended in zip(made.owner.tolist(), made.texts, made.finished, strict=True)
    ]
    right = called | np.array(own, dtype=bool)
    shape = len(problems), n
    reward = right - cost * called
    return Tried(called.reshape(shape), right.reshape(shape), reward.reshape(shape))


def adapt(
    learner: Learner,
    problems: Sequence[Problem],
    *,
    knowledge: int = 100,
    usage: int = 200,
    n: int = 8,
    threshold: float = 0.5,
    seed: int = 0,
) -> np.ndarray:
    """Teach the answers, see which problems are easy now, and teach when to call the tool.

    Args:
        learner: of `lessons.open_learner`, changed in place.
        problems: lessons, each with a compact prompt.
        knowledge: steps in which prompts without the tool are taught their answers.
        usage: steps in which both kinds of prompts are taught.
        n: direct attempts on each problem in between.
        threshold: share of them that makes a problem easy.
        seed: of replies and orders.

    Returns:
        (problem,) bool: which were easy.
    """
    prompts = [_posed(p, False) for p in problems]
    answers = [steps.taught(p) for p in problems]
    lessons.study(learner, prompts, answers, steps=knowledge, seed=seed)
    direct = try_problems(learner, problems, offered=False, n=n, seed=seed).right
    easy = easy_enough(direct.sum(axis=1), np.full(len(problems), n), threshold=threshold)
    chosen = choose_lessons(easy)
    which = zip(chosen.problem.tolist(), chosen.offered.tolist(), chosen.call.tolist(), strict=True)
    asked = [(_posed(problems[i], tool), CALL if call else answers[i]) for i, tool, call in which]
    prompts, replies = zip(*asked, strict=True)
    lessons.study(learner, prompts, replies, steps=usage, seed=seed + 1)
    return easy


def _posed(problem: Problem, offered: bool) -> str:
    return OFFER * offered + compact(problem)
