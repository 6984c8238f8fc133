"""reasoning-gym's families under our seeds and our gate."""

import json
import re

import pytest

from gradatim.errors import ArgumentError, MissingExtra
from gradatim.families import registry
from gradatim.families.generation import generate
from gradatim.families.mixtures import mix
from gradatim.families.read import from_row, to_row
from gradatim.families.verify import check

try:
    import reasoning_gym
except ImportError:
    reasoning_gym = None

HERE = pytest.mark.skipif(reasoning_gym is None, reason='needs pip install "gradatim[gym]"')
QUICK = ["chain_sum", "gcd", "letter_counting", "sudoku", "syllogism", "spell_backward", "maze"]


@pytest.mark.skipif(reasoning_gym is not None, reason="the package is installed")
def test_without_the_package_the_extra_is_named():
    with pytest.raises(MissingExtra, match=r"gradatim\[gym\]"):
        generate("reasoning_gym.chain_sum", n=1)


@HERE
def test_every_name_comes_in_or_is_refused_with_a_reason():
    from gradatim.integrations import reasoning_gym as bridge

    names = bridge.names()
    assert len(names) == 105
    assert set(bridge.REFUSED) <= set(names)
    assert len(bridge.accepted()) + len(bridge.refused()) == 105
    for name, why in bridge.refused().items():
        with pytest.raises(ArgumentError, match=rf"family 'reasoning_gym.{name}' is refused: "):
            registry.get(f"reasoning_gym.{name}")
        assert why
    with pytest.raises(ArgumentError, match="did you mean 'chain_sum'"):
        registry.get("reasoning_gym.chainsum")


@HERE
@pytest.mark.parametrize("name", QUICK)
def test_replies_in_any_dress_and_rows_of_files(name):
    problems = generate(f"reasoning_gym.{name}", n=10, level=[1, 2, 3])
    assert problems == generate(f"reasoning_gym.{name}", n=10, level=[1, 2, 3])
    for p in problems:
        assert from_row(json.loads(json.dumps(to_row(p))), "f", 1) == p
        for text in (
            p.answer,
            f"  {p.answer}\n",
            f"<answer>{p.answer}</answer>",
            f"<think>1 or 2?</think>\n{p.answer}",
        ):
            assert check(p, text).solved, text
        for text in (None, 5, "", "banana", "\x00", "\ud800", "<think>", "1" * 1_000_000, p.prompt):
            assert check(p, text).reward == 0, text


@HERE
def test_neighbouring_seeds_and_splits_share_nothing():
    # as the package itself seeds them, seeds 42 and 43 share 499 of 500 questions of chain_sum
    first = {p.prompt for p in generate("reasoning_gym.chain_sum", n=300, seed=42)}
    second = {p.prompt for p in generate("reasoning_gym.chain_sum", n=300, seed=43)}
    test = {p.prompt for p in generate("reasoning_gym.chain_sum", n=300, seed=42, split="test")}
    assert len(first & second) <= 3
    assert first.isdisjoint(test)


@HERE
def test_they_mix_with_ours():
    mixed = mix({"reasoning_gym.gcd": 1, "lists": 1}, n=10, levels=[1])
    assert sum(p.family == "reasoning_gym.gcd" for p in mixed) == 5


@HERE
def test_what_would_run_replies_as_code_is_not_run():
    from gradatim.integrations import reasoning_gym as bridge

    assert bridge.examine("spiral_matrix") == ["its grader evaluates the reply as code"]
    assert bridge.examine("boxnet", 3) == ["gives no answer as text, but None"]
    assert "nonsense" in bridge.examine("game_of_life_halting", 5)[0]


@HERE
def test_own_answers_are_tried_at_a_level_of_the_curriculum_too():
    from gradatim.integrations import reasoning_gym as bridge

    # '["No solution"]' is shipped for jugs of 12, 12, 12 and 5 that do measure 11
    assert bridge._faults("jugs", 5) == [bridge._OWN]
    assert bridge._faults("gcd", 5) == []


@HERE
def test_a_grader_that_prints_says_nothing_on_stdout(capsys):
    for p in generate("reasoning_gym.tower_of_hanoi", n=4, level=1):
        assert not check(p, re.sub(r"from Peg \d", "from Peg 9", p.answer)).solved
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_the_refused_are_those_that_the_gate_refuses_now():
    assert reasoning_gym is not None, "make slow installs it"
    from gradatim.integrations import reasoning_gym as bridge

    found = bridge.survey()
    passes = set(bridge.names()) - set(found)
    assert (len(passes), len(found)) == (80, 25)
    assert sorted(set(found) - set(bridge.REFUSED)) == [], "the gate refuses these, the list not"
    assert sorted(passes & set(bridge.REFUSED)) == [], "the list refuses these, the gate not"
    plain = {bridge._CODE, bridge._NONE, bridge._HASH, bridge._SEED, bridge._OWN}
    for name, why in found.items():
        if name in bridge.MORE:  # chance decides which of the two shows first
            assert why[0] in (bridge._SEED, bridge._HASH)
        elif bridge.REFUSED[name] in plain:
            assert why == [bridge.REFUSED[name]]
        else:
            assert why[0].startswith("gate 'nonsense': "), (name, why)
