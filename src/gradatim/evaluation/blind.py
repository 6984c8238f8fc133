"""Which multiple-choice items can be answered without the question?

Respondents that see the options only, or another item's question, should be right as often as a
guess is. Where there is no such respondent, the options' own words and lengths are one.
Axes: `item`, `respondent`, `option` (of one item).
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import mean_rate
from gradatim.scale import rates as shares
from gradatim.types import Estimate

SMOOTH = 1.0  # pseudo-count of words and of bins of length
RATE, WEIGHT = 0.9, 20.0  # how often a known item is right: a guess, and what it counts for
ROUNDS = 100  # of EM
BINS = 4  # places of an option by length, from the shortest


class Blind(NamedTuple):
    """What is answerable without the question.

    Attributes:
        rate: Estimate of the share right without the question, over items.
        chance: mean chance of a guess.
        p_value: of guessing, over all items, one-sided.
        item_p: (item,) p-values of guessing, one-sided.
        flagged: (item,) bool, answerable without the question by Benjamini-Hochberg.
        clean: (item,) bool, all but the items that are rather known than guessed, given how many
            known ones these answers show; all where they show none, or nothing was answered.
        rest: Estimate of the blind share right on the clean set, by respondents that did not choose
            it where there are two or more; on all items where nothing had to go.
    """

    rate: Estimate
    chance: float
    p_value: float
    item_p: np.ndarray
    flagged: np.ndarray
    clean: np.ndarray
    rest: Estimate


def blind_items(
    right: np.ndarray,
    chance: np.ndarray | float,
    *,
    tried: np.ndarray | None = None,
    false_share: float = 0.05,
    alarm: float = 0.05,
) -> Blind:
    """Items on which respondents without the question beat a guess.

    Args:
        right: (respondent, item) number of right attempts without the question.
        chance: of a guess, one number or (item,): 1 / options.
        tried: the same shape, attempts; 0 = none; None: one each.
        false_share: of the flagged items that may be sound, expected.
        alarm: chance that a set is cleaned where all is guessing.

    Returns:
        Blind. Attempts of one respondent count as independent.

    Raises:
        ArgumentError: shapes that do not fit, no attempt, a chance outside (0, 1).

    Ref: Chizhov et al. 2025, What the HellaSwag?, arXiv:2504.07825 (answers without the question);
    the list by Benjamini & Hochberg 1995, JRSS B 57:289; leaving out by evidence as in Le Bras et
    al. 2020, AFLite, arXiv:2002.04108; differs: no training, an item goes if it is known with a
    chance above one half (mixture of known and guessed items, by EM), and respondents judge each
    other's set.

    >>> right = np.array([[1, 0, 1, 0, 0, 0, 1, 0]] * 10)
    >>> np.flatnonzero(blind_items(right, 0.25).flagged)
    array([0, 2, 6])
    """
    right = np.asarray(right, dtype=float)
    tried = np.ones_like(right) if tried is None else np.asarray(tried, dtype=float)
    sizes = checks.shapes(right=(right, "respondent item"), tried=(tried, "respondent item"))
    chance = np.broadcast_to(np.asarray(chance, dtype=float), sizes["item"])
    checks.within(*checks.INSIDE, chance=chance, false_share=false_share, alarm=alarm)
    checks.within(0, 1, rate=np.where(tried > 0, right / np.maximum(tried, 1), 0))
    if not tried.sum():
        raise ArgumentError("`tried` must hold an attempt without the question, got none")
    k, n = right.sum(axis=0), tried.sum(axis=0)
    item_p = _tail(k, n, chance)
    rate = _rate(k, n)
    total, p_value = _excess(k, n, chance)
    flagged = _listed(item_p, n > 0, false_share)
    clean = np.ones(len(k), dtype=bool)
    if p_value < alarm:
        clean, total = _cleaned(right, tried, chance)
    return Blind(rate, float(chance[n > 0].mean()), p_value, item_p, flagged, clean, total)


def _tail(k: np.ndarray, n: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Chance of k or more right guesses of n."""
    k = np.ceil(k - 1e-9)
    with np.errstate(invalid="ignore"):
        return np.where(
            k > 0, special.betainc(np.maximum(k, 1), n - np.maximum(k, 1) + 1, chance), 1.0
        )


def _rate(k: np.ndarray, n: np.ndarray) -> Estimate:
    return mean_rate((k / np.maximum(n, 1))[n > 0])


def _excess(k: np.ndarray, n: np.ndarray, chance: np.ndarray) -> tuple[Estimate, float]:
    """Blind share right, and the one-sided p-value of guessing on all."""
    error = np.sqrt((n * chance * (1 - chance)).sum())
    z = float((k - n * chance).sum()) / error
    return _rate(k, n), float(special.ndtr(-z))


def _listed(p: np.ndarray, there: np.ndarray, share: float) -> np.ndarray:
    """Benjamini and Hochberg's list."""
    flagged = np.zeros(len(p), dtype=bool)
    where = np.flatnonzero(there)
    order = where[np.argsort(p[where], kind="stable")]
    under = np.flatnonzero(p[order] <= share * np.arange(1, len(order) + 1) / len(order))
    if len(under):
        flagged[order[: under[-1] + 1]] = True
    return flagged


def _cleaned(
    right: np.ndarray, tried: np.ndarray, chance: np.ndarray
) -> tuple[np.ndarray, Estimate]:
    """Items that are rather guessed than known, and the share right on them by who did not choose.

    Each respondent is asked on the set that the others would keep.
    """
    k, n = right.sum(axis=0), tried.sum(axis=0)
    clean = ~_known(k, n, chance)
    if len(right) < 2:
        seen = k * clean, n * clean
    else:
        kept = np.array([~_known(k - r, n - t, chance) for r, t in zip(right, tried, strict=True)])
        seen = (right * kept).sum(axis=0), (tried * kept).sum(axis=0)
    if not seen[1].any():
        return clean, Estimate(np.nan, np.nan, np.nan, 0)
    return clean, _pooled(*seen)


def _pooled(k: np.ndarray, n: np.ndarray) -> Estimate:
    """Share of all attempts, items as the sample; Jeffreys' interval for as many as err alone.

    An item that only some judges would keep counts by these: their mean would favour it, since who
    was right there is who the others outvote.
    """
    items, total = np.count_nonzero(n), float(n.sum())
    share = float(k.sum()) / total
    variance = float(((k - share * n) ** 2).sum()) / total**2 * items / max(items - 1, 1)
    alone = min(total, share * (1 - share) / variance) if variance > 0 else float(items)
    low, high = shares.jeffreys(np.array([share * alone]), np.array([alone]), 0.95)
    return Estimate(share, min(float(low[0]), share), max(float(high[0]), share), items)


def _known(k: np.ndarray, n: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(item,) bool, rather known than guessed: a share of items is known and right at one rate.

    The rate lies above halfway from chance to 1: known items are right more often than not. One
    attempt an item tells neither share nor rate, only their product; the rate then stays near RATE.
    """
    floor = (1 + float(chance.max())) / 2
    share, rate = 0.5, max(RATE, floor)
    posterior = np.zeros(len(k))
    for _ in range(ROUNDS):
        odds = special.logit(share)
        odds = odds + k * np.log(rate / chance) + (n - k) * np.log((1 - rate) / (1 - chance))
        posterior = np.where(n > 0, special.expit(odds), 0.0)
        share = np.clip(posterior.sum() / max(np.count_nonzero(n), 1), 1e-9, 1 - 1e-9)
        rate = (posterior @ k + WEIGHT * RATE) / (posterior @ n + WEIGHT)
        rate = float(np.clip(rate, floor, 1 - 1e-6))
    return posterior > 0.5


# -- baselines that need no model -------------------------------------------------------------


def shuffled(n: int, *, rng: np.random.Generator) -> np.ndarray:
    """(item,) int: another item for each, whose question it gets.

    >>> order = shuffled(5, rng=np.random.default_rng(0))
    >>> sorted(order.tolist()), (order == np.arange(5)).any()
    ([0, 1, 2, 3, 4], np.False_)
    """
    checks.whole(2, np.inf, n=n)
    cycle = rng.permutation(n)
    found = np.empty(n, dtype=int)
    found[cycle] = np.roll(cycle, 1)  # one cycle leaves nothing in place
    return found


def option_baseline(
    options: Sequence[Sequence[str]], answer: np.ndarray, *, folds: int = 5, seed: int = 0
) -> dict[str, np.ndarray]:
    """Who never reads the question: guesses by the options' lengths, places and words.

    Each learns on the other folds which kind of option is right, and picks the likeliest.

    Args:
        options: (item,) lists of at least two texts.
        answer: (item,) int, index of the right option.
        folds, seed: of the cross-fit.

    Returns:
        name -> (item,) float, right: "length", "place", "words". A tie is right by its share.

    Raises:
        ArgumentError: an item with one option, an answer that is none of them.

    Ref: artefacts of options alone: Gururangan et al. 2018, arXiv:1803.02324; Balepur et al. 2024,
    Artifacts or Abduction, arXiv:2402.12483; differs: naive Bayes on words, no model.

    >>> texts = [["yes it is so because of that", "no"], ["no", "it is, as we said before"]] * 10
    >>> option_baseline(texts, np.array([0, 1] * 10))["length"].mean()
    np.float64(1.0)
    """
    answer = np.asarray(answer, dtype=int)
    if len(options) != len(answer):
        raise ArgumentError(f"{len(options)} items have options but {len(answer)} an answer")
    for at, texts in enumerate(options):
        if not 0 <= answer[at] < len(texts) or len(texts) < 2:
            raise ArgumentError(
                f"item {at} must have two options and an answer among them, got {len(texts)} and "
                f"answer {answer[at]}"
            )
    traits: dict[str, Callable[[Sequence[str]], list[set[str]]]] = {
        "length": _lengths,
        "place": lambda texts: [{str(i)} for i in range(len(texts))],
        "words": lambda texts: [set(re.findall(r"\w+", text.lower())) for text in texts],
    }
    fold = np.random.default_rng(seed).permutation(len(answer)) % folds
    return {
        name: _guessed([trait(texts) for texts in options], answer, fold)
        for name, trait in traits.items()
    }


def _lengths(texts: Sequence[str]) -> list[set[str]]:
    size = np.array([len(text) for text in texts])
    place = np.array([np.mean(size < s) + np.mean(size == s) / 2 for s in size])
    return [{str(int(p * BINS))} for p in place]


def _guessed(traits: list[list[set[str]]], answer: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(item,) share right of the option whose traits were right most often elsewhere."""
    found = np.zeros(len(answer))
    for part in np.unique(fold):
        right: dict[str, float] = {}
        wrong: dict[str, float] = {}
        for at in np.flatnonzero(fold != part):
            for i, held in enumerate(traits[at]):
                tally = right if i == answer[at] else wrong
                weight = 1.0 if i == answer[at] else 1.0 / (len(traits[at]) - 1)
                for one in held:
                    tally[one] = tally.get(one, 0.0) + weight
        for at in np.flatnonzero(fold == part):
            score = np.array([
                sum(np.log((right.get(t, 0) + SMOOTH) / (wrong.get(t, 0) + SMOOTH)) for t in held)
                for held in traits[at]
            ])
            best = score >= score.max() - 1e-12
            found[at] = best[answer[at]] / best.sum()
    return found
