"""Which attempts are worth a gradient: groups without contrast, prompts better shown than tried.

Axes: `attempt` and `group` as in advantages.py. Filters look at rewards themselves, never at a
computed deviation: in floats the deviation of equal rewards need not be 0, and that of different
ones can be.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.learning.advantages import Advantage, dr_grpo, learned, taking_part
from gradatim.types import ROLES, Batch, Slot

DROPS = ("equal", "right", "wrong")


class Filtered(NamedTuple):
    """What a filter of groups kept, and what was generated.

    Attributes:
        keep: (attempt,) bool.
        generated, kept, evicted: attempts with a reward; generated = kept + evicted.
        masked: attempts without one, which count in none of these.
        groups, groups_right, groups_wrong, groups_equal, groups_alone: groups generated, and of
            them those of two or more attempts all at the greatest reward, all at the least, all at
            one reward between, and lone attempts.
        groups_kept: groups that the filter kept.
        mean, std: of the rewards of all generated attempts, kept or not (n - 1; 0 for one).
    """

    keep: np.ndarray
    generated: int
    kept: int
    evicted: int
    masked: int
    groups: int
    groups_right: int
    groups_wrong: int
    groups_equal: int
    groups_alone: int
    groups_kept: int
    mean: float
    std: float


def filter_groups(
    reward: np.ndarray,
    group: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    drop: str = "equal",
    alone: str = "drop",
    least: float = 0.0,
    greatest: float = 1.0,
) -> Filtered:
    """Leave out groups that cannot teach, and say what was generated.

    Args:
        reward: (attempt,) float, finite where mask is True.
        group: (attempt,) labels.
        mask: (attempt,) bool, attempts that have a reward; None = all.
        drop: "equal" leaves out groups whose rewards are all exactly equal (DAPO), "right" only
            those all at `greatest` (NGRPO), "wrong" only those all at `least`.
        alone: "drop" or "keep" lone attempts, which have nothing to be compared with.
        least, greatest: the ends of the reward.

    Returns:
        What was kept and the counts; mean and deviation are of everything generated, so that a
        filter does not flatter the reward that is reported.

    Ref: Yu et al. 2025, arXiv:2503.14476, dynamic sampling. Differs: verl compares a float
    deviation with 0 and never drops lone attempts (`alone="keep"`).

    >>> found = filter_groups(np.array([1.0, 1, 1, 0, 0]), np.array([0, 0, 1, 1, 2]))
    >>> found.keep.tolist(), found.generated, found.kept, found.evicted, round(found.mean, 2)
    ([False, False, True, True, False], 5, 2, 3, 0.6)
    """
    checks.one_of("drop", drop, DROPS)
    checks.one_of("alone", alone, ("drop", "keep"))
    rows = taking_part(reward, group, mask)
    if not len(rows.reward):
        nothing = np.zeros(rows.size, dtype=bool)
        return Filtered(nothing, 0, 0, 0, rows.size, 0, 0, 0, 0, 0, 0, float("nan"), float("nan"))
    n = groups.counts(rows.code, rows.n_groups)
    lone = n == 1
    equal = (n > 1) & ~groups.mixed(rows.reward, rows.code, rows.n_groups)
    level = rows.reward[groups.firsts(rows.code, rows.n_groups)]
    right, wrong = equal & (level >= greatest), equal & (level <= least)
    out = {"equal": equal, "right": right, "wrong": wrong}[drop] | (lone & (alone == "drop"))
    stays = (n > 0) & ~out
    keep = np.zeros(rows.size, dtype=bool)
    keep[rows.where] = stays[rows.code]
    kept, generated = int(keep.sum()), len(rows.reward)
    one = np.zeros(generated, dtype=np.int64)
    return Filtered(
        keep=keep,
        generated=generated,
        kept=kept,
        evicted=generated - kept,
        masked=rows.size - generated,
        groups=int((n > 0).sum()),
        groups_right=int(right.sum()),
        groups_wrong=int(wrong.sum()),
        groups_equal=int((equal & ~right & ~wrong).sum()),
        groups_alone=int(lone.sum()),
        groups_kept=int(stays.sum()),
        mean=float(groups.means(rows.reward, one, 1)[0]),
        std=float(groups.spreads(rows.reward, one, 1)[0]),
    )


class Gate(NamedTuple):
    """What becomes of each prompt.

    Attributes:
        keep: (attempt,) bool, attempts that teach by reinforcement.
        replace: (attempt,) bool, attempts whose prompt teaches by its demonstration instead.
        drop: (attempt,) bool, attempts whose prompt teaches by neither.
    """

    keep: np.ndarray
    replace: np.ndarray
    drop: np.ndarray


def hpt_gate(
    solved: np.ndarray,
    group: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    available: np.ndarray | None = None,
    gate: int = 0,
    gate_off: int | None = None,
) -> Gate:
    """Imitate where the policy fails, reinforce where it does not: exactly one of them a prompt.

    Args:
        solved: (attempt,) bool.
        group: (attempt,) labels.
        mask: (attempt,) bool; None = all take part.
        available: (attempt,) bool, whether the attempt's prompt has a demonstration; a prompt
            without falls back to reinforcement. None = all have.
        gate: at most so many solved attempts in a group call for the demonstration; -1 is pure
            reinforcement, the group's size pure imitation.
        gate_off: groups with more than `gate` and at most so many solved teach nothing; None =
            there is no such band.

    Ref: Lv et al. 2025, arXiv:2509.04419, HPT: gate 0 of 8 attempts; the demonstration counts 1
    (0.3 for their smallest model).

    >>> hpt_gate(np.array([0, 0, 1, 0], bool), np.array([0, 0, 1, 1])).replace
    array([ True,  True, False, False])
    """
    rows = taking_part(np.asarray(solved, dtype=float), group, mask)
    k = groups.sums(rows.reward, rows.code, rows.n_groups)[rows.code]
    has = np.ones(len(k), bool) if available is None else np.asarray(available, bool)[rows.where]
    replaced = (k <= gate) & has
    off = (k > gate) & (k <= (gate if gate_off is None else gate_off))
    found = np.zeros((3, rows.size), dtype=bool)
    found[:, rows.where] = ~replaced & ~off, replaced, off
    return Gate(*found)


def hpt(
    batch: Batch, *, gate: int = 0, gate_off: int | None = None, coefficient: float = 1.0
) -> Advantage:
    """Dr.GRPO where the gate lets attempts teach, `coefficient` on demonstrations elsewhere.

    Args:
        batch: rows of role demo are demonstrations of their group and are not compared with
            attempts; a group without one is reinforced whatever the gate says.
        gate, gate_off: see `hpt_gate`.
        coefficient: >= 0, advantage of a demonstration that is shown.

    Returns:
        (attempt,) float advantage and (attempt,) bool keep. A demonstration's likelihood gradient
        times its advantage is supervised learning, as long as the objective does not clip it.
    """
    checks.within(0, np.inf, coefficient=coefficient)
    demo = np.asarray(batch.role) == ROLES.index("demo")
    tried = learned(batch) & ~demo
    value, keep = dr_grpo(batch.reward, batch.group, mask=tried)
    if not demo.any():
        return value, keep
    available = np.isin(batch.group, batch.group[demo & batch.mask])
    found = hpt_gate(
        batch.solved, batch.group, mask=tried, available=available, gate=gate, gate_off=gate_off
    )
    # a demonstration without any attempt beside it stands for a prompt that nobody solved
    other = batch.group[tried & ~found.replace]
    shown = demo & batch.mask & ~np.isin(batch.group, other) & (coefficient > 0)
    keep = (keep & found.keep) | shown
    return np.where(shown, coefficient, np.where(keep, value, 0.0)), keep


ADVANTAGES: dict[str, Slot] = {
    "hpt": Slot(
        suggest=hpt,
        options={"gate": 0, "gate_off": None, "coefficient": 1.0},
        bounds=dict.fromkeys(["gate", "gate_off", "coefficient"], checks.AT_LEAST_0),
        needs=frozenset({"demo"}),
        invariances=frozenset({"zero_sum", "shift", "linear", "monotone", "silent"}),
        paper="HPT (arXiv:2509.04419): groups with at most `gate` solved are replaced by their "
        "demonstration, others get Dr.GRPO; a group without demonstration falls back to it.",
    ),
}
