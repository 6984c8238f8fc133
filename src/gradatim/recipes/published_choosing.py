"""Published ways of choosing problems, rollouts and prompts, each a choice for every slot.

What a method does not decide is as in `published.GRPO`.
"""

from gradatim.recipes.published import variation
from gradatim.types import Use

DUMP = variation(
    "dump",
    "Sources by upper confidence bound on mean |advantage|, equal groups.",
    sampler=Use("ucb"),
    paper="Wang et al. 2025, arXiv:2504.09710. Differs: fed by training rollouts, where the "
    "released trainer feeds validation rewards.",
)

KNAPSACK = variation(
    "knapsack",
    "Every prompt in turn, more attempts where a mixed group is worth more.",
    belief=Use("hierarchical"),
    budget=Use("mixed", {"objective": "value"}),
    paper="Li et al. 2025, arXiv:2509.25849. Differs: expectation under a posterior instead of "
    "plug-in rates with rules for rates 0 and 1; exact greedy.",
)

WINDOW = variation(
    "window",
    "Only problems believed to be solved between 20% and 80% of the time, equal groups.",
    sampler=Use("window"),
    paper="The pass-rate filter of open post-training reports, online. Differs: the posterior "
    "mean decides, so a problem never tried is inside.",
)

THOMPSON = variation(
    "thompson",
    "Problems whose drawn pass rate is nearest a half.",
    belief=Use("hierarchical"),
    sampler=Use("thompson"),
    paper="Thompson 1933 on the believed pass rates, at a target of one half.",
)

INVERSE_GAP = variation(
    "inverse_gap",
    "Sources less often the further their mean |advantage| is from the best.",
    sampler=Use("inverse_gap", {"explore": 0.05}),
    paper="Foster and Rakhlin 2020, arXiv:2002.04926, on the scores of DUMP's arms.",
)

LOG_BARRIER = variation(
    "log_barrier",
    "Sources by follow-the-leader with a log barrier, which survives changes of what is hard.",
    sampler=Use("log_barrier"),
    paper="Dai et al. 2023, arXiv:2301.12942, as an adversarial bandit over sources.",
)

ADCL = variation(
    "adcl",
    "Blocks of the pool from easy to hard, re-sorted by the current belief before each.",
    belief=Use("hierarchical"),
    sampler=Use("resort"),
    paper="Zhang et al. 2025, arXiv:2505.08364, its sampling half. Differs: difficulty from the "
    "training rollouts, not from extra ones.",
)

SATURN = variation(
    "saturn",
    "A level at a time; up when its attempts are solved often enough.",
    sampler=Use("levels"),
    paper="Liu et al. 2025, arXiv:2505.16368. Differs: judged by training attempts; threshold .75.",
)

MASTERY = variation(
    "mastery",
    "Easy to hard, a level until it is mastered, with a share of review.",
    sampler=Use("mastery"),
    paper="Bloom 1968; warm-up orders of iterative fine-tuning (arXiv:2501.09766).",
)

MPTS = variation(
    "mpts",
    "Half of the prompts by predicted risk, the other half at random.",
    sampler=Use("risk"),
    paper="Wang et al. 2025, arXiv:2501.11039. Differs: Bayesian ridge regression in place of a "
    "neural process.",
)

PUDF = variation(
    "pudf",
    "All that is easy enough for the policy's ability on a calibrated scale.",
    sampler=Use("ability"),
    paper="Meng et al. 2024, arXiv:2408.05326. Needs a bank of the pool (`bank=`).",
)

DART = variation(
    "dart",
    "Attempts on a prompt until enough of them are right.",
    budget=Use("until"),
    max_rounds=4,
    paper="Tong et al. 2024, arXiv:2407.13690, its uniform rule inside a step of training, where "
    "the paper makes data sets with it.",
)

XRPO = variation(
    "xrpo",
    "Attempts in phases to where the pass rate is least known; unlikely right replies gain more.",
    budget=Use("interval"),
    advantage=Use("xrpo"),
    max_rounds=3,
    paper="Bamba et al. 2025, arXiv:2510.06672. Differs: a prior in the intervals; without solved "
    "examples in prompts (scaffold `examples`), which needs a policy that reads them.",
)

SEELE = variation(
    "seele",
    "As much of the solution in the prompt as makes half of the attempts right.",
    scaffold=Use("hint"),
    max_rounds=4,
    paper="arXiv:2509.06923. Differs: the response curve is integrated out; no loss on hints but "
    "by the option `hint_weight` of its scaffold, 0.001 there.",
)

CLPO = variation(
    "clpo",
    "Simpler problems for those that were too hard, other ones for the middle.",
    scaffold=Use("rewrite"),
    objective=Use("clip", {"kl": 0.001}),
    max_rounds=2,
    paper="arXiv:2509.25004, with its KL term of half weight on hard problems and their rewrites. "
    "Differs: problems change by their knobs, not by the policy's words.",
)
