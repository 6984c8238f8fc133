"""Slots and numbers: NaN is refused, float32 gives what float64 gives; and the suite can fail.

The last part plants an entry that breaks its promise, one of each kind, and shows that the
conformance tests catch it.
"""

import dataclasses

import numpy as np
import pytest
import test_conformance_advantages as advantages
import test_conformance_slots as slots
from test_conformance_slots import BATCHES, BELIEFS, BUDGETS, EVERYTHING, POOL, SAMPLERS, SIZE

from gradatim.errors import ArgumentError
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import Ask, Belief, Slot

NAMED = [("belief", n) for n in BELIEFS] + [("sampler", n) for n in SAMPLERS]
NAMED += [("budget", n) for n in BUDGETS]


def curriculum(slot, name):
    return Curriculum(range(SIZE), "grpo", source=POOL, provides=EVERYTHING, **{slot: name})


# -- NaN ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize(("slot", "name"), NAMED)
def test_a_belief_that_is_no_number_is_refused(slot, name, bad, monkeypatch):
    cur = curriculum(slot, name)
    alpha = np.where(np.arange(SIZE) == 3, bad, 1.0)
    broken = Belief(alpha, np.ones(SIZE), lambda rng, m: np.full((m, SIZE), 0.5))
    monkeypatch.setattr(cur, "belief", lambda: broken)
    with pytest.raises(ArgumentError, match="`alpha` must lie in"):
        cur.suggest(7, rollouts=100)


@pytest.mark.parametrize(("slot", "name"), NAMED)
def test_rewards_that_are_no_number_are_refused_unless_masked(slot, name):
    cur = curriculum(slot, name)
    plan = cur.suggest(7, rollouts=64)
    size = int(plan.n.sum())
    reward = np.where(np.arange(size) == 2, np.nan, 1.0)
    more = {"logp": np.zeros(size), "logp_now": np.zeros(size)}
    with pytest.raises(ArgumentError, match="`rewards` must be finite"):
        cur.observe(plan, reward, **more)
    cur.observe(plan, reward, mask=np.isfinite(reward), **more)
    assert np.isfinite(cur.belief().alpha + cur.belief().beta).all()


# -- float32 --------------------------------------------------------------------------------------


def single(belief):
    alpha, beta = (x.astype(np.float32) for x in (belief.alpha, belief.beta))
    return Belief(alpha, beta, lambda rng, m: belief.draw(rng, m).astype(np.float32))


def usual():
    alpha, beta = 1 + 7 * slots.RATE, 8 - 7 * slots.RATE  # no draw: in order of the rates
    return Belief(alpha, beta, lambda rng, m: rng.beta(alpha, beta, (m, SIZE)))


@pytest.mark.parametrize("name", BELIEFS)
def test_float32_rewards_give_the_same_belief(name):
    record, options = registry.resolve("belief", registry.Use(name))
    for batch in BATCHES.values():
        small = dataclasses.replace(batch, reward=batch.reward.astype(np.float32))
        one, other = (slots.believed(record, options, POOL, b) for b in (batch, small))
        np.testing.assert_allclose(other.alpha, one.alpha, rtol=1e-5)
        np.testing.assert_allclose(other.beta, one.beta, rtol=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_float32_beliefs_draw_the_same_problems(name):
    record, options = registry.resolve("sampler", registry.Use(name))
    plans = []
    for belief in (usual(), single(usual())):
        state = record.init(POOL, **options)
        state = record.observe(state, BATCHES["ragged"], **options)
        ask = Ask(POOL, belief, None, None, 7, 100, 1, drawn=13, seed=4)
        plans.append(record.suggest(state, ask, np.random.default_rng(0), **options))
    one, other = plans
    assert other.problem.tolist() == one.problem.tolist()
    np.testing.assert_allclose(other.propensity, one.propensity, rtol=1e-4)


@pytest.mark.parametrize("name", BUDGETS)
def test_float32_beliefs_give_the_same_attempts(name, monkeypatch):
    plans = []
    for belief in (usual(), single(usual())):
        cur = curriculum("budget", name)
        monkeypatch.setattr(cur, "belief", lambda belief=belief: belief)
        plans.append(cur.suggest(12, rollouts=150))
    one, other = plans
    assert other.n.sum() == one.n.sum()
    assert np.abs(other.n - one.n).max() <= 1  # a tie may be cut the other way


# -- planted violators: S183, tests that are themselves tested -----------------------------------


def plant(monkeypatch, slot, name, **changes):
    """The entry with some functions replaced, wherever the registry is asked for it."""
    true = registry.entry
    broken = dataclasses.replace(true(slot, name), **changes)

    def entry(where: str, what: str) -> Slot:
        return broken if (where, what) == (slot, name) else true(where, what)

    monkeypatch.setattr(registry, "entry", entry)
    return broken


def caught(test, *given):
    """Whether a conformance test fails on the planted entry."""
    test = getattr(test, "__wrapped__", test)
    try:
        test(*given)
    except AssertionError:
        return True
    return False


def test_s183_a_belief_that_writes_in_place_is_caught(monkeypatch):
    true = registry.entry("belief", "counts")

    def observe(state, batch, **options):
        state[0][:] += 1.0
        return true.observe(state, batch, **options)

    assert not caught(slots.test_belief_contract, "counts", "ragged")
    plant(monkeypatch, "belief", "counts", observe=observe)
    assert caught(slots.test_belief_contract, "counts", "ragged")


def test_s183_a_sampler_that_lies_about_propensity_is_caught(monkeypatch):
    true = registry.entry("sampler", "window")

    def suggest(state, ask, rng, **options):
        plan = true.suggest(state, ask, rng, **options)
        return dataclasses.replace(plan, propensity=0.5 * plan.propensity)

    given = ("window", "known")
    assert not caught(slots.test_propensity_is_the_expected_number_of_draws, *given)
    plant(monkeypatch, "sampler", "window", suggest=suggest)
    assert caught(slots.test_propensity_is_the_expected_number_of_draws, *given)


def test_s183_a_budget_that_spends_one_more_is_caught(monkeypatch):
    true = registry.entry("budget", "equal")

    def suggest(state, ask, rng, **options):
        plan = true.suggest(state, ask, rng, **options)
        return dataclasses.replace(plan, n=plan.n + (np.arange(len(plan.n)) == 0))

    assert not caught(slots.test_totals_are_exact, "equal", "uniform")
    plant(monkeypatch, "budget", "equal", suggest=suggest)
    assert caught(slots.test_totals_are_exact, "equal", "uniform")


@pytest.mark.parametrize(
    ("test", "given"),
    [
        ("test_an_offset_changes_nothing", ("grpo", "ragged")),
        ("test_sums_are_zero", ("zero_sum", "graded")),
        ("test_order_of_rows_and_names_of_groups_do_not_matter", ("grpo", "graded")),
    ],
)
def test_s183_an_advantage_without_its_promises_is_caught(test, given, monkeypatch):
    def suggest(batch, **options):  # no baseline, and the first row is favoured
        return batch.reward + (np.arange(len(batch.reward)) == 0), batch.mask

    assert not caught(getattr(advantages, test), *given)
    plant(monkeypatch, "advantage", "grpo", suggest=suggest)
    assert caught(getattr(advantages, test), *given)


def test_s183_an_objective_that_looks_at_the_order_of_rows_is_caught(monkeypatch):
    pytest.importorskip("torch")
    import test_conformance_objectives as objectives

    true = registry.entry("objective", "clip")

    def skewed(tokens, advantage, scale, **options):
        first = advantage.clone()
        first[:1] = 3.0 * first[:1] + 1.0
        return true.suggest(tokens, first, scale, **options)

    given = ("clip", {})
    assert not caught(objectives.test_order_of_rows_does_not_matter, *given)
    plant(monkeypatch, "objective", "clip", suggest=skewed)
    assert caught(objectives.test_order_of_rows_does_not_matter, *given)
