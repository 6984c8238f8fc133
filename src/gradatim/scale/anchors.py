"""Anchors: the items that two banks have in common, with what is known of their errors.

Axes: `side` (0 the bank to be linked, 1 the bank it is linked to), `anchor`, `param` (0 log a,
1 b), `node` (abilities).
"""

from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim.errors import ArgumentError, nearest
from gradatim.types import Bank

NODES = 25
SHOWN = 3  # names in a message


class Anchors(NamedTuple):
    """Items of two banks, side by side.

    Attributes:
        names: (anchor,) ids.
        log_a, b, floor, ceiling: (side, anchor).
        covariance: (side, anchor, param, param) errors of (log a, b), without the part that all
            items of a bank share.
        shared: (side,) variance of the zero of each scale: 1 / persons where the bank's errors
            are those of a sample of persons, 0 where its solvers define the scale.
        population: (side, 2) mean and sd of the abilities behind each bank.
        shift_only: both banks fix the unit at one logit (rasch), or there is one anchor only.
        unusable: ids in both banks without a finite estimate or error in one of them.
        lookalikes: pairs of ids that are not the same but look it, such as 7 and "07".
    """

    names: tuple[Hashable, ...]
    log_a: np.ndarray
    b: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray
    covariance: np.ndarray
    shared: np.ndarray
    population: np.ndarray
    shift_only: bool
    unusable: tuple[Hashable, ...]
    lookalikes: tuple[tuple[Hashable, Hashable], ...]


def pair_items(bank: Bank, to: Bank, *, drop: Collection[Hashable] = ()) -> Anchors:
    """Find the items that two banks share and can be linked by.

    Args:
        bank: to be linked.
        to: the bank it is linked to.
        drop: ids that are not to be used.

    Returns:
        Anchors, in the order of `to`.

    Raises:
        ArgumentError: no common item, none with finite estimates, an id given twice, a name in
            `drop` that is no common item.
    """
    places = []
    for what, one in (("bank", bank), ("to", to)):
        place = {name: i for i, name in enumerate(one.items)}
        if len(place) < len(one.items):
            raise ArgumentError(
                f"`{what}` must name each item once: {len(one.items)} ids, {len(place)} different"
            )
        places.append(place)
    common = [name for name in to.items if name in places[0]]
    alike = _lookalikes(bank.items, to)
    if not common:
        raise ArgumentError(describe_no_overlap(bank.items, to))
    for name in drop:
        if name not in places[0] or name not in places[1]:
            hint = nearest(str(name), [str(n) for n in common])
            raise ArgumentError(f"`drop` names {name!r}, which is no item of both banks{hint}")
    index = np.array([[place[name] for name in common] for place in places])
    drop = set(drop)
    good = np.all([usable_items(one)[i] for one, i in zip((bank, to), index, strict=True)], axis=0)
    unusable = tuple(name for name, ok in zip(common, good, strict=True) if not ok)
    used = np.array([bool(ok) and n not in drop for n, ok in zip(common, good, strict=True)])
    if not used.any():
        raise ArgumentError(
            f"no overlap with the linked bank: of {len(common)} common items, {len(unusable)} have "
            f"no finite estimate and error in both banks and {len(drop)} were dropped"
        )
    index = index[:, used]
    sides = list(zip((bank, to), index, strict=True))
    models = [one.fit.get("model") for one in (bank, to)]
    return Anchors(
        names=tuple(name for name, ok in zip(common, used, strict=True) if ok),
        log_a=np.stack([np.log(one.discrimination[i]) for one, i in sides]),
        b=np.stack([one.difficulty[i].astype(float) for one, i in sides]),
        floor=np.stack([one.floor[i].astype(float) for one, i in sides]),
        ceiling=np.stack([_ceiling(one)[i] for one, i in sides]),
        covariance=np.stack([errors_of(one, i) for one, i in sides]),
        shared=np.array([_shared(one) for one in (bank, to)]),
        population=np.array([population_of(one) for one in (bank, to)]),
        shift_only=bool(used.sum() == 1 or models == ["rasch", "rasch"]),
        unusable=unusable,
        lookalikes=alike,
    )


def keep_anchors(anchors: Anchors, kept: np.ndarray) -> Anchors:
    """Some of the anchors: `kept` is (anchor,) bool."""
    return anchors._replace(
        names=tuple(n for n, ok in zip(anchors.names, kept, strict=True) if ok),
        log_a=anchors.log_a[:, kept],
        b=anchors.b[:, kept],
        floor=anchors.floor[:, kept],
        ceiling=anchors.ceiling[:, kept],
        covariance=anchors.covariance[:, kept],
        shift_only=anchors.shift_only or int(np.sum(kept)) == 1,
    )


def population_of(bank: Bank) -> tuple[float, float]:
    """Mean and sd of the abilities behind a bank, (0, 1) where it has no solvers.

    Abilities are posterior means, which lie closer together than abilities do by their errors.
    """
    known = np.isfinite(bank.ability) & np.isfinite(bank.se_ability)
    if known.sum() < 2:
        return 0.0, 1.0
    ability, error = bank.ability[known], bank.se_ability[known]
    return float(ability.mean()), float(np.sqrt(max(ability.var() + np.mean(error**2), 0.0625)))


# -- errors of anchors ------------------------------------------------------------------------


def usable_items(bank: Bank) -> np.ndarray:
    """(item,) bool: estimates and errors are finite."""
    columns = (bank.difficulty, bank.se_difficulty, bank.discrimination, bank.se_discrimination)
    finite = np.all([np.isfinite(column) for column in columns], axis=0)
    return finite & (np.nan_to_num(bank.discrimination) > 0)


def _ceiling(bank: Bank) -> np.ndarray:
    return np.ones(len(bank.items)) if bank.ceiling is None else bank.ceiling.astype(float)


def _shared(bank: Bank) -> float:
    """1 / persons, where the bank says that its errors are those of a sample."""
    persons = int(np.isfinite(bank.ability).sum())
    return 1 / persons if bank.fit.get("reference") == "population" and persons else 0.0


def errors_of(bank: Bank, index: np.ndarray) -> np.ndarray:
    """(anchor, param, param): errors as the bank has them, correlated as its information says.

    A bank keeps no correlation of a with b. It follows from the information of an item's own
    curve over the abilities that it was fitted to, here a normal of their mean and sd.
    Where all items share a slope, its one error is spread over them, so that n of them together
    know of it what the one did.
    """
    a, b = bank.discrimination[index], bank.difficulty[index]
    sd = np.stack([bank.se_discrimination[index] / a, bank.se_difficulty[index]], axis=1)
    share = _shared(bank)
    if share:  # what one shift and one stretch of all items explains is not the item's own
        common = np.stack([np.full(len(b), share / 2), share * (1 + b**2 / 2)], axis=1)
        common[:, 0] *= bank.fit.get("model") != "rasch"
        sd = np.sqrt(np.maximum(sd**2 - common, 0.1 * sd**2))
    rho = _correlation(bank, index)
    if bank.fit.get("model") == "1pl":
        sd[:, 0] *= np.sqrt(len(index))
        rho = np.zeros(len(index))
    covariance = sd[:, :, None] * sd[:, None, :]
    covariance[:, 0, 1] *= rho
    covariance[:, 1, 0] *= rho
    return covariance


def _correlation(bank: Bank, index: np.ndarray) -> np.ndarray:
    """(anchor,) correlation of the errors of log a and b, floor and ceiling free if estimated."""
    base, weight = np.polynomial.hermite_e.hermegauss(NODES)
    mean, spread = population_of(bank)
    x = mean + spread * base
    a, b = bank.discrimination[index][:, None], bank.difficulty[index][:, None]
    low, high = bank.floor[index][:, None], _ceiling(bank)[index][:, None]
    right = special.expit(a * (x - b))
    rise = (high - low) * right * (1 - right) * a
    chance = np.clip(low + (high - low) * right, 1e-12, 1 - 1e-12)
    slopes = np.stack([rise * (x - b), -rise, 1 - right, right])
    each = weight / weight.sum() / (chance * (1 - chance))
    information = np.einsum("riq,siq,iq->irs", slopes, slopes, each)
    information *= np.maximum(bank.tried[index], 1.0)[:, None, None]
    hold = np.full((len(index), 4), 1e12)  # what is not estimated is known
    hold[:, :2] = (4.0, 0.01)
    for place, errors in ((2, bank.se_floor), (3, bank.se_ceiling)):
        if errors is not None:
            hold[:, place] = np.where(errors[index] > 0, 1.0, 1e12)
    found = np.linalg.inv(information + hold[:, None, :] * np.eye(4))
    rho = found[:, 0, 1] / np.sqrt(found[:, 0, 0] * found[:, 1, 1])
    return np.clip(np.nan_to_num(rho), -0.99, 0.99)


# -- ids --------------------------------------------------------------------------------------


def _plain(name: Hashable) -> str:
    """An id without what programs add or lose: type, case, blanks, leading zeros, a final .0."""
    text = str(name).strip().casefold()
    text = text.removesuffix(".0") if text.removesuffix(".0").isdigit() else text
    return text.lstrip("0") or "0" if text.isdigit() else text


def _lookalikes(names: Sequence[Hashable], to: Bank) -> tuple[tuple[Hashable, Hashable], ...]:
    """Pairs of ids that differ only in type or spelling, and have no exact partner."""
    ours, theirs = set(names), set(to.items)
    plain = {_plain(name): name for name in to.items if name not in ours}
    pairs = ((name, plain.get(_plain(name))) for name in names if name not in theirs)
    return tuple((name, other) for name, other in pairs if other is not None)


def describe_no_overlap(names: Sequence[Hashable], to: Bank) -> str:
    """The message for ids none of which is in the bank: names those that only look alike."""
    alike = _lookalikes(names, to)
    if alike:
        shown = ", ".join(f"{x!r} and {y!r}" for x, y in alike[:SHOWN])
        return (
            f"no overlap with the linked bank: {len(alike)} ids look alike but are not the same "
            f"({shown}); write them the same way, with the same type, in both"
        )
    ours, theirs = (", ".join(repr(n) for n in ids[:SHOWN]) for ids in (names, to.items))
    return (
        f"no overlap with the linked bank: none of {len(names)} items (such as {ours or 'none'}) "
        f"is among its {len(to.items)} (such as {theirs or 'none'}); give both some "
        "items in common, or link through a third bank"
    )
