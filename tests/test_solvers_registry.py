import importlib
import json
import sys
from importlib.util import find_spec

import pytest

from gradatim.cli.app import run as command
from gradatim.errors import ArgumentError, MissingExtra
from gradatim.solvers import registry
from gradatim.solvers.explained import explain_options
from gradatim.solvers.registry import list_solvers, open_solver, parse_options, solver_options


def test_every_kind_has_a_row_and_options():
    rows = list_solvers()
    assert {row["name"] for row in rows} == set(registry.KINDS)
    for row in rows:
        assert row["form"].startswith(row["name"])
        if row["installed"]:
            assert isinstance(solver_options(row["name"]), dict)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "must be one of tiny"),
        ("opnai:m@http://h", "did you mean 'openai'"),
        ("sim", None),
        ("python:json", "python:MODULE:FUNCTION"),
        ("python:no_such_module:f", "no_such_module"),
        ("python:json:no_such_function", "no function 'no_such_function'"),
        ("recorded:", "recorded:FILE"),
        # without the extra it says how to install it
        pytest.param(
            "gguf:/no/such/file",
            "model file",
            marks=pytest.mark.skipif(not find_spec("xllamacpp"), reason="extra [gguf]"),
        ),
    ],
)
def test_a_bad_spec_says_how_it_must_look(spec, says):
    if says is None:
        assert open_solver(spec).name == "sim:2pl"
        return
    with pytest.raises(ArgumentError, match=says):
        open_solver(spec)


def test_a_missing_extra_prints_the_install_line(monkeypatch):
    kind = registry.KINDS["gguf"]._replace(packages=("no_such_module",))
    monkeypatch.setitem(registry.KINDS, "gguf", kind)
    with pytest.raises(MissingExtra, match=r'pip install "gradatim\[gguf\]"'):
        open_solver("gguf:x")
    assert not next(r for r in list_solvers() if r["name"] == "gguf")["installed"]


def test_other_packages_add_kinds(tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text(
        "from gradatim.types import Solver\n"
        "def open_it(argument, *, loud=False):\n"
        "    return Solver(name=f'theirs:{argument}', answer=lambda requests: iter([]))\n"
    )
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\ntheirs = elsewhere:open_it\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    registry._plugins.cache_clear()
    try:
        assert open_solver("theirs:x").name == "theirs:x"
        assert solver_options("theirs") == {"loud": False}
        with pytest.raises(ArgumentError, match="did you mean 'loud'"):
            open_solver("theirs:x", luod=True)
    finally:
        registry._plugins.cache_clear()
        sys.modules.pop("elsewhere", None)


def test_options_come_as_json_text_or_file(tmp_path):
    (tmp_path / "shots.json").write_text('[["1", "2"]]')
    (tmp_path / "system.txt").write_text("Be brief.\n")
    assert parse_options([
        "a=1",
        "b=x=y",
        "c=",
        "d=null",
        f"e=@{tmp_path}/shots.json",
        f"f=@{tmp_path}/system.txt",
    ]) == {"a": 1, "b": "x=y", "c": "", "d": None, "e": [["1", "2"]], "f": "Be brief.\n"}
    with pytest.raises(ArgumentError, match="name=value"):
        parse_options(["temperature"])


def test_options_are_explained_by_whose_they_are():
    assert "sampler" not in explain_options("sim:2pl")["seed"]
    asked = explain_options("best-of-4(openai:m@http://h)")
    assert asked["by"].startswith('"logp", mean log-probability')
    assert asked["timeout"] == asked["connect"] == asked["first_byte"]
    lacking = set(solver_options("openai")) - set(asked)
    assert lacking == {"max_tokens", "temperature", "top_p"}  # the servers' own names


def test_the_command_lists_kinds_and_options(capsys):
    assert command(["solvers"]) == 0
    assert "openai:MODEL@URL" in capsys.readouterr().out
    assert command(["solvers", "openai"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "--set temperature=1.0" in shown
    assert shown.count("budgets of a run over all its sessions") == 1
    assert command(["solvers", "openai", "--json"]) == 0
    assert "budgets of a run" in json.loads(capsys.readouterr().out)["means"]["max_cost"]
    assert command(["solvers", "nobody"]) == 2


@pytest.mark.parametrize("kind", sorted({row["name"] for row in list_solvers()}))
def test_the_command_shows_every_kind(kind, capsys):
    code = command(["solvers", kind])
    shown, said = capsys.readouterr()
    if code == 2:  # an extra that is not installed here: its options are in its module
        assert f'pip install "gradatim[{kind}]"' in said
        return
    assert code == 0
    assert shown == f"{kind} has no options\n" or all(
        f"--set {name}=" in shown for name in solver_options(kind)
    )


def test_a_budget_is_not_spent_twice_by_a_route():
    spec = "route(openai:a@http://127.0.0.1:1, vote-2(openai:b@http://127.0.0.1:1))"
    with pytest.raises(ArgumentError, match=r"`max_requests` .* each its own, as in easy="):
        open_solver(spec, max_requests=5)
    open_solver(spec, easy={"max_requests": 5}, hard={"max_requests": 2}).close()
    open_solver("route(sim:2pl, openai:b@http://127.0.0.1:1)", max_requests=5).close()
