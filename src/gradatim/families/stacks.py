"""Stacks of blocks: random ones, what tells two positions apart, and the fewest moves between them.

Blocks are numbers; a position is what each block stands on, -1 for the table.
"""

import itertools
from functools import lru_cache
from math import comb, factorial

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
    at, cuts = stream.below(sum(_piles(n))), 0
    while at >= _piles(n)[cuts]:
        at -= _piles(n)[cuts]
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


def canonical(on: list[int], want: list[int]) -> str:
    """Both positions with blocks renamed: each group of linked blocks in its first order of all."""
    links = list(zip(on, want, _above(on), _above(want), strict=True))
    kinds = [tuple([y < 0 for y in link]) for link in links]
    left, parts = set(range(len(on))), []
    while left:
        group = _order(links, min(left))
        left.difference_update(group)
        first = min(kinds[x] for x in group)
        parts.append(min(_code(links, x) for x in group if kinds[x] == first))
    return "|".join(sorted(parts))


def _order(links: list[tuple[int, ...]], root: int) -> list[int]:
    order, seen = [root], {root, -1}
    for x in order:
        for y in links[x]:
            if y not in seen:
                seen.add(y)
                order.append(y)
    return order


def _code(links: list[tuple[int, ...]], root: int) -> str:
    order = _order(links, root)
    place = {x: LETTERS[i] for i, x in enumerate(order)} | {-1: "-"}
    return "".join([place[links[x][0]] + place[links[x][1]] for x in order])


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
    """Pairs of positions `least` moves apart or more, the goal one stack, up to names.

    Exact up to 6 blocks (for any goal up to 4). Beyond, one-stack goals whose lowest block does not
    stand on the table at the start, so that every block must move: a lower bound.
    """
    if n > 6:
        piles = _piles(n)
        return sum(piles) - sum(k * ways for k, ways in enumerate(piles, 1)) // n
    starts = [below(stacks, n) for stacks in positions(n)]
    if any_goal and n <= 4:
        pairs = ((a, b) for a in starts for b in starts)
        return len({canonical(a, b) for a, b in pairs if len(fewest(a, b)) >= least})
    tower = list(range(-1, n - 1))
    return sum(len(fewest(start, tower)) >= least for start in starts)
