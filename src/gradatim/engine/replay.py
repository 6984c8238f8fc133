"""Recorded attempts to learn from again, as rows of prompt and completion.

What a run has paid for is drawn once more, attempts that did better than others on their problem
more often: data for rejection tuning, or to begin training from, without asking a solver.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.choice.worth import return_weights, upside
from gradatim.errors import ArgumentError
from gradatim.evaluation.offline import Choice, sharpe_ratio
from gradatim.store.rows import Record, prompt_hash
from gradatim.store.run import Run
from gradatim.types import Problem

BY = ("advantage", "reward")
HELD = ("monitor", "probe")  # tags of attempts that nothing may be learned from
TRIED, FEWEST = 3, 4  # policies in front that are tried; policies below which none are ranked
HELPED = "feedback("  # solvers that were told something beside the question


class Replay(NamedTuple):
    """What was drawn.

    Attributes:
        rows: one per draw, in the order of the ledger: id (of the problem), prompt, completion,
            reward, solver, policy, sample, share (of all draws, expected), upside (of the
            problem: what imitating its better attempts could gain).
        attempts: recorded attempts that there were to draw from.
        recorded, drawn: mean reward of these, and of what was drawn.
        policies: of several solvers and checkpoints, what trying those in front would bring.
    """

    rows: list[dict[str, Any]]
    attempts: int
    recorded: float
    drawn: float
    policies: "Ranked | None" = None


class Ranked(NamedTuple):
    """Recorded policies, ranked on half of the problems and tried on the other half.

    Attributes:
        names: "solver@policy", the one in front first.
        estimate, value: (policy,) mean reward on either half, less that of the problems tried and
            plus that of all, so that who tried easy problems gains nothing by it.
        choice: SharpeRatio@k, rank correlation and regret, see `evaluation.offline`.
        k: policies tried.
    """

    names: list[str]
    estimate: np.ndarray
    value: np.ndarray
    choice: Choice
    k: int


def replay(
    run: Run | str | Path,
    n: int,
    *,
    solver: str | None = None,
    problems: Iterable[str] | None = None,
    by: str = "advantage",
    temperature: float = 0.1,
    seed: int = 0,
) -> Replay:
    """Draw recorded attempts of a run, with replacement, the better ones more often.

    Attempts on held-out problems and anchors of a training, retries with feedback, and attempts
    that were cut off or have no grade are left out.

    Args:
        run: a run, or its folder.
        n: draws.
        solver: whose attempts; None: everybody's.
        problems: ids; None: all of the run.
        by: "advantage", the reward above the mean of the problem's attempts, so that the rare
            right attempt on a hard problem comes most; or "reward", so that easy problems do.
        temperature: of the shares, see `choice.worth.return_weights`; large is uniform.
        seed: decides the draws.

    Raises:
        ArgumentError: a bad argument, or no attempt to draw from.

    Ref: Hong et al. 2023, arXiv:2306.13085. Differs: the value of the first state, which their
    advantage takes off the return, is the mean reward of the problem's recorded attempts.
    """
    checks.whole(1, 10**8, n=n)
    checks.whole(0, 2**63 - 1, seed=seed)
    checks.one_of("by", by, BY)
    checks.within(1e-9, np.inf, temperature=temperature)
    run = run if isinstance(run, Run) else Run(run, create=False)
    given = {p.id: p for p in run.problems(problems)}
    filters = {"status": "finished", "solver": solver, "problem": list(given)}
    with run.ledger() as ledger:
        kept = [record for record in ledger.attempts(text=False, **filters) if _usable(record)]
        if not kept:
            who = "" if solver is None else f" by {solver!r}"
            raise ArgumentError(
                f"`run` has no finished and graded attempt{who} to draw from; attempt first"
            )
        reward = np.array([record.reward for record in kept], dtype=float)
        code, size = groups.codes(np.array([record.problem for record in kept]))
        value = groups.deviations(reward, code, size) if by == "advantage" else reward
        share = return_weights(value, temperature=temperature)
        times = np.random.default_rng(seed).multinomial(n, share)
        drawn = Counter({kept[i].id: int(times[i]) for i in np.flatnonzero(times)})
        asked = sorted({kept[i].problem for i in np.flatnonzero(times)})
        found = ledger.attempts(text=True, **{**filters, "problem": asked})
        texts = {record.id: record.text or "" for record in found if record.id in drawn}
    ranked = rank_policies(
        [f"{r.setting.solver}@{r.setting.policy}".rstrip("@") for r in kept], reward, code
    )
    worth = upside(reward, code)[code]
    rows = []
    for at in np.flatnonzero(times).tolist():
        row = _row(kept[at], given[kept[at].problem], texts[kept[at].id])
        rows += [{**row, "share": float(share[at]), "upside": float(worth[at])}] * int(times[at])
    return Replay(rows, len(kept), float(reward.mean()), float(reward @ times / n), ranked)


def rank_policies(
    policy: Sequence[str], reward: np.ndarray, problem: np.ndarray, *, k: int = TRIED
) -> Ranked | None:
    """Does the log rank its policies rightly, and what is the risk of trying those in front?

    Args:
        policy: (attempt,) names.
        reward: (attempt,) float.
        problem: (attempt,) labels; every other problem, in their order, is held back.
        k: policies tried; fewer where there are not twice as many.

    Returns:
        Ranked; None with fewer than FEWEST policies that tried problems of both halves.

    Ref: Kiyohara et al. 2023, arXiv:2311.18207, as in `evaluation.offline`. Differs: the true
    values are means over problems that the estimate has not seen, and err by those.
    """
    name, place = np.unique(np.asarray(policy), return_inverse=True)
    code, size = groups.codes(problem)
    ahead = groups.deviations(np.asarray(reward, dtype=float), code, size) + np.mean(reward)
    sides = []
    for side in (0, 1):
        mine = code % 2 == side
        sides.append(groups.means(ahead[mine], place[mine], len(name)))
    estimate, value = sides
    both = np.isfinite(estimate) & np.isfinite(value)
    if both.sum() < FEWEST:
        return None
    order = np.flatnonzero(both)[np.argsort(-estimate[both], kind="stable")]
    k = min(k, len(order) // 2)
    behaviour = float(ahead[code % 2 == 1].mean())
    choice = sharpe_ratio(estimate[order], value[order], behaviour, k)
    return Ranked(name[order].tolist(), estimate[order], value[order], choice, k)


def _usable(record: Record) -> bool:
    graded = record.reward is not None and record.reason != "verifier_error"
    held = record.tag in HELD or record.setting.solver.startswith(HELPED)
    return graded and not held


def _row(record: Record, problem: Problem, text: str) -> dict[str, Any]:
    """The row of an attempt; the prompt as the problem has it, compact where that was answered."""
    short = problem.compact
    read = short is not None and (
        record.prompt == prompt_hash(short) or record.setting.solver.startswith("tiny")
    )
    return {
        "id": record.problem,
        "prompt": short if read else problem.prompt,
        "completion": text,
        "reward": record.reward,
        "solver": record.setting.solver,
        "policy": record.setting.policy,
        "sample": record.sample,
    }
