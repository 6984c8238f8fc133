"""Bonuses for what was rarely done before: in this group of attempts, or in the whole training.

Axes: `attempt` and `group` as in advantages.py; `label` says what an attempt did (a hash of its
solution, say); `seen`, distinct labels of earlier steps. A bonus is added to the reward of right
attempts before the advantage is taken, or it pays for wrong ones too, as the caller decides.
Advantage `novelty` pays right ones, with `text` as what they did.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.learning.advantages import Advantage, dr_grpo, grpo, learned, needed, rloo
from gradatim.rng import digest
from gradatim.types import Batch, Slot

ESTIMATORS = {"dr_grpo": dr_grpo, "rloo": rloo, "grpo": grpo}
KINDS = ("episodic", "global", "product")


class Seen(NamedTuple):
    """How often labels occurred in earlier steps.

    Attributes:
        label: (seen,) int, sorted, each once.
        times: (seen,) int >= 1.
    """

    label: np.ndarray
    times: np.ndarray


def nothing_seen() -> Seen:
    """The state before the first step."""
    return Seen(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def remember(seen: Seen, label: np.ndarray) -> Seen:
    """Count the labels of a step.

    >>> remember(nothing_seen(), np.array([7, 5, 7])).times
    array([1, 2])
    """
    names, code = np.unique(np.concatenate([seen.label, label]), return_inverse=True)
    weight = np.concatenate([seen.times, np.ones(len(label), dtype=np.int64)])
    return Seen(names, np.bincount(code, weights=weight, minlength=len(names)).astype(np.int64))


def bonus(label: np.ndarray, group: np.ndarray, seen: Seen, *, kind: str = "product") -> np.ndarray:
    """(attempt,) float in (0, 1]: 1 / sqrt(how often this was done, this time included).

    Args:
        label: (attempt,) int.
        group: (attempt,) labels.
        seen: of the steps before.
        kind: "episodic" counts attempts of the same group with the same label, "global" this and
            all earlier steps', "product" multiplies the two. Episodic pays where prompts have
            little in common, global where they share their solutions.

    Ref: Henaff et al. 2023, arXiv:2306.03236, bonuses in contextual MDPs; reading: a prompt is the
    context and the attempts of its group are the episode.

    >>> bonus(np.array([1, 1, 2]), np.zeros(3, int), nothing_seen(), kind="episodic").round(3)
    array([0.707, 0.707, 1.   ])
    """
    checks.one_of("kind", kind, KINDS)
    label = np.asarray(label)
    checks.shapes(label=(label, "attempt"), group=(group, "attempt"))
    prompt, _ = groups.codes(group)
    what, n = groups.codes(label)
    here, m = groups.codes(prompt * max(n, 1) + what)
    episodic = 1 / np.sqrt(groups.counts(here, m))[here]
    if kind == "episodic":
        return episodic
    everywhere = remember(seen, label)
    count = everywhere.times[np.searchsorted(everywhere.label, label)]
    return 1 / np.sqrt(count) if kind == "global" else episodic / np.sqrt(count)


def labels(text: np.ndarray) -> np.ndarray:
    """(attempt,) int: the same for replies that differ in white space only; stable over runs.

    A solution that is written in two ways counts as two. None is as the empty reply.

    >>> a, b, c = labels(np.array(["1  0", "1 0", "0 1"], dtype=object))
    >>> bool(a == b), bool(a == c)
    (True, False)
    """
    replies = text.tolist()
    known = {
        reply: int.from_bytes(digest(" ".join((reply or "").split()), size=7), "big")
        for reply in set(replies)
    }
    return np.fromiter(map(known.__getitem__, replies), np.int64, len(replies))


def novelty(
    batch: Batch, *, weight: float = 0.5, kind: str = "episodic", of: str = "dr_grpo"
) -> Advantage:
    """An estimator's advantage of reward + weight x bonus, the bonus paid to solved attempts.

    Groups all right have a gradient as long as their solutions are not all equally rare; wrong
    attempts are paid nothing for being odd.

    Args:
        batch: with the column `text`.
        weight: of the bonus, >= 0; below 1 a right attempt always beats a wrong one whose reward
            is 0, whatever it is.
        kind: as in `bonus`. An advantage keeps nothing between steps, so "global" counts all
            groups of the step, not of the training.
        of: the estimator. "grpo" divides by the group's deviation and so makes the bonus as large
            as the reward where a group is all right.

    Ref: Henaff et al. 2023, arXiv:2306.03236. Differs: as in `bonus`, and global within a step.
    """
    checks.within(0, np.inf, weight=weight)
    checks.one_of("of", of, ESTIMATORS)
    live, text = learned(batch), needed(batch, "text")
    reward = np.array(batch.reward, dtype=float)
    paid = bonus(labels(text[live]), batch.group[live], nothing_seen(), kind=kind)
    reward[live] += weight * np.where(batch.solved[live], paid, 0.0)
    return ESTIMATORS[of](reward, batch.group, mask=live)


ADVANTAGES: dict[str, Slot] = {
    "novelty": Slot(
        suggest=novelty,
        options={"weight": 0.5, "kind": "episodic", "of": "dr_grpo"},
        bounds={
            "weight": checks.AT_LEAST_0,
            "kind": frozenset(KINDS),
            "of": frozenset(ESTIMATORS),
        },
        needs=frozenset({"text"}),
        invariances=frozenset({"zero_sum", "silent_wrong"}),
        paper="Global and episodic bonuses (arXiv:2306.03236): right attempts are paid for what "
        "few others of their group, or of the step, did; solutions stay varied.",
    ),
}
