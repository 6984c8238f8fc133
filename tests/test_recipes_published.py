"""Every published recipe: its card's hand number, and what it is there for, seen at work.

Which of them count, and by which tests, test_recipes_counted.py says.
"""

import numpy as np
import pytest

from gradatim.engine import arms
from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import ROLES

PROVIDES = {"logp", "entropy", "rounds", "hint", "demo", "rewrite", "text"}
PROVIDES |= {"probe", "token_logp", "token_advantage", "anchor"}
PROBLEMS = generate("lists", n=60, level=range(1, 11))
LEVEL = np.array([p.level for p in PROBLEMS])
RATE = 1 / (1 + np.exp(0.9 * (LEVEL - 4.0)))  # level 4 is solved half of the time


def curriculum(name, problems=PROBLEMS, **changes):
    return Curriculum(problems, name, 3, provides=PROVIDES, **changes)


def one_of_eight(name, right=1, lengths=(5,) * 8, **columns):
    """Advantages of a group of eight of which the first `right` attempts succeed."""
    cur = curriculum(name, PROBLEMS[:1], budget="equal", scaffold="none")
    plan = cur.suggest(1, rollouts=8)
    usual = {"logp": np.full(8, -5.0), "entropy": np.linspace(0.1, 0.8, 8)}
    rewards = (np.arange(8) < right).astype(float)
    batch = cur.observe(plan, rewards, lengths=np.array(lengths), **{**usual, **columns})
    return cur.advantages(batch)[0]


# -- hand numbers of one group: (the right attempt, a wrong one), 1 of 8 right --------------------

HAND = {
    "grpo": (2.4749, -0.3536),
    "dr_grpo": (0.875, -0.125),
    "rloo": (1.0, -0.1429),
    "opo": (0.875, -0.125),  # equal lengths: the plain mean
    "reinforce_pp": (2.6458, -0.3780),  # over the deviation of the batch, with n
    "gspo": (2.4749, -0.3536),
    "clip_cov": (2.4749, -0.3536),
    "kl_cov": (2.4749, -0.3536),
    "ngrpo": (1.7638, -0.5040),
    "w_reinforce": (0.1, -1.0),
    "nsr": (0.0, -1.0),
    "psr": (1.0, 0.0),
    "pass_k": (1.0, 0.0),
    "relative_negative": (0.0, -0.3536),
    "hpt": (0.875, -0.125),
}


@pytest.mark.parametrize("name", HAND)
def test_one_right_of_eight(name):
    value = one_of_eight(name)
    right, wrong = HAND[name]
    assert value[0] == pytest.approx(right, abs=2e-4)
    assert value[1:] == pytest.approx(np.full(7, wrong), abs=2e-4)


def test_all_wrong_groups_teach_where_the_method_says_so():
    assert one_of_eight("ngrpo", right=0) == pytest.approx(
        np.full(8, -1 / 3), rel=1e-5
    )  # -1 / sqrt(G + 1), and the epsilon of the deviation
    assert one_of_eight("nsr", right=0) == pytest.approx(np.full(8, -1.0))
    assert one_of_eight("w_reinforce", right=0) == pytest.approx(np.full(8, -1.0))
    for name in ("grpo", "dr_grpo", "rloo", "pass_k", "psr", "canon_entropy", "xrpo"):
        assert not one_of_eight(name, right=0).any(), name
    for name in ("ngrpo", "nsr", "grpo"):
        assert not one_of_eight(name, right=8).any(), name


def test_opo_weighs_the_baseline_by_length():
    # baseline = sum of lengths of the right / all lengths = 15 / 50
    value = one_of_eight("opo", lengths=(15, *(5,) * 7))
    assert value[0] == pytest.approx(0.7)
    assert value[1] == pytest.approx(-0.3)


def test_canon_compares_the_halves():
    # the right attempt is among the four of lowest entropy (or shortest): its half has mean 1/4
    value = one_of_eight("canon_entropy")
    assert value[0] == pytest.approx(1.0)  # against the other half's mean, 0
    assert value[1:4] == pytest.approx(np.zeros(3))
    assert value[4:] == pytest.approx(np.full(4, -0.25))
    by_length = one_of_eight("canon_length", lengths=range(1, 9))
    assert by_length == pytest.approx(value)


def test_xrpo_raises_unlikely_right_replies():
    likely = one_of_eight("xrpo", right=2, logp=np.array([-1.0, -9, -5, -5, -5, -5, -5, -5]))
    plain = one_of_eight("grpo", right=2)
    assert likely[1] > plain[1] == pytest.approx(likely[0])
    assert likely[1] <= 1.5 * plain[1] + 1e-9
    assert likely[2:] == pytest.approx(plain[2:])


# -- credit inside replies ------------------------------------------------------------------------


def tokens_of(name, again, **changes):
    """(attempt, token) advantage of two replies of 4 tokens, one right and one wrong.

    Each is cut before its third token only, and continued four times: `again` says how many of the
    four succeed, for either reply.
    """
    scaffold = {"below": 0.9, "every": 1, "n": 4, "share": 0.8}
    cur = curriculum(name, PROBLEMS[:1], scaffold=scaffold, **changes)
    plan = cur.suggest(1, rollouts=10)
    assert plan.n.tolist() == [2]
    unsure = np.log(np.tile([1.0, 0.95, 0.5, 1.0], 2))
    told = {"lengths": np.array([4, 4]), "token_logp": unsure}
    plan = cur.more(cur.observe(plan, [1, 0], **told))
    assert sorted(plan.parent.tolist()) == [0, 1]
    assert plan.cut.tolist() == [2, 2]
    assert plan.n.tolist() == [4, 4]
    right = np.concatenate([np.arange(4) < again[parent] for parent in plan.parent])
    told = {"lengths": np.full(8, 2), "token_logp": np.zeros(16)}
    batch = cur.observe(plan, right.astype(float), **told)
    assert cur.more(batch) is None
    assert cur.metrics()["spent"] == 10
    value, keep = cur.advantages(batch)
    assert not value[8:].any()  # probes are never learned from
    assert not keep[2:].any()
    return value[:8].reshape(2, 4)


def test_spo_telescopes_and_leaves_sure_tokens_out():
    # right: 0 (the other attempt) -> 3/4 -> 1; wrong: 1 -> 1/4 -> 0; only token 2 was unsure
    value = tokens_of("spo", (3, 1))
    assert value == pytest.approx(np.array([[0, 0, 0.25, 0], [0, 0, -0.25, 0]]))
    whole = tokens_of("spo", (3, 1), advantage={"confident": 1.0})
    assert whole == pytest.approx(
        np.array([[0.75, 0.75, 0.25, 0.25], [-0.75, -0.75, -0.25, -0.25]])
    )
    assert whole[:, [0, 2]].sum(1) == pytest.approx([1 - 0, 0 - 1])  # score - first value


def test_pav_adds_a_provers_progress_to_the_outcome():
    # +-1/2 from the group; best of 2 of 4: 3 right -> 1, 1 right -> 1/2; no value before the cut,
    # since one other attempt is no best of two
    value = tokens_of("pav", (3, 1), advantage={"alpha": 2.0, "best": 2})
    assert value == pytest.approx(np.array([[0.5, 0.5, 0.5, 0.5], [-0.5, -0.5, -1.5, -1.5]]))
    # a prover that always succeeds sees no progress in the right reply
    sure = tokens_of("pav", (4, 4), advantage={"alpha": 2.0, "best": 2})
    assert sure[0] == pytest.approx(np.full(4, 0.5))


def test_mrt_gives_nothing_where_going_on_changed_nothing():
    # reward - value of each block's start: 1 - 0, 1 - 1; 0 - 1, 0 - 1/4
    value = tokens_of("mrt", (4, 1))
    assert value == pytest.approx(np.array([[1, 1, 0, 0], [-1, -1, -0.25, -0.25]]))


def test_gigpo_compares_replies_that_wrote_the_same_so_far():
    cur = curriculum("gigpo", PROBLEMS[:1], advantage={"gamma": 1.0})
    plan = cur.suggest(1, rollouts=4)
    # two replies of two tokens begin alike, the other two each in their own way
    anchors = np.array([9, 1, 9, 1, 9, 2, 9, 3])
    batch = cur.observe(plan, [1, 0, 0, 0], lengths=np.full(4, 2), anchor=anchors)
    value, keep = cur.advantages(batch)
    # token 0: 3/4 + 3/4 and -1/4 - 1/4; token 1: +- 1/2 against the twin; alone: the group's part
    expected = [1.5, 1.25, -0.5, -0.75, -0.5, -0.25, -0.5, -0.25]
    assert value == pytest.approx(np.array(expected))
    assert keep.all()


@pytest.mark.parametrize("name", ["spo", "pav", "mrt"])
def test_probes_take_half_of_a_step_and_stay_in_it(name):
    cur, rng = curriculum(name), np.random.default_rng(0)
    for _ in range(6):
        plan, left = cur.suggest(12, rollouts=97), 97
        while plan is not None:
            left -= int(plan.n.sum())
            probe = plan.role == ROLES.index("probe")
            assert (plan.n[probe] >= 4).all()
            assert ((plan.cut[probe] > 0) & (plan.cut[probe] < 6)).all()
            size = int(plan.n.sum())
            told = {"lengths": np.full(size, 6), "token_logp": np.full(6 * size, -0.7)}
            plan = cur.more(cur.observe(plan, rng.integers(0, 2, size), **told))
        assert left == 0


@pytest.mark.parametrize("name", ["spo", "pav", "mrt", "gigpo"])
def test_a_trainer_that_cannot_is_named_with_what_it_lacks(name):
    with pytest.raises(ArgumentError, match=rf"recipe '{name}': .* needs .*'(token_adv|probe)"):
        Curriculum(PROBLEMS, name, provides={"logp", "rounds"})
    lacking = {"logp", "rounds", "probe", "token_logp", "anchor"}
    with pytest.raises(ArgumentError, match=r"advantage '.*' needs 'token_advantage'"):
        Curriculum(PROBLEMS, name, provides=lacking)
    if name != "gigpo":  # without the scaffold nobody brings values, unless the trainer does
        have = {*lacking, "token_advantage"}
        with pytest.raises(ArgumentError, match="needs 'prefix_value'"):
            Curriculum(PROBLEMS, name, provides=have, scaffold="none")
        Curriculum(PROBLEMS, name, provides=have | {"prefix_value"}, scaffold="none")


# -- what choosing recipes are there for, on a learner that stands still --------------------------


def run(name, steps=40, prompts=12, rollouts=96, **changes):
    """Levels of plain rollout rows in the last quarter of a run, each as often as drawn."""
    cur, rng = curriculum(name, **changes), np.random.default_rng(0)
    rows, attempts, posed = [], [], []
    for step in range(steps):
        plan = cur.suggest(prompts, rollouts=rollouts)
        while plan is not None:
            if step >= 3 * steps // 4:
                rows += LEVEL[plan.problem].tolist()
                attempts += plan.n.tolist()
                posed += list(zip(plan.role.tolist(), plan.hint.tolist(), strict=True))
            rate = RATE[np.repeat(plan.problem, plan.n)]
            hint = np.repeat(plan.hint, plan.n)
            rate = np.where(np.repeat(plan.role, plan.n) == ROLES.index("demo"), 1.0, rate)
            right = rng.random(len(rate)) < rate + (1 - rate) * hint
            n = len(rate)
            batch = cur.observe(
                plan,
                right.astype(float),
                lengths=np.full(n, 5),
                logp=np.full(n, -5.0),
                entropy=np.full(n, 0.5),
            )
            plan = cur.more(batch)
    return np.array(rows), np.array(attempts), posed, cur


def middle(levels):
    """Share of draws at the levels that are solved 14 to 86% of the time."""
    return np.isin(levels, (2, 3, 4, 5, 6)).mean()


@pytest.mark.parametrize("name", ["dump", "window", "thompson", "inverse_gap", "gradatim"])
def test_they_draw_where_the_outcome_is_open(name):
    assert middle(run("grpo")[0]) == pytest.approx(0.5, abs=0.08)
    # pairs: as many rows a step as the others draw, and as many attempts in all
    size = {"steps": 240, "rollouts": 24} if name == "gradatim" else {"steps": 60}
    assert middle(run(name, **size)[0]) > 0.62


def test_log_barrier_follows_the_best_sources():
    assert middle(run("log_barrier", steps=160)[0]) > 0.6


def test_knapsack_gives_attempts_to_the_open_and_hard():
    levels, n, _, _ = run("knapsack")
    mean = {level: n[levels == level].mean() for level in (1, 4, 5, 10)}
    assert mean[5] > 1.5 * mean[1]
    assert mean[5] > 1.2 * mean[10]


def test_dapo_replaces_groups_without_a_gradient():
    _, n, _, cur = run("dapo")
    assert set(n.tolist()) == {8}
    assert cur.metrics()["spent"] <= 40 * 96


def test_dart_tries_hard_problems_more_often():
    """Attempts on a prompt until enough are right: hard ones take more."""
    cur, rng = curriculum("dart"), np.random.default_rng(0)
    tried, drawn = np.zeros(11), np.zeros(11)
    for _ in range(30):
        plan, seen = cur.suggest(8, rollouts=160), set()
        while plan is not None:
            np.add.at(tried, LEVEL[plan.problem], plan.n)
            fresh = [i for i, g in enumerate(plan.group.tolist()) if g not in seen]
            np.add.at(drawn, LEVEL[plan.problem[fresh]], 1)
            seen |= set(plan.group.tolist())
            right = rng.random(plan.n.sum()) < RATE[np.repeat(plan.problem, plan.n)]
            plan = cur.more(cur.observe(plan, right.astype(float)))
    each = tried / np.maximum(drawn, 1)
    assert each[7:].mean() > 1.5 * each[1:3].mean()


def test_xrpo_gives_attempts_to_what_is_uncertain():
    cur, rng = curriculum("xrpo"), np.random.default_rng(0)
    first, later = [], []
    for _ in range(150):
        plan = cur.suggest(8, rollouts=128)
        while plan is not None:
            (later if plan.round else first).extend(np.repeat(LEVEL[plan.problem], plan.n).tolist())
            size = plan.n.sum()
            right = rng.random(size) < RATE[np.repeat(plan.problem, plan.n)]
            plan = cur.more(cur.observe(plan, right.astype(float), logp=np.full(size, -5.0)))
    assert middle(np.array(later)) > middle(np.array(first)) + 0.02


def test_curricula_go_up_and_stop_where_they_should():
    hard = run("saturn", steps=80)[0]
    assert set(hard.tolist()) <= {2, 3, 4}  # level 3 is solved 71% of the time, below .75
    mastered = run("mastery", steps=80)[0]
    assert mastered.max() <= 4
    assert mastered.min() == 1  # review


def test_a_domain_is_upsampled_at_the_end():
    sources = tuple(f"lists:10:{task}" for task in ("reverse", "select", "sort"))
    domain = {"sampler": ("upsample", {"domain": sources, "share": 0.4})}
    late = run("grpo", steps=40, total=40 * 96, **domain)[0]
    assert (late == 10).mean() > 0.3  # .1 until the last fifth, .4 in it


def test_adcl_orders_blocks_from_easy_to_hard():
    cur, rng = curriculum("adcl", sampler={"blocks": 1}), np.random.default_rng(0)
    levels = []
    for _ in range(20):  # four sweeps of five steps
        plan = cur.suggest(12, rollouts=96)
        levels.append(LEVEL[plan.problem].mean())
        cur.observe(plan, (rng.random(96) < RATE[np.repeat(plan.problem, plan.n)]).astype(float))
    last = np.array(levels[-5:])
    assert (np.diff(last) > 0).all()


def test_mpts_draws_the_risky_half_of_its_prompts():
    levels, *_ = run("mpts", steps=60)
    assert levels.mean() != pytest.approx(5.5, abs=0.15)


def test_seele_shows_hard_problems_more_of_the_solution():
    levels, _, posed, _ = run("seele", steps=80)
    hint = np.array([h for _, h in posed])
    hard, easy = hint[levels >= 8], hint[levels <= 2]
    assert hard.mean() > easy.mean() + 0.2


def test_clpo_rewrites_what_was_not_easy():
    levels, _, posed, _ = run("clpo")
    rewritten = np.array([role == ROLES.index("rewrite") for role, _ in posed])
    assert 0.2 < rewritten.mean() < 0.7
    assert levels[rewritten].mean() > levels[~rewritten].mean()


def test_hpt_shows_what_nobody_solved():
    levels, _, posed, _ = run("hpt")
    shown = np.array([role == ROLES.index("demo") for role, _ in posed])
    assert levels[shown].mean() > 6.5
    assert (levels[shown] >= 3).all()


def test_pudf_keeps_to_what_is_easy_enough():
    world = arms.world(400, families=1, seed=0)
    learner = arms.Simulated(
        world,
        arms.world(60, families=1, seed=1),
        registry.get("pudf"),
        seed=0,
        rollouts=8_000,
        settings={"rate": 0.0, "start": -1.2, "transfer": 0.0, "ramp": 1},
    )
    for _ in range(12):
        learner.advance(32, 256)
    plan = learner.curriculum.suggest(64, rollouts=512)
    assert world.pool.difficulty[plan.problem].max() < 0.0  # ability -1.2, and its error


# -- and all of them train ------------------------------------------------------------------------

# a writer of texts: test_recipes_writers.py; a bank: test_engine_train.py
APART = {"expo", "critique_grpo", "egsr", "pudf"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*registry.recipe_names()} - APART))
def test_it_trains_the_tiny_policy(name):
    """6,000 rollouts on easy problems raise the held-out pass rate, with every recipe."""
    pytest.importorskip("torch")
    problems, held = (
        generate("lists", n=200, level=range(1, 5), split=s) for s in ("train", "test")
    )
    settings = {"rate": 5e-4, "ramp": 5, "limit": 24, "passes": 1}
    from gradatim.engine.arms_tiny import Tiny

    arm = Tiny(
        problems, held, registry.get(name), start="start", seed=0, rollouts=6_000, settings=settings
    )
    before, spent = arm.survey(4, 0).mean(), 0
    while spent < 6_000:
        spent += arm.advance(32, 256).spent
    assert arm.survey(4, 1).mean() > before
