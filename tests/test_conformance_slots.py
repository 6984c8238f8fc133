"""Every registered slot entry keeps the promises that its record makes.

Advantages: test_conformance_advantages.py.
"""

import copy
import dataclasses

import numpy as np
import pytest
from in_turn import in_turn

from gradatim.choice import plans
from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import Ask, Batch, Belief, Pool

SIZE = 30
SOURCE = np.arange(SIZE) % 5
RATE = np.linspace(0, 1, SIZE)
# everything a pool can tell: two families with levels, features, a bank that lacks a problem
POOL = Pool(
    source=SOURCE,
    sources=tuple("abcde"),
    floor=np.zeros(SIZE),
    family=np.arange(SIZE) // 15,
    level=1.0 + SOURCE,
    features=np.column_stack((np.arange(SIZE) // 15, SOURCE / 4)).astype(float),
    difficulty=np.where(np.arange(SIZE) == 11, np.nan, np.linspace(2, -2, SIZE)),
    discrimination=np.where(np.arange(SIZE) == 11, np.nan, 1.0),
)
BELIEFS = registry.names("belief")
SAMPLERS = registry.names("sampler")
BUDGETS = registry.names("budget")
EXACT = [n for n in BUDGETS if "exact_total" in registry.entry("budget", n).invariances]
ALL = [
    (slot, name)
    for slot in ("belief", "sampler", "budget", "scaffold")
    for name in registry.names(slot)
]
# what a trainer that can do everything provides
EVERYTHING = registry.PROVIDES | {
    "entropy",
    "text",
    "rounds",
    "features",
    "bank",
    "hint",
    "demo",
    "rewrite",
    "refine",
    "weight",
    "probe",
    "token_logp",
    "token_advantage",
    "anchor",
}
PROBLEMS = generate("lists", n=SIZE, level=range(1, 6))


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


# -- beliefs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BELIEFS)
@in_turn("kind", BATCHES)
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
    columns = ("source", "floor", "family", "level", "features", "difficulty", "discrimination")
    turned = {column: getattr(POOL, column)[order] for column in columns}
    other = batch_of(batch.reward, batch.group, problem=place[batch.problem])
    plain = believed(record, options, POOL, batch)
    found = believed(record, options, Pool(sources=POOL.sources, **turned), other)
    np.testing.assert_allclose(found.alpha, plain.alpha[order])
    np.testing.assert_allclose(found.beta, plain.beta[order])


def believed(record, options, pool, *seen):
    """The belief after some batches."""
    state = record.init(pool, **options)
    for batch in seen:
        state = record.observe(state, batch, **options)
    return record.suggest(state, pool, **options)


@pytest.mark.parametrize("name", BELIEFS)
def test_belief_of_late_batches(name):
    record, options = registry.resolve("belief", registry.Use(name))
    rng = np.random.default_rng(5)
    problems = [rng.integers(0, SIZE, 12) for _ in range(5)]
    batches = [
        batch_of(rng.integers(0, 2, 12), at, problem=at, step=step)
        for step, at in enumerate(problems)
    ]
    plain = believed(record, options, POOL, *batches)
    for late in ([1, 0, 3, 2, 4], [4, 3, 2, 1, 0]):
        found = believed(record, options, POOL, *(batches[i] for i in late))
        if "order" in record.invariances:
            np.testing.assert_allclose(found.alpha, plain.alpha)
            np.testing.assert_allclose(found.beta, plain.beta)
        elif late[0] == 1:  # a step late matters less than what is not known anyway
            total = plain.alpha + plain.beta
            mean, sd = plain.alpha / total, np.sqrt(plain.alpha * plain.beta / (total + 1)) / total
            assert (np.abs(found.alpha / (found.alpha + found.beta) - mean) <= sd).all()


@pytest.mark.parametrize("name", BELIEFS)
def test_belief_of_masked_attempts_and_of_none_is_as_before(name):
    record, options = registry.resolve("belief", registry.Use(name))
    first = BATCHES["ragged"]
    nothing = dataclasses.replace(BATCHES["shuffled"], mask=np.zeros(60, bool))
    plain = believed(record, options, POOL, first)
    for other in (nothing, BATCHES["none"]):
        found = believed(record, options, POOL, first, other)
        assert found.alpha.tolist() == plain.alpha.tolist()
        assert found.beta.tolist() == plain.beta.tolist()


@pytest.mark.parametrize("name", BELIEFS)
def test_belief_moves_towards_what_was_seen(name):
    record, options = registry.resolve("belief", registry.Use(name))
    if "permutation" not in record.invariances:
        pytest.skip("not promised: it is told rates")
    tried = np.repeat(np.arange(10), 8)
    mean = []
    for reward in (np.zeros(80), np.tile([0, 1], 40), np.ones(80)):
        found = believed(record, options, POOL, batch_of(reward, tried))
        mean.append((found.alpha / (found.alpha + found.beta))[:10])
    assert (mean[0] < mean[1]).all()
    assert (mean[1] < mean[2]).all()


# -- samplers and budgets ---------------------------------------------------------------------


def beliefs():
    draw = lambda rng, m: np.zeros((m, SIZE))  # noqa: E731
    yield "fresh", Belief(np.full(SIZE, 0.5), np.full(SIZE, 0.5), draw)
    yield "known", Belief(RATE * 1e12, (1 - RATE) * 1e12, draw)
    yield "all wrong", Belief(np.full(SIZE, 1e-9), np.full(SIZE, 1e9), draw)
    yield "all right", Belief(np.full(SIZE, 1e9), np.full(SIZE, 1e-9), draw)


@pytest.mark.parametrize("name", SAMPLERS)
@in_turn("prompts", [1, 7, SIZE, 4 * SIZE])
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


@pytest.mark.parametrize("kind", ["fresh", "known"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_propensity_is_the_expected_number_of_draws(name, kind):
    record, options = registry.resolve("sampler", registry.Use(name))
    assert "propensity" in record.invariances
    state, rng = record.init(POOL, **options), np.random.default_rng(0)
    for batch in ("shuffled", "ragged", "masked"):
        state = record.observe(state, BATCHES[batch], **options)
    belief = dict(beliefs())[kind]
    count, said, times = np.zeros(SIZE), np.full(SIZE, np.nan), 1000
    for time in range(times):
        # a sweep's draws are expected over its orders, the others' from where they are
        drawn = 6 * time if "sweep" in record.invariances else 12
        ask = Ask(POOL, belief, None, None, 6, 100, 0, drawn=drawn, seed=1)
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
@pytest.mark.parametrize("budget", EXACT)
def test_totals_are_exact(budget, sampler):
    draw, draw_options = registry.resolve("sampler", registry.Use(sampler))
    record, options = registry.resolve("budget", registry.Use(budget))
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


@pytest.mark.parametrize("outcome", ["wrong", "right", "any", "masked"])
@pytest.mark.parametrize("name", sorted(set(BUDGETS) - set(EXACT)))
def test_rounds_never_spend_more_than_a_step_has(name, outcome):
    base = dataclasses.replace(registry.get("grpo"), max_rounds=4)
    record = registry.entry("budget", name)
    promised = record.invariances
    assert "within_total" in promised
    assert "rounds" in record.needs
    rng = np.random.default_rng(0)
    cases = ((1, 1), (1, 90), (7, 3), (7, 13), (5, 200), (SIZE, 8 * SIZE + 5), (99, 61))
    for prompts, rollouts in cases:
        cur = Curriculum(range(SIZE), base, source=POOL, provides=EVERYTHING, budget=name)
        if rollouts < record.options.get(record.least, 1):  # less than a group is refused
            with pytest.raises(ArgumentError, match=f"`{record.least}`"):
                cur.suggest(prompts, rollouts=rollouts)
            continue
        plan, left, labels = cur.suggest(prompts, rollouts=rollouts), rollouts, {}
        while plan is not None:
            left -= plan.n.sum()
            assert left >= 0
            assert (plan.n > 0).all()
            for label, problem in zip(plan.group.tolist(), plan.problem.tolist(), strict=True):
                assert labels.setdefault(label, problem) == problem
            reward = {"wrong": 0.0, "right": 1.0}.get(outcome, rng.random(plan.n.sum()) < 0.4)
            mask = rng.random(plan.n.sum()) < (0.3 if outcome == "masked" else 2)
            batch = cur.observe(plan, np.zeros(plan.n.sum()) + reward, mask=mask)
            plan = cur.more(batch)
        if "spends_all" in promised:
            assert left == 0


@pytest.mark.parametrize("name", BUDGETS)
def test_a_budget_of_one_round_spends_exactly_what_it_has(name):
    record, options = registry.resolve("budget", registry.Use(name))
    rng = np.random.default_rng(0)
    for _, belief in beliefs():
        for prompts, left in ((1, 1), (7, 3), (7, 13), (SIZE, 8 * SIZE + 5), (99, 61)):
            ask = Ask(POOL, belief, None, None, prompts, left, 0)
            wanted = record.want((), ask, **options)
            assert 0 < wanted <= prompts
            rows = plans.rows(
                np.arange(min(wanted, SIZE)),
                step=0,
                propensity=np.ones(min(wanted, SIZE)),
                why=np.full(min(wanted, SIZE), "x"),
            )
            plan = record.suggest((), dataclasses.replace(ask, plan=rows), rng, **options)
            assert plan.n.sum() == left
            assert (plan.n > 0).all()


# -- the conversation -------------------------------------------------------------------------


def answer(plan):
    """Outcomes that depend on the plan alone, so that two runs get the same."""
    rng = np.random.default_rng([9, plan.step, plan.round])
    return (rng.random(plan.n.sum()) < RATE[np.repeat(plan.problem, plan.n)]).astype(float)


def said_of(plan):
    columns = (plan.problem, plan.n, plan.group, plan.role, plan.hint, plan.propensity)
    return plan.step, plan.round, *(column.tolist() for column in columns)


def talk(cur, steps, lag, waiting, left=None):
    """Steps of 37 attempts, each answered `lag` suggestions late, with all their rounds."""
    said, left = [], {} if left is None else left
    for _ in range(steps):
        plan = cur.suggest(5, rollouts=37)
        left[plan.step] = 37
        waiting.append(plan)
        said.append(said_of(plan))
        if len(waiting) > lag:
            late = waiting.pop(0)
            batch = cur.observe(late, answer(late), **columns_of(late.n.sum()))
            left[late.step] -= late.n.sum() + late.paid
            assert left[late.step] >= 0
            following = cur.more(batch)
            if following is None:
                assert cur.recipe.max_rounds > 1 or left[late.step] == 0
                cur.advantages(batch)
            else:
                assert (following.n > 0).all()
                said.append(said_of(following))
                waiting.insert(0, following)
    return said


@pytest.mark.parametrize(("slot", "name"), ALL)
@in_turn("lag", [0, 1, 3])
def test_saved_in_the_middle_it_goes_on_the_same(slot, name, lag, tmp_path):
    rounds = "rounds" in registry.entry(slot, name).needs
    base = dataclasses.replace(registry.get("gradatim"), max_rounds=4 if rounds else 1)

    def fresh():
        return Curriculum(PROBLEMS, base, 2, source=POOL, provides=EVERYTHING, **{slot: name})

    whole = talk(fresh(), 9, lag, [])
    first, left = fresh(), {}
    part = talk(first, 4, lag, [], left)
    first.save(tmp_path / "cur.npz")
    second = Curriculum.load(tmp_path / "cur.npz", PROBLEMS)
    part += talk(second, 5, lag, second.pending(), left)
    assert part == whole


def columns_of(batch_size):
    """What a trainer that measures everything brings."""
    even = np.linspace(0, 1, batch_size)
    tokens = {"token_logp": np.full(5 * batch_size, -0.5), "anchor": np.zeros(5 * batch_size, int)}
    return {"lengths": np.full(batch_size, 5), "logp": -even, "entropy": even, **tokens}


@pytest.mark.parametrize("name", registry.recipe_names())
@in_turn("outcome", [0.0, 1.0])
def test_recipes_survive_all_right_and_all_wrong(name, outcome):
    cur = Curriculum(PROBLEMS, name, source=POOL, provides=EVERYTHING)
    promise = registry.entry("advantage", cur.recipe.advantage.name).invariances
    for _ in range(15):
        plan = cur.suggest(6, rollouts=48)
        while plan is not None:
            size = plan.n.sum()
            batch = cur.observe(plan, np.full(size, outcome), **columns_of(size))
            plan = cur.more(batch)
        value, keep = cur.advantages(batch)
        assert np.isfinite(value).all()
        if "silent" in promise and cur.recipe.scaffold.name == "none":
            assert not value.any()
            assert not keep.any()
    assert cur.metrics()["spent"] == cur.metrics()["asked"] <= 15 * 48
    assert cur.metrics()["total_mixed_share"] == 0
