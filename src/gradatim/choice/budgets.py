"""How many attempts each row of a plan gets; the total is always exact.

Axes: `row` (the plan), `n` (attempts). A group teaches only when it is mixed: at least one right
and one wrong attempt, P = 1 - p^n - (1-p)^n. That is concave in n from n = 1 on, and so is its
expectation under a belief, so giving each further attempt to the largest gain is optimal: no
dynamic programme is needed.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.choice import greedy, plans
from gradatim.types import Ask, Plan, Slot

# what a mixed group is worth: p^u (1-p)^v
OBJECTIVES = {"mixed": (0, 0), "variance": (1, 1), "value": (1, 2)}


def mixed_share(alpha: np.ndarray, beta: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(row,) float: E[1 - p^n - (1-p)^n] for p ~ Beta(alpha, beta); 0 for n < 2.

    E[p^n] = prod_{i<n} (alpha + i) / (alpha + beta + i). A rate known for sure is a Beta with
    both parameters huge, or one of them 0.

    Args:
        alpha, beta: (row,) float >= 0, not both 0.
        n: (row,) int >= 0.

    >>> mixed_share(np.array([1.0, 0.18e12]), np.array([1.0, 0.82e12]), np.array([2, 2])).round(4)
    array([0.3333, 0.2952])
    """
    checks.shapes(alpha=(alpha, "row"), beta=(beta, "row"), n=(n, "row"))
    share = np.zeros(len(n))
    step = max(1, greedy.CELLS // max(int(n.max(initial=0)), 1))
    for at in range(0, len(n), step):
        part = slice(at, at + step)
        a, b, m = alpha[part], beta[part], n[part]
        i = np.arange(max(int(m.max(initial=0)), 1))[:, None]
        column, last = np.arange(len(m)), np.maximum(m - 1, 0)
        right = np.cumprod((a + i) / (a + b + i), axis=0)[last, column]
        wrong = np.cumprod((b + i) / (a + b + i), axis=0)[last, column]
        share[part] = np.where(m > 1, 1 - right - wrong, 0.0)
    return share


def _tilted(
    alpha: np.ndarray, beta: np.ndarray, objective: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(a, b, w) such that E[f(p) p^u (1-p)^v] under Beta(alpha, beta) is w E[f(p)] under (a, b)."""
    checks.one_of("objective", objective, OBJECTIVES)
    u, v = OBJECTIVES[objective]
    a, b, w = np.asarray(alpha, float), np.asarray(beta, float), np.ones(len(alpha))
    for _ in range(u):
        w, a = w * a / (a + b), a + 1
    for _ in range(v):
        w, b = w * b / (a + b), b + 1
    return a, b, w


class _Terms(NamedTuple):
    """A concave allocation problem: rows, their bounds, and the size of a block."""

    a: np.ndarray
    b: np.ndarray
    w: np.ndarray
    low: int
    quantum: int

    def gains(self, part: slice | np.ndarray, width: int) -> np.ndarray:
        """(block, row) gain of each further block; falls along `block`.

        The gain of attempt n + 1 is E[p^n (1-p)] + E[(1-p)^n p]: products of positive factors,
        so no digits cancel and rounding cannot break the fall.
        """
        a, b, w = self.a[part], self.b[part], self.w[part]
        i = np.arange(self.low + width * self.quantum)[:, None]
        s = a + b + i
        right, wrong = (a + i) / s, (b + i) / s
        up, down = np.ones_like(s), np.ones_like(s)
        np.cumprod(right[:-1], axis=0, out=up[1:])
        np.cumprod(wrong[:-1], axis=0, out=down[1:])
        gain = (up * (b / s) + down * (a / s))[self.low :] * w
        return gain.reshape(width, self.quantum, -1).sum(axis=1) if self.quantum > 1 else gain


def allocate(
    alpha: np.ndarray,
    beta: np.ndarray,
    total: int,
    *,
    objective: str = "mixed",
    low: int = 2,
    high: int = 128,
    quantum: int = 1,
) -> np.ndarray:
    """Attempts per row that maximise the expected worth of mixed groups, exactly `total` in all.

    Maximises sum_i E[(1 - p^n_i - (1-p)^n_i) p^u (1-p)^v] over p ~ Beta(alpha_i, beta_i) with
    (u, v) from OBJECTIVES. The weight only tilts the Beta: Beta(alpha + u, beta + v) times a
    constant. Beyond `low`, attempts come in blocks of `quantum`; what is left of the last block
    goes to the row that gains most by it. `high` yields where the total needs more.

    Args:
        alpha, beta: (row,) float >= 0, not both 0; at least one row.
        total: attempts to give, >= low x rows.
        objective: "mixed" (share of mixed groups), "value" (Knapsack RL), "variance".
        low, high: attempts per row, low >= 1: from 0 to 1 attempts the worth is not concave.
        quantum: size of a block, >= 1.

    Returns:
        (row,) int with sum `total`. Optimal for quantum 1; ties go to the row with fewer
        attempts so far, then to the lower index.

    Ref: Knapsack RL, Li et al. 2025, arXiv:2509.25849, its value p (1-p)^2 being "value".
    Differs: expectation under a posterior instead of a plug-in rate, and greedy instead of
    dynamic programming, which on a concave worth is exact.

    >>> p = np.array([0.02, 0.1, 0.3, 0.5, 0.9])
    >>> allocate(p * 1e12, (1 - p) * 1e12, 40, objective="value")
    array([ 2, 18, 11,  7,  2])
    """
    rows = checks.shapes(alpha=(alpha, "row"), beta=(beta, "row"))["row"]
    checks.within(0, 1e300, alpha=alpha, beta=beta)
    checks.within(1e-300, np.inf, **{"alpha + beta": np.add(alpha, beta)})
    checks.within(1, np.inf, rows=rows, low=low, quantum=quantum)
    checks.within(low, np.inf, high=high)
    checks.within(low * rows, np.inf, total=total)
    blocks, rest = divmod(total - low * rows, quantum)
    most = max((high - low) // quantum, -(-blocks // rows))
    terms = _Terms(*_tilted(alpha, beta, objective), low=low, quantum=quantum)
    n = low + quantum * greedy.largest(terms.gains, rows, blocks, most)
    if rest:
        a, b, w = terms.a, terms.b, terms.w
        gain = w * (mixed_share(a, b, n + rest) - mixed_share(a, b, n))
        n[np.argmax(np.where(n + rest <= max(high, n.min() + rest), gain, -1.0))] += rest
    return n


def want_equal(state: tuple, ask: Ask, *, min: int = 2, size: int = 0) -> int:
    """As many prompts as the trainer asks for, or as groups of `size` make of the attempts."""
    if ask.round:
        return 0
    return max(ask.left // size, 1) if size else ask.prompts


def equal(state: tuple, ask: Ask, rng: np.random.Generator, *, min: int = 2, size: int = 0) -> Plan:
    """The same for every row; the remainder goes, one each, to rows from a random start on.

    Args:
        state, ask, rng: as for every budget.
        min: attempts that a row gets at least; with fewer, some rows are left out.
        size: attempts of each row, whatever number of prompts the trainer asks for; 0: as many
            as there are for those. Attempts on one problem tell less than attempts on as many
            problems, if the advantage needs no group to compare with.
    """
    checks.within(1, np.inf, min=min)
    plan = plans.fit(ask.plan, left=ask.left, least=size or min, rng=rng)
    rows = len(plan.problem)
    each, rest = divmod(ask.left, rows)
    n = np.full(rows, each)
    n[(rng.integers(rows) + np.arange(rest)) % rows] += 1
    return plans.give(plan, n)


def mixed(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    objective: str = "mixed",
    min: int = 2,
    max: int = 128,
    quantum: int = 1,
) -> Plan:
    """By expected worth of a mixed group under the belief, see `allocate`.

    With fewer attempts than `min` per row some rows are left out (`plans.fit`); with more than
    `max` per row, `max` yields.
    """
    plan = plans.fit(ask.plan, left=ask.left, least=min, rng=rng)
    if ask.left < min:
        return plans.give(plan, np.array([ask.left]))
    alpha, beta = ask.belief.alpha[plan.problem], ask.belief.beta[plan.problem]
    n = allocate(alpha, beta, ask.left, objective=objective, low=min, high=max, quantum=quantum)
    return plans.give(plan, n)


BUDGETS: dict[str, Slot] = {
    "equal": Slot(
        suggest=equal,
        want=want_equal,
        options={"min": 2, "size": 0},
        bounds={"min": checks.AT_LEAST_1, "size": checks.AT_LEAST_0},
        least="size min",
        invariances=frozenset({"exact_total", "even"}),
        paper="The same number of rollouts for every prompt, as in GRPO (arXiv:2402.03300).",
    ),
    "mixed": Slot(
        suggest=mixed,
        options={"objective": "mixed", "min": 2, "max": 128, "quantum": 1},
        bounds={"min": checks.AT_LEAST_1, "max": ("min", np.inf), "quantum": checks.AT_LEAST_1}
        | {"objective": frozenset(OBJECTIVES)},
        least="min",
        invariances=frozenset({"exact_total"}),
        paper="Knapsack RL (arXiv:2509.25849) with a posterior instead of plug-in rates, exact "
        "greedy instead of dynamic programming; objective `value` is the paper's.",
    ),
}
