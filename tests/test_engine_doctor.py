import importlib.metadata
import json
import platform
import sqlite3

import pytest

import gradatim
from gradatim.cli import app
from gradatim.engine import doctor as module
from gradatim.errors import ArgumentError
from gradatim.store.rows import AttemptRow, Setting
from gradatim.store.run import Run


def test_the_machine_as_others_see_it(tmp_path):
    report = gradatim.doctor(tmp_path)
    assert report["ok"]
    assert report["python"] == platform.python_version()
    assert report["sqlite"]["version"] == sqlite3.sqlite_version
    old = sqlite3.sqlite_version_info < (3, 51, 3)
    assert report["sqlite"]["wal_reset_fixed"] is not old
    assert any("3.51.3" in line for line in report["warnings"]) is old
    assert report["folder"]["writable"]
    assert report["folder"]["free_bytes"] > 0
    assert report["run"] is None
    assert list(tmp_path.iterdir()) == []  # looking leaves nothing behind
    json.dumps(report)


def test_extras_say_what_is_there_or_how_to_install_it():
    extras = gradatim.doctor()["extras"]
    assert {"tiny", "sat", "math", "demo"} <= set(extras)
    assert "dev" not in extras
    for name, part in extras.items():
        for package, version in part["packages"].items():
            try:
                assert version == importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                assert version is None
        missing = None in part["packages"].values()
        assert part["installed"] is not missing
        assert part["install"] == (f'pip install "gradatim[{name}]"' if missing else "")
    assert extras["sat"]["packages"].keys() == {"python-sat"}


def test_a_folder_that_is_not_there_yet_and_a_file(tmp_path):
    new = gradatim.doctor(tmp_path / "a" / "b")
    assert new["ok"]
    assert not (tmp_path / "a").exists()
    file = tmp_path / "file"
    file.write_text("")
    report = gradatim.doctor(file)
    assert not report["ok"]
    assert any("cannot be written" in line for line in report["warnings"])


def test_a_sound_run_and_a_damaged_one(tmp_path):
    run = Run(tmp_path / "run")
    with run.ledger(write=True, every=2) as ledger:
        ledger.append([AttemptRow("p", "0", Setting("s"), i, text="t") for i in range(5)])
    found = gradatim.doctor(run.path)["run"]
    assert found == {
        "ok": True,
        "problems": 0,
        "stages": 0,
        "attempts": 5,
        "ledger": "ok",
        "segments": "ok",
    }
    path = run.path / "ledger.sqlite"
    raw = bytearray(path.read_bytes())
    raw[100:] = bytes(len(raw) - 100)  # the header is left, all pages are zeroed
    path.write_bytes(raw)
    report = gradatim.doctor(run.path)
    assert not report["ok"]
    assert not report["run"]["ok"]
    assert str(path) in report["warnings"][-1]


def test_network_file_systems_are_told_by_the_mounts():
    assert module._file_system(module.Path("/proc")) in ("proc", None)
    report = {
        "folder": {
            "path": "x",
            "writable": True,
            "network": True,
            "file_system": "nfs4",
            "free_bytes": 1 << 20,
        },
        "sqlite": {"note": ""},
        "run": None,
    }
    network, space = module._warnings(report)
    assert "network file system (nfs4)" in network
    assert "1 MiB free" in space


def test_the_verb(tmp_path, capsys):
    assert app.run(["doctor", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "SQLite" in text
    assert "writable" in text
    assert app.run(["doctor", str(tmp_path), "--json"]) == 0
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line)["ok"] is True
    (tmp_path / "run.toml").write_text("schema = 99")
    assert app.run(["doctor", str(tmp_path)]) == 1
    assert "version 99" in capsys.readouterr().out


def test_a_folder_may_be_called_as_a_controller(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match="must look like vote-8"):
        gradatim.doctor("vote(openai:m@http://localhost:1)")
    for name in ("vote-8(a)", "runs (1)", "old(2)"):
        (tmp_path / name).mkdir()
        assert gradatim.doctor(name)["folder"]["path"] == name
    assert app.run(["doctor", "vote-8(smi:2pl)"]) == 2
