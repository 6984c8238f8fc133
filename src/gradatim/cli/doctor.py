"""`gradatim doctor`: what this machine has, whether a run is sound, what a server honours."""

from typing import Annotated, Any

import typer

import gradatim
from gradatim.cli.attempt import Settings
from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.solvers.registry import parse_options


def doctor(
    path: Annotated[
        str | None,
        typer.Argument(help="Folder for runs, a run to check, or a solver (openai:MODEL@URL)."),
    ] = None,
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what this machine has and lacks; check a run folder, or ask a server what it honours.

    A controller such as vote-8(openai:MODEL@URL) is taken apart, each solver inside looked at.

    Ends with 1 where the folder cannot be written, the run is damaged, or a run with these settings
    would be wrong on that server; with 3 where the server gives no answer.

    Example: gradatim doctor openai:MODEL@http://localhost:8000
    """
    report = gradatim.doctor(path, progress=reporter(quiet), **parse_options(settings or ()))
    table = _solver if "endpoint" in report else _table
    emit(report, as_json=as_json, text=table(report))
    if not report.get("reached", True):
        raise typer.Exit(3)
    if not report["ok"]:
        raise typer.Exit(1)


SIGNS = {True: "yes", False: "NO", None: "?"}


def _solver(report: dict[str, Any]) -> str:
    """A solver, or each of those inside a controller, and what would make a run wrong."""
    lines = [line for found in report.get("solvers", [report]) for line in _probes(found)]
    lines += [f"warning: {warning}" for warning in report["warnings"]]
    if report["reached"] and report["ok"]:
        lines.append("a run with these settings gets what it asks for")
    return "\n".join(lines)


def _probes(report: dict[str, Any]) -> list[str]:
    """A line for each probe, and what it means below it."""
    if "note" in report:
        return [f"{report['endpoint']}: {report['note']}"]
    lines = [f"{report['endpoint']}: {report['requests']} requests, {report['tokens']} tokens, "]
    lines[0] += f"{report['seconds']:.1f} s"
    width = max(len(probe["name"]) for probe in report["probes"])
    for probe in report["probes"]:
        sign = SIGNS[probe["honoured"]]
        lines.append(f"  {probe['name']:<{width}}  {sign:<3}  {probe['asked']}: {probe['got']}")
        if probe["means"]:
            lines.append(f"  {'':<{width}}       {probe['means']}")
    return lines


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
