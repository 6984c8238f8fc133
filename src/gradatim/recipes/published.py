"""Published ways of turning rewards into gradients, each a choice for every slot.

All draw the pool in turn with equal groups unless the method itself says otherwise; what a method
does not decide is as in `GRPO`. How a record differs from its paper is said in `paper`.
"""

from typing import Any

from gradatim.types import Recipe, Use

_TOKEN = {"aggregate": "token"}
_CONSTANT = {"aggregate": "constant"}


def variation(name: str, doc: str, *, paper: str, **slots: Any) -> Recipe:
    """A recipe that is GRPO but for these slots."""
    usual: dict[str, Any] = {
        "belief": Use("counts"),
        "sampler": Use("uniform"),
        "budget": Use("equal"),
        "advantage": Use("grpo"),
        "objective": Use("clip"),
    }
    return Recipe(name=name, doc=doc, paper=paper, **usual | slots)


GRPO = variation(
    "grpo",
    "Every prompt in turn, equal groups, advantage over the group's deviation.",
    paper="Shao et al. 2024, arXiv:2402.03300. Differs: no KL term; a lone attempt has "
    "advantage 0.",
)

DR_GRPO = variation(
    "dr_grpo",
    "GRPO without the division by the deviation and with a constant length.",
    advantage=Use("dr_grpo"),
    objective=Use("clip", _CONSTANT),
    paper="Liu et al. 2025, arXiv:2503.20783.",
)

RLOO = variation(
    "rloo",
    "Each attempt against the mean of the others.",
    advantage=Use("rloo"),
    objective=Use("clip", _CONSTANT),
    paper="Ahmadian et al. 2024, arXiv:2402.14740. Differs: clip on top, which is inactive "
    "on-policy; lengths divided by a constant.",
)

OPO = variation(
    "opo",
    "Each attempt against the mean of its group weighted by length.",
    advantage=Use("opo"),
    objective=Use("reinforce", _CONSTANT),
    paper="Hao et al. 2025, arXiv:2505.23585: exactly on-policy, no KL, no entropy term.",
)

REINFORCE_PP = variation(
    "reinforce_pp",
    "Deviation from the group's mean over the deviation of the whole batch.",
    advantage=Use("reinforce_pp"),
    objective=Use("clip", _TOKEN),
    paper="Hu et al. 2025, arXiv:2501.03262, the variant with baseline. Differs: no KL term.",
)

DAPO = variation(
    "dapo",
    "Groups that came out equal are replaced by fresh ones; clip-higher; mean over tokens.",
    budget=Use("refill"),
    objective=Use("clip_higher"),
    max_rounds=4,
    paper="Yu et al. 2025, arXiv:2503.14476. Differs: a step spends at most its rollouts; no "
    "penalty on overlong replies.",
)

GSPO = variation(
    "gspo",
    "One clipped ratio for a whole reply.",
    objective=Use("gspo"),
    paper="Zheng et al. 2025, arXiv:2507.18071. With one update a batch it is GRPO: the ratio "
    "is 1.",
)

NGRPO = variation(
    "ngrpo",
    "A virtual right attempt in every group, so that groups with no right one teach.",
    advantage=Use("ngrpo"),
    objective=Use("clip", {"low": 0.16, "high": 0.24}),
    paper="Nan et al. 2025, arXiv:2509.18851. Differs: groups that are all right are not "
    "filtered, they have advantage 0.",
)

W_REINFORCE = variation(
    "w_reinforce",
    "Right attempts count a tenth, wrong ones in full, without a baseline.",
    advantage=Use("weighted"),
    objective=Use("clip", _TOKEN),
    paper="Zhu et al. 2025, arXiv:2506.01347.",
)

NSR = variation(
    "nsr",
    "Only wrong attempts, which lose probability.",
    advantage=Use("nsr"),
    objective=Use("clip", _TOKEN),
    paper="Zhu et al. 2025, arXiv:2506.01347.",
)

PSR = variation(
    "psr",
    "Only right attempts, which gain probability.",
    advantage=Use("psr"),
    objective=Use("clip", _TOKEN),
    paper="Zhu et al. 2025, arXiv:2506.01347.",
)

PASS_K = variation(
    "pass_k",
    "Only the best attempt of a group, by what it is better than the second.",
    advantage=Use("pass_k"),
    paper="Pass@k-GRPO as verl has it: with rewards 0 and 1, only groups with one right attempt "
    "teach.",
)

RELATIVE_NEGATIVE = variation(
    "relative_negative",
    "GRPO's advantage where it is negative.",
    advantage=Use("relative_negative"),
    paper="Two-stage view of the boundary of RLVR; a reading of the abstract.",
)

CANON_ENTROPY = variation(
    "canon_entropy",
    "The half of a group that is surer against the half that is less sure.",
    advantage=Use("canon_entropy"),
    objective=Use("clip", _CONSTANT),
    paper="CANON, arXiv:2509.23962, inter-half comparison (mu = 1).",
)

CANON_LENGTH = variation(
    "canon_length",
    "The longer half of a group against the shorter.",
    advantage=Use("canon_length"),
    objective=Use("clip", _CONSTANT),
    paper="CANON, arXiv:2509.23962, by length (mu = 1, no direction favoured).",
)

CLIP_COV = variation(
    "clip_cov",
    "Some tokens that would cost the most entropy give no gradient.",
    objective=Use("clip_cov"),
    paper="Cui et al. 2025, arXiv:2505.22617. Differs: without dynamic sampling.",
)

KL_COV = variation(
    "kl_cov",
    "Tokens that would cost the most entropy are held to the policy that sampled.",
    objective=Use("kl_cov"),
    paper="Cui et al. 2025, arXiv:2505.22617. With one update a batch the held tokens feel no "
    "force yet, and it is REINFORCE with a mean over tokens.",
)

DRPO = variation(
    "drpo",
    "Right replies against wrong ones, the shorter right ones first.",
    objective=Use("drpo"),
    paper="DRPO, arXiv:2510.04474; its objective takes rewards, not advantages.",
)

HPT = variation(
    "hpt",
    "A demonstration in place of the attempts where nobody succeeded.",
    scaffold=Use("demonstrate"),
    advantage=Use("hpt"),
    objective=Use("hpt"),
    max_rounds=2,
    paper="Lv et al. 2025, arXiv:2509.04419. Differs: a demonstration is paid for like an "
    "attempt; no entropy term.",
)
