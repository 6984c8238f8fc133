"""The verb `audit`: does a family or a verifier judge as it should?"""

import sys
from typing import Annotated, Any

import typer

from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.engine import audit as engine
from gradatim.errors import ArgumentError


def audit(
    subject: Annotated[
        str | None, typer.Argument(help="family:NAME or verifier:NAME; or --all.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every family and every verifier.")
    ] = False,
    n: Annotated[int, typer.Option("-n", help="Problems of each, over levels 1 to 10.")] = 200,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Try to fool a verifier, and measure what its family promises.

    Ends with 1 where something fails a gate, and says which gate, item and text.

    Example: gradatim audit family:sat
    """
    if everything == (subject is not None):
        raise ArgumentError("give one of family:NAME, verifier:NAME or --all")
    if subject is not None:
        found = engine.audit(subject, n=n)
        emit(found, as_json=as_json, text=describe(found))
        if not found["passed"]:
            raise typer.Exit(1)
        return
    rows = []
    for found in engine.audit_all(n=n, progress=reporter(quiet)):
        rows.append(found)
        if not as_json:
            _line(summary(found), over_progress=not quiet)
    failed = [row["subject"] for row in rows if not row["passed"]]
    text = f"{len(rows) - len(failed)} of {len(rows)} pass" + (
        f"; not: {', '.join(failed)}" * bool(failed)
    )
    emit(rows, as_json=as_json, text=text)
    if failed:
        raise typer.Exit(1)


def _line(text: str, *, over_progress: bool) -> None:
    """A line of the result as soon as it is known, not behind the progress on a terminal's line."""
    if over_progress and sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _share(found: Any) -> str:
    return "-" if found is None else f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def summary(found: dict[str, Any]) -> str:
    """One subject on one line, and a line for each gate that failed."""
    head = f"{found['subject']}: {'passes' if found['passed'] else 'FAILS'}"
    if "refused" in found:
        return f"{head}: {found['refused']}"
    head += (
        f"; false positive {_share(found['false_positive'])}, "
        f"false negative {_share(found['false_negative'])}"
    )
    lines = [head]
    lines += [f"  {row['findings'][0]}" for row in found["gates"] if row["findings"]]
    return "\n".join(lines)


def describe(found: dict[str, Any]) -> str:
    """One subject for people."""
    lines = [
        f"{found['subject']}: {'passes' if found['passed'] else 'FAILS'}, {found['items']} items"
    ]
    lines.append(f"  wrong texts pass on   {_share(found['false_positive'])} of items")
    lines.append(f"  right texts fail on   {_share(found['false_negative'])} of items")
    for row in found["gates"]:
        state = "ok" if row["passed"] else "FAILED"
        if "skipped" in row["facts"]:
            state = f"skipped: {row['facts']['skipped']}"
        counts = f"{row['failed']:,} of {row['tried']:,}"
        lines.append(f"  {row['gate']:<22} {counts:>18}  {state}")
        lines += [f"      {finding}" for finding in row["findings"]]
    return "\n".join(lines + _measured(found))


def _measured(found: dict[str, Any]) -> list[str]:
    if "speed" not in found:
        return []
    floor, effort, speed = found["floor"], found["effort"], found["speed"]
    stated = ", ".join(f"{value:.2g}" for value in floor["stated"].values())
    medians = " ".join(f"{value:g}" for value in effort["medians"].values())
    return [
        f"guess: stated {stated} at levels 1, 5, 10; always {floor['constant_answer']} is right on "
        f"{_share(floor['constant'])}",
        f"effort: {medians} {effort['unit']}, median by level",
        f"different: {found['unique']['different']:,} of 1,000; "
        f"instances {', '.join(f'{space:.2g}' for space in found['space'].values())} at 1, 5, 10",
        f"speed: {speed['made_per_s']:,.0f} items/s made, {speed['checked_per_s']:,.0f} replies/s "
        f"checked, 99% of items within {1000 * speed['p99_s']:.2f} ms",
    ]
