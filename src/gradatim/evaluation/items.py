"""Which items have a wrong answer key? Those that abler solvers get wrong more often.

Axes: `solver`, `item`, `node` (a slope and an intercept of the items' population), `kind` (of
items, whose difficulties have a population of their own).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.evaluation.rank import correlation
from gradatim.scale.overdispersion import worth
from gradatim.types import Bank

SOLVERS = 1000  # more are thinned, evenly by ability: they add nothing to a sign
SLOPES, LEVELS = (0.15, 4.0), 9.0  # range of the nodes, of a and of |d|
ROUNDS = 20  # of EM; the list of items does not change after about ten
PRIOR = (0.5, 50.0)  # pseudo-counts of wrong keys and of items: few keys are wrong
SMOOTH = 0.5  # share of a node's weight that goes to its neighbours each round
TRUSTED = 0.8  # weight of a known curve against the population: items may have changed since
FEWEST = 8  # solvers below which a sign is luck


class Keys(NamedTuple):
    """Which keys are wrong.

    Attributes:
        wrong: (item,) posterior chance that the key is wrong.
        named: (item,) bool, the items to look at, the likeliest first by `wrong`.
        share: estimated share of wrong keys.
        gain: log-likelihood that wrong keys add to the fit of sound ones.
        correlation: (item,) of solved with ability; NaN where all or none solved it.
        undecidable: (item,) bool, solved by all or by none: nothing but its kind's difficulty
            speaks.
    """

    wrong: np.ndarray
    named: np.ndarray
    share: float
    gain: float
    correlation: np.ndarray
    undecidable: np.ndarray


def find_wrong_keys(
    solved: np.ndarray,
    tried: np.ndarray,
    ability: np.ndarray,
    *,
    within: float = 0.0,
    kinds: np.ndarray | None = None,
    curves: Bank | None = None,
    false_share: float = 0.1,
    alarm: float = 0.01,
) -> Keys:
    """Weigh for each item that its verdicts stand on their head.

    Items are a population with slopes a > 0 and intercepts d, learned from the data; of an item
    with a wrong key, right and wrong are exchanged. The posterior chance of that weighs both the
    sign of the slope and how usual such a difficulty is, so that an easy item which nobody solves
    is found as well, where its kind, or its own curve in other attempts, is known to be easy.

    Args:
        solved, tried: (solver, item) counts, tried 0 = missing.
        ability: (solver,) on the logit scale; NaN leaves a solver out.
        within: correlation of attempts within a cell, a bank's `fit["overdispersion"]`.
        kinds: (item,) labels; each kind has its own population.
        curves: what other attempts told of these items, on the scale of `ability`; NaN: nothing.
            An item's slope and intercept are then around its own, and not any of the population's.
        false_share: of the items named that may be sound, by their posterior chances.
        alarm: chance that any is named where all keys are sound.

    Returns:
        Keys.

    Raises:
        ArgumentError: shapes that do not fit; fewer than 8 solvers.

    Ref: the population by EM on a grid (Mislevy 1984, Psychometrika 49:359; differs: of items, and
    mixed with their mirror images), smoothed (Silverman et al. 1990, JRSS B 52:271); the list by
    posterior false share: Newton et al. 2004, Biostatistics 5:155; whether there is any by the
    likelihood ratio with half its mass at 0: Self & Liang 1987, JASA 82:605.

    >>> rng = np.random.default_rng(0)
    >>> ability, level = np.linspace(-2, 2, 40), rng.normal(size=30)
    >>> solved = (rng.random((40, 30)) < special.expit(ability[:, None] + level)).astype(int)
    >>> solved[:, 3] = 1 - solved[:, 3]
    >>> np.flatnonzero(find_wrong_keys(solved, np.ones((40, 30)), ability).named)
    array([3])
    """
    checks.shapes(
        solved=(solved, "solver item"), tried=(tried, "solver item"), ability=(ability, "solver")
    )
    checks.within(0, 1, within=within, false_share=false_share, alarm=alarm)
    rows = _rows(ability)
    checks.within(FEWEST, np.inf, solvers=len(rows))
    theta = np.asarray(ability, dtype=float)[rows]
    n = np.asarray(tried, dtype=float)[rows]
    share = np.where(n > 0, worth(np.maximum(n, 1), within), 0.0)
    k, n = np.where(n > 0, np.asarray(solved, dtype=float)[rows], 0) * share, n * share
    code = np.zeros(n.shape[1], dtype=int)
    if kinds is not None:
        code = np.unique(np.asarray(kinds), return_inverse=True)[1].reshape(-1)
    sound, turned, shape = _likelihoods(k, n, theta)
    own = None if curves is None else _around(curves, shape)
    wrong, pi, loglik = _mix(sound, turned, code, shape=shape, free=True, own=own)
    _, _, without = _mix(sound, turned, code, shape=shape, free=False, own=own)
    gain = loglik - without
    named = np.zeros(len(wrong), dtype=bool)
    if 2 * gain > special.chdtri(1, min(1.0, 2 * alarm)):
        named = _listed(wrong, false_share)
    rate = np.where(n > 0, k / np.maximum(n, 1e-12), np.nan)
    total, most = k.sum(axis=0), n.sum(axis=0)
    flat = (total <= 0) | (total >= most - 1e-9)
    return Keys(wrong, named, pi, gain, _correlations(rate, theta, flat), flat)


def _rows(ability: np.ndarray) -> np.ndarray:
    """Solvers with an ability, at most SOLVERS, evenly from weak to able."""
    known = np.flatnonzero(np.isfinite(ability))
    if len(known) <= SOLVERS:
        return known
    order = known[np.argsort(ability[known], kind="stable")]
    return np.sort(order[np.linspace(0, len(order) - 1, SOLVERS).astype(int)])


def _likelihoods(
    k: np.ndarray, n: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """(item, node) likelihoods of each item as it is and turned, over the larger's maximum."""
    many = k.shape[1] > 20_000
    slope = np.geomspace(*SLOPES, 12 if many else 20)
    level = np.linspace(-LEVELS, LEVELS, 25 if many else 45)
    eta = (theta[:, None, None] * slope[:, None] + level).reshape(len(theta), -1)
    right, wrong = -np.logaddexp(0, -eta), -np.logaddexp(0, eta)
    up, down = k.T @ right + (n - k).T @ wrong, (n - k).T @ right + k.T @ wrong
    top = np.maximum(up.max(axis=1), down.max(axis=1))[:, None]
    return np.exp(up - top), np.exp(down - top), (len(slope), len(level))


def _mix(
    sound: np.ndarray,
    turned: np.ndarray,
    code: np.ndarray,
    *,
    shape: tuple[int, int],
    free: bool,
    own: np.ndarray | None,
) -> tuple[np.ndarray, float, float]:
    """(item,) chance of being turned, its share, and the log-likelihood."""
    slope = np.log(np.geomspace(*SLOPES, shape[0]))[:, None]
    level = np.linspace(-LEVELS, LEVELS, shape[1])
    start = np.exp(-0.5 * (slope / 0.7) ** 2 - 0.5 * (level / 2.5) ** 2).ravel()
    weight = np.tile(start / start.sum(), (code.max() + 1, 1))
    pi = 0.02 if free else 0.0
    for _ in range(ROUNDS):
        u, v, z = _weighed(sound, turned, weight[code], pi)
        for kind in range(len(weight)):
            here = code == kind
            held = ((1 - z) / u)[here] @ sound[here] + (z / v)[here] @ turned[here]
            weight[kind] = _spread((held * weight[kind]).reshape(shape))
        if free:
            pi = (z.sum() + PRIOR[0]) / (len(z) + PRIOR[1])
    told = weight[code]
    if own is not None:
        known = own.sum(axis=1, keepdims=True) > 0
        told = np.where(known, TRUSTED * own + (1 - TRUSTED) * told, told)
    u, v, z = _weighed(sound, turned, told, pi)
    for _ in range(ROUNDS if free and own is not None else 0):
        pi = (z.sum() + PRIOR[0]) / (len(z) + PRIOR[1])
        u, v, z = _weighed(sound, turned, told, pi)
    return z, float(pi), float(np.log((1 - pi) * u + pi * v).sum())


def _around(bank: Bank, shape: tuple[int, int]) -> np.ndarray:
    """(item, node) chances of slope and intercept, by a bank's estimates and errors; 0: unknown."""
    a, b = bank.discrimination, bank.difficulty
    logs = np.log(np.geomspace(*SLOPES, shape[0]))
    levels = np.linspace(-LEVELS, LEVELS, shape[1])
    errors = bank.se_discrimination / a, a * bank.se_difficulty
    slope, level = (
        (nodes - middle[:, None]) / np.hypot(error, nodes[1] - nodes[0])[:, None]  # seen by a node
        for nodes, middle, error in ((logs, np.log(a), errors[0]), (levels, -a * b, errors[1]))
    )
    log = -0.5 * (slope[:, :, None] ** 2 + level[:, None] ** 2).reshape(len(a), -1)
    known = np.isfinite(log).all(axis=1, keepdims=True)
    log = np.where(known, log, 0.0)
    found = np.exp(log - log.max(axis=1, keepdims=True))
    return np.where(known, found / found.sum(axis=1, keepdims=True), 0.0)


def _weighed(
    sound: np.ndarray, turned: np.ndarray, weight: np.ndarray, pi: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(item,) likelihood as it is, turned, and the chance of being turned."""
    u, v = (np.einsum("ig,ig->i", like, weight) for like in (sound, turned))
    return u, v, pi * v / (pi * v + (1 - pi) * u)


def _spread(weight: np.ndarray) -> np.ndarray:
    """Weights with a share given to the four neighbours: finite data have no spikes."""
    wide = np.pad(weight, 1, mode="edge")
    near = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
    found = np.maximum((1 - SMOOTH) * weight + SMOOTH / 4 * near, 0).ravel()
    found = np.maximum(found / found.sum(), 1e-7)
    return found / found.sum()


def _listed(wrong: np.ndarray, false_share: float) -> np.ndarray:
    """The longest list whose expected share of sound items is at most `false_share`."""
    order = np.argsort(-wrong, kind="stable")
    expected = np.cumsum(1 - wrong[order]) / np.arange(1, len(order) + 1)
    found = np.zeros(len(wrong), dtype=bool)
    under = np.flatnonzero(expected <= false_share)
    if len(under):
        found[order[: under[-1] + 1]] = True
    return found


def _correlations(rate: np.ndarray, theta: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """(item,) correlation with ability over the solvers that tried the item."""
    found = np.full(len(flat), np.nan)
    for item in np.flatnonzero(~flat):
        has = ~np.isnan(rate[:, item])
        found[item] = float(correlation(rate[has, item], theta[has]))
    return found
