"""Pages against the code: every verb, name and link, and what must not stand in a repository."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

import gradatim
from gradatim.cli import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
VERBS = [v for v in app.VERBS if (ROOT / "src/gradatim/cli" / f"{v}.py").is_file()]
# assembled, so that this file does not hold what it looks for
PRIVATE = re.compile("|".join(["/" + "work/", "/" + "root/", "/" + "opt/", "shared" + "/(?!data)"]))


def script(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(text):
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("verb", VERBS)
def test_verb_has_an_example_and_is_in_the_pages(verb, capsys):
    assert app.run([verb, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Example: gradatim {verb}" in shown
    assert f"## {verb}\n" in (ROOT / "docs/commands.md").read_text()
    people = [p for p in PAGES if p.name not in ("commands.md", "api.md", "methods.md")]
    assert any(re.search(rf"gradatim {verb}\b|`{verb}`", p.read_text()) for p in people)


def test_verbs_of_the_first_release_are_all_there():
    assert list(app.VERBS) == VERBS


def test_public_names_are_in_the_pages():
    text = (ROOT / "docs/api.md").read_text()
    assert [n for n in gradatim.__all__ if f"## `gd.{n}`\n" not in text] == []


def test_generated_pages_are_up_to_date():
    for path, text in script(ROOT / "docs/make.py").stale().items():
        old = path.read_text().splitlines()
        new = next((line for line in text.splitlines() if line not in old), "nothing, has too much")
        pytest.fail(f"{path.name} lacks, run `make docs`: {new}")


def test_version_and_changelog_agree():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    assert newest == gradatim.__version__


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_resolve(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(file.read_text()), f"{page.name}: {target}"


def test_every_page_is_in_the_index():
    text = (ROOT / "docs/index.md").read_text()
    names = [p.name for p in (ROOT / "docs").glob("*.md") if p.name != "index.md"]
    assert [name for name in names if f"({name})" not in text] == []


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 600


def test_readme_tree_names_every_folder():
    text = (ROOT / "README.md").read_text()
    folders = {p.parent.name for p in (ROOT / "src/gradatim").glob("*/__init__.py")}
    filled = {f for f in folders if len(list((ROOT / "src/gradatim" / f).glob("*.py"))) > 1}
    assert set(re.findall(r"^  (\w+)/ ", text, re.MULTILINE)) == filled


def test_checker_sees_wrong_output_targets_and_extras():
    checker = script(ROOT / "tests/readme_check.py")
    real = ["a 2.75  b", "middle", "end"]
    assert checker.matched(["a 1.5 b", "...", "end"], real) == ["a 2.75  b", "...", "end"]
    assert checker.matched(["end", "a 1 b"], real) == ["end", None]  # order counts
    page = "```console\n$ one \\\n  two\nout\n$ three\n```\n```text\n$ not run\n```\n"
    ((language, body),) = checker.blocks(page)
    assert checker.commands(language, body) == [("one   two", ["out"]), ("three", [])]
    assert checker.only_checked("make demo ARGS=-q")
    assert not checker.only_checked("gradatim families")
    with pytest.raises(AssertionError, match="no such target"):
        checker.only_checked("make coffee")
    with pytest.raises(AssertionError, match="no such extra"):
        checker.only_checked('pip install -e ".[coffee]"')


def test_nothing_names_the_machine_it_was_written_on():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in listed.stdout.split("\n"):
        path = ROOT / name
        if path.suffix in (".npz", ".parquet", ".eval") or not path.is_file():
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if PRIVATE.search(line):
                found.append(f"{name}:{number}: {line.strip()}")
    assert found == []
