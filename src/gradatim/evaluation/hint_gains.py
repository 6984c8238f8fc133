"""What a hint teaches: gain on a like problem without a hint, per source of hints.

Axes: `row` (a problem with one hint: a pre-test, the hint, a post-test), `problem`, `source` (who
wrote the hint).
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.curves import mean_difference
from gradatim.types import Estimate


class Gain(NamedTuple):
    """One source of hints.

    Attributes:
        source: its label.
        gain: Estimate of after - before over problems, paired.
        over: Estimate of its gain minus the control's on the problems that both have; None for
            the control, without one, and where they share no problem.
        refused: share of its hints that the quality gate refused; they are left out of the gain.
    """

    source: str
    gain: Estimate
    over: Estimate | None
    refused: float


def hint_gains(
    before: np.ndarray,
    after: np.ndarray,
    source: np.ndarray,
    problem: np.ndarray,
    *,
    sound: np.ndarray | None = None,
    control: str | None = None,
    level: float = 0.95,
) -> list[Gain]:
    """Learning gain per source of hints, paired by problem.

    Scores are of problems like the hinted one, tried without a hint, so that an answer that the
    hint gives away brings nothing. Rows of one problem are averaged: problems are the sample.

    Args:
        before, after: (row,) float in [0, 1], scores before and after the hint.
        source: (row,) text, assigned at random.
        problem: (row,) labels.
        sound: (row,) bool, hints that pass the quality gate (right, to the point); None: all.
        control: the source that stands for no hint.
        level: coverage of Student's intervals; one problem has none: its ends are infinite.

    Raises:
        ArgumentError: an unknown control, or a source without a sound hint.

    Ref: Pardos & Bhandari 2023, Learning gain differences between ChatGPT and human tutor generated
    algebra hints, arXiv:2302.06871 (pre-test, hints of one source, post-test; a gate on quality).

    >>> found = hint_gains(np.zeros(4), np.array([0, 0, 1, 0.5]),
    ...     np.array(["none", "none", "tutor", "tutor"]), np.array([1, 2, 1, 2]), control="none")
    >>> found[1].gain.value, found[1].over.value, found[1].refused
    (0.75, 0.75, 0.0)
    """
    before, after = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    source, problem = np.asarray(source).astype(str), np.asarray(problem)
    passed = np.ones(len(before), dtype=bool) if sound is None else np.asarray(sound, dtype=bool)
    checks.shapes(before=(before, "row"), after=(after, "row"), source=(source, "row"))
    checks.shapes(before=(before, "row"), problem=(problem, "row"), sound=(passed, "row"))
    checks.within(0, 1, before=before, after=after)
    checks.within(*checks.INSIDE, level=level)
    names = np.unique(source).tolist()
    if not names:
        raise ArgumentError("`before` must hold at least one row, got none")
    if control is not None:
        checks.one_of("control", control, names)
    code, size = groups.codes(problem)
    first, second = {}, {}
    for name in names:
        mine = passed & (source == name)
        if not mine.any():
            raise ArgumentError(f"no hint of source '{name}' passed the quality gate")
        first[name] = groups.means(before[mine], code[mine], size)
        second[name] = groups.means(after[mine], code[mine], size)
    found = []
    for name in names:
        here = ~np.isnan(first[name])
        gain = mean_difference(second[name][here], first[name][here], level=level)
        over = None
        if control is not None and name != control:
            both = here & ~np.isnan(first[control])
            if both.any():
                moved, still = (second[n][both] - first[n][both] for n in (name, control))
                over = mean_difference(moved, still, level=level)
        found.append(Gain(name, gain, over, float(1 - passed[source == name].mean())))
    return found
