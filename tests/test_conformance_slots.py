"""Every registered slot entry keeps the promises that its record makes."""

import copy

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import Ask, Batch, Belief, Pool

SIZE = 30
SOURCE = np.arange(SIZE) % 5
RATE = np.linspace(0, 1, SIZE)
POOL = Pool(source=SOURCE, sources=tuple("abcde"), floor=np.zeros(SIZE))
ADVANTAGES = registry.names("advantage")
BELIEFS = registry.names("belief")
SAMPLERS = registry.names("sampler")
BUDGETS = registry.names("budget")
ALL = [(slot, name) for slot in ("belief", "sampler", "budget") for name in registry.names(slot)]


def batch_of(reward, group, mask=None, *, problem=None, step=0):
    reward, group = np.asarray(reward, float), np.asarray(group)
    size = len(reward)
    with np.errstate(invalid="ignore"):
        solved = reward >= 1
    return Batch(
        step=step,
        group=group,
        problem=group if problem is None else problem,
        role=np.zeros(size, int),
        parent=np.full(size, -1),
        reward=reward,
        solved=solved,
        length=np.full(size, -1),
        mask=np.ones(size, bool) if mask is None else np.asarray(mask),
    )


RNG = np.random.default_rng(0)
BATCHES = {
    "ragged": batch_of(RNG.integers(0, 2, 60), np.sort(RNG.integers(0, 9, 60))),
    "shuffled": batch_of(RNG.integers(0, 2, 60), RNG.integers(0, 9, 60)),
    "graded": batch_of(RNG.random(40), RNG.integers(0, 6, 40)),
    "singletons": batch_of(RNG.integers(0, 2, 8), np.arange(8)),
    "all right": batch_of(np.ones(24), np.arange(24) // 4),
    "all wrong": batch_of(np.zeros(24), np.arange(24) // 4),
    "near ties": batch_of(0.5 + np.array([0, 2**-20, 2**-21, 0, 0, 2**-20]), [0, 0, 0, 1, 1, 1]),
    "one": batch_of([1.0], [0]),
    "none": batch_of([], np.zeros(0, int)),
    "masked": batch_of(RNG.integers(0, 2, 30), RNG.integers(0, 5, 30), RNG.random(30) < 0.5),
}


def advantage(name, batch, **options):
    record = registry.entry("advantage", name)
    return record.suggest(batch, **{**record.options, **options})


def moved(batch, *, scale=1.0, offset=0.0):
    return batch_of(scale * batch.reward + offset, batch.group, batch.mask)


# -- advantages -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("name", ADVANTAGES)
def test_advantage_contract(name, kind):
    batch = BATCHES[kind]
    before = copy.deepcopy(batch)
    value, keep = advantage(name, batch)
    assert value.shape == keep.shape == batch.reward.shape
    assert value.dtype == np.float64
    assert keep.dtype == bool
    assert np.isfinite(value).all()
    assert not value[~keep].any()
    assert not keep[~batch.mask].any()
    assert (batch.reward == before.reward).all()  # arguments are not written
    if kind in ("singletons", "all right", "all wrong", "one", "none"):
        assert not keep.any()


@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("name", ADVANTAGES)
def test_declared_invariances(name, kind):
    batch, declared = BATCHES[kind], registry.entry("advantage", name).invariances
    assert declared <= {"zero_sum", "shift", "scale", "linear", "monotone"}
    exact = {"eps": 0.0} if "eps" in registry.entry("advantage", name).options else {}
    value, keep = advantage(name, batch, **exact)
    if "zero_sum" in declared and len(value):
        sums = np.bincount(batch.group, weights=value)
        np.testing.assert_allclose(sums, 0, atol=1e-12)
    if "shift" in declared and kind != "graded":  # graded rewards are not exact beside 1e6
        shifted, kept = advantage(name, moved(batch, offset=1e6), **exact)
        np.testing.assert_allclose(shifted, value, rtol=1e-12, atol=0)
        assert (kept == keep).all()
    if "scale" in declared:
        for scale in (2.0**-30, 3.0, 1e6):
            scaled, _ = advantage(name, moved(batch, scale=scale), **exact)
            np.testing.assert_allclose(scaled, value, rtol=1e-9, atol=1e-12)
    if "linear" in declared:
        scaled, _ = advantage(name, moved(batch, scale=4.0), **exact)
        np.testing.assert_allclose(scaled, 4 * value, rtol=1e-12)
    if "monotone" in declared:
        for group in np.unique(batch.group[batch.mask]):
            at = np.flatnonzero((batch.group == group) & batch.mask)
            order = np.argsort(batch.reward[at])
            assert (np.diff(value[at][order]) >= -1e-15).all()


@pytest.mark.parametrize("name", ADVANTAGES)
def test_order_of_rows_and_names_of_groups_do_not_matter(name):
    batch = BATCHES["graded"]
    order = np.random.default_rng(1).permutation(len(batch.reward))
    value, _ = advantage(name, batch)
    other, _ = advantage(name, batch_of(batch.reward[order], 90 - 7 * batch.group[order]))
    np.testing.assert_allclose(other, value[order], atol=1e-12)


@pytest.mark.parametrize("name", ADVANTAGES)
def test_float32_rewards_give_the_same(name):
    batch = BATCHES["ragged"]
    single = batch_of(batch.reward.astype(np.float32), batch.group)
    assert (advantage(name, single)[0] == advantage(name, batch)[0]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ADVANTAGES)
def test_nan_is_refused_unless_masked(name, bad):
    reward, group = np.array([1.0, 0.0, bad]), np.zeros(3, int)
    with pytest.raises(ArgumentError, match="`reward` must be finite"):
        advantage(name, batch_of(reward, group))
    value, _ = advantage(name, batch_of(reward, group, [True, True, False]))
    assert np.isfinite(value).all()


# -- beliefs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("name", BELIEFS)
def test_belief_contract(name, kind):
    record, options = registry.resolve("belief", registry.Use(name))
    state = record.init(POOL, **options)
    before = copy.deepcopy(state)
    after = record.observe(state, BATCHES[kind], **options)
    for old, new in zip(before, state, strict=True):
        assert np.array_equal(old, new)
    found = record.suggest(after, POOL, **options)
    assert found.alpha.shape == found.beta.shape == (SIZE,)
    assert (found.alpha > 0).all()
    assert (found.beta > 0).all()
    assert np.isfinite(found.alpha + found.beta).all()
    draws = found.draw(np.random.default_rng(0), 5)
    assert draws.shape == (5, SIZE)
    assert ((draws >= 0) & (draws <= 1)).all()


@pytest.mark.parametrize("name", BELIEFS)
def test_belief_permutes_with_the_problems(name):
    record, options = registry.resolve("belief", registry.Use(name))
    if "permutation" not in record.invariances:
        pytest.skip("not promised: it is told rates in order")
    batch = BATCHES["shuffled"]
    order = np.random.default_rng(0).permutation(SIZE)
    place = np.argsort(order)  # problem i stands at place[i] of the other pool
    plain = record.suggest(record.observe(record.init(POOL), batch, **options), POOL, **options)
    pool = Pool(source=SOURCE[order], sources=POOL.sources, floor=POOL.floor)
    other = batch_of(batch.reward, batch.group, problem=place[batch.problem])
    turned = record.suggest(record.observe(record.init(pool), other, **options), pool, **options)
    np.testing.assert_allclose(turned.alpha, plain.alpha[order])
    np.testing.assert_allclose(turned.beta, plain.beta[order])


# -- samplers and budgets ---------------------------------------------------------------------


def beliefs():
    draw = lambda rng, m: np.zeros((m, SIZE))  # noqa: E731
    yield "fresh", Belief(np.full(SIZE, 0.5), np.full(SIZE, 0.5), draw)
    yield "known", Belief(RATE * 1e12, (1 - RATE) * 1e12, draw)
    yield "all wrong", Belief(np.full(SIZE, 1e-9), np.full(SIZE, 1e9), draw)
    yield "all right", Belief(np.full(SIZE, 1e9), np.full(SIZE, 1e-9), draw)


@pytest.mark.parametrize("prompts", [1, 7, SIZE, 4 * SIZE])
@pytest.mark.parametrize("name", SAMPLERS)
def test_sampler_contract(name, prompts):
    record, options = registry.resolve("sampler", registry.Use(name))
    state = record.init(POOL, **options)
    for kind in ("none", "all wrong", "all right", "masked", "singletons"):
        state = record.observe(state, BATCHES[kind], **options)
    for _, belief in beliefs():
        ask = Ask(POOL, belief, None, None, prompts, 100, 2, drawn=13, seed=4)
        plan = record.suggest(state, ask, np.random.default_rng(0), **options)
        again = record.suggest(state, ask, np.random.default_rng(0), **options)
        assert plan.problem.tolist() == again.problem.tolist()
        assert 0 < len(plan.problem) <= prompts
        assert ((plan.problem >= 0) & (plan.problem < SIZE)).all()
        assert (plan.propensity > 0).all()
        assert plan.step == 2
        assert not plan.n.any()
        if "distinct" in record.invariances:
            assert len(set(plan.problem.tolist())) == min(prompts, SIZE)
        else:
            assert len(plan.problem) == prompts


@pytest.mark.parametrize("name", SAMPLERS)
def test_propensity_is_the_expected_number_of_draws(name):
    record, options = registry.resolve("sampler", registry.Use(name))
    assert "propensity" in record.invariances
    state, rng = record.init(POOL, **options), np.random.default_rng(0)
    belief = dict(beliefs())["known"]
    count, said, times = np.zeros(SIZE), np.full(SIZE, np.nan), 1500
    for drawn in range(times):
        ask = Ask(POOL, belief, None, None, 6, 100, 0, drawn=6 * drawn, seed=1)
        plan = record.suggest(state, ask, rng, **options)
        np.add.at(count, plan.problem, 1)
        said[plan.problem] = plan.propensity
    # what was never drawn has a propensity of its own; only drawn ones are compared
    error = 4 * np.sqrt(np.nanmax(said) / times)
    assert np.nanmax(np.abs(count / times - said)) < error
    # Horvitz-Thompson: weighting draws by 1 / propensity gives back the number of problems
    if "every_problem" in record.invariances:
        total = (count / times / np.where(np.isnan(said), np.inf, said)).sum()
        assert total == pytest.approx(SIZE, rel=0.1)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("budget", BUDGETS)
def test_totals_are_exact(budget, sampler):
    draw, draw_options = registry.resolve("sampler", registry.Use(sampler))
    record, options = registry.resolve("budget", registry.Use(budget))
    assert "exact_total" in record.invariances
    rng = np.random.default_rng(0)
    for _, belief in beliefs():
        for prompts, left in ((1, 1), (1, 500), (7, 13), (7, 3), (SIZE, 8 * SIZE + 5), (99, 61)):
            ask = Ask(POOL, belief, None, None, prompts, left, 0)
            rows = draw.suggest(draw.init(POOL, **draw_options), ask, rng, **draw_options)
            plan = record.suggest(
                (), Ask(POOL, belief, rows, None, prompts, left, 0), rng, **options
            )
            assert plan.n.sum() == left
            assert (plan.n > 0).all()
            least = min(options["min"], left)
            assert plan.n.min() >= least
            if "even" in record.invariances:
                assert np.ptp(plan.n) <= 1


# -- the conversation -------------------------------------------------------------------------


def answer(plan):
    """Outcomes that depend on the plan's step alone, so that two runs get the same."""
    rng = np.random.default_rng([9, plan.step])
    return (rng.random(plan.n.sum()) < RATE[np.repeat(plan.problem, plan.n)]).astype(float)


def talk(cur, steps, lag, waiting):
    said = []
    for _ in range(steps):
        plan = cur.suggest(5, rollouts=37)
        assert plan.n.sum() == 37
        waiting.append(plan)
        said.append((plan.problem.tolist(), plan.n.tolist(), plan.propensity.tolist()))
        if len(waiting) > lag:
            late = waiting.pop(0)
            cur.advantages(cur.observe(late, answer(late)))
    return said


@pytest.mark.parametrize("lag", [0, 1, 3])
@pytest.mark.parametrize(("slot", "name"), ALL)
def test_saved_in_the_middle_it_goes_on_the_same(slot, name, lag, tmp_path):
    def fresh():
        return Curriculum(range(SIZE), "gradatim", 2, source=SOURCE, **{slot: name})

    whole = talk(fresh(), 9, lag, [])
    first = fresh()
    part = talk(first, 4, lag, [])
    first.save(tmp_path / "cur.npz")
    second = Curriculum.load(tmp_path / "cur.npz", range(SIZE))
    part += talk(second, 5, lag, second.pending())
    assert part == whole


@pytest.mark.parametrize("name", registry.recipe_names())
@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_recipes_survive_all_right_and_all_wrong(name, outcome):
    cur = Curriculum(range(SIZE), name, source=SOURCE)
    for _ in range(15):
        plan = cur.suggest(6, rollouts=48)
        batch = cur.observe(plan, np.full(48, outcome))
        value, keep = cur.advantages(batch)
        assert not value.any()
        assert not keep.any()
    assert cur.metrics()["spent"] == 15 * 48
    assert cur.metrics()["total_mixed_share"] == 0
