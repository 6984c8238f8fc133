"""Run a page as a reader would: its commands and Python blocks, in a temporary folder.

    python tests/readme_check.py README.md docs/quickstart.md [--write]

Blocks fenced as `console` hold commands after `$ ` and what they print; each printed line must be
among the real ones, digits apart, and a line `...` stands for any lines. Blocks fenced as `sh` hold
commands, those fenced as `python` are run as a script; all of a page share one folder. Commands of
`make` are checked to be targets, `gradatim demo` to be a verb, `pip install` to name extras that
there are. The folder has the small logs of tests/logs as `logs`. A page that names LOCAL finds a
fake server there. With --write their digits are brought up to date.
"""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(console|sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOCAL = "http://localhost:8000"
NUMBER = re.compile(r"[-+]?\d[\d,.]*(e[-+]?\d+)?")


class Command(NamedTuple):
    line: str
    shown: list[str]


def blocks(text):
    """(language, body) of every block that is run, in order."""
    return [match.groups() for match in BLOCK.finditer(text)]


def commands(language, body):
    """Commands of a block with the lines shown after each."""
    found = []
    for line in body.replace("\\\n", "").splitlines():
        if language == "sh":
            if line.strip() and not line.startswith("#"):
                found.append(Command(line, []))
        elif line.startswith("$ "):
            found.append(Command(line[2:], []))
        else:
            found[-1].shown.append(line)
    return found


def masked(line):
    """A line without its figures, which differ between machines in their last digits."""
    return re.sub(r"[\s-]+", " ", NUMBER.sub("#", line)).strip()


def matched(shown, real):
    """The real line for each shown one, in order; `...` stays, None is what is not there."""
    rest = iter(real)
    return [
        line if line == "..." else next((r for r in rest if masked(r) == masked(line)), None)
        for line in shown
    ]


def targets():
    makefile = (ROOT / "Makefile").read_text()
    return set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())


def extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return set(project["optional-dependencies"])


def only_checked(line):
    """Whether a command is checked without being run; raises where it does not exist."""
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        known = targets()
        assert all("=" in w or w in known for w in words[1:]), f"no such target: {line}"
        return True
    if words[:2] == ["pip", "install"]:
        named = {e for found in re.findall(r"\[([\w,]+)\]", line) for e in found.split(",")}
        assert named <= extras(), f"no such extra: {line}"
        return True
    return words[0] in ("git", "cd")


def run(line, folder, url=LOCAL):
    """Standard output of a command, the server being at `url`; long ones only give their help."""
    line = line.replace(LOCAL, url)
    if re.match(r"gradatim demo\b", line):
        line = "gradatim demo --help"
    place = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        cwd=folder,
        env={**os.environ, "PATH": place, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{line}: exit code {done.returncode}\n{done.stderr}"
    return done.stdout.replace(url, LOCAL).splitlines()


@contextlib.contextmanager
def served(text):
    """The address of a server, where a page needs one: a fake that behaves like a small model."""
    if LOCAL not in text:
        yield LOCAL
        return
    from fake_defects import DefectServer

    with DefectServer(model="smollm2") as server:
        yield server.root


def check(page, write=False, url=""):
    """Run a page, with the server at `url` where it needs one; how many commands and blocks."""
    text = page.read_text()
    with served("" if url else text) as fake:
        count, text = _checked(page, text, url or fake)
    if write:
        page.write_text(text)
    return count


def _checked(page, text, url):
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "logs").symlink_to(ROOT / "tests" / "logs")  # docs/logs.md
        for language, body in blocks(text):
            if language == "python":
                script = Path(folder) / "block.py"
                script.write_text(body.replace(LOCAL, url))
                run(f"{shlex.quote(sys.executable)} block.py", folder)
                count += 1
                continue
            for command in commands(language, body):
                count += 1
                if only_checked(command.line):
                    continue
                real = run(command.line, folder, url)
                lines = matched(command.shown, real)
                if None in lines:
                    line, got = command.shown[lines.index(None)], "\n".join(real)
                    raise AssertionError(
                        f"{page.name}: `{command.line}` no longer prints\n{line}\nbut\n{got}"
                    )
                if lines:
                    text = text.replace("\n".join(command.shown), "\n".join(lines), 1)
    return count, text


if __name__ == "__main__":
    pages = [Path(name) for name in sys.argv[1:] if not name.startswith("--")]
    for page in pages:
        try:
            count = check(page, "--write" in sys.argv)
        except AssertionError as error:
            sys.exit(str(error))
        print(f"{page}: {count} commands and blocks work")
