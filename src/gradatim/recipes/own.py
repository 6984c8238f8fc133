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
    paper="Ours: hierarchical posteriors choose the problems, by p (1 - p), and shrink RLOO's "
    "baseline (arXiv:2402.14740); the objective is Clip-Cov (arXiv:2505.22617).",
)
