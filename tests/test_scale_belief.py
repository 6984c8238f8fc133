import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.scale import belief
from gradatim.scale.belief import BELIEFS
from gradatim.types import Batch, Pool


def pool_of(source):
    source = np.asarray(source)
    names = tuple(map(str, range(source.max() + 1)))
    return Pool(source=source, sources=names, floor=np.zeros(len(source)))


def batch_of(problem, solved, step=0, mask=None):
    size = len(problem)
    solved = np.asarray(solved, bool)
    return Batch(
        step=step,
        group=np.asarray(problem),
        problem=np.asarray(problem),
        role=np.zeros(size, int),
        parent=np.full(size, -1),
        reward=solved.astype(float),
        solved=solved,
        length=np.full(size, -1),
        mask=np.ones(size, bool) if mask is None else np.asarray(mask),
    )


def after(name, pool, batches, **options):
    slot = BELIEFS[name]
    options = {**slot.options, **options}
    state = slot.init(pool, **options)
    for batch in batches:
        state = slot.observe(state, batch, **options)
    return slot.suggest(state, pool, **options)


def test_counts_by_hand():
    pool = pool_of([0, 0])
    first, later = batch_of([0, 0, 0, 0], [1, 1, 1, 0], 0), batch_of([0, 0], [0, 1], 2)
    found = after("counts", pool, [first, later], half_life=1.0)
    # two half-lives later the first batch weighs 1/4: .5 + 3/4 + 1 and .5 + 1/4 + 1
    assert found.alpha.tolist() == [2.25, 0.5]
    assert found.beta.tolist() == [1.75, 0.5]
    kept = after("counts", pool, [first, later], half_life=0)  # 0 forgets nothing
    assert kept.alpha[0] == 4.5


@pytest.mark.parametrize("name", BELIEFS)
def test_the_order_of_batches_does_not_matter(name):
    rng = np.random.default_rng(0)
    pool = pool_of([0, 0, 1, 1, 2])
    batches = [batch_of(rng.integers(5, size=9), rng.random(9) < 0.4, step) for step in range(6)]
    there = after(name, pool, batches)
    back = after(name, pool, batches[::-1])
    shuffled = after(name, pool, [batches[i] for i in (3, 0, 5, 2, 1, 4)])
    for other in (back, shuffled):
        np.testing.assert_allclose(there.alpha, other.alpha)
        np.testing.assert_allclose(there.beta, other.beta)


@pytest.mark.parametrize("name", ["counts", "hierarchical"])
def test_masked_attempts_were_never_made(name):
    pool = pool_of([0, 1])
    plain = after(name, pool, [batch_of([0, 1], [1, 0])])
    masked = after(
        name, pool, [batch_of([0, 1, 1, 1], [1, 0, 1, 1], mask=[True, True, False, False])]
    )
    assert plain.alpha.tolist() == masked.alpha.tolist()
    assert plain.beta.tolist() == masked.beta.tolist()


def simulated(rng, means, precision, problems, tried):
    """Problems of several sources with `tried` attempts on each but the last of each source."""
    source = np.repeat(np.arange(len(means)), problems)
    p = rng.beta(np.array(means)[source] * precision, (1 - np.array(means)[source]) * precision)
    unseen = np.arange(len(source)) % problems == problems - 1
    problem = np.repeat(np.flatnonzero(~unseen), tried)
    return pool_of(source), p, unseen, batch_of(problem, rng.random(len(problem)) < p[problem])


def test_precision_is_fitted_not_fixed():
    rng = np.random.default_rng(0)
    for precision in (3.0, 20.0):
        got = []
        for _ in range(5):
            pool, _, _, batch = simulated(rng, [0.2, 0.5, 0.8], precision, 120, 8)
            slot = BELIEFS["hierarchical"]
            state = slot.observe(slot.init(pool), batch, **slot.options)
            shape = belief.fit_sources(state, correlation=0.1, weight=8.0, pseudo=1.0)
            np.testing.assert_allclose(shape.mean, [0.2, 0.5, 0.8], atol=0.12)
            got.append(1 / shape.correlation - 1)
        assert np.median(got) == pytest.approx(precision, rel=0.3)


def test_moments_match_the_textbook_estimator():
    # one source, three problems of 4 attempts: k = 0, 2, 4; m = 1/2, S = 4 (1/4 + 0 + 1/4) = 2
    # A = sum (1 - n_i/n) = 3 x 2/3 = 2, B = sum n_i (1 - n_i/n) = 8
    # r = (S / (m (1-m)) - A) / (B - A) = (8 - 2) / (8 - 2) = 1, cut to the upper bound
    pool = pool_of([0, 0, 0])
    slot = BELIEFS["hierarchical"]
    extreme = batch_of(np.repeat([0, 1, 2], 4), [0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1])
    state = slot.observe(slot.init(pool), extreme, **slot.options)
    fit = belief.fit_sources(state, correlation=0.1, weight=1e-9, pseudo=1.0)
    assert fit.correlation[0] == belief.CORRELATION[1]
    # k = 1, 2, 3: S = 4 (1/16 + 1/16) = 1/2, r = (2 - 2) / 6 = 0 with error sqrt(2 x 2) / 6 = 1/3:
    # the half normal's mean, sqrt(8 / pi) / 3 / 2
    alike = batch_of(np.repeat([0, 1, 2], 4), [1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0])
    state = slot.observe(slot.init(pool), alike, **slot.options)
    fit = belief.fit_sources(state, correlation=0.1, weight=1e-9, pseudo=1.0)
    assert fit.correlation[0] == pytest.approx(np.sqrt(8 / np.pi) / 6)
    # weight 6 of the guess .1 beside its own 6: the pooled guess is (0 + 6 x .1) / 12 = .05, the
    # source's (0 + 6 x .05) / 12 = .025, with error sqrt(2 x 2) / 12 = 1/6
    fit = belief.fit_sources(state, correlation=0.1, weight=6.0, pseudo=1.0)
    expected = (0.025 + np.sqrt(0.025**2 + 8 / np.pi / 36)) / 2
    assert fit.correlation[0] == pytest.approx(expected)


def test_an_unseen_problem_of_a_known_level_has_a_sharp_prior():
    rng = np.random.default_rng(1)
    pool, p, unseen, batch = simulated(rng, [0.1, 0.9], 30.0, 100, 8)
    found = after("hierarchical", pool, [batch])
    plain = after("counts", pool, [batch])
    strength = (found.alpha + found.beta)[unseen]
    assert (strength > 10).all()
    assert ((plain.alpha + plain.beta)[unseen] == 1).all()
    error = np.abs(found.alpha / (found.alpha + found.beta) - p)
    assert error[unseen].max() < 0.2
    seen = np.abs(plain.alpha / (plain.alpha + plain.beta) - p)
    assert error[~unseen].mean() < 0.7 * seen[~unseen].mean()  # shrinking helps the others too


def test_posterior_intervals_cover():
    rng = np.random.default_rng(2)
    from scipy import stats

    inside = []
    for precision in (2.0, 10.0, 60.0):
        pool, p, _, batch = simulated(rng, [0.15, 0.5, 0.7], precision, 100, 4)
        found = after("hierarchical", pool, [batch])
        inside.append(np.abs(stats.beta(found.alpha, found.beta).cdf(p) - 0.5) < 0.45)
    assert 0.87 < np.mean(inside) < 0.96  # 90% intervals, 900 problems


def test_no_data_is_nearly_flat_and_no_source_is_sure():
    found = after("hierarchical", pool_of([0, 1]), [])
    assert (found.alpha == found.beta).all()
    assert 0.2 < found.alpha[0] < 1
    # all right, often: sure, but bounded
    won = after("hierarchical", pool_of([0, 0]), [batch_of([0] * 50, [1] * 50)])
    assert np.isfinite(won.alpha).all()
    assert won.beta.min() > 0


def test_recent_attempts_move_a_source_first():
    pool = pool_of([0] * 40)
    old = [batch_of(np.arange(20), np.zeros(20), step) for step in range(4)]
    new = [batch_of(np.arange(20), np.ones(20), step) for step in range(60, 64)]
    found = after("hierarchical", pool, old + new)
    mean = found.alpha / (found.alpha + found.beta)
    # never tried problems follow the source's recent rate, tried ones remember their own past
    assert mean[30] > 0.9
    assert mean[0] < mean[30]


@pytest.mark.parametrize("name", BELIEFS)
def test_draws_agree_with_the_marginals(name):
    pool, _, _, batch = simulated(np.random.default_rng(3), [0.2, 0.7], 10.0, 30, 6)
    found = after(name, pool, [batch])
    draws = found.draw(np.random.default_rng(0), 3000)
    assert draws.shape == (3000, 60)
    mean = found.alpha / (found.alpha + found.beta)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.03)


def test_problems_of_a_source_move_together_in_draws():
    pool = pool_of([0] * 5 + [1] * 5)
    found = after("hierarchical", pool, [batch_of([0, 1, 5, 6], [1, 0, 1, 0])])
    draws = found.draw(np.random.default_rng(0), 4000)
    inside = np.corrcoef(draws[:, 3], draws[:, 4])[0, 1]
    across = np.corrcoef(draws[:, 3], draws[:, 9])[0, 1]
    assert inside > 0.3
    assert abs(across) < 0.1


def test_known_rates():
    found = after("known", pool_of([0] * 3), [batch_of([0], [1])], rate=[0.0, 0.25])
    assert (found.alpha / (found.alpha + found.beta)).tolist() == [0, 0.25, 0]
    with pytest.raises(ArgumentError, match="`rate` must lie in"):
        after("known", pool_of([0]), [], rate=[1.2])
