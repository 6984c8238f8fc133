"""Positions of the Tower of Hanoi: how far two are apart, a shortest plan, pairs of a distance.

A position is the peg (0, 1, 2) of each disk, smallest first.

Ref: Hinz 1992, Pascal's triangle and the tower of Hanoi, Amer. Math. Monthly 99 (the largest disk
that changes its peg moves once or twice).
"""

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate, product

from gradatim.rng import Stream

PEGS = "ABC"
TRIES = 60  # positions drawn at random before a far pair is built
EXACT = 5  # disks up to which pairs are counted one by one

Position = tuple[int, ...]


@lru_cache(maxsize=256)
def _tower(n: int, a: int, b: int) -> str:
    """Moves of n disks from peg a to peg b, each with a space after it."""
    if not n:
        return ""
    c = 3 - a - b
    return f"{_tower(n - 1, a, c)}{PEGS[a]}{PEGS[b]} {_tower(n - 1, c, b)}"


def _gather(position: Position, n: int, peg: int) -> str:
    """Moves of the n smallest disks onto one peg."""
    parts = []
    for disk in range(n - 1, -1, -1):
        at = position[disk]
        if at != peg:
            other = 3 - at - peg
            parts.append(f"{PEGS[at]}{PEGS[peg]} {_tower(disk, other, peg)}")
            peg = other
    return "".join(reversed(parts))


def _spread(position: Position, n: int, peg: int) -> str:
    """Moves of the n smallest disks from one peg to their places."""
    parts = []
    for disk in range(n - 1, -1, -1):
        at = position[disk]
        if at != peg:
            other = 3 - at - peg
            parts.append(f"{_tower(disk, peg, other)}{PEGS[peg]}{PEGS[at]} ")
            peg = other
    return "".join(parts)


def _cost(position: Position, n: int, peg: int) -> int:
    total = 0
    for disk in range(n - 1, -1, -1):
        at = position[disk]
        if at != peg:
            total += 1 << disk
            peg = 3 - at - peg
    return total


def _ways(start: Position, goal: Position) -> tuple[int, int, int]:
    """The largest disk that changes its peg, and the cost of moving it once, and twice."""
    n = len(start) - 1
    while start[n] == goal[n]:
        n -= 1
    a, b = start[n], goal[n]
    c = 3 - a - b
    once = _cost(start, n, c) + 1 + _cost(goal, n, c)
    twice = _cost(start, n, b) + (1 << n) + 1 + _cost(goal, n, a)
    return n, once, twice


def distance(start: Position, goal: Position) -> int:
    """Fewest moves between two positions (pegs of the disks, smallest first).

    >>> distance((0, 0, 0), (2, 2, 2)), distance((0, 1), (1, 1))
    (7, 1)
    """
    return 0 if start == goal else min(_ways(start, goal)[1:])


def shortest(start: Position, goal: Position) -> str:
    """A shortest plan between two different positions."""
    n, once, twice = _ways(start, goal)
    a, b = start[n], goal[n]
    c = 3 - a - b
    if once <= twice:
        plan = f"{_gather(start, n, c)}{PEGS[a]}{PEGS[b]} {_spread(goal, n, c)}"
    else:
        first, second = f"{PEGS[a]}{PEGS[c]} ", f"{PEGS[c]}{PEGS[b]} "
        plan = f"{_gather(start, n, b)}{first}{_tower(n, b, a)}{second}{_spread(goal, n, a)}"
    return plan[:-1]


@lru_cache(maxsize=1 << 11)
def _costs(m: int, total: int) -> tuple[int, ...]:
    """Sums of how many pairs of positions of m disks cost c and total - c to gather on two pegs.

    2^(number of ones of c) positions cost c.
    """
    top = (1 << m) - 1
    costs = range(max(0, total - top), min(total, top) + 1)
    return tuple(accumulate(1 << c.bit_count() + (total - c).bit_count() for c in costs))


@lru_cache(maxsize=256)
def _moved_once(disks: int, within: range) -> tuple[list[tuple[int, int]], list[int]]:
    """Each largest moved disk m with each distance up to 2^m, and sums of how many pairs have it.

    To move disk m twice takes 2^m + 1 moves at least, so here a shortest plan moves it once: the
    smaller ones are gathered on the third peg first and go to their places after it.
    """
    kinds = [(m, d) for m in range(disks) for d in within if d <= 1 << m]
    sizes = (3 ** (disks - 1 - m) * _costs(m, d - 1)[-1] for m, d in kinds)
    return kinds, list(accumulate(sizes))


def _spent(stream: Stream, m: int, peg: int, cost: int) -> list[int]:
    """Pegs of m disks that it costs so many moves to gather on a peg, smallest first."""
    out = []
    for disk in range(m - 1, -1, -1):  # the bits of the cost say which disks move
        at = peg
        if cost >> disk & 1:
            at = (peg + 1 + stream.below(2)) % 3
            peg = 3 - at - peg
        out.append(at)
    return out[::-1]


def pair_of(stream: Stream, disks: int, within: range) -> tuple[Position, Position]:
    """Two positions whose distance lies in a range: a uniform draw, where it is small.

    Small is up to 2^(disks - 1). Beyond, positions are drawn until two fit; after some tries one
    of the two is a tower.
    """
    if within[-1] <= 1 << disks - 1:
        kinds, sums = _moved_once(disks, within)
        m, d = kinds[bisect_right(sums, stream.below(sums[-1]))]
        ways = _costs(m, d - 1)
        first = bisect_right(ways, stream.below(ways[-1])) + max(0, d - (1 << m))
        a = stream.below(3)
        b = (a + 1 + stream.below(2)) % 3
        rest = [stream.below(3) for _ in range(disks - 1 - m)]
        start = _spent(stream, m, 3 - a - b, first)
        goal = _spent(stream, m, 3 - a - b, d - 1 - first)
        return (*start, a, *rest), (*goal, b, *rest)
    positions = 3**disks
    for _ in range(TRIES):
        one, two = stream.below(positions), stream.below(positions)
        start = tuple([one // 3**d % 3 for d in range(disks)])
        goal = tuple([two // 3**d % 3 for d in range(disks)])
        if one != two and distance(start, goal) in within:
            return start, goal
    peg = stream.below(3)
    return tuple(_spent(stream, disks, peg, stream.choice(within))), (peg,) * disks


def canonical(start: Position, goal: Position) -> str:
    """Pegs named in the order in which they occur."""
    names: dict[int, str] = {}
    return "".join([names.setdefault(peg, str(len(names))) for peg in start + goal])


@lru_cache(maxsize=256)
def count(disks: int, within: range) -> int:
    """Pairs of positions so far apart, up to names of the pegs.

    Exact up to 5 disks. Beyond, a lower bound: those whose largest moved disk moves once because
    twice would be longer, or those from or to a tower.
    """
    if disks > EXACT:  # 2^(number of ones of d) positions are d moves from a tower
        once = _moved_once(disks, within)[1]
        return max(once[-1] if once else 0, sum(1 << d.bit_count() for d in within) - 1)
    found = 0
    for start in product(range(3), repeat=disks):
        if start[0] == 0 and next((peg for peg in start if peg), 1) == 1:  # one of its names
            far = sum(distance(start, goal) in within for goal in product(range(3), repeat=disks))
            found += far if any(start) else far // 2
    return found
