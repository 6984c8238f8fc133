"""Sections about learning: training curves, and the verdict on held-out problems.

The outcome is said as the intervals say it: won, lost, or no clear difference.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim.reports.axes import Axis, percent
from gradatim.reports.charts import Row, draw_intervals
from gradatim.reports.figures import color_of, draw_curves, draw_rates
from gradatim.reports.page import Figure, Note, Section, Table
from gradatim.reports.read import Found, floors
from gradatim.reports.tables import Column, cell, number, parts, written

MODES = {"sampled": "at temperature 1", "greedy": "greedy"}
OURS, PLAIN = "gradatim", "grpo"


class Outcome(NamedTuple):
    """What was compared and how it ended: tone is "good", "even" or "bad"."""

    tone: str
    sentence: str
    greedy: str
    clash: str


def difference(
    verdict: Mapping[str, Any], mode: str, *, first: str = OURS, second: str = PLAIN
) -> tuple[float, float, float] | None:
    """(value, low, high) of rate(first) - rate(second) as the run computed it; None if missing.

    >>> half = {"mode": "greedy", "between": ["grpo", "gradatim"],
    ...         "value": {"value": -0.1, "low": -0.2, "high": 0.05, "n": 9}}
    >>> difference({"difference": [half]}, "greedy")
    (0.1, -0.05, 0.2)
    """
    for row in verdict.get("difference") or []:
        if row.get("mode") != mode or set(row.get("between", ())) != {first, second}:
            continue
        value, low, high, _ = parts(row.get("value"))
        if not np.isfinite(value):
            return None
        return (value, low, high) if row["between"][0] == first else (-value, -high, -low)
    return None


def points(value: tuple[float, float, float]) -> str:
    """A difference of shares with its interval.

    >>> points((0.05, -0.01, 0.112))
    '+5.0 points [−1.0, +11.2]'
    """
    low, high = (written(v, "points").removesuffix(" points") for v in value[1:])
    return f"{written(value[0], 'points')} [{low}, {high}]"


def outcome(verdict: Mapping[str, Any]) -> Outcome | None:
    """Did the adaptive recipe win? Only an interval that leaves zero out says so."""
    sampled, greedy = difference(verdict, "sampled"), difference(verdict, "greedy")
    if sampled is None:
        return None
    said = f"{points(sampled)} over {PLAIN} at temperature 1 on held-out problems, equal rollouts."
    if sampled[1] > 0:
        tone, sentence = "good", f"The adaptive recipe won this run: {said}"
    elif sampled[2] < 0:
        tone, sentence = "bad", f"The adaptive recipe lost this run: {said}"
    else:
        tone = "even"
        sentence = f"The adaptive recipe did not win this run; no clear difference: {said}"
    rest = ""
    if greedy is not None:
        rest = f"Greedy: {points(greedy)}"
        rest += "." if greedy[1] > 0 or greedy[2] < 0 else ", no clear difference."
    return Outcome(tone, sentence, rest, _clash(verdict, sampled[0]))


def rate(verdict: Mapping[str, Any], mode: str, arm: str) -> tuple[float, float, float, int | None]:
    """(value, low, high, n) of an arm's pass rate over all held-out problems; NaN if missing."""
    for row in verdict.get("overall") or []:
        if row.get("mode") == mode and row.get("arm") == arm:
            return parts(row.get("rate"))
    return np.nan, np.nan, np.nan, None


def _clash(verdict: Mapping[str, Any], sampled: float) -> str:
    """Say so where the difference and the two rates that it should come from disagree."""
    ours, plain = rate(verdict, "sampled", OURS)[0], rate(verdict, "sampled", PLAIN)[0]
    gap = ours - plain
    if not np.isfinite(gap) or abs(gap - sampled) <= 0.005:
        return ""
    return (
        f"The difference in results/verdict.json ({written(sampled, 'points')}) is not that of the "
        f"two overall rates ({written(gap, 'points')}): read both with care."
    )


def curves(found: Found) -> Section | None:
    """Both arms while they trained."""
    value = found.results.get("curves")
    if value is None:
        return None
    arms = value["arms"]
    rows = []
    for name, curve in arms.items():
        steps = curve.get("rollouts") or []
        for i, spent in enumerate(steps):
            row: dict[str, Any] = {"arm": name, "rollouts": spent}
            for key in ("tokens", "pass_rate", "mixed", "cpu", "low", "high"):
                column = curve.get(key) or []
                if i < len(column):
                    row[key] = column[i]
            rows.append(row)
        for record in curve.get("monitor") or []:
            rows.append({"arm": name, **{k: record.get(k) for k in ("rollouts", "rate")}})
    columns = [
        Column("arm", form="text"),
        Column("rollouts"),
        *([Column("tokens")] if any("tokens" in r for r in rows) else []),
        Column("pass_rate", "pass rate", "percent"),
        Column("mixed", "groups with a gradient", "percent"),
        *([Column("cpu", "CPU seconds")] if any("cpu" in r for r in rows) else []),
        *([Column("rate", "held-out", "percent")] if any("rate" in r for r in rows) else []),
    ]
    held = any(c.get("monitor") for c in arms.values())
    said = "The held-out pass rate compares the arms; in training " if held else "In training "
    said += (
        "each arm is measured on the problems that it chose itself"
        + ("" if held else ", so these lines do not compare the arms")
        + f". Groups neither all solved nor all failed carry a gradient{_mixed_said(arms)}. Long "
        "lines are running means over the faint ones."
    )
    figure = Figure(
        "curves",
        "Training curves",
        said,
        lambda width: draw_curves(arms, width=width),
        rows,
        columns,
    )
    equal, lead = _spent(arms)
    title = "Training at an equal budget" if equal else "Training"
    return Section("training", title, lead, [figure])


def _spent(arms: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether several arms spent equally many rollouts, and a sentence that says what each did."""
    ends = {name: number((curve.get("rollouts") or [None])[-1]) for name, curve in arms.items()}
    if len(ends) > 1 and len(set(ends.values())) == 1:
        n = written(next(iter(ends.values())))
        return True, f"Each arm spent {n} rollouts; they differ in what they spent them on."
    return False, "Rollouts spent: " + ", ".join(f"{k} {written(v)}" for k, v in ends.items()) + "."


def _mixed_said(arms: Mapping[str, Any]) -> str:
    means = []
    for name, curve in arms.items():
        known = [v for v in map(number, curve.get("mixed") or []) if np.isfinite(v)]
        if known:
            means.append(f"{name} {written(float(np.mean(known)), 'percent')}")
    return f" (mean over steps: {', '.join(means)})" if means else ""


def monitored(curve: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """First and last held-out pass rate of an arm that was watched while it trained."""
    records = curve.get("monitor") or []
    return (records[0]["rate"], records[-1]["rate"]) if len(records) > 1 else None


def _rows(verdict: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The rows that can be drawn, and how many cannot."""
    good, bad = [], 0
    for row in verdict.get("rows") or []:
        if (
            isinstance(row, Mapping)
            and {"family", "level", "mode", "arm", "rate"} <= set(row)
            and np.isfinite(number(row["level"]))
        ):
            value, low, high, n = parts(row["rate"])
            plain = {"value": value, "low": low, "high": high, "n": n}
            good.append({**row, "rate": plain})
        else:
            bad += 1
    return good, bad


def final(found: Found) -> Section | None:
    """The verdict: pass rate by level on held-out problems, sampled and greedy."""
    verdict = found.results.get("verdict")
    if verdict is None:
        return None
    rows, bad = _rows(verdict)
    guess = floors(found.problems.values())
    rows = [{"floor": guess.get((str(r["family"]), float(r["level"]))), **r} for r in rows]
    blocks: list[Any] = []
    overall = [r for r in verdict.get("overall") or [] if isinstance(r, Mapping)]
    if overall:
        blocks.append(_overall_figure(overall))
    for mode, words in MODES.items():
        own = [r for r in rows if r["mode"] == mode]
        if own:
            blocks.append(_rates_figure(own, mode, words))
        else:
            blocks.append(Note(f"No pass rates {words} were recorded.", gap=True))
    if bad:
        blocks.append(Note(f"{bad} rows of results/verdict.json could not be read.", gap=True))
    blocks += _difference_blocks(verdict)
    blocks += _cost_blocks(verdict)
    n = number(verdict.get("rollouts"))
    spent = f", tried after {written(n)} rollouts each" if np.isfinite(n) else ""
    lead = (
        f"Problems that no arm trained on{spent}. Intervals resample problems, in pairs where arms "
        "are compared. Training often only sharpens what a policy can already do, so both kinds "
        "of answering are shown."
    )
    return Section("verdict", "The verdict on held-out problems", lead, blocks)


def _rates_figure(rows: list[dict[str, Any]], mode: str, words: str) -> Figure:
    title = f"Pass rate by level, {words}"
    columns = [
        Column("family", form="text"),
        Column("level"),
        Column("arm", form="text"),
        Column("rate", "pass rate", "percent"),
        *([Column("floor", "chance of a guess", "percent")] if rows[0].get("floor") else []),
    ]
    return Figure(
        f"rates-{mode}",
        title,
        "Where an arm's marks stand above the start's by more than their bars, that level was "
        "learned; where they stand below, something was lost.",
        lambda width: draw_rates(rows, title=title, width=width),
        rows,
        columns,
    )


def _overall_figure(overall: Sequence[Mapping[str, Any]]) -> Figure:
    arms = list(dict.fromkeys(str(r.get("arm")) for r in overall))
    rows = [
        Row(
            f"{r.get('arm')}, {r.get('mode')}",
            *parts(r.get("rate"))[:3],
            color=color_of(str(r.get("arm")), arms),
            said=cell(r.get("rate"), "percent").partition(" (n=")[0],
        )
        for r in overall
    ]
    columns = [
        Column("mode", form="text"),
        Column("arm", form="text"),
        Column("rate", "pass rate", "percent"),
    ]
    return Figure(
        "overall",
        "Pass rate over all held-out problems",
        "Each arm beside its start, sampled at temperature 1 and greedy; bars are 95% intervals.",
        lambda width: draw_intervals(
            rows, Axis("pass rate", percent), title="Pass rate by arm", width=width
        ),
        list(overall),
        columns,
    )


def _difference_blocks(verdict: Mapping[str, Any]) -> list[Any]:
    rows, data = [], []
    for row in verdict.get("difference") or []:
        between = [str(b) for b in row.get("between") or []]
        if len(between) != 2:
            continue
        name = f"{between[0]} − {between[1]}, {row.get('mode')}"
        value, low, high, _ = parts(row.get("value"))
        said = points((value, low, high)).replace(" points", "")
        rows.append(Row(name, value * 100, low * 100, high * 100, said=said))
        data.append({"difference": name, "value": row.get("value")})
    if not rows:
        return []
    return [
        Figure(
            "difference",
            "Differences between arms",
            "Bars that cross the dashed line leave open who is ahead; problems are paired.",
            lambda width: draw_intervals(
                rows,
                Axis("difference of pass rates (percentage points)"),
                title="Differences of pass rates",
                width=width,
                zero=0.0,
            ),
            data,
            [Column("difference", form="text"), Column("value", "", "points")],
        )
    ]


def _cost_blocks(verdict: Mapping[str, Any]) -> list[Any]:
    columns = {"tokens": "tokens", "cpu_seconds": "CPU seconds", "rollouts_to_target": ""}
    given = {k: v for k in columns if isinstance(v := verdict.get(k), Mapping)}
    arms = list(dict.fromkeys(a for v in given.values() for a in v))
    if not arms:
        return []
    target = f"rollouts to {PLAIN}'s final pass rate"
    rows = []
    for arm in arms:
        row: dict[str, Any] = {"arm": arm, **{k: v.get(arm) for k, v in given.items()}}
        if "rollouts_to_target" in given and row["rollouts_to_target"] is None:
            row["rollouts_to_target"] = "not reached" if arm in given["rollouts_to_target"] else "–"
        rows.append(row)
    shown = [Column("arm", form="text"), *(Column(k, columns[k] or target) for k in given)]
    return [Table("What each arm cost", rows, shown)]
