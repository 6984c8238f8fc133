"""Sound logs in the orders that files come in: no order of solvers or items is a drift."""

import json
from itertools import product

import numpy as np
import pytest
from scipy import special

from gradatim.audits.scores import audit_file
from gradatim.audits.subject import open_subject
from gradatim.audits.trend import find_trend

ORDERS = {
    "solver": lambda row: (row["model"], row.get("step", 0), row["item"]),
    "item": lambda row: (row["item"], row["model"], row.get("step", 0)),
    "pass": lambda row: (row.get("attempt", 0), row["model"], row.get("step", 0), row["item"]),
    "shuffled": lambda row: row["at"],
    "time": lambda row: row["item"],
}


def rows_of(rng, shape, tries=1, steps=1, order="solver", refused=0.0):
    """Attempts of a 2PL as rows of a file, in an order; models rise from step to step.

    Args:
        rng: of abilities, difficulties, outcomes.
        shape: solvers and items.
        tries: attempts of each solver (at each step) on each item.
        steps: checkpoints of each solver; 1: there is no such column.
        order: one of ORDERS; "time" gives each row its place in a random order as a time.
        refused: share of right answers refused in the second half of the order.
    """
    ability, hard = rng.normal(0.5, 1, shape[0]), rng.normal(0, 1.2, shape[1])
    slope = rng.uniform(0.6, 1.6, shape[1])
    s, k, i, t = (x.ravel() for x in np.indices((shape[0], steps, shape[1], tries)))
    right = rng.random(len(s)) < special.expit(slope[i] * (ability[s] + 0.25 * k - hard[i]))
    rows = []
    for n, at in enumerate(rng.permutation(len(s)).tolist()):
        row = {"model": f"m{s[n]}", "item": int(i[n]), "correct": int(right[n]), "at": at}
        row |= {"step": 100 * int(k[n])} if steps > 1 else {}
        row |= {"attempt": int(k[n] * tries + t[n])} if tries > 1 else {}
        row |= {"time": at} if order == "time" else {}
        rows.append(row)
    rows.sort(key=ORDERS[order])
    late = sorted(rows, key=lambda row: row["at"])[len(rows) // 2 :] if order == "time" else None
    for row in rows[len(rows) // 2 :] if late is None else late:
        row["correct"] *= int(rng.random() >= refused)
    for row in rows:
        del row["at"]
    return rows


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("order", ["solver", "item"])
@pytest.mark.parametrize(("shape", "tries", "steps"), [((3, 60), 1, 1), ((2, 50), 4, 1)])
def test_an_order_of_solvers_or_items_is_no_drift(tmp_path, order, shape, tries, steps):
    rows = rows_of(np.random.default_rng(0), shape, tries, steps, order, refused=0.5)
    assert find_trend(open_subject(written(tmp_path / "log.jsonl", rows))) is None


def test_a_model_that_rises_from_step_to_step_is_no_drift(tmp_path):
    rows = rows_of(np.random.default_rng(1), (2, 100), steps=6)
    rows.sort(key=lambda row: row["step"])
    assert find_trend(open_subject(written(tmp_path / "log.jsonl", rows))) is None
    for row in rows:
        row["seed"] = row.pop("step")
    assert find_trend(open_subject(written(tmp_path / "log.jsonl", rows))) is None


def test_a_drift_of_repeated_attempts_pass_by_pass_is_found_and_possible(tmp_path):
    rows = rows_of(np.random.default_rng(2), (3, 80), 6, order="pass", refused=0.4)
    found = find_trend(open_subject(written(tmp_path / "log.jsonl", rows)))
    assert found is not None
    [one] = found["findings"]
    assert one["evidence"]["fault"] == "refused"
    assert 0.1 < one["evidence"]["change"].value < 0.8


@pytest.mark.slow
def test_sound_logs_in_any_order_raise_an_alarm_at_most_one_time_in_twenty(tmp_path):
    """The whole audit, with repeats and checkpoints and without: 4 logs of each kind, 240."""
    shapes, counts = ((3, 150), (8, 80)), ((1, 1), (2, 1), (4, 1), (8, 1), (1, 5), (3, 3))
    alarms, looked, made = {}, 0, 0
    for order, shape, (tries, steps), seed in product(ORDERS, shapes, counts, range(4)):
        rng = np.random.default_rng([made, seed])
        path = written(tmp_path / "log.jsonl", rows_of(rng, shape, tries, steps, order))
        found = audit_file(path)
        names = [row["section"] for row in found["sections"]]
        looked, made = looked + ("verifier" in names), made + 1
        failed = [row["section"] for row in found["sections"] if not row["passed"]]
        for what in [*failed, *(["any"] if failed else [])]:
            alarms.setdefault(what, []).append((order, shape, tries, steps, seed))
    many = {what: len(where) for what, where in alarms.items()}
    print(f"\nfalse alarms on {made} sound logs: {many}; the verifier was looked at in {looked}")
    print(*alarms.items(), sep="\n")
    assert many.get("any", 0) <= 0.05 * made
