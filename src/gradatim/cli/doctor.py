"""`gradatim doctor`: what this machine has and lacks, and whether a run is sound."""

from pathlib import Path
from typing import Annotated, Any

import typer

import gradatim
from gradatim.cli.output import Json, emit


def doctor(
    path: Annotated[Path | None, typer.Argument(help="Folder for runs, or a run to check.")] = None,
    as_json: Json = False,
) -> None:
    """Show what this machine has and lacks; check a run folder.

    Ends with 1 where the folder cannot be written or the run is damaged.

    Example: gradatim doctor runs/demo
    """
    report = gradatim.doctor(path)
    emit(report, as_json=as_json, text=_table(report))
    if not report["ok"]:
        raise typer.Exit(1)


def _table(report: dict[str, Any]) -> str:
    folder, torch, run = report["folder"], report["torch"], report["run"]
    network = {True: ", network", False: "", None: ", kind unknown"}[folder["network"]]
    lines = [
        ("gradatim", report["gradatim"]),
        ("Python", report["python"]),
        ("platform", report["platform"]),
        ("CPUs", str(report["cpus"])),
        ("SQLite", report["sqlite"]["version"]),
        (
            "folder",
            f"{folder['path']}: {'writable' if folder['writable'] else 'NOT writable'}, "
            f"{folder['free_bytes'] / 2**30:.1f} GiB free"
            + (f" ({folder['file_system']}{network})" if folder["file_system"] else network),
        ),
        ("torch", "not installed" if torch is None else _torch(torch)),
    ]
    for name, part in report["extras"].items():
        have = ", ".join(f"{p} {v}" for p, v in part["packages"].items() if v)
        lines.append((f"[{name}]", have if part["installed"] else f"missing: {part['install']}"))
    if run is not None:
        found = (f"{key} {value}" for key, value in run.items() if key != "ok")
        lines.append(("run", ("sound, " if run["ok"] else "NOT sound, ") + ", ".join(found)))
    width = max(len(name) for name, _ in lines)
    text = [f"{name:<{width}}  {value}" for name, value in lines]
    return "\n".join(text + [f"\nwarning: {warning}" for warning in report["warnings"]])


def _torch(torch: dict[str, Any]) -> str:
    if torch["version"] is None:
        return f"broken: {torch['error']}"
    return f"{torch['version']}, {torch['threads']} threads"
