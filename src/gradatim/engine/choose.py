"""What to try next, or what trying would bring, from what a run's ledger knows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.choice.budgets import mixed_share
from gradatim.errors import ArgumentError
from gradatim.families.read import load
from gradatim.recipes.curriculum import Curriculum
from gradatim.recipes.pools import identity
from gradatim.store.run import Run
from gradatim.types import ROLES, Belief, Estimate, Plan, Problem

GROUP_SIZES = (2, 4, 8, 16)
_SAMPLE = 2000  # problems that stand for a larger pool
_DRAWS = (20, 200, 20_000_000)  # posterior draws: fewest, most, and numbers drawn in all


class _Known(NamedTuple):
    """Problems and what earlier attempts say of them; tokens (problem,) float, NaN = unknown."""

    problems: Sequence[Any]
    solved: np.ndarray
    tried: np.ndarray
    tokens: np.ndarray


def choose(
    source: Run | str | Path | Sequence[Problem] | None = None,
    *,
    recipe: str = "gradatim",
    prompts: int = 64,
    rollouts: int = 512,
    solver: str | None = None,
    seed: int = 0,
    dry_run: bool = False,
    **options: Any,
) -> Any:
    """Plan the next attempts, or with `dry_run` say what they would bring.

    Args:
        source: a run (its problems, and its ledger for the pass rates), a JSONL file of problems,
            or problems; may be None with `pass_rate`.
        recipe: decides; further options named after slots change it (`budget={"min": 4}`).
        prompts: how many prompts the step wants.
        rollouts: attempts in all, exactly.
        solver: whose attempts count, where the run has several solvers.
        seed: of the choice.
        dry_run: forecast instead of a plan.
        options: `pass_rate` (a known rate, or several, instead of a ledger), `tokens` (per
            attempt, instead of the ledger's mean) and `price` (per million tokens).

    Returns:
        A list of plan rows: problem (id), n, role, hint, propensity, why, pass_rate (believed).
        With dry_run a dict: the recipe's plan and equal groups of 2, 4, 8 and 16, each with
        groups, rollouts, mixed_groups and mixed_share (Estimates under the belief, with the
        attempts behind it as n), tokens and cost (None = unknown), and lines for people.

    Raises:
        ArgumentError: nothing to choose from, an unknown solver, or rates outside [0, 1].

    >>> found = choose(pass_rate=0.18, recipe="grpo", rollouts=64, dry_run=True)
    >>> found["lines"][0]
    'G=2 at p=0.18 leaves 70% of groups without a gradient'
    """
    settings = {name: options.pop(name, None) for name in ("pass_rate", "tokens", "price")}
    rates = settings["pass_rate"]
    if rates is not None:
        rates = np.atleast_1d(np.asarray(rates, dtype=float))
        checks.within(0, 1, pass_rate=rates)
        options = {"belief": ("known", {"rate": rates.tolist()}), **options}
    if source is None and not (dry_run and rates is not None):
        raise ArgumentError(
            "`source` must be a run, a file of problems or problems, got nothing; only "
            "dry_run with pass_rate needs none"
        )
    known = _known(source if source is not None else range(_SAMPLE), solver, rates)
    cur = Curriculum(known.problems, recipe, seed, **options)
    seen = np.flatnonzero(known.tried)
    if len(seen):
        cur.prime(seen, known.solved[seen], known.tried[seen])
    believed = cur.belief()
    plan = cur.suggest(prompts, rollouts=rollouts)
    if not dry_run:
        return _rows(cur, plan, believed)
    tokens = known.tokens if settings["tokens"] is None else np.array([settings["tokens"]])
    return _forecast(cur, plan, believed, known=known, tokens=tokens, price=settings["price"])


def _known(source: Any, solver: str | None, rates: np.ndarray | None) -> _Known:
    if isinstance(source, str | Path) and Path(source).is_file():
        source = load(source)
    if isinstance(source, str | Path):
        source = Run(source, create=False)
    if not isinstance(source, Run):
        zero = np.zeros(len(source))
        return _Known(source, zero, zero, np.full(len(source), np.nan))
    return _from_run(source, solver, rates is None)


def _from_run(run: Run, solver: str | None, rates_wanted: bool) -> _Known:
    """A run's problems, with one solver's counts and mean tokens."""
    problems = run.problems()
    if not problems:
        raise ArgumentError(f"{run.path} has no problems yet: generate, read or attempt some first")
    place = {identity(problem): i for i, problem in enumerate(problems)}
    solved, tried = np.zeros(len(problems)), np.zeros(len(problems))
    tokens = np.full(len(problems), np.nan)
    with run.ledger() as ledger:
        found = ledger.responses()
        if rates_wanted and found.solvers:
            who = _solver(found.solvers, solver)
            cells = np.flatnonzero(found.solver == who)
            at = np.array([place.get(found.items[i], -1) for i in found.item[cells]], dtype=int)
            cells, at = cells[at >= 0], at[at >= 0]
            solved[at], tried[at] = found.solved[cells], found.tried[cells]
        rows = ledger.query(
            "SELECT problem, AVG(tokens + MAX(prompt_tokens, 0)) FROM attempts WHERE tokens >= 0 "
            "GROUP BY problem"
        )
    for name, mean in rows:
        if name in place:
            tokens[place[name]] = mean
    return _Known(problems, solved, tried, tokens)


def _solver(names: Sequence[str], wanted: str | None) -> int:
    """Index of the solver whose attempts count."""
    if wanted is None and len(names) == 1:
        return 0
    if wanted is None:
        raise ArgumentError(f"`solver` must say whose attempts count: {', '.join(names)}")
    alike = [i for i, name in enumerate(names) if name == wanted or name.startswith(f"{wanted}@")]
    if len(alike) == 1 or (alike and names[alike[0]] == wanted):
        return alike[0]
    checks.one_of("solver", wanted, names)
    raise AssertionError("one_of must have raised")


def _rows(cur: Curriculum, plan: Plan, believed: Belief) -> list[dict[str, Any]]:
    mean = believed.alpha / (believed.alpha + believed.beta)
    return [
        {
            "problem": identity(cur.problems[problem]),
            "n": int(plan.n[row]),
            "role": ROLES[plan.role[row]],
            "hint": float(plan.hint[row]),
            "propensity": float(plan.propensity[row]),
            "why": str(plan.why[row]),
            "pass_rate": float(mean[problem]),
        }
        for row, problem in enumerate(plan.problem.tolist())
    ]


def _forecast(
    cur: Curriculum,
    plan: Plan,
    believed: Belief,
    *,
    known: _Known,
    tokens: np.ndarray,
    price: float | None,
) -> dict[str, Any]:
    """The recipe's plan beside equal groups on even draws from the pool."""
    rollouts, behind = int(plan.n.sum()), int(known.tried.sum())
    rng = np.random.default_rng(0)
    pool = np.arange(len(known.problems))
    some = rng.choice(pool, _SAMPLE, replace=False) if len(pool) > _SAMPLE else pool
    every = tokens if len(tokens) == len(pool) else np.repeat(tokens, len(pool))
    known_tokens = every[np.isfinite(every)]
    typical = float(known_tokens.mean()) if len(known_tokens) else None
    offers = [
        (f"equal G={size}", some, np.full(len(some), size), rollouts // size)
        for size in GROUP_SIZES
        if size <= rollouts
    ]
    offers.append((f"recipe {cur.recipe.name}", plan.problem, plan.n, len(plan.n)))
    budgets = []
    for name, problem, n, groups in offers:
        share = _share(believed, problem, n, behind)
        used = None
        if typical is not None:
            each = np.where(np.isfinite(every[problem]), every[problem], typical)
            used = float(np.average(each, weights=n) * rollouts)
        cost = None if used is None or price is None else used * price / 1e6
        mixed = Estimate(groups * share.value, groups * share.low, groups * share.high, behind)
        budgets.append({
            "budget": name,
            "groups": groups,
            "rollouts": rollouts,
            "mixed_groups": mixed,
            "mixed_share": share,
            "tokens": used,
            "cost": cost,
        })
    rates = believed.alpha / (believed.alpha + believed.beta)
    mean = float(rates.mean())
    where = f"p={mean:.2g}" if np.ptp(rates) < 1e-9 else f"mean p={mean:.2g}"
    return {
        "recipe": cur.recipe.name,
        "problems": len(pool),
        "pass_rate": mean,
        "attempts_behind": behind,
        "budgets": budgets,
        "lines": [_line(found, where) for found in budgets],
    }


def _share(believed: Belief, problem: np.ndarray, n: np.ndarray, behind: int) -> Estimate:
    """Expected share of mixed groups: its mean and central 95% under the belief."""
    a, b = believed.alpha[problem], believed.beta[problem]
    value = float(mixed_share(a, b, n).mean())
    rng = np.random.default_rng(0)
    fewest, most, numbers = _DRAWS
    draws = np.empty(min(most, max(fewest, numbers // len(believed.alpha))))
    for i in range(len(draws)):  # one at a time: a pool of a million would not fit 200-fold
        p = believed.draw(rng, 1)[0, problem]
        draws[i] = (1 - p**n - (1 - p) ** n).mean()
    low, high = np.quantile(draws, (0.025, 0.975))
    return Estimate(value, min(float(low), value), max(float(high), value), behind)


def _line(found: dict[str, Any], where: str) -> str:
    share = f"{1 - found['mixed_share'].value:.0%}"
    kind, name = found["budget"].split(" ", 1)
    if kind == "equal":
        return f"{name} at {where} leaves {share} of groups without a gradient"
    # whether such groups teach is for the recipe's advantage to say
    return f"{name} leaves {share} of groups all right or all wrong"
