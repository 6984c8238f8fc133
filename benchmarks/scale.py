"""Calibrating items: `gradatim.scale.irt.fit` beside the programs on PyPI, on the same data.

    python benchmarks/scale.py [--sizes S1 S2 S3 S4 S5] [--peers mirt irtorch py-irt girth]
        [--limit 120] [--no-line] [--json FILE] [--resume]

Every fit runs alone, in a process of its own, in the environment of its program, which is made on
the first call. See README.md here for what is the same and what is measured.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import scale_data
import scale_plot

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache"
WORK = CACHE / "bench-scale"
PLOT = HERE.parent / "docs" / "figures" / "cost.svg"

PEERS = {
    "mirt": ("mirt==1.2.0",),
    "irtorch": ("torch==2.13.0", "irtorch==0.5.6"),
    "py-irt": ("torch==2.13.0", "py-irt==0.7.1"),
    "girth": ("girth==0.8.0",),
}
VARIANTS = {
    "mirt": ("mirt-21", "mirt", "mirt-121", "mirt-squarem"),
    "irtorch": ("irtorch", "irtorch-mml"),
    "py-irt": ("py-irt", "py-irt-hierarchical"),
    "girth": ("girth",),
}
OURS = ("gradatim", "gradatim-noprior")
PEER_SIZES = ("S1", "S2")  # beyond, no peer ends within minutes; --everywhere lets them try
TARGETS = {  # times the fastest peer, or seconds
    "S1": (50, None),
    "S2": (100, None),
    "S3": (None, 1.0),
    "S4": (None, 3.0),
    "S5": (None, 8.0),
}
MEMORY = 2.0  # times the table of persons and items as float32
MEMORY_FROM = 10**7  # responses: below, it is all interpreter
LINES = {
    "complete": ("50x200", "158x633", "500x2000", "1581x6325", "5000x20000"),
    "sparse, 5%": ("200x1000@10", "500x4000@25", "1000x20000@50", "1000x200000@50"),
}

# -- one fit ------------------------------------------------------------------------------------


def interpreter(fitter: str) -> Path:
    """The Python that runs a fitter; the peer's environment is made where it is missing."""
    if fitter.startswith("gradatim"):
        return Path(sys.executable)
    peer = next(name for name, variants in VARIANTS.items() if fitter in variants)
    folder = CACHE / f"bench-scale-{peer}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    wanted = " ".join(PEERS[peer])
    if not ready.exists() or ready.read_text() != wanted:
        say(f"installing {wanted}")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for package in PEERS[peer]:  # torch first and pinned
            subprocess.run([python, "-m", "pip", "install", "-q", package], check=True)
        ready.write_text(wanted)
    return python


def measure(fitter: str, size: scale_data.Size, limit: float) -> dict[str, Any]:
    """One record: how long, how much memory, and what the estimates are worth."""
    record: dict[str, Any] = {"size": size.name, "fitter": fitter, "cells": size.cells}
    data = scale_data.write(size, WORK)
    estimates = WORK / f"{size.name}-{fitter}.npz"
    try:
        python = interpreter(fitter)
    except subprocess.CalledProcessError:
        return {**record, "failed": "did not install"}
    call = [python, HERE / "scale_fitters.py", fitter, data, estimates]
    call += ["--persons", str(size.persons), "--items", str(size.items)]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {**record, "failed": f"> {limit:.0f} s", "limit": limit}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        return {**record, "failed": last[-120:]}
    last = (done.stdout.strip().splitlines() or [""])[-1]
    if "{" not in last:
        return {**record, "failed": f"said nothing: {last[-80:]!r}"}
    record |= json.loads(last[last.index("{") :])  # some chat on the same line
    judge = [sys.executable, HERE / "scale_data.py", size.name, data, estimates]
    done = subprocess.run(judge, capture_output=True, text=True, check=True)
    estimates.unlink()
    return {**record, **json.loads(done.stdout)}


# -- all of them --------------------------------------------------------------------------------


def plan(options: argparse.Namespace) -> list[tuple[str, str]]:
    """(size, fitter) in order: small sizes first, ours before and after the peers of a size."""
    todo = []
    for size in options.sizes:
        todo += [(size, fitter) for fitter in OURS]
        if size in PEER_SIZES or options.everywhere:
            todo += [(size, variant) for peer in options.peers for variant in VARIANTS[peer]]
    if options.line:
        todo += [(name, OURS[0]) for names in LINES.values() for name in names]
    return todo


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every record; each is appended to the results as soon as it is there."""
    results = WORK / "results.jsonl"
    WORK.mkdir(parents=True, exist_ok=True)
    if not options.resume:
        results.unlink(missing_ok=True)
    before = results.read_text().splitlines() if results.exists() else []
    found = [json.loads(record) for record in before]
    known = {(r["size"], r["fitter"]) for r in found}
    todo = [pair for pair in plan(options) if pair not in known]
    begin = time.monotonic()
    for done, (name, fitter) in enumerate(todo):
        spent = time.monotonic() - begin
        left = f"about {spent / done * (len(todo) - done):.0f} s left" if done else "no ETA yet"
        say(f"{done + 1}/{len(todo)} {name} {fitter} ({left}; at most {options.limit:.0f} s each)")
        record = measure(fitter, scale_data.size_of(name), options.limit)
        say(f"    {record.get('failed') or format(record['wall'], '.3f') + ' s'}")
        found.append(record)
        with results.open("a") as file:
            file.write(json.dumps(record) + "\n")
    return found


# -- tables -------------------------------------------------------------------------------------


def table(found: list[dict[str, Any]], sizes: list[str]) -> str:
    """What each fit took and what it is worth, by size."""
    lines = []
    for name in sizes:
        here = [r for r in found if r["size"] == name]
        if not here:
            continue
        size = scale_data.size_of(name)
        worth = [r["loglik"] for r in here if math.isfinite(r.get("loglik", math.nan))]
        best = max(worth, default=math.nan)
        a = np.median(scale_data.truth(size)[1])
        lines += [
            "",
            f"{name}: {size.persons:,} persons x {size.items:,} items, {size.cells:,} responses; "
            f"true median a {a:.3f}",
            f"{'fitter':<21}{'wall s':>9}{'cpu s':>9}{'times':>8}{'warm-up':>9}{'steps':>7}"
            f"{'claims':>8}{'loglik':>10}{'median a':>10}{'sigma':>7}{'RMSE theta':>12}"
            f"{'a':>7}{'b':>7}{'peak MB':>9}",
        ]
        ours = next((r["wall"] for r in here if r["fitter"] == OURS[0] and "wall" in r), math.nan)
        for r in here:
            lines.append(_row(r, ours, best))
        lines += ["", *_verdicts(here, size)]
    return "\n".join(lines)


def _row(r: dict[str, Any], ours: float, best: float) -> str:
    if "failed" in r:
        return f"{r['fitter']:<21}  {r['failed']}"
    claims = {True: "yes", False: "no"}.get(r.get("converged"), "-")
    steps = r.get("iterations", "-")
    text = f"{r['fitter']:<21}{r['wall']:>9.3f}{r['cpu']:>9.3f}{r['wall'] / ours:>8.1f}"
    text += f"{r['warm_up']:>9.2f}{steps:>7}{claims:>8}"
    if not math.isfinite(r["loglik"]):
        return text + f"{'nan':>10}"
    text += f"{r['loglik'] - best:>10.1f}{r['median_a']:>10.3f}{r['sigma']:>7.3f}"
    text += f"{r['rmse_theta']:>12.4f}{r['rmse_a']:>7.3f}{r['rmse_b']:>7.3f}"
    return text + f"{r['peak'] / 1e6:>9.0f}"


def _verdicts(here: list[dict[str, Any]], size: scale_data.Size) -> list[str]:
    """Ratios and targets of one size, each said to be met or missed."""
    ours = next((r for r in here if r["fitter"] == OURS[0]), None)
    if ours is None or "wall" not in ours:
        return [f"{OURS[0]}: no result"]
    times, seconds = TARGETS.get(size.name, (None, None))
    lines = []
    theirs = [r for r in here if not r["fitter"].startswith("gradatim")]
    ended = [r for r in theirs if "wall" in r]
    right = [r for r in ended if abs(math.log(max(r["sigma"], 1e-9))) < 0.1]
    for what, group in (("fastest peer", ended), ("fastest peer on the right scale", right)):
        if group:
            peer = min(group, key=lambda r: r["wall"])
            ratio = peer["wall"] / ours["wall"]
            lines.append(f"{what}: {peer['fitter']}, {ratio:.0f} times our time{met(ratio, times)}")
        elif theirs:
            lines.append(f"{what}: none ended within the limit")
    text = f"ours: {ours['wall']:.3f} s"
    lines.append(text + (met(-ours["wall"], -seconds) if seconds else ""))
    ratio = ours["wall"] / ours["product"]
    lines[-1] += f"; {ratio:.0f} times a float32 product of the data with a vector"
    lines[-1] += f" ({1000 * ours['product']:.2f} ms)"
    if size.cells >= MEMORY_FROM:
        share = (ours["peak"] - ours["base"]) / (4 * size.persons * size.items)
        text = f"memory: {share:.2f} times the table as float32, the data included"
        lines.append(text + met(-share, -MEMORY))
    return lines


def met(value: float, target: float | None) -> str:
    """Whether a figure reaches its target; negative numbers stand for at most."""
    if target is None:
        return ""
    word = "met" if value >= target else "MISSED"
    return f" (target {'at most' if target < 0 else 'at least'} {abs(target):g}: {word})"


def line(found: list[dict[str, Any]]) -> tuple[str, dict[str, list[tuple[float, float]]]]:
    """Cost against responses: a table, and the points of the plot."""
    lines = ["", f"{'cost':<14}{'responses':>14}{'wall s':>10}{'ns each':>9}{'steps':>7}"]
    lines[-1] += f"{'ns/step':>9}"
    curves: dict[str, list[tuple[float, float]]] = {}
    for kind, names in LINES.items():
        for name in names:
            r = next(
                (r for r in found if (r["size"], r["fitter"]) == (name, OURS[0]) and "wall" in r),
                None,
            )
            if r is None:
                continue
            each = 1e9 * r["wall"] / r["cells"]
            curves.setdefault(kind, []).append((r["cells"], r["wall"]))
            lines.append(
                f"{kind:<14}{r['cells']:>14,}{r['wall']:>10.4f}{each:>9.1f}{r['iterations']:>7}"
                f"{each / r['iterations']:>9.2f}"
            )
    for kind, points in curves.items():
        big = [(math.log(x), math.log(y)) for x, y in points if x >= 1e6]
        if len(big) > 1:
            slope = np.polyfit(*np.array(big).T, 1)[0]
            lines.append(f"{kind}: time grows as responses^{slope:.2f} from 1,000,000 on")
    return "\n".join(lines), curves


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> None:
    read = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    read.add_argument("--sizes", nargs="*", default=list(scale_data.NAMED), metavar="SIZE")
    read.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    read.add_argument("--limit", type=float, default=120.0, help="seconds a fit may take")
    read.add_argument("--everywhere", action="store_true", help="peers at every size")
    read.add_argument("--no-line", dest="line", action="store_false", help="no cost curve")
    read.add_argument("--plot", type=Path, default=PLOT, help="where the cost curve goes")
    read.add_argument("--json", type=Path, help="write every record to this file")
    read.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    read.add_argument("--clean", action="store_true", help="remove the simulated data afterwards")
    options = read.parse_args()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start")
    found = run(options)
    print(table(found, options.sizes))
    if options.line:
        text, curves = line(found)
        print(text)
        if curves:
            options.plot.parent.mkdir(parents=True, exist_ok=True)
            options.plot.write_text(scale_plot.draw(curves, title="Time of a fit by size of data"))
            print(f"plot: {options.plot}")
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    if options.clean:
        shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
