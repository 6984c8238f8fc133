"""Templates and the five gates: what is refused, by which gate; variants of what is accepted."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import registry, templates
from gradatim.families.generation import generate
from gradatim.families.templates import GATES, Template, five, variants
from gradatim.rng import Stream
from gradatim.types import Knob


def sample(stream, *, orders):
    return {
        "price": stream.between(2, 99),
        "counts": [stream.between(1, 20) for _ in range(orders)],
    }


def render(parameters):
    listed = ", ".join(map(str, parameters["counts"]))
    return (
        f"A ticket costs {parameters['price']} coins. People order {listed} tickets. "
        "How many coins do they pay together? Answer with the number, and nothing else."
    )


def solve(parameters):
    return str(parameters["price"] * sum(parameters["counts"]))


TICKETS = Template(
    name="tickets",
    doc="price times tickets",
    knobs={"orders": Knob("orders to add", 2, 1, 40)},
    sample=sample,
    render=render,
    solve=solve,
    ladder=lambda level: {"orders": 2 * level},
    space=lambda knobs: 98 * 20 ** knobs["orders"],
    parameters={"price": 7, "counts": [2, 3]},
    prompt=render({"price": 7, "counts": [2, 3]}),
    answer="35",
    effort=lambda parameters: len(parameters["counts"]),
    effort_unit="additions",
)


def fails(template):
    """The gate that refuses it, and what it says."""
    *before, last = five(template)
    assert not any(outcome.failed for outcome in before)
    assert last.failed, "nothing refuses it"
    assert str(last.findings[0]).startswith(f"gate '{last.gate}'")
    return last.gate, str(last.findings[0])


def crashes_when_long(parameters):
    if len(parameters["counts"]) > 13:
        raise ZeroDivisionError("thirteen")
    return solve(parameters)


def coin(parameters):
    return str(int(solve(parameters)) + random.randrange(2))


def order_of_keys(parameters):
    first = next(iter(parameters))
    return solve(parameters) if first == "price" else "0"


def test_s023_broken_templates_are_refused_by_name_of_the_gate():
    broken = {
        "executable": replace(TICKETS, solve=crashes_when_long),
        "degrees of freedom": replace(TICKETS, sample=lambda stream, orders: TICKETS.parameters),
        "single-valued": replace(TICKETS, solve=coin),
        "matches the original": replace(TICKETS, solve=lambda p: str(sum(p["counts"]))),
        "extractable": replace(TICKETS, solve=None),
    }
    assert sorted(broken) == sorted(GATES)
    for gate, template in broken.items():
        assert fails(template)[0] == gate
    assert [(outcome.gate, outcome.failed) for outcome in five(TICKETS)] == [(g, 0) for g in GATES]


def test_s023_an_accepted_template_gives_harder_and_easier_variants_by_pass_rate():
    family = templates.admitted("tickets", TICKETS)
    middle = generate(family, n=1, level=5)[0]

    def pass_rate(problems):  # a solver that gets each addition right 19 times of 20
        stream = Stream("solver")
        goes_well = [
            all(stream.below(20) for _ in problem.meta["parameters"]["counts"])
            for problem in problems
            for _ in range(20)
        ]
        return sum(goes_well) / len(goes_well)

    easier = variants(family, middle, harder=False, n=60, seed=3)
    harder = variants(family, middle, harder=True, n=60, seed=3)
    # 0.95^8 = 0.66, 0.95^10 = 0.60, 0.95^12 = 0.54 at the levels beside; 1,200 tries each, sd 0.014
    assert pass_rate(easier) > pass_rate([middle] * 60) > pass_rate(harder)
    assert {p.level for p in easier} == {4}
    assert {p.level for p in harder} == {6}
    assert all(family.check(p, p.answer).solved for p in easier + harder)
    top = generate(family, n=1, level=10)[0]
    with pytest.raises(ArgumentError, match=r"more harder variants .* 0 take more than 20"):
        variants(family, top, harder=True)


def test_gates_say_level_item_and_what_went_wrong():
    assert "level 7 raised ZeroDivisionError: thirteen" in fails(broken_at_seven())[1]
    wrong = replace(TICKETS, answer="36")
    assert fails(wrong)[1].endswith("with '35': is no right answer to the original, '36' is")
    other = replace(TICKETS, prompt="A ticket costs 8 coins.")
    assert "rendered from the original's parameters" in fails(other)[1]
    assert fails(replace(TICKETS, verifier="psychic"))[1].endswith("'psychic' is no checker")
    assert fails(replace(TICKETS, solve=order_of_keys))[0] == "single-valued"
    assert fails(replace(TICKETS, solve=lambda p: "7"))[0] == "degrees of freedom"
    assert fails(replace(TICKETS, knobs={"orders": 3}))[0] == "extractable"
    assert fails("tickets")[1].endswith("is neither a Family nor a Template but 'tickets'")


def broken_at_seven():
    return replace(TICKETS, solve=crashes_when_long)


def test_one_question_with_two_answers_is_refused():
    hidden = replace(TICKETS, render=lambda p: f"What do they pay? ({len(p['counts'])} orders)")
    assert fails(hidden)[0] in ("degrees of freedom", "single-valued")
    halved = replace(
        TICKETS, render=lambda p: f"What do {p['counts'][0]} of {len(p['counts'])} orders cost?"
    )
    assert fails(halved)[0] == "single-valued"


def test_our_families_pass_the_five_gates():
    for name in ("lists", "arithmetic.expression"):
        assert [o.failed for o in five(registry.get(name))] == [0] * 5


PACKAGE = """
import random
from tests_of_templates import TICKETS
from dataclasses import replace
GOOD = replace(TICKETS, name="shop.good")
FORGETS = replace(TICKETS, name="shop.forgets", solve=lambda p: str(random.random()))
NAMED = TICKETS
"""
ENTRIES = """
[gradatim.families]
shop.good = shop:GOOD
shop.forgets = shop:FORGETS
shop.missing = shop:NOWHERE
shop.named = shop:NAMED
sat = shop:GOOD
"""
PROGRAM = """
import json
import warnings
from gradatim.errors import ArgumentError
from gradatim.families import registry
from gradatim.families.generation import generate
from gradatim.cli import app
said = {}
for name in ("shop.good", "shop.forgets", "shop.missing", "shop.named"):
    try:
        said[name] = generate(name, n=1, level=1)[0].answer
    except ArgumentError as error:
        said[name] = str(error)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    said["sat"] = generate("sat", n=1, level=1)[0].family
said["told"] = [str(warning.message) for warning in told]
said["listed"] = {row["name"]: row.get("refused", "") for row in registry.list_families()}
said["code"] = app.run(["generate", "shop.forgets", "-n", "1"])
print(json.dumps(said))
"""


def test_a_package_that_fails_a_gate_is_refused(tmp_path):
    (tmp_path / "tests_of_templates.py").write_text(Path(__file__).read_text())
    (tmp_path / "shop.py").write_text(PACKAGE)
    info = tmp_path / "shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    said = json.loads(out.stdout)
    assert said["shop.good"].isdigit()
    assert said["shop.forgets"].startswith("family 'shop.forgets' is refused: gate 'single-valued'")
    assert "gradatim audit family:shop.forgets" in said["shop.forgets"]
    assert "gate 'extractable'" in said["shop.missing"]
    assert "it calls itself 'tickets'" in said["shop.named"]
    assert said["listed"]["shop.good"] == said["listed"]["lists"] == ""
    assert "gate 'single-valued'" in said["listed"]["shop.forgets"]
    refused = (
        "family 'sat' of the package 'shop' is refused: gradatim has a family of that name; "
        "register it as 'shop.sat'"
    )
    assert said["told"] == [refused]
    assert (said["sat"], said["listed"]["sat"]) == ("sat", "")
    assert said["listed"]["shop:sat"] == refused
    assert said["code"] == 2
    assert out.stderr.startswith("gradatim: family 'shop.forgets' is refused: gate")
