"""Families: problems made and checked a second on one core, beside reasoning-gym's nearest.

    python benchmarks/families.py [--only NAME ...] [--seconds S] [--repeats R] [--json FILE]
    python benchmarks/families.py --gate [--side ours] [--items N] [--record FILE]

Both libraries run in this process, in turns. Without reasoning-gym 0.1.25 only ours is measured.
The gate puts the same texts to the graders of both and counts families.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from gradatim.families import gate, registry, stock
from gradatim.types import Family, Problem, Verdict

HERE = Path(__file__).parent
PEER = "reasoning_gym"
# the peer's family that asks for the most similar thing; where none does, ours stands alone
NEAREST = {
    "arithmetic": "chain_sum",
    "arithmetic.base": "base_conversion",
    "arithmetic.expression": "basic_arithmetic",
    "arithmetic.fraction": "fraction_simplification",
    "arithmetic.gcd": "gcd",
    "arithmetic.lcm": "lcm",
    "cryptarithm": "cryptarithm",
    "graph_coloring": "graph_color",
    "hanoi": "tower_of_hanoi",
    "knights": "knights_knaves",
    "lists": "number_sorting",
    "lists.reverse": "word_sequence_reversal",
    "lists.select": "number_filtering",
    "lists.sorting": "number_sorting",
    "logic_grid": "zebra_puzzles",
    "mazes": "maze",
    "mazes.shortest": "shortest_path",
    "n_queens": "n_queens",
    "sat": "propositional_logic",
    "sequences": "number_sequence",
    "sudoku": "sudoku",
    "subset_sum": "countdown",
}
TARGETS = {  # items/s made and checked on one core, by the first part of the name
    **dict.fromkeys(("lists", "arithmetic"), 30_000),
    **dict.fromkeys(("sat", "hanoi", "checker_jumping", "river_crossing", "mazes"), 10_000),
    **dict.fromkeys(("blocksworld", "horizon"), 10_000),
    **dict.fromkeys(("sudoku", "logic_grid", "cryptarithm"), 300),
}
TEXTS = {"nothing": "", "None": None, "banana": "banana", "the number 5": 5}
SLOW = 1.0  # seconds for one item
HASHED = 10  # items a family that are compared between processes
LIMIT = 5.0  # seconds of a clock for judging one text with the peer's scorer
BUDGET = 5.0  # seconds a family of the peer may take to make its items for the gate


# -- both sides as (make n items, check one) -----------------------------------------------------


def ours(name):
    family = registry.get(name)
    return (
        lambda n, seed: stock.supply(family, n, seed=seed),
        lambda item: family.check(item, item.answer),
    )


def theirs(name):
    import reasoning_gym

    def make(n, seed):
        with contextlib.redirect_stdout(io.StringIO()):  # one family prints while it makes
            made = reasoning_gym.create_dataset(name, size=n, seed=seed)
            return [made[i] for i in range(n)]

    grade = reasoning_gym.create_dataset(name, size=1, seed=1).score_answer
    return make, lambda item: grade(item["answer"], item)


def timed(side, n, seed):
    """CPU seconds for making n items and for checking their own answers."""
    make, check = side
    start = time.process_time()
    items = make(n, seed)
    made = time.process_time() - start
    start = time.process_time()
    for item in items:
        check(item)
    return made, time.process_time() - start


def size(side, seconds):
    """How many items fit into the time, from 1 item upwards; at most 20,000."""
    n, spent = 1, 0.0
    while n < 20_000:
        spent = sum(timed(side, n, 7))
        if spent > seconds / 4:
            break
        n *= 4
    return max(1, min(20_000, int(n * seconds / max(spent, 1e-9))))


def measure(sides, seconds, repeats):
    """(made/s, checked/s, both/s) of each side, medians over repetitions taken in turns."""
    sizes = [size(side, seconds) for side in sides]
    found = [[] for _ in sides]
    for repeat in range(repeats):
        for i, side in enumerate(sides):
            made, checked = timed(side, sizes[i], repeat)
            n = sizes[i]
            found[i].append((n / made, n / max(checked, 1e-9), n / (made + checked)))
    return [
        tuple(statistics.median(column) for column in zip(*rows, strict=True)) for rows in found
    ]


def speeds(options, peer):
    rows = []
    names = options.only or registry.names()
    sys.stdout.write(f"{'family':<36}{'made/s':>10}{'checked/s':>12}{'both/s':>10}  nearest\n")
    for name in names:
        known = NEAREST.get(name) if peer else None
        sides = [ours(name), *([theirs(known)] if known else [])]
        mine, *other = measure(sides, options.seconds, options.repeats)
        row = {"family": name, "made": mine[0], "checked": mine[1], "both": mine[2]}
        line = f"{name:<36}{mine[0]:>10,.0f}{mine[1]:>12,.0f}{mine[2]:>10,.0f}"
        if other:
            row |= {"nearest": known, "nearest_both": other[0][2], "ratio": mine[2] / other[0][2]}
            line += f"  {known} {other[0][2]:,.0f}/s, ratio {row['ratio']:.2f}"
        target = TARGETS.get(name.split(".")[0])
        if target and mine[2] < target:
            line += f"  MISSED {target:,}"
        rows.append(row)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return rows


# -- the gate on both sides ----------------------------------------------------------------------


def adopted(name):
    """A family of the peer in our record: its scorer as check, its entries as problems."""
    import reasoning_gym

    grade = reasoning_gym.create_dataset(name, size=1, seed=1).score_answer

    def check(problem, text):
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        try:
            score = float(grade(text, problem.meta["entry"]))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        right = score >= 1.0
        return Verdict(score, right, None, "correct" if right else "wrong")

    def supply(n, seed):
        found, start = [], time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            made = reasoning_gym.create_dataset(name, size=n, seed=seed)
            for i in range(n):
                entry = made[i]
                answer = entry["answer"]
                meta = {"entry": entry, "shipped": answer is not None}
                item = f"{name}.{i}"
                found.append(
                    Problem(id=item, prompt=entry["question"], answer=answer or "", meta=meta)
                )
                if time.process_time() - start > BUDGET:
                    break
        return found

    missing = dict.fromkeys(("make", "ladder", "floor", "space"))
    return Family(name=name, doc="", version="", knobs={}, check=check, **missing), supply


def late(number, frame):
    raise TimeoutError(f"no score within {LIMIT} s")


def own(name):
    family = registry.get(name)
    return family, lambda n, seed: stock.supply(family, n, seed=seed)


def hashes(side, names):
    """Names whose items differ between two processes with different hash seeds."""
    seen = []
    for hash_seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, __file__, "--hash", side, *names],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return {name for name in names if seen[0][name] != seen[1][name]}


def hashed(side, names):
    found = {}
    for name in names:
        _, supply = own(name) if side == "ours" else adopted(name)
        text = json.dumps([(str(p.prompt), p.answer) for p in supply(HASHED, 42)])
        found[name] = hashlib.sha256(text.encode()).hexdigest()
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def judged(side, name, n):
    """One family's row: shares of its items, and what it raised."""
    family, supply = own(name) if side == "ours" else adopted(name)
    start = time.process_time()
    problems = supply(n, 42)
    each = (time.process_time() - start) / len(problems)
    second = supply(n, 43)
    shipped = [p for p in problems if p.meta.get("shipped", True)]
    row = {"family": name, "items": len(problems), "no_answer": len(problems) - len(shipped)}
    row["raises"] = []
    for said, text in TEXTS.items():
        verdicts = [gate.verdict(family, p, text) for p in problems]
        if any(isinstance(v, str) for v in verdicts):
            row["raises"].append(said)
        found = [v for v in verdicts if not isinstance(v, str)]
        row[said] = sum(v.reward >= 1 for v in found) / len(problems)
        row[f"{said} some"] = sum(v.reward > 0 for v in found) / len(problems)
    share = lambda outcome: len(outcome.items) / max(len(shipped), 1)  # noqa: E731
    row["own answer fails"] = share(gate.forms(family, shipped, dresses=["plain"]))
    row["spaces fail"] = share(gate.forms(family, shipped, dresses=["spaces"]))
    row["question passes"] = sum(
        not isinstance(v := gate.verdict(family, p, gate.asked(p)), str) and v.reward >= 1
        for p in problems
    ) / len(problems)
    row["neighbour passes"] = neighbours(family, shipped)
    row["repeats"] = 1 - len({gate.asked(p) for p in problems}) / len(problems)
    row["most common"] = Counter(p.answer for p in problems).most_common(1)[0][1] / len(problems)
    row["seeds overlap"] = bool(stock.seeds(problems, second).failed)
    row["shared"] = len({gate.asked(p) for p in second} & {gate.asked(p) for p in problems}) / len(
        problems
    )
    row["seconds an item"] = each
    return row


def neighbours(family, problems):
    """Share of items that take the next one's different answer, which no rule calls right."""
    taken = tried = 0
    for p, q in zip(problems, problems[1:] + problems[:1], strict=True):
        if p.answer != q.answer and not gate.right(family, p, q.answer):
            tried += 1
            found = gate.verdict(family, p, q.answer)
            taken += not isinstance(found, str) and found.reward >= 1
    return taken / max(tried, 1)


# what the table counts: families with at least one such item
COUNTS = {
    "ship no answer for some items": lambda row: row["no_answer"] > 0,
    "give their own answer less than 1": lambda row: row["own answer fails"] > 0,
    "give their own answer with white space around it less than 1": lambda row: (
        row["spaces fail"] > 0
    ),
    "raise on nothing, None, 'banana' or the number 5": lambda row: bool(row["raises"]),
    "give nothing, None, 'banana' or the number 5 a score above 0": lambda row: any(
        row[f"{text} some"] for text in TEXTS
    ),
    "give nothing, None, 'banana' or the number 5 the score 1": lambda row: any(
        row[text] for text in TEXTS
    ),
    "give the question itself the score 1": lambda row: row["question passes"] > 0,
    "give a neighbour's different answer 1 (which may be right)": lambda row: (
        row["neighbour passes"] > 0
    ),
    "repeat more than 1% of items": lambda row: row["repeats"] > 0.01,
    "share more with the next seed than chance gives": lambda row: row["seeds overlap"],
    "make other items under another hash seed": lambda row: row["differs"],
}


def audited(options, peer):
    signal.signal(signal.SIGALRM, late)
    sides = {"ours": registry.names()}
    if peer:
        from reasoning_gym.factory import DATASETS

        sides["theirs"] = sorted(set(DATASETS) - {"composite"})
    found = {}
    for side, names in sides.items():
        if options.side not in (side, "both"):
            continue
        names = [name for name in names if not options.only or name in options.only]
        differing = hashes(side, names)
        found[side] = []
        for name in names:
            row = judged(side, name, options.items) | {"differs": name in differing}
            found[side].append(row)
            sys.stderr.write(f"{side} {name} {1000 * row['seconds an item']:.2f} ms an item\n")
        summary = summarised(rows=found[side], items=options.items)
        summary["version"] = version("gradatim" if side == "ours" else PEER)
        for said, names in summary["counts"].items():
            sys.stdout.write(f"{said:<62}{side} {len(names):>3} of {len(found[side])}\n")
        if options.record:
            known = json.loads(options.record.read_text()) if options.record.is_file() else {}
            known[side] = summary
            options.record.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    return found


def summarised(rows, items):
    return {
        "items": items,
        "families": len(rows),
        "counts": {
            said: sorted(row["family"] for row in rows if counts(row))
            for said, counts in COUNTS.items()
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--gate", action="store_true")
    parser.add_argument("--side", choices=("both", "ours", "theirs"), default="both")
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--hash", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hash:
        hashed(options.hash[0], options.hash[1:])
        return
    peer = importlib.util.find_spec(PEER) is not None
    if not peer:
        sys.stderr.write("without reasoning-gym: pip install reasoning-gym==0.1.25 compares\n")
    rows = audited(options, peer) if options.gate else speeds(options, peer)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
