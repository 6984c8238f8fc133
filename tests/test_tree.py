"""The house rules that no linter checks: layers, sizes, docstrings, inheritance, names."""

import ast
import importlib
from pathlib import Path

import pytest

import gradatim

SRC = Path(gradatim.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
STEPS = [
    ("types", "checks", "errors", "rng", "groups", "files", "progress"),
    ("checkers",),
    ("families", "scale"),
    ("choice", "learning", "evaluation"),
    ("store",),
    ("solvers",),
    ("recipes",),
    ("engine",),
    ("standings", "audits"),
    ("reports",),
    ("integrations",),
    ("cli",),
    ("__main__", "__init__"),
]
LAYER = {name: height for height, names in enumerate(STEPS) for name in names}
BASE = STEPS[0]  # the base modules may use each other; they are checked for cycles below
TORCH = ("learning/objectives", "solvers/tiny", "solvers/checkpoints/", "engine/loop")
TORCH += ("solvers/transformers",)
BASES = {"NamedTuple", "Protocol", "Exception", "GradatimError", "ValueError", "RuntimeError"}
BASES |= {"ImportError", "Enum", "HTMLParser"}


def part(path):
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


@pytest.fixture(scope="module")
def trees():
    """{file: its syntax tree}, each read once."""
    return {path: ast.parse(path.read_text()) for path in FILES}


@pytest.fixture
def faults():
    """What a test found in any of the files; all of it is told together."""
    found = []
    yield found
    assert not found, "\n".join(f"{path.relative_to(SRC)}: {fault}" for path, fault in found)


def test_files_are_small_and_say_what_they_are_for(trees, faults):
    for path, tree in trees.items():
        lines = sum(bool(line.strip()) for line in path.read_text().splitlines())
        # types.py is the one list of nouns; every other file stays near 300
        if lines > (420 if path.name == "types.py" else 330):
            faults.append((path, f"{lines} non-blank lines"))
        if not ast.get_docstring(tree):
            faults.append((path, "module docstring: what is this file for?"))
        if len(path.relative_to(SRC).parts) > 3:
            faults.append((path, "folders are one level deep"))


def test_imports_look_down(trees, faults):
    for path, tree in trees.items():
        me = part(path)
        for module, name in imports(tree):
            if module.split(".")[0] != "gradatim":
                continue
            parts = module.split(".")
            other = parts[1] if len(parts) > 1 else name
            if other not in LAYER or other == me or {me, other} <= set(BASE):
                continue
            if LAYER[other] >= LAYER[me]:
                faults.append((path, f"{me} must not import {other}"))


def test_torch_stays_where_the_design_puts_it(trees, faults):
    for path, tree in trees.items():
        here = str(path.relative_to(SRC))
        if here.startswith(TORCH) or here.startswith("integrations/"):
            continue
        for module, _ in imports(tree):
            if module.split(".")[0] in ("torch", "transformers", "trl", "ray"):
                faults.append((path, module))


def test_methods_do_not_inherit(trees, faults):
    for path, tree in trees.items():
        if part(path) == "integrations":
            continue
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            for base in node.bases:
                name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
                if name not in BASES:
                    faults.append((path, f"class {node.name}({name})"))


def test_public_names_exist_and_hide_no_folder():
    folders = {p.name for p in SRC.iterdir() if p.is_dir()}
    for name in gradatim.__all__:
        assert name not in folders, f"gradatim.{name} would hide the folder"
        assert getattr(gradatim, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gradatim.nothing  # noqa: B018


def test_base_modules_have_no_cycle():
    below = {}
    for name in BASE:
        pairs = imports(ast.parse((SRC / f"{name}.py").read_text()))
        inside = [[*m.split("."), n][1] for m, n in pairs if m.startswith("gradatim")]
        below[name] = {other for other in inside if other in BASE}
    placed = set()
    while rest := [name for name in BASE if name not in placed]:
        free = [name for name in rest if below[name] <= placed]
        assert free, f"cycle among {rest}"
        placed.update(free)


def test_importing_gradatim_is_light():
    import subprocess
    import sys

    code = "import sys, gradatim; print(len({'numpy', 'scipy', 'torch'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "0"


def test_every_module_imports():
    for path in FILES:
        module = ".".join(path.relative_to(SRC.parent).with_suffix("").parts)
        if module.endswith("__main__"):
            continue
        importlib.import_module(module.removesuffix(".__init__"))
