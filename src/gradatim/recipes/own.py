"""Our own combination, kept apart from the published ones because it moves with the evidence."""

from gradatim.types import Recipe, Use

GRADATIM = Recipe(
    name="gradatim",
    doc="Two attempts on each of many problems, drawn where the outcome is open; baselines from "
    "the posterior pass rate, so that groups without contrast teach too.",
    belief=Use("hierarchical"),
    sampler=Use("variance", {"explore": 0.1}),
    budget=Use("equal", {"size": 2}),
    advantage=Use("believed"),
    objective=Use("clip_cov"),
    paper="Ours: hierarchical posteriors by source for p (1 - p) sampling and, in place of a "
    "group's mean, as RLOO's shrunk baseline; the objective is Clip-Cov (arXiv:2505.22617).",
)
