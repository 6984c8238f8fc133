"""What makes a recipe count: for each its hand number, and a test that sees it at work.

COUNTED is the whole rule: two tests of one's own a recipe, by file and name. `pytest -s` prints
how many there are.
"""

import ast
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from test_recipes_published import HAND, PROBLEMS, curriculum, one_of_eight

from gradatim.choice.bandits import barrier_shares
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum

GROUP = "recipes_published::test_one_right_of_eight"
REFINED = "learning_refinements::test_seven_wrong_attempts_and_a_refinement_by_hand"
WRITES = "recipes_writers::test_recipes_let_a_group_that_fails_teach"
OPEN = "recipes_published::test_they_draw_where_the_outcome_is_open"

COUNTED = {
    "grpo": (GROUP, "recipes_counted::test_grpo_does_not_care_for_the_size_of_rewards"),
    "dr_grpo": (GROUP, "recipes_counted::test_dr_grpo_weighs_groups_by_their_variance"),
    "rloo": (GROUP, "recipes_counted::test_rloo_has_a_baseline_without_oneself"),
    "opo": (
        "recipes_published::test_opo_weighs_the_baseline_by_length",
        "recipes_counted::test_opo_balances_tokens_and_not_attempts",
    ),
    "reinforce_pp": (GROUP, "recipes_counted::test_reinforce_pp_divides_all_groups_alike"),
    "dapo": (
        "choice_phases::test_refill_asks_for_what_is_missing",
        "recipes_published::test_dapo_replaces_groups_without_a_gradient",
    ),
    "gspo": (
        "learning_objectives_parts::test_gspo_off_policy_is_the_ratio_of_the_whole_reply",
        "recipes_counted::test_off_policy_objectives_differ_from_the_second_pass",
    ),
    "ngrpo": (GROUP, "recipes_published::test_all_wrong_groups_teach_where_the_method_says_so"),
    "w_reinforce": (GROUP, "recipes_counted::test_w_reinforce_goes_on_where_all_is_right"),
    "nsr": (GROUP, "recipes_counted::test_psr_only_raises_and_nsr_only_lowers"),
    "psr": (GROUP, "recipes_counted::test_psr_only_raises_and_nsr_only_lowers"),
    "pass_k": (GROUP, "recipes_counted::test_pass_k_leaves_problems_that_are_solved_twice"),
    "relative_negative": (GROUP, "recipes_counted::test_relative_negative_is_half_of_grpo"),
    "canon_entropy": (
        "recipes_published::test_canon_compares_the_halves",
        "learning_advantages_shaped::test_s042_mu_follows_the_run",
    ),
    "canon_length": (
        "recipes_published::test_canon_compares_the_halves",
        "learning_advantages_shaped::test_s042_mu_follows_the_run",
    ),
    "clip_cov": (
        "learning_objectives_covariance::test_number_of_touched_tokens_is_exact",
        "recipes_counted::test_off_policy_objectives_differ_from_the_second_pass",
    ),
    "kl_cov": (
        "learning_objectives_covariance::test_kl_cov_off_policy_by_hand",
        "recipes_counted::test_off_policy_objectives_differ_from_the_second_pass",
    ),
    "drpo": (
        "learning_objectives_contrast::test_drpo_is_the_formula_group_by_group",
        "learning_objectives_contrast::test_s050_no_right_reply_is_ever_pressed",
    ),
    "hpt": (GROUP, "recipes_published::test_hpt_shows_what_nobody_solved"),
    "dump": ("choice_bandits::test_scores_by_hand", OPEN),
    "knapsack": (
        "choice_budgets::test_hand_numbers_of_the_knapsack_card",
        "recipes_published::test_knapsack_gives_attempts_to_the_open_and_hard",
    ),
    "window": ("choice_samplers::test_window_takes_what_lies_inside", OPEN),
    "thompson": ("choice_samplers::test_thompson_with_known_rates_takes_the_nearest", OPEN),
    "inverse_gap": ("choice_bandits::test_gap_shares_by_hand", OPEN),
    "log_barrier": (
        "recipes_counted::test_log_barrier_of_two_sources_by_hand",
        "recipes_published::test_log_barrier_follows_the_best_sources",
    ),
    "adcl": (
        "recipes_counted::test_adcl_orders_four_problems_by_hand",
        "recipes_published::test_adcl_orders_blocks_from_easy_to_hard",
    ),
    "saturn": (
        "choice_curricula::test_saturn_moves_up_when_more_than_the_rate_is_solved",
        "recipes_published::test_curricula_go_up_and_stop_where_they_should",
    ),
    "mastery": (
        "choice_curricula::test_mastery_reviews_and_goes_back",
        "recipes_published::test_curricula_go_up_and_stop_where_they_should",
    ),
    "mpts": (
        "choice_risk::test_regression_by_hand",
        "recipes_published::test_mpts_draws_the_risky_half_of_its_prompts",
    ),
    "pudf": (
        "choice_matched::test_target_one_half_is_difficulty_up_to_ability",
        "engine_train::test_s016_pudf_trains_on_a_bank",
    ),
    "dart": (
        "choice_until::test_dart_trials_by_hand",
        "recipes_published::test_dart_tries_hard_problems_more_often",
    ),
    "xrpo": (
        "choice_phases::test_the_paper_s_rule_by_hand",
        "recipes_published::test_xrpo_gives_attempts_to_what_is_uncertain",
    ),
    "seele": (
        "choice_hints::test_inverse_undoes_rate",
        "recipes_published::test_seele_shows_hard_problems_more_of_the_solution",
    ),
    "clpo": (
        "choice_curricula::test_clpo_bands_by_hand",
        "recipes_published::test_clpo_rewrites_what_was_not_easy",
    ),
    "expo": (REFINED, WRITES),
    "critique_grpo": (REFINED, WRITES),
    "egsr": (REFINED, WRITES),
    "spo": (
        "learning_credit::test_chain_by_hand",
        "recipes_published::test_spo_telescopes_and_leaves_sure_tokens_out",
    ),
    "pav": (
        "learning_credit::test_pav_by_hand",
        "recipes_published::test_pav_adds_a_provers_progress_to_the_outcome",
    ),
    "mrt": (
        "learning_credit::test_s086_blocks_without_progress_earn_nothing_and_progress_adds_up",
        "recipes_published::test_mrt_gives_nothing_where_going_on_changed_nothing",
    ),
    "gigpo": (
        "learning_credit::test_steps_by_hand",
        "recipes_published::test_gigpo_compares_replies_that_wrote_the_same_so_far",
    ),
    "gradatim": ("learning_advantages_believed::test_hand_numbers", OPEN),
}


@cache
def written(file):
    """Tests of a file that run at all: their names."""
    tree = ast.parse((Path(__file__).parent / f"test_{file}.py").read_text())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    marks = {node.name: " ".join(map(ast.unparse, node.decorator_list)) for node in found}
    return {name for name, said in marks.items() if "skip" not in said and "xfail" not in said}


def test_every_recipe_counts_by_two_tests_of_its_own():
    assert set(COUNTED) == set(registry.recipe_names())
    for name, (hand, shown) in COUNTED.items():
        assert hand != shown, name
        for where in (hand, shown):
            file, _, test = where.partition("::")
            assert test in written(file), f"{name}: {where} is not there"
        assert hand != GROUP or name in HAND
    published = len(COUNTED) - 1  # `gradatim` is ours
    print(f"\n{published} published recipes count, each by a hand number and a behaviour; 18 asked")
    assert published >= 18


# -- advantages at work ---------------------------------------------------------------------------


def two_groups(name, first, second, size=8, **columns):
    """Advantages (2, size) of two groups with so many right attempts each."""
    cur = curriculum(name, PROBLEMS[:2], budget="equal", scaffold="none")
    plan = cur.suggest(2, rollouts=2 * size)
    reward = np.concatenate([np.arange(size) < k for k in (first, second)]).astype(float)
    usual = {"logp": np.full(2 * size, -5.0), "entropy": np.full(2 * size, 0.5)}
    batch = cur.observe(plan, reward, lengths=np.full(2 * size, 5), **{**usual, **columns})
    return cur.advantages(batch)[0].reshape(2, size)


def test_grpo_does_not_care_for_the_size_of_rewards():
    cur = curriculum("grpo", PROBLEMS[:1])
    plan, reward = cur.suggest(1, rollouts=6), np.array([0.2, 0.9, 0.4, 0.4, 0.1, 0.7])
    batch = cur.observe(plan, reward, solved=reward > 0.5)
    tenth = cur.observe(cur.suggest(1, rollouts=6), reward / 10 + 0.3, solved=reward > 0.5)
    one, other = cur.advantages(batch)[0], cur.advantages(tenth)[0]
    assert one == pytest.approx(other, rel=1e-3)
    assert one.std(ddof=1) == pytest.approx(1, rel=1e-4)


def test_dr_grpo_weighs_groups_by_their_variance():
    for right in range(9):
        p = right / 8
        assert np.abs(one_of_eight("dr_grpo", right)).mean() == pytest.approx(2 * p * (1 - p))
        # where grpo divides the deviation out and weighs by its root
        grpo = np.abs(one_of_eight("grpo", right)).mean()
        assert grpo == pytest.approx(2 * np.sqrt(p * (1 - p)) * np.sqrt(7 / 8), rel=1e-4)


def test_rloo_has_a_baseline_without_oneself():
    """What is subtracted from a reward is the same whether the attempt is right or wrong."""
    for right in range(8):
        i = right  # the attempt that is wrong here and right in the next
        assert -one_of_eight("rloo", right)[i] == pytest.approx(
            1 - one_of_eight("rloo", right + 1)[i]
        )
    assert -one_of_eight("dr_grpo", 3)[3] != pytest.approx(1 - one_of_eight("dr_grpo", 4)[3])


def test_opo_balances_tokens_and_not_attempts():
    length = np.array([3, 40, 7, 7, 12, 1, 30, 5])
    opo = one_of_eight("opo", 3, lengths=length)
    assert (opo * length).sum() == pytest.approx(0)
    assert abs(opo.sum()) > 0.1
    plain = one_of_eight("dr_grpo", 3, lengths=length)
    assert plain.sum() == pytest.approx(0)
    assert abs((plain * length).sum()) > 1


def test_reinforce_pp_divides_all_groups_alike():
    hard, even = two_groups("reinforce_pp", 1, 4)
    assert hard[0] / even[0] == pytest.approx(0.875 / 0.5)  # as of rewards less their means
    alone, _ = two_groups("reinforce_pp", 1, 1)
    assert alone[0] > hard[0] * 1.1  # the other group's spread counts
    one, other = two_groups("grpo", 1, 4), two_groups("grpo", 1, 1)
    assert one[0] == pytest.approx(other[0])


def test_w_reinforce_goes_on_where_all_is_right():
    assert one_of_eight("w_reinforce", 8) == pytest.approx(np.full(8, 0.1))
    for right in range(1, 8):  # a tenth as much to do right as against the wrong
        value = one_of_eight("w_reinforce", right)
        assert value[0] == pytest.approx(-0.1 * value[-1])


def test_psr_only_raises_and_nsr_only_lowers():
    for right in range(9):
        up, down = one_of_eight("psr", right), one_of_eight("nsr", right)
        assert up == pytest.approx((np.arange(8) < right).astype(float))
        assert up - down == pytest.approx(np.ones(8))  # together they are all attempts
        assert not one_of_eight("grpo", 0).any()  # whose one-sided groups say nothing
        assert (up >= 0).all()
        assert (down <= 0).all()


def test_pass_k_leaves_problems_that_are_solved_twice():
    assert [one_of_eight("pass_k", right).any() for right in range(9)] == [False, True] + [
        False
    ] * 7


def test_relative_negative_is_half_of_grpo():
    for right in range(9):
        assert one_of_eight("relative_negative", right) == pytest.approx(
            np.minimum(one_of_eight("grpo", right), 0)
        )


# -- choosing by hand -----------------------------------------------------------------------------


def test_log_barrier_of_two_sources_by_hand():
    # minimise (1 - x) 0 + x 1 - ln x - ln(1 - x): 1/x - 1/(1 - x) = 1, x^2 - 3 x + 1 = 0
    x = (3 - np.sqrt(5)) / 2
    np.testing.assert_allclose(barrier_shares(np.array([0.0, 1.0]), rate=1.0), [1 - x, x])


def test_adcl_orders_four_problems_by_hand():
    """In blocks of two, known to be solved 90, 10, 70 and 30% of the time, then the other way."""
    four = [{"id": str(i), "family": f"f{i}", "level": 1} for i in range(4)]
    cur = Curriculum(four, "adcl", sampler={"blocks": 1})
    cur.prime(np.arange(4), np.array([90, 10, 70, 30]), np.full(4, 100))
    order = [cur.suggest(1, rollouts=2).problem[0] for _ in range(4)]
    assert order == [0, 2, 3, 1]


# -- objectives at work ---------------------------------------------------------------------------


def weights_after(objective, passes):
    torch = pytest.importorskip("torch")
    from gradatim.engine import loop
    from gradatim.solvers import tiny
    from gradatim.solvers.tiny_model import encode
    from gradatim.types import Batch

    torch.set_num_threads(1)
    made = loop.Learner(tiny.load(), rate=1e-3, ramp=1, objective=objective)
    rollouts = made.sample([encode("r343="), encode("r8741=")], np.array([6, 6]), limit=8, seed="a")
    right = np.arange(12) % 3 == 0
    batch = Batch(
        step=0,
        group=rollouts.owner,
        problem=rollouts.owner,
        role=np.zeros(12, int),
        parent=np.full(12, -1),
        reward=right.astype(float),
        solved=right,
        length=rollouts.replies.lengths.numpy(),
        mask=np.ones(12, bool),
    )
    advantage = np.where(right, 1.4, -0.7)
    made.update(rollouts, advantage, longest=8, batch=batch, passes=passes)
    return torch.cat([v.detach().ravel() for v in made.weights.values()])


@pytest.mark.parametrize(
    ("name", "beside", "options"),
    [
        ("gspo", {"aggregate": "sequence"}, {}),
        ("clip_cov", {"aggregate": "token", "low": 1.0, "high": 1.0}, {"share": 0.2}),
        ("kl_cov", {"aggregate": "token", "low": 1e6, "high": 1e6}, {"share": 0.2}),
    ],
)
def test_off_policy_objectives_differ_from_the_second_pass(name, beside, options):
    """On the first pass gspo and kl_cov are grpo's loss; clip_cov leaves tokens out at once."""
    use = registry.get(name).objective
    mine = use._replace(options={**use.options, **options})
    plain = registry.get("grpo").objective._replace(name="clip", options=beside)
    one, same = weights_after(mine, 1), weights_after(plain, 1)
    few, other = weights_after(mine, 4), weights_after(plain, 4)
    moved = float((other - same).abs().max())
    if name != "clip_cov":
        assert float((one - same).abs().max()) < 1e-3 * moved
    assert float((few - other).abs().max()) > 1e-3 * moved
