"""The gate: what every registered family must pass, by its name.

`python tests/test_families_conformance.py --add` writes the ids of families that are new to
golden_families.json; it refuses to change those of families that stand there.
"""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from gradatim import families
from gradatim.errors import ArgumentError
from gradatim.families import gate, registry, stock
from gradatim.families.generation import generate
from gradatim.families.verify import check

EVERY = pytest.mark.parametrize("name", registry.names())
# ids by content: a change here is a change of everything that was ever measured with the family
GOLDEN = Path(__file__).with_name("golden_families.json")
ADD = "python tests/test_families_conformance.py --add"


CHECKS = []


def gate_of_all(look):
    """What every family must pass: called by `test_the_gate`."""
    CHECKS.append(look)
    return look


@cache
def items(name, n=50, seed=0, split="train"):
    return stock.supply(registry.get(name), n, seed=seed, split=split)


def passes(name, outcome, at_least=1):
    said = "\n".join(f"{name}: {finding}" for finding in outcome.findings)
    assert not outcome.failed, f"{outcome.failed} of {outcome.tried}:\n{said}"
    assert outcome.tried >= at_least


@gate_of_all
def own_answers_pass_in_every_dress(name):
    passes(name, gate.forms(registry.get(name), items(name)), 50 * len(gate.FORMS))
    for p in items(name):
        assert check(p, p.answer).solved, f"{name}: gradatim.check refuses the answer of {p}"
        assert p.solution is None or p.solution.endswith(p.answer), f"{name}: {p}"


@gate_of_all
def nonsense_never_passes(name):
    few = items(name)[:20]
    passes(name, gate.nonsense(registry.get(name), few), 20 * len(gate.NONSENSE) // 2)
    for p in few:
        assert check(p, None).reason == registry.get(name).check(p, None).reason == "unparsed"


@gate_of_all
def the_question_never_passes(name):
    passes(name, gate.question(registry.get(name), items(name)), 100)


@gate_of_all
def answers_of_neighbours_pass_only_where_they_are_right(name):
    outcome = gate.neighbours(registry.get(name), items(name))
    passes(name, outcome, 100)


@gate_of_all
def the_most_common_answer_passes_only_where_it_is_right(name):
    passes(name, gate.common(registry.get(name), items(name)), 0)


@gate_of_all
def near_misses_never_pass(name):
    passes(name, gate.near_misses(registry.get(name), items(name)), 50)


@gate_of_all
def an_independent_solver_agrees(name):
    passes(name, gate.solver(registry.get(name), items(name)), 50)


@gate_of_all
def an_item_depends_on_its_place_alone(name):
    passes(name, stock.repeatable(registry.get(name)))
    assert stock.supply(registry.get(name), 12) == items(name)[:12], name


@gate_of_all
def one_question_has_one_answer(name):
    passes(name, stock.single_valued(registry.get(name), items(name)), 50)


@gate_of_all
def splits_share_no_content(name):
    family = registry.get(name)
    passes(name, stock.splits(items(name), items(name, split="test")), 0)
    small = stock.unsplit(family)
    for p in (*items(name), *items(name, split="test")):
        assert bool(p.meta.get("unsplit")) == (p.level in small), f"{name}: {p}"


@gate_of_all
def neighbouring_seeds_overlap_by_chance_only(name):
    passes(name, stock.seeds(items(name), items(name, seed=1)))


@gate_of_all
def instances_differ_or_the_space_says_why(name):
    passes(name, stock.unique(registry.get(name), 200, walked=0), 200)


@gate_of_all
def every_level_is_valid_and_records_its_knobs(name):
    family = registry.get(name)
    passes(name, stock.ladder(family), 10)
    for level in range(1, 11):
        p = items(name)[level - 1]
        assert p.level == level
        assert set(p.knobs) == set(family.knobs), name
        assert (p.family, p.version, p.verifier) == (name, family.version, name)
        for knob, value in p.knobs.items():
            spec = family.knobs[knob]
            assert value in spec.choices if spec.choices else spec.low <= value <= spec.high, name


@gate_of_all
def effort_rises_with_the_level(name):
    passes(name, stock.effort(registry.get(name), items(name)), 50)


@gate_of_all
def knobs_out_of_range_name_the_range(name):
    passes(name, stock.knob_errors(registry.get(name)), 0)
    with pytest.raises(ArgumentError, match=f"family '{name}' has no 'colour'"):
        generate(name, n=1, colour=1)


# -- the long gate ------------------------------------------------------------------------------


@pytest.mark.slow
@EVERY
def test_a_thousand_items_pass_the_gate(name):
    family = registry.get(name)
    many = stock.supply(family, 1000, seed=11)
    for look in gate.ANSWERS:
        passes(name, look(family, many[:200] if look is gate.nonsense else many), 0)
    passes(name, gate.solver(family, generate(name, n=200, seed=12)))
    passes(name, stock.effort(family, many))
    passes(name, stock.single_valued(family, many))
    passes(name, stock.unique(family, 1000))


@pytest.mark.slow
@EVERY
def test_a_thousand_items_are_split_and_seeded_apart(name):
    family = registry.get(name)
    many = stock.supply(family, 1000, seed=42)
    passes(name, stock.splits(many, stock.supply(family, 1000, seed=42, split="test")), 0)
    passes(name, stock.seeds(many, stock.supply(family, 1000, seed=43)))
    wanted = 20 if family.space(family.ladder(1)) < 200 else 200
    found = stock.supply(family, wanted, unique=True)
    assert len({p.id for p in found}) == len({gate.asked(p) for p in found}) == wanted


# -- all families together ----------------------------------------------------------------------


def test_the_same_bytes_in_every_process():
    # another process in another order under another seed of Python's own hashes
    code = (
        "from gradatim.families import registry, stock\n"
        "for name in reversed(registry.names()):\n"
        "    print(name, stock.content_hash(registry.get(name), 10))\n"
    )
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    out = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    there = dict(line.split(" ") for line in out.stdout.splitlines())
    here = {name: stock.content_hash(registry.get(name), 10) for name in registry.names()}
    assert sorted(there) == sorted(here)
    assert [name for name in here if here[name] != there[name]] == []


def golden(name):
    """Ids of the first items of default knobs."""
    return {
        split: [p.id for p in generate(name, n=n, seed=1, split=split)]
        for split, n in (("train", 3), ("test", 2))
    }


@gate_of_all
def golden_ids_stay(name):
    known = json.loads(GOLDEN.read_text())
    assert name in known, f"{name} has no golden ids: run `{ADD}`"
    assert golden(name) == known[name], f"the content of {name} changed: give it a new version"


@EVERY
def test_the_gate(name):
    """All checks of one family, which share its items; what fails is told together."""
    failed = []
    for look in CHECKS:
        try:
            look(name)
        except Exception as error:
            error.add_note(f"{look.__name__} of {name}")
            failed.append(error)
    if failed:
        raise ExceptionGroup(f"{name}: {len(failed)} of {len(CHECKS)} checks", failed)


def test_golden_ids_are_of_families_that_exist():
    assert set(json.loads(GOLDEN.read_text())) <= set(registry.names())


def test_the_list_of_families_says_what_each_is():
    rows = registry.list_families()
    assert [row["name"] for row in rows] == registry.names()
    for row in rows:
        assert set(row["ladder"]) == set(row["floor"]) == set(row["space"]) == {"1", "5", "10"}
        assert row["solver"], row["name"]
        assert row["effort_unit"], row["name"]
    with pytest.raises(ArgumentError, match=r"`family` must be one of .*did you mean 'lists'"):
        registry.get("list")


def test_the_map_of_the_folder_names_every_file():
    said = re.findall(r"`(\w+?)(\*|)`", families.__doc__)
    for path in Path(families.__file__).parent.glob("*.py"):
        stem = path.stem
        named = any(stem.startswith(word) if star else stem == word for word, star in said)
        assert named or stem in (*registry.FAMILIES, "__init__"), stem


def add():
    known = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}
    changed = [name for name in known if name in registry.names() and golden(name) != known[name]]
    if changed:
        sys.exit(f"refused: {', '.join(changed)} no longer make the items of golden_families.json")
    new = {name: golden(name) for name in registry.names() if name not in known}
    GOLDEN.write_text(json.dumps(dict(sorted((known | new).items())), indent=1) + "\n")
    sys.stdout.write(f"added: {', '.join(new) or 'none'}\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--add"]:
        sys.exit(f"usage: {ADD}")
    add()
