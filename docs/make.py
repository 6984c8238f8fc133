"""Write docs/api.md, docs/methods.md and docs/commands.md from the code: `make docs`.

Needs the extra [demo]. tests/test_docs.py fails where a page is out of date.
"""

import ast
import contextlib
import importlib
import inspect
import io
import os
import re
import sys
from pathlib import Path

import gradatim
from gradatim.cli import app
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
    """By test file: its words, and its functions with whether they are expected to pass."""
    found = {}
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        text = path.read_text()
        functions = {
            node.name: not any("xfail" in ast.unparse(mark) for mark in node.decorator_list)
            for node in ast.parse(text).body
            if isinstance(node, ast.FunctionDef)
        }
        found[path.name] = (set(re.findall(r"\w+", text)), functions)
    return found


def tested(tests, module, name):
    """The module's own test file, else the first that names both module and function."""
    stem = module.split(".")[-1]
    own = "test_" + "_".join(module.split(".")[1:]) + ".py"
    files = [file for file, (words, _) in tests.items() if {name, stem} <= words]
    files.sort(key=lambda file: (file != own, file))
    return link(files[0]) if files else ""


def link(file):
    return f"[{file.removeprefix('test_')}](../tests/{file})"


# -- methods ------------------------------------------------------------------------------------


def slot_rows(known):
    for slot in SLOTS:
        for name in registry.ENTRIES[slot]:
            record = registry.entry(slot, name)
            function = record.suggest
            module = function.__module__
            called = name if "<" in function.__qualname__ else function.__name__
            shown = f"`{module.removeprefix('gradatim.')}.{called}`"
            yield slot, f"`{name}`", record.paper, shown, tested(known, module, name)


def recipe_rows():
    for name in sorted(registry.RECIPES):
        recipe = registry.get(name)
        slots = ", ".join(f"{slot} `{getattr(recipe, slot).name}`" for slot in SLOTS)
        yield f"`{name}`", recipe.paper, slots


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
        for file, (_, functions) in known.items()
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
        table(("recipe", "paper", "slots"), recipe_rows()),
        "## Entries of the slots",
        table(("slot", "entry", "paper", "function", "tests"), slot_rows(known)),
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


PAGES = {"api.md": api, "methods.md": methods, "commands.md": commands}


def stale():
    """Pages that differ from what the code says now: file -> new text."""
    pages = {DOCS / name: page() + "\n" for name, page in PAGES.items()}
    return {p: t for p, t in pages.items() if not p.is_file() or p.read_text() != t}


if __name__ == "__main__":
    for path, text in stale().items():
        path.write_text(text)
        sys.stdout.write(f"written: {path.name}\n")
