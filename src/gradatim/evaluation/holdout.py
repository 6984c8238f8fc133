"""A holdout that can be asked again and again: Thresholdout, with a budget.

Whoever picks features, prompts or checkpoints by a holdout's answers fits that holdout. Here it
answers with the training value while both agree within noise, and with a noisy value of its own
where they do not; each of the latter spends one of the budget.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError


class Guard(NamedTuple):
    """A guarded holdout between two questions; plain numbers, so `_asdict()` goes into a file.

    Attributes:
        threshold: T, by how much training and holdout may differ unseen.
        noise: sigma, scale of the Laplace noise of an answer.
        budget: answers from the holdout that are left.
        spent: answers from the holdout that were given; asked: all questions.
        noisy_threshold: T plus the noise of this round.
    """

    threshold: float
    noise: float
    budget: int
    spent: int
    asked: int
    noisy_threshold: float


class Answer(NamedTuple):
    """What the guard says.

    Attributes:
        value: the mean to go by, in [0, 1].
        from_holdout: whether the holdout spoke: training and holdout disagree.
        left: budget after this question.
    """

    value: float
    from_holdout: bool
    left: int


def begin(*, threshold: float, noise: float, budget: int, rng: np.random.Generator) -> Guard:
    """A fresh guard.

    Args:
        threshold: T; some 4 noises, and above the error of a mean over the holdout.
        noise: sigma; Laplace noise of scale sigma on answers, 2 sigma on T, 4 sigma on gaps.
        budget: B, how often the holdout may speak.
        rng: of the noise.

    Raises:
        ArgumentError: a threshold or noise that is not positive, a budget below 1.

    Ref: Dwork et al. 2015, Generalization in Adaptive Data Analysis and Holdout Reuse,
    arXiv:1506.02629, algorithm Thresholdout.
    """
    checks.within(*checks.POSITIVE, threshold=threshold, noise=noise)
    checks.whole(*checks.AT_LEAST_1, budget=budget)
    first = float(threshold + rng.laplace(0, 2 * noise))
    return Guard(float(threshold), float(noise), int(budget), 0, 0, first)


def ask(
    guard: Guard, train: float, holdout: float, *, rng: np.random.Generator
) -> tuple[Guard, Answer]:
    """One question: a mean on the training set, and the same on the holdout.

    Args:
        guard: as it is now.
        train, holdout: means in [0, 1] of one and the same statistic.
        rng: of the noise.

    Returns:
        The guard after this, and Answer. Do not look at `holdout` yourself: answers are safe, the
        holdout's own values are not.

    Raises:
        ArgumentError: the budget is spent; means out of range.

    Ref: Dwork et al. 2015, arXiv:1506.02629, algorithm Thresholdout.

    >>> rng = np.random.default_rng(0)
    >>> guard = begin(threshold=0.04, noise=0.01, budget=1, rng=rng)
    >>> guard, answer = ask(guard, 0.61, 0.60, rng=rng)
    >>> answer.value, answer.from_holdout, answer.left
    (0.61, False, 1)
    >>> guard, answer = ask(guard, 0.80, 0.50, rng=rng)
    >>> answer.from_holdout, answer.left
    (True, 0)
    """
    checks.within(*checks.SHARE, train=train, holdout=holdout)
    if guard.budget < 1:
        raise ArgumentError(
            f"the budget of this holdout is spent: it answered {guard.spent} of {guard.asked} "
            "questions; draw a fresh holdout"
        )
    asked = guard.asked + 1
    gap = abs(holdout - train)
    if gap <= guard.noisy_threshold + rng.laplace(0, 4 * guard.noise):
        return guard._replace(asked=asked), Answer(float(train), False, guard.budget)
    value = float(np.clip(holdout + rng.laplace(0, guard.noise), 0, 1))  # a mean, as all are
    fresh = float(guard.threshold + rng.laplace(0, 2 * guard.noise))
    left = guard.budget - 1
    after = Guard(guard.threshold, guard.noise, left, guard.spent + 1, asked, fresh)
    return after, Answer(value, True, left)


def tolerance(guard: Guard, questions: int, n: int, *, level: float = 0.95) -> float:
    """How far from the truth all answers stay, with chance `level`.

    The noise may carry an answer from the training set T plus its own tail away from the holdout's
    mean; and a mean over n rows is off by chance. Fitted answers are no part of this as long as the
    holdout is large for its budget; that part of the theorem has constants which nobody would
    meet, so it is checked by simulation (tests) and not added here.

    Args:
        guard: threshold and noise; budget and spent add up to B.
        questions: m, how many will be asked.
        n: rows of the holdout.
        level: of all answers together.

    Returns:
        T + noise + sampling error, each of the two tails at half of 1 - level.

    Ref: Dwork et al. 2015, arXiv:1506.02629, lemma on the accuracy of Thresholdout (T plus
    Laplace tails over m questions and B rounds), with Hoeffding's bound for n rows.

    >>> rng = np.random.default_rng(0)
    >>> guard = begin(threshold=0.04, noise=0.001, budget=20, rng=rng)
    >>> round(tolerance(guard, 100, 20_000), 3)
    0.106
    """
    checks.whole(*checks.AT_LEAST_1, questions=questions, n=n)
    checks.within(*checks.INSIDE, level=level)
    miss = (1 - level) / 2
    rounds = min(guard.budget + guard.spent, questions) + 1
    # P(|Laplace(b)| > t) = exp(-t / b), over `rounds` thresholds and `questions` gaps
    tail = 2 * guard.noise * np.log(2 * rounds / miss)
    tail += 4 * guard.noise * np.log(2 * questions / miss)
    chance = np.sqrt(np.log(2 * questions / miss) / (2 * n))
    return float(guard.threshold + tail + chance)
