"""The next item of an adaptive test: ours beside catsim 0.21.0 and catpie 0.2.0, on one bank.

    python benchmarks/adaptive.py [--items 20000 1000000] [--picks 200] [--json FILE]

All in this process, on one thread, the sides in turn on each pick; times are of the wall, medians
over picks. Every side is asked for the item with most Fisher information at an ability, among
those not given yet, and must name the same one. Set-up is timed apart: our lists, catsim's bank,
catpie's tuples. A side that takes long is asked fewer times (`--patience` seconds in all). A bare
argmax over the whole bank shows what no lists would cost. Peers that are not installed are left
out; `make bench-adaptive` installs them. The row `live` is a whole step of `gradatim evaluate` with
an answer at hand: choice by posterior variance of the score, the answer taken, score and interval.
Target: under 2 ms of a million items, after set-up.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace

import numpy as np

from gradatim.evaluation.picking import Rules
from gradatim.evaluation.replay import begin, choose, take, tell
from gradatim.evaluation.shortlist import best_item, shortlist
from gradatim.evaluation.tables import ranking
from gradatim.scale.curves import flat, information
from gradatim.standings.evaluate_start import Start, tables_of

TARGET_MS = 2.0


def bank_of(n, seed=0):
    """A 2PL bank: log slopes N(0, 0.3^2), difficulties N(0, 1)."""
    rng = np.random.default_rng(seed)
    return flat(difficulty=rng.normal(size=n), discrimination=np.exp(0.3 * rng.normal(size=n)))


def ours(bank):
    lists, open_ = shortlist(bank), np.ones(len(bank.items), dtype=bool)
    return lambda theta, given: best_item(lists, theta, _closed(open_, given))


def argmax(bank):
    open_ = np.ones(len(bank.items), dtype=bool)

    def pick(theta, given):
        return int(np.where(_closed(open_, given), information(theta, bank), -np.inf).argmax())

    return pick


def _closed(open_, given):
    if given:  # one more each time: closing it costs nothing
        open_[given[-1]] = False
    return open_


def catsim(bank):
    from catsim.item_bank import ItemBank
    from catsim.selection import MaxInfoSelector

    ones = np.ones(len(bank.items))
    items = ItemBank(np.stack([bank.discrimination, bank.difficulty, 0 * ones, ones], axis=1))
    selector = MaxInfoSelector()
    return lambda theta, given: selector.select(
        item_bank=items, administered_items=given, est_theta=theta
    )


def catpie(bank):
    from catpie import selectNextItem

    columns = bank.discrimination.tolist(), bank.difficulty.tolist()
    items = [(a, b, 0.0, 1.0) for a, b in zip(*columns, strict=True)]
    return lambda theta, given: selectNextItem(items, theta, given).item


SIDES = {"gradatim": ours, "argmax": argmax, "catsim": catsim, "catpie": catpie}


def race(n, picks, patience):
    """Set-up and picks of every side on a bank of n items."""
    bank, rng = bank_of(n), np.random.default_rng(1)
    ready, rows = {}, {}
    for name, make in SIDES.items():
        begin = time.perf_counter()
        try:
            ready[name] = make(bank)
        except ImportError:
            continue
        rows[name] = {"setup_s": time.perf_counter() - begin, "ms": []}
    given, spent, differ = [], dict.fromkeys(ready, 0.0), dict.fromkeys(ready, 0)
    for theta in rng.normal(size=picks).tolist():
        named = {}
        for name, pick in ready.items():
            if spent[name] > patience:
                continue
            begin = time.perf_counter()
            named[name] = int(pick(theta, given))
            took = time.perf_counter() - begin
            spent[name] += took
            rows[name]["ms"].append(took * 1e3)
        best = max(float(information(theta, bank)[i]) for i in named.values())
        for name, item in named.items():
            differ[name] += float(information(theta, bank)[item]) < best * (1 - 1e-9)
        given.append(named["gradatim"])
    return [row_of(name, n, row["ms"], row["setup_s"], differ[name]) for name, row in rows.items()]


def live(n, picks):
    """A test of `picks` questions as the verb runs it, answers drawn, nothing asked of anybody."""
    bank, rng, begun = bank_of(n), np.random.default_rng(1), time.perf_counter()
    bank = replace(bank, se_difficulty=np.full(n, 0.1), se_discrimination=np.full(n, 0.1))
    start = Start(bank, None, None, dict.fromkeys(range(n)))
    none = np.zeros(n, dtype=bool)
    listed, table, beyond = tables_of(start, none, prior=(0.0, 1.0), samples=1, n_asked=picks)
    tried = np.ones((1, len(listed)), dtype=int)
    state, ranks = begin(table, tried, beyond=beyond), ranking(table, tried)
    setup, ms = time.perf_counter() - begun, []
    for answer in rng.integers(0, 2, picks).tolist():
        begun = time.perf_counter()
        item = choose(state, ranks, Rules())
        state = take(state, table, item, rate=np.array([answer]), tried=np.ones(1))
        tell(state, table)
        ms.append((time.perf_counter() - begun) * 1e3)
    return row_of("live", n, ms, setup)


def row_of(side, n, ms, setup, worse=0):
    return {
        "side": side,
        "items": n,
        "median_ms": statistics.median(ms),
        "p99_ms": float(np.quantile(ms, 0.99)),
        "picks": len(ms),
        "worse_picks": worse,
        "setup_s": setup,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[20_000, 1_000_000])
    parser.add_argument("--picks", type=int, default=200)
    parser.add_argument("--patience", type=float, default=20.0, help="seconds a side and a bank")
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    rows, missed = [], False
    print(f"{'items':>9} {'side':<10} {'median ms':>10} {'p99 ms':>9} {'set-up s':>9} {'picks':>6}")
    for n in args.items:
        found = [*race(n, args.picks, args.patience), live(n, args.picks)]
        for row in found:
            mark = f"  worse in {row['worse_picks']}" if row["worse_picks"] else ""
            if row["side"] in ("gradatim", "live") and row["median_ms"] > TARGET_MS:
                mark, missed = mark + f"  MISSED {TARGET_MS} ms", True
            print(
                f"{n:>9,} {row['side']:<10} {row['median_ms']:>10.3f} {row['p99_ms']:>9.3f} "
                f"{row['setup_s']:>9.2f} {row['picks']:>6}{mark}"
            )
        rows += found
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)
    raise SystemExit(int(missed))


if __name__ == "__main__":
    main()
