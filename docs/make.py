"""Write docs/api.md, methods.md, commands.md and families.md from the code: `make docs`.

Needs the extra [demo]. tests/test_docs.py fails where a page is out of date.
"""

import ast
import contextlib
import importlib
import inspect
import io
import json
import os
import re
import sys
from pathlib import Path

import gradatim
from gradatim.cli import app
from gradatim.families import registry as families
from gradatim.families.gate import asked
from gradatim.families.generation import generate
from gradatim.recipes import registry
from gradatim.types import SLOTS

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
SRC = Path(gradatim.__file__).parent
HEAD = "<!-- written by `make docs`; changes belong in the code -->\n"
SEED = re.compile(r"test_(s\d{3})_\w+")


def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(map(cell, row)) + " |" for row in rows)])


# -- which test looks at a function -------------------------------------------------------------


def tests():
    """By test file: its words, its functions with whether they are expected to pass, and theirs."""
    found = {}
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        text = path.read_text()
        nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
        functions = {
            node.name: not any("xfail" in ast.unparse(mark) for mark in node.decorator_list)
            for node in nodes
        }
        claims = (node for node in nodes if SEED.fullmatch(node.name))  # of others nobody asks
        inside = {node.name: set(re.findall(r"\w+", ast.unparse(node))) for node in claims}
        found[path.name] = (set(re.findall(r"\w+", text)), functions, inside)
    return found


def tested(tests, module, name):
    """The module's own test file, else the first that names both module and function."""
    stem = module.split(".")[-1]
    own = "test_" + "_".join(module.split(".")[1:]) + ".py"
    files = [file for file, (words, *_) in tests.items() if {name, stem} <= words]
    files.sort(key=lambda file: (file != own, file))
    return link(files[0]) if files else ""


def seeds(tests, module, *names):
    """Claims whose test names an entry or its function, in a file that names the module too."""
    stem = module.split(".")[-1]
    found = {
        match[1].upper()
        for words, _, inside in tests.values()
        for test, said in inside.items()
        if (match := SEED.fullmatch(test)) and stem in words and said & set(names)
    }
    return ", ".join(sorted(found))


def link(file):
    return f"[{file.removeprefix('test_')}](../tests/{file})"


# -- methods ------------------------------------------------------------------------------------


def slot_rows(known):
    for slot in SLOTS:
        for name in registry.ENTRIES[slot]:
            record = registry.entry(slot, name)
            function, module = record.suggest, record.suggest.__module__
            called = function.__name__
            if "<" in function.__qualname__:  # made by another function: it has the entry's name
                called, module = name, registry.ENTRIES[slot][name].partition(":")[0]
            shown = f"`{module.removeprefix('gradatim.')}.{called}`"
            claims = seeds(known, module, name, called)
            yield slot, f"`{name}`", record.paper, shown, tested(known, module, name), claims


def recipe_rows():
    for name in sorted(registry.RECIPES):
        found = registry.describe(name)
        changed = [
            f"{slot} `{use['name']}`"
            + "".join(f", {option} {value}" for option, value in use["set"].items())
            for slot, use in found["slots"].items()
            if use["changed"]
        ]
        needs = ", ".join(found["provide"])
        yield f"`{name}`", registry.get(name).paper, "; ".join(changed), needs


def reference(docstring):
    """What stands after `Ref:`, to the end of its paragraph."""
    found = re.search(r"Ref: (.*?)(?:\n\s*\n|\n\s*>>>|\n\s*\w+:\n|\Z)", docstring, re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def function_rows(known):
    for path in sorted(SRC.rglob("*.py")):
        module = ".".join(path.relative_to(SRC.parent).with_suffix("").parts)
        short = module.removeprefix("gradatim.")
        tree = ast.parse(path.read_text())
        kinds = (ast.FunctionDef, ast.ClassDef)
        for node in [tree, *(n for n in tree.body if isinstance(n, kinds))]:
            paper = reference(ast.get_docstring(node) or "")
            if not paper:
                continue
            name = getattr(node, "name", "")
            files = tested(known, module, name or path.stem)
            yield f"`{short}{'.' + name if name else ''}`", paper, files


def seed_rows(known):
    rows = [
        (match[1].upper(), test, file, holds)
        for file, (_, functions, _) in known.items()
        for test, holds in functions.items()
        if (match := SEED.fullmatch(test))
    ]
    for seed, test, file, holds in sorted(rows):
        said = test.split("_", 2)[2].replace("_", " ")
        yield seed, said, "yes" if holds else "**no** (expected failure)", link(file)


def methods():
    known = tests()
    return "\n\n".join([
        HEAD + "# Methods: paper, function, test",
        "What differs from a paper is said where it is cited.",
        "## Recipes",
        table(("recipe", "paper", "changed from grpo", "a trainer provides"), recipe_rows()),
        "## Entries of the slots",
        table(("slot", "entry", "paper", "function", "tests", "claims"), slot_rows(known)),
        "## Functions",
        table(("function", "paper", "tests"), function_rows(known)),
        "## Claims of papers that a test checks",
        table(("id", "claim", "holds here", "test"), seed_rows(known)),
    ])


# -- Python names and the command ---------------------------------------------------------------


def signature(value):
    """How a function is called; module names are left out."""
    text = re.sub(r"<function (<?\w+>?) at \w+>", r"\1", str(inspect.signature(value)))
    text = text.replace("<lambda>", "...")
    return re.sub(r"\b(?:gradatim|pathlib|collections|typing)(?:\.\w+)*\.(\w+)", r"\1", text)


def api():
    parts = [HEAD + "# Python names", "`import gradatim as gd` loads each on first use."]
    for name in gradatim.__all__:
        if name == "__version__":
            parts.append("## `gd.__version__`\n\nThe version, a string.")
            continue
        where = f"{gradatim.__name__}.{gradatim._WHERE[name]}"
        value = getattr(importlib.import_module(where), name)
        kind = "" if inspect.isclass(value) else signature(value)
        text = inspect.cleandoc(value.__doc__ or "").strip()
        parts.append(f"## `gd.{name}`\n\n`{name}{kind}` in `{where}`\n\n```text\n{text}\n```")
    return "\n\n".join(parts)


def commands():
    parts = [HEAD + "# The command", "`gradatim VERB --help`, for every verb."]
    os.environ["COLUMNS"] = "88"
    command = app.build()
    for verb in (v for v in app.VERBS if (SRC / "cli" / f"{v}.py").is_file()):
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            command([verb, "--help"], standalone_mode=False, prog_name="gradatim")
        lines = "\n".join(line.rstrip() for line in shown.getvalue().strip().splitlines())
        parts.append(f"## {verb}\n\n```text\n{lines}\n```")
    return "\n\n".join(parts)


# -- families -----------------------------------------------------------------------------------

GATE = DOCS / "figures" / "families_gate.json"
SPEED = DOCS / "figures" / "families_speed.json"
LEVELS = (1, 5, 10)
LONGEST = 500  # characters of a question or an answer that are shown


def short(text):
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"


def three(values):
    return ", ".join(f"{value:.2g}" for value in values.values())


def knob(name, spec):
    allowed = ", ".join(spec["choices"]) or f"{spec['low']} to {spec['high']}"
    return f"`{name}` ({allowed})"


def family_rows():
    for row in families.list_families():
        if "refused" in row or row["name"] not in families.FAMILIES:
            continue  # of packages that happen to be installed here
        knobs = ", ".join(knob(name, spec) for name, spec in row["knobs"].items())
        name = f"[`{row['name']}`](#{row['name'].replace('.', '')})"
        yield name, row["doc"], knobs, row["effort_unit"], three(row["floor"]), three(row["space"])


def examples(name):
    parts = [f"### {name}"]
    for level in LEVELS:
        problem = generate(name, n=1, level=level)[0]
        knobs = ", ".join(f"{k} {v}" for k, v in problem.knobs.items())
        shown = f"{short(asked(problem))}\n\n-> {short(problem.answer)}"
        parts.append(f"Level {level}{f' ({knobs})' * bool(knobs)}:\n\n```text\n{shown}\n```")
    return "\n\n".join(parts)


def gate_table():
    """What the gate counted here and in reasoning-gym, as benchmarks/families.py recorded it."""
    known = json.loads(GATE.read_text()) if GATE.is_file() else {}
    if set(known) != {"ours", "theirs"}:
        return "Not recorded."
    ours, theirs = known["ours"], known["theirs"]
    rows = []
    for said, names in theirs["counts"].items():
        few = ", ".join(names) if len(names) <= 12 else ""
        rows.append((said, len(ours["counts"][said]), len(names), few))
    header = (
        "families that ...",
        f"gradatim {ours['version']} (of {ours['families']})",
        f"reasoning-gym {theirs['version']} (of {theirs['families']})",
        "which, where at most 12",
    )
    return table(header, rows)


def speed_rows(known):
    """What benchmarks/families.py measured; a family that has gone since is left out."""
    for row in known["rows"]:
        if row["family"] not in families.FAMILIES:
            continue
        others = row["nearest"]
        target = f"{row['target']:,}" if "target" in row else ""
        if "missed" in row:
            target += f", missed: {row['missed']}" if row["missed"] else ", missed"
        yield (
            f"`{row['family']}`",
            f"{row['both']:,.0f}",
            f"{1000 * row['slowest']:,.1f}",
            target,
            ", ".join(other["family"] for other in others),
            ", ".join(f"{other['both']:,.0f}" for other in others),
            ", ".join(f"{1000 * other['slowest']:,.1f}" for other in others),
            ", ".join(f"{other['ratio']:.2g}" for other in others),
        )


INTRODUCTION = """\
A family makes problems at levels 1 to 10 and judges replies to them. `gradatim generate NAME` \
prints some, `gradatim audit family:NAME` runs the gate on one. The floor is the chance that a \
well-formed guess is right, the space the number of different instances (for some a lower bound), \
both at levels 1, 5 and 10."""

USE = """\
## Use

```sh
gradatim families sudoku                                   # one family and its modes: knobs, levels
gradatim generate sudoku -n 100 --level 3:7 -o train.jsonl
gradatim generate sudoku -n 100 --level 3:7 --split test -o test.jsonl
gradatim generate sudoku -n 5 --level 3 --knob size=6      # a knob replaces the level's
gradatim generate hanoi -n 50 --level 1 --unique           # none twice; says how many there are
gradatim generate sat=2,lists:5=1 -n 300                   # a mixture, two to one
gradatim generate knights.unsolvable -n 10 --level 2       # half have no answer; say so
```

Splits ask what was learned: harder than trained, or put together from what was trained.

```python
import gradatim as gd
from gradatim.families import mixtures, splits

sides = splits.draw(splits.explore("knights", a=3, b=5), n=20)  # train on 1-3, test on 6-10
pairs = splits.draw(splits.compose("chain", "sort"), n=20)  # apart, then chain after sort
mixed = mixtures.mix({"sat": 2, "lists": {1: 1, 5: 1}}, n=6, levels=3)
print(gd.check(mixed[0], "The answer is 10110.").reason)
```

Your own: a `Family` ([how](../CONTRIBUTING.md)), or a `Template`, one problem taken apart.

```python
import gradatim as gd
from gradatim.families import templates
from gradatim.types import Knob

SUMS = templates.Template(
    name="sums",
    doc="two numbers, added",
    knobs={"high": Knob("largest number", 50, 10, 99_999)},
    sample=lambda stream, high: {name: 1 + stream.below(high) for name in "ab"},
    render=lambda q: f"What is {q['a']} plus {q['b']}?",
    solve=lambda q: str(q["a"] + q["b"]),
    ladder=lambda level: {"high": 50 * 2**level},
    space=lambda knobs: knobs["high"] ** 2,
    parameters={"a": 2, "b": 3},
    prompt="What is 2 plus 3?",
    answer="5",
)
print([(outcome.gate, outcome.failed) for outcome in templates.five(SUMS)])  # must pass to be used
problems = gd.generate(templates.family(SUMS), n=10, level=3)
```

A package registers either under the entry-point group `gradatim.families`; what fails one of the \
five gates is refused, with the gate and the item. `gradatim audit family:sums` asks for more, as \
of ours: `effort` and `proof`, an answer found by other means.

With `pip install "gradatim[gym]"`, `gradatim generate reasoning_gym.NAME` makes problems of \
reasoning-gym's families with these seeds and splits; \
`gradatim.integrations.reasoning_gym.accepted()` names them."""

GATE_WORDS = """\
The same script puts the same texts to both libraries' graders, on {items} items of each family \
(fewer where making them takes over 5 s) at reasoning-gym's default settings and over our levels:

    make bench-families ARGS="--gate --record docs/figures/families_gate.json"

The two differ in purpose as well as in faults: reasoning-gym gives a little reward for a try, and \
partial reward for answers that are nearly right, on purpose. Its scorers are called with the \
answer alone, as its own code does after taking it out of a reply. Where several answers are right \
a neighbour's may be; ours are counted there only if the family's rule says it is wrong. Seeds of \
ours are hashed; there, item i of seed s is item i - 1 of seed s + 1 in most families."""


SPEED_WORDS = """\
Items made and checked a second on one core, in CPU time, ours over levels 1 to 10 in equal \
shares, reasoning-gym's families that ask for the most similar thing at their default settings; \
the slowest of up to 200 items made one at a time, the first ones, which build what is kept, among \
them. The two seldom ask for the same amount of work, so a ratio is no verdict. Our twins that may \
have no answer stand beside families that ask the solvable question.

    make bench-families ARGS="--record docs/figures/families_speed.json"

Python {python}, reasoning-gym {peer}, a shared machine with {cores} cores, its load {load[0]:.1f} \
at the beginning and {load[1]:.1f} at the end; a busy machine costs both libraries up to a third."""


def speeds():
    known = json.loads(SPEED.read_text()) if SPEED.is_file() else {}
    if not known.get("peer"):
        return "Not recorded."
    header = ("family", "items/s", "slowest, ms", "target", "nearest there", "items/s")
    rows = table((*header, "slowest, ms", "ratio"), speed_rows(known))
    measured = {row["family"] for row in known["rows"]}
    lacking = ", ".join(f"`{name}`" for name in sorted(families.FAMILIES.keys() - measured))
    late = f"\n\nChanged since this run, not measured: {lacking}." if lacking else ""
    return f"{SPEED_WORDS.format(**known)}\n\n{rows}{late}"


def families_page():
    ours = [name for name in families.names() if name in families.FAMILIES]
    known = json.loads(GATE.read_text()) if GATE.is_file() else {}
    return "\n\n".join([
        HEAD + f"# The {len(ours)} families",
        INTRODUCTION,
        table(("family", "problem", "knobs", "effort is", "floor", "space"), family_rows()),
        USE,
        "## The gate beside reasoning-gym's families",
        GATE_WORDS.format(items=known.get("theirs", {}).get("items", "")),
        gate_table(),
        "## Speed beside reasoning-gym's families",
        speeds(),
        "## Examples",
        *map(examples, ours),
    ])


PAGES = {
    "api.md": api,
    "methods.md": methods,
    "commands.md": commands,
    "families.md": families_page,
}


def stale():
    """Pages that differ from what the code says now: file -> new text."""
    pages = {DOCS / name: page() + "\n" for name, page in PAGES.items()}
    return {p: t for p, t in pages.items() if not p.is_file() or p.read_text() != t}


if __name__ == "__main__":
    for path, text in stale().items():
        path.write_text(text)
        sys.stdout.write(f"written: {path.name}\n")
