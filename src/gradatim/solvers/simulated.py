"""`sim:2pl`: a learner of known ability, for tests, dry runs and checking estimators.

Whether sample s of a problem is solved is a coin of probability 1 / (1 + exp(-a (theta - b))),
drawn from a hash of (seed, ability, discrimination, problem id, s): the same on every run, in any
order, whatever else is asked, and each learner's own. Were the coins shared, a weaker learner would
solve a part of what a stronger one solves (a Guttman scale), which no 2PL bank expects and no two
models do. Difficulty b comes from the seed and the problem's level and id alone: all learners meet
the same problems, and no bank is needed.
"""

import math
import re
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Any

from gradatim import checks, rng
from gradatim.errors import ArgumentError
from gradatim.families.verify import check
from gradatim.types import Problem, Reply, Request, Solver

STEP = 0.6  # logits from one level to the next; level 5.5 has difficulty 0 on average
SPREAD = 0.5  # standard deviation of problems of one level; WIDE where there is no level
WIDE = 1.5
BATCH = 256  # replies acknowledged together
LAST_NUMBER = re.compile(r"\d+(?!.*\d)", re.DOTALL)


def _uniform(*names: object) -> float:
    """In (0, 1), a hash of the names."""
    return (int.from_bytes(rng.digest(*names, size=8), "big") + 0.5) / 2**64


def difficulty(problem: Problem, *, seed: int = 0) -> float:
    """Difficulty that `sim:2pl` gives a problem, in logits: by level, and its id by hash.

    >>> easy = Problem(id="x", prompt="", answer="", level=1)
    >>> hard = Problem(id="x", prompt="", answer="", level=10)
    >>> round(difficulty(hard) - difficulty(easy), 6)
    5.4
    """
    normal = NormalDist().inv_cdf(_uniform(seed, "sim difficulty", problem.id))
    if problem.level is None:
        return WIDE * normal
    return STEP * (problem.level - 5.5) + SPREAD * normal


def _candidates(problem: Problem) -> Iterator[str]:
    gold = problem.answer
    for change in (1, 10, 2, -1):
        if LAST_NUMBER.search(gold):
            yield LAST_NUMBER.sub(lambda m, c=change: str(abs(int(m[0]) + c)), gold, count=1)
    yield gold[::-1]
    yield from ("0", "1", "no", "I do not know")


def wrong_answers(problem: Problem, *, most: int = 3) -> list[str]:
    """Texts that the problem's own check does not accept, well-formed and near the gold first.

    >>> wrong_answers(Problem(id="x", prompt="3 + 4", answer="7", verifier="number"), most=2)
    ['8', '17']
    """
    verdicts = {text: check(problem, text) for text in _candidates(problem)}
    found = [text for text, verdict in verdicts.items() if not verdict.solved]
    found.sort(key=lambda text: verdicts[text].reason != "wrong")  # stable: nearest stays first
    return found[:most] or [""]


def open_simulated(
    argument: str | None,
    *,
    ability: float = 0.0,
    discrimination: float = 1.0,
    seed: int = 0,
) -> Solver:
    """Open `sim:2pl`.

    Args:
        argument: the model of the learner; "2pl".
        ability: theta, in logits; problems of level 5.5 are solved half the time at 0.
        discrimination: a > 0, slope.
        seed: of difficulties, and with the ability and the slope of the coins.

    Raises:
        ArgumentError: another model, or a number out of range.
    """
    if argument not in (None, "2pl"):
        raise ArgumentError(f"`solver` sim: knows the model 2pl, got {argument!r}")
    checks.finite(ability=ability, discrimination=discrimination)
    checks.within(1e-6, 1e3, discrimination=discrimination)

    me = (seed, float(ability) + 0.0, float(discrimination))  # -0.0 is the learner of 0.0
    slips: dict[str, list[str]] = {}  # checking a text can be slow: once per problem

    def reply(request: Request, sample: int, rate: float) -> Reply:
        problem = request.problem
        if _uniform("sim coin", *me, problem.id, sample) < rate:
            text = problem.answer
        else:
            if problem.id not in slips:
                slips[problem.id] = wrong_answers(problem)
            texts = slips[problem.id]
            text = texts[int(_uniform("sim slip", *me, problem.id, sample) * len(texts))]
        return Reply(request, sample, text, "finished", tokens=len(text))

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        batch: list[Reply] = []
        for request in requests:
            gap = discrimination * (ability - difficulty(request.problem, seed=seed))
            rate = 1 / (1 + math.exp(-max(-700.0, min(700.0, gap))))
            for sample in range(request.first, request.first + request.n):
                batch.append(reply(request, sample, rate))
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch

    params: dict[str, Any] = {
        "ability": float(ability),
        "discrimination": float(discrimination),
        "seed": seed,
    }
    return Solver(name="sim:2pl", answer=answer, params=params)
