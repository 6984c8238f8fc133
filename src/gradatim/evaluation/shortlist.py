"""The most telling item of a bank of millions, without a look at each.

Ability is cut into short intervals; each keeps the items that can be most telling anywhere in it,
and the best that any other item can be there. An item of the list that beats this is the best of
the whole bank; otherwise the bank is searched. Axes: `item`, `interval`, `place` (in a list).
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.ability import select_items
from gradatim.scale.curves import information, slopes
from gradatim.types import Bank


class Shortlist(NamedTuple):
    """Lists of one bank.

    Attributes:
        bank: whose items these are.
        edge: (interval + 1,) abilities, rising.
        item: (interval, place) int, index into the bank.
        bound: (interval,) most information that any item outside the list has in the interval.
    """

    bank: Bank
    edge: np.ndarray
    item: np.ndarray
    bound: np.ndarray


def shortlist(
    bank: Bank, *, size: int = 256, width: float = 0.05, reach: tuple[float, float] = (-4.0, 4.0)
) -> Shortlist:
    """List the most telling items of each interval of ability.

    Args:
        bank: known items without ceilings; those without estimates are never listed.
        size: items of a list; as many can be closed before the bank is searched.
        width: of an interval, logits.
        reach: lowest and highest ability with a list; beyond them the bank is searched.

    Returns:
        Shortlist.

    Raises:
        ArgumentError: a number out of range; a bank with ceilings, or without estimates.

    Ref: information of the 3PL peaks at b + log((1 + sqrt(1 + 8 c)) / 2) / a, Birnbaum 1968 in Lord
    & Novick, chapter 20, and falls off to both sides: its most over an interval is at the point of
    it that is nearest.

    >>> from gradatim.scale.curves import flat
    >>> bank = flat(difficulty=[-1.0, 0.0, 2.0], discrimination=[1.0, 1.0, 1.0])
    >>> best_item(shortlist(bank, size=1), 1.8, np.ones(3, bool))
    2
    """
    checks.whole(1, 10**9, size=size)
    checks.within(1e-3, 10, width=width)
    known = np.flatnonzero(np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination))
    if not len(known):
        raise ArgumentError("`bank` must have items with estimates, got none")
    if bank.ceiling is not None and np.any(bank.ceiling < 1):
        raise ArgumentError("`bank` must have no ceilings (a 4PL): its peaks have no closed form")
    a, b, c = (v[known] for v in (bank.discrimination, bank.difficulty, bank.floor))
    peak = b + np.log((1 + np.sqrt(1 + 8 * c)) / 2) / a
    edge = np.linspace(reach[0], reach[1], max(2, round((reach[1] - reach[0]) / width) + 1))
    size = min(size, len(known))
    item = np.empty((len(edge) - 1, size), dtype=np.int64)
    bound = np.full(len(edge) - 1, -np.inf)
    most = _told(peak, a, b, c)
    order = np.argsort(-most, kind="stable")  # an item is nowhere above its peak: few are looked at
    a, b, c, peak, most = (v[order] for v in (a, b, c, peak, most))
    for at in range(len(edge) - 1):
        n = min(8 * size, len(known))
        while True:
            told = _told(np.clip(peak[:n], edge[at], edge[at + 1]), a[:n], b[:n], c[:n])
            cut = np.argpartition(-told, min(size, n - 1))
            rest = told[cut[size]] if n > size else -np.inf
            if n == len(known) or rest >= most[n]:
                break
            n = min(4 * n, len(known))
        item[at], bound[at] = known[order[cut[:size]]], rest
    return Shortlist(bank, edge, np.sort(item, axis=1), bound)


def best_item(lists: Shortlist, ability: float, open_: np.ndarray) -> int:
    """The open item with most information at an ability; -1 where none is open.

    Args:
        lists: of the bank.
        ability: logits.
        open_: (item,) bool.

    Returns:
        Index into the bank, the lowest of equals.
    """
    bank, at = lists.bank, int(np.searchsorted(lists.edge, ability, side="right")) - 1
    if 0 <= at < len(lists.item):
        listed = lists.item[at]
        told = _told(
            ability, bank.discrimination[listed], bank.difficulty[listed], bank.floor[listed]
        )
        told = np.where(open_[listed], told, -np.inf)
        first = int(told.argmax())
        if told[first] > lists.bound[at]:
            return int(listed[first])
    known = np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination)
    told = np.where(open_ & known, information(ability, bank), -np.inf)
    pick = int(told.argmax())
    return pick if told[pick] > -np.inf else -1


def listed_items(bank: Bank, open_: np.ndarray, most: int) -> np.ndarray:
    """(listed,) int: at most about `most` open items that are the most telling somewhere.

    Args:
        bank: known items.
        open_: (item,) bool, what may be listed.
        most: how many are wanted.
    """
    here = np.flatnonzero(open_ & np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination))
    if len(here) <= most:
        return here
    centres = np.linspace(-5, 5, 51)
    each = max(1, most // len(centres))
    part = select_items(bank, here)
    chosen = [np.argpartition(-information(x, part), each)[:each] for x in centres]
    return here[np.unique(np.concatenate(chosen))]


def _told(theta: np.ndarray | float, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Information of single items, each at an ability of its own."""
    up, down = slopes(a * (theta - b), c)
    return a * a * up * down
