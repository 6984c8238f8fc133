"""Published ways of learning from replies that were written with help.

They need a trainer that samples replies to one prompt and learns from them under another; see
`recipes.writers` for how it reads their plans.
"""

from gradatim.recipes.published import variation
from gradatim.types import Use

EXPO = variation(
    "expo",
    "Where nobody succeeded, a reply by the policy that was told the answer.",
    scaffold=Use("explain"),
    advantage=Use("refined", {"wrong": False}),
    max_rounds=2,
    paper="ExPO, self-explanation-guided reinforcement learning; a reading of the abstract. "
    "Differs: the explanation is a member of the group, in place of a supervised term.",
)

CRITIQUE_GRPO = variation(
    "critique_grpo",
    "A failed reply of each group is refined with a critique in sight.",
    scaffold=Use("critique"),
    advantage=Use("refined"),
    objective=Use("shaped"),
    max_rounds=2,
    paper="Zhang et al. 2025, arXiv:2506.03106, its critique that says the right answer. Differs: "
    "one failed reply of a group is refined, where the paper refines all and keeps one.",
)

EGSR = variation(
    "egsr",
    "Where nobody succeeded, the expert's solution in the policy's own words.",
    scaffold=Use("reformulate"),
    advantage=Use("refined", {"wrong": False}),
    max_rounds=2,
    paper="Zhang et al. 2025, arXiv:2505.08364, its reformulating half; a reading of the abstract. "
    "`adcl` is the other half.",
)
