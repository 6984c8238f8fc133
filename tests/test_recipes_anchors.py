"""Anchors: probed, paid for, never learned from; and the scale that they hold."""

import dataclasses

import numpy as np
import pytest
from scipy import special
from test_conformance_slots import ALL, EVERYTHING, columns_of

from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.recipes import anchors, pools, registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import Pool

PROBE = anchors.PROBE
PROBLEMS = generate("lists", n=36, level=range(1, 7))
AT = [0, 7, 14, 21, 28, 35]
RATE = np.linspace(0.05, 0.95, 36)


def whole(at=AT, size=36):
    """A pool that tells everything, with anchors."""
    plain = pools.pool(PROBLEMS[:size], features=True)
    known = dataclasses.replace(
        plain, difficulty=np.linspace(2, -2, size), discrimination=np.ones(size)
    )
    return anchors.mark(known, at)


def curriculum(recipe="grpo", *, pool=None, seed=3, **changes):
    pool = whole() if pool is None else pool
    return Curriculum(PROBLEMS, recipe, seed, source=pool, provides=EVERYTHING, **changes)


def answer(plan, at=None):
    """Outcomes by problem and place in the plan's own rows, the same with anchors and without."""
    rng = np.random.default_rng([9, plan.step, plan.round])
    problem = np.repeat(plan.problem, plan.n)
    rate = RATE[problem if at is None else at[problem]]
    return (rng.random(len(rate)) < rate).astype(float)


def not_on_anchors(plan):
    """Rows of the slots: a probe with a parent continues a reply."""
    return (plan.role != PROBE) | (plan.parent >= 0)


# -- never learned from -------------------------------------------------------------------------


# scaffold "probe" orders all attempts of a step at random: as if there were none in law only
ALIKE = [pair for pair in ALL if pair[0] != "belief" and pair != ("scaffold", "probe")]


@pytest.mark.parametrize(("slot", "name"), ALIKE)
def test_slots_choose_as_if_there_were_no_anchors(slot, name):
    rounds = "rounds" in registry.entry(slot, name).needs
    base = dataclasses.replace(
        registry.adapt(registry.get("grpo"), {slot: name}), max_rounds=3 if rounds else 1
    )
    view = anchors.view(whole(), PROBLEMS)
    both = Curriculum(PROBLEMS, base, 3, source=whole(), provides=EVERYTHING, probes=0.1)
    plain = Curriculum(view.problems, base, 3, source=view.pool, provides=EVERYTHING)
    spent = 0
    for _ in range(6):
        plan = both.suggest(5, rollouts=37)
        mine = not_on_anchors(plan)
        other = plain.suggest(5, rollouts=37 - int(plan.n[~mine].sum()))
        while True:
            mine = not_on_anchors(plan)
            assert set(plan.problem[~mine]) <= set(AT)
            assert not set(plan.problem[mine]) & set(AT)
            assert plan.problem[mine].tolist() == view.at[other.problem].tolist()
            for column in ("n", "role", "hint", "propensity", "why"):
                assert getattr(plan, column)[mine].tolist() == getattr(other, column).tolist()
            # later rounds count the probes' groups and attempts too
            groups = [np.unique(g, return_inverse=True)[1] for g in (plan.group[mine], other.group)]
            assert groups[0].tolist() == groups[1].tolist()
            spent += int(plan.n.sum())
            # rows of probes stand last, so the others have the same outcomes
            batch = both.observe(plan, answer(plan), **columns_of(plan.n.sum()))
            last = plain.observe(other, answer(other, view.at), **columns_of(other.n.sum()))
            plan, other = both.more(batch), plain.more(last)
            assert (plan is None) == (other is None)
            if plan is None:
                break
        assert both.advantages(batch)[0][batch.mask].tolist() == plain.advantages(last)[0].tolist()
    assert both.metrics()["spent"] == both.metrics()["asked"] == spent
    assert both.metrics()["mixed_share"] == plain.metrics()["mixed_share"]
    assert both.metrics()["pass_rate"] == plain.metrics()["pass_rate"]


@pytest.mark.parametrize("name", ["gradatim", "grpo", "ngrpo", "nsr", "reinforce_pp"])
def test_probes_have_no_advantage_and_feed_the_belief(name):
    cur = curriculum(name, probes=0.3)
    plan = cur.suggest(4, rollouts=40)
    probe = np.repeat(plan.role == PROBE, plan.n)
    assert probe.sum() == 12
    before = cur.belief()
    batch = cur.observe(plan, np.where(probe, 1.0, 0.0), lengths=np.full(40, 5))
    value, keep = cur.advantages(batch)
    assert not value[probe].any()
    assert not keep[probe].any()
    assert batch.mask.tolist() == (~probe).tolist()
    assert batch.solved[probe].all()  # recorded all the same
    after = cur.belief()
    assert (after.alpha / after.beta)[AT].min() > (before.alpha / before.beta)[AT].max()
    found = cur.metrics()
    assert found["pass_rate"] == 0
    assert (found["asked"], found["spent"], found["probed"]) == (40, 40, 12)
    assert found["anchor_pass_rate"] > 0.6


def test_a_masked_probe_is_paid_and_not_believed():
    cur = curriculum(probes=0.5)
    plan = cur.suggest(2, rollouts=12)
    reward = np.where(np.repeat(plan.role == PROBE, plan.n), np.nan, 0.0)
    before = cur.belief().alpha[AT].tolist()
    cur.observe(plan, reward, mask=np.isfinite(reward))
    assert cur.belief().alpha[AT].tolist() == before
    assert cur.metrics()["spent"] == 12


# -- paid for -----------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["grpo", "gradatim", "dapo", "xrpo"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.37, 0.9])
def test_the_share_of_probes_is_exact_over_the_run(recipe, share):
    cur = curriculum(recipe, probes=share)
    asked = spent = probed = 0
    for step in range(20):
        rollouts = 8 + 7 * (step % 5)
        plan, left = cur.suggest(4, rollouts=rollouts), rollouts
        owed = min(max(int(share * (asked + rollouts) + 1e-9) - probed, 0), rollouts - 1)
        expected = probed + owed
        while plan is not None:
            left -= int(plan.n.sum())
            asked += int(plan.n.sum())
            probed += int(plan.n[plan.role == PROBE].sum())
            assert left >= 0
            assert (plan.n > 0).all()
            assert (plan.role != PROBE).any() or plan.round
            assert len(set(plan.group.tolist())) == len(set(plan.group[plan.role != PROBE])) + sum(
                plan.role == PROBE
            )
            batch = cur.observe(plan, answer(plan))
            plan = cur.more(batch)
        if cur.recipe.max_rounds == 1:
            assert left == 0
        assert probed == expected
        spent += len(batch.reward)
    found = cur.metrics()
    assert (found["asked"], found["spent"], found["probed"]) == (asked, spent, probed)
    assert asked == spent


def test_every_anchor_is_probed_before_any_again():
    cur = curriculum(probes=0.25)
    times, orders = np.zeros(36, int), []
    for _ in range(24):
        plan = cur.suggest(3, rollouts=16)
        rows = plan.role == PROBE
        assert plan.n[rows].sum() == 4
        assert plan.propensity[rows] == pytest.approx(4 / len(AT))
        assert set(plan.why[rows]) == {"anchor"}
        np.add.at(times, plan.problem[rows], plan.n[rows])
        orders.append(plan.problem[rows].tolist())
        assert np.ptp(times[AT]) <= 1
        cur.observe(plan, answer(plan))
    assert times[AT].tolist() == [16] * 6
    assert len({tuple(order) for order in orders}) > 6  # sweeps differ


def test_saved_in_the_middle_it_goes_on_the_same(tmp_path):
    def talk(cur, steps):
        said = []
        for _ in range(steps):
            plan = cur.suggest(4, rollouts=21)
            columns = (plan.problem, plan.n, plan.role, plan.group, plan.propensity)
            said.append([column.tolist() for column in columns])
            cur.observe(plan, answer(plan))
        return said

    recipe = registry.adapt(registry.get("gradatim"), {"belief": "irt"})
    every = talk(curriculum(recipe, probes=0.2), 9)
    first = curriculum(recipe, probes=0.2)
    part = talk(first, 4)
    waiting = first.suggest(4, rollouts=21)
    first.save(tmp_path / "cur.npz")
    again = Curriculum.load(tmp_path / "cur.npz", PROBLEMS)
    assert again.pool.anchors.nonzero()[0].tolist() == AT
    (known,) = again.pending()
    again.observe(known, answer(known))
    assert [*part, [c.tolist() for c in (waiting.problem, waiting.n)]][4][0] == every[4][0]
    assert part + every[4:5] + talk(again, 4) == every
    assert again.metrics()["probed"] == int(0.2 * 9 * 21)


# -- mistakes -----------------------------------------------------------------------------------


def test_mistakes_are_named():
    with pytest.raises(ArgumentError, match=r"`anchors` must lie in \[0, 35\], got 36"):
        Curriculum(PROBLEMS, "grpo", anchors=[36])
    with pytest.raises(ArgumentError, match="`anchors` must hold indices of problems, got bool"):
        Curriculum(PROBLEMS, "grpo", anchors=np.ones(36, bool))
    with pytest.raises(ArgumentError, match="all 36 problems are anchors: there is nothing to"):
        Curriculum(PROBLEMS, "grpo", anchors=range(36))
    with pytest.raises(ArgumentError, match=r"`probes` must lie in \[0, 0.9\]"):
        Curriculum(PROBLEMS, "grpo", anchors=[1], probes=1.0)
    with pytest.raises(ArgumentError, match=r"hold the scale of belief 'irt'.*give `bank=`"):
        Curriculum(PROBLEMS, "gradatim", belief="irt", anchors=[1])
    cur = Curriculum(PROBLEMS, "grpo", anchors=[1, 1])
    plan = cur.suggest(36, rollouts=200)
    assert 1 not in plan.problem[plan.role == 0]
    none = Curriculum(PROBLEMS, "grpo", anchors=[], probes=0.5)
    assert (none.suggest(4, rollouts=16).role == 0).all()
    assert "anchor_pass_rate" not in none.metrics()


# -- the scale ----------------------------------------------------------------------------------


def grown(seed, *, marked):
    """Metrics early and late of a learner that gains 1.2 logits on all problems, more slowly with
    time, and as much again on those it is trained on; and its true gains at these two times."""
    rng = np.random.default_rng(seed)
    size, steps = 160, 36
    difficulty = rng.normal(0, 1.2, size)
    pool = Pool(
        source=np.zeros(size, int),
        sources=("all",),
        floor=np.zeros(size),
        difficulty=difficulty,
        discrimination=np.ones(size),
    )
    at = rng.permutation(size)[:50]
    recipe = registry.adapt(registry.get("grpo"), {"belief": "irt"})
    kept = {"anchors": at, "probes": 0.15} if marked else {}
    cur = Curriculum(range(size), recipe, seed, source=pool, **kept)
    held = np.isin(np.arange(size), at) & marked
    start, gained = None, 1.2 * (1 - np.exp(-np.arange(steps) / 8))
    for step in range(steps):
        plan = cur.suggest(16, rollouts=128)
        problem = np.repeat(plan.problem, plan.n)
        logit = gained[step] * np.where(held, 1, 2)[problem] - difficulty[problem]
        cur.observe(plan, (rng.random(128) < special.expit(logit)).astype(float))
        start = cur.metrics() if step == 3 else start
    return start, cur.metrics(), gained[[3, -1]]


def test_with_anchors_growth_of_ability_is_told_from_drift_of_items():
    right, drifts, values = [], [], []
    for seed in range(10):
        start, end, (early, late) = grown(seed, marked=True)
        right.append(end["ability_low"] < late < end["ability_high"])
        drifts.append(end["drift_low"] < late < end["drift_high"])
        values.append(end["ability"])
        # growth since an early step, with the errors of both ends
        half = np.hypot(*(m["ability_high"] - m["ability"] for m in (start, end)))
        right.append(abs(end["ability"] - start["ability"] - (late - early)) < half)
        assert end["ability_high"] - end["ability_low"] < 0.8
        assert end["drift_high"] - end["drift_low"] < 0.8
        assert end["anchors_moved"] == 0
    assert np.mean(right) >= 0.9
    assert np.mean(drifts) >= 0.9
    assert np.mean(values) == pytest.approx(late, abs=0.15)


def test_without_anchors_drift_of_items_passes_for_ability():
    for seed in range(3):
        _, end, (_, late) = grown(seed, marked=False)
        assert end["ability_low"] > 1.3 * late
        assert "drift" not in end
        assert "anchor_pass_rate" not in end
