"""Stacks of blocks: random ones, what tells two positions apart, plans and the fewest moves.

Blocks are numbers; a position is what each block stands on, -1 for the table.
"""

import itertools
from functools import lru_cache
from math import comb, factorial
from typing import NamedTuple

from gradatim.rng import Stream

LETTERS = "ABCDEFGHIJKLMNOP"

Stacks = tuple[tuple[int, ...], ...]
Move = tuple[int, int, int]  # block, from, to; -1 is the table


@lru_cache(maxsize=64)
def _piles(n: int) -> tuple[int, ...]:
    """Ways to put n blocks in k stacks, for k from 1 (Lah numbers)."""
    return tuple(comb(n - 1, k - 1) * factorial(n) // factorial(k) for k in range(1, n + 1))


def random_stacks(stream: Stream, n: int) -> Stacks:
    """Stacks of n blocks, all ways alike: an order of the blocks, cut at some places."""
    piles = _piles(n)
    at, cuts = stream.below(sum(piles)), 0
    while at >= piles[cuts]:
        at -= piles[cuts]
        cuts += 1
    order = list(range(n))
    stream.shuffle(order)
    ends = [0, *sorted([1 + cut for cut in stream.sample(range(n - 1), cuts)]), n]
    return tuple([tuple(order[a:b]) for a, b in itertools.pairwise(ends)])


def below(stacks: Stacks, n: int) -> list[int]:
    """What each block stands on, -1 for the table."""
    on = [-1] * n
    for pile in stacks:
        for lower, upper in itertools.pairwise(pile):
            on[upper] = lower
    return on


def _above(on: list[int]) -> list[int]:
    """What stands on each block, -1 for nothing."""
    above = [-1] * len(on)
    for block, lower in enumerate(on):
        if lower >= 0:
            above[lower] = block
    return above


def _settle(on: list[int], above: list[int], want: list[int]) -> tuple[list[Move], int]:
    """Every move to a last place that can be made, and the blocks at their last places as bits."""
    plan: list[Move] = []
    placed, again = 0, True
    while again:
        again = False
        for block, to in enumerate(want):
            if placed >> block & 1 or (to >= 0 and not placed >> to & 1):
                continue
            if on[block] != to:
                if above[block] >= 0 or (to >= 0 and above[to] >= 0):
                    continue
                plan.append((block, on[block], to))
                _carry(on, above, plan[-1])
            placed |= 1 << block
            again = True
    return plan, placed


def _carry(on: list[int], above: list[int], move: Move) -> None:
    block, source, to = move
    if source >= 0:
        above[source] = -1
    if to >= 0:
        above[to] = block
    on[block] = to


def _planned(
    on: list[int], want: list[int], spare: int, failed: set[tuple[int, ...]]
) -> list[Move] | None:
    """A plan in which at most `spare` moves go to the table to make room, None if there is none.

    Room can be made in any order: `failed` keeps what was tried, so that no order is tried twice.
    """
    key = (spare, *on)
    if key in failed:
        return None
    failed.add(key)
    on, above = on[:], _above(on)
    plan, placed = _settle(on, above, want)
    if placed == (1 << len(on)) - 1:
        return plan
    for block, lower in enumerate(on):
        if spare and lower >= 0 and above[block] < 0 and not placed >> block & 1:
            after = on[:]
            after[block] = -1
            rest = _planned(after, want, spare - 1, failed)
            if rest is not None:
                return [*plan, (block, lower, -1), *rest]
    return None


def fewest(on: list[int], want: list[int]) -> list[Move]:
    """Fewest moves of blocks (block, from, to) between two positions, each as what is below.

    >>> fewest([-1, 0], [1, -1])  # B on A becomes A on B
    [(1, 0, -1), (0, -1, 1)]
    """
    plan = None
    spare = 0
    while plan is None:
        plan = _planned(on, want, spare, set())
        spare += 1
    return plan


class Pair(NamedTuple):
    """A start and a goal: what each block stands on, and what stands on it, -1 for nothing."""

    on: list[int]
    want: list[int]
    above: list[int]
    there: list[int]


def pair_of(on: list[int], want: list[int]) -> Pair:
    """A start and a goal, each as what is below each block."""
    return Pair(on, want, _above(on), _above(want))


def out_of_place(pair: Pair) -> int:
    """Blocks that must move: those not yet on their last place, or above one that is not.

    >>> out_of_place(pair_of([-1, 0, 1], [-1, 0, -1]))
    1
    """
    on, want, _, there = pair
    left = len(on)
    for block, lower in enumerate(on):
        if lower < 0 and want[block] < 0:
            left -= 1
            upper = there[block]
            while upper >= 0 and on[upper] == block:
                left -= 1
                block, upper = upper, there[upper]
    return left


def greedy(pair: Pair) -> list[Move]:
    """A plan of at most two moves a block: to the last place where it can be, else to the table.

    Ref: Gupta and Nau 1992, Artificial Intelligence 56 (at most twice as long as a shortest plan).

    >>> greedy(pair_of([-1, 0], [1, -1]))
    [(1, 0, -1), (0, -1, 1)]
    """
    on, want, above, there = pair.on[:], pair.want, pair.above[:], pair.there
    placed = [False] * len(on)
    for block, lower in enumerate(on):
        upper = block if lower < 0 and want[block] < 0 else -1
        while upper >= 0 and on[upper] == lower:
            placed[upper] = True
            lower, upper = upper, there[upper]
    plan: list[Move] = []
    free = [block for block, upper in enumerate(above) if upper < 0]
    while True:
        while free:  # blocks that may have become free to go to their last place
            block = free.pop()
            to = want[block] if block >= 0 else 0
            if block < 0 or placed[block] or above[block] >= 0:
                continue
            if to >= 0 and (above[to] >= 0 or not placed[to]):
                continue
            source = on[block]
            plan.append((block, source, to))
            _carry(on, above, plan[-1])
            placed[block] = True
            free.append(there[block])
            if source >= 0:
                free.append(there[source] if placed[source] else source)
        for block, source in enumerate(on):
            if source >= 0 and above[block] < 0 and not placed[block]:
                plan.append((block, source, -1))
                _carry(on, above, plan[-1])
                free.append(there[source] if placed[source] else source)
                break
        else:
            return plan


def canonical(pair: Pair) -> str:
    """Both positions with blocks renamed: each group of linked blocks in its first order of all.

    An order starts at the bottom of a goal's stack, one of those whose stacks look alike: how high
    they are, and where in them a block is at the bottom or at the top of the start.
    """
    on, want, above, there = pair
    links = list(zip(on, want, above, there, strict=True))
    left = []
    for root, lower in enumerate(want):
        if lower < 0:
            looks, block = 1, root
            while block >= 0:
                looks = looks * 4 + (on[block] < 0) * 2 + (above[block] < 0)
                block = there[block]
            left.append((looks, root))
    left.sort()
    parts = []
    while left:
        looks, root = left[0]
        text, group = _code(links, root)
        for other, block in left[1:]:
            if other == looks and block in group:
                text = min(text, _code(links, block)[0])
        parts.append(text)
        left = [known for known in left if known[1] not in group]
    return "|".join(sorted(parts))


def _code(links: list[tuple[int, ...]], root: int) -> tuple[str, list[int]]:
    """A group as seen from one of its blocks: all links by names in order of discovery."""
    order, place, out = [root], {-1: "-", root: LETTERS[0]}, []
    for x in order:
        known = links[x]
        for y in known:
            if y not in place:
                place[y] = LETTERS[len(order)]
                order.append(y)
        out += place[known[0]], place[known[1]]
    return "".join(out), order


def positions(n: int) -> list[Stacks]:
    """All ways to put n blocks in stacks."""
    found: list[Stacks] = [()]
    for block in range(n):
        wider = []
        for stacks in found:
            wider.append((*stacks, (block,)))
            for i, pile in enumerate(stacks):
                for at in range(len(pile) + 1):
                    grown = (*pile[:at], block, *pile[at:])
                    wider.append((*stacks[:i], grown, *stacks[i + 1 :]))
        found = wider
    return found


@lru_cache(maxsize=64)
def count(n: int, least: int, any_goal: bool) -> int:
    """Pairs of positions with `least` blocks out of place or more, the goal one stack, up to names.

    Exact up to 6 blocks (for any goal up to 4). Beyond, one-stack goals whose lowest block does not
    stand on the table at the start, so that every block must move: a lower bound.
    """
    if n > 6:
        piles = _piles(n)
        return sum(piles) - sum(k * ways for k, ways in enumerate(piles, 1)) // n
    starts = [below(stacks, n) for stacks in positions(n)]
    if any_goal and n <= 4:
        pairs = (pair_of(a, b) for a in starts for b in starts)
        return len({canonical(pair) for pair in pairs if out_of_place(pair) >= least})
    tower = list(range(-1, n - 1))
    return sum(out_of_place(pair_of(start, tower)) >= least for start in starts)
