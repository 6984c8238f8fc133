"""Known items and abilities come back, as near as the data allows, with intervals that hold.

Standard errors of `reference="solvers"` are relative to these solvers' own zero and unit, so truth
is put there first: the mean of the solvers' true abilities is 0, their standard deviation 1.
"""

import numpy as np
import pytest
from scipy import special

from gradatim.scale import irt
from gradatim.types import Matrix, Responses

SLOPE = 0.5  # standard deviation of log a
COVER = (0.93, 0.97)  # what 95% intervals must cover
PARTS = ("theta", "a", "b")


def simulated(persons, items, *, seed, keep=1.0):
    """True (theta, a, b), who tried what, and the responses of a 2PL."""
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=persons), rng.normal(size=items)
    a = np.exp(rng.normal(0, SLOPE, items))
    solved = rng.random((persons, items)) < special.expit(a * (theta[:, None] - b))
    names = {
        "solvers": tuple(f"s{p:05d}" for p in range(persons)),
        "items": tuple(f"i{i:05d}" for i in range(items)),
    }
    if keep == 1.0:
        tried = np.ones((persons, items), bool)
        return (theta, a, b), tried, Matrix(solved=solved.astype(np.int8), tried=1, **names)
    tried = rng.random((persons, items)) < keep
    person, item = np.nonzero(tried)
    cells = Responses(
        solver=person,
        item=item,
        solved=solved[person, item].astype(float),
        tried=np.ones(len(item), int),
        **names,
    )
    return (theta, a, b), tried, cells


def placed(truth, seen):
    """Truth at the zero and unit of the solvers that answered."""
    theta, a, b = truth
    zero, unit = theta[seen].mean(), theta[seen].std()
    return (theta - zero) / unit, a * unit, (b - zero) / unit


def found_in(bank):
    values = bank.ability, bank.discrimination, bank.difficulty
    return values, (bank.se_ability, bank.se_discrimination, bank.se_difficulty)


def covered(persons, items, *, keep, seeds):
    """(simulation, part) share of true values inside the 95% intervals."""
    shares = []
    for seed in seeds:
        truth, _, data = simulated(persons, items, seed=seed, keep=keep)
        bank = irt.fit(data)
        assert bank.fit["converged"]
        seen = np.isfinite(bank.ability)
        right, (values, errors) = placed(truth, seen), found_in(bank)
        inside = [
            np.abs(value - known) < 1.96 * se
            for value, known, se in zip(values, right, errors, strict=True)
        ]
        shares.append([inside[0][seen].mean(), inside[1].mean(), inside[2].mean()])
    return np.array(shares)


def told(persons, items, keep, shares):
    """A line of the table, and the mean shares; Monte Carlo error from that between simulations,

    or where there are few of these, from the number of intervals.
    """
    mean = shares.mean(axis=0)
    each = np.array([persons, items, items]) * len(shares)
    error = np.sqrt(mean * (1 - mean) / each)
    if len(shares) >= 10:
        error = np.maximum(error, shares.std(axis=0, ddof=1) / np.sqrt(len(shares)))
    text = "  ".join(
        f"{part} {m:.3f} (+-{e:.3f})" for part, m, e in zip(PARTS, mean, error, strict=True)
    )
    return f"{persons:>5} x {items:<5} {keep:>4.0%} kept, {len(shares):>3} times: {text}", mean


def bound(truth, tried, priors):
    """Least standard error of a and of b with abilities known: information plus prior precision.

    With eta = a (theta - b) and w = p (1 - p), information on (log a, b) is the sum over who tried
    of w (eta^2, -a eta; -a eta, a^2). Priors add 1 / slope^2 and, as they are relative to the
    slopes' centre m, exp(2 m) / difficulty^2.
    """
    theta, a, b = truth
    eta = a * (theta[:, None] - b)
    w = special.expit(eta) * special.expit(-eta) * tried
    first = np.sum(w * eta**2, axis=0) + 1 / priors.slope**2
    cross = -a * np.sum(w * eta, axis=0)
    last = a**2 * np.sum(w, axis=0) + np.exp(2 * np.log(a).mean()) / priors.difficulty**2
    whole = first * last - cross**2
    return a * np.sqrt(last / whole), np.sqrt(first / whole)


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


# -- fast -------------------------------------------------------------------------------------


def test_the_bound_is_the_inverse_information():
    # one item a = 1, b = 0, tried at theta = -1 and 1: w = .19661, eta^2 = 1, so without priors
    # the information is 2 w for both and the cross term cancels: sd = 1 / sqrt(.39322) = 1.5947
    flat = irt.WEAK._replace(slope=1e9, difficulty=1e9)
    known = np.array([-1.0, 1.0]), np.ones(1), np.zeros(1)
    np.testing.assert_allclose(bound(known, np.ones((2, 1)), flat), 1.5947, rtol=1e-4)


def test_recovery_and_intervals_on_one_small_table():
    truth, tried, data = simulated(200, 600, seed=3, keep=0.6)
    bank = irt.fit(data)
    right = placed(truth, slice(None))
    for value, known, least in zip(found_in(bank)[0], right, (0.99, 0.84, 0.96), strict=True):
        assert np.corrcoef(value, known)[0, 1] > least
    _, a, b = right
    for value, known, least in zip(
        (bank.discrimination, bank.difficulty), (a, b), bound(right, tried, irt.WEAK), strict=True
    ):
        assert rms(value - known) < 1.15 * rms(least)


@pytest.mark.parametrize(
    ("persons", "items", "keep", "times"), [(200, 300, 1.0, 3), (500, 20, 1.0, 25)]
)
def test_intervals_hold_on_small_tables(persons, items, keep, times):
    shares = covered(persons, items, keep=keep, seeds=range(times))
    text, mean = told(persons, items, keep, shares)
    assert np.all((mean > COVER[0]) & (mean < COVER[1])), text


# -- at size ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_recovery_at_the_size_of_benchmarks_is_near_perfect():
    truth, _, data = simulated(1000, 5000, seed=0)
    bank = irt.fit(data)
    theta, a, b = (np.corrcoef(v, t)[0, 1] for v, t in zip(found_in(bank)[0], truth, strict=True))
    print(f"1,000 x 5,000 complete: r theta {theta:.5f}, a {a:.4f}, b {b:.4f}")
    assert theta >= 0.999
    assert a >= 0.95
    assert b >= 0.99


@pytest.mark.slow
def test_with_four_of_five_cells_missing_errors_are_near_the_bound():
    truth, tried, data = simulated(1000, 5000, seed=0, keep=0.2)
    bank = irt.fit(data)
    right = placed(truth, slice(None))
    for name, value, known, least in zip(
        "ab",
        (bank.discrimination, bank.difficulty),
        right[1:],
        bound(right, tried, irt.WEAK),
        strict=True,
    ):
        ratio = rms(value - known) / rms(least)
        print(f"RMSE {name} {rms(value - known):.4f}, bound {rms(least):.4f}, ratio {ratio:.3f}")
        assert ratio <= 1.15, name


# (persons, items, share of cells kept, simulations): at least 1,000 intervals of each kind, so a
# true 95% is seen as 93.6% to 96.4% at two Monte Carlo errors
CASES = [
    (200, 40, 1.0, 50),
    (200, 1000, 1.0, 10),
    (200, 1000, 0.2, 10),
    (1000, 5000, 1.0, 2),
    (1000, 5000, 0.2, 2),
    (5000, 500, 1.0, 3),
    (5000, 500, 0.2, 3),
    (5000, 20, 1.0, 60),
    (5000, 20, 0.2, 60),
]


@pytest.mark.slow
@pytest.mark.parametrize(("persons", "items", "keep", "times"), CASES)
def test_intervals_cover_what_they_promise(persons, items, keep, times):
    shares = covered(persons, items, keep=keep, seeds=range(1000, 1000 + times))
    text, mean = told(persons, items, keep, shares)
    print(text)
    assert np.all((mean >= COVER[0]) & (mean <= COVER[1])), text
