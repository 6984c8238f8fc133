"""Published training methods, each a choice for every slot; differences from the paper are said.

All believe in plain counts or in none; what a method does not decide is as in `GRPO`.
"""

from gradatim.types import Recipe, Use

_COUNTS = Use("counts")

GRPO = Recipe(
    name="grpo",
    doc="Every prompt in turn, equal groups, advantage over the group's deviation.",
    belief=_COUNTS,
    sampler=Use("uniform"),
    budget=Use("equal"),
    advantage=Use("grpo"),
    objective=Use("clip"),
    paper="Shao et al. 2024, arXiv:2402.03300. Differs: no KL term; a lone attempt has "
    "advantage 0.",
)

DR_GRPO = Recipe(
    name="dr_grpo",
    doc="GRPO without the division by the deviation and with a constant length.",
    belief=_COUNTS,
    sampler=Use("uniform"),
    budget=Use("equal"),
    advantage=Use("dr_grpo"),
    objective=Use("clip", {"aggregate": "constant"}),
    paper="Liu et al. 2025, arXiv:2503.20783.",
)

RLOO = Recipe(
    name="rloo",
    doc="Each attempt against the mean of the others.",
    belief=_COUNTS,
    sampler=Use("uniform"),
    budget=Use("equal"),
    advantage=Use("rloo"),
    objective=Use("clip", {"aggregate": "constant"}),
    paper="Ahmadian et al. 2024, arXiv:2402.14740. Differs: clip on top, which is inactive "
    "on-policy; lengths divided by a constant.",
)

DUMP = Recipe(
    name="dump",
    doc="Sources by upper confidence bound on mean |advantage|, equal groups.",
    belief=_COUNTS,
    sampler=Use("ucb"),
    budget=Use("equal"),
    advantage=Use("grpo"),
    objective=Use("clip"),
    paper="Wang et al. 2025, arXiv:2504.09710. Differs: fed by training rollouts, where the "
    "released trainer feeds validation rewards.",
)

KNAPSACK = Recipe(
    name="knapsack",
    doc="Every prompt in turn, more attempts where a mixed group is worth more.",
    belief=Use("hierarchical"),
    sampler=Use("uniform"),
    budget=Use("mixed", {"objective": "value"}),
    advantage=Use("grpo"),
    objective=Use("clip"),
    paper="Li et al. 2025, arXiv:2509.25849. Differs: expectation under a posterior instead of "
    "plug-in rates with rules for rates 0 and 1; exact greedy.",
)

WINDOW = Recipe(
    name="window",
    doc="Only problems believed to be solved between 20% and 80% of the time, equal groups.",
    belief=_COUNTS,
    sampler=Use("window"),
    budget=Use("equal"),
    advantage=Use("grpo"),
    objective=Use("clip"),
    paper="The pass-rate filter of open post-training reports, online. Differs: the posterior "
    "mean decides, so a problem never tried is inside.",
)

DAPO = Recipe(
    name="dapo",
    doc="Groups that came out equal are replaced by fresh ones; clip-higher; mean over tokens.",
    belief=_COUNTS,
    sampler=Use("uniform"),
    budget=Use("refill"),
    advantage=Use("grpo"),
    objective=Use("clip", {"high": 0.28, "aggregate": "token"}),
    max_rounds=4,
    paper="Yu et al. 2025, arXiv:2503.14476. Differs: a step spends at most its rollouts; no "
    "penalty on overlong replies.",
)
