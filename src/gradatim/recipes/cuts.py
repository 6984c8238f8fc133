"""Probes: attempts of the step are continued from inside, which tells what prefixes are worth.

A scaffold that adds rows of role "probe". A trainer samples them to the prompt of the attempt
`parent` of this step, followed by the first `cut` tokens of its reply, within the same limit; the
reward is that of the whole reply, and `lengths` counts the new tokens only. They are paid from the
step, the belief does not hear of them (they tell of another task than the problem), and nothing is
learned from them; `learning.credit.prefix_values` turns them into values. Axes: `token`, flat over
the step's attempts; `row`.
"""

import dataclasses
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.choice import plans
from gradatim.errors import ArgumentError
from gradatim.learning.credit import cut_points
from gradatim.recipes.scaffolds import rows_for, shares
from gradatim.types import Ask, Batch, Plan, Slot


def hold_probes(state: tuple, ask: Ask, *, share: float, **_: Any) -> int:
    """A share of the step for the probes."""
    return int(share * ask.left) if ask.round == 0 else 0


def cut_replies(batch: Batch, *, below: float, every: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the plain replies of a step can be cut: attempt and token within it, (cut,) int each.

    Before a reply's first token nothing is cut: continuations from there are plain attempts, which
    its group has.

    Raises:
        ArgumentError: the trainer gave no `token_logp`, or it is NaN.
    """
    if batch.token_logp is None:
        raise ArgumentError(
            "scaffold 'probe' cuts where the policy was unsure and needs `token_logp` of the "
            "attempts; give it to `observe`"
        )
    attempt = np.repeat(np.arange(len(batch.length)), batch.length)
    place = np.arange(len(attempt)) - (np.cumsum(batch.length) - batch.length)[attempt]
    plain = (batch.mask & (batch.role == 0))[attempt]
    checks.finite(token_logp=batch.token_logp[plain])
    found = cut_points(np.exp(batch.token_logp), batch.length, below=below, every=every)
    at = np.flatnonzero(found & plain & (place > 0))
    return attempt[at], place[at]


def probe(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    n: int = 4,
    share: float = 0.5,
    below: float = 0.9,
    every: int = 2,
) -> Plan | None:
    """Continue replies from inside, `n` times or more a cut, until the step's share is spent.

    Replies come in random order whatever their reward, since probing by outcome would bias what
    is learned; of the last one some cuts may be left out. Where `share` pays for more than n
    times all cuts, each gets more.

    Args:
        state: none.
        ask: in its second round, with `token_logp` of the first.
        rng: of the curriculum.
        n: least continuations of a cut.
        share: of the step, held back for probes.
        below: a token may be cut before where its probability was lower; 1 for any that was open.
        every: of these, every so-manieth.

    Ref: Guo et al. 2025, arXiv:2505.23564: .9, every 5th or 10th on texts of some hundred tokens.
    Differs: replies that the share does not reach are not probed; 2, for replies of a few tokens.
    """
    if ask.round != 1 or ask.so_far is None or ask.rows is None or ask.left < n:
        return ask.plan
    batch = ask.so_far
    attempt, cut = cut_replies(batch, below=below, every=every)
    order = np.argsort(rng.permutation(len(batch.length))[attempt], kind="stable")
    chosen = order[: ask.left // n]
    if not len(chosen):
        return ask.plan
    parent, cut = attempt[chosen], cut[chosen]
    assert batch.row is not None
    of = batch.row[parent]
    times = shares(ask.left, len(parent))
    plan = dataclasses.replace(
        rows_for(ask, batch.problem[parent], times, role="probe", why="cut"),
        parent=parent,
        cut=cut,
        group=batch.group[parent],
        hint=ask.rows.hint[of],
        posed=ask.rows.posed[of],
        propensity=ask.rows.propensity[of],
    )
    return plans.join(ask.plan, plan)


SCAFFOLDS: dict[str, Slot] = {
    "probe": Slot(
        hold=hold_probes,
        suggest=probe,
        options={"n": 4, "share": 0.5, "below": 0.9, "every": 2},
        bounds={"n": checks.AT_LEAST_1, "every": checks.AT_LEAST_1}
        | {"share": checks.SHARE, "below": checks.SHARE},
        rounds=2,
        needs=frozenset({"rounds", "probe", "token_logp"}),
        gives=frozenset({"prefix_value"}),
        paper="SPO (arXiv:2505.23564): replies continued from where the policy was unsure, which "
        "gives values of prefixes; replies beyond a share of the step stay whole.",
    ),
}
