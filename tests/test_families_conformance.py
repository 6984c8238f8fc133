"""The gate: what every registered family must pass, by its name."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from scipy.stats import poisson

from gradatim.errors import ArgumentError
from gradatim.families import registry
from gradatim.families.generation import generate
from gradatim.families.read import to_row
from gradatim.families.verify import check

MB = 1_000_000
NONSENSE = [None, "", "   ", "banana", 5, "\x00", "\ud800", "1" * MB, "0 " * (MB // 2), "<think>"]
NONSENSE += [r"\boxed{}", "<answer></answer>", "I don't know", "[]", "-1", "nan", "²"]
EVERY = pytest.mark.parametrize("name", registry.names())
# ids by content: a change here is a change of everything that was ever measured with the family
GOLDEN = {
    "arithmetic": {
        "train": ["0ed090d20a6d8e4d85d9", "e44e0e390f3edfd34c31", "dc5b039d2dbb2fba019d"],
        "test": ["c92474831d97d0d48ea3", "8bda034eb2b64eeb2860"],
    },
    "lists": {
        "train": ["fa9518af4581168198df", "15ea23aacf082dc6e5d4", "61d6159550297cc2dd29"],
        "test": ["7025f99774ae98b952d6", "ff10f74b991ec3614aea"],
    },
    "sat": {
        "train": ["975f38e5cccda816d606", "d714b5a5940a8341f738", "6435678328213e13c28f"],
        "test": ["0b35fbeae9a65d5b6038", "cb8b8df9c8883db2f0e8"],
    },
}


def satisfies(problem, answer):
    """Whether an assignment makes every line of the prompt true, read from the prompt alone."""
    *_, last = lines = str(problem.prompt).split("\n")
    letters = last.split(" values of ")[1].split(" in this order")[0].split(", ")
    if len(answer) != len(letters) or set(answer) - {"0", "1"}:
        return False
    value = {letter: bit == "1" for letter, bit in zip(letters, answer, strict=True)}
    return all(
        any(value[part.split()[-1]] != part.startswith("not") for part in line.split(" or "))
        for line in lines[1:-1]
    )


# families with more than one right answer say which are; elsewhere only the gold answer is right
RIGHT = {"sat": satisfies}


def is_right(problem, answer):
    return RIGHT.get(problem.family, lambda p, a: a == p.answer)(problem, answer)


def items(name, n=50, **options):
    return generate(name, n=n, level=range(1, 11), **options)


@EVERY
def test_own_answers_pass_in_every_dress(name):
    for p in items(name):
        for answer in filter(None, (p.answer, p.compact_answer)):
            for text in (
                answer,
                f"  {answer} \n",
                rf"\boxed{{{answer}}}",
                f"So it is \\boxed{{ {answer} }}.",
                f"<answer>{answer}</answer>",
                f"<think>\\boxed{{1}} or 2?</think>\n{answer}",
                f"Let me think.\n\n{answer}",
                f"**{answer}**",
                f"The answer is {answer}.",
            ):
                verdict = check(p, text)
                assert (verdict.reward, verdict.reason) == (1.0, "correct"), (text, p)
        assert p.solution is None or p.solution.endswith(p.answer)
        assert p.solution is None or check(p, p.solution).solved


@EVERY
def test_nonsense_and_the_question_never_pass(name):
    for p in items(name, 20):
        for text in [*NONSENSE, p.prompt, p.compact, f"{p.compact}\n", f"{p.prompt}\n{p.compact}"]:
            verdict = check(p, text)
            assert verdict.reward == 0, (text, p)
            assert verdict.reason in ("wrong", "unparsed")
            assert registry.get(name).check(p, text).reward == 0, (text, p)
        assert check(p, None).reason == "unparsed"


@EVERY
def test_answers_of_neighbours_pass_only_where_they_are_right(name):
    problems = items(name, 100)
    others = 0
    for p in problems:
        for q in problems:
            if q.level == p.level and q is not p:
                right = is_right(p, q.answer)
                assert check(p, q.answer).solved == right
                others += not right
                if q.compact_answer and q.compact and p.compact and q.compact[0] == p.compact[0]:
                    same = is_right(p, q.answer)
                    assert check(p, q.compact_answer).solved == same
    assert others > 100


@EVERY
def test_near_misses_never_pass(name):
    for p in items(name):
        digits = [i for i, c in enumerate(p.answer) if c.isdigit()]
        for i in digits:
            for change in ("0", "1", "7"):
                near = p.answer[:i] + change + p.answer[i + 1 :]
                if not is_right(p, near) and near.lstrip("0") != p.answer:
                    assert not check(p, near).solved, (near, p)


@EVERY
def test_an_independent_solver_agrees(name):
    family = registry.get(name)
    assert family.solve is not None
    for p in items(name, 50, seed=7):
        answer = family.solve(p)
        assert is_right(p, answer)
        assert is_right(p, p.answer)
        assert check(p, answer).solved


@pytest.mark.slow
@EVERY
def test_an_independent_solver_agrees_on_a_thousand(name):
    family = registry.get(name)
    for p in items(name, 1000, seed=11) + generate(name, n=200, seed=12):
        answer = family.solve(p)
        assert is_right(p, answer)
        assert check(p, answer).solved


def test_the_same_bytes_in_every_process():
    code = (
        "import json, hashlib\n"
        "from gradatim.families import registry\n"
        "from gradatim.families.generation import generate\n"
        "from gradatim.families.read import to_row\n"
        "for name in {order}(registry.names()):\n"
        "    for split in ('train', 'test'):\n"
        "        found = generate(name, n=40, level=range(1, 11), seed=3, split=split)\n"
        "        text = json.dumps([to_row(p) for p in found])\n"
        "        print(name, split, hashlib.sha256(text.encode()).hexdigest())\n"
    )
    runs = []
    for hash_seed, order in (("0", "sorted"), ("1", "reversed")):
        out = subprocess.run(
            [sys.executable, "-c", code.format(order=order)],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append(set(out.stdout.splitlines()))
    assert runs[0] == runs[1]
    found = items("lists", 40, seed=3)
    text = json.dumps([to_row(p) for p in found])
    assert f"lists train {hashlib.sha256(text.encode()).hexdigest()}" in runs[0]


@EVERY
def test_an_item_depends_on_its_place_alone(name):
    many = items(name, 30)
    assert items(name, 12) == many[:12]
    assert items(name, 30, unique=True)[:12] == items(name, 12, unique=True)


@EVERY
def test_splits_share_no_content(name):
    family = registry.get(name)
    train, test = items(name, 300), items(name, 300, split="test")
    split = {p.prompt for p in train if not p.meta.get("unsplit")}
    assert split.isdisjoint(p.prompt for p in test if not p.meta.get("unsplit"))
    assert family.space(family.ladder(1)) >= 50
    assert {p.id for p in train}.isdisjoint(p.id for p in test)


@EVERY
@pytest.mark.parametrize("level", [1, 5])
def test_neighbouring_seeds_overlap_by_chance_only(name, level):
    n = 400
    first = Counter(p.prompt for p in generate(name, n=n, level=level, seed=42))
    second = Counter(p.prompt for p in generate(name, n=n, level=level, seed=43))
    inside = sum(k * (k - 1) // 2 for counts in (first, second) for k in counts.values())
    rate = max(inside, 1) / (n * (n - 1))  # pairs that collide, of two streams' pairs
    shared = sum(first[prompt] * second[prompt] for prompt in first)
    assert shared <= poisson.ppf(0.999, rate * n * n)


@EVERY
def test_unique_is_unique(name):
    problems = items(name, 400, unique=True)
    assert len({p.id for p in problems}) == len({p.prompt for p in problems}) == 400


@EVERY
def test_every_level_is_valid_and_records_its_knobs(name):
    family = registry.get(name)
    floors = []
    for level in range(1, 11):
        p = generate(name, n=1, level=level)[0]
        assert p.level == level
        assert set(p.knobs) == set(family.knobs)
        assert (p.family, p.version, p.verifier) == (name, family.version, name)
        for knob, value in p.knobs.items():
            spec = family.knobs[knob]
            assert value in spec.choices if spec.choices else spec.low <= value <= spec.high
        assert 0 <= family.floor(p.knobs) <= 1
        floors.append(family.floor(p.knobs))
    assert floors == sorted(floors, reverse=True)


@EVERY
def test_knobs_out_of_range_name_the_range(name):
    taken = {"family", "n", "level", "seed", "split", "unique"}
    family = registry.get(name)
    assert not taken & set(family.knobs)  # else they could not be given by name
    for knob, spec in family.knobs.items():
        if spec.choices:
            with pytest.raises(ArgumentError, match=f"`{knob}` must be one of"):
                generate(name, n=1, **{knob: "nothing"})
            continue
        for value in (spec.low - 1, spec.high + 1, 1.5, "x", None, True):
            match = rf"`{name}.{knob}` must be a whole number in \[{spec.low}, {spec.high}\]"
            with pytest.raises(ArgumentError, match=match):
                generate(name, n=1, **{knob: value})
    with pytest.raises(ArgumentError, match=f"family '{name}' has no 'colour'"):
        generate(name, n=1, colour=1)


@EVERY
def test_golden_ids(name):
    assert [p.id for p in generate(name, n=3, seed=1)] == GOLDEN[name]["train"]
    assert [p.id for p in generate(name, n=2, seed=1, split="test")] == GOLDEN[name]["test"]


def test_the_list_of_families_says_what_each_is():
    rows = registry.list_families()
    assert [row["name"] for row in rows] == registry.names()
    for row in rows:
        assert set(row["ladder"]) == set(row["floor"]) == set(row["space"]) == {"1", "5", "10"}
        assert row["solver"]
    with pytest.raises(ArgumentError, match=r"`family` must be one of .*did you mean 'lists'"):
        registry.get("list")
