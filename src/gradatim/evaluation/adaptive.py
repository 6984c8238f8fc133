"""Adaptive tests: the next item is the one that tells most about where the solver stands.

Axes: `run` (tests side by side: solvers, or repeats), `step` (questions of a test), `item`.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.ability import estimate_ability, expected_score, select_items
from gradatim.scale.curves import information, probability
from gradatim.types import Bank

ORDERS = ("adaptive", "random")


class Course(NamedTuple):
    """Tests, question by question; after a test has stopped: item -1, the rest as it ended.

    Attributes:
        item: (run, step) int, index into the bank.
        ability, se: (run, step) after that answer.
        score, low, high: (run, step) expected share of the whole bank solved, 95% interval.
        plain: (run, step) mean pass rate of the items asked so far.
        n: (run,) int, questions asked.
    """

    item: np.ndarray
    ability: np.ndarray
    se: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    plain: np.ndarray
    n: np.ndarray


def next_items(
    bank: Bank,
    ability: np.ndarray,
    open_: np.ndarray,
    *,
    order: str = "adaptive",
    top: int = 1,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Choose the next item of each test.

    Args:
        bank: known items.
        ability: (run,) present estimates.
        open_: (run, item) bool, what may be asked.
        order: "adaptive": maximum Fisher information at the estimate; "random": any.
        top: exposure control: draw uniformly among this many best ("randomesque").
        rng: needed for "random" and for top > 1.

    Returns:
        (run,) int index into the bank; -1 where nothing is open.

    Ref: Kingsbury & Zara 1989, Applied Measurement in Education 2:359 (randomesque).

    >>> from gradatim.scale.curves import flat
    >>> bank = flat(difficulty=[-1.0, 0.0, 2.0], discrimination=[1.0, 1.0, 1.0])
    >>> next_items(bank, np.array([0.2, 1.5]), np.ones((2, 3), bool))
    array([1, 2])
    """
    checks.one_of("order", order, ORDERS)
    if rng is None and (order == "random" or top > 1):
        raise ArgumentError("`rng` is needed for a random order and for top > 1, got None")
    if order == "random":
        assert rng is not None
        worth = np.where(open_, rng.random(open_.shape), -np.inf)
    else:
        worth = np.where(open_, information(ability, bank), -np.inf)
    if top > 1 and order == "adaptive":
        assert rng is not None
        width = min(top, worth.shape[1])
        best = np.argpartition(-worth, width - 1, axis=1)[:, :width]
        best = np.sort(best, axis=1)  # argpartition leaves the order inside open
        choices = np.isfinite(np.take_along_axis(worth, best, axis=1))
        draw = np.where(choices, rng.random(best.shape), -np.inf)
        pick = np.take_along_axis(best, draw.argmax(axis=1)[:, None], axis=1)[:, 0]
    else:
        pick = worth.argmax(axis=1)
    return np.where(open_.any(axis=1), pick, -1)


def replay(
    bank: Bank,
    solved: np.ndarray,
    tried: np.ndarray,
    *,
    order: str = "adaptive",
    max_items: int,
    stop_se: float = 0.0,
    top: int = 1,
    rng: np.random.Generator | None = None,
) -> Course:
    """Run tests on recorded answers: an item, once asked, gives all its recorded attempts.

    Args:
        bank: known items, of which the recorded solvers must not have been part.
        solved, tried: (run, item) recorded counts; tried 0 = cannot be asked.
        order: see `next_items`.
        max_items: most questions.
        stop_se: a test ends when the standard error is at most this.
        top, rng: see `next_items`.

    Returns:
        Course of max_items steps (fewer where the bank has fewer items).

    Raises:
        ArgumentError: counts that do not fit the bank, or out of range.
    """
    n_items = len(bank.items)
    checks.shapes(solved=(solved, "run item"), tried=(tried, "run item"))
    checks.shapes(solved=(solved[0], "item"), bank=(bank.difficulty, "item"))
    checks.within(1, np.inf, max_items=max_items)
    size, length = len(solved), min(max_items, n_items)
    open_ = (np.asarray(tried) > 0) & np.isfinite(bank.difficulty)
    rows = np.arange(size)
    asked = np.full((size, length), -1)
    got, of = np.zeros((size, length)), np.zeros((size, length))
    lines: list[np.ndarray] = []
    line = np.zeros((6, size))  # ability, se, score, low, high, plain as they stand
    running = np.ones(size, dtype=bool)
    for step in range(length):
        pick = next_items(bank, line[0], open_, order=order, top=top, rng=rng)
        running &= pick >= 0
        on, pick = rows[running], pick[running]
        if not len(on):
            break
        asked[on, step], open_[on, pick] = pick, False
        got[on, step], of[on, step] = solved[on, pick], tried[on, pick]
        seen = slice(0, step + 1)
        k, n = got[on, seen], of[on, seen]
        found = estimate_ability(bank, asked[on, seen], k, n, start=line[0, on])
        plain = np.mean(k / n, axis=1)
        line = line.copy()
        line[:, on] = np.stack([found.value, found.se, *expected_score(bank, found), plain])
        lines.append(line)
        running[on] = found.se > stop_se
    if not lines:
        raise ArgumentError("`tried` must be above 0 for some item that has estimates, got none")
    lines += [lines[-1]] * (length - len(lines))
    columns = np.stack(lines, axis=-1)  # (column, run, step)
    ability, se, score, low, high, plain = columns
    n = np.sum(asked >= 0, axis=1)
    return Course(asked, ability, se, score, low, high, plain, n)


def simulate(
    bank: Bank,
    ability: np.ndarray,
    *,
    rng: np.random.Generator,
    samples: int = 1,
    order: str = "adaptive",
    max_items: int,
    stop_se: float = 0.0,
    top: int = 1,
) -> Course:
    """Test solvers of known ability, whose answers follow the bank's curves.

    Args:
        bank: known items.
        ability: (run,) true abilities.
        rng: of the answers and the order.
        samples: attempts per question.
        order, max_items, stop_se, top: see `replay`.

    Returns:
        Course.
    """
    known = np.isfinite(bank.difficulty)
    chance = np.where(known, np.nan_to_num(probability(ability, bank)), 0.0)
    solved = rng.binomial(samples, chance)
    tried = np.where(known, samples, 0) * np.ones_like(solved)
    return replay(
        bank,
        solved,
        tried,
        order=order,
        max_items=max_items,
        stop_se=stop_se,
        top=top,
        rng=rng,
    )


class Placement(NamedTuple):
    """How fast an adaptive and a random test place one solver; errors are absolute.

    Attributes:
        items: (step,) int, 1 .. max_items.
        ability, se, score, low, high: (step,) of the adaptive test (its first repeat).
        error: (step,) |expected score - truth| of the adaptive test, mean over repeats; a share.
        random_error, random_low, random_high: (step,) the same for random items scored with the
            same model: mean over repeats, and where 95% of them fall.
        plain_error, plain_low, plain_high: (step,) the same for the plain mean of random items.
        ability_error: (step,) |ability - truth_ability| of the adaptive test, mean; logits.
        random_ability_error, random_ability_low, random_ability_high: (step,) the same for random
            items.
        truth: share solved, mean over all recorded items: the score that tests try to tell.
        truth_ability, truth_se: ability from all recorded answers.
        repeats: random tests.
    """

    items: np.ndarray
    ability: np.ndarray
    se: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    error: np.ndarray
    random_error: np.ndarray
    random_low: np.ndarray
    random_high: np.ndarray
    plain_error: np.ndarray
    plain_low: np.ndarray
    plain_high: np.ndarray
    ability_error: np.ndarray
    random_ability_error: np.ndarray
    random_ability_low: np.ndarray
    random_ability_high: np.ndarray
    truth: float
    truth_ability: float
    truth_se: float
    repeats: int


def placement(
    bank: Bank,
    solved: np.ndarray,
    tried: np.ndarray,
    *,
    max_items: int,
    repeats: int = 100,
    samples: int | None = None,
    rng: np.random.Generator,
) -> Placement:
    """Place one recorded solver by an adaptive test and by equally many random items.

    Args:
        bank: known items, fitted without this solver.
        solved, tried: (item,) its recorded counts on the bank's items; tried 0 = not recorded.
        max_items: most questions.
        repeats: random tests; also adaptive ones where `samples` makes them differ.
        samples: attempts per question, drawn without replacement from the recorded ones; None
            gives all (the adaptive test is then one and the same each time).
        rng: of the random orders and draws.

    Returns:
        Placement.

    Raises:
        ArgumentError: nothing recorded, counts out of range.
    """
    solved, tried = np.asarray(solved, dtype=float), np.asarray(tried, dtype=float)
    checks.shapes(solved=(solved, "item"), tried=(tried, "item"), bank=(bank.difficulty, "item"))
    here = np.flatnonzero((tried > 0) & np.isfinite(bank.difficulty))
    checks.within(1, np.inf, **{"number of recorded items": len(here), "repeats": repeats})
    # the score to tell is over the recorded items, so the expectation is over these as well
    part, k, n = select_items(bank, here), solved[here], tried[here]
    truth = float(np.mean(k / n))
    whole = estimate_ability(part, np.arange(len(here))[None], k[None], n[None])
    reference = float(whole.value[0])
    kn = (np.tile(k, (repeats, 1)), np.tile(n, (repeats, 1)))
    first = slice(0, 1)
    if samples is not None:
        kn, first = _thinned(k, n, samples, rng=rng, repeats=repeats), slice(0, repeats)
    adaptive = replay(part, kn[0][first], kn[1][first], max_items=max_items)
    random = replay(part, *kn, order="random", max_items=max_items, rng=rng)

    random_error, random_low, random_high = _off(random.score, truth)
    plain_error, plain_low, plain_high = _off(random.plain, truth)
    far, far_low, far_high = _off(random.ability, reference)
    return Placement(
        items=np.arange(1, adaptive.item.shape[1] + 1),
        ability=adaptive.ability[0],
        se=adaptive.se[0],
        score=adaptive.score[0],
        low=adaptive.low[0],
        high=adaptive.high[0],
        error=_off(adaptive.score, truth)[0],
        random_error=random_error,
        random_low=random_low,
        random_high=random_high,
        plain_error=plain_error,
        plain_low=plain_low,
        plain_high=plain_high,
        ability_error=_off(adaptive.ability, reference)[0],
        random_ability_error=far,
        random_ability_low=far_low,
        random_ability_high=far_high,
        truth=truth,
        truth_ability=reference,
        truth_se=float(whole.se[0]),
        repeats=repeats,
    )


def _off(value: np.ndarray, truth: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Absolute errors over runs: mean, and where 95% of them fall."""
    error = np.abs(value - truth)
    low, high = np.quantile(error, [0.025, 0.975], axis=0)
    return error.mean(axis=0), low, high


def thin(
    solved: np.ndarray, tried: np.ndarray, samples: int, *, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Counts of at most `samples` attempts, drawn without replacement from k right ones of n.

    Args:
        solved, tried: counts of any one shape. Sums of graded scores, which do not tell the single
            ones, keep their mean.
        samples: attempts that are drawn; all where there are no more.
        rng: of the draws.

    Returns:
        Counts of right ones and of all.

    >>> thin(np.array([4, 0, 1]), np.array([4, 4, 1]), 2, rng=np.random.default_rng(0))
    (array([2., 0., 1.]), array([2, 2, 1]))
    """
    checks.within(1, np.inf, samples=samples)
    solved, tried = np.asarray(solved, dtype=float), np.asarray(tried).astype(int)
    take = np.minimum(tried, samples)
    right = np.rint(solved)
    if np.any(right != solved):
        return solved * take / np.maximum(tried, 1), take
    right = right.astype(int)
    return rng.hypergeometric(right, tried - right, take).astype(float), take


def _thinned(
    k: np.ndarray, n: np.ndarray, samples: int, *, rng: np.random.Generator, repeats: int
) -> tuple[np.ndarray, np.ndarray]:
    """(repeat, item) counts of `samples` attempts drawn from k right ones of n."""
    k, n = (np.tile(v, (repeats, 1)) for v in (np.rint(k), n))
    drawn, take = thin(k, n, samples, rng=rng)
    return drawn, take.astype(float)
