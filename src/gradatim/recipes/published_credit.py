"""Published ways of giving the tokens of one reply different credit.

What a method does not decide is as in `published.GRPO`. `spo`, `pav` and `mrt` pay for probes of
the step's own replies (scaffold `probe`). SPO-tree is no recipe: it grows its tree in segments of
fixed length, and a plan row cannot ask for a reply that stops there.
"""

from gradatim.recipes.published import variation
from gradatim.types import Use

_TOKEN = {"aggregate": "token"}
_PROBED = "Differs: half of a step pays for probes, and replies that it does not reach stay whole"

SPO = variation(
    "spo",
    "Each part of a reply by what it changed in the chance of success, measured by continuing it.",
    scaffold=Use("probe"),
    advantage=Use("spo_chain", {"confident": 0.9}),
    objective=Use("clip", _TOKEN),
    max_rounds=2,
    paper=f"Guo et al. 2025, arXiv:2505.23564, SPO-chain. {_PROBED}; the other attempts of the "
    "group stand for continuations of an empty reply; the mean counts sure tokens.",
)

PAV = variation(
    "pav",
    "The group's comparison, and each part's progress for a prover that tries twice.",
    scaffold=Use("probe"),
    advantage=Use("pav", {"best": 2}),
    objective=Use("clip", _TOKEN),
    max_rounds=2,
    paper=f"Setlur et al. 2024, arXiv:2410.08146, weight 5. {_PROBED}; prover best-of-2 "
    "of the policy (4 is recalled of the paper), since groups are small here; progress "
    "from probes of this step, where the paper trains a verifier for it.",
)

MRT = variation(
    "mrt",
    "The outcome less what answering at once would have brought, block by block of a reply.",
    scaffold=Use("probe", {"below": 1.0, "every": 3}),
    advantage=Use("mrt"),
    objective=Use("clip", _TOKEN),
    max_rounds=2,
    paper="Qu et al. 2025, arXiv:2503.07572, the repository's form, in blocks of three tokens. "
    f"{_PROBED}; a policy that writes nothing but answers is made to answer by going on.",
)

GIGPO = variation(
    "gigpo",
    "The group's comparison, and among its replies that had written the same so far.",
    advantage=Use("gigpo"),
    paper="Feng et al. 2025, arXiv:2505.10978. Differs: in a task of one turn a step is a token "
    "and its state the text before it; a lone attempt has advantage 0.",
)
