"""The fit against published estimates, against simulation, and against bad input."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

from gradatim.errors import ArgumentError
from gradatim.scale import irt, louis
from gradatim.scale.curves import flat, information, probability
from gradatim.scale.quadrature import Posterior
from gradatim.types import Responses


def responses(solved, tried, names=None):
    solved, tried = np.asarray(solved, float), np.asarray(tried)
    solver, item = np.nonzero(tried)
    return Responses(
        solver=solver,
        item=item,
        solved=solved[solver, item],
        tried=tried[solver, item],
        solvers=tuple(f"s{i:05d}" for i in range(len(solved))),
        items=tuple(names or (f"i{i:05d}" for i in range(solved.shape[1]))),
    )


def simulated(n_persons, n_items, *, tried=1, seed=0, spread=1.0, keep=1.0, within=0.0):
    """Abilities, slopes, difficulties and responses of a 2PL."""
    rng = np.random.default_rng(seed)
    theta = spread * rng.normal(size=n_persons)
    a, b = np.exp(rng.normal(0, 0.3, n_items)), spread * rng.normal(size=n_items)
    p = special.expit(a * (theta[:, None] - b))
    if within:
        size = 1 / within - 1
        p = rng.beta(np.maximum(p * size, 1e-9), np.maximum((1 - p) * size, 1e-9))
    n = np.where(rng.random(p.shape) < keep, tried, 0)
    return theta, a, b, responses(rng.binomial(n, p), n)


def load(path):
    file = np.load(path)
    return responses(file["solved"], file["tried"])


# -- published values -------------------------------------------------------------------------

# R mirt 1.47 and ltm 1.2-0, 61 nodes
LSAT = {
    ("lsat6", "2pl"): {
        "a": (0.8256, 0.7227, 0.8909, 0.6884, 0.6569),
        "b": (-3.3588, -1.3701, -0.2797, -1.8664, -3.1259),
        "se_a": (0.258, 0.187, 0.233, 0.185, 0.210),
        "se_b": (0.866, 0.307, 0.100, 0.434, 0.871),
        "loglik": -2466.653,
    },
    ("lsat6", "rasch"): {
        "b": (-2.8720, -1.0630, -0.2576, -1.3881, -2.2188),
        "se_b": (0.1287, 0.0821, 0.0766, 0.0865, 0.1048),
        "loglik": -2473.054,
    },
    ("lsat6", "1pl"): {
        "a": (0.7551,) * 5,
        "se_a": (0.0694,) * 5,
        "b": (-3.6153, -1.3224, -0.3176, -1.7301, -2.7802),
        "loglik": -2466.938,
    },
    ("lsat7", "2pl"): {
        "a": (0.9875, 1.0808, 1.7075, 0.7650, 0.7357),
        "b": (-1.8793, -0.7475, -1.0572, -0.6353, -2.5208),
        "se_a": (0.177, 0.169, 0.321, 0.134, 0.151),
        "loglik": -2658.805,
    },
}


@pytest.mark.parametrize(("name", "model"), LSAT)
def test_published_estimates_and_errors(name, model, data_dir):
    bank = irt.fit(load(data_dir / f"{name}.npz"), model=model, priors=None, reference="population")
    known = LSAT[name, model]
    assert bank.fit["converged"]
    assert bank.fit["loglik"] == pytest.approx(known["loglik"], abs=0.001)
    np.testing.assert_allclose(bank.difficulty, known["b"], atol=0.005)
    if "a" in known:
        np.testing.assert_allclose(bank.discrimination, known["a"], atol=0.005)
    if "se_a" in known:
        np.testing.assert_allclose(bank.se_discrimination, known["se_a"], rtol=0.02)
    if "se_b" in known:
        np.testing.assert_allclose(bank.se_difficulty, known["se_b"], rtol=0.02)


@pytest.mark.parametrize(("name", "loglik"), [("sat12", -9488.955), ("verbagg", -4016.427)])
def test_published_log_likelihoods(name, loglik, data_dir):
    bank = irt.fit(load(data_dir / f"{name}.npz"), priors=None)
    assert bank.fit["loglik"] == pytest.approx(loglik, abs=0.002)


# -- against other means ----------------------------------------------------------------------


def test_log_likelihood_and_abilities_are_those_of_plain_integration():
    solved = np.array([[3, 0, 1], [0, 0, 1], [4, 2, 0], [2, 1, 3]])
    tried = np.array([[4, 2, 4], [4, 0, 4], [4, 2, 1], [4, 2, 4]])
    floor = np.array([0.0, 0.25, 0.1])
    bank = irt.fit(responses(solved, tried), floor=floor, overdispersion=False)
    total = 0.0
    for row, (k, n) in enumerate(zip(solved, tried, strict=True)):

        def density(theta, k=k, n=n):
            p = probability(theta, bank)
            return np.prod(p**k * (1 - p) ** (n - k)) * np.exp(-(theta**2) / 2) / np.sqrt(2 * np.pi)

        mass = integrate.quad(density, -12, 12, epsabs=1e-15)[0]
        mean = integrate.quad(lambda t: t * density(t), -12, 12, epsabs=1e-15)[0] / mass
        total += np.log(mass)
        assert bank.ability[row] == pytest.approx(mean, abs=1e-5)
    assert bank.fit["loglik"] == pytest.approx(total, abs=1e-5)


def test_information_is_the_slope_squared_over_the_variance():
    bank = flat(difficulty=[-0.5, 1.0], discrimination=[0.8, 2.0], floor=[0.0, 0.3])
    step = 1e-5
    slope = (probability(0.4 + step, bank) - probability(0.4 - step, bank)) / (2 * step)
    p = probability(0.4, bank)
    np.testing.assert_allclose(information(0.4, bank), slope**2 / (p * (1 - p)), rtol=1e-6)


def test_many_items_do_not_outgrow_the_nodes():
    # 5,000 items: posteriors have a standard deviation near 0.03, a fixed grid steps over them
    theta, a, _, data = simulated(40, 5000, seed=3)
    bank = irt.fit(data)
    unit = bank.ability.std() / theta.std()
    assert bank.fit["converged"]
    assert np.isfinite(bank.fit["loglik"])
    assert np.corrcoef(theta, bank.ability)[0, 1] > 0.999
    assert np.median(bank.discrimination * unit) == pytest.approx(np.median(a), rel=0.1)
    assert np.mean(bank.ability**2) == pytest.approx(1, abs=0.05)


# -- recovery ---------------------------------------------------------------------------------


def linked(bank, theta, a, b):
    """Errors in standard errors, with truth and estimates at the solvers' own zero and unit."""
    zero, unit = bank.ability.mean(), bank.ability.std()
    own = (theta - theta.mean()) / theta.std(), a * theta.std(), (b - theta.mean()) / theta.std()
    return (
        ((bank.ability - zero) / unit - own[0]) / (bank.se_ability / unit),
        (bank.discrimination * unit - own[1]) / (bank.se_discrimination * unit),
        ((bank.difficulty - zero) / unit - own[2]) / (bank.se_difficulty / unit),
    )


@pytest.mark.parametrize(
    ("persons", "items", "options"),
    [
        (120, 250, {}),
        (60, 600, {"keep": 0.4}),
        (10, 800, {"tried": 8, "spread": 2.0}),
        (40, 300, {"tried": 8, "within": 0.3}),
    ],
)
def test_intervals_cover(persons, items, options):
    z = [[], [], []]
    for seed in range(100, 106):
        theta, a, b, data = simulated(persons, items, seed=seed, **options)
        for part, found in zip(z, linked(irt.fit(data), theta, a, b), strict=True):
            part.append(found)
    cover = [np.mean(np.abs(np.concatenate(part)) < 1.96) for part in z]
    assert 0.91 < cover[0] <= 1.0  # few solvers fix zero and unit themselves: never too short
    assert 0.93 < cover[1] <= 1.0  # the prior of slopes is a little wider than the truth
    assert 0.92 < cover[2] < 0.98


def test_attempts_that_repeat_each_other_are_found_out():
    _, _, _, data = simulated(30, 500, tried=10, seed=1, within=0.2)
    assert irt.fit(data).fit["overdispersion"] == pytest.approx(0.2, abs=0.03)
    _, _, _, data = simulated(30, 500, tried=10, seed=1)
    assert irt.fit(data).fit["overdispersion"] < 0.01


def test_floors_are_taken_into_account():
    rng = np.random.default_rng(4)
    theta, b = rng.normal(size=400), rng.normal(size=60)
    p = 0.25 + 0.75 * special.expit(1.2 * (theta[:, None] - b))
    data = responses(rng.binomial(1, p), np.ones(p.shape, int))
    with_floor = irt.fit(data, floor=np.full(60, 0.25))
    without = irt.fit(data)
    assert with_floor.fit["loglik"] > without.fit["loglik"] + 10
    assert np.sqrt(np.mean((with_floor.difficulty - b) ** 2)) < 0.3
    np.testing.assert_array_equal(with_floor.floor, 0.25)


def test_population_errors_hold_the_sampling_of_solvers():
    # the zero of the scale is known to sqrt(1 / 50) when solvers are a sample
    *_, data = simulated(50, 200, tried=20, seed=2)
    own = irt.fit(data, overdispersion=False)
    sampled = irt.fit(data, overdispersion=False, reference="population")
    np.testing.assert_array_equal(own.difficulty, sampled.difficulty)
    gap = sampled.se_difficulty**2 - own.se_difficulty**2
    near = np.abs(own.difficulty) < 0.2  # far from zero the unit counts as well
    assert np.median(gap[near]) == pytest.approx(1 / 50, rel=0.1)


def test_short_tests_know_less_of_their_solvers_zero_and_unit():
    # 200 solvers of N(0, 1) without any item: errors of a mean and of a log spread, 1/n and 1/(2n)
    blank = np.zeros(200), np.zeros(200), np.ones(200), *np.zeros((3, 2, 1)), None
    assert louis._of_sample(Posterior(*blank)) == pytest.approx((1 / 200, 1 / 400))
    # and with abilities known: none
    known = np.zeros(200), np.ones(200), np.zeros(200), *np.zeros((3, 2, 1)), None
    assert louis._of_sample(Posterior(*known)) == (0, 0)


def test_a_fixed_slope_has_no_error():
    _, _, _, data = simulated(50, 200, seed=1)
    for reference in irt.REFERENCES:
        bank = irt.fit(data, model="rasch", reference=reference)
        assert bank.fit["item_errors"] == "items"
        assert not bank.se_discrimination.any()


def test_the_forms_of_the_error_agree(monkeypatch):
    _, _, _, data = simulated(80, 120, tried=4, seed=5)
    found = {}
    for form, dense, low_rank in (("full", 150, 1), ("persons", 0, 10**9), ("items", 0, 0)):
        monkeypatch.setattr("gradatim.scale.louis.DENSE", dense)
        monkeypatch.setattr("gradatim.scale.louis.LOW_RANK", low_rank)
        found[form] = irt.fit(data)
        assert found[form].fit["item_errors"] == form
    for form, close in (("persons", 0.01), ("items", 0.05)):
        for name in ("se_difficulty", "se_discrimination", "se_ability"):
            full = getattr(found["full"], name)
            np.testing.assert_allclose(np.median(getattr(found[form], name) / full), 1, atol=close)


# -- floors and ceilings that are estimated ---------------------------------------------------


def test_published_3pl(data_dir):
    # R mirt 1.47: -2658.055, item 2 has g = .295, the others about 0
    bank = irt.fit(load(data_dir / "lsat7.npz"), model="3pl", priors=None)
    assert bank.fit["converged"]
    assert bank.fit["loglik"] == pytest.approx(-2658.055, abs=0.01)
    assert bank.floor[1] == pytest.approx(0.295, abs=0.01)
    assert bank.floor[[0, 2, 3, 4]].max() < 1e-4
    assert bank.fit["no_floor"] == ["i00000", "i00002", "i00003", "i00004"]
    assert np.isnan(bank.se_floor).tolist() == [True, False, True, True, True]
    assert np.isfinite(bank.se_difficulty).all()


def ended(n_persons, n_items, *, model, tried=1, seed=0):
    """Truth (theta, a, b, floor, ceiling) and responses of a 3PL or 4PL."""
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=n_persons), rng.normal(size=n_items)
    a = np.exp(rng.normal(0.4, 0.3, n_items))
    c = special.expit(rng.normal(special.logit(0.2), 0.6, n_items))
    u = 1 - special.expit(rng.normal(special.logit(0.05), 0.6, n_items)) * (model == "4pl")
    p = c + (u - c) * special.expit(a * (theta[:, None] - b))
    n = np.full(p.shape, tried)
    return (theta, a, b, c, u), responses(rng.binomial(n, p), n)


@pytest.mark.parametrize("model", ["3pl", "4pl"])
def test_errors_with_free_ends_are_those_of_numerical_second_derivatives(model):
    n_items, size = 4, {"3pl": 3, "4pl": 4}[model]
    _, data = ended(500, n_items, model=model, tried=12, seed=3)
    options = {"priors": None, "overdispersion": False, "tolerance": 1e-9}
    bank = irt.fit(data, model=model, reference="population", **options)
    assert bank.fit["converged"]
    grid = np.linspace(-6, 6, 241)
    k = data.solved.reshape(500, n_items)

    def loglik(x):
        log_a, b, c, *u = x.reshape(size, n_items)
        top = u[0] if u else 1
        p = c + (top - c) * special.expit(np.exp(log_a) * (grid[:, None] - b))
        joint = k @ np.log(p).T + (12 - k) @ np.log1p(-p).T - grid**2 / 2
        return np.sum(special.logsumexp(joint, axis=1)) + 500 * np.log(0.05 / np.sqrt(2 * np.pi))

    rows = [np.log(bank.discrimination), bank.difficulty, bank.floor, bank.ceiling]
    x, step = np.concatenate(rows[:size]), 1e-3
    assert loglik(x) == pytest.approx(bank.fit["loglik"], abs=1e-3)  # of 500 persons' integrals
    unit = step * np.eye(len(x))
    bend = np.array([
        [
            loglik(x + c + d) - loglik(x + c - d) - loglik(x - c + d) + loglik(x - c - d)
            for c in unit
        ]
        for d in unit
    ])
    se = np.sqrt(np.diag(np.linalg.inv(-bend / (4 * step**2)))).reshape(size, n_items)
    own = [bank.se_discrimination / bank.discrimination, bank.se_difficulty, bank.se_floor]
    own.append(bank.se_ceiling)
    for ours, numerical in zip(own, se, strict=False):
        np.testing.assert_allclose(ours, numerical, rtol=0.01)


def covered(bank, truth):
    """Share of true values in the 95% intervals: ability, a, b, floor, ceiling."""
    found = [(bank.ability, bank.se_ability), (bank.discrimination, bank.se_discrimination)]
    found += [(bank.difficulty, bank.se_difficulty), (bank.floor, bank.se_floor)]
    found += [(bank.ceiling, bank.se_ceiling)] if bank.ceiling is not None else []
    return [
        np.mean(np.abs(value - known) < 1.96 * se)
        for (value, se), known in zip(found, truth, strict=False)
    ]


@pytest.mark.parametrize("model", ["3pl", "4pl"])
def test_free_ends_are_recovered(model):
    truth, data = ended(2000, 30, model=model, seed=1)
    bank = irt.fit(data, model=model, reference="population")
    assert bank.fit["converged"]
    assert min(covered(bank, truth)) > 0.8  # of 30 items: the noise of one share is 0.04
    assert np.corrcoef(truth[0], bank.ability)[0, 1] > 0.85
    assert np.corrcoef(truth[1], bank.discrimination)[0, 1] > 0.7
    assert np.corrcoef(truth[2], bank.difficulty)[0, 1] > 0.97
    assert np.sqrt(np.mean((bank.floor - truth[3]) ** 2)) < 0.08
    if model == "4pl":
        assert np.sqrt(np.mean((bank.ceiling - truth[4]) ** 2)) < 0.05
        assert np.all(bank.ceiling > bank.floor)


@pytest.mark.slow
def test_intervals_of_free_ends_cover():
    shares = []
    for seed in range(2):
        truth, data = ended(6000, 30, model="3pl", seed=seed)
        shares.append(covered(irt.fit(data, model="3pl", reference="population"), truth))
    assert np.mean(shares, axis=0).min() > 0.9


@pytest.mark.parametrize("model", ["3pl", "4pl"])
def test_items_with_little_data_have_estimates_near_their_priors(model):
    _, data = ended(12, 6, model=model, seed=2)
    bank = irt.fit(data, model=model)
    assert np.all(np.abs(bank.difficulty) < 20)
    assert np.all((bank.floor > 0.03) & (bank.floor < 0.6))
    assert np.isfinite([bank.se_floor, bank.se_difficulty, bank.se_discrimination]).all()
    unseen = irt.fit(replace(data, items=(*data.items, "new")), model=model)
    assert np.isnan([unseen.difficulty[-1], unseen.se_floor[-1]]).all()


@pytest.mark.parametrize("model", ["2pl", "3pl"])
def test_converged_means_that_nothing_is_left_to_gain(model):
    # short tests with priors off have directions in which steps of the EM kind creep
    gaps = []
    for seed in range(4):
        _, data = ended(400, 5, model="3pl", tried=4, seed=seed)
        options = {"model": model, "priors": None, "overdispersion": False}
        coarse = irt.fit(data, tolerance=0.01, **options).fit
        fine = irt.fit(data, tolerance=1e-9, **options).fit
        assert coarse["converged"]
        assert coarse["left"] < 0.01
        gaps.append(fine["loglik"] - coarse["loglik"])
    assert max(gaps) < 0.02


# -- invariances ------------------------------------------------------------------------------


def shuffled(data, rng):
    """The same responses with cells, solvers and items listed in another order."""
    s, i = rng.permutation(len(data.solvers)), rng.permutation(len(data.items))
    order = rng.permutation(len(data.solver))
    return Responses(
        solver=np.argsort(s)[data.solver][order],
        item=np.argsort(i)[data.item][order],
        solved=data.solved[order],
        tried=data.tried[order],
        solvers=tuple(data.solvers[j] for j in s),
        items=tuple(data.items[j] for j in i),
    )


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6), model=st.sampled_from(irt.MODELS))
def test_order_changes_nothing_to_the_last_bit(seed, model):
    *_, data = simulated(7, 9, tried=3, seed=seed, keep=0.8)
    first = irt.fit(data, model=model)
    second = irt.fit(shuffled(data, np.random.default_rng(seed)), model=model)
    at = [second.items.index(name) for name in first.items]
    np.testing.assert_array_equal(first.difficulty, second.difficulty[at])
    np.testing.assert_array_equal(first.se_discrimination, second.se_discrimination[at])
    assert first.scale == second.scale


def test_another_fact_is_another_scale():
    *_, data = simulated(5, 6, tried=3, seed=0)
    scale = irt.fit(data).scale
    one = np.where(np.arange(len(data.solved)) == 0, 1 + data.solved % 2, data.solved)
    assert irt.fit(replace(data, solved=one)).scale != scale
    assert irt.fit(data, model="1pl").scale != scale
    assert irt.fit(replace(data, items=("new", *data.items[1:]))).scale != scale


def test_one_more_success_never_lowers_ability():
    *_, data = simulated(6, 20, tried=4, seed=8)
    before = irt.fit(data, overdispersion=False)
    room = np.flatnonzero((data.solver == 2) & (data.solved < 4))[0]
    more = replace(data, solved=data.solved + (np.arange(len(data.solved)) == room))
    after = irt.fit(more, overdispersion=False)
    assert after.ability[2] - after.ability.mean() > before.ability[2] - before.ability.mean()


# -- hard inputs ------------------------------------------------------------------------------


def test_items_solved_by_nobody_or_everybody_are_finite_and_named():
    solved = np.array([[0, 4, 1, 2], [0, 4, 2, 3], [0, 4, 4, 3]])
    bank = irt.fit(responses(solved, np.full((3, 4), 4), ["never", "always", "x", "y"]))
    assert bank.fit["never_solved"] == ["never"]
    assert bank.fit["always_solved"] == ["always"]
    assert np.isfinite(bank.difficulty).all()
    assert np.isfinite(bank.se_difficulty).all()
    assert bank.difficulty[0] > bank.difficulty[2:].max()
    assert bank.difficulty[1] < bank.difficulty[2:].min()
    np.testing.assert_array_equal(bank.tried, 12)
    np.testing.assert_array_equal(bank.solved, [0, 12, 7, 8])


@pytest.mark.parametrize("model", irt.MODELS)
@pytest.mark.parametrize(
    "solved",
    [[[1]], [[0]], [[1, 0]], [[1], [0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]], [[0, 1], [1, 0]]],
)
def test_the_smallest_tables_are_finite(model, solved):
    bank = irt.fit(responses(solved, np.ones(np.shape(solved), int)), model=model)
    assert bank.fit["converged"]
    for name in ("difficulty", "discrimination", "se_difficulty", "ability", "se_ability"):
        assert np.isfinite(getattr(bank, name)).all(), name


def test_parts_without_a_link_are_named():
    tried = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
    bank = irt.fit(responses(tried * [[1, 0, 1, 0]], tried))
    assert bank.fit["parts"] == [["s00000", "s00001"], ["s00002"]]
    chain = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])
    assert irt.fit(responses(chain * 0, chain)).fit["parts"] == []


def test_names_that_nobody_answered_have_no_estimate():
    data = responses([[1, 0, 0], [0, 1, 0], [0, 0, 0]], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])
    bank = irt.fit(data)
    assert np.isnan(bank.difficulty[2])
    assert np.isnan(bank.ability[2])
    assert bank.tried[2] == 0
    assert bank.scale == irt.fit(responses([[1, 0], [0, 1]], [[1, 1], [1, 1]])).scale


def test_scores_between_zero_and_one_are_sums():
    *_, data = simulated(30, 40, seed=6)
    graded = replace(data, solved=0.2 + 0.6 * data.solved)
    bank = irt.fit(graded)
    assert bank.fit["converged"]
    assert np.corrcoef(bank.difficulty, irt.fit(data).difficulty)[0, 1] > 0.9


def test_giving_up_is_said():
    *_, data = simulated(20, 10, seed=6)
    assert not irt.fit(data, max_iterations=1).fit["converged"]


GOOD = responses([[1, 0], [0, 1]], [[1, 1], [1, 1]])


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (replace(GOOD, solved=np.array([2.0, 0, 0, 1])), {}, "solver 's00000', item 'i00000'"),
        (replace(GOOD, solved=np.array([np.nan, 0, 0, 1])), {}, "0 <= solved <= tried, got nan"),
        (replace(GOOD, tried=np.array([1, 1, 1, 0])), {}, "tried >= 1, got 0"),
        (replace(GOOD, item=np.array([0, 0, 0, 1])), {}, "'s00000' and item 'i00000' more than"),
        (replace(GOOD, item=np.array([0, 1, 0, 2])), {}, r"`item` must lie in \[0, 1\], got 2"),
        (replace(GOOD, items=("x", "x")), {}, "`items` must name each once, got 'x' twice"),
        (replace(GOOD, tried=np.ones(3, int)), {}, "axis 'cell' is 4 in `solver` but 3 in `tried`"),
        (responses(np.zeros((2, 2)), np.zeros((2, 2), int)), {}, "no cell"),
        (GOOD, {"model": "5pl"}, "one of 1pl, 2pl, 3pl, 4pl, rasch; got '5pl'"),
        (GOOD, {"model": "3pl", "floor": np.zeros(2)}, "model '3pl' estimates it"),
        (GOOD, {"floor": np.array([0.1])}, r"one entry per item \(2\)"),
        (GOOD, {"floor": np.array([0.1, 1.5])}, r"`floor` must lie in \[0, 0.99\]"),
        (GOOD, {"reference": "me"}, "population, solvers; got 'me'"),
    ],
)
def test_bad_input_is_one_clear_line(data, options, message):
    with pytest.raises(ArgumentError, match=message):
        irt.fit(data, **options)


@pytest.mark.slow
def test_recovery_at_the_size_of_benchmarks():
    theta, a, b, data = simulated(200, 1000, seed=7)
    bank = irt.fit(data)
    assert np.corrcoef(theta, bank.ability)[0, 1] > 0.996
    assert np.corrcoef(a, bank.discrimination)[0, 1] > 0.78
    assert np.corrcoef(b, bank.difficulty)[0, 1] > 0.96


def test_an_item_at_the_end_of_the_scale_still_fits_its_rate():
    # solved by one in fifteen, able or not: its difficulty runs to the bound, priors off, and its
    # slope must follow the rate from there; stuck, it cost 84 units of log-likelihood
    _, _, _, data = simulated(200, 200, seed=4)
    rare = np.zeros(200)
    rare[::15] = 1
    wide = Responses(
        solver=np.r_[data.solver, np.arange(200)],
        item=np.r_[data.item, np.full(200, 200)],
        solved=np.r_[data.solved, rare],
        tried=np.ones(len(data.solver) + 200, int),
        solvers=data.solvers,
        items=(*data.items, "rare"),
    )
    k = rare.sum()
    by_rate = k * np.log(k / 200) + (200 - k) * np.log(1 - k / 200)
    alone, both = (irt.fit(d, priors=None).fit for d in (data, wide))
    assert both["converged"]
    assert both["loglik"] - alone["loglik"] > by_rate - 2
