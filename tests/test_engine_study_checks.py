"""A study's mistakes are said before any cell runs; a cell that fails stops no other."""

import json

import pytest

from gradatim.cli.app import run
from gradatim.cli.changes import parsed
from gradatim.engine import study, study_checks
from gradatim.errors import ArgumentError, FormatError, SolverError
from gradatim.recipes import pools

torch = pytest.importorskip("torch")

SIMULATED = """
recipes = ["grpo"]
seeds = [0, 1]
[settings]
rollouts = 1024
moments = 3
[pools.sim]
simulated = 40
held_out = 20
[variants.bolder]
recipe = "gradatim"
rate = 3.0
"""
TINY = """
recipes = ["grpo"]
[settings]
rollouts = 256
[pools.mixed]
families = {lists = {}, arithmetic = {}}
n = 20
held_out = 10
[variants.other]
recipe = "thompson"
"""


@pytest.fixture(autouse=True)
def no_cell_runs(monkeypatch):
    monkeypatch.setattr(study, "run_cell", None)


def refused(tmp_path, text, said):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises((ArgumentError, FormatError), match=said) as found:
        study.load(tmp_path / "s.toml")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["grpo"]', '"al"', "`recipes` must be \"all\" or a list.*'al'; did you mean 'all'"),
        ('["grpo"]', '"grpo"', "`recipes` must be \"all\" or a list of names, got 'grpo'"),
        ('["grpo"]', '["grpo", "seele"]', "on pool 'sim': .*needs 'rounds'|'hint'"),
        ("[0, 1]", "2", "`seeds` must be a list of whole numbers.*got 2"),
        ("[0, 1]", "[]", "`seeds` must be a list"),
        ("[0, 1]", '["a"]', "`seeds` must be a list"),
        ("1024", "0", "settings: `rollouts` must be at least 1"),
        ("1024", '"many"', "settings: `rollouts` must be a whole number, got 'many'"),
        ("1024", "2.5", "settings: `rollouts` must be a whole number, got 2.5"),
        ("moments = 3", "moments = 1", "`moments` must be at least 2"),
        (
            "moments = 3",
            "batch = 1",
            "variant 'grpo' on pool 'sim': `rollouts` is 1, but .*`min` = 2",
        ),
        ("simulated = 40", "simulated = 0", "pool 'sim': `simulated` must be at least 1"),
        ("held_out = 20", 'held_out = "x"', "pool 'sim': `held_out` must be a whole number"),
        ("rate = 3.0", 'rate = "fast"', "variant 'bolder': `rate` must be a number"),
        (
            "rate = 3.0",
            "sampler = {explore = 1.5}",
            "variant 'bolder'.*`explore` must be at least 0 and at most 1, got 1.5",
        ),
        ("rate = 3.0", 'sampler = ["thompson", 5]', "variant 'bolder': `sampler` must be a name"),
        (
            "rate = 3.0",
            'rate = 3.0\n[variants.tight]\nrecipe = "knapsack"\nbudget = {min = 500}',
            "variant 'tight': budget 'mixed': `min` must be at most `max` = 128, got 500",
        ),
        ("rate = 3.0", "max_rounds = 0", "variant 'bolder': `max_rounds` must be a whole"),
        ("rate = 3.0", "max_round = 2", "did you mean 'max_rounds'"),
        (
            "[variants.bolder]",
            "[variants]\nx = 3\n[variants.bolder]",
            "variant 'x' must be a table",
        ),
        ("[pools.sim]", "[pools]\nx = 3\n[pools.sim]", "pool 'x' must be a table"),
    ],
)
def test_mistakes_in_a_study_of_simulated_learners(tmp_path, old, new, said):
    assert old in SIMULATED
    refused(tmp_path, SIMULATED.replace(old, new), said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("recipes =", 'starts = ["strat"]\nrecipes =', "no checkpoint 'strat'.*did you mean"),
        ("recipes =", 'starts = "start"\nrecipes =', "`starts` must be a list of names"),
        ("lists = {}", "list = {}", "pool 'mixed'.*did you mean 'lists'"),
        ("lists = {}", 'lists = {operation = "sorts"}', "pool 'mixed'.*did you mean 'sort'"),
        ("lists = {}", "lists = 3", "`families` must be a table"),
        ("n = 20", "n = 1", "`n` and `held_out` must be at least the number of families = 2"),
        ("n = 20", 'levels = "1-9"', '`levels` must be "A:B" or a list'),
        ("lists = {}", '"sat.decide" = {}', "pool 'mixed': .*has no compact prompt"),
        ("n = 20", "levels = [0, 3]", r"pool 'mixed'.*whole numbers in \[1, 10\]"),
        ('"thompson"', '"egsr"', "variant 'other' on pool 'mixed': .*'refine'"),
        ('"thompson"', '"grpo"\nobjective = {low = "x"}', "'other' on pool 'mixed'.*`low`"),
        ('"thompson"', '"dapo"\nbatch = 4', "variant 'other'.*`size` = 8"),
    ],
)
def test_mistakes_in_a_study_of_the_tiny_policy(tmp_path, old, new, said):
    assert old in TINY
    refused(tmp_path, TINY.replace(old, new, 1), said)


def test_a_sample_lacks_nothing_that_the_pool_has(tmp_path):
    """A domain that only some problems of a level belong to."""
    text = TINY.replace(
        'recipe = "thompson"', 'sampler = ["upsample", {domain = "KIND"}]\nrecipe = "grpo"'
    )
    (tmp_path / "s.toml").write_text(text.replace("KIND", "lists"))
    study.load(tmp_path / "s.toml")
    text = text.replace("n = 20", "n = 200").replace("{}, arithmetic = {}", "{}")
    pool = study_checks.pool("x", {"families": {"lists": {}}, "n": 200})
    sampled, whole = (
        set(pools.pool(p).sources)
        for p in (study_checks.sample(pool), study_checks.problems_of(pool, "train", 200))
    )
    (tmp_path / "s.toml").write_text(text.replace("KIND", sorted(whole - sampled)[0]))
    study.load(tmp_path / "s.toml")


def test_all_means_what_every_trainer_of_the_study_can_run(tmp_path):
    simulated = SIMULATED.replace('["grpo"]', '"all"')
    (tmp_path / "s.toml").write_text(simulated)
    names = {cell.variant for cell in study.load(tmp_path / "s.toml").cells}
    assert {"grpo", "dapo", "pudf"} <= names
    assert not {"seele", "clpo", "hpt", "egsr"} & names
    tiny = TINY.replace('["grpo"]', '"all"')
    (tmp_path / "s.toml").write_text(tiny)
    tiny_names = {cell.variant for cell in study.load(tmp_path / "s.toml").cells}
    assert {"seele", "clpo", "hpt"} <= tiny_names
    assert "pudf" not in tiny_names
    both = simulated + TINY[TINY.index("[pools.mixed]") : TINY.index("[variants")]
    (tmp_path / "s.toml").write_text(both)
    found = {cell.variant for cell in study.load(tmp_path / "s.toml").cells}
    assert found == names & tiny_names | {"bolder"}


def test_max_rounds_of_a_variant(tmp_path):
    (tmp_path / "s.toml").write_text(SIMULATED.replace("rate = 3.0", 'budget = "refill"'))
    assert study.load(tmp_path / "s.toml").cells[-1].recipe.max_rounds == 4
    (tmp_path / "s.toml").write_text(
        SIMULATED.replace("rate = 3.0", 'budget = "refill"\nmax_rounds = 2')
    )
    assert study.load(tmp_path / "s.toml").cells[-1].recipe.max_rounds == 2


# -- failures -------------------------------------------------------------------------------------


def row(cell):
    if cell.variant == "bolder" and cell.seed == 0:
        raise MemoryError("no room\nfor it")
    return {
        "key": cell.key, "variant": cell.variant, "recipe": "r", "pool": cell.pool, "start": "s",
        "seed": cell.seed, "rate": 1.0, "height": [0.1, 0.2], "rollouts": [0.0, 9.0],
        "tokens": [0.0, 9.0], "cpu": [0.0, 9.0], "labels": ["f:1"], "before": [0.1],
        "after": [0.2], "greedy_before": [0.1], "greedy": [0.2], "spent": 9, "groups": 1,
        "mixed": 1, "steps": 1,
    }  # fmt: skip


def test_a_cell_that_fails_stops_no_other(tmp_path, monkeypatch, capsys):
    path = tmp_path / "s.toml"
    path.write_text(SIMULATED)
    monkeypatch.setattr(study, "run_cell", row)
    said = (
        r"1 of 4 cells failed.*bolder on sim \(start start, seed 0\): MemoryError: no room for it$"
    )
    with pytest.raises(SolverError, match=said):
        study.study(path)
    kept = study.read_rows(path.with_suffix(".parquet"))
    assert sorted((r["variant"], r["seed"]) for r in kept) == [
        ("bolder", 1), ("grpo", 0), ("grpo", 1)
    ]  # fmt: skip
    # the command shows what there is, then says what failed
    assert run(["study", str(path), "-q", "--json"]) == 3
    told = capsys.readouterr()
    assert json.loads(told.out)["missing"] == 1
    assert "MemoryError" in told.err
    assert told.err.count("\n") == 1


def test_values_of_set():
    assert parsed(["sampler.b=true", "sampler.c=false", "max_rounds=3"]) == {
        "sampler": {"b": True, "c": False}, "max_rounds": 3
    }  # fmt: skip
    with pytest.raises(ArgumentError, match="max_rounds=N"):
        parsed(["max_rounds"])
    with pytest.raises(ArgumentError, match="max_rounds=N"):
        parsed(["max_rounds.x=3"])
