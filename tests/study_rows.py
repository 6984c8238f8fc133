"""Rows of studies as `gradatim.study` gives them, made up for tests."""

import numpy as np


def study_rows(variants=("grpo", "gradatim", "dapo"), pools=("mixed",), seeds=(0, 1, 2), moments=9):
    """Rising curves that differ by variant; every cell spends 48,000 rollouts."""
    rng = np.random.default_rng(len(variants))
    found = []
    labels = [f"{family}:{level}" for family in ("lists", "sat") for level in range(1, 11)]
    for pool in pools:
        for at, variant in enumerate(variants):
            for seed in seeds:
                rollouts = np.linspace(0, 48_000, moments)
                gain = 0.2 + 0.02 * at
                noise = rng.normal(0, 0.01, moments)
                height = 0.2 + gain * rollouts / 48_000 + np.where(rollouts > 0, noise, 0)
                after = np.clip(np.linspace(0.9, 0.1, len(labels)) + 0.02 * at, 0, 1)
                found.append({
                    "key": f"{pool}{variant}{seed}", "pool": pool, "variant": variant,
                    "recipe": variant.replace("without_sampler", "gradatim"),
                    "start": "start", "seed": seed, "rate": 5e-4,
                    "rollouts": rollouts.tolist(), "height": height.tolist(),
                    "tokens": (8 * rollouts).tolist(), "cpu": (rollouts / 1000).tolist(),
                    "labels": labels, "before": (after - 0.1).clip(0).tolist(),
                    "after": after.tolist(), "greedy_before": after.tolist(),
                    "greedy": after.tolist(), "spent": 48_000, "groups": 100,
                    "mixed": 50 + at % 40, "steps": 94,
                })  # fmt: skip
    return found
