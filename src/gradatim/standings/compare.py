"""Is one better than the other? Runs, logs and matrices, paired on the problems they share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.engine.sources import READING, Given
from gradatim.errors import ArgumentError
from gradatim.evaluation import pairs as paired
from gradatim.evaluation.comparison import mean_rate
from gradatim.evaluation.power import MOST as MOST_PROBLEMS
from gradatim.progress import Progress, Tick, silent
from gradatim.scale.multiple import METHODS, adjust
from gradatim.standings.columns import labels_of
from gradatim.standings.compare_groups import by_group, changed_problems, repeat_sd, varies
from gradatim.standings.compare_pairs import MOST, overlaps, pairs_of, refuse_one_cluster
from gradatim.standings.compare_plan import plan_alone, without_results
from gradatim.standings.compare_ranking import first_of_many, meeting, ranking
from gradatim.standings.compare_rows import Rule, describe_pairs, judge
from gradatim.standings.compare_sources import Arms, open_arms

CORRECTIONS = (*METHODS[:1], "joint", *METHODS[1:])
DETAILED = 40  # pairs up to which groups and changed problems are worked out unasked
FEW, FEW_GRADED = 50, 30
ALIKE = 10  # problems tried several times without one disagreement that are worth a word
USUAL = ("task", "family", "level")  # groups that are shown unasked


def compare(  # noqa: PLR0913  (one keyword for each question, as in the command)
    *sources: Given,
    baseline: str | None = None,
    shared: bool = False,
    by: Sequence[str] | None = None,
    groups: str | Path | None = None,
    cluster: str | None = None,
    correct: str = "holm",
    level: float = 0.95,
    effect: float = 0.02,
    plan: int | None = None,
    samples: int | None = None,
    correlation: float | None = None,
    power: float = 0.8,
    fail_if_worse: bool = False,
    fail_unless_better: bool = False,
    margin: float = 0.0,
    rank: str | None = None,
    rank_by: str | None = None,
    draws: int = 4000,
    seed: int = 0,
    progress: Progress = silent,
    **reading: Any,
) -> dict[str, Any]:
    """Compare solvers on the problems that they share.

    Args:
        sources: run folders, logs, tables, matrix files or what `calibrate` takes, each alone or
            as PATH:SOLVER; every solver of a source takes part.
        baseline: name of the solver that each other is compared with; None: all pairs, in the
            order given, each of them second minus first.
        shared: compare on the shared problems where solvers answered different ones; without it
            that is refused.
        by: columns whose groups get a table of their own; None: task, family and level, where
            they are known; () for none.
        groups: a table of items with further columns for `by` and `cluster`.
        cluster: a column of problems that go together (one text, one template): the cluster is
            then the unit, not the problem.
        correct: for the number of comparisons: "holm", "joint" (problems resampled for all pairs
            together), "fdr" or "none".
        level: coverage of the intervals; 1 - level is that of all tests.
        effect: difference that one wants to see, as a share.
        plan, samples: problems, and attempts of each solver on each, of an evaluation to come. With
            `plan` one solver is enough, or a bank, or none: see `planned`.
        correlation: of a solver's scores over problems with those of one that has not run, for a
            plan with one; None: assumed to be .5.
        power: chance of finding what is there.
        fail_if_worse: `passed` is False where a solver is worse than the first, or the baseline,
            by more than the margin.
        fail_unless_better: `passed` is False unless each is better by more than the margin.
        margin: of the gates, as a share; below 0, "better" means not worse by as much.
        rank: also rank all solvers: "irt", "irt_2pl", "bradley_terry", "plackett_luce", "borda",
            "kemeny" or "mean", see `evaluation.ranking.rank`. Solvers may then have answered
            different problems; pairs without two in common are ranked, not compared, and of more
            than 200 solvers only those with the first.
        rank_by: a column whose groups rank first; their orders are then made one.
        draws, seed: resamples of "joint" and of ranks.
        progress: told at the beginning and the end.
        reading: format, score, columns, span of logs, see `calibrate`.

    Returns:
        problems (shared by all); solvers: name, source, problems, attempts, score (Estimate),
        rerun_sd (standard deviation of the score if the same problems were attempted again);
        comparisons: first, second, difference (Estimate of second - first), p, p_adjusted,
        verdict ("better", "worse", "open": of the second), first_rate, second_rate, se, same (on
        every problem),
        se_problems, se_attempts (None where attempts cannot tell), detectable, needed, plan,
        changed; groups; ranking and ranked (None for two solvers unless asked for; see
        `standings.compare_ranking.ranking`); correction; gate; passed; notes; planned: None, or of
        one solver (then the others are empty) what `standings.compare_plan.plan_alone` gives.

    Raises:
        ArgumentError: fewer than two solvers, fewer than two shared problems, different problems
            without `shared`; a name that is not there.
        FormatError: a source that is not what it should be.
    """
    rule = Rule(level, correct, effect, power, margin, plan, samples)
    kinds = [*["worse"] * fail_if_worse, *["not better"] * fail_unless_better]
    _check(rule, kinds, reading, seed)
    least = 1 if plan is not None or correlation is not None else 2
    known = least == 2 or not without_results(sources)
    arms = open_arms(sources, groups=groups, least=least, **reading) if known else None
    if arms is None or len(arms.names) == 1:
        _alone(kinds, rank, cluster)
        return _planned(plan_alone(sources, arms, rule=rule, correlation=correlation), rule)
    if correlation is not None:
        raise ArgumentError(
            "`correlation` is for a plan with one solver; these tell how alike they are: leave it "
            "out"
        )
    resampled = {"cluster": cluster, "level": level, "draws": draws, "seed": seed}
    ranks, ranked = ranking(arms, how=rank, by=rank_by, **resampled)
    if rank is not None and baseline is None and not kinds:
        baseline = first_of_many(ranks, most=MOST)
    listed = pairs_of(arms, baseline, gate=bool(kinds))
    listed, notes = meeting(arms, listed) if rank is not None else (listed, [])
    notes = [*arms.notes, *notes, *overlaps(arms, listed, shared=shared or rank is not None)]
    progress(Tick("compare", 0, len(listed)))
    with np.errstate(invalid="ignore"):
        rate = np.where(arms.tried > 0, arms.solved / arms.tried, np.nan)
    step = paired.steps(arms.solved, arms.tried)
    together = None if cluster is None else labels_of(arms.columns, cluster, argument="cluster")
    unit = {"step": step, "jump": paired.jumps(rate), "level": level}
    found = paired.differences(rate, listed, cluster=together, **unit)
    if cluster is not None:
        refuse_one_cluster(arms, listed, found.units, cluster)
    if correct == "joint":
        rng = np.random.default_rng(seed)
        adjusted = paired.joint_p(rate, listed, found, draws=draws, cluster=together, rng=rng)
    else:
        adjusted = adjust(found.p, method=correct)
    rows = describe_pairs(arms, listed, found, adjusted, step=step, rule=rule, clustered=cluster)
    if len(rows) <= DETAILED:
        rows = [
            row | {"changed": changed_problems(arms, (a, b), step=step)}
            for row, (a, b) in zip(rows, listed.tolist(), strict=True)
        ]
    lucky = varies(arms)
    gate = judge(arms, listed, found, rule=rule, kinds=kinds) if kinds else None
    parts = _groups(arms, rate, listed, by=by, unit=unit, cluster=together)
    told = {
        "problems": int(np.all(arms.tried > 0, axis=0).sum()),
        "solvers": [_solver(arms, rate, i, lucky=lucky, level=level) for i in range(len(rate))],
        "comparisons": rows,
        "groups": parts,
        "ranking": ranks,
        "ranked": ranked,
        "correction": {"method": correct, "comparisons": len(listed), "level": level},
        "power": {"power": power, "alpha": rule.alpha(len(listed)), "effect": effect},
        "gate": gate,
        "passed": gate is None or not gate["failed"],
        "planned": None,
        "notes": list(dict.fromkeys([*notes, *_cautions(arms, rows, cluster), *_small(parts)])),
    }
    progress(Tick("compare", len(listed), len(listed)))
    return told


def _check(rule: Rule, kinds: Sequence[str], reading: Mapping[str, Any], seed: int) -> None:
    checks.known_keys("`compare`", reading, READING)
    checks.whole(0, 2**63 - 1, seed=seed)
    checks.one_of("correct", rule.correct, CORRECTIONS)
    checks.within(1e-6, 1, effect=rule.effect)
    for name, share in (("level", rule.level), ("power", rule.power)):
        if not 0 < share < 1:
            hint = f"; write {share / 100:g} for {share:g}%" if 10 <= share < 100 else ""
            raise ArgumentError(f"`{name}` must lie in (0, 1), got {share:g}{hint}")
    checks.within(0 if "worse" in kinds else -1, 1, margin=rule.margin)
    if rule.margin and not kinds:  # a job that forgot its gate would pass for ever
        raise ArgumentError(
            f"`margin` is of a gate, got {rule.margin:g} without one; add fail_if_worse "
            "(--fail-if-worse) or fail_unless_better (--fail-unless-better)"
        )
    if rule.plan is not None:
        checks.whole(2, MOST_PROBLEMS, plan=rule.plan)
    if rule.samples is not None:
        checks.whole(1, MOST_PROBLEMS, samples=rule.samples)


def _alone(kinds: Sequence[str], rank: str | None, cluster: str | None) -> None:
    """Refuse what needs two solvers."""
    asked = {"a gate": kinds, "`rank`": rank, "`cluster`": cluster}
    for name, given in asked.items():
        if given:
            raise ArgumentError(f"{name} needs at least two solvers, got one: leave it out to plan")


def _planned(planned: dict[str, Any], rule: Rule) -> dict[str, Any]:
    """The result where there is nothing to compare yet."""
    return {
        "problems": planned["problems_now"],
        "solvers": [],
        "comparisons": [],
        "groups": [],
        "ranking": None,
        "ranked": None,
        "correction": {"method": rule.correct, "comparisons": 0, "level": rule.level},
        "power": {"power": rule.power, "alpha": 1 - rule.level, "effect": rule.effect},
        "gate": None,
        "passed": True,
        "planned": {name: value for name, value in planned.items() if name != "notes"},
        "notes": planned["notes"],
    }


# -- rows -------------------------------------------------------------------------------------


def _solver(
    arms: Arms, rate: np.ndarray, i: int, *, lucky: np.ndarray, level: float
) -> dict[str, Any]:
    here = arms.tried[i] > 0
    return {
        "name": arms.names[i],
        "source": arms.sources[i],
        "problems": int(here.sum()),
        "attempts": int(arms.tried[i].sum()),
        "score": mean_rate(rate[i, here], level=level),
        "rerun_sd": repeat_sd(arms, i, here, lucky=bool(lucky[i])),
    }


def _groups(
    arms: Arms,
    rate: np.ndarray,
    listed: np.ndarray,
    *,
    by: Sequence[str] | None,
    unit: Mapping[str, Any],
    cluster: np.ndarray | None,
) -> list[dict[str, Any]]:
    wanted = list(by) if by is not None else [name for name in USUAL if name in arms.columns]
    if by is None and len(listed) > DETAILED:
        return []
    found = []
    for column in wanted:
        label = labels_of(arms.columns, column)
        if by is None and len(set(label.tolist())) < 2:
            continue
        found += by_group(arms, rate, listed, kinds=(column, label), unit=unit, cluster=cluster)
    return found


# -- cautions ----------------------------------------------------------------------------------


def _cautions(arms: Arms, rows: Sequence[Mapping[str, Any]], cluster: str | None) -> list[str]:
    notes = []
    few = [row for row in rows if row["units"] < FEW]
    if few:
        least = min(row["units"] for row in few)
        notes.append(
            f"only {least} {'clusters' if cluster else 'problems'} in the smallest comparison: "
            f"below {FEW} an interval is approximate"
        )
        if least < FEW_GRADED and not paired.steps(arms.solved, arms.tried).all():
            notes.append(
                f"with fewer than {FEW_GRADED} graded answers, differences that are large but rare "
                "may not have been seen: the interval may be too short"
            )
    same = [
        name
        for name, once, tried in zip(
            arms.names, paired.agreeing(arms.solved, arms.tried), arms.tried, strict=True
        )
        if once and np.sum(tried > 1) >= ALIKE
    ]
    if same:
        notes.append(
            f"attempts of {', '.join(same[:5])}{', ...' if len(same) > 5 else ''} on a problem "
            "never disagree: they tell no more than one (one answer written several times?)"
        )
    notes += _alike(rows)
    low, high = arms.tried[arms.tried > 0].min(), arms.tried.max()
    if low != high:
        notes.append(
            f"attempts of a solver on a problem range from {low} to {high}; every problem weighs "
            "the same"
        )
    return notes


def _small(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    small = [row for row in groups if row["difference"].n < FEW]
    if not small:
        return []
    least = min(row["difference"].n for row in small)
    return [
        f"groups with fewer than {FEW} problems (the smallest has {least}): their intervals are "
        "approximate"
    ]


def _alike(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Pairs with the same result on every problem: how they would differ is not known."""
    same = [row for row in rows if row["same"]]
    if not same:
        return []
    first = same[0]
    which = f"{first['first']} and {first['second']}"
    if len(same) > 1:
        which = f"{len(same):,} pairs ({which} the first of them)"
    return [
        f"{which} have the same result on every problem, which does not say how they differ "
        "elsewhere: what these problems show is told for a difference that goes one way on all "
        "problems, the easiest to see"
    ]
