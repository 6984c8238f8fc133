"""Figures of an adaptive test: its shrinking interval, or how many items would have done."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import gradatim
from gradatim.errors import ArgumentError
from gradatim.files import write_atomic
from gradatim.reports import axes as ax
from gradatim.reports.axes import Axis
from gradatim.reports.charts import Panel, draw_lines
from gradatim.reports.marks import Series
from gradatim.reports.page import Figure, Note, Page, Section, render
from gradatim.reports.read import Found
from gradatim.reports.svg import standing_alone

Z = 1.959964
ERRORS = (
    ("adaptive", "adaptive items", 1),
    ("random_model", "random items, same model", 2),
    ("random", "random items, plain mean", 0),
)


def draw_shrinking(test: Mapping[str, Any], *, width: float = 820.0) -> str:
    """Score and ability with their 95% intervals, question by question.

    Args:
        test: what `gradatim.evaluate` returned of a solver.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    steps = test.get("steps") or []
    title = "Score and ability by number of questions"
    if not steps:
        return draw_lines([], title=title, width=width)
    x = np.arange(1, len(steps) + 1)
    score, low, high, ability, se = (
        np.array([step[name] for step in steps], dtype=float)
        for name in ("score", "low", "high", "ability", "se")
    )
    questions = Axis("questions asked")
    panels = [
        Panel(
            "Share of the bank solved",
            questions,
            Axis("expected share", ax.percent),
            [Series("95% interval", x, score, low, high, color=1)],
            bounds=(0.0, 1.0),
        ),
        Panel(
            "Ability",
            questions,
            Axis("ability (logits)"),
            [Series("95% interval", x, ability, ability - Z * se, ability + Z * se, color=1)],
        ),
    ]
    return draw_lines(panels, title=title, width=width)


def draw_replay(found: Mapping[str, Any], *, width: float = 820.0) -> str:
    """The error of adaptive and of random items, and the interval's width, item by item.

    Args:
        found: what `gradatim.evaluate` returned of a replay.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    curve = found["curve"]
    x, items = np.asarray(curve["items"], float), Axis("items answered")
    lines = [
        Series(words, x, np.asarray(curve[f"{name}_error"], float), color=color)
        for name, words, color in ERRORS
    ]
    wide = Series("adaptive items", x, np.asarray(curve["width"], float), color=1)
    panels = [
        Panel(
            "Mean error of the predicted score",
            items,
            Axis("|predicted - full score|", ax.percent),
            lines,
            include=[0.0],
            bounds=(0, 1),
        ),
        Panel(
            "Mean width of the 95% interval",
            items,
            Axis("width", ax.percent),
            [wide],
            include=[0.0],
            bounds=(0, 1),
        ),
    ]
    return draw_lines(panels, title="Errors by number of items", width=width)


def evaluated(found: Found) -> Section | None:
    """The section of a run: where the solver stands that was tested last."""
    test = found.results.get("evaluation")
    return None if test is None else _tested(test)


def _tested(test: Mapping[str, Any]) -> Section:
    score, ability = test["score"], test["ability"]
    lead = (
        f"{test['solver']} solves {_of(score, 'value'):.1%} of the bank "
        f"[{_of(score, 'low'):.1%}, {_of(score, 'high'):.1%}], ability "
        f"{_of(ability, 'value'):+.2f} [{_of(ability, 'low'):+.2f}, {_of(ability, 'high'):+.2f}], "
        f"after {test['items']:,} of {test['bank_items']:,} items"
    )
    if cut := test.get("cut"):
        side = f"{cut['side']} {cut['at']:g}" if cut["side"] else f"not surely beside {cut['at']:g}"
        lead += f"; {side} (chance of more: {cut['chance']:.1%})"
    figure = Figure(
        "evaluation",
        "The interval shrinks",
        "Expected share of the whole bank solved, and ability, after each question; the bands are "
        "95% intervals.",
        lambda width: draw_shrinking(test, width=width),
        list(test.get("steps") or []),
    )
    notes = [Note(str(note), gap=True) for note in test.get("notes") or []]
    return Section("evaluation", "Where a solver stands", lead, [figure, *notes])


def _of(estimate: Any, name: str) -> float:
    """A field of an Estimate, or of one read back from JSON."""
    value = estimate[name] if isinstance(estimate, Mapping) else getattr(estimate, name)
    return float("nan") if value is None else float(value)


def _fewest(found: Mapping[str, Any], of: str) -> str:
    """How many adaptive items do, by the plain mean ("enough") or the model ("enough_model")."""
    return f"{found[of]}" if found[of] else f"more than {len(found['curve']['items'])}"


def _outcome(found: Mapping[str, Any]) -> str:
    """A replay in one sentence."""
    said = _fewest(found, "enough")
    return (
        f"{said[0].upper()}{said[1:]} adaptive items do for the error of "
        f"{min(found['compare_random'], found['bank_items'])} random ones; "
        f"{found['models']:,} models held out, {found['bank_items']:,} items"
    )


def _tried(found: Mapping[str, Any]) -> Section:
    lead = (
        f"Where the model scores the random items too, it takes {_fewest(found, 'enough_model')}. "
        f"One item was given to {found['exposure']:.0%} of models."
    )
    if math.isfinite(held := _of(found["coverage"], "value")):
        lead += (
            f" 95% intervals at the end hold the full score in {held:.1%} of tests, and are "
            f"{_of(found['width'], 'value'):.3f} wide."
        )
    curve = found["curve"]
    rows = [{name: float(curve[name][at]) for name in curve} for at in range(len(curve["items"]))]
    figure = Figure(
        "replay",
        "Errors by number of items",
        "Mean distance of the predicted from the full score, over models held out.",
        lambda width: draw_replay(found, width=width),
        rows,
    )
    notes = [Note(str(note), gap=True) for note in found["notes"]]
    return Section("replay", "How few items would have done", lead, [figure, *notes])


def save_figure(found: Mapping[str, Any], output: str | Path) -> Path:
    """Write the figure of what `gradatim.evaluate` returned.

    Args:
        found: of a solver, or of a replay.
        output: .svg, which stands alone, or .html, a page with the numbers beside it.

    Returns:
        The path.

    Raises:
        ArgumentError: another ending.
    """
    path = figure_path(output)
    replayed = "curve" in found
    if path.suffix == ".svg":
        text = standing_alone((draw_replay if replayed else draw_shrinking)(found))
    else:
        section = _tried(found) if replayed else _tested(found)
        text = render(
            Page(
                title="An adaptive test",
                lead=_outcome(found) if replayed else section.lead,
                sections=[section],
                footer={"gradatim": gradatim.__version__},
            )
        )
    write_atomic(path, text)
    return path


def figure_path(output: str | Path) -> Path:
    """Where a figure may go.

    Raises:
        ArgumentError: it ends neither in .svg nor in .html.
    """
    path = Path(output)
    if path.suffix not in (".svg", ".html"):
        raise ArgumentError(f"`figure` must end in .svg or .html, got {str(path)!r}")
    return path
