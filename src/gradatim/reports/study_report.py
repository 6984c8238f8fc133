"""A study as one page: learning curves, paired differences, the table, and what was tried."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradatim
from gradatim import checks
from gradatim.engine import contrasts
from gradatim.errors import ArgumentError
from gradatim.files import write_atomic
from gradatim.reports import study_figures as figures
from gradatim.reports.page import (
    Block,
    Figure,
    Note,
    Page,
    Section,
    Table,
    Tile,
    render,
)
from gradatim.reports.study_profile import profile_section
from gradatim.reports.tables import DASH, Column
from gradatim.types import Estimate

POINTS = ("d_final", "d_greedy", "d_area", "d_early")
MOST_LEVELS = 4  # variants in the figure by level


class Tried(NamedTuple):
    """What stands around the rows of a study.

    Attributes:
        name: of the study; baseline: what every variant is compared with.
        configurations: how many were tried, abandoned ones included.
        planned: cells; those without a row are missing.
        command: that made the page.
        tuning: where settings were tuned, in words, see `study_tuning.words`; "" = not said.
    """

    name: str
    baseline: str
    configurations: int
    planned: int
    command: str = ""
    tuning: str = ""


def study_report(rows: Sequence[Mapping[str, Any]], tried: Tried, *, output: str | Path) -> Path:
    """Write one self-contained page of a study's rows.

    Args:
        rows: of `gradatim.study`, of any number of pools.
        tried: name, baseline and counts.
        output: where the page goes, .html.

    Returns:
        Its path. It makes no request and works in light, dark and print.

    Raises:
        ArgumentError: no row of the baseline, or an output that does not end in .html.
    """
    path = Path(output)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f"`output` must end in .html, got {str(path)!r}")
    checks.within(1, 10**9, configurations=tried.configurations)
    page = compose(rows, tried)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, render(page))
    return path


def compose(rows: Sequence[Mapping[str, Any]], tried: Tried) -> Page:
    """The page's content."""
    found = contrasts.contrast(rows, baseline=tried.baseline)
    paired = [r for r in found if r["variant"] != tried.baseline]
    sections = [
        _curves(rows, found, tried),
        _differences(paired, tried),
        _table(found, tried),
        profile_section(rows, baseline=tried.baseline, named=_named(found, tried)),
        _parts(rows),
        _levels(rows, found, tried),
        _costs(found),
    ]
    variants = len({r["variant"] for r in found})
    pools = _pools(found)
    spent = sum(int(r["spent"]) for r in rows)
    return Page(
        title=f"Study {tried.name}",
        lead=(
            f"{variants} variants on {len(pools)} {_plural('pool', len(pools))} at an equal, fully "
            f"counted budget, each paired with {tried.baseline} by pool, start and seed."
        ),
        tiles=_tiles(rows, found, tried, spent=spent),
        sections=[s for s in sections if s is not None],
        footer={
            "Version": f"gradatim {gradatim.__version__}",
            "Study": tried.name,
            **({"Command": tried.command} if tried.command else {}),
        },
        crumb=f"study {tried.name}",
    )


def _named(found: Sequence[Mapping[str, Any]], tried: Tried) -> list[str]:
    """Variants with a colour, of all pools, the baseline first."""
    leading = figures.leading(found, baseline=tried.baseline).values()
    return list(dict.fromkeys(name for names in leading for name in names))


def _plural(word: str, n: int) -> str:
    return word if n == 1 else f"{word}s"


def _tiles(
    rows: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    tried: Tried,
    *,
    spent: int,
) -> list[Tile]:
    pairs = sorted({r["pairs"] for r in found if r["variant"] != tried.baseline}) or [0]
    many = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    left = tried.planned - len(rows)
    return [
        Tile("configurations tried", f"{tried.configurations:,}", "abandoned ones included"),
        Tile(
            "cells trained",
            f"{len(rows):,} of {tried.planned:,}",
            f"{left:,} have no row yet" if left > 0 else "all",
        ),
        Tile(
            f"{_plural('pair', pairs[-1])} of a variant with {tried.baseline}",
            many,
            "one pair: no interval" if pairs[0] == 1 else "95% intervals",
        ),
        Tile("rollouts spent", f"{spent:,}", "of training, all cells together"),
    ]


def _curves(
    rows: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], tried: Tried
) -> Section:
    named = figures.leading(found, baseline=tried.baseline)
    curves = figures.curves_of(rows)
    data = [
        {"pool": pool, "variant": variant, "rollouts": at, "rate": _rate(value, low, high, n)}
        for pool, variants in curves.items()
        for variant, curve in variants.items()
        for n in [sum(r["pool"] == pool and r["variant"] == variant for r in rows)]
        for at, value, low, high in zip(*(curve[k].tolist() for k in curve), strict=True)
    ]
    return Section(
        "curves",
        "How fast they learn",
        "Held-out pass rate at temperature 1 while the budget is spent; surveys cost nothing of "
        "it.",
        [
            Figure(
                "curves",
                "Learning curves",
                f"The mean over pairs with its 95% interval; a colour for {tried.baseline} and "
                "those that ended highest, grey for the others.",
                lambda width: figures.draw_learning(curves, named, width=width),
                data,
            )
        ],
    )


def _rate(value: float, low: float, high: float, n: int) -> Estimate:
    return Estimate(value, low, high, n)


def _differences(paired: Sequence[Mapping[str, Any]], tried: Tried) -> Section | None:
    if not paired:
        return None
    blocks: list[Block] = []
    for i, pool in enumerate(_pools(paired)):
        mine = [r for r in paired if str(r["pool"]) == pool]
        data = [{"variant": r["variant"], "difference": _shown(r["d_final"])} for r in mine]

        def draw(width: float, mine: Sequence[Mapping[str, Any]] = mine) -> str:
            return figures.draw_differences(mine, baseline=tried.baseline, width=width)

        blocks.append(
            Figure(
                f"differences-{i}",
                f"Pool {pool}",
                f"Right of the line a variant ended above {tried.baseline}; an interval that "
                "crosses it leaves open which is better.",
                draw,
                data,
                [Column("variant", form="text"), Column("difference", form="points")],
            )
        )
    return Section(
        "differences",
        f"Final pass rate beside {tried.baseline}",
        "Differences of pairs that share pool, start and seed, at temperature 1, with Student's "
        "95% interval.",
        blocks,
    )


def _shown(value: Estimate) -> Estimate:
    """An estimate for tables: without an interval where there is one pair."""
    return value if value.n > 1 else Estimate(value.value, float("nan"), float("nan"), 1)


def _table(found: Sequence[Mapping[str, Any]], tried: Tried) -> Section:
    columns = [
        Column("variant", form="text"),
        Column("pairs"),
        Column("final", "final pass rate", "percent"),
        Column("d_final", "difference", "points"),
        Column("cost", f"rollouts to {tried.baseline}'s height", "text"),
        Column("d_greedy", "difference, greedy", "points"),
        Column("d_area", "difference, whole curve", "points"),
        Column("d_early", "difference, early", "points"),
        Column("gradient", "groups with a gradient", "percent"),
    ]
    blocks: list[Block] = []
    for pool in _pools(found):
        records = [
            {k: r[k] for k in ("variant", "pairs", "final", "gradient")}
            | {key: _points(r[key]) for key in POINTS if key in r}
            | {"cost": _cost(r)}
            for r in found
            if str(r["pool"]) == pool
        ]
        blocks.append(Table(f"Pool {pool}", records, columns))
    said = contrasts.notes(found, configurations=tried.configurations)
    said += [tried.tuning] if tried.tuning else []
    blocks += [Note(text[0].upper() + text[1:] + ".") for text in said]
    return Section(
        "table",
        "All variants",
        "Means of the held-out pass rate at temperature 1, and differences in points.",
        blocks,
    )


def _pools(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(str(r["pool"]) for r in found))


def _points(value: Estimate) -> dict[str, float]:
    """A difference for a column of points: pairs stand beside it, one pair has no interval."""
    shown = _shown(value)
    return {"value": shown.value, "low": shown.low, "high": shown.high}


def _cost(row: Mapping[str, Any], unit: str = "rollouts") -> str:
    return contrasts.ratio(row, unit) if f"x_{unit}" in row else DASH


def _parts(rows: Sequence[Mapping[str, Any]]) -> Section | None:
    found = contrasts.leave_one_out(rows)
    if not found:
        return None
    records = [
        {
            **{k: r[k] for k in ("pool", "whole", "part", "pairs")},
            **{k: _points(r[f"brings_{k}"]) for k in ("final", "greedy", "area")},
            "cost": _cost(r),
        }
        for r in found
    ]
    columns = [
        *(Column(k, form="text") for k in ("pool", "whole", "part")),
        Column("pairs"),
        Column("final", "brings", "points"),
        Column("greedy", "brings, greedy", "points"),
        Column("area", "brings, whole curve", "points"),
        Column("cost", "rollouts without it", "text"),
    ]
    return Section(
        "parts",
        "What each part brings",
        "The whole recipe over the same without one part, paired; above zero the part helps.",
        [Table("Leave one out", records, columns)],
    )


def _levels(
    rows: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], tried: Tried
) -> Section | None:
    blocks: list[Block] = []
    named = figures.leading(found, baseline=tried.baseline, most=MOST_LEVELS)
    for i, (pool, names) in enumerate(named.items()):
        rates = figures.level_rates(rows, pool, names)
        if not rates:
            continue

        def draw(width: float, rates: Any = rates, pool: str = pool) -> str:
            return figures.draw_levels(rates, pool=pool, width=width)

        blocks.append(
            Figure(
                f"levels-{i}",
                f"Pool {pool}",
                "Held-out pass rate by family and level at the end, mean over pairs with its 95% "
                "interval.",
                draw,
                rates,
            )
        )
    if not blocks:
        return None
    return Section("levels", "Where they ended, level by level", "At temperature 1.", blocks)


def _costs(found: Sequence[Mapping[str, Any]]) -> Section:
    records = [
        {
            **{k: r[k] for k in ("pool", "variant", "cpu", "forgotten")},
            **{k: _times(r[k]) for k in ("cpu_per_rollout", "tokens_per_rollout") if k in r},
            **{f"x_{k}": _cost(r, k) for k in ("tokens", "cpu")},
        }
        for r in found
    ]
    columns = [
        Column("pool", form="text"),
        Column("variant", form="text"),
        Column("cpu", "seconds a cell"),
        Column("cpu_per_rollout", "time at equal rollouts", "text"),
        Column("tokens_per_rollout", "tokens at equal rollouts", "text"),
        Column("x_tokens", "tokens to its height", "text"),
        Column("x_cpu", "time to its height", "text"),
        Column("forgotten", "forgotten", "percent"),
    ]
    return Section(
        "costs",
        "What else it cost",
        "Processor time and tokens as ratios to the baseline's; forgotten is the mean loss over "
        "families and levels, gains not counted.",
        [Table("Costs", records, columns)],
    )


def _times(value: Estimate) -> str:
    text = f"x{value.value:.2f}"
    return text if value.n == 1 else f"{text} [{value.low:.2f}, {value.high:.2f}]"
