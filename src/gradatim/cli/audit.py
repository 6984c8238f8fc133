"""The verb `audit`: does a family or a verifier judge as it should? Is a benchmark's score real?"""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.audits import audit as audits
from gradatim.audits.scores import SECTIONS
from gradatim.cli.logs import Columns, Format, Score, Span, reading
from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.errors import ArgumentError
from gradatim.evaluation.better_checker import Checker, Stakes
from gradatim.evaluation.resampling import Prices
from gradatim.evaluation.verifier_error import stated_rates

SECTION_NAMES = ", ".join(section.name for section in SECTIONS)
SHOWN = 8  # findings of a section that are printed


def audit(
    subject: Annotated[
        str | None,
        typer.Argument(
            help="A file of problems or results, or a run; family:NAME; verifier:NAME; or --all."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every family and every verifier.")
    ] = False,
    n: Annotated[int, typer.Option("-n", help="Problems of each, over levels 1 to 10.")] = 200,
    bank: Annotated[
        Path | None,
        typer.Option(help="Items calibrated on other attempts: a bank, or a run with one."),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Problems that the file must not share, say those trained on."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"A section of a file's audit; repeatable. {SECTION_NAMES}."),
    ] = None,
    false_positive: Annotated[
        str | None,
        typer.Option(help="Chance that a wrong attempt passes: VALUE, or LOW:VALUE:HIGH."),
    ] = None,
    false_negative: Annotated[
        str | None, typer.Option(help="Chance that a right attempt fails; as above.")
    ] = None,
    cost_wrong: Annotated[
        float | None,
        typer.Option(help="Cost of a wrong answer, a right one being worth 1: how many attempts?"),
    ] = None,
    cost_attempt: Annotated[
        float | None, typer.Option(help="Cost of an attempt with its verdict, in the same units.")
    ] = None,
    checker: Annotated[
        list[str] | None,
        typer.Option(
            help="One to use instead, NAME=FALSE_POSITIVE,FALSE_NEGATIVE,PRICE: its rates, and "
            "what its verdict costs beyond the present one; repeatable."
        ),
    ] = None,
    ahead: Annotated[
        float | None, typer.Option(help="Training step to forecast scores at; else twice the last.")
    ] = None,
    alarm: Annotated[
        float, typer.Option(help="Chance of any false finding in a sound file.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(help="Of simulations.")] = 0,
    score: Score = None,
    format: Format = None,
    column: Columns = None,
    span: Span = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Is the score real? Of a benchmark or its results; or does a verifier judge as it should?

    A file is searched for faults, section by section: rows that are one system twice, wrong
    answer keys, leaks, a verifier that drifts, problems given twice. A family's verifier is
    fooled, and what it promises measured. Ends with 1 where something is found, and with 2 where
    nothing could be looked at.

    Example: gradatim audit results.npz
    """
    if everything == (subject is not None):
        raise ArgumentError("give one of FILE, family:NAME, verifier:NAME or --all")
    options = reading(score=score, format=format, column=column, span=span)
    options |= {"bank": bank} if bank else {}
    options |= {"against": against} if against else {}
    options |= {"only": only} if only else {}
    options |= _rates(false_positive=false_positive, false_negative=false_negative)
    options |= _stakes(cost_wrong, cost_attempt, checker or [])
    options |= {} if ahead is None else {"ahead": ahead}
    if audits.is_file(subject):
        found = audits.audit_file(
            Path(str(subject)), alarm=alarm, seed=seed, progress=reporter(quiet), **options
        )
        emit(found, as_json=as_json, text=partial(sections, why=bool(only)))
        if not found["passed"]:
            raise typer.Exit(1 if found["sections"] else 2)
        return
    if options:
        raise ArgumentError(f"`{next(iter(options))}` is for files, got {subject or '--all'}")
    if subject is not None:
        found = audits.audit(subject, n=n)
        emit(found, as_json=as_json, text=describe(found))
        if not found["passed"]:
            raise typer.Exit(1)
        return
    rows = []
    for found in audits.audit_all(n=n, progress=reporter(quiet)):
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


def _rates(**given: str | None) -> dict[str, float | tuple[float, float, float]]:
    return {
        name: _rate(text, f"--{name.replace('_', '-')}")
        for name, text in given.items()
        if text is not None
    }


def _rate(text: str, option: str) -> float | tuple[float, float, float]:
    """VALUE or LOW:VALUE:HIGH as `stated_rates` takes it."""
    try:
        parts = [float(part) for part in text.split(":")]
        if len(parts) == 1:
            return parts[0]
        low, value, high = parts
    except ValueError:
        raise ArgumentError(
            f"`{option}` must be VALUE or LOW:VALUE:HIGH, say .05 or .03:.05:.08; got {text!r}"
        ) from None
    return value, low, high


def _stakes(wrong: float | None, attempt: float | None, checkers: list[str]) -> dict[str, Stakes]:
    if wrong is None and attempt is None and not checkers:
        return {}
    prices = Prices(wrong=wrong or 0.0, attempt=attempt or 0.0)
    return {"stakes": Stakes(prices, dict(map(_checker, checkers)))}


def _checker(text: str) -> tuple[str, Checker]:
    """NAME=FALSE_POSITIVE,FALSE_NEGATIVE,PRICE; rates as of `_rate`."""
    name, _, told = text.partition("=")
    parts = told.split(",")
    try:
        wrong, lost, price = parts
        paid = float(price)
    except ValueError:
        raise ArgumentError(
            "`--checker` must be NAME=FALSE_POSITIVE,FALSE_NEGATIVE,PRICE, say "
            f"person=.01,.02,.3; got {text!r}"
        ) from None
    rates = stated_rates(_rate(wrong, "--checker"), _rate(lost, "--checker"))
    return name, Checker(rates, paid)


def sections(found: dict[str, Any], *, why: bool = False) -> str:
    """A file's audit for people, what fails first.

    Args:
        found: what `audit_file` gives.
        why: whether to say what each section that could not look needs; else they are named.
    """
    failed = [row["section"] for row in found["sections"] if not row["passed"]]
    sizes = ", ".join(
        f"{found[what]:,} {what if found[what] != 1 else what[:-1]}"
        for what in ("solvers", "items", "attempts", "problems")
        if found[what]
    )
    state = f"FAILS {', '.join(failed)}" if failed else "nothing found"
    state = state if found["sections"] else "nothing was looked at"
    lines = [f"{found['subject']}: {state} ({sizes or 'nothing in it'})"]
    for row in sorted(found["sections"], key=lambda row: row["passed"]):
        many = len(row["findings"])
        state = "ok" if row["passed"] else f"{many} finding{'s' if many > 1 else ''}"
        lines.append(f"  {row['section']:<12} {state}; looked at {row['looked_at']}")
        for one in row["findings"][:SHOWN]:
            lines.append(f"      {one['words']}")
            lines.append(f"      -> {one['remedy']}")
        if many > SHOWN:
            lines.append(f"      and {many - SHOWN} more: --json lists them")
        lines += [f"      note: {note}" for note in row["notes"]]
    lines += _skipped(found["skipped"], why or not found["sections"])
    lines += [f"  note: {note}" for note in found["notes"]]
    return "\n".join(lines)


def _skipped(rows: list[dict[str, Any]], why: bool) -> list[str]:
    """Sections that could not look: those with a column that is amiss first, the others by name."""
    lines, rest = [], []
    for row in sorted(rows, key=lambda row: not row["amiss"]):
        head = f"  {row['section']:<12} not looked at: "
        if row["amiss"]:
            lines.append(f"{head}{row['amiss']}")
        elif why:
            lines.append(f"{head}needs {row['needs']}")
        else:
            rest.append(row["section"])
    if rest:
        lines.append(f"  not looked at, for want of data: {', '.join(rest)}")
        lines.append("      (--only NAME says what a section needs; --json all of them)")
    return lines


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
