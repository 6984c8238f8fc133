"""Families: problems made and checked a second on one core, beside reasoning-gym's nearest.

    python benchmarks/families.py [--only NAME ...] [--seconds S] [--repeats R] [--record FILE]
    python benchmarks/families.py --gate [--side ours] [--items N] [--record FILE]

Both libraries run in this process, in turns, ours over levels 1 to 10 in equal shares, the peer at
its default settings; a figure is the best of the repetitions, in CPU time. The slowest item is that
of items made and checked one at a time, the first ones, which build what is kept, among them.
Without reasoning-gym 0.1.25 only ours is measured. The gate is in families_gate.py.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import families_gate

from gradatim.families import registry, stock
from gradatim.families.generation import generate

PEER = families_gate.PEER
# the peer's families that ask for the most similar thing; where none does, ours stands alone. It
# has no twins that may lack an answer: beside these stands what asks the solvable question.
NEAREST = {
    "arithmetic": ["chain_sum"],
    "arithmetic.base": ["base_conversion"],
    "arithmetic.expression": ["basic_arithmetic"],
    "arithmetic.fraction": ["fraction_simplification"],
    "arithmetic.gcd": ["gcd"],
    "arithmetic.lcm": ["lcm"],
    "arithmetic.polynomial": ["polynomial_equations", "polynomial_multiplication"],
    "arithmetic.sum": ["chain_sum"],
    "arithmetic.unsolvable": ["basic_arithmetic"],
    "compositions.roots": ["polynomial_equations"],
    "cryptarithm": ["cryptarithm"],
    "equations.unsolvable": ["simple_equations"],
    "graph_coloring": ["graph_color"],
    "graph_coloring.k3": ["graph_color"],
    "graph_coloring.unsolvable": ["graph_color"],
    "hanoi": ["tower_of_hanoi"],
    "hanoi.shortest": ["tower_of_hanoi"],
    "knights": ["knights_knaves"],
    "knights.unsolvable": ["knights_knaves"],
    "lists": ["number_sorting"],
    "lists.multiplication": ["products"],
    "lists.reverse": ["word_sequence_reversal"],
    "lists.select": ["number_filtering"],
    "lists.sorting": ["number_sorting"],
    "lists.sum": ["chain_sum"],
    "logic_grid": ["zebra_puzzles"],
    "mazes": ["maze"],
    "mazes.shortest": ["shortest_path"],
    "mazes.unsolvable": ["shortest_path"],
    "n_queens": ["n_queens"],
    "n_queens.unsolvable": ["n_queens"],
    "sat": ["propositional_logic"],
    "sat.decide": ["propositional_logic"],
    "sat.ratio3": ["propositional_logic"],
    "sat.unsolvable": ["propositional_logic"],
    "sequences": ["number_sequence"],
    "subset_sum": ["countdown"],
    "sudoku": ["mini_sudoku", "sudoku"],
    "sudoku.4": ["mini_sudoku"],
    "sudoku.9": ["sudoku"],
    "sudoku.unsolvable": ["mini_sudoku", "sudoku"],
}
TARGETS = {  # items/s made and checked on one core, by the first part of the name
    **dict.fromkeys(("lists", "arithmetic"), 30_000),
    **dict.fromkeys(("sat", "hanoi", "checker_jumping", "river_crossing", "mazes"), 10_000),
    **dict.fromkeys(("blocksworld", "horizon"), 10_000),
    **dict.fromkeys(("sudoku", "logic_grid", "cryptarithm", "graph_coloring", "tsp"), 300),
    **dict.fromkeys(("n_queens", "knapsack", "knights", "subset_sum"), 300),
}
REASONS = {  # why a target is missed where it is
    "mazes.unsolvable": "of four boards drawn and flooded one is cut in two with a door between",
    "sat.ratio3": "5 to 14 letters in 21 to 60 clauses, not small; all models are counted",
}
SLOW = 1.0  # CPU seconds that no item may take
ONE_BY_ONE = 200  # items made and checked one at a time, or as many as fit into ...
PATIENCE = 2.0  # ... these CPU seconds


# -- both sides as (make n items, check one, make the item number i alone) ------------------------


def ours(name):
    family = registry.get(name)
    return (
        lambda n, seed: stock.supply(family, n, seed=seed),
        lambda item: family.check(item, item.answer),
        lambda i: generate(family, n=1, level=1 + i % 10, seed=i),
    )


def theirs(name):
    import reasoning_gym

    def make(n, seed):
        with contextlib.redirect_stdout(io.StringIO()):  # one family prints while it makes
            made = reasoning_gym.create_dataset(name, size=n, seed=seed)
            return [made[i] for i in range(n)]

    alone = reasoning_gym.create_dataset(name, size=ONE_BY_ONE, seed=1)

    def one(i):
        with contextlib.redirect_stdout(io.StringIO()):
            return [alone[i]]

    return make, lambda item: alone.score_answer(item["answer"], item), one


def slowest(side):
    """The CPU seconds of the slowest item, and how many were tried."""
    _, check, one = side
    worst, start, tried = 0.0, time.process_time(), 0
    while tried < ONE_BY_ONE and time.process_time() - start < PATIENCE:
        before = time.process_time()
        check(one(tried)[0])
        worst = max(worst, time.process_time() - before)
        tried += 1
    return worst, tried


def timed(side, n, seed):
    """CPU seconds for making n items and for checking their own answers."""
    make, check, _ = side
    start = time.process_time()
    items = make(n, seed)
    made = time.process_time() - start
    start = time.process_time()
    for item in items:
        check(item)
    return made, time.process_time() - start


def size(side, seconds):
    """How many items fit into the time, whole tens for levels in equal shares; at most 20,000."""
    n, spent = 10, 0.0
    while n < 20_000:
        spent = sum(timed(side, n, 7))
        if spent > seconds / 4:
            break
        n *= 4
    return 10 * max(1, min(2_000, round(n * seconds / max(spent, 1e-9) / 10)))


def measure(sides, seconds, repeats):
    """(made/s, checked/s, both/s) of each side, the best of repetitions taken in turns."""
    sizes = [size(side, seconds) for side in sides]
    found = [[] for _ in sides]
    for repeat in range(repeats):
        for i, side in enumerate(sides):
            made, checked = timed(side, sizes[i], repeat)
            n = sizes[i]
            found[i].append((n / made, n / max(checked, 1e-9), n / (made + checked)))
    return [max(rows, key=lambda row: row[2]) for rows in found]


def row(name, options, peer):
    known = NEAREST.get(name, []) if peer else []
    sides = [ours(name), *map(theirs, known)]
    worst = [slowest(side) for side in sides]
    mine, *others = measure(sides, options.seconds, options.repeats)
    found = {"family": name, "made": mine[0], "checked": mine[1], "both": mine[2]}
    found |= {"slowest": worst[0][0], "tried": worst[0][1], "nearest": []}
    for other, speed, (slow, tried) in zip(known, others, worst[1:], strict=True):
        ratio = mine[2] / speed[2]
        found["nearest"].append({
            "family": other,
            "both": speed[2],
            "ratio": ratio,
            "slowest": slow,
            "tried": tried,
        })
    target = TARGETS.get(name.split(".")[0])
    if target:
        found["target"] = target
        if mine[2] < target:
            found["missed"] = REASONS.get(name, "")
    return found


def shown(found):
    line = f"{found['family']:<36}{found['made']:>10,.0f}{found['checked']:>12,.0f}"
    line += f"{found['both']:>10,.0f}{1000 * found['slowest']:>9,.0f} ms "
    for other in found["nearest"]:
        line += f" {other['family']} {other['both']:,.0f}/s, ratio {other['ratio']:.2f}"
        line += f", slowest {1000 * other['slowest']:,.0f} ms;"
    if found["slowest"] > SLOW:
        line += " SLOW"
    if "missed" in found:
        line += f"  MISSED {found['target']:,}: {found['missed'] or 'see docs/findings.md'}"
    return line + "\n"


def rounded(value):
    """Figures to three digits: more would change with every run."""
    if isinstance(value, float):
        return float(f"{value:.3g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


def speeds(options, peer):
    load = [os.getloadavg()[0]]
    header = ("made/s", "checked/s", "both/s", "slowest")
    sys.stdout.write("{:<36}{:>10}{:>12}{:>10}{:>12}  nearest\n".format("family", *header))
    rows = []
    for name in options.only or registry.names():
        rows.append(row(name, options, peer))
        sys.stdout.write(shown(rows[-1]))
        sys.stdout.flush()
    load.append(os.getloadavg()[0])
    sys.stdout.write("load {:.1f}, then {:.1f} on {} cores\n".format(*load, os.cpu_count()))
    if options.record:
        found = {"rows": [rounded(each) for each in rows], "version": version("gradatim")}
        found |= {"load": rounded(load), "cores": os.cpu_count()}
        found["peer"] = version(PEER) if peer else ""
        found["python"] = ".".join(map(str, sys.version_info[:3]))
        lines = ",\n".join(json.dumps(each) for each in found.pop("rows"))
        rest = json.dumps(found)[1:-1]
        options.record.write_text(f'{{{rest}, "rows": [\n{lines}\n]}}\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--gate", action="store_true")
    parser.add_argument("--side", choices=("both", "ours", "theirs"), default="both")
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--hash", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hash:
        families_gate.hashed(options.hash[0], options.hash[1:])
        return
    peer = importlib.util.find_spec(PEER) is not None
    if not peer:
        sys.stderr.write("without reasoning-gym: pip install reasoning-gym==0.1.25 compares\n")
    (families_gate.audited if options.gate else speeds)(options, peer)


if __name__ == "__main__":
    main()
