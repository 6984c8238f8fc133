"""Budgets refuse a step that cannot pay for one of their groups, before anything is spent."""

import dataclasses

import pytest

from gradatim.cli import app
from gradatim.errors import ArgumentError
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum


@pytest.mark.parametrize(("budget", "option"), [("interval", "base"), ("until", "passes")])
def test_a_step_below_one_group_is_refused_in_one_line(budget, option):
    base = dataclasses.replace(registry.get("grpo"), max_rounds=3)
    given = {"provides": {"logp", "rounds"}, "budget": (budget, {option: 6})}
    cur = Curriculum(range(9), base, **given)
    with pytest.raises(ArgumentError, match="`rollouts` is 5") as caught:
        cur.suggest(3, rollouts=5)
    assert f"budget '{budget}' makes groups of `{option}` = 6 at least" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert cur.step == 0
    assert cur.suggest(3, rollouts=6).n.sum() <= 6
    # the last step of a known total may be short: what is left of it is spent
    short = Curriculum(range(9), base, total=11, **given)
    plan = short.suggest(1, rollouts=6)
    short.observe(plan, [1.0] * int(plan.n.sum()))
    assert short.suggest(1, rollouts=5).n.sum() <= 5


@pytest.mark.parametrize(("recipe", "option"), [("xrpo", "base"), ("dart", "passes")])
def test_the_command_refuses_before_anything_is_spent(recipe, option, tmp_path, capsys):
    file, run = str(tmp_path / "p.jsonl"), str(tmp_path / "run")
    assert app.run(["generate", "arithmetic", "-n", "4", "-o", file]) == 0
    capsys.readouterr()
    words = ["train", file, "--run", run, "--recipe", recipe, "--rollouts", "90", "--batch", "3"]
    assert app.run([*words, "--prompts", "2"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "`rollouts` is 3, but budget" in err
    assert f"`{option}` = " in err
    assert err.count("\n") == 1
