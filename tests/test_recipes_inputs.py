"""What cannot work is refused where a recipe is put together, in one line that names it."""

import dataclasses

import numpy as np
import pytest

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.recipes import demands, options, registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import SLOTS, Problem, Slot, Use

FULL = registry.PROVIDES | demands.GIVEN
LISTS = generate("lists", n=12, level=range(1, 5))
PLAIN = [f"{i} + 1" for i in range(12)]
ENTRIES = [(slot, name) for slot in SLOTS[:-1] for name in registry.names(slot)]


# -- rounds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slot", "name"), ENTRIES)
def test_what_needs_rounds_says_how_many(slot, name):
    needs = "rounds" in registry.entry(slot, name).needs
    mixed = registry.adapt(registry.get("grpo"), {slot: name})
    assert (mixed.max_rounds > 1) == needs


@pytest.mark.parametrize("name", registry.recipe_names())
def test_published_recipes_stay_as_they_are(name):
    recipe = registry.get(name)
    same = {slot: getattr(recipe, slot).name for slot in SLOTS}
    assert registry.adapt(recipe, same) == registry.adapt(recipe, {}) == recipe


def test_slots_in_rounds_can_be_mixed_into_any_recipe():
    cur = Curriculum(LISTS, "grpo", provides=FULL, scaffold="rewrite")
    plan, roles = cur.suggest(4, rollouts=32), []
    while plan is not None:
        roles += plan.role.tolist()
        plan = cur.more(cur.observe(plan, np.zeros(plan.n.sum())))
    assert 2 in roles  # "rewrite"
    assert Curriculum(LISTS, "grpo", provides=FULL, budget="refill").recipe.max_rounds == 4
    hinted = registry.adapt(registry.get("grpo"), {"scaffold": ("hint", {"rounds": 6})})
    assert hinted.max_rounds == 6
    assert registry.adapt(registry.get("dapo"), {"budget": {"size": 4}}).max_rounds == 4


def test_rounds_can_be_set_and_one_is_too_few():
    cur = Curriculum(LISTS, "grpo", provides=FULL, budget="refill", max_rounds=2)
    assert cur.recipe.max_rounds == 2
    with pytest.raises(ArgumentError, match=r"recipe 'grpo': budget 'refill' plans.*max_rounds"):
        Curriculum(LISTS, "grpo", provides=FULL, budget="refill", max_rounds=1)
    for bad in (0, 2.5, "two", True):
        with pytest.raises(ArgumentError, match="`max_rounds` must be a whole number"):
            Curriculum(LISTS, "grpo", provides=FULL, max_rounds=bad)
    with pytest.raises(ArgumentError, match=r"up to 4 rounds.*\(budget 'refill'\).*provides"):
        Curriculum(LISTS, "grpo", budget="refill")


# -- what a trainer provides ----------------------------------------------------------------------


def test_what_a_trainer_provides_is_several_known_names():
    with pytest.raises(ArgumentError, match=r"several names, such as \['rounds'\]"):
        Curriculum(PLAIN, "grpo", provides="rounds")
    with pytest.raises(ArgumentError, match="did you mean 'rounds'"):
        Curriculum(PLAIN, "grpo", provides=["logp", "round"])


# -- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slot", "name"), ENTRIES + [("objective", name) for name in registry.names("objective")]
)
def test_defaults_lie_within_bounds_that_exist(slot, name):
    if slot == "objective":
        pytest.importorskip("torch")
    record, found = registry.resolve(slot, Use(name))
    assert set(record.bounds) <= set(record.options)
    # as if somebody had set every default
    assert options.check(name, record, dict(record.options)) == found
    numbers = {k for k, v in record.options.items() if type(v) in (int, float, type(None))}
    assert numbers <= set(record.bounds)


REFUSED = [
    ("thompson", "sampler", {"target": 1.5}, "`target` must be above 0 and below 1, got 1.5"),
    ("thompson", "sampler", {"target": "half"}, "`target` must be a number, got 'half'"),
    ("thompson", "sampler", {"target": float("nan")}, "`target` must be above 0.*got nan"),
    ("thompson", "sampler", {"joint": 1}, "`joint` must be true or false, got 1"),
    ("thompson", "sampler", {"draws": 2.5}, "`draws` must be a whole number, got 2.5"),
    ("window", "sampler", {"low": 0.9, "high": 0.3}, "`high` must be at least `low` = 0.9 and"),
    ("window", "sampler", {"low": 0.9}, "`low` must be at most `high` = 0.8, got 0.9"),
    ("counts", "belief", {"half_life": -3}, "`half_life` must be at least 0, got -3"),
    ("counts", "belief", {"prior": (1.0,)}, "`prior` must be 2 numbers"),
    ("hierarchical", "belief", {"correlation": 2}, "`correlation` must be above 0 and below 1"),
    ("irt", "belief", {"walk": -1}, "`walk` must be at least 0, got -1"),
    ("off_policy", "belief", {"clip": -1}, "`clip` must be at least 1, got -1"),
    ("known", "belief", {"rate": "half"}, "`rate` must be a number or several"),
    ("demonstrate", "scaffold", {"gate": -1}, "`gate` must be at least 0, got -1"),
    ("rewrite", "scaffold", {"step": -4}, "`step` must be at least 1 and at most 10, got -4"),
    ("mixed", "budget", {"max": 1}, "`max` must be at least `min` = 2, got 1"),
    ("mixed", "budget", {"min": 500}, "`min` must be at most `max` = 128, got 500"),
    ("mixed", "budget", {"objective": "worth"}, "`objective` must be one of mixed, value"),
    ("mixed", "budget", {"min": True}, "`min` must be a whole number, got True"),
    ("canon_entropy", "advantage", {"favour": "both"}, "`favour` must be one of high, low"),
    ("hpt", "advantage", {"gate": -1}, "`gate` must be at least 0, got -1"),
    ("hpt", "advantage", {"gate_off": "none"}, "`gate_off` must be a number, got 'none'"),
    ("ngrpo", "advantage", {"r_max": float("nan")}, "`r_max` must be a number, got nan"),
    ("until", "budget", {"share": "even"}, "`share` must be one of difficulty, uniform"),
]


@pytest.mark.parametrize(("name", "slot", "given", "said"), REFUSED)
def test_options_are_refused_at_once(name, slot, given, said):
    with pytest.raises(ArgumentError, match=f"{slot} '{name}': {said}") as found:
        Curriculum(LISTS, "grpo", provides=FULL, **{slot: (name, given)})
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"low": "x"}, "`low` must be a number, got 'x'"),
        ({"low": -0.1}, "`low` must be at least 0"),
        ({"dual": 0.5}, "`dual` must be at least 1"),
        ({"aggregate": "mean"}, "`aggregate` must be one of constant, sequence, token"),
        ({"entropy": float("nan")}, "`entropy` must be a number, got nan"),
        ({"lo": 0.1}, "did you mean 'low'"),
    ],
)
def test_a_learner_refuses_its_objectives_options(given, said):
    pytest.importorskip("torch")
    from gradatim.engine.loop import Learner
    from gradatim.solvers import tiny

    with pytest.raises(ArgumentError, match=said):
        Learner(tiny.load(), rate=1e-3, ramp=1, objective=Use("clip", given))


def test_what_changes_is_named_and_not_what_a_recipe_had():
    narrow = registry.adapt(registry.get("grpo"), {"budget": ("mixed", {"max": 32})})
    with pytest.raises(ArgumentError, match="`min` must be at most `max` = 32, got 500"):
        Curriculum(LISTS, narrow, provides=FULL, budget={"min": 500})
    with pytest.raises(ArgumentError, match="`max` must be at least `min` = 2, got 1"):
        Curriculum(LISTS, narrow, provides=FULL, budget={"max": 1})


def test_bounds_hold_for_each_of_several_numbers():
    record = Slot(suggest=min, options={"pair": (1.0, 2.0)}, bounds={"pair": (0, 3)})
    assert options.check("x", record, {"pair": np.array([0, 3])})["pair"].tolist() == [0, 3]
    for bad in ([0, 4], [float("nan"), 1]):
        with pytest.raises(ArgumentError, match="x: `pair` must be at least 0 and at most 3"):
            options.check("x", record, {"pair": bad})
    for bad in ([1], [1, 2, 3], "12", 5, None, [[1, 2]], ["a", "b"]):
        with pytest.raises(ArgumentError, match="x: `pair` must be 2 numbers"):
            options.check("x", record, {"pair": bad})


def test_what_is_no_number_is_said():
    for bad in ("many", None, ["a"], {}):
        with pytest.raises(ArgumentError, match=r"`n` must be a number in \[1, 9\], got"):
            checks.within(1, 9, n=bad)
    checks.within(1, np.inf, n=2**80)
    checks.within(1, 9, n=[1, 2.5], m=np.zeros(0), k=True)
    with pytest.raises(ArgumentError, match="`rollouts` must be a number"):
        Curriculum(LISTS, "grpo").suggest(4, rollouts="many")


# -- problems -------------------------------------------------------------------------------------


def test_hints_need_something_to_hint_with():
    maze = generate("mazes", n=3, level=1)
    assert all(p.compact is not None and p.solution is None for p in maze)
    for problems, said in (
        ([*LISTS, *maze], r"scaffold 'hint': 3 of 15 problems .* hint at: 'mazes'; leave them out"),
        (PLAIN, r"12 of 12 problems .*: plain text or rows; leave"),
        ([*LISTS, {"family": "x"}], r"1 of 13 problems"),
        (
            [Problem(id="a", prompt=({"role": "user", "content": "?"},), answer="1", solution="1")],
            "1 of 1",
        ),
    ):
        with pytest.raises(ArgumentError, match=said):
            Curriculum(problems, "seele", provides=FULL - {"prefill"})
    assert Curriculum([*LISTS, *maze], "seele", provides=FULL).recipe.max_rounds == 4
    with pytest.raises(ArgumentError, match=r"1 of 13 problems have no compact form"):
        Curriculum([*LISTS, dataclasses.replace(LISTS[0], compact=None)], "seele", provides=FULL)


def test_targets_lie_above_what_a_guess_reaches():
    coins = generate("sat.decide", n=6, level=1)
    for change in (
        {"sampler": ("thompson", {"target": 0.2})},
        {"sampler": ("window", {"high": 0.4})},
        {"scaffold": ("hint", {"target": 0.01})},
    ):
        with pytest.raises(ArgumentError, match=r"is (0.2|0.4|0.01), but a guess is right 0.5"):
            Curriculum(coins, "grpo", provides=FULL, **change)
        # some problems can be solved that rarely: those that cannot are named
        said = r"is (0.2|0.4|0.01), but a guess is right more often on \d+ of 18 problems \(sat"
        with pytest.warns(UserWarning, match=said) as found:
            Curriculum([*coins, *LISTS], "grpo", provides=FULL, **change)
        assert len(found) == 1
    Curriculum(coins, "thompson")


def test_a_domain_is_known_before_the_first_step():
    with pytest.raises(ArgumentError, match="did you mean 'lists'"):
        Curriculum(LISTS, "grpo", sampler=("upsample", {"domain": "list"}))
    with pytest.raises(ArgumentError, match="`domain` must be a name or several, got 5"):
        Curriculum(LISTS, "grpo", sampler=("upsample", {"domain": 5}))


def test_shares_of_bands_are_three_and_not_all_nothing():
    for shares in ((0, 0, 0), (0.0, 0.0, 0.0)):
        with pytest.raises(ArgumentError, match=r"sampler 'bands': `shares` must be 3 numbers .*"):
            Curriculum(LISTS, "grpo", sampler=("bands", {"shares": shares}))
    Curriculum(LISTS, "grpo", sampler=("bands", {"shares": (0, 1, 0)}))


def test_rewrites_need_families_that_are_known():
    other = dataclasses.replace(LISTS[0], family="listz")
    with pytest.raises(ArgumentError, match=r"scaffold 'rewrite': `family` must be .*'listz'.*did"):
        Curriculum([*LISTS, other], "clpo", provides=FULL)


@pytest.mark.parametrize("given", [{"rollouts": 2.5}, {"rollouts": 8, "prompts": 1.5}])
def test_parts_of_rollouts_are_refused(given):
    cur = Curriculum(LISTS, "grpo", provides=FULL)
    name, value = list(given.items())[-1]
    with pytest.raises(ArgumentError, match=f"`{name}` must be a whole number, got {value}"):
        cur.suggest(**given)
    assert cur.step == 0
    assert cur.suggest(2.0, rollouts=np.int64(8)).n.sum() == 8


def test_what_is_no_recipe_is_said():
    with pytest.raises(ArgumentError, match=r"`recipe` must be one of adcl.*got 5"):
        Curriculum(LISTS, 5)
    for bad in (5, ("thompson",), ("thompson", 5)):
        with pytest.raises(ArgumentError, match="`sampler` must be a name, a mapping"):
            Curriculum(LISTS, "grpo", sampler=bad)


# -- budgets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "least", "said"),
    [
        ({}, 2, "`rollouts` is 1, but budget 'equal' makes groups of `min` = 2"),
        (
            {"budget": {"min": 4}},
            4,
            "`rollouts` is 3, but budget 'equal' makes groups of `min` = 4",
        ),
        ({"budget": {"size": 5}}, 5, "budget 'equal' makes groups of `size` = 5 at least"),
        ({"budget": ("mixed", {"min": 8})}, 8, "budget 'mixed' makes groups of `min` = 8"),
        ({"budget": "refill"}, 8, "budget 'refill' makes groups of `size` = 8"),
    ],
)
def test_a_step_pays_for_one_group_at_least(changes, least, said):
    cur = Curriculum(LISTS, "grpo", provides=FULL, **changes)
    with pytest.raises(ArgumentError, match=said):
        cur.suggest(4, rollouts=least - 1)
    assert cur.suggest(4, rollouts=least).n.sum() == least
    with pytest.raises(ArgumentError, match=said):  # a whole run of less than a group, too
        Curriculum(LISTS, "grpo", provides=FULL, total=least - 1, **changes).suggest(
            4, rollouts=least - 1
        )
    # the last of several steps of a run spends what is left
    short = Curriculum(LISTS, "grpo", provides=FULL, total=2 * least - 1, **changes)
    short.observe(short.suggest(4, rollouts=least), np.ones(least))
    assert short.suggest(4, rollouts=least - 1).n.sum() == least - 1
