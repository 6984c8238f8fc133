"""Sections about attempts: what was asked, what became of it, and a few answers as they came."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradatim.files import plain
from gradatim.reports.figures import draw_rates
from gradatim.reports.marks import thin
from gradatim.reports.page import Figure, Note, Sample, Section, Table
from gradatim.reports.read import Found, floors, solvers_of
from gradatim.reports.tables import Column
from gradatim.scale.pass_at_k import pass_at_k
from gradatim.scale.rates import pass_rate
from gradatim.store.counting import Counts, responses, statuses
from gradatim.types import STATUSES, Estimate, Responses


def attempts(found: Found) -> Section | None:
    """What was asked, and what became of every attempt."""
    counts = found.counts
    if counts is None or not len(counts.n):
        return None
    total = statuses(counts)
    names = np.array(solvers_of(counts.settings), object)
    given = _responses(counts)
    rates = {s: _rate(given, given.solver == i) for i, s in enumerate(given.solvers)}
    rows = []
    for name in dict.fromkeys(names):
        own = names[counts.setting] == name
        n = int(counts.n[own].sum())
        row: dict[str, Any] = {"solver": name, "attempts": n}
        for code, status in enumerate(STATUSES):
            row[status] = int(counts.n[own & (counts.status == code)].sum())
        row["rate"] = rates.get(name)
        rows.append(row)
    rows.sort(key=lambda r: -r["attempts"])
    columns = [
        Column("solver", form="text"),
        Column("attempts"),
        *(Column(s, s.replace("_", " ")) for s in STATUSES),
        Column("rate", "pass rate", "percent"),
    ]
    said = (
        "Pass rates are means over problems. What was cut, timed out or could not be read counts "
        "as not solved; errors of provider or verifier count as not asked."
    )
    if "curves" in found.results:
        said += " Attempts of a training run are on the problems that its recipe chose."
    reasons = [{"grade": k.replace("_", " "), "attempts": n} for k, n in _items(total["reasons"])]
    blocks: list[Any] = [
        Table(
            "Attempts by solver",
            rows,
            columns,
            said,
        ),
        Table("What the verifiers said", reasons),
    ]
    figure = _levels_figure(found, given)
    if figure is not None:
        blocks.insert(0, figure)
    if total["ungraded"]:
        blocks.append(
            Note(f"{total['ungraded']:,} attempts have a text but no grade yet.", gap=True)
        )
    lead = (
        f"{total['requested']:,} attempts on {len(counts.problems):,} problems; every one is "
        "finished, truncated, timed out or an error of the provider, and each is counted."
    )
    return Section("attempts", "Attempts", lead, blocks)


def _responses(counts: Counts) -> Responses:
    names = dict(zip(counts.settings, solvers_of(counts.settings), strict=True))
    return responses(counts, outcomes={"ungraded": "left_out"}, label=names.__getitem__)


def _rate(given: Responses, own: np.ndarray) -> Estimate | None:
    """Pass rate, mean over problems; the interval says what other problems would give."""
    if not own.any():
        return None
    # settings of one solver can meet a problem more than once
    items, code = np.unique(given.item[own], return_inverse=True)
    solved = np.bincount(code, weights=given.solved[own], minlength=len(items))
    tried = np.bincount(code, weights=given.tried[own], minlength=len(items))
    rate = pass_at_k(np.round(solved).astype(int), tried.astype(int), 1)
    if rate.value in (0.0, 1.0):  # no spread to take an interval from: each problem is one trial
        n = np.array([len(items)])
        ends = pass_rate(n * rate.value, n)
        rate = Estimate(rate.value, float(ends.low[0]), float(ends.high[0]), len(items))
    return rate


def _levels_figure(found: Found, given: Responses, most: int = 4) -> Figure | None:
    """Pass rate by level of some solvers, from weak to strong, for runs without training."""
    known = [found.problems.get(item) for item in given.items]
    spot = [(p.family, p.level) if p and p.level is not None else None for p in known]
    places = sorted({s for s in spot if s is not None})
    if not places or {"curves", "verdict"} & set(found.results):
        return None
    able = np.bincount(given.solver, weights=given.solved / given.tried)
    able /= np.bincount(given.solver)
    order = np.argsort(able, kind="stable")
    shown = order[thin(len(order), most)]
    guess = floors(found.problems.values())
    rows = []
    for place in places:
        here = np.array([s == place for s in spot])[given.item]
        for i in shown:
            rate = _rate(given, here & (given.solver == i))
            if rate is not None:
                row = {"family": place[0], "level": place[1], "arm": given.solvers[i]}
                row["rate"] = plain(rate)
                rows.append({**row, "floor": guess.get((place[0], float(place[1])))})
    hidden = len(given.solvers) - len(shown)
    said = (
        "A level is worth training on where the marks stand clear of 0% and of 100%; bars are "
        "95% intervals over problems."
    )
    if hidden:
        said += f" {len(shown)} of {len(given.solvers)} solvers are drawn, from weak to strong."
    title = "Pass rate by level"
    return Figure(
        "levels",
        title,
        said,
        lambda width: draw_rates(rows, title=title, width=width),
        rows,
        [
            Column("family", form="text"),
            Column("level"),
            Column("arm", "solver", "text"),
            Column("rate", "pass rate", "percent"),
            Column("floor", "chance of a guess", "percent"),
        ],
    )


def _items(value: object) -> list[tuple[str, int]]:
    return list(value.items()) if isinstance(value, Mapping) else []


def samples(found: Found) -> Section | None:
    """A few answers as they came, graded."""
    blocks = []
    for record in found.samples:
        problem = found.problems.get(record.problem)
        gold = f", expected {problem.answer}" if problem else ""
        grade = (record.reason or "not graded").replace("_", " ")
        tag = f"{record.setting.solver} · {record.status} · {grade}{gold}"
        asked = ""
        if problem is not None:
            asked = f"{problem.prompt if isinstance(problem.prompt, str) else list(problem.prompt)}"
            asked = asked[:500] + "\n—\n"
        blocks.append(Sample(tag[:300], asked + (record.text or "(no text)")))
    if not blocks:
        return None
    lead = "The first answers of each kind, exactly as they came; control characters are shown."
    return Section("answers", "A few answers", lead, blocks)
