import re
import sys

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import SLOTS, Recipe, Slot, Use


@pytest.mark.parametrize("slot", [s for s in SLOTS if s != "objective"])
def test_registry_and_tables_list_the_same(slot):
    tables = {}
    for where in set(registry.ENTRIES[slot].values()):
        tables |= registry._load(where)
    assert set(registry.ENTRIES[slot]) == set(tables)
    for name, record in tables.items():
        assert isinstance(record, Slot)
        assert record.paper, f"{slot} {name} says neither where it comes from nor what differs"
        assert registry.entry(slot, name) is record


def test_objective_of_the_recipes_exists_where_torch_does():
    pytest.importorskip("torch")
    for name in registry.recipe_names():
        record, options = registry.resolve("objective", registry.get(name).objective)
        assert callable(record.suggest)
        assert options


@pytest.mark.parametrize("name", registry.recipe_names())
def test_recipes_are_named_as_they_are_listed(name):
    recipe = registry.get(name)
    assert recipe.name == name
    assert recipe.doc
    assert recipe.paper


def test_unknown_names_list_the_options():
    with pytest.raises(ArgumentError, match=r"`recipe` must be one of .*did you mean 'rloo'"):
        registry.get("rlo")
    with pytest.raises(ArgumentError, match=r"`sampler` must be one of .*did you mean 'window'"):
        registry.entry("sampler", "windw")
    with pytest.raises(ArgumentError, match=r"`slot` must be one of"):
        registry.names("smapler")
    with pytest.raises(ArgumentError, match=r"budget 'mixed' has no 'mim'.*did you mean 'min'"):
        registry.resolve("budget", Use("mixed", {"mim": 4}))
    with pytest.raises(ArgumentError, match=r"has no 'budgett'.*did you mean 'budget'"):
        registry.adapt(registry.get("grpo"), {"budgett": "mixed"})
    with pytest.raises(ArgumentError, match="`budget` must be a name, a mapping"):
        registry.adapt(registry.get("grpo"), {"budget": 4})


def test_adapt():
    base = registry.get("knapsack")
    changed = registry.adapt(base, {"budget": {"min": 5}, "sampler": ("window", {"low": 0.1})})
    assert changed.budget.options["min"] == 5
    assert changed.budget.options["objective"] == base.budget.options["objective"] == "value"
    assert changed.sampler == Use("window", {"low": 0.1})
    assert registry.adapt(base, {"budget": base.budget.name}).budget == base.budget
    assert registry.adapt(base, {"budget": "equal"}).budget == Use("equal")


def test_needs_against_provides_names_both():
    rounds = Recipe(
        name="rounds",
        doc="",
        belief=Use("counts"),
        sampler=Use("uniform"),
        budget=Use("equal"),
        advantage=Use("grpo"),
        objective=Use("clip"),
        max_rounds=3,
    )
    with pytest.raises(ArgumentError, match=r"'rounds' plans a step in up to 3 rounds.*provides"):
        Curriculum(["a"], rounds, provides=["logp"])
    assert Curriculum(["a"], rounds, provides=["logp", "rounds"]).recipe.name == "rounds"


PLUGIN = """
import numpy as np
from gradatim.choice import plans
from gradatim.types import Recipe, Slot, Use

def first(state, ask, rng):
    problem = np.arange(min(ask.prompts, len(ask.pool.source)))
    one = np.ones(len(problem))
    return plans.rows(problem, step=ask.step, propensity=one, why=one)

FIRST = Slot(suggest=first, needs=frozenset({"entropy"}), paper="ours")
MINE = Recipe(name="mine", doc="first come", belief=Use("counts"), sampler=Use("first"),
              budget=Use("equal"), advantage=Use("rloo"), objective=Use("clip"))
"""


def test_other_packages_add_slots_and_recipes(tmp_path, monkeypatch):
    (tmp_path / "outside_plugin.py").write_text(PLUGIN)
    info = tmp_path / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[gradatim.slots]\nsampler.first = outside_plugin:FIRST\n"
        "[gradatim.recipes]\nmine = outside_plugin:MINE\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._plugins.cache_clear()
    try:
        assert "first" in registry.names("sampler")
        assert "mine" in [r["name"] for r in registry.list_recipes()]
        plan = Curriculum("abcd", "mine", provides=["entropy"]).suggest(2, rollouts=8)
        assert plan.problem.tolist() == [0, 1]
        with pytest.raises(ArgumentError, match=r"'mine': sampler 'first' needs 'entropy', but"):
            Curriculum("abcd", "mine")
    finally:
        registry._plugins.cache_clear()
        sys.modules.pop("outside_plugin", None)


def test_a_list_imports_no_torch():
    import subprocess

    code = "import sys, gradatim; gradatim.list_recipes(); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_the_verb_lists_slots_paper_and_differences(capsys):
    import json

    from gradatim.cli.app import run

    assert run(["recipes", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    found = {r["name"]: r for r in json.loads(lines[0])}
    assert {"grpo", "dr_grpo", "rloo", "gradatim"} <= set(found)
    assert found["grpo"]["slots"]["sampler"]["name"] == "uniform"
    assert not any(use["changed"] for use in found["grpo"]["slots"].values())
    assert found["dump"]["differs"].startswith("fed by training rollouts")
    assert "Differs" not in found["dump"]["paper"]
    assert run(["recipes"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^gradatim: .*\n", text, re.M)
    assert "arXiv:2402.03300" in text
    assert "changed from grpo: advantage dr_grpo, objective clip (aggregate=constant)" in text


def test_the_verb_says_all_of_one_recipe(capsys):
    import json

    from gradatim.cli.app import run

    assert run(["recipes", "dapo", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    changed = {slot for slot, use in found["slots"].items() if use["changed"]}
    assert changed == {"budget", "objective"}
    assert found["provide"] == ["rounds"]
    assert run(["recipes", "dapo"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^\* budget +refill \(", text, re.M)
    assert re.search(r"^  sampler +uniform$", text, re.M)
    assert "Rounds of a step: up to 4" in text
    assert run(["recipes", "dapoo"]) == 2
    assert "did you mean 'dapo'" in capsys.readouterr().err


def test_needs_of_every_slot_are_among_what_a_recipe_says_it_needs():
    for found in registry.list_recipes():
        recipe = registry.get(found["name"])
        given = {*found["provide"], "rounds"} if recipe.max_rounds > 1 else found["provide"]
        registry.fits(recipe, given)  # what is listed is enough
        for missing in set(found["provide"]):
            with pytest.raises(ArgumentError, match=f"'{missing}'"):
                registry.fits(recipe, set(found["provide"]) - {missing})


def test_states_hold_arrays_and_plain_numbers_only():
    cur = Curriculum("abc", "gradatim")
    for state in cur._states.values():
        for value in getattr(state, "_asdict", dict)().values():
            assert isinstance(value, np.ndarray | int | float)
