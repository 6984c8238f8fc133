"""Recount a demo's verdict from its ledgers with nothing but the standard library."""

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path


def rows(ledger, columns):
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as link:
        return link.execute(f"SELECT {columns} FROM attempts").fetchall()


def recount(folder):
    """Largest difference between the numbers of the verdict and those of the ledgers."""
    said = json.loads((Path(folder) / "results/verdict.json").read_text())["value"]
    problems = [json.loads(line) for line in (Path(folder) / "test.jsonl").read_text().splitlines()]
    cell = {p["id"]: (p["family"], p["level"]) for p in problems}
    tries = defaultdict(lambda: defaultdict(list))
    columns = "solver, policy, params, problem, solved"
    for solver, policy, params, problem, solved in rows(f"{folder}/ledger.sqlite", columns):
        if said["policies"].get(solver) == policy and problem in cell:
            mode = "sampled" if json.loads(params)["temperature"] else "greedy"
            tries[solver, mode][problem].append(solved)
    rate = {k: {p: sum(v) / len(v) for p, v in t.items()} for k, t in tries.items()}
    mean = {k: sum(r.values()) / len(r) for k, r in rate.items()}
    off = [abs(mean[r["arm"], r["mode"]] - r["rate"]["value"]) for r in said["overall"]]
    for r in said["rows"]:
        here, at = rate[r["arm"], r["mode"]], (r["family"], r["level"])
        mine = [v for p, v in here.items() if cell[p] == at]
        off.append(abs(sum(mine) / len(mine) - r["rate"]["value"]))
    for r in said["difference"]:
        first, second = (mean[arm, r["mode"]] for arm in r["between"])
        off.append(abs(first - second - r["value"]["value"]))
    for arm, training in said["trainings"].items():
        spent = rows(f"{folder}/arms/{arm}/ledger.sqlite", "policy, tag, tokens")
        spent = [n for policy, tag, n in spent if tag == "train" and training in policy]
        off += [abs(len(spent) - said["rollouts"]), abs(sum(spent) - said["tokens"][arm])]
    return max(off)
