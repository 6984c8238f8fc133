"""Sections of the audit that measure: transfer, horizons by length, surest attempts, groups."""

import json

import numpy as np
import pytest
import readme_check
from scipy import special

import gradatim as gd
from gradatim.audits.scores import audit_file
from gradatim.families.held_out import three_levels
from gradatim.store.run import Run


def look(source, name):
    (row,) = audit_file(source, only=[name])["sections"]
    return row


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_s262_an_audit_has_a_row_for_each_distance_from_training(tmp_path):
    rng = np.random.default_rng(0)
    kinds = ("train", "new instance", "new task", "new category")
    rates = (0.9, 0.8, 0.6, 0.3)
    rows = [
        {"model": "m", "item": f"{kind}-{i}", "held_out": kind, "correct": int(rng.random() < rate)}
        for kind, rate in zip(kinds, rates, strict=True)
        for i in range(150)
    ]
    rng.shuffle(rows)
    found = look(write(tmp_path / "a.jsonl", rows), "transfer")
    assert found["passed"]
    (row,) = found["solvers"]
    assert [side["kind"] for side in row["held_out"]] == list(kinds)
    for side, rate in zip(row["held_out"], rates, strict=True):
        assert side["accuracy"].low < rate < side["accuracy"].high
    assert row["held_out"][0]["loss"] is None
    loss = row["held_out"][3]["loss"]
    assert loss.low < 0.6 < loss.high
    rows = [{**row, "held_out": f"x{row['held_out']}"} for row in rows]
    again = audit_file(write(tmp_path / "b.jsonl", rows), only=["transfer"])
    assert again["sections"] == []  # kinds without a known order


def test_s262_a_run_of_the_splitter_s_problems_has_it_too(tmp_path):
    sides = three_levels(
        {"lists": ["lists", "arithmetic"], "logic": ["sat"]},
        new_categories=["logic"],
        new_tasks=["arithmetic"],
        n=20,
    )
    problems = [problem for side in sides.values() for problem in side]
    gd.attempt(problems, solver="sim:2pl", samples=1, run=Run(tmp_path / "run"))
    (row,) = look(tmp_path / "run", "transfer")["solvers"]
    assert [side["kind"] for side in row["held_out"]] == list(sides)
    # the same run: effort falls or not, family by family, with tasks of several lengths
    reach = look(tmp_path / "run", "horizon")
    assert {one["family"] for one in reach["by_length"]} <= {"lists", "arithmetic", "sat"}


def test_a_column_of_lengths_brings_the_horizon(tmp_path):
    rng = np.random.default_rng(1)
    minutes = 2.0 ** rng.uniform(0, 8, 400)
    rows = [
        {"model": name, "item": i, "minutes": m, "correct": int(rng.random() < p)}
        for name, half in (("near", 8.0), ("far", 64.0))
        for i, (m, p) in enumerate(
            zip(minutes, special.expit(-0.8 * np.log2(minutes / half)), strict=True)
        )
    ]
    found = look(write(tmp_path / "a.jsonl", rows), "horizon")
    reach = {row["solver"]: row["half"] for row in found["by_length"]}
    assert reach["near"].low < 8 < reach["near"].high
    assert reach["far"].low < 64 < reach["far"].high
    assert any("half of the tasks up to a length of" in note for note in found["notes"])
    assert found["solvers"] == []  # no steps to read


def test_s204_the_surest_of_several_attempts(tmp_path):
    rng = np.random.default_rng(2)
    p = rng.random((60, 4))
    rows = [
        {"model": "m", "item": i, "attempt": t, "confidence": c, "correct": int(rng.random() < c)}
        for (i, t), c in np.ndenumerate(p)
    ]
    (row,) = look(write(tmp_path / "a.jsonl", rows), "confidence")["best_of_n"]
    right = np.array([r["correct"] for r in rows]).reshape(60, 4)
    best = right[np.arange(60), p.argmax(axis=1)].mean()
    assert row["n"] == 4
    assert row["accuracy"].value == pytest.approx(best)
    assert row["gain"].value == pytest.approx(best - right.mean())
    assert row["ceiling"] == pytest.approx(right.any(axis=1).mean())


def test_s006_abstention_by_family_and_level_is_in_the_audit(tmp_path):
    problems = gd.generate("sat.unsolvable", n=400, level=[1, 2])
    rng = np.random.default_rng(3)
    rows = [
        {"problem": p.id, "text": "unsolvable" if rng.random() < 0.4 * p.level else "1 2"}
        for p in problems
    ]
    path = write(tmp_path / "r.jsonl", rows)
    gd.attempt(problems, solver=f"recorded:{path}", samples=1, run=Run(tmp_path / "run"))
    found = look(tmp_path / "run", "abstention")
    said = {row["problem"]: row["text"] == "unsolvable" for row in reversed(rows)}
    for row in found["groups"]:
        mine = {
            p.id for p in problems if (p.level, p.unsolvable) == (row["level"], row["unsolvable"])
        }
        assert row["abstained"].value == pytest.approx(np.mean([said[name] for name in mine]))
        assert row["abstained"].n == len(mine)
    assert len(found["groups"]) == 4
    assert any("abstains though there is an answer" in note for note in found["notes"])


def test_s089_layouts_have_a_mean_with_the_error_of_having_tried_these(tmp_path):
    rng = np.random.default_rng(4)
    rows = [
        {"model": "m", "item": i, "layout": f"l{k}", "attempt": k, "correct": int(rng.random() < p)}
        for k, p in enumerate((0.4, 0.5, 0.6))
        for i in range(300)
    ]
    (row,) = look(write(tmp_path / "a.jsonl", rows), "layout")["solvers"]
    values = [one["accuracy"].value for one in row["layouts"]]
    assert row["mean"].value == pytest.approx(np.mean(values))
    assert row["mean"].high - row["mean"].value > 0.1  # three layouts, 0.1 apart


@pytest.mark.slow
def test_the_page_of_measures():
    assert readme_check.check(readme_check.ROOT / "docs" / "how-to" / "measures.md") == 7
