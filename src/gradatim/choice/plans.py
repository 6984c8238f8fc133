"""Plan rows: how samplers write them and budgets trim them. Axis: `row`."""

import dataclasses

import numpy as np

from gradatim.errors import ArgumentError
from gradatim.types import Plan

COLUMNS = tuple(f.name for f in dataclasses.fields(Plan) if f.type not in (int, "int"))


def rows(problem: np.ndarray, *, step: int, propensity: np.ndarray, why: np.ndarray) -> Plan:
    """Plain rollouts of these problems, each a group of its own, with no attempts given yet.

    >>> rows(np.array([4]), step=0, propensity=np.array([0.5]), why=np.array(["even"])).n
    array([0])
    """
    size = len(problem)
    return Plan(
        step=step,
        problem=np.asarray(problem, dtype=np.int64),
        n=np.zeros(size, dtype=np.int64),
        role=np.zeros(size, dtype=np.int64),
        hint=np.zeros(size),
        parent=np.full(size, -1, dtype=np.int64),
        cut=np.full(size, -1, dtype=np.int64),
        propensity=np.asarray(propensity, dtype=float),
        why=np.asarray(why, dtype=str),
        group=np.arange(size),
        posed=np.full(size, None),
        alpha=np.full(size, np.nan),
        beta=np.full(size, np.nan),
    )


def take(plan: Plan, index: np.ndarray) -> Plan:
    """Some rows of a plan, in the order of `index`."""
    return dataclasses.replace(plan, **{name: getattr(plan, name)[index] for name in COLUMNS})


def join(first: Plan | None, second: Plan) -> Plan:
    """Rows of two plans of one step, those of `first` before; notes are the second's."""
    if first is None:
        return second
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in COLUMNS}
    return dataclasses.replace(second, **{k: np.concatenate(pair) for k, pair in pairs.items()})


def give(plan: Plan, n: np.ndarray) -> Plan:
    """The same rows with these numbers of attempts."""
    return dataclasses.replace(plan, n=np.asarray(n, dtype=np.int64))


def fit(plan: Plan | None, *, left: int, least: int, rng: np.random.Generator) -> Plan:
    """As many rows as `left` attempts can serve with `least` each, at least one.

    Which rows go is drawn uniformly, so that propensities stay exact: they shrink by the share
    of rows that stays.
    """
    if plan is None:
        raise ArgumentError("a budget needs rows: ask a sampler for a plan first")
    size = len(plan.problem)
    room = max(left // least, 1)
    if size <= room:
        return plan
    stay = np.sort(rng.permutation(size)[:room])
    kept = take(plan, stay)
    return dataclasses.replace(kept, propensity=kept.propensity * (room / size))


def label(plan: Plan, why: str) -> Plan:
    """The same rows with another word for people."""
    return dataclasses.replace(plan, why=np.full(len(plan.problem), why))
