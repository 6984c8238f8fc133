"""The gate on both sides: the same texts to the graders of both libraries, families are counted.

`python benchmarks/families.py --gate` runs it; making and scoring have a limit of CPU time.
"""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from gradatim.families import gate, registry, stock
from gradatim.types import Family, Problem, Verdict

PEER = "reasoning_gym"
SCRIPT = Path(__file__).with_name("families.py")
TEXTS = {"nothing": "", "None": None, "banana": "banana", "the number 5": 5}
HASHED = 10  # items a family that are compared between processes
LIMIT = 5.0  # CPU seconds for judging one text with the peer's scorer
BUDGET = 5.0  # seconds a family of the peer may take to make its items


def adopted(name):
    """A family of the peer in our record: its scorer as check, its entries as problems."""
    import reasoning_gym

    grade = reasoning_gym.create_dataset(name, size=1, seed=1).score_answer

    def check(problem, text):
        signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
        try:
            score = float(grade(text, problem.meta["entry"]))
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
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
    raise TimeoutError(f"no score within {LIMIT} CPU seconds")


def own(name):
    family = registry.get(name)
    return family, lambda n, seed: stock.supply(family, n, seed=seed)


def hashes(side, names):
    """Names whose items differ between two processes with different hash seeds."""
    seen = []
    for hash_seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, SCRIPT, "--hash", side, *names],
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
    signal.signal(signal.SIGVTALRM, late)
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
