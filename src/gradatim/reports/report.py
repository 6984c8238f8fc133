"""`report`: a run, or a bank, to one page that explains itself."""

import shlex
import sys
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import gradatim
from gradatim.errors import ArgumentError, FormatError
from gradatim.files import write_atomic
from gradatim.reports import (
    attempts,
    evaluation,
    measurement,
    misfit,
    precision,
    verdict,
    watching,
)
from gradatim.reports.page import (
    MOST_BYTES,
    NARROW,
    WIDE,
    Block,
    Figure,
    Note,
    Page,
    Section,
    Table,
    Tile,
    render,
)
from gradatim.reports.read import BROKEN, RESULTS, Found, found_bank, read_run, solvers_of
from gradatim.reports.tables import Column, is_estimate, number, parts, written
from gradatim.store import banks
from gradatim.store.counting import statuses
from gradatim.store.formats import read_responses
from gradatim.store.run import Run
from gradatim.types import Bank, Responses

PARTS: tuple[tuple[str, Callable[[Found], Section | None]], ...] = (
    ("attempts", attempts.attempts),
    ("difficulty", measurement.difficulty),
    ("precision", precision.precision),
    ("fit", misfit.fit),
    ("placement", measurement.placement),
    ("evaluation", evaluation.evaluated),
    ("curves", verdict.curves),
    ("watched", watching.watched),
    ("verdict", verdict.final),
    ("answers", attempts.samples),
)
TITLES = {
    "curves": "Training at an equal budget",
    "watched": "Expanding or sharpening",
    "placement": "Placing a new solver",
    "evaluation": "Where a solver stands",
    "precision": "How precise the scale is",
    "fit": "How well the scale fits",
}


def report(
    run: Run | Bank | str | Path,
    *,
    responses: Responses | str | Path | None = None,
    output: str | Path | None = None,
    open_browser: bool = False,
) -> Path:
    """Write one self-contained page about a run, or about a bank.

    Args:
        run: a run or its folder; or a bank or its file (.parquet).
        responses: what a bank was fitted to (a matrix file or Responses): its fit and held-out
            cells are shown then. A run has its own.
        output: where the page is written; by default `report.html` in the run, or beside the
            bank's file under its name.
        open_browser: show the page in the default browser.

    Returns:
        The page's path. It makes no request, is under 3 MB, and works in light, dark and print.

    Raises:
        FormatError: neither a run nor a bank, or of a newer version; a damaged matrix file.
        ArgumentError: responses beside a run or of other items, a bank without a place for its
            page, or an output that does not end in .html.
    """
    found, path = _open(run, responses)
    path = path if output is None else Path(output)
    if path is None:
        raise ArgumentError("`output` must say where the page of a bank in memory is written")
    if path.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f"`output` must end in .html, got {str(path)!r}")
    page = compose(found)
    text = render(page)
    if len(text.encode()) > MOST_BYTES:
        text = render(page._replace(sections=[_lighter(s) for s in page.sections]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)
    if open_browser:
        webbrowser.open(path.absolute().as_uri())
    return path


def _open(
    run: Run | Bank | str | Path, responses: Responses | str | Path | None
) -> tuple[Found, Path | None]:
    """What there is to report, and where its page goes."""
    is_file = isinstance(run, str | Path) and Path(run).suffix.lower() == ".parquet"
    if not isinstance(run, Bank) and not is_file:
        if isinstance(run, str | Path) and Path(run).is_file():
            raise FormatError(
                run,
                expected="a run folder, or a bank (.parquet)",
                got="another file",
                remedy="calibrate it first: gradatim calibrate FILE -o BANK.parquet",
            )
        if responses is not None:
            raise ArgumentError("`responses` go with a bank; a run has its own attempts")
        opened = run if isinstance(run, Run) else Run(run, create=False)
        return read_run(opened), opened.path / "report.html"
    if isinstance(responses, str | Path):
        responses = read_responses(responses)
    path = Path("in memory" if isinstance(run, Bank) else str(run))
    bank = run if isinstance(run, Bank) else banks.read(path)
    if responses is not None and not set(bank.items) & set(responses.items):
        raise ArgumentError(
            f"`responses` have no item of the bank (such as {bank.items[0]!r}), but others (such "
            f"as {responses.items[0]!r}): give what the bank was fitted to"
        )
    return found_bank(path, bank, responses), None if bank is run else path.with_suffix(".html")


def compose(found: Found) -> Page:
    """The page of a run's content; a part that cannot be shown leaves a note in its place."""
    made = [s for name, build in PARTS if (s := _guarded(name, build, found)) is not None]
    if found.summary:
        made.append(_summary(found.summary))
    gaps = [Note(text, gap=True) for text in found.gaps]
    if gaps:
        made.append(Section("gaps", "What could not be read", "", gaps))
    if not made:
        lead = "Nothing yet: make attempts, calibrate, or train, and write the report again."
        made.append(Section("empty", "An empty run", lead, []))
    value = found.results.get("verdict", {})
    try:
        ended = verdict.outcome(value)
    except BROKEN:
        ended = None
    said = [s for s in (ended.sentence, ended.greedy, ended.clash) if s] if ended else []
    if value.get("statement"):
        said.append(str(value["statement"]))
    return Page(
        title=_title(found),
        lead=_lead(found),
        tiles=_tiles(found),
        verdict=said,
        tone=ended.tone if ended else "",
        sections=made,
        footer=_footer(found),
        crumb=f"{'run' if found.config else 'bank'} {found.path.name}",
    )


def _guarded(name: str, build: Callable[[Found], Section | None], found: Found) -> Section | None:
    try:
        section = build(found)
        return section and section._replace(blocks=[_drawn(b) for b in section.blocks])
    except BROKEN as error:
        what = f"results/{name}.json" if name in RESULTS else "This part"
        text = f"{what} cannot be shown: {type(error).__name__} {error}"
        return Section(name, TITLES.get(name, name.capitalize()), "", [Note(text, gap=True)])


def _drawn(block: Block) -> Block:
    """The block with its figure drawn, or with a note that says why it cannot be."""
    if not isinstance(block, Figure):
        return block
    try:
        made = {width: block.draw(width) for width in (WIDE, NARROW)}
    except BROKEN as error:
        return Note(f"{block.title} cannot be drawn: {type(error).__name__} {error}", gap=True)
    return block._replace(draw=made.__getitem__)


def _lighter(section: Section) -> Section:
    """The same section without embedded data, for a page that would be too large."""
    blocks = [b._replace(data=()) if isinstance(b, Figure) else b for b in section.blocks]
    cut = Note("The data of these figures are left out to keep the page small.", gap=True)
    return section._replace(blocks=[*blocks, cut])


def _title(found: Found) -> str:
    if "verdict" in found.results:
        return "What the policy learned"
    if "curves" in found.results:
        return "How the training went"
    return "How difficult, and for whom" if found.bank is not None else "What was attempted"


def _lead(found: Found) -> str:
    families = sorted({p.family for p in found.problems.values() if p.family})
    asked = len(found.counts.problems) if found.counts is not None else 0
    if found.bank is not None and not found.config:
        n, m = len(found.bank.items), len(found.bank.solvers)
        return f"{n:,} items and {m:,} solvers on scale {found.bank.scale}."
    text = f"{len(found.problems) or asked:,} problems"
    if families:
        text += f" of {len(families)} {'family' if len(families) == 1 else 'families'}"
        text += f" ({', '.join(families[:6])}{', …' if len(families) > 6 else ''})"
    if found.counts is not None:
        solvers = len(set(solvers_of(found.counts.settings)))
        text += f", {int(found.counts.n.sum()):,} attempts by {solvers} solver"
        text += "" if solvers == 1 else "s"
    return text + ". Every number on this page was computed in this run."


def _tiles(found: Found) -> list[Tile]:
    """The four to six numbers that a reader came for, those that exist."""
    tiles: list[Tile] = []
    for build in (_learned_tiles, _watched_tiles, _placement_tiles, _scale_tiles, _attempt_tiles):
        try:
            tiles += build(found)
        except BROKEN:
            continue  # the section of the same data says what is wrong
    return tiles[:6]


def _learned_tiles(found: Found) -> list[Tile]:
    value = found.results.get("verdict")
    if value is None:
        return []
    tiles = []
    ours, plain = verdict.OURS, verdict.PLAIN
    start, end = (verdict.rate(value, "sampled", arm) for arm in ("start", ours))
    if np.isfinite([start[0], end[0]]).all():
        big = f"{written(start[0], 'percent')} → {written(end[0], 'percent')}"
        near = f"{_bounds(start)} → {_bounds(end)}"
        tiles.append(Tile(f"Held-out pass rate, start → {ours}, at temperature 1", big, near))
    for mode, words in verdict.MODES.items():
        gap = verdict.difference(value, mode)
        if gap is not None:
            big, _, near = verdict.points(gap).partition(" [")
            small = f"95% interval [{near}" if near else ""
            tiles.append(Tile(f"{ours} over {plain}, {words}", big, small))
    target = value.get("rollouts_to_target")
    if isinstance(target, Mapping) and ours in target:
        n, total = number(target[ours]), number(value.get("rollouts"))
        small = f"of {written(total)} spent by each arm" if np.isfinite(total) else ""
        big = written(n) if np.isfinite(n) else "not reached"
        tiles.append(Tile(f"Rollouts of {ours} to {plain}’s final pass rate", big, small))
    return tiles


def _watched_tiles(found: Found) -> list[Tile]:
    if "verdict" in found.results or "curves" not in found.results:
        return []
    tiles = []
    for name, curve in list(found.results["curves"]["arms"].items())[:3]:
        ends = verdict.monitored(curve)
        if ends is not None:
            start, end = (parts(rate) for rate in ends)
            big = f"{written(start[0], 'percent')} → {written(end[0], 'percent')}"
            near = f"{_bounds(start)} → {_bounds(end)}"
            tiles.append(Tile(f"Held-out pass rate while {name} trained", big, near))
    return tiles


def _bounds(value: tuple[float, float, float, int | None]) -> str:
    low, high = (written(v, "percent") for v in value[1:3])
    return f"[{low}, {high}]"


def _placement_tiles(found: Found) -> list[Tile]:
    value = found.results.get("placement", {})
    used, error = number(value.get("used")), number(value.get("error_at_used"))
    if not np.isfinite([used, error]).all():
        return []
    random = number(value.get("random_error_at_used"))
    small = f"as many random items: {written(random)} logits" if np.isfinite(random) else ""
    return [Tile(f"Placement error after {used:.0f} items", f"{written(error)} logits", small)]


def _scale_tiles(found: Found) -> list[Tile]:
    calibration = found.results.get("calibration", {})
    tiles = []
    spearman = calibration.get("spearman")
    if isinstance(spearman, Mapping) and spearman:
        values = {str(k): parts(v)[0] for k, v in spearman.items()}
        low, high = min(values.values()), max(values.values())
        big = written(low) if len(values) == 1 else f"{written(low)} to {written(high)}"
        small = ", ".join(f"{k} {written(v)}" for k, v in list(values.items())[:4])
        tiles.append(Tile("Spearman of difficulty with level", big, small))
    if found.bank is not None:
        never = calibration.get("never_solved")
        small = f"{len(never):,} never solved by anyone" if isinstance(never, list) else ""
        tiles.append(Tile("Problems calibrated", f"{len(found.bank.items):,}", small))
    return tiles


def _attempt_tiles(found: Found) -> list[Tile]:
    if found.counts is None:
        return []
    total: dict[str, Any] = statuses(found.counts)
    lost = total["truncated"] + total["timeout"] + total["provider_error"]
    small = f"{lost:,} truncated, timed out or failed" if lost else "all finished"
    tiles = [Tile("Attempts", f"{total['requested']:,}", small)]
    if total["graded"]:
        share = total["reasons"].get("correct", 0) / total["graded"]
        near = f"of {total['graded']:,} graded, over all problems and solvers"
        tiles.append(Tile("Solved", written(share, "percent"), near))
    return tiles


def flat(value: Mapping[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    """Nested numbers as rows of name and value; estimates stay whole, long lists are counted.

    >>> flat({"a": {"b": 1}, "c": [1, 2]})
    [{'name': 'a · b', 'value': 1}, {'name': 'c', 'value': [1, 2]}]
    """
    rows: list[dict[str, Any]] = []
    for key, inner in value.items():
        name = f"{prefix}{str(key).replace('_', ' ')}"
        if isinstance(inner, Mapping) and not is_estimate(inner):
            rows += flat(inner, f"{name} · ")
        elif isinstance(inner, list) and any(isinstance(v, list | Mapping) for v in inner):
            rows.append({"name": name, "value": f"{len(inner):,} entries"})
        else:
            rows.append({"name": name, "value": inner})
    return rows


def _summary(value: Mapping[str, Any]) -> Section:
    columns = [Column("name", "figure", "text"), Column("value")]
    rows = flat(value)
    return Section("summary", "The run’s own summary", "", [Table("summary.json", rows, columns)])


def _footer(found: Found) -> dict[str, str]:
    machine = found.config.get("machine", {})
    lines = {
        "Version": f"gradatim {gradatim.__version__}",
        "Command": shlex.join(["gradatim", *sys.argv[1:]]) if _is_command() else "gradatim.report",
        "Run" if found.config else "Bank": str(found.path.name),
        "Made": str(found.config.get("created", "")),
        "Seed": str(found.config.get("seed", "")),
        "Machine": ", ".join(f"{k} {v}" for k, v in machine.items()),
    }
    made_with = found.config.get("gradatim")
    if made_with and made_with != gradatim.__version__:
        lines["Run made with"] = f"gradatim {made_with}"
    return {k: v for k, v in lines.items() if v}


def _is_command() -> bool:
    return Path(sys.argv[0]).stem in ("gradatim", "__main__")
