"""One-step-ahead predictions on learners that drift: are the posteriors honest?"""

import dataclasses

import numpy as np
import pytest
from scipy import special
from test_scale_belief import batch_of

from gradatim.recipes import registry
from gradatim.types import Pool, Use

BELIEFS = {
    "plug-in": Use("counts", {"prior": (0.5, 0.5)}),  # taken for sure, not as a posterior
    "counts": Use("counts"),
    "hierarchical": Use("hierarchical"),
    "hierarchical, 15": Use("hierarchical", {"half_life": 15.0}),
    "mixture": Use("mixture"),
    "irt": Use("irt"),
    "irt, bank": Use("irt"),
}
SURE = 1e6
COLUMNS = ("group", "attempt", "ece", "cover", "mixed", "real")


def chance(k, n, a, b):
    """(group,) log-probability of k of n under a Beta."""
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return ways + special.betaln(a + k, b + n - k) - special.betaln(a, b)


def ahead(use, pool, batches, first):
    """(group, column) predictions of each batch from those before it, from step `first` on."""
    record, options = registry.resolve("belief", use)
    state, rng, rows = record.init(pool, **options), np.random.default_rng(0), []
    for batch in batches:
        if batch.step >= first:
            found = record.suggest(state, pool, **options)
            problem, code = np.unique(batch.problem, return_inverse=True)
            n, k = np.bincount(code), np.bincount(code, weights=batch.solved)
            a, b = found.alpha[problem], found.beta[problem]
            rows.append(np.column_stack([a, b, k, n, rng.random(len(n))]))
        state = record.observe(state, batch, **options)
    return np.concatenate(rows)


def scores(rows, *, sure=False):
    """COLUMNS: nats per group and attempt, calibration error, 90% coverage, mixed share."""
    a, b, k, n, luck = rows.T
    mean = np.clip(a / (a + b), 1e-4, 1 - 1e-4)
    if sure:
        a, b = mean * SURE, (1 - mean) * SURE
    place = np.minimum((10 * mean).astype(int), 9)
    gap = np.bincount(place, weights=n * mean - k, minlength=10)
    table = np.stack([np.exp(chance(np.minimum(j, n), n, a, b)) for j in range(int(n.max()) + 1)])
    table[np.arange(len(table))[:, None] > n] = 0
    # counts are discrete: the place of k is drawn evenly inside its own share
    own = table[k.astype(int), np.arange(len(k))]
    below = (table * (np.arange(len(table))[:, None] < k)).sum(axis=0) + luck * own
    values = (
        -np.log(own).mean(),
        -np.sum(k * np.log(mean) + (n - k) * np.log1p(-mean)) / n.sum(),
        np.abs(gap).sum() / n.sum(),
        np.mean(np.abs(below - 0.5) < 0.45),
        1 - np.mean(table[0] + table[n.astype(int), np.arange(len(n))]),
        np.mean((k > 0) & (k < n)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def learner(seed, *, spread, problems=300, steps=60, prompts=32, attempts=8):
    """A pool and batches of uniform draws while two families' abilities rise."""
    rng = np.random.default_rng(seed)
    family, level = np.arange(problems) % 2, 1 + np.arange(problems) // 2 % 10
    difficulty = 0.5 * (level - 5.5) + spread * rng.standard_normal(problems)
    source = family * 10 + level - 1
    pool = Pool(
        source=source,
        sources=tuple(map(str, range(20))),
        floor=np.zeros(problems),
        family=family,
        level=level.astype(float),
    )
    batches = []
    for step in range(steps):
        ability = np.array([-1.5 + 0.05 * step, 0.01 * step])
        problem = np.repeat(rng.choice(problems, prompts, replace=False), attempts)
        p = special.expit(ability[family[problem]] - difficulty[problem])
        batches.append(batch_of(problem, rng.random(len(problem)) < p, step))
    return pool, batches, difficulty


def table(pool, batches, bank, first=10):
    """Scores by belief."""
    found = {}
    for name, use in BELIEFS.items():
        if name.endswith("bank"):
            known = dataclasses.replace(pool, difficulty=bank, discrimination=np.ones(len(bank)))
            found[name] = scores(ahead(use, known, batches, first))
        else:
            found[name] = scores(ahead(use, pool, batches, first), sure=name == "plug-in")
    return found


def show(title, found):
    print(f"\n{title}\n{'':18s}" + "".join(f"{name:>9s}" for name in COLUMNS))
    for name, row in found.items():
        print(f"{name:18s}" + "".join(f"{row[column]:9.3f}" for column in COLUMNS))


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_predictions_of_a_drifting_learner_are_honest(spread):
    pool, batches, difficulty = learner(0, spread=spread)
    found = table(pool, batches, difficulty)
    show(f"drifting learner, offsets {spread}", found)
    for name in ("irt", "irt, bank"):
        assert found[name]["ece"] < 0.05
        assert 0.84 < found[name]["cover"] < 0.97
        assert found[name]["group"] < found["hierarchical"]["group"]
        assert found[name]["mixed"] == pytest.approx(found[name]["real"], abs=0.06)
    for name in ("hierarchical, 15", "mixture"):
        assert found[name]["group"] < found["counts"]["group"]
    assert found["counts"]["group"] < found["plug-in"]["group"]
    # plug-in rates are sure of what they do not know
    assert found["plug-in"]["cover"] < 0.84


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["grpo", "gradatim"])
@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_predictions_on_learners_that_learn_from_what_is_chosen(recipe, spread):
    """The simulated learner of studies: what is predicted is also what was chosen by a belief."""
    pytest.importorskip("torch")
    from gradatim.engine import arms

    world = arms.world(3000, families=3, seed=1, spread=spread)
    settings = {"rate": 0.03, "start": -1.0, "transfer": 0.1, "ramp": 15}
    arm = arms.Simulated(
        world, world, registry.get(recipe), seed=0, rollouts=64_000, settings=settings
    )
    batches, cur = [], arm.curriculum
    observe = cur.observe

    def keep(plan, rewards, **columns):
        batches.append(observe(plan, rewards, **columns))
        return batches[-1]

    cur.observe = keep
    before = arm.ability.mean()
    for _ in range(125):
        arm.advance(64, 512)
    pool = dataclasses.replace(world.pool, difficulty=None, discrimination=None)
    found = table(pool, batches, world.difficulty)
    show(f"{recipe}, offsets {spread}, ability {before:.1f} to {arm.ability.mean():.1f}", found)
    for name in ("irt", "irt, bank"):
        assert found[name]["ece"] < 0.05
        assert 0.85 < found[name]["cover"] < 0.96
        assert found[name]["group"] <= found["hierarchical"]["group"] + 0.01
    assert found["hierarchical"]["group"] < found["plug-in"]["group"]
