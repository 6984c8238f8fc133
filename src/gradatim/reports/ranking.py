"""A ranking as lines for the terminal and as a section of the page: ranks with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

from gradatim.reports import axes as ax
from gradatim.reports.axes import Axis
from gradatim.reports.charts import Row, draw_intervals
from gradatim.reports.page import Figure, Section
from gradatim.reports.tables import Column, text_table

SHOWN, ALIKE, MOST = 20, 5, 60  # rows of the terminal's table, and of the figure
NAMED = 5
WORDS = {
    "irt": "ability on a common scale",
    "irt_2pl": "ability on a common scale, every problem with a discrimination of its own",
    "bradley_terry": "Bradley-Terry strength",
    "plackett_luce": "Plackett-Luce strength",
    "borda": "share of others beaten",
    "kemeny": "fewest disagreements",
    "mean": "mean score",
}
COLUMNS = [
    Column("rank"),
    Column("solver", form="text"),
    Column("score"),
    Column("p_best", "chance to be best", "percent"),
    Column("tier", "tier"),
]


def ranking_text(found: Mapping[str, Any]) -> list[str]:
    """Lines of a comparison's ranking: who may be best, and the table where it was asked for.

    Args:
        found: what `compare` returned.
    """
    about, rows = found["ranked"], found["ranking"]
    if about is None:
        return []
    lines = [f"{_finding(about)} (by {_words(about)})"]
    if about["how"] == "mean" and about["by"] is None:
        return lines  # scores are shown anyway
    shown = ALIKE if len(about["best"]) == len(rows) > SHOWN else SHOWN  # nothing is told apart
    table = [
        {
            "rank": _span(row["rank"]),
            "solver": row["solver"],
            "score": _interval(row["score"]),
            "came first": f"{row['p_best']:.0%}",
            "tier": row["tier"],
            "problems": row["score"].n,
        }
        for row in rows[:shown]
    ]
    lines += [f"  {line}" for line in text_table(table).splitlines()]
    if len(rows) > shown:
        lines.append(f"  ... and {len(rows) - shown:,} more; all are in --json")
    lines.append(
        f"  the order holds for {about['apart']:,} of {about['pairs']:,} pairs, all at once; "
        "solvers of one tier cannot be told from its first"
    )
    if any(row["p_best"] >= about["level"] for row in rows) and len(about["best"]) > 1:
        lines.append(
            "  'came first' is a share of resamples; who may be the best is tested pair by pair, "
            "which asks for more"
        )
    return lines


def ranking_section(found: Mapping[str, Any]) -> list[Section]:
    """The section of a comparison's page, none where nothing was ranked."""
    about, rows = found["ranked"], found["ranking"]
    if about is None:
        return []

    def draw(width: float) -> str:
        return draw_ranks(rows[:MOST], width=width)

    lead = f"{_finding(about)}. The order is by {_words(about)}, on {about['problems']:,} problems."
    caption = f"Each line holds the true rank of its solver with {about['level']:.0%} confidence."
    if len(rows) > MOST:
        caption += f" The first {MOST} of {len(rows):,}."
    figure = Figure("ranks", "Ranks", caption, draw, rows, COLUMNS)
    return [Section("ranking", "Ranking", lead, [figure])]


def draw_ranks(rows: Sequence[Mapping[str, Any]], *, width: float) -> str:
    """Ranks with intervals, best on top; those that may be best in a colour of their own.

    Args:
        rows: solver, rank (Estimate), may_be_best.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    lines = [
        Row(
            row["solver"],
            row["rank"].value,
            row["rank"].low,
            row["rank"].high,
            color=1 if row["may_be_best"] else 0,
            said=_span(row["rank"]),
        )
        for row in rows
    ]
    return draw_intervals(lines, Axis("rank, 1 = best", ax.plain), title="Ranks", width=width)


def _finding(about: Mapping[str, Any]) -> str:
    best = about["best"]
    if len(best) == _count(about):
        return f"which of {len(best):,} solvers is the best stays open"
    if len(best) == 1:
        return f"{best[0]} is the best with {about['level']:.0%} confidence"
    if len(best) <= NAMED:
        return f"{', '.join(best[:-1])} or {best[-1]} may be the best"
    return f"{len(best):,} of {_count(about):,} solvers may be the best"


def _count(about: Mapping[str, Any]) -> int:
    """Solvers, of n (n - 1) / 2 pairs."""
    return round((1 + (1 + 8 * about["pairs"]) ** 0.5) / 2)


def _words(about: Mapping[str, Any]) -> str:
    across = "Kemeny's rule" if about["how"] == "kemeny" else "Borda's rule"
    by = f", each {about['by']} counting once, by {across}" if about["by"] is not None else ""
    cluster = f", each {about['cluster']} resampled as one" if about["cluster"] is not None else ""
    return WORDS[about["how"]] + by + cluster


def _span(rank: Any) -> str:
    """A rank and its ends; whole numbers as such.

    >>> from gradatim.types import Estimate
    >>> _span(Estimate(2.5, 1.0, 4.0, 100))
    '2.5 [1, 4]'
    """
    return f"{rank.value:g} [{rank.low:g}, {rank.high:g}]"


def _interval(score: Any) -> str:
    return f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]"
