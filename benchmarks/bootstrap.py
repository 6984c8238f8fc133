"""Resampling problems: means of many models under one bootstrap, beside two plain ways.

    python benchmarks/bootstrap.py [--models 1000] [--items 1000] [--draws 2000] [--repeats 5]
        [--share 0.05] [--json FILE]

All in this process, on one thread; wall and CPU seconds. `gradatim` is
`comparison.resampled_means`: how often each problem occurs in each sample (a multinomial draw, made
by counting), as float32, times the table; in blocks, so that memory does not grow with the draws.
`numpy` draws problems with replacement and takes the mean of the drawn columns, one sample after
the other. `scipy` is `scipy.stats.bootstrap` of each model by itself, which resamples models apart
from each other and so cannot pair them. Both plain ways run on a `--share` of the draws (numpy) or
models (scipy), and their time for all is that over the share. All must agree: means to 1e-6, and
standard errors as far as chance lets them.
Target: 1,000 models x 1,000 items x 2,000 draws under 1 s. Exit code 1 where it is missed.
"""

import argparse
import json
import statistics
import sys
import time
import tracemalloc

import numpy as np
from scipy import stats  # noqa: TID251  (the way that is compared)

from gradatim.evaluation.comparison import resampled_means

TARGET = 1.0  # seconds


def table(models, items, seed=0):
    """Right or wrong answers of models of different ability on items of different difficulty."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(size=models)[:, None] - rng.normal(size=items)
    return (rng.random((models, items)) < 1 / (1 + np.exp(-logit))).astype(float)


def by_loop(score, draws, seed):
    """(draw, model) means, one sample at a time."""
    rng = np.random.default_rng(seed)
    n = score.shape[1]
    return np.stack([score[:, rng.integers(n, size=n)].mean(axis=1) for _ in range(draws)])


def by_scipy(score, draws, seed):
    """(model,) standard errors, one model at a time."""
    rng = np.random.default_rng(seed)
    return np.array([
        stats.bootstrap(
            (row,), np.mean, n_resamples=draws, method="percentile", vectorized=True, rng=rng
        ).standard_error
        for row in score
    ])


def timed(function, *arguments):
    """What a call returns, and its wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = function(*arguments)
    return found, time.perf_counter() - wall, time.process_time() - cpu


def measure(models, items, draws, *, repeats, share):
    """A row for each way: wall and CPU seconds for all."""
    score = table(models, items)

    def ours():
        return resampled_means(score, draws, rng=np.random.default_rng(1))

    ours()
    runs = [timed(ours) for _ in range(repeats)]
    means = runs[0][0]
    tracemalloc.start()
    ours()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    few = max(2, round(draws * share))
    looped, wall_loop, cpu_loop = timed(by_loop, score, few, 1)
    some = max(1, round(models * share))
    errors, wall_scipy, cpu_scipy = timed(by_scipy, score[:some], draws, 1)
    truth = score.std(axis=1) / np.sqrt(items)  # of the mean of a resample, exactly
    assert np.allclose(means.mean(axis=0), score.mean(axis=1), atol=6 * truth.max() / draws**0.5)
    near = 5 / np.sqrt(2 * draws)
    assert np.all(np.abs(means.std(axis=0, dtype=float) / truth - 1) < near)
    assert np.all(np.abs(errors / truth[:some] - 1) < near)
    assert np.allclose(looped.mean(axis=0), score.mean(axis=1), atol=6 * truth.max() / few**0.5)
    kept = {
        "gradatim": tuple(statistics.median(run[i] for run in runs) for i in (1, 2)),
        "numpy": (wall_loop * draws / few, cpu_loop * draws / few),
        "scipy": (wall_scipy * models / some, cpu_scipy * models / some),
    }
    rows = [{"way": name, "wall_s": wall, "cpu_s": cpu} for name, (wall, cpu) in kept.items()]
    rows[0]["megabytes"] = peak / 1e6
    return rows


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.05, help="of the plain ways that is run")
    parser.add_argument("--json", help="file for the rows")
    given = parser.parse_args(argv)
    sizes = (given.models, given.items, given.draws)
    rows = measure(*sizes, repeats=given.repeats, share=given.share)
    print("{:,} models x {:,} items x {:,} draws".format(*sizes))
    base = rows[0]
    for row in rows:
        line = f"{row['way']:<9} {row['wall_s']:9.3f} s  cpu {row['cpu_s']:9.3f} s"
        line += f"  {row['cpu_s'] / base['cpu_s']:7.1f} times"
        print(line + (f"  {row['megabytes']:.0f} MB" if "megabytes" in row else ""))
    met = base["wall_s"] < TARGET
    print(f"target: under {TARGET:g} s" + ("" if met else ": MISSED"))
    if given.json:
        with open(given.json, "w") as file:
            json.dump({"sizes": sizes, "rows": rows, "met": met}, file)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
