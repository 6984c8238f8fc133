"""Our own combination, kept apart from the published ones because it moves with the evidence."""

from gradatim.types import Recipe, Use

GRADATIM = Recipe(
    name="gradatim",
    doc="Posterior pass rates by source; samples where the outcome is open; attempts by the "
    "posterior worth of a mixed group.",
    belief=Use("hierarchical"),
    sampler=Use("variance", {"explore": 0.1}),
    budget=Use("mixed", {"objective": "mixed", "min": 4, "max": 32}),
    advantage=Use("grpo"),
    objective=Use("clip"),
    paper="Ours: hierarchical posteriors in place of the plug-in rates of Knapsack RL "
    "(arXiv:2509.25849), p (1 - p) sampling with a share of even draws.",
)
