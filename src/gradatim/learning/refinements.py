"""Replies written with help, or by others, beside the policy's own: one of a group counts.

Such a reply is sampled or given under another prompt (a critique in sight, the answer told) and
learned from under the problem's own. Axes: `attempt` and `group` as in advantages.py.
"""

import numpy as np

from gradatim import groups
from gradatim.learning.advantages import Advantage, dr_grpo, learned
from gradatim.types import ROLES, Batch, Slot

DEMO, REFINE = ROLES.index("demo"), ROLES.index("refine")


def helped(batch: Batch) -> np.ndarray:
    """(attempt,) bool: demonstrations, and refinements of another attempt of the step."""
    role, parent = np.asarray(batch.role), np.asarray(batch.parent)
    return (role == DEMO) | ((role == REFINE) & (parent >= 0))


def one_helped(batch: Batch, *, wrong: bool = True) -> np.ndarray:
    """(attempt,) bool: every unaided attempt, and of each group's helped replies one at most.

    Args:
        batch: of a step.
        wrong: where none of a group's helped replies is right, keep the best; else none.

    Ref: Zhang et al. 2025, arXiv:2506.03106 (Critique-GRPO): the first refinement that is right,
    else the best; of equal ones the first.
    """
    with_help = helped(batch) & batch.mask
    keep = learned(batch)
    keep[with_help] = False
    where = np.flatnonzero(with_help)
    if not len(where):
        return keep
    code, n_groups = groups.codes(np.asarray(batch.group)[where])
    score = np.where(batch.solved[where], np.inf, batch.reward[where])
    order = np.lexsort((np.arange(len(where)), -score, code))
    first = where[order[groups.firsts(code[order], n_groups)]]
    keep[first if wrong else first[batch.solved[first]]] = True
    return keep


def refined(batch: Batch, *, wrong: bool = True) -> Advantage:
    """Reward - mean of the group, of which one helped reply is a member.

    Args:
        batch: helped replies of a group beside the one that counts give no gradient.
        wrong: see `one_helped`; False where only right ones are of use (ExPO, EGSR).

    Returns:
        (attempt,) float advantage and (attempt,) bool keep. A group in which nobody succeeded
        unaided has a gradient as soon as its helped reply is right.

    Ref: Zhang et al. 2025, arXiv:2506.03106: no division by the deviation; with 7 wrong attempts
    and a refinement that is right, -1/8 each and 7/8.
    """
    return dr_grpo(batch.reward, batch.group, mask=one_helped(batch, wrong=wrong))


ADVANTAGES: dict[str, Slot] = {
    "refined": Slot(
        suggest=refined,
        options={"wrong": True},
        invariances=frozenset({"zero_sum", "shift", "linear", "monotone", "silent"}),
        paper="Critique-GRPO (arXiv:2506.03106): Dr.GRPO with one refined reply in each group, "
        "the first that is right, else the best.",
    ),
}
