"""What this machine has and lacks: SQLite, disk, optional parts, threads; and a run's health.

Nothing is changed, and nothing outside the machine is asked unless a server is named.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import gradatim
from gradatim.engine.doctor_solvers import examine_solver
from gradatim.errors import ArgumentError, GradatimError, MissingExtra, extra
from gradatim.progress import Progress, silent
from gradatim.solvers.kinds import KINDS
from gradatim.solvers.registry import WRAPPED
from gradatim.store import schema, segments
from gradatim.store.run import Run

ENOUGH = 1 << 30  # bytes free below which a run is likely to fill the disk

_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "lustre", "gpfs", "beegfs"}
_REMOTE |= {"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "virtiofs"}
_NOT_FOR_USERS = {"dev", "all"}


def doctor(
    path: str | Path | None = None, *, progress: Progress = silent, **options: Any
) -> dict[str, Any]:
    """Look at the machine and, where `path` is a run folder, at the run; or at a solver.

    Args:
        path: folder in which runs are, or will be, written, default the current one; or the spec
            of a solver such as "openai:MODEL@URL" or "vote-8(openai:MODEL@URL)": servers are asked
            what they honour.
        progress: told after each probe of a server.
        options: of that solver: what a run would set.

    Returns:
        gradatim, python, platform, cpus, sqlite, folder, extras, torch, run (None where `path` is
        not a run), warnings (one line each), and `ok`: whether the base works here. Of a solver:
        see `engine.doctor_solvers.examine_solver`.

    Raises:
        ArgumentError: options without a solver, or bad ones; a bad spec.
        MissingExtra: a solver needs a package that is not installed.
    """
    named = str(path or "")
    if not Path(named).exists() and _is_spec(named):
        return examine_solver(named, options, progress=progress)
    if options:
        raise ArgumentError(
            f"`path` must be a folder, or a solver such as openai:MODEL@URL to ask a server "
            f"(options are its); got {path}"
        )
    folder = Path("." if path is None else path)
    report: dict[str, Any] = {
        "gradatim": gradatim.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": _cpus(),
        "sqlite": _sqlite(),
        "folder": _folder(folder),
        "extras": _extras(),
        "torch": _torch(),
        "run": _run(folder),
    }
    report["warnings"] = _warnings(report)
    healthy = report["run"] is None or report["run"]["ok"]
    report["ok"] = bool(report["folder"]["writable"] and healthy)
    return report


def _is_spec(text: str) -> bool:
    """Whether this is meant as a solver: it begins as one of those that there are."""
    wrapped = WRAPPED.fullmatch(text)
    kind, colon, _ = text.partition(":")
    return bool(colon and kind in KINDS) or bool(wrapped and wrapped[1] in KINDS)


def _cpus() -> int:
    """CPUs that this process may use: a container often has fewer than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _sqlite() -> dict[str, Any]:
    fixed = sqlite3.sqlite_version_info >= schema.WAL_RESET_FIXED
    wanted = ".".join(map(str, schema.WAL_RESET_FIXED))
    note = (
        f"older than {wanted}: two connections that write one file can damage it; gradatim "
        "keeps one writer per ledger and is safe, but do not write to a ledger by other means"
    )
    return {
        "version": sqlite3.sqlite_version,
        "wal_reset_fixed": fixed,
        "note": "" if fixed else note,
    }


def _folder(folder: Path) -> dict[str, Any]:
    there = folder.absolute()
    while not there.exists():  # a run folder that is not made yet: its nearest parent decides
        there = there.parent
    kind = _file_system(there)
    return {
        "path": str(folder),
        "free_bytes": shutil.disk_usage(there).free,
        "writable": _writable(there),
        "file_system": kind,
        "network": None if kind is None else kind in _REMOTE,
    }


def _writable(folder: Path) -> bool:
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(b"x")
        file.flush()
        return True
    return False


def _file_system(folder: Path) -> str | None:
    """Type of the file system that holds a folder, where the system tells (Linux)."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return None
    best, kind = -1, None
    real = folder.resolve()
    for line in mounts.read_text(errors="replace").splitlines():
        fields = line.split(" ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[1]))
        if real.is_relative_to(point) and len(point.parts) >= best:  # later mounts hide earlier
            best, kind = len(point.parts), fields[2]
    return kind


def _extras() -> dict[str, dict[str, Any]]:
    """Optional parts by extra: versions of their packages, or the line that installs them."""
    wanted: dict[str, list[str]] = {}
    try:
        lines = importlib.metadata.requires("gradatim") or []
    except importlib.metadata.PackageNotFoundError:  # run from a bare source tree
        return {}
    for line in lines:
        part = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        name = re.match(r"[\w.-]+", line)
        if part and name and part[1] not in _NOT_FOR_USERS and name[0] != "gradatim":
            wanted.setdefault(part[1], []).append(name[0])
    return {part: _extra(part, packages) for part, packages in sorted(wanted.items())}


def _extra(part: str, packages: list[str]) -> dict[str, Any]:
    versions: dict[str, str | None] = dict.fromkeys(packages)
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    installed = all(versions.values())
    line = "" if installed else f'pip install "gradatim[{part}]"'
    return {"installed": installed, "packages": versions, "install": line}


def _torch() -> dict[str, Any] | None:
    if importlib.util.find_spec("torch") is None:
        return None
    try:
        torch = extra("torch", "tiny")
    except (MissingExtra, OSError, ImportError) as error:  # a broken install: say how
        return {"version": None, "error": str(error)}
    return {"version": torch.__version__, "threads": torch.get_num_threads()}


def _run(folder: Path) -> dict[str, Any] | None:
    """Health of a run folder: what a damaged one says is its error line."""
    if not (folder / "run.toml").exists():
        return None
    try:
        run = Run(folder, create=False)
        found: dict[str, Any] = {"problems": len(run.problems()), "stages": len(run.stages())}
        if (folder / "ledger.sqlite").exists():
            with run.ledger() as ledger:
                found["attempts"] = len(ledger)
                found["ledger"] = ledger.integrity_check()
                rows = segments.table(ledger, folder / "segments", columns=["id"]).num_rows
                found["segments"] = "ok" if rows == len(ledger) else f"{rows} rows"
    except GradatimError as error:
        return {"ok": False, "error": str(error)}
    return {"ok": found.get("ledger", "ok") == found.get("segments", "ok") == "ok", **found}


def _warnings(report: dict[str, Any]) -> list[str]:
    folder, run = report["folder"], report["run"]
    lines = []
    if report["sqlite"]["note"]:
        lines.append(f"SQLite {report['sqlite']['version']} is {report['sqlite']['note']}")
    if not folder["writable"]:
        lines.append(f"{folder['path']} cannot be written: name another folder for runs")
    if folder["network"]:
        lines.append(
            f"{folder['path']} lies on a network file system ({folder['file_system']}): SQLite's "
            "log needs a local disk; keep runs on one and copy them afterwards"
        )
    if folder["free_bytes"] < ENOUGH:
        lines.append(f"{folder['path']} has {folder['free_bytes'] / 2**20:.0f} MiB free")
    if run is not None and not run["ok"]:
        lines.append(run.get("error") or f"the ledger's check says: {run['ledger']}")
    return lines
