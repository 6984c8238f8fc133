import json

import pytest

from gradatim.engine import demo_llm as demo
from gradatim.errors import ArgumentError
from gradatim.families.verify import check


def test_levels_are_fine_steps_and_disjoint():
    spaces = [set(demo._sums(level)) for level in range(1, demo.LEVELS + 1)]
    # one digit: a + b <= 9 leaves 8 + 7 + ... + 1 = 36 of the 81 pairs, 45 carry
    assert [len(space) for space in spaces[:2]] == [36, 45]
    assert not set.intersection(*spaces)
    for i, space in enumerate(spaces):
        for other in spaces[:i]:
            assert not space & other
    assert all(a % 10 + b < 10 for a, b in spaces[2])
    assert all(a % 10 + b >= 10 for a, b in spaces[3])
    assert all(a % 10 + b % 10 >= 10 and a + b < 100 for a, b in spaces[4])


def test_problems_are_the_same_each_time_and_never_a_shot():
    groups = demo.make_groups(24, None)
    again = demo.make_groups(24, None)
    assert groups == again
    prompts = [p.prompt for group in groups for p in group.problems]
    assert len(prompts) == len(set(prompts)) == 6 * 24
    assert not set(prompts) & {prompt for prompt, _ in demo.SHOTS}
    assert all(check(p, p.answer).solved for group in groups for p in group.problems)


def test_floors_are_the_best_constant_answer():
    floors = {group.name: group.floor for group in demo.make_groups(1, None)}
    assert floors["sums 1"] == 8 / 36  # 9 = 1+8 = ... = 8+1
    assert floors["sums 2"] == 9 / 45  # 10 = 1+9 = ... = 9+1
    assert floors["products"] == 4 / 64  # 12 = 2*6 = 3*4 = 4*3 = 6*2, as 16, 18 and 24


def test_questions_are_real_where_present(data_dir):
    group = demo.make_groups(1, data_dir)[-1]
    assert (group.name, len(group.problems)) == ("gsm8k", 20)
    assert 0 < group.floor < 0.1


@pytest.mark.parametrize("items", [0, 31])
def test_a_size_out_of_range_names_the_range(items):
    with pytest.raises(ArgumentError, match=r"\[1, 30\]"):
        demo.make_groups(items, None)


@pytest.mark.slow
def test_the_demo_runs_and_its_repeat_asks_nothing(tmp_path, monkeypatch, capsys):
    demo.find_model()
    args = ["demo_llm", "--run", str(tmp_path / "r"), "--items", "2", "--samples", "4"]
    monkeypatch.setattr("sys.argv", args)
    assert demo.main() == 0
    shown = capsys.readouterr().out
    assert "GSM8K is missing" in shown
    assert "144 made now, 0 reused" in shown  # 3 styles * 6 groups * 2 problems * 4 samples
    assert demo.main() == 0
    assert "0 made now, 144 reused" in capsys.readouterr().out
    saved = json.loads((tmp_path / "r" / "results" / "demo-llm.json").read_text())["value"]
    assert len(saved["rates"]) == 18
    assert all(row["attempts"] == 8 for row in saved["rates"])
