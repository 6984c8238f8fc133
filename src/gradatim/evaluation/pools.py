"""Chances of right behind counts of passes through a verifier that errs, and how else they may be.

Axes: `problem`, `node` (chances that stand for a distribution of them), `draw`, `pair` (problems
with the same counts), `cell` (parts of [0, 1]).
"""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.verifier_error import ErrorRates, corrected, draw_rates
from gradatim.scale.rates import counted

NODES = 200
CELLS, STEPS, PRIOR = 200, 60, 20  # of a fit: cells, steps of EM, and problems that a Beta weighs
FINE = {"xatol": 1e-3, "fatol": 1e-4}
MEANS, PRECISIONS = 33, 15  # of the Betas that draws choose among
LEAST, FLOOR = 1e-30, -60.0  # weight, and log likelihood: numbers near the smallest are slow
EDGE = np.linspace(0, 1, CELLS + 1)
MIDDLE = (EDGE[1:] + EDGE[:-1]) / 2


class Pool(NamedTuple):
    """Chances on a pool of problems, and draws of what they may be instead.

    Attributes:
        p: (node,) chances, each as common as the others.
        drawn: (draw, node) the same of other problems like these, each with rates of the verifier
            that may be the true ones.
        pairs: (draw, 2) these: false positive and false negative rate.
        rates: of the verifier, as they are known.
        problems: how many there were.
    """

    p: np.ndarray
    drawn: np.ndarray
    pairs: np.ndarray
    rates: ErrorRates
    problems: int


def chances(p: ArrayLike) -> np.ndarray:
    """(problem,) float from chances or one chance; refused outside [0, 1]."""
    p = np.atleast_1d(np.asarray(p, dtype=float))
    checks.shapes(p=(p, "problem"))
    checks.within(0, 1, p=p)
    checks.within(1, np.inf, **{"number of problems": len(p)})
    return p


def pass_rates(passed: np.ndarray, tried: np.ndarray, rates: ErrorRates) -> np.ndarray:
    """(NODES,) chances p that stand for the problems behind counts of passed attempts.

    The Beta of right chances that makes the counts likeliest, seen through the verifier, weighs as
    PRIOR problems; the counts move it from there (EM), so that it need not be a Beta. Correcting a
    Beta of what passes node by node would cut chances at 0, and rate easy worlds too high.

    Args:
        passed, tried: (problem,) counts.
        rates: of the verifier that passed them; must tell right from wrong.

    Ref: Laird 1978, JASA 73:805 (mixing distribution by maximum likelihood). Differs: a Beta
    as its prior, since few problems would make it a handful of points.

    >>> from gradatim.evaluation.verifier_error import stated_rates
    >>> tried = np.full(300, 20)
    >>> found = pass_rates(np.repeat([4, 20], 150), tried, stated_rates(0.2))  # none, or all right
    >>> round(float(found.mean()), 2), bool(found[NODES // 3] < 0.1 < 0.9 < found[-NODES // 3])
    (0.5, True)
    """
    return pool_of(passed, tried, rates, draws=0).p


def pool_of(passed: np.ndarray, tried: np.ndarray, rates: ErrorRates, *, draws: int = 100) -> Pool:
    """The same with draws: problems are resampled, rates drawn, and the chances fitted anew.

    Chances and rates hang together: where more wrong attempts pass than was thought, fewer of
    the passes are right, and a decision suffers from both.

    Args:
        passed, tried, rates: see `pass_rates`.
        draws: how many.

    Ref: Efron 1979, Annals of Statistics 7:1 (bootstrap over problems).
    """
    passed, tried = counted(passed, tried)
    known = [rate.value for rate in rates]
    if not sum(known) < 1:
        f, b = known
        raise ArgumentError(
            f"a verifier with false positives {f:g} and negatives {b:g} says nothing"
        )
    pairs, many = np.unique(np.column_stack([passed, tried]), axis=0, return_counts=True)
    p = _nodes(seen := _seen(pairs, known), many, _likeliest(seen, many))
    rng = np.random.default_rng(0)
    told = draw_rates(rates, draws, rng).T
    drawn = np.empty((draws, NODES))
    for at, pair in enumerate(told):
        again = rng.multinomial(len(passed), many / len(passed))
        seen, some = _seen(pairs, pair), again > 0
        drawn[at] = _nodes(seen[some], again[some], _likely(seen[some], again[some])[0])
    return Pool(p, drawn, told, rates, len(passed))


def common_chance(
    passed: np.ndarray, tried: np.ndarray, rates: ErrorRates, *, draws: int = 1000
) -> Pool:
    """One chance for all problems, where single attempts do not tell how problems differ.

    Args:
        passed, tried, rates, draws: see `pool_of`; problems are the sample.
    """
    passed, tried = counted(passed, tried)
    n, mean = len(passed), float(np.mean(passed / tried))
    rng = np.random.default_rng(0)
    pairs = draw_rates(rates, draws, rng).T
    share = rng.beta(mean * n + 0.5, (1 - mean) * n + 0.5, size=draws)
    drawn = corrected(share, *pairs.T)
    p = float(corrected(mean, *(rate.value for rate in rates)))
    middle = np.clip(np.nan_to_num(np.append(drawn, p), nan=0.5), 0, 1)  # NaN: nothing is told
    return Pool(middle[-1:], middle[:-1, None], pairs, rates, n)


def redrawn(
    p: ArrayLike | Pool,
    rates: ErrorRates,
    rng: np.random.Generator,
    *,
    behind: int | None = None,
    draws: int = 100,
) -> Pool:
    """A Pool as it is; of known chances, one whose draws take `behind` of them, or all of them."""
    if isinstance(p, Pool):
        return p
    p = chances(p)
    pairs = draw_rates(rates, draws, rng).T
    if behind is None:
        return Pool(p, np.broadcast_to(p, (draws, len(p))), pairs, rates, len(p))
    checks.whole(1, 10**9, behind=behind)
    return Pool(p, p[rng.integers(len(p), size=(draws, behind))], pairs, rates, behind)


def _seen(pairs: np.ndarray, rates: ArrayLike) -> np.ndarray:
    """(pair, cell) likelihood of counts, the largest of each pair 1."""
    f, b = np.asarray(rates, dtype=float)
    share = np.clip(MIDDLE * (1 - b) + (1 - MIDDLE) * f, 1e-12, 1 - 1e-12)
    hits, fails = pairs[:, :1], pairs[:, 1:] - pairs[:, :1]
    log = special.xlogy(hits, share) + special.xlog1py(fails, -share)
    return np.exp(np.maximum(log - log.max(axis=1, keepdims=True), FLOOR))


@functools.cache
def _betas() -> tuple[np.ndarray, np.ndarray]:
    """(beta, cell) weights of Betas of all means and precisions, and (beta,) their log prior."""
    mean = special.expit(np.linspace(-6, 6, MEANS))[:, None]
    precision = np.exp(np.linspace(-2, 6, PRECISIONS))
    a, b = (mean * precision).reshape(-1, 1), ((1 - mean) * precision).reshape(-1, 1)
    weights = np.maximum(np.diff(special.betainc(a, b, EDGE), axis=1), LEAST)
    return weights, _prior(np.log(np.c_[a, b]))


def _prior(shape: np.ndarray) -> np.ndarray:
    """Log prior of (..., 2) log shapes of a Beta: normal with deviation 2."""
    return -(shape**2).sum(axis=-1) / 8


def _likely(seen: np.ndarray, many: np.ndarray) -> tuple[np.ndarray, int]:
    """(cell,) weights of the likeliest of `_betas`, and its index."""
    weights, prior = _betas()
    at = int(np.argmax(many @ np.log(seen @ weights.T) + prior))
    return weights[at], at


def _likeliest(seen: np.ndarray, many: np.ndarray) -> np.ndarray:
    """(cell,) weights of the likeliest Beta of all."""
    mean, precision = np.unravel_index(_likely(seen, many)[1], (MEANS, PRECISIONS))
    share = special.expit(np.linspace(-6, 6, MEANS)[mean])
    start = np.log(np.array([share, 1 - share])) + np.linspace(-2, 6, PRECISIONS)[precision]

    def believed(shape: np.ndarray) -> np.ndarray:
        return np.maximum(np.diff(special.betainc(*np.exp(np.clip(shape, -8, 8)), EDGE)), LEAST)

    def unlikely(shape: np.ndarray) -> float:
        return float(-_prior(shape) - many @ np.log(seen @ believed(shape)))

    return believed(optimize.minimize(unlikely, start, method="Nelder-Mead", options=FINE).x)


def _nodes(seen: np.ndarray, many: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """(node,) chances: cells weighed by counts, beginning at a prior that weighs PRIOR problems."""
    weight = prior
    for _ in range(STEPS):
        weight = weight * ((many / (seen @ weight)) @ seen) + PRIOR * prior
        weight /= weight.sum()
    below = np.append(0.0, np.cumsum(weight))
    return np.interp((np.arange(NODES) + 0.5) / NODES, below / below[-1], EDGE)
