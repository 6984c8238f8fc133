"""Budgets that spend a step in rounds: each round is decided by what the earlier ones brought.

Axes: `row` (a plan), `group` (of a step, all its rounds), `attempt` (a batch).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.choice import greedy, plans
from gradatim.types import Ask, Batch, Plan, Slot


def spread_of(so_far: Batch | None, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """(group,) attempts that came back, and (group,) bool whether their rewards differ.

    Compared exactly: a standard deviation of exactly zero depends on rounding.
    """
    if so_far is None or not so_far.mask.any():
        return np.zeros(n_groups, dtype=np.int64), np.zeros(n_groups, dtype=bool)
    live = so_far.mask
    code = so_far.group[live]
    return groups.counts(code, n_groups), groups.mixed(so_far.reward[live], code, n_groups)


class Standing(NamedTuple):
    """The groups of a step under way, those of plain rollouts only.

    Attributes:
        first: (group,) int, row of the step's plan that began the group.
        asked: (group,) int, attempts asked for in all rounds.
        live: (group,) int, attempts that came back and count.
        solved, total, squares: (group,) float, solved ones, sum of rewards, and of their squared
            distances from the group's mean.
    """

    first: np.ndarray
    asked: np.ndarray
    live: np.ndarray
    solved: np.ndarray
    total: np.ndarray
    squares: np.ndarray


def standing(ask: Ask) -> Standing:
    """Where each group of the step stands; groups without a plain rollout are left out."""
    assert ask.rows is not None
    rows = ask.rows
    plain = np.flatnonzero(rows.role == 0)
    label, first, code = np.unique(rows.group[plain], return_index=True, return_inverse=True)
    asked = np.bincount(code, weights=rows.n[plain], minlength=len(label)).astype(np.int64)
    zeros = [np.zeros(len(label)) for _ in range(3)]
    if ask.so_far is None:
        return Standing(plain[first], asked, np.zeros_like(asked), *zeros)
    batch = ask.so_far
    keep = batch.mask & (batch.role == 0) & np.isin(batch.group, label)
    at = np.searchsorted(label, batch.group[keep])
    reward = batch.reward[keep]
    return Standing(
        plain[first],
        asked,
        groups.counts(at, len(label)),
        groups.sums(batch.solved[keep], at, len(label)),
        groups.sums(reward, at, len(label)),
        groups.sums(groups.deviations(reward, at, len(label)) ** 2, at, len(label)),
    )


def more_of(ask: Ask, first: np.ndarray, n: np.ndarray, why: str) -> Plan | None:
    """Rows that give groups of the step further attempts, as they were posed; None for none."""
    assert ask.rows is not None
    given = n > 0
    if not given.any():
        return None
    plan = plans.give(plans.take(ask.rows, first[given]), n[given])
    return plans.label(plan, why)


def begin(ask: Ask, rng: np.random.Generator, *, each: int, least: int) -> Plan:
    """A first round: `each` for every row, fewer (but `least`) where attempts are short.

    Where it is the only round, all is spent, evenly: a step of one round has an exact total.
    """
    plan = plans.fit(ask.plan, left=ask.left, least=least, rng=rng)
    rows = len(plan.problem)
    if ask.left < least or ask.rounds == 1:
        n = np.full(rows, ask.left // rows)
        n[: ask.left % rows] += 1
    else:
        n = np.full(rows, max(min(each, ask.left // rows), least))
    return plans.give(plan, n)


# -- refill -----------------------------------------------------------------------------------


def _target(ask: Ask, size: int, keep: float) -> int:
    whole = ask.left + (0 if ask.rows is None else int(ask.rows.n.sum()))
    return max(round(keep * min(ask.prompts, whole // size)), 1)


def want_refill(state: tuple, ask: Ask, *, size: int = 8, keep: float = 0.5) -> int:
    """Prompts that are still missing until `keep` of the step's groups are mixed."""
    checks.within(2, np.inf, size=size)
    checks.within(0, 1, keep=keep)
    mixed = 0
    if ask.rows is not None:
        n_groups = int(ask.rows.group.max()) + 1
        mixed = int(spread_of(ask.so_far, n_groups)[1].sum())
    missing = _target(ask, size, keep) - mixed
    return max(min(missing, ask.left // size), 1 if ask.round == 0 else 0)


def refill(
    state: tuple, ask: Ask, rng: np.random.Generator, *, size: int = 8, keep: float = 0.5
) -> Plan | None:
    """Groups of `size`; as many fresh ones in each round as are still missing.

    A step is full when `keep` of the groups that its rollouts could pay for are mixed. Groups
    whose rewards are all equal are paid for and give no gradient; what a full step leaves of its
    rollouts is not spent.

    Ref: DAPO, Yu et al. 2025, arXiv:2503.14476, section 3.2 (dynamic sampling). Differs: a step
    has a fixed most to spend, so a hard pool ends a step short of mixed groups instead of going
    on; every attempt of an evicted group counts as spent.

    Raises:
        ArgumentError: a group of fewer than two, or a share outside [0, 1].
    """
    return None if ask.plan is None else begin(ask, rng, each=size, least=size)


# -- interval drop ----------------------------------------------------------------------------


def half_widths(n: np.ndarray, *, level: float = 0.95) -> np.ndarray:
    """(row,) float: half-width of the t interval of a mean, in standard deviations.

    t(1 - alpha / 2, n - 1) / sqrt(n), infinite for n < 2.

    >>> half_widths(np.array([1, 2, 4])).round(3)
    array([  inf, 8.985, 1.591])
    """
    checks.within(1e-9, 1 - 1e-9, level=level)
    n = np.asarray(n, dtype=float)
    t = special.stdtrit(np.maximum(n - 1, 1), (1 + level) / 2)
    return np.where(n < 2, np.inf, t / np.sqrt(np.maximum(n, 1)))


def spread(here: Standing, prior: tuple[float, float]) -> np.ndarray:
    """(group,) float: standard deviation of one reward, shrunk to what the prior expects.

    With m the mean reward under Beta(prior), the prior's weight w = sum(prior) stands for w
    attempts of variance m (1 - m); w = 0 is the sample's own. Groups all right or all wrong keep
    a spread that falls as they grow.
    """
    weight = float(prior[0] + prior[1])
    mean = (here.total + prior[0]) / np.maximum(here.live + weight, 1e-300)
    known = np.maximum(here.live - 1, 0) + weight
    square = here.squares + weight * mean * (1 - mean)
    return np.sqrt(np.maximum(square, 0) / np.maximum(known, 1e-300))


class _Drops(NamedTuple):
    """Gain of each further attempt of a group: fall of its half-width, and a bonus."""

    sd: np.ndarray
    n: np.ndarray
    width: np.ndarray
    bonus: float

    def gains(self, part: slice | np.ndarray, wide: int) -> np.ndarray:
        """(block, group) float, falling along `block`."""
        n = self.n[part] + np.arange(wide)[:, None]
        two = np.maximum(n, 2)
        drop = (self.width[two] - self.width[two + 1]) * self.sd[part]
        # below two attempts there is no interval: such groups come first, the smallest first
        return drop + self.bonus / np.sqrt(two) + 1e6 * (two - n)


def interval(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    base: int = 4,
    bonus: float = 0.1,
    level: float = 0.95,
    prior: tuple[float, float] = (0.5, 0.5),
    max: int = 128,
) -> Plan | None:
    """A few attempts for every prompt, then phases that go where intervals fall most.

    The next attempt of a group of n is worth h(n) - h(n + 1) + bonus sqrt(ln(1 + T) / n), h the
    half-width of the t interval of its mean reward and T the attempts of the step so far. Each
    phase gives its share of what is left, one attempt at a time, to the largest; the last phase
    gives all. A phase uses spreads and T as they were when it began.

    Args:
        state, ask, rng: as for every budget.
        base: attempts of each prompt in the first round, >= 2.
        bonus: weight of exploration, >= 0; 0.1 is ours.
        level: of the interval.
        prior: of the pass rate, in attempts; (0, 0) is the paper's plain deviation, by which
            groups all right or all wrong have nothing to gain but the bonus.
        max: most attempts of a group; what no group can take is left unspent.

    Ref: XRPO, Bamba et al. 2025, arXiv:2510.06672 (allocation by interval drop and bonus).
    Differs: the Beta prior; unknown coefficients are options; groups with fewer than two attempts
    that count come first.
    """
    checks.within(2, 1e9, base=base)
    checks.within(0, 1e9, bonus=bonus, prior=prior)
    checks.within(base, 1e9, max=max)
    checks.within(1e-9, 1 - 1e-9, level=level)
    if ask.rows is None:
        return begin(ask, rng, each=base, least=2)
    phases = ask.rounds - ask.round
    here = standing(ask)
    room = np.maximum(max - here.asked, 0)
    give = min(-(-ask.left // phases), int(room.sum()))
    if give <= 0:
        return None
    total = int(ask.rows.n.sum())
    drops = _Drops(
        sd=spread(here, prior),
        n=here.live,
        width=half_widths(np.arange(int(here.live.max()) + give + 2), level=level),
        bonus=bonus * float(np.sqrt(np.log1p(total))),
    )
    n = _within_room(drops, room, give)
    return more_of(ask, here.first, n, "interval")


def _within_room(drops: _Drops, room: np.ndarray, give: int) -> np.ndarray:
    """(group,) attempts by largest gain, groups that are full left out of the rest."""
    n = np.zeros(len(room), dtype=np.int64)
    open_ = np.flatnonzero(room > 0)
    while give and len(open_):
        part = drops._replace(sd=drops.sd[open_], n=drops.n[open_])
        more = greedy.largest(part.gains, len(open_), give, give)
        over = more >= room[open_]
        if not over.any():
            n[open_] = more
            return n
        # a full group's further gains go to the others, which keep at least what they had
        n[open_[over]] = room[open_[over]]
        give -= int(room[open_[over]].sum())
        open_ = open_[~over]
    return n


BUDGETS: dict[str, Slot] = {
    "refill": Slot(
        suggest=refill,
        want=want_refill,
        options={"size": 8, "keep": 0.5},
        bounds={"size": (2, np.inf), "keep": checks.SHARE},
        rounds=4,
        least="size",
        needs=frozenset({"rounds"}),
        invariances=frozenset({"within_total"}),
        paper="DAPO's dynamic sampling (arXiv:2503.14476), the cost of evicted groups counted.",
    ),
    "interval": Slot(
        suggest=interval,
        options={"base": 4, "bonus": 0.1, "level": 0.95, "prior": (0.5, 0.5), "max": 128},
        bounds={"base": (2, 1e9), "bonus": (0, 1e9), "level": (1e-9, 1 - 1e-9)}
        | {"prior": (0, 1e9), "max": ("base", 1e9)},
        rounds=3,
        least="base",
        needs=frozenset({"rounds"}),
        invariances=frozenset({"within_total", "spends_all"}),
        paper="XRPO's allocation by the drop of t intervals, in phases (arXiv:2510.06672), with a "
        "Beta prior.",
    ),
}
