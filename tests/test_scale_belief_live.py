"""The live scale: abilities that walk, offsets, anchors; and the quadrature behind it."""

import numpy as np
import pytest
from scipy import integrate, special, stats
from test_scale_belief import batch_of

from gradatim.errors import ArgumentError
from gradatim.scale import belief_ability, belief_anchors, belief_logits
from gradatim.types import Pool

IRT = belief_ability.BELIEFS["irt"]


def pool_of(source, family=None, level=None, difficulty=None, discrimination=None, anchors=None):
    source = np.asarray(source)
    return Pool(
        source=source,
        sources=tuple(map(str, range(source.max() + 1))),
        floor=np.zeros(len(source)),
        family=None if family is None else np.asarray(family),
        level=None if level is None else np.asarray(level, float),
        difficulty=None if difficulty is None else np.asarray(difficulty, float),
        discrimination=discrimination,
        anchors=None if anchors is None else np.isin(np.arange(len(source)), anchors),
    )


def after(pool, batches, **options):
    options = {**IRT.options, **options}
    state = IRT.init(pool, **options)
    for batch in batches:
        state = IRT.observe(state, batch, **options)
    return state, IRT.suggest(state, pool, **options)


def rate(found):
    return found.alpha / (found.alpha + found.beta)


# -- quadrature -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "variance", "k", "n"),
    [(0, 1, 2, 4), (0, 9, 8, 8), (3, 0.1, 0, 8), (-2, 16, 1, 64), (0, 25, 0, 1), (1, 4, 0, 0)],
)
def test_absorb_matches_integration(mean, variance, k, n):
    def density(eta):
        return np.exp(
            k * special.log_expit(eta)
            + (n - k) * special.log_expit(-eta)
            + stats.norm.logpdf(eta, mean, np.sqrt(variance))
        )

    low, high = mean - 9 * np.sqrt(variance), mean + 9 * np.sqrt(variance)
    moment = [
        integrate.quad(lambda x, j=j: density(x) * x**j, low, high, limit=400, points=[0, mean])[0]
        for j in range(3)
    ]
    first = moment[1] / moment[0]
    got = belief_logits.absorb(*(np.array([float(x)]) for x in (mean, variance, k, n)))
    expected = moment[2] / moment[0] - first**2
    assert got[0][0] == pytest.approx(first, abs=0.03 * np.sqrt(expected))
    assert got[1][0] == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("sd", [0.1, 1.0, 4.0, 8.0])
def test_pass_rates_match_integration(sd):
    def of(power):
        return integrate.quad(
            lambda x: special.expit(-1 + sd * x) ** power * stats.norm.pdf(x), -9, 9, limit=400
        )[0]

    mean, variance = belief_logits.pass_rates(np.array([-1.0]), np.array([sd**2]))
    assert mean[0] == pytest.approx(of(1), abs=2e-3)
    assert variance[0] == pytest.approx(of(2) - of(1) ** 2, abs=2e-3)


def test_matched_has_the_moments():
    alpha, beta = belief_logits.matched(np.array([0.1, 0.6]), np.array([0.02, 0.1]))
    found = stats.beta(alpha, beta)
    np.testing.assert_allclose(found.mean(), [0.1, 0.6])
    np.testing.assert_allclose(found.var(), [0.02, 0.1])


# -- the filter -------------------------------------------------------------------------------


def test_one_reading_by_hand():
    # one problem of one source; only the ability is unknown (sd 1 + 1 in variance 2): what is left
    # of it after k of n is the one-dimensional posterior
    pool = pool_of([0], [0], [5.0], [0.0], np.ones(1))
    quiet = {"slope": 0.0, "level": 0.0, "own": 0.0, "misfit": 1e-6}
    state, _ = after(pool, [batch_of([0] * 6, [1, 1, 1, 1, 1, 0])], **quiet)
    mean, variance = belief_logits.absorb(
        np.zeros(1), np.full(1, 2.0), np.array([5.0]), np.array([6.0])
    )
    assert state.mean[0] == pytest.approx(mean[0], abs=1e-4)
    assert state.covariance[0, 0] == pytest.approx(variance[0], abs=1e-4)


def drifting(rng, *, bank, steps=50, spread=0.7, families=2, problems=240):
    """Batches of a learner whose abilities rise, and the rates at the end."""
    family = np.arange(problems) % families
    level = 1 + np.arange(problems) // families % 10
    difficulty = 0.5 * (level - 5.5) + spread * rng.standard_normal(problems)
    source = family * 10 + level - 1
    known = difficulty if bank else None
    pool = pool_of(source, family, level, known, np.ones(problems) if bank else None)
    ability = np.array([-1.0, 0.0])[:families]
    batches = []
    for step in range(steps):
        ability = ability + np.array([0.05, 0.01])[:families]
        problem = np.repeat(rng.permutation(problems)[:24], 4)
        p = special.expit(ability[family[problem]] - difficulty[problem])
        batches.append(batch_of(problem, rng.random(len(problem)) < p, step))
    return pool, batches, special.expit(ability[family] - difficulty), ability


@pytest.mark.parametrize("bank", [True, False])
def test_it_follows_a_learner(bank):
    errors, ratios = [], []
    for seed in range(3):
        pool, batches, p, ability = drifting(np.random.default_rng(seed), bank=bank)
        state, found = after(pool, batches)
        errors.append(np.abs(rate(found) - p).mean())
        ratios.append(np.mean(np.abs(stats.beta(found.alpha, found.beta).cdf(p) - 0.5) < 0.45))
        if bank:
            here = state.mean[:2]
            assert np.abs(here - ability).max() < 4 * np.sqrt(np.diag(state.covariance)[:2].max())
            assert here[0] > 0.3  # from -1 to 1.5
    assert np.mean(errors) < (0.08 if bank else 0.12)
    assert 0.8 < np.mean(ratios) <= 1


def test_an_old_problem_moves_with_its_family():
    # tried long ago and failed; since then the family's others have gone from 0 to 1
    pool = pool_of([0] * 40)
    first = batch_of(np.repeat(np.arange(40), 2), np.zeros(80), 0)
    later = [batch_of(np.arange(1, 40), np.ones(39), step) for step in range(20, 60)]
    before = rate(after(pool, [first])[1])[0]
    now = rate(after(pool, [first, *later])[1])[0]
    assert now > before + 0.3


def test_a_level_without_attempts_lies_between_its_neighbours():
    pool = pool_of(np.arange(10), np.zeros(10, int), np.arange(1, 11))
    tried = np.repeat([0, 1, 2, 6, 7, 8], 30)
    solved = np.tile(np.arange(30), 6) < np.repeat([27, 24, 21, 9, 6, 3], 30)
    found = rate(after(pool, [batch_of(tried, solved)])[1])
    assert found[2] > found[4] > found[6]
    assert found[9] < found[6]  # beyond the last level: further down


def test_spread_of_problems_is_learned():
    rng = np.random.default_rng(0)
    got = {}
    for spread in (0.5, 4.0):
        pool, batches, _, _ = drifting(rng, bank=False, spread=spread, steps=40)
        state, _ = after(pool, batches)
        got[spread] = np.sqrt(belief_ability.spreads(state, 2.0)).mean()
    assert 0.3 < got[0.5] < 1.2
    assert 2.5 < got[4.0] < 6.0


def test_problems_of_a_family_move_together_in_draws():
    pool = pool_of([0, 0, 1, 1], [0, 0, 1, 1], [5, 5, 5, 5])
    _, found = after(pool, [batch_of([0, 2], [1, 0])], abilities=(0.3, 2.0), offset=0.5)
    draws = found.draw(np.random.default_rng(0), 4000)
    inside = np.corrcoef(draws[:, 0], draws[:, 1])[0, 1]
    across = np.corrcoef(draws[:, 0], draws[:, 2])[0, 1]
    assert inside > 0.5
    assert across < inside - 0.3
    np.testing.assert_allclose(draws.mean(axis=0), rate(found), atol=0.02)


# -- anchors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [0.0, 1.5])
def test_drift_is_what_trained_problems_gained_beyond_the_anchors(gain):
    inside, values = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        difficulty = rng.normal(0, 1, 200)
        pool = pool_of(
            np.zeros(200, int),
            np.zeros(200, int),
            np.full(200, 5.0),
            difficulty,
            anchors=np.arange(60),
        )
        batches = []
        for step in range(30):
            problem = np.repeat(rng.permutation(200)[:40], 4)
            easier = np.where(problem < 60, 0.0, gain)
            p = special.expit(0.02 * step + easier - difficulty[problem])
            batches.append(batch_of(problem, rng.random(160) < p, step))
        state, _ = after(pool, batches)
        assert np.abs(belief_ability._offsets(state, 4.0)[0][:60]).max() < 1e-3
        found = belief_anchors.drift(state)
        assert not len(belief_anchors.moved(state))
        values.append(found.value)
        inside.append(found.low < gain < found.high)
    assert np.mean(values) == pytest.approx(gain, abs=0.3)
    assert np.mean(inside) >= 4 / 6


def test_an_anchor_that_was_trained_on_is_named():
    rng = np.random.default_rng(4)
    difficulty = rng.normal(0, 1, 200)
    difficulty[7] = 2.0
    pool = pool_of(np.zeros(200, int), difficulty=difficulty, anchors=np.arange(60))
    batches = []
    for step in range(40):
        problem = rng.permutation(200)[:60]
        leaked = np.where(problem == 7, 4.0, 0.0)
        p = special.expit(0.02 * step + leaked - difficulty[problem])
        batches.append(batch_of(problem, rng.random(60) < p, step))
    state, _ = after(pool, batches)
    assert belief_anchors.moved(state).tolist() == [7]
    assert belief_anchors.misfits(state)[7] > 3.5
    assert not belief_anchors.misfits(state)[60:].any()
    assert belief_anchors.figures(state)["anchors_moved"] == 1


def test_anchors_need_difficulties():
    with pytest.raises(ArgumentError, match=r"1 of 1 have none \(problem 1 first\): give `bank=`"):
        after(pool_of([0, 0, 1], anchors=[1]), [])
    with pytest.raises(ArgumentError, match=r"1 of 2 have none \(problem 2 first\): give `bank=`"):
        after(pool_of([0, 0, 1], difficulty=[0, 1, np.nan], anchors=[1, 2]), [])
    state, _ = after(pool_of([0, 0], difficulty=[0, 1], anchors=[1]), [])
    assert belief_anchors.drift(state).n == 0
    assert belief_anchors.overall(state).n == 0
    assert not len(belief_anchors.moved(state))
    unmarked = belief_anchors.drift(after(pool_of([0, 0, 1]), [])[0])
    assert np.isnan(unmarked.value)
    assert unmarked.high == np.inf


# -- hard inputs ------------------------------------------------------------------------------


def test_a_bank_that_lacks_some_problems():
    pool = pool_of([0] * 3, difficulty=[2, np.nan, -2], discrimination=np.array([1, 1, np.nan]))
    found = rate(after(pool, [])[1])
    # what the bank lacks is as hard as its mean, and less sure
    assert found[0] < found[1]
    assert found[1] == pytest.approx(found[2])


def test_sources_beyond_what_a_covariance_can_hold_are_refused():
    many = belief_ability.MOST_SOURCES + 1
    with pytest.raises(ArgumentError, match="`number of sources` must lie in"):
        after(pool_of(np.arange(many)), [])


@pytest.mark.parametrize("won", [0, 1])
def test_endless_failure_or_success_stays_finite(won):
    pool = pool_of([0, 0, 1], [0, 0, 0], [1, 1, 2])
    batches = [batch_of([0] * 64 + [2] * 64, [won] * 128, step) for step in range(200)]
    state, found = after(pool, batches)
    assert np.isfinite(state.covariance).all()
    assert np.isfinite(found.alpha + found.beta).all()
    assert np.abs(rate(found) - won)[[0, 2]].max() < 0.1
    # one attempt the other way moves it, but not far
    other = after(pool, [*batches, batch_of([0], [1 - won], 200)])[1]
    assert 0 < np.abs(rate(other) - rate(found))[0] < 0.1
