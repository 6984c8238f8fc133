"""Bonuses for what was rarely done before: in this group of attempts, or in the whole training.

Axes: `attempt` and `group` as in advantages.py; `label` says what an attempt did (a hash of its
solution, say); `seen`, distinct labels of earlier steps. A bonus is added to the reward of right
attempts before the advantage is taken, or it pays for wrong ones too, as the caller decides.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups

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
