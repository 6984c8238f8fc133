"""Held out by complexity, and at three levels: nothing on two sides, and every problem says it."""

import json

import pytest

import gradatim as gd
from gradatim.cli.app import run
from gradatim.errors import ArgumentError
from gradatim.families import registry
from gradatim.families.generation import generate
from gradatim.families.held_out import LEVELS, by_complexity, complexity, three_levels
from gradatim.families.splits import overlap
from gradatim.types import Problem

GROUPS = {"numbers": ["arithmetic", "lists"], "logic": ["sat", "knights"], "search": ["mazes"]}


def test_s262_three_held_out_levels_without_leakage():
    given = {"new_categories": ["search"], "new_tasks": ["lists", "knights"], "n": 60}
    sides = three_levels(GROUPS, **given, levels=range(3, 8))
    families = {side: {p.family for p in found} for side, found in sides.items()}
    assert families["train"] == families["new instance"] == {"arithmetic", "sat"}
    assert families["new task"] == {"lists", "knights"}
    assert families["new category"] == {"mazes"}
    for side in LEVELS:
        assert overlap(sides["train"], sides[side]) == 0
        assert {p.meta["held_out"] for p in sides[side]} == {side}
        assert {p.split for p in sides[side]} == {"test"}
        assert len(sides[side]) == 60
    assert {p.meta["category"] for p in sides["new task"]} == {"numbers", "logic"}
    assert {p.meta["category"] for p in sides["train"]} == {"numbers", "logic"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"new_categories": ["serch"]}, "`new_categories` has 'serch'"),
        ({"new_tasks": ["mazes"]}, "`new_tasks` has 'mazes', which is in no category"),
        ({"new_tasks": []}, "must each name at least one"),
        ({"new_tasks": ["sat", "knights"]}, "'logic' has no task left to train on"),
        ({"categories": {**GROUPS, "more": ["sat"]}}, "'sat' is in two categories"),
    ],
)
def test_s262_mistakes(changed, said):
    given = {"categories": GROUPS, "new_categories": ["search"], "new_tasks": ["lists"], "n": 2}
    with pytest.raises(ArgumentError, match=said):
        three_levels(**{**given, **changed})


def test_s020_train_up_to_a_complexity_and_test_above_it():
    problems = [
        p for split in ("train", "test")
        for p in generate("sat", n=80, level=range(1, 9), split=split, seed=3)
    ]  # fmt: skip
    most = sorted(map(complexity, problems))[100]
    sides = by_complexity(problems, most)
    assert sum(map(len, sides.values())) == 160
    assert max(p.meta["complexity"] for p in sides["train"] + sides["within"]) <= most
    assert min(p.meta["complexity"] for p in sides["beyond"]) > most
    assert {p.split for p in sides["train"]} == {"train"}
    assert overlap(sides["train"], sides["within"]) == 0
    with pytest.raises(ArgumentError, match="above `most`"):
        by_complexity(problems, 1e9)


def test_s020_a_problem_on_both_sides_is_refused():
    one = Problem(id="a", prompt="2 + 2", answer="4", solution="4", split="train")
    sides = [one, Problem(id="b", prompt="2  + 2", answer="4", solution="4", split="test")]
    far = Problem(id="c", prompt="far", answer="4", solution="1\n2\n3")
    with pytest.raises(ArgumentError, match="train and within share 1 of 1 problems"):
        by_complexity([*sides, far], 1)


def test_s020_every_item_has_a_solution_length():
    for name in registry.names():
        (problem,) = generate(name, n=1, level=5)
        assert complexity(problem) > 0, name
    assert complexity(Problem(id="a", prompt="?", answer="1", solution="x = 1\n\nso 1")) == 2
    with pytest.raises(ArgumentError, match="no measured effort"):
        complexity(Problem(id="a", prompt="?", answer="1"))


def test_s262_compare_has_a_row_for_each_level(tmp_path, capsys):
    given = {"new_categories": ["search"], "new_tasks": ["lists", "knights"], "n": 8}
    sides = three_levels(GROUPS, **given, levels=range(3, 8))
    test = [p for side in LEVELS for p in sides[side]]
    for name, ability in (("a", 0.0), ("b", 1.0)):
        gd.attempt(test, solver="sim:2pl", ability=ability, run=tmp_path / name)
    runs = [str(tmp_path / name) for name in ("a", "b")]
    assert run(["compare", *runs, "--by", "held_out", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["groups"]
    assert {row["group"] for row in rows} == set(LEVELS)
