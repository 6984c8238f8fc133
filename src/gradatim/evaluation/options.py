"""Multiple choice by probabilities: how much of them lies on the options, and what that can change.

A model spreads probability over wordings. What is not on the listed options may belong to any of
them: while that is more than the lead of the best option, the answer is not settled.
Axes: `item`, `option` (NaN where an item has fewer).
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import clustered_mean, mean_rate
from gradatim.evaluation.rank import spearman
from gradatim.types import Estimate


class OptionMass(NamedTuple):
    """Mass on options, its bound, and accuracies side by side.

    Attributes:
        mass: Estimate of the mean probability on the options; item_mass: (item,) each.
        settled: Estimate of the share of items whose answer no split of the rest can change.
        lowest, highest: Estimates of the accuracy if the rest went to a wrong option, or to the
            right one, wherever that changes the answer: bounds of surface form competition.
        accuracy: name -> Estimate: "plain" (probability of the text), "token" and "byte" (mean
            log-probability per token, byte), "pmi" (log-probability less that without the
            question), as far as there is what they need.
        gain: the same, accuracy less plain, paired by item.
        with_mass: Estimate of the rank correlation of an item's mass with being right.
    """

    mass: Estimate
    item_mass: np.ndarray
    settled: Estimate
    lowest: Estimate
    highest: Estimate
    accuracy: dict[str, Estimate]
    gain: dict[str, Estimate]
    with_mass: Estimate


def option_mass(
    logp: np.ndarray,
    answer: np.ndarray,
    *,
    tokens: np.ndarray | None = None,
    length: np.ndarray | None = None,
    unconditional: np.ndarray | None = None,
    level: float = 0.95,
) -> OptionMass:
    """Score multiple choice by log-probabilities of the options' texts.

    Args:
        logp: (item, option) natural logarithm of the probability of each option's text; NaN where
            an item has fewer options.
        answer: (item,) int, the right one.
        tokens, length: (item, option) tokens and bytes of each text.
        unconditional: (item, option) log-probability without the question.
        level: coverage of the intervals, over items.

    Returns:
        OptionMass. High mass settles answers, it does not make them right.

    Raises:
        ArgumentError: shapes that do not fit, positive log-probabilities, options whose
            probabilities add up to more than 1, an answer that is no option.

    Ref: Wiegreffe et al. 2023, Increasing Probability Mass on Answer Choices Does Not Always
    Improve Accuracy, arXiv:2305.14596 (mass on options, its bound on surface form competition);
    "pmi": Holtzman et al. 2021, arXiv:2104.08315; differs: the bound as a range of accuracies.

    >>> logp = np.log([[0.5, 0.3, 0.1], [0.2, 0.1, 0.1]])
    >>> found = option_mass(logp, np.array([0, 0]))
    >>> round(found.mass.value, 2), found.settled.value, found.lowest.value, found.highest.value
    (0.65, 0.5, 0.5, 1.0)
    """
    logp, answer = np.asarray(logp, dtype=float), np.asarray(answer)
    sizes = checks.shapes(logp=(logp, "item option"), answer=(answer, "item"))
    there = ~np.isnan(logp)
    checks.within(-np.inf, 0, logp=logp[there])
    checks.within(0, sizes["option"] - 1, answer=answer)
    rows = np.arange(sizes["item"])
    if not there[rows, answer].all():
        raise ArgumentError("`answer` must name an option with a probability on every item")
    p = np.where(there, np.exp(logp), 0.0)
    mass = p.sum(axis=1)
    checks.within(0, 1 + 1e-6, mass=mass)
    free = np.maximum(1 - mass, 0)
    rivals = np.where(there, p, -1.0)
    rivals[rows, answer] = -1.0
    lead = p[rows, answer] - rivals.max(axis=1)  # of the right option
    scores = {"plain": logp}
    for name, part in (("token", tokens), ("byte", length)):
        if part is not None:
            checks.shapes(logp=(logp, "item option"), part=(part, "item option"))
            scores[name] = logp / np.maximum(part, 1)
    if unconditional is not None:
        checks.shapes(logp=(logp, "item option"), unconditional=(unconditional, "item option"))
        scores["pmi"] = logp - unconditional
    right = {name: _right(score, answer) for name, score in scores.items()}

    def over(values: np.ndarray) -> Estimate:
        return mean_rate(np.minimum(values.astype(float), 1.0), level=level)

    return OptionMass(
        mass=over(mass),
        item_mass=mass,
        settled=over(np.abs(lead) > free),
        lowest=over(lead > free),
        highest=over(lead > -free),
        accuracy={name: over(hits) for name, hits in right.items()},
        gain={
            name: clustered_mean(hits - right["plain"], rows, level=level)
            for name, hits in right.items()
            if name != "plain"
        },
        with_mass=spearman(mass, right["plain"], level=level),
    )


def _right(score: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """(item,) 1 where the right option is the best; a tie by its share."""
    score = np.where(np.isnan(score), -np.inf, score)
    best = score >= score.max(axis=1, keepdims=True)
    return best[np.arange(len(answer)), answer] / best.sum(axis=1)
