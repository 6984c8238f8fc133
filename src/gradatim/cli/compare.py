"""The verb `compare`: is one better than the other, and what would tell?"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.logs import Columns, Format, Score, Span, reading
from gradatim.cli.output import Json, Quiet, emit, on_lines, reporter
from gradatim.errors import ArgumentError
from gradatim.evaluation.ranking import HOW
from gradatim.reports.comparison import compare_report, goal, needed_said, page_path
from gradatim.reports.plain_names import plain_names
from gradatim.reports.ranking import ranking_text
from gradatim.reports.tables import Column, text_table
from gradatim.standings import compare as standings
from gradatim.types import Estimate

SHOWN = 20  # rows of a table
NAMED = 8  # problems that are listed


def compare(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Runs, logs, tables or matrix files; PATH:SOLVER for one solver of several. With "
            "--plan one is enough, or a bank, or none.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Solver that each other is compared with; else all pairs.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Compare on shared problems where not all are shared.")
    ] = False,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Column whose groups get rows: family, level, ...; repeatable."),
    ] = None,
    groups: Annotated[
        Path | None, typer.Option(help="Table of items (.csv, .jsonl, .parquet) with columns.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column of problems that go together: one text, say.")
    ] = None,
    correct: Annotated[
        str, typer.Option(help=f"For many comparisons: {', '.join(standings.CORRECTIONS)}.")
    ] = "holm",
    level: Annotated[float, typer.Option(help="Coverage of intervals.")] = 0.95,
    effect: Annotated[
        float, typer.Option(help="Difference you want to see, .02 = 2 points.")
    ] = 0.02,
    plan: Annotated[
        int | None, typer.Option(help="Problems of an evaluation to come: what would it see?")
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", "-k", help="Its attempts of each solver on each.")
    ] = None,
    correlation: Annotated[
        float | None,
        typer.Option(help="For a plan with one solver: how alike the scores of another; else .5."),
    ] = None,
    power: Annotated[float, typer.Option(help="Chance of seeing what is there.")] = 0.8,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="End with 1 where one is worse than the first.")
    ] = False,
    fail_unless_better: Annotated[
        bool, typer.Option("--fail-unless-better", help="End with 1 unless each is better.")
    ] = False,
    margin: Annotated[
        float, typer.Option(help="Of the gates: worse, or better, by more; .01 = 1 point.")
    ] = 0.0,
    rank: Annotated[
        str | None, typer.Option(help=f"Also rank all solvers: {', '.join(HOW)}.")
    ] = None,
    rank_by: Annotated[
        str | None, typer.Option(help="Column whose groups rank first, then make one order.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write a page here (.html).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of resamples.")] = 0,
    score: Score = None,
    format: Format = None,
    column: Columns = None,
    span: Span = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Is one better than the other? Paired on shared problems, with an interval.

    Each difference is second minus first. The problem is the unit, however many attempts it has.

    Example: gradatim compare runs/before runs/after --fail-if-worse --margin .01

    Example: gradatim compare matrix.npz --baseline base --plan 500 --samples 4

    Example: gradatim compare runs/before --plan 500

    Example: gradatim compare matrix.npz --rank irt
    """
    if output is not None:
        output = page_path(output)  # refused before the work, not after
    for text in sources or ():
        if not Path(text).exists() and text.replace(".", "", 1).isdigit():
            raise ArgumentError(f"{text} is no file; the margin of a gate is --margin {text}")
    found = standings.compare(
        *(sources or ()),
        baseline=baseline,
        shared=shared,
        by=by,
        groups=groups,
        cluster=cluster,
        correct=correct,
        level=level,
        effect=effect,
        plan=plan,
        samples=samples,
        correlation=correlation,
        power=power,
        fail_if_worse=fail_if_worse,
        fail_unless_better=fail_unless_better,
        margin=margin,
        rank=rank,
        rank_by=rank_by,
        seed=seed,
        progress=reporter(quiet),
        **reading(score=score, format=format, column=column, span=span),
    )
    if output is not None:
        if found["planned"] is not None:
            raise ArgumentError("`--output` shows a comparison; a plan with one solver has none")
        found["output"] = str(compare_report(found, output))
    emit(found, as_json=as_json, text=lambda _: _text(on_lines(plain_names(found))))
    if not found["passed"]:
        raise typer.Exit(1)


# -- words ------------------------------------------------------------------------------------


def _text(found: Mapping[str, Any]) -> str:
    rows = found["comparisons"]
    if found["planned"] is not None:
        return "\n".join(_planned(found) + [f"note: {note}" for note in found["notes"]])
    lines = ranking_text(found) + (_one(rows[0]) if len(rows) == 1 else _many(found))
    lines += _solvers(found)
    lines += _ahead(found) + _changed(rows) + _group_table(found)
    lines += [f"note: {note}" for note in found["notes"]]
    if gate := found["gate"]:
        state = "passes" if found["passed"] else f"FAILS: {', '.join(gate['failed'])}"
        lines.append(
            f"gate ({' or '.join(gate['fails_if'])}, margin {goal(gate['margin'])}): {state}"
        )
    if "output" in found:
        lines.append(f"page: {found['output']}")
    return "\n".join(lines)


def points(value: float) -> str:
    """A difference of shares as points.

    >>> points(0.0213)
    '2.1 points'
    """
    return f"{100 * value:.1f} points"


def said(value: Estimate) -> str:
    """A difference with its interval, in points."""
    middle, low, high = (round(100 * v, 1) + 0.0 for v in (value.value, value.low, value.high))
    return f"{middle:+.1f} points [{low:+.1f}, {high:+.1f}]"  # + 0.0: no minus before 0


def chance(p: float) -> str:
    """A p-value, short."""
    return "p < .0001" if p < 1e-4 else f"p = {p:.4f}".replace("0.", ".")


def _short(p: float) -> str:
    return "" if p != p else chance(p).removeprefix("p = ").removeprefix("p ")


def _one(row: Mapping[str, Any]) -> list[str]:
    first, second, value = row["first"], row["second"], row["difference"]
    words = {
        "better": f"{second} is better than {first}",
        "worse": f"{second} is worse than {first}",
        "open": f"no clear difference between {first} and {second}",
    }[row["verdict"]]
    return [
        f"{words}: {said(value)} on {value.n:,} problems, {chance(row['p'])}",
    ]


def _many(found: Mapping[str, Any]) -> list[str]:
    rows, rule = found["comparisons"], found["correction"]
    clear = sum(row["verdict"] != "open" for row in rows)
    how = {"joint": "joint resampling", "none": "no correction", "fdr": "false discovery rate"}
    method = how.get(rule["method"], rule["method"].capitalize())
    lines = [
        f"{clear:,} of {len(rows):,} pairs differ ({method} over {rule['comparisons']:,} "
        f"comparisons, level {1 - rule['level']:.2g}; an interval is of its pair alone)"
    ]
    ranked = sorted(rows, key=lambda r: (r["p"], -abs(r["difference"].value)))
    against = {row["first"] for row in rows}
    if len(against) == 1:  # a baseline: from the best to the worst
        ranked = sorted(rows, key=lambda r: -r["difference"].value)
        lines.append(f"  against {rows[0]['first']}:")
    table = [
        {
            **({"first": row["first"]} if len(against) > 1 else {}),
            "second": row["second"],
            "difference": said(row["difference"]),
            "problems": row["difference"].n,
            "p, corrected": _short(row["p_adjusted"]),
            "second is": row["verdict"],
        }
        for row in ranked[: SHOWN if len(against) > 1 else 3 * SHOWN]
    ]
    lines += [f"  {line}" for line in text_table(table).splitlines()]
    if len(rows) > len(table):
        lines.append(f"  ... and {len(rows) - len(table):,} more pairs; all are in --json")
    return lines


def _solvers(found: Mapping[str, Any]) -> list[str]:
    solvers = sorted(found["solvers"], key=lambda one: -one["score"].value)
    width = max(len(one["name"]) for one in solvers[:SHOWN])
    lines = []
    for one in solvers[:SHOWN]:
        score, again = one["score"], one["rerun_sd"]
        lines.append(
            f"  {one['name']:<{width}}  {score.value:.3f} [{score.low:.3f}, {score.high:.3f}]  "
            f"{one['attempts']:,} attempts on {one['problems']:,} problems"
            + (f"; sd if run again {points(again)}" if again is not None else "")
        )
    if len(solvers) > SHOWN:
        lines.append(f"  ... and {len(solvers) - SHOWN:,} more")
    return lines


def _ahead(found: Mapping[str, Any]) -> list[str]:
    """What was detectable, what more would cost, and the plan; of many pairs the median one."""
    rows, rule = found["comparisons"], found["power"]
    row = sorted(rows, key=lambda r: r["detectable"].value)[len(rows) // 2]
    whose = "" if len(rows) == 1 else f" ({row['first']} and {row['second']}, the median pair)"
    need, effect = row["needed"], goal(rule["effect"])
    alone = 1 - found["correction"]["level"]
    strict = "" if rule["alpha"] == alone else f" at level {rule['alpha']:.2g}, as corrected,"
    seen = f"show {points(row['detectable'].value)}{strict} with {rule['power']:.0%} power"
    if row["detectable"].value > 1:
        seen = "are too few to show any difference"
    lines = [f"this many problems {seen}{whose}; {needed_said(need)}"]
    if row["se_problems"] is not None:
        lines.append(
            f"  standard error {points(row['se'])}: problems {points(row['se_problems'])}, "
            f"luck of attempts {points(row['se_attempts'])}"
        )
    if plan := row.get("plan"):
        value = plan["detectable"]
        lines.append(
            f"plan: {plan['problems']:,} problems with {_attempts(plan)} each show "
            f"{_shows(value)}; "
            f"{_count(plan['problems_for_effect'])} problems for {effect}"
        )
    return lines


def _planned(found: Mapping[str, Any]) -> list[str]:
    """A plan from one solver: what is assumed, what it would show, what it needs."""
    plan, rule = found["planned"], found["power"]
    need, value = plan["needed"], plan["detectable"]
    of = "two that have not run"
    if plan["problems_now"]:
        there = f"{plan['problems_now']:,} problems, score {plan['rate']:.3f}"
        of = f"{plan['of']} ({there}) with one that has not run"
    alike = f"correlate {plan['correlation']:g}"
    if plan["assumed"]:
        alike = f"are assumed to {alike} (--correlation says otherwise)"
    lines = [
        f"plan to compare {of}; over problems their scores {alike}",
        f"{plan['problems']:,} problems with {_attempts(plan)} each show {_shows(value)} with "
        f"{rule['power']:.0%} power{_if(plan['detectable_if'], points)}",
    ]
    more = needed_said(need | {"samples": None})
    others = _if(need["more_if"], lambda n: _count(n) + " more")
    return [*lines, more + others]


def _attempts(plan: Mapping[str, Any]) -> str:
    return f"{plan['samples']:g} attempt" + ("" if plan["samples"] == 1 else "s")


def _shows(value: Estimate) -> str:
    """A difference that a plan would show; its interval only where a pilot leaves one."""
    if value.value > 1:
        return "no difference, whatever it is"
    ends = f" [{100 * value.low:.1f}, {100 * value.high:.1f}]" if value.low < value.high else ""
    return points(value.value) + ends


def _if(values: Mapping[str, Any], said: Callable[[Any], str]) -> str:
    told = [f"{said(value)} at a correlation of {at}" for at, value in values.items()]
    return f" ({', '.join(told)})" if told else ""


def _count(value: int | None) -> str:
    return "more than ten million" if value is None else f"{value:,}"


def _changed(rows: list[Mapping[str, Any]]) -> list[str]:
    lines = []
    for row in rows[:SHOWN]:
        told = row.get("changed")
        if told is None or not told["lost"] + told["gained"]:
            continue
        head = "" if len(rows) == 1 else f"{row['first']} to {row['second']}: "
        noun = "problem" if told["lost"] == 1 else "problems"
        words = f"{head}{told['lost']:,} {noun} lost, {told['gained']:,} gained"
        if told["clear"]:
            words += f"; worse beyond luck on {len(told['clear']):,}: {_some(told['clear'])}"
        elif told["can_tell"]:
            words += "; none is worse beyond luck"
        else:
            words += "; single attempts cannot tell which are luck"
        lines.append(words)
    return lines


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def _group_table(found: Mapping[str, Any]) -> list[str]:
    rows = found["groups"]
    if not rows:
        return []
    pairs = {(row["first"], row["second"]) for row in rows}
    lines = []
    for column in dict.fromkeys(row["by"] for row in rows):
        table = [
            {
                column: row["group"],
                **({} if len(pairs) == 1 else {"first": row["first"], "second": row["second"]}),
                "n": row["difference"].n,
                "rate 1": row["first_rate"],
                "rate 2": row["second_rate"],
                "difference": said(row["difference"]),
                "p, Holm": _short(row["p_adjusted"]),
                "rerun 1": _again(row["first_rerun_sd"]),
                "rerun 2": _again(row["second_rerun_sd"]),
            }
            for row in rows
            if row["by"] == column
        ]
        if all(row["rerun 1"] == row["rerun 2"] == "" for row in table):
            for row in table:
                del row["rerun 1"], row["rerun 2"]
        columns = [Column(key, key) for key in table[0]]
        lines += [f"by {column}:"]
        lines += [f"  {line}" for line in text_table(table, columns, most=60).splitlines()]
    return lines


def _again(sd: float | None) -> str:
    return "" if sd is None else f"sd {100 * sd:.1f}"
