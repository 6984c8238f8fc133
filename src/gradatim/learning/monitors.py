"""What to watch while a policy learns: entropy, exploration against exploitation, staleness.

Nothing here changes the training; every function takes flat arrays that any trainer can log. What
a policy can do at all (pass@k, coverage, forgetting) is in monitors_reach.
Axes: `token`, `attempt`, `problem`, `checkpoint`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.learning.advantages_rank import effective_rank
from gradatim.types import Estimate

# -- entropy --------------------------------------------------------------------------------------


def token_entropy(logits: np.ndarray) -> np.ndarray:
    """(token,) entropy of each token's distribution, in nats.

    Args:
        logits: (token, choice) float, up to a constant for each token; -inf = cannot be chosen.

    Raises:
        ArgumentError: NaN, or a token without any choice.

    >>> token_entropy(np.log([[0.5, 0.5], [1.0, 1e-300]])).round(6) + 0.0
    array([0.693147, 0.      ])
    """
    logits = np.asarray(logits, dtype=float)
    checks.shapes(logits=(logits, "token choice"))
    top = logits.max(axis=1, keepdims=True, initial=-np.inf)
    if not np.isfinite(top).all():
        bad = int(np.flatnonzero(~np.isfinite(top[:, 0]))[0])
        raise ArgumentError(f"`logits` must hold a finite largest entry, token {bad} does not")
    logp = logits - top
    logp -= np.log(np.exp(logp).sum(axis=1, keepdims=True))
    return special.entr(np.exp(logp)).sum(axis=1)


def mean_by_problem(values: np.ndarray, problem: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Mean over problems of each problem's mean, with the error of drawing new problems.

    Args:
        values: (row,) float, such as entropies of tokens or effective ranks of replies.
        problem: (row,) labels.
        level: coverage of the interval (Student's t).

    Returns:
        Estimate; n is the number of problems. One problem: NaN ends.

    >>> mean_by_problem(np.array([0.2, 0.4, 0.5]), np.array([0, 0, 1])).value
    0.4
    """
    values = np.asarray(values, dtype=float)
    checks.shapes(values=(values, "row"), problem=(problem, "row"))
    checks.finite(values=values)
    code, n_problems = groups.codes(np.asarray(problem))
    return paired(groups.means(values, code, n_problems), level=level)


def paired(difference: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Mean of one number for each problem, with a t interval over problems.

    Where all problems have the same number, their spread says nothing: n equal ones would all
    miss a share q of different problems with chance (1 - q)^n, so the interval reaches as far as
    the q at which that chance is (1 - level) / 2; numbers are taken to differ by at most 1.

    Args:
        difference: (problem,) float.
        level: coverage of the interval, in (0, 1).

    >>> print(paired(np.array([0.0, 0.1, 0.2])))
    0.100 [-0.148, 0.348] (n=3)
    """
    difference = np.asarray(difference, dtype=float)
    checks.shapes(difference=(difference, "problem"))
    checks.finite(difference=difference)
    checks.within(1e-9, 1 - 1e-9, level=level)
    n = len(difference)
    if not n:
        raise ArgumentError("at least one problem is needed, got none")
    mean = float(groups.means(difference, np.zeros(n, dtype=int), 1)[0])
    if n == 1:
        return Estimate(mean, np.nan, np.nan, n)
    error = float(groups.spreads(difference, np.zeros(n, dtype=int), 1)[0]) / np.sqrt(n)
    if np.ptp(difference) < 1e-12:
        half = 1 - ((1 - level) / 2) ** (1 / n)
    else:
        half = special.stdtrit(n - 1, 0.5 + level / 2) * error
    return Estimate(mean, mean - half, mean + half, n)


class EntropyLaw(NamedTuple):
    """R = -a exp(H) + b, fitted.

    Attributes:
        a, b: Estimates of the coefficients.
        ceiling: Estimate of b - a, the reward when all entropy is spent.
        residual: standard deviation about the curve.
    """

    a: Estimate
    b: Estimate
    ceiling: Estimate
    residual: float

    def reward(self, entropy: np.ndarray) -> np.ndarray:
        """(any shape) reward that the curve gives at these entropies (nats).

        The inverse question, what is left to gain, is `ceiling` minus it.
        """
        return -self.a.value * np.exp(entropy) + self.b.value


def entropy_law(entropy: np.ndarray, reward: np.ndarray, *, level: float = 0.95) -> EntropyLaw:
    """Fit the law by which reward is bought with entropy: R = -a exp(H) + b.

    Args:
        entropy: (checkpoint,) float >= 0, mean entropy of the policy in nats.
        reward: (checkpoint,) float, mean reward of the same checkpoints.
        level: coverage of the intervals (Student's t).

    Returns:
        EntropyLaw by least squares; n is the number of checkpoints. Intervals take the residuals
        as independent: neighbouring steps of one run should be averaged into blocks first.

    Raises:
        ArgumentError: fewer than 3 checkpoints, or entropies that are all equal.

    Ref: Cui et al. 2025, arXiv:2505.22617.

    >>> h = np.array([1.0, 0.5, 0.2, 0.0])
    >>> law = entropy_law(h, 0.6 - 0.1 * np.exp(h))
    >>> round(law.a.value, 6), round(law.b.value, 6), round(law.ceiling.value, 6)
    (0.1, 0.6, 0.5)
    """
    entropy, reward = np.asarray(entropy, dtype=float), np.asarray(reward, dtype=float)
    n = checks.shapes(entropy=(entropy, "checkpoint"), reward=(reward, "checkpoint"))["checkpoint"]
    checks.within(0, 700, entropy=entropy)
    checks.finite(reward=reward)
    checks.within(1e-9, 1 - 1e-9, level=level)
    if n < 3:
        raise ArgumentError(f"`entropy` must hold at least 3 checkpoints, got {n}")
    x = np.exp(entropy)
    middle, about = x.mean(), x - x.mean()
    spread = float(about @ about)
    if spread <= 1e-20 * middle**2 * n:
        raise ArgumentError("`entropy` must differ between checkpoints, all have the same")
    slope = float(about @ (reward - reward.mean())) / spread
    residual = reward - reward.mean() - slope * about
    variance = float(residual @ residual) / (n - 2)
    reach = special.stdtrit(n - 2, 0.5 + level / 2)

    def at(value: float, where: float | None) -> Estimate:
        """A point of the line at x = where, or (None) its slope, turned to a."""
        share = 1 / spread if where is None else 1 / n + (where - middle) ** 2 / spread
        half = reach * np.sqrt(variance * share)
        return Estimate(float(value), float(value - half), float(value + half), n)

    line = float(reward.mean()) - slope * middle
    return EntropyLaw(
        at(-slope, None), at(line, 0.0), at(line + slope, 1.0), float(np.sqrt(variance))
    )


# -- hidden states --------------------------------------------------------------------------------


def mean_effective_rank(
    hidden: np.ndarray, reply: np.ndarray, problem: np.ndarray, *, level: float = 0.95
) -> Estimate:
    """Mean over problems of the effective rank of their replies' hidden states.

    Args:
        hidden: (token, dimension) float, last hidden states.
        reply: (token,) int, the reply of each token, 0 .. n_replies-1.
        problem: (reply,) labels.
        level: coverage of the interval.

    Ref: Roy & Vetterli 2007, EUSIPCO; Huang et al. 2025, arXiv:2509.23808.

    >>> square = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    >>> round(mean_effective_rank(square, np.zeros(4, int), np.zeros(1)).value, 6)
    2.0
    """
    hidden, reply = np.asarray(hidden, dtype=float), np.asarray(reply)
    checks.shapes(hidden=(hidden, "token dimension"), reply=(reply, "token"))
    checks.within(0, len(problem) - 1, reply=reply)
    order = np.argsort(reply, kind="stable")
    ends = np.cumsum(np.bincount(reply, minlength=len(problem)))
    ranks = np.array([effective_rank(part) for part in np.split(hidden[order], ends[:-1])])
    return mean_by_problem(ranks, problem, level=level)


# -- exploration against exploitation -------------------------------------------------------------


def balance(correct: np.ndarray, selected: np.ndarray, *, wanted: int = 8) -> np.ndarray:
    """(problem,) in [0, 1]: enough right replies, and few wrong ones among those selected.

    Args:
        correct: (problem,) int, right replies among the selected.
        selected: (problem,) int >= correct, replies that a reward threshold lets through.
        wanted: right replies that are enough.

    Returns:
        min(correct / wanted, 1) x correct / selected; 0 where nothing is selected.

    Ref: Zeng et al. 2024, arXiv:2412.17256 (B-STaR), as in its released determine_hyper.py.

    >>> balance(np.array([8, 4, 4, 0]), np.array([8, 4, 8, 0]))
    array([1.  , 0.5 , 0.25, 0.  ])
    """
    correct, selected = np.asarray(correct, dtype=float), np.asarray(selected, dtype=float)
    checks.shapes(correct=(correct, "problem"), selected=(selected, "problem"))
    checks.within(1, np.inf, wanted=wanted)
    checks.within(0, np.inf, correct=correct)
    checks.within(0, np.inf, **{"selected - correct": selected - correct})
    return np.minimum(correct / wanted, 1) * correct / np.maximum(selected, 1)


def balance_by_threshold(
    score: np.ndarray,
    correct: np.ndarray,
    problem: np.ndarray,
    thresholds: np.ndarray,
    *,
    wanted: int = 8,
) -> np.ndarray:
    """(threshold,) mean balance over problems if replies with at least that score are selected.

    Args:
        score: (attempt,) float, what a reward model (and the verdict) says.
        correct: (attempt,) bool.
        problem: (attempt,) labels.
        thresholds: (threshold,) float.
        wanted: see `balance`.

    The best configuration (threshold, temperature, number of samples) is that of the largest mean.

    >>> score, right = np.array([0.9, 0.8, 0.1]), np.array([True, True, False])
    >>> balance_by_threshold(score, right, np.zeros(3), np.array([0.0, 0.5, 0.85]), wanted=2)
    array([0.66666667, 1.        , 0.5       ])
    """
    score, correct = np.asarray(score, dtype=float), np.asarray(correct, dtype=bool)
    thresholds = np.asarray(thresholds, dtype=float)
    checks.shapes(
        score=(score, "attempt"), correct=(correct, "attempt"), problem=(problem, "attempt")
    )
    checks.shapes(thresholds=(thresholds, "threshold"))
    checks.finite(score=score)
    code, n = groups.codes(np.asarray(problem))
    found = np.empty(len(thresholds))
    for i, threshold in enumerate(thresholds):
        chosen = score >= threshold
        right = groups.sums(chosen & correct, code, n)
        found[i] = balance(right, groups.sums(chosen, code, n), wanted=wanted).mean()
    return found


# -- staleness ------------------------------------------------------------------------------------


class Lag(NamedTuple):
    """How far behind the policy that sampled was.

    Attributes:
        mean, median, longest: in policy versions.
        share: (lag,) float, share of the attempts at lag 0, 1, ... longest.
        stale: share beyond the limit.
        n: attempts.
    """

    mean: float
    median: float
    longest: int
    share: np.ndarray
    stale: float
    n: int


def lag(sampled: np.ndarray, learned: np.ndarray, *, limit: int = 1) -> Lag:
    """Statistics of stale rollouts: versions between sampling and learning.

    Args:
        sampled: (attempt,) int, version of the policy that wrote each reply.
        learned: (attempt,) int, or one int: version that is updated with it.
        limit: versions up to which a rollout is fresh.

    Raises:
        ArgumentError: no attempt, or one that was learned from before it was sampled.

    >>> lag(np.array([4, 4, 3, 1]), 4)
    Lag(mean=1.0, median=0.5, longest=3, share=array([0.5 , 0.25, 0.  , 0.25]), stale=0.25, n=4)
    """
    sampled = np.asarray(sampled)
    behind = np.broadcast_to(learned, sampled.shape) - sampled
    if behind.ndim != 1 or not len(behind):
        raise ArgumentError(f"`sampled` must be flat and not empty, got shape {sampled.shape}")
    if behind.dtype.kind not in "iu":
        raise ArgumentError(f"`sampled` and `learned` must be whole numbers, got {behind.dtype}")
    checks.within(0, np.inf, **{"learned - sampled": behind})
    return Lag(
        float(behind.mean()),
        float(np.median(behind)),
        int(behind.max()),
        np.bincount(behind) / len(behind),
        float(np.mean(behind > limit)),
        len(behind),
    )


def effective_share(log_ratio: np.ndarray) -> float:
    """Share of the attempts that importance weights leave, in (0, 1]: (sum w)^2 / (n sum w^2).

    Args:
        log_ratio: (attempt,) float, log of policy now over policy that sampled; any offset.

    >>> effective_share(np.log([1.0, 1.0, 1.0, 3.0]))
    0.75
    """
    log_ratio = np.asarray(log_ratio, dtype=float)
    checks.shapes(log_ratio=(log_ratio, "attempt"))
    checks.finite(log_ratio=log_ratio)
    if not len(log_ratio):
        raise ArgumentError("`log_ratio` must hold at least one attempt, got none")
    w = np.exp(log_ratio - log_ratio.max())
    return float(w.sum() ** 2 / (len(w) * (w**2).sum()))
