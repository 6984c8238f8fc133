"""Tower of Hanoi: from any legal position to any other, or the classic from tower to tower.

A position says on which peg each disk lies; any such choice is legal, as disks on a peg lie by
size. Any legal plan that ends in the goal is right; the mode `hanoi.shortest` wants one with the
fewest moves. Positions that differ by the names of the pegs only count as one instance.

Compact form: pegs 0, 1, 2 of the disks from smallest to largest, start then goal, and one letter
for a move: "h000222=" -> "vuzvwxv" (u..z: AB, AC, BA, BC, CA, CB).

Ref: Shojaee et al. 2025, The Illusion of Thinking, arXiv:2506.06941. Differs: any start and goal,
so that one size holds many instances. Shortest plans: Hinz 1992, Pascal's triangle and the tower
of Hanoi, Amer. Math. Monthly 99 (the largest disk that changes its peg moves once or twice).
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.families import moves
from gradatim.families.knobs import complete, mode
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Step, Verdict

PEGS = "ABC"
TRIES = 60  # positions drawn at random before a far pair is built
COMPACT = 5  # disks up to which there is a compact form
EXACT = 5  # disks up to which the space is counted

KNOBS = {
    "disks": Knob("number of disks", 4, 1, 10),
    "least": Knob("fewest moves that a shortest plan may have", 1, 1, 1023),
    "most": Knob("most moves that a shortest plan may have", 1023, 1, 1023),
    "setup": Knob("positions: any, or the classic towers", "any", choices=("any", "classic")),
    "plan": Knob("which plans are right", "any", choices=("any", "shortest")),
}

_BOUNDS = (1, 5, 8, 11, 16, 22, 32, 44, 64, 88, 128)  # of moves; two levels to a size
LADDER = {
    level: {
        "disks": (level + 5) // 2,
        "least": _BOUNDS[level - 1],
        "most": _BOUNDS[level] - 1,
        "setup": "any",
        "plan": "any",
    }
    for level in range(1, 11)
}

_LETTERS = dict(zip("uvwxyz", ("AB", "AC", "BA", "BC", "CA", "CB"), strict=True))
_CODES = {move: letter for letter, move in _LETTERS.items()}
Position = tuple[int, ...]  # peg of each disk, smallest first


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


def _shortest(start: Position, goal: Position) -> str:
    n, once, twice = _ways(start, goal)
    a, b = start[n], goal[n]
    c = 3 - a - b
    if once <= twice:
        plan = f"{_gather(start, n, c)}{PEGS[a]}{PEGS[b]} {_spread(goal, n, c)}"
    else:
        first, second = f"{PEGS[a]}{PEGS[c]} ", f"{PEGS[c]}{PEGS[b]} "
        plan = f"{_gather(start, n, b)}{first}{_tower(n, b, a)}{second}{_spread(goal, n, a)}"
    return plan[:-1]


def _far(stream: Stream, disks: int, within: range) -> tuple[Position, Position]:
    """A tower, and a position from which it takes a number of moves within a range."""
    peg = target = stream.below(3)
    cost = stream.choice(within)
    start = []
    for disk in range(disks - 1, -1, -1):  # the bits of the cost say which disks move
        at = peg
        if cost >> disk & 1:
            at = (peg + 1 + stream.below(2)) % 3
            peg = 3 - at - peg
        start.append(at)
    return tuple(reversed(start)), (target,) * disks


def _pair(stream: Stream, disks: int, within: range) -> tuple[Position, Position]:
    positions = 3**disks
    for _ in range(TRIES):
        a, b = stream.below(positions), stream.below(positions)
        start = tuple([a // 3**d % 3 for d in range(disks)])
        goal = tuple([b // 3**d % 3 for d in range(disks)])
        if a != b and distance(start, goal) in within:
            return start, goal
    return _far(stream, disks, within)


def _canonical(start: Position, goal: Position) -> str:
    """Pegs named in the order in which they occur."""
    names: dict[int, str] = {}
    return "".join([names.setdefault(peg, str(len(names))) for peg in start + goal])


def _shown(position: Position) -> str:
    on = ["", "", ""]
    for disk in range(len(position), 0, -1):
        on[position[disk - 1]] += f" {disk}"
    return ";".join(f" {PEGS[i]}:{on[i] or ' empty'}" for i in range(3))


def _within(setting: Mapping[str, Any]) -> range:
    """The numbers of moves that a shortest plan may have."""
    disks, least, most = setting["disks"], setting["least"], setting["most"]
    top = (1 << disks) - 1
    if setting["setup"] == "classic":
        if not least <= top <= most:
            raise ArgumentError(
                f"`hanoi.setup` classic needs {top} moves with {disks} disks, outside `least` = "
                f"{least} and `most` = {most}; widen them"
            )
        return range(top, top + 1)
    if least > min(top, most):
        raise ArgumentError(
            f"`hanoi.least` must be at most `most` = {most} and {top}, the most that {disks} "
            f"disks can need; got {least}"
        )
    return range(least, min(top, most) + 1)


def make(stream: Stream, *, disks: int, plan: str, **rest: Any) -> Draft:
    """Two positions that are `least` to `most` moves apart, and a shortest plan."""
    within = _within({"disks": disks, **rest})
    start, goal = (0,) * disks, (2,) * disks
    if rest["setup"] == "any":
        start, goal = _pair(stream, disks, within)
    form = _canonical(start, goal)
    if not stream.wants(form):
        return Draft("", "", form)
    answer = _shortest(start, goal)
    meta: dict[str, Any] = {"start": "".join(map(str, start)), "goal": "".join(map(str, goal))}
    few = ""
    if plan == "shortest":
        meta["shortest"] = (len(answer) + 1) // 3
        few = " Use as few moves as possible."
    small = disks <= COMPACT
    return Draft(
        prompt=(
            f"Tower of Hanoi: three pegs A, B and C, and disks 1 (smallest) to {disks} (largest)."
            "\nA move takes the top disk of a peg and puts it on another peg, never on a smaller "
            f"disk.{few}\nStart, each peg from bottom to top:{_shown(start)}.\n"
            f"Goal, each peg from bottom to top:{_shown(goal)}.\n"
            "Answer with the moves in order, each as two letters (from which peg, to which peg) "
            "such as AC, separated by spaces, and nothing else."
        ),
        answer=answer,
        canonical=form,
        compact=f"h{meta['start']}{meta['goal']}=" if small else None,
        compact_answer="".join([_CODES[m] for m in answer.split()]) if small else None,
        meta=meta,
    )


def _begin(problem: Problem) -> list[list[int]]:
    pegs: list[list[int]] = [[], [], []]
    start = problem.meta["start"]
    for disk in range(len(start) - 1, -1, -1):
        pegs[int(start[disk])].append(disk)
    return pegs


_WHERE = {a + b: (i, j) for i, a in enumerate(PEGS) for j, b in enumerate(PEGS)}
_NAMES = _LETTERS | {way: m for m in _WHERE for way in (m, m.lower(), m.title(), m.swapcase())}
_NAMES |= {m[0].lower() + m[1]: m for m in _WHERE}


def _step(pegs: list[list[int]], move: str) -> list[list[int]] | None:
    a, b = _WHERE[move]
    source, target = pegs[a], pegs[b]
    if not source or (target and target[-1] <= source[-1]):  # equal: onto its own peg
        return None
    target.append(source.pop())
    return pegs


def _done(problem: Problem, pegs: list[list[int]]) -> bool:
    goal = problem.meta["goal"]
    return all(goal[disk] == peg for peg, on in zip("012", pegs, strict=True) for disk in on)


def _form(plan: list[str]) -> list[str]:
    return [_NAMES[move] for move in plan]


GAME = moves.Game(
    patterns=(re.compile("[ABCabc]{2}"), re.compile("[u-z]")),
    start=_begin,
    step=_step,
    done=_done,
    form=_form,
    written=re.compile("[ABC]{2}(?: [ABC]{2})*"),
)


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply's moves are legal and end in the goal; else which is the first illegal."""
    return moves.check(GAME, problem, text)


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The moves of a reply as steps, up to the first illegal one."""
    return moves.trace(GAME, problem, text)


def effort(problem: Problem) -> float:
    """Moves of a shortest plan; 2^N - 1 for the classic.

    Ref: Shojaee et al. 2025, arXiv:2506.06941; Hinz 1992 for any two positions.
    """
    start, goal = (tuple(map(int, problem.meta[key])) for key in ("start", "goal"))
    return distance(start, goal)


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of as many moves as needed, each any of the six: at most two shortest plans are right.

    An upper bound, reached by instances that need no more than `least` moves.
    """
    least = _within(complete(KNOBS, knobs))[0]
    return 2 / 6**least if least > 1 else 1 / 6


@lru_cache(maxsize=256)
def _space(disks: int, within: range) -> int:
    if (
        disks > EXACT
    ):  # 2^(number of ones of d) positions are d moves from a tower, either way round
        return sum(1 << d.bit_count() for d in within) - 1
    count = 0
    for start in product(range(3), repeat=disks):
        if start[0] == 0 and next((peg for peg in start if peg), 1) == 1:  # one of its names
            far = sum(distance(start, goal) in within for goal in product(range(3), repeat=disks))
            count += far if any(start) else far // 2
    return count


def space(knobs: Mapping[str, Any]) -> int:
    """Pairs of positions `least` to `most` moves apart, up to names of pegs.

    Exact up to 5 disks; beyond, those from or to a tower: a lower bound.

    >>> space({"disks": 2, "least": 3})
    4
    """
    setting = complete(KNOBS, knobs)
    within = _within(setting)
    return 1 if setting["setup"] == "classic" else _space(setting["disks"], within)


def _parsed(prompt: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Start and goal from the prompt's text: the disks of each peg from bottom to top."""
    found = [
        tuple(re.findall(r"[ABC]: ([\d ]+|empty)", line))
        for line in prompt.split("\n")
        if line.startswith(("Start,", "Goal,"))
    ]
    start, goal = (tuple(peg.replace("empty", "") for peg in line) for line in found)
    return start, goal


def _moved(pegs: tuple[str, ...], source: int, target: int) -> tuple[str, ...] | None:
    if not pegs[source] or source == target:
        return None
    rest, disk = pegs[source].split()[:-1], pegs[source].split()[-1]
    if pegs[target] and int(pegs[target].split()[-1]) < int(disk):
        return None
    after = list(pegs)
    after[source] = " ".join(rest)
    after[target] = f"{pegs[target]} {disk}".strip()
    return tuple(after)


def _least_moves(prompt: str) -> list[str]:
    """A shortest plan by breadth-first search over the positions."""
    start, goal = _parsed(prompt)
    came: dict[tuple[str, ...], tuple[tuple[str, ...], str] | None] = {start: None}
    queue = deque([start])
    while goal not in came:
        here = queue.popleft()
        for source, target in product(range(3), repeat=2):
            after = _moved(here, source, target)
            if after is not None and after not in came:
                came[after] = (here, PEGS[source] + PEGS[target])
                queue.append(after)
    plan: list[str] = []
    step = came[goal]
    while step is not None:
        plan.append(step[1])
        step = came[step[0]]
    return plan[::-1]


def solve(problem: Problem) -> str:
    """A shortest plan from the prompt's text alone, by breadth-first search."""
    return " ".join(_least_moves(str(problem.prompt)))


def judge(problem: Problem, answer: str) -> bool:
    """Whether moves lead from the prompt's start to its goal, and are the fewest if it says so."""
    prompt = str(problem.prompt)
    here, goal = _parsed(prompt)
    plan = answer.split(" ")
    for move in plan:
        if len(move) != 2 or set(move) - set(PEGS):
            return False
        after = _moved(here, PEGS.index(move[0]), PEGS.index(move[1]))
        if after is None:
            return False
        here = after
    return here == goal and ("as few" not in prompt or len(plan) == len(_least_moves(prompt)))


FAMILY = Family(
    name="hanoi",
    doc="Tower of Hanoi from any position to any other",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    trace=trace,
    effort=effort,
    effort_unit="moves of a shortest plan",
    judge=judge,
)
SHORTEST = mode(FAMILY, "shortest", "Tower of Hanoi with the fewest moves", plan="shortest")
