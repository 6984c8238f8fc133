"""Learning is real: held-out problems, levels chosen before training, five seeds."""

from collections import defaultdict

import numpy as np
import pytest

from gradatim.engine.train import train
from gradatim.families.generation import generate
from gradatim.families.verify import check

torch = pytest.importorskip("torch")
stats = pytest.importorskip("scipy.stats")
tiny = pytest.importorskip("gradatim.solvers.tiny")

FAMILIES = ("lists", "arithmetic", "sat")
LEVELS = range(1, 11)
SEEDS = range(5)
ROLLOUTS = 60_000


def problems(split, *, n, seed):
    """n problems of each level of each family."""
    wanted = {"n": n * len(LEVELS), "level": LEVELS, "seed": seed, "split": split}
    return [p for family in FAMILIES for p in generate(family, **wanted)]


def rates(policy, asked, *, samples, temperature, seed):
    """{(family, level): pass rate}, every problem the same weight."""
    torch.set_num_threads(1)
    found = defaultdict(list)
    for first in range(0, len(asked), 256):
        part = asked[first : first + 256]
        replies = tiny.respond(
            policy,
            [tiny.encode(p.compact) for p in part],
            np.full(len(part), samples),
            limit=24,
            temperature=temperature,
            generator=torch.Generator().manual_seed(10_000 * seed + first),
        )
        answered = zip(tiny.texts(replies), replies.finished.tolist(), strict=True)
        for i, (text, ended) in enumerate(answered):
            problem = part[i // samples]
            right = ended and check(problem, text).solved
            found[problem.family, problem.level].append(right)
    return {key: float(np.mean(values)) for key, values in found.items()}


def interval(gains):
    """Mean over seeds and its 95% t-interval."""
    mean, error = np.mean(gains), np.std(gains, ddof=1) / np.sqrt(len(gains))
    reach = stats.t.ppf(0.975, len(gains) - 1) * error
    return float(mean), float(mean - reach), float(mean + reach)


@pytest.mark.slow
def test_learning_is_real(tmp_path, capsys):
    start = tiny.load()
    chosen = problems("test", n=40, seed=101)
    first = rates(start, chosen, samples=4, temperature=1.0, seed=0)
    levels = sorted(key for key, rate in first.items() if 0.08 <= rate <= 0.70)
    assert len(levels) >= 12
    seen = {p.id for p in chosen}
    gains, greedy, by_level = [], [], defaultdict(list)
    for seed in SEEDS:
        asked = [p for p in problems("test", n=40, seed=200 + seed) if p.id not in seen]
        lessons = problems("train", n=50, seed=300 + seed)
        assert not {p.id for p in lessons} & {p.id for p in asked if not p.meta.get("unsplit")}
        made = train(
            lessons,
            rollouts=ROLLOUTS,
            run=tmp_path / str(seed),
            recipe="grpo",
            seed=seed,
            prompts=64,
            batch=512,
            rate=5e-4,
            monitors=0,
        )
        after = tiny.load(made.checkpoint)
        warm = [rates(p, asked, samples=4, temperature=1.0, seed=seed) for p in (start, after)]
        cold = [rates(p, asked, samples=1, temperature=0.0, seed=seed) for p in (start, after)]
        gains.append(np.mean([warm[1][key] - warm[0][key] for key in levels]))
        greedy.append(np.mean([cold[1][key] - cold[0][key] for key in levels]))
        for key in warm[0]:
            by_level[key].append((warm[0][key], warm[1][key], cold[1][key] - cold[0][key]))
    warmth, greed = interval(gains), interval(greedy)
    with capsys.disabled():
        print(f"\n{len(levels)} levels, {len(gains)} seeds, {ROLLOUTS:,} rollouts of grpo each")
        print("temperature 1: {:+.3f} [{:+.3f}, {:+.3f}]".format(*warmth), np.round(gains, 3))
        print("greedy:        {:+.3f} [{:+.3f}, {:+.3f}]".format(*greed), np.round(greedy, 3))
        for key, rows in sorted(by_level.items()):
            before, then, greedily = np.mean(rows, 0)
            note = " LOST MORE THAN 10 POINTS" if then < before - 0.10 else ""
            mark = "*" if key in levels else " "
            print(
                f"{mark} {key[0]:>10} {key[1]:>2}: {before:.3f} -> {then:.3f}"
                f"  greedy {greedily:+.3f}{note}"
            )
    assert warmth[0] >= 0.05
    assert warmth[1] > 0
