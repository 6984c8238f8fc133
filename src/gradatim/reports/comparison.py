"""A page of a comparison: differences with intervals, groups, the problems that changed sides."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradatim
from gradatim.errors import ArgumentError
from gradatim.files import write_atomic
from gradatim.reports import axes as ax
from gradatim.reports.axes import Axis
from gradatim.reports.charts import Row, draw_intervals
from gradatim.reports.page import Block, Figure, Note, Page, Section, Table, Tile, render
from gradatim.reports.ranking import ranking_section
from gradatim.reports.tables import Column
from gradatim.reports.verdict import points

MOST = 60  # rows of a figure
COLORS = {"better": 1, "open": 0, "worse": 2}


def page_path(output: str | Path) -> Path:
    """Where a page may go.

    Raises:
        ArgumentError: it does not end in .html.
    """
    path = Path(output)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f"`output` must end in .html, got {str(path)!r}")
    return path


def compare_report(found: Mapping[str, Any], output: str | Path) -> Path:
    """Write one self-contained page of what `gradatim.compare` returned.

    Args:
        found: the comparison.
        output: where the page goes, .html.

    Returns:
        Its path. It makes no request and works in light, dark and print.
    """
    path = page_path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, render(compose(found)))
    return path


def compose(found: Mapping[str, Any]) -> Page:
    """The page's content."""
    rows = found["comparisons"]
    clear = [row for row in rows if row["verdict"] != "open"]
    rule = found["correction"]
    sections = [_differences(rows, rule["level"]), _solvers(found), *ranking_section(found)]
    sections += [*_groups(found), *_changed(rows)]
    if found["notes"]:
        sections.append(Section("notes", "Notes", "", [Note(note) for note in found["notes"]]))
    return Page(
        title="Comparison",
        lead=(
            f"{len(found['solvers'])} solvers, paired on the problems they share; the problem is "
            "the unit, however many attempts it has."
        ),
        tiles=[
            Tile("pairs that differ", f"{len(clear):,} of {len(rows):,}", f"{rule['method']}"),
            Tile("shared problems", f"{found['problems']:,}", "by all"),
        ],
        sections=sections,
        verdict=_verdicts(found),
        tone=_tone(found),
        footer={"Version": f"gradatim {gradatim.__version__}"},
        crumb="compare",
    )


def _verdicts(found: Mapping[str, Any]) -> list[str]:
    """The finding in a sentence, and what the gate says."""
    rows, said = found["comparisons"], []
    if len(rows) == 1:
        [row] = rows
        value = row["difference"]
        told = points((value.value, value.low, value.high))
        state = {"better": "is better than", "worse": "is worse than"}.get(row["verdict"])
        pair = f"{row['second']} {state} {row['first']}"
        if state is None:
            pair = f"No clear difference between {row['first']} and {row['second']}"
        said.append(f"{pair}: {told} on {value.n:,} problems.")
        said.append(f"{needed_said(row['needed']).capitalize()}.")
    if gate := found["gate"]:
        failed = ", ".join(gate["failed"])
        said.append(f"The gate fails: {failed}." if failed else "The gate passes.")
    return said


def goal(value: float) -> str:
    """A difference that was asked for, as points: no more digits than were given.

    >>> goal(0.02), goal(0.01)
    ('2 points', '1 point')
    """
    return f"{100 * value:g} point" + ("" if round(100 * value, 9) == 1 else "s")


def needed_said(need: Mapping[str, Any]) -> str:
    """What a difference that is wanted takes, in words.

    >>> needed_said({"effect": 0.02, "problems": 612, "more_problems": 412, "samples": None})
    '412 more problems to see 2 points'
    """
    effect = goal(need["effect"])
    if need["problems"] is None:
        return f"no number of problems up to ten million shows {effect}"
    if not need["more_problems"]:
        return f"enough to see {effect}"
    words = f"{need['more_problems']:,} more problems to see {effect}"
    if need["samples"] is not None:
        words += f", or {need['samples']:,} attempts of each on the problems there are"
    return words


def _tone(found: Mapping[str, Any]) -> str:
    rows = found["comparisons"]
    if not found["passed"]:
        return "bad"
    return (
        {"better": "good", "worse": "bad"}.get(rows[0]["verdict"], "even") if len(rows) == 1 else ""
    )


def draw_differences(rows: Sequence[Mapping[str, Any]], *, title: str, width: float) -> str:
    """Differences with intervals, one under the other, and a line at no difference.

    Args:
        rows: `name`, `difference` (Estimate) and `verdict`.
        title: for screen readers.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    lines = []
    for row in rows:
        value = row["difference"]
        ends = (value.value, value.low, value.high)
        color = COLORS[row.get("verdict", "open")]
        lines.append(Row(row["name"], *ends, color=color, said=points(ends)))
    axis = Axis("difference of means, points", lambda value: ax.plain(100 * value))
    return draw_intervals(lines, axis, title=title, width=width, zero=0.0)


def _differences(rows: Sequence[Mapping[str, Any]], level: float) -> Section:
    ranked = sorted(rows, key=lambda row: -row["difference"].value)
    if len(ranked) > MOST:
        ranked = sorted(rows, key=lambda row: row["p"])[:MOST]
        ranked.sort(key=lambda row: -row["difference"].value)
    named = [{**row, "name": f"{row['second']} - {row['first']}"} for row in ranked]

    def draw(width: float) -> str:
        return draw_differences(named, title="Differences of pairs", width=width)

    columns = [
        Column("first", form="text"),
        Column("second", form="text"),
        Column("difference", form="points"),
        Column("p"),
        Column("p_adjusted", "p, corrected"),
        Column("verdict", "second is", "text"),
        Column("detectable", "could see", "points"),
    ]
    shown = "" if len(rows) <= MOST else f" The {MOST} surest of {len(rows):,} pairs."
    figure = Figure(
        "differences",
        "Second minus first",
        "An interval that crosses the line leaves open which is better." + shown,
        draw,
        named,
        columns,
    )
    lead = f"Mean over shared problems of the difference, with its {level:.0%} interval."
    return Section("pairs", "Who is better", lead, [figure])


def _solvers(found: Mapping[str, Any]) -> Section:
    columns = [
        Column("name", form="text"),
        Column("score"),
        Column("problems"),
        Column("attempts"),
        Column("rerun_sd", "sd if run again", "percent"),
    ]
    records = sorted(found["solvers"], key=lambda one: -one["score"].value)
    return Section("solvers", "Solvers", "", [Table("Scores", records, columns)])


def _groups(found: Mapping[str, Any]) -> list[Section]:
    rows = found["groups"]
    if not rows:
        return []
    blocks: list[Block] = []
    for i, column in enumerate(dict.fromkeys(row["by"] for row in rows)):
        mine = [row for row in rows if row["by"] == column]
        pairs = {(row["first"], row["second"]) for row in mine}
        alone = len(pairs) == 1
        named = [
            row
            | {
                "name": row["group"]
                if alone
                else f"{row['group']}: {row['second']} - {row['first']}",
                "verdict": _verdict(row),
            }
            for row in mine
        ]

        def draw(width: float, named: Sequence[Mapping[str, Any]] = named[:MOST]) -> str:
            return draw_differences(named, title="Differences by group", width=width)

        columns = [
            Column("name", column, "text"),
            Column("first_rate", "rate of the first", "percent"),
            Column("second_rate", "rate of the second", "percent"),
            Column("difference", form="points"),
            Column("p_adjusted", "p, Holm"),
            Column("first_rerun_sd", "first, sd if run again", "percent"),
            Column("second_rerun_sd", "second, sd if run again", "percent"),
        ]
        caption = "Groups away from the others are where the difference lies."
        blocks.append(Figure(f"group-{i}", f"By {column}", caption, draw, named, columns))
    return [Section("groups", "Where the difference lies", "", blocks)]


def _verdict(row: Mapping[str, Any]) -> str:
    if not row["p_adjusted"] <= 0.05:
        return "open"
    return "better" if row["difference"].value > 0 else "worse"


def _changed(rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    blocks: list[Block] = []
    for row in rows:
        told = row.get("changed")
        if told is None or not told["lost"] + told["gained"]:
            continue
        clear = set(told["clear"])
        records = [
            {"problem": name, "beyond luck": "yes" if name in clear else "cannot tell"}
            for name in [*told["clear"], *(n for n in told["lost_items"] if n not in clear)]
        ]
        if not records:
            continue
        caption = (
            f"{told['lost']:,} problems lost, {told['gained']:,} gained; "
            f"{len(clear):,} lost beyond luck."
        )
        title = f"{row['first']} to {row['second']}"
        blocks.append(Table(title, records, [Column(k, form="text") for k in records[0]], caption))
    if not blocks:
        return []
    lead = "Problems that the first solved in at least half of its attempts and the second did not."
    return [Section("changed", "Problems that were lost", lead, blocks)]
