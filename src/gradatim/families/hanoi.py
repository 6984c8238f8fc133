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
from itertools import permutations
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.families import moves
from gradatim.families.hanoi_positions import (
    PEGS,
    Position,
    canonical,
    count,
    distance,
    pair_of,
    shortest,
)
from gradatim.families.knobs import complete, mode
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Step, Verdict

COMPACT = 7  # disks up to which there is a compact form

KNOBS = {
    "disks": Knob("number of disks", 4, 1, 10),
    "least": Knob("fewest moves that a shortest plan may have", 1, 1, 1023),
    "most": Knob("most moves that a shortest plan may have", 1023, 1, 1023),
    "setup": Knob("positions: any, or the classic towers", "any", choices=("any", "classic")),
    "plan": Knob("which plans are right", "any", choices=("any", "shortest")),
}

_BOUNDS = (1, 5, 8, 11, 16, 22, 32, 44, 64, 88, 128)  # of moves
LADDER = {
    level: {
        "disks": 7,  # fewer hold too few pairs that are a few moves apart
        "least": _BOUNDS[level - 1],
        "most": _BOUNDS[level] - 1,
        "setup": "any",
        "plan": "any",
    }
    for level in range(1, 11)
}

_LETTERS = dict(zip("uvwxyz", ("AB", "AC", "BA", "BC", "CA", "CB"), strict=True))
_CODES = {move: letter for letter, move in _LETTERS.items()}


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
        start, goal = pair_of(stream, disks, within)
    form = canonical(start, goal)
    if not stream.wants(form):
        return Draft("", "", form)
    answer = shortest(start, goal)
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


def space(knobs: Mapping[str, Any]) -> int:
    """Pairs of positions `least` to `most` moves apart, up to names of pegs.

    Exact up to 5 disks; beyond, a lower bound.

    >>> space({"disks": 2, "least": 3})
    4
    """
    setting = complete(KNOBS, knobs)
    within = _within(setting)
    return 1 if setting["setup"] == "classic" else count(setting["disks"], within)


Pegs = tuple[tuple[int, ...], ...]  # disks of each peg from bottom to top


def _parsed(prompt: str) -> tuple[Pegs, Pegs]:
    """Start and goal from the prompt's text."""
    lines = [line for line in prompt.split("\n") if line.startswith(("Start,", "Goal,"))]
    start, goal = (
        tuple(tuple(map(int, peg.split())) for peg in re.findall(r"[ABC]: ([\d ]*)", line))
        for line in lines
    )
    return start, goal


def _moved(pegs: Pegs, source: int, target: int) -> Pegs | None:
    if not pegs[source] or source == target:
        return None
    *rest, disk = pegs[source]
    if pegs[target] and pegs[target][-1] < disk:
        return None
    after = list(pegs)
    after[source], after[target] = tuple(rest), (*pegs[target], disk)
    return tuple(after)


def _least_moves(prompt: str) -> list[str]:
    """A shortest plan by breadth-first search over the positions."""
    start, goal = _parsed(prompt)
    came: dict[Pegs, tuple[Pegs, str] | None] = {start: None}
    queue = deque([start])
    while goal not in came:
        here = queue.popleft()
        for source, target in permutations(range(3), 2):
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
    version="2",  # since 2 seven disks at every level, and pairs drawn by their distance
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
