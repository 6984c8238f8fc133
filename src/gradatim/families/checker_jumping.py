"""Checker jumping: red checkers go right, blue ones left, by slides and jumps over one another.

The classic has all red on the left, one empty cell, all blue on the right, and swaps them. Here
any position may be the start, and any that can be reached from it the goal. Every plan between two
positions has the same length: jumps are the pairs of colours that change their order, and slides
make up the rest of the way. For the classic that is N^2 jumps and 2N slides, (N + 1)^2 - 1 moves.
Positions that a mirror with swapped colours makes equal count as one.

Compact form: start and goal with 0 for the empty cell, and a letter for the cell that is left:
"jRR0BBBB0RR=" -> "bdecabdc" (a is cell 1).

Ref: Shojaee et al. 2025, The Illusion of Thinking, arXiv:2506.06941. Differs: any start and goal.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate, combinations
from typing import Any, NamedTuple

from gradatim.errors import ArgumentError
from gradatim.families import moves
from gradatim.families.knobs import complete
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Step, Verdict

LARGEST = 7  # checkers of a colour up to which any position may be the start
CELLS = "abcdefghijklmno"
COUNTED = 20_000  # instances up to which a space is counted to the end

KNOBS = {
    "checkers": Knob("checkers of each colour; above 7 the setup is classic", 3, 1, 10),
    "least": Knob("fewest moves of a plan", 1, 1, 120),
    "most": Knob("most moves of a plan", 120, 1, 120),
    "setup": Knob("positions: any, or the classic swap", "any", choices=("any", "classic")),
}

_CHECKERS = (6, 6, 6, 6, 6, 6, 7, 7, 7, 7)  # shorter rows hold too few instances
_BOUNDS = (1, 3, 5, 8, 11, 15, 19, 24, 30, 37, 64)  # of moves, level by level
LADDER = {
    level: {
        "checkers": _CHECKERS[level - 1],
        "least": _BOUNDS[level - 1],
        "most": _BOUNDS[level] - 1,
        "setup": "any",
    }
    for level in range(1, 11)
}


def _within(setting: Mapping[str, Any]) -> range:
    """The numbers of moves that a plan may have."""
    n, least, most = setting["checkers"], setting["least"], setting["most"]
    top = (n + 1) ** 2 - 1
    if setting["setup"] == "classic":
        if not least <= top <= most:
            raise ArgumentError(
                f"`checker_jumping.setup` classic needs {top} moves with {n} checkers, outside "
                f"`least` = {least} and `most` = {most}; widen them"
            )
        return range(top, top + 1)
    if n > LARGEST:
        raise ArgumentError(
            f"`checker_jumping.checkers` must be at most {LARGEST} with setup any, got {n}; "
            "use setup classic"
        )
    if least > min(top, most):
        raise ArgumentError(
            f"`checker_jumping.least` must be at most `most` = {most} and {top}, the most that "
            f"{n} checkers can need; got {least}"
        )
    return range(least, min(top, most) + 1)


@lru_cache(maxsize=1 << 17)
def _next(row: str) -> tuple[tuple[int, str], ...]:
    """Legal moves: the cell that is left (from 0), and the row after it."""
    gap, out = row.index("_"), []
    for side, mine, other in ((-1, "R", "B"), (1, "B", "R")):
        near, far = gap + side, gap + 2 * side
        if 0 <= near < len(row) and row[near] == mine:
            out.append(near)
        elif 0 <= far < len(row) and row[near] == other and row[far] == mine:
            out.append(far)
    rows = []
    for cell in out:
        after = list(row)
        after[gap], after[cell] = after[cell], "_"
        rows.append((cell, "".join(after)))
    return tuple(rows)


@lru_cache(maxsize=1 << 17)
def _height(row: str) -> int:
    """Moves until nothing moves, at most."""
    return max((1 + _height(after) for _, after in _next(row)), default=0)


@lru_cache(maxsize=64)
def _starts(n: int, least: int) -> tuple[str, ...]:
    """Positions from which so many moves can be made, in alphabetical order."""
    rows = []
    for reds in combinations(range(2 * n), n):
        checkers = "".join(["R" if i in reds else "B" for i in range(2 * n)])
        rows += [checkers[:gap] + "_" + checkers[gap:] for gap in range(2 * n + 1)]
    return tuple(sorted(row for row in rows if _height(row) >= least))


@lru_cache(maxsize=64)
def _weights(n: int, least: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """These positions, and sums of their numbers of lengths: more lengths reach more goals."""
    rows = _starts(n, least)
    return rows, tuple(accumulate(_height(row) - least + 1 for row in rows))


def _swap(n: int) -> list[tuple[int, str]]:
    """The classic swap: red and blue take turns with 1, 2, .. n, n, n, .. 2, 1 moves each.

    A colour never has more than one legal move, so its name is enough.
    """
    row = "R" * n + "_" + "B" * n
    plan: list[tuple[int, str]] = []
    for turn, size in enumerate([*range(1, n + 1), n, *range(n, 0, -1)]):
        for _ in range(size):
            cell, row = next(pair for pair in _next(row) if row[pair[0]] == "RB"[turn % 2])
            plan.append((cell, row))
    return plan


def _walk(stream: Stream, n: int, within: range) -> tuple[str, list[tuple[int, str]]]:
    """A position, and random moves from it."""
    rows, weights = _weights(n, within[0])
    start = row = rows[bisect_right(weights, stream.below(weights[-1]))]
    left = stream.between(within[0], min(within[-1], _height(start)))
    plan: list[tuple[int, str]] = []
    while left:
        left -= 1
        options = _next(row)
        move = options[0]
        if len(options) == 2 and _height(options[1][1]) >= left:
            move = options[stream.below(2) if _height(move[1]) >= left else 1]
        plan.append(move)
        row = move[1]
    return start, plan


def _mirror(row: str) -> str:
    return row[::-1].translate({82: "B", 66: "R"})


def make(stream: Stream, *, checkers: int, **rest: Any) -> Draft:
    """Two positions that are `least` to `most` moves apart, and a plan."""
    within = _within({"checkers": checkers, **rest})
    if rest["setup"] == "any":
        start, plan = _walk(stream, checkers, within)
    else:
        start, plan = "R" * checkers + "_" + "B" * checkers, _swap(checkers)
    goal = plan[-1][1]
    form = min(f"{start}{goal}", f"{_mirror(start)}{_mirror(goal)}")
    if not stream.wants(form):
        return Draft("", "", form)
    code = f"{start}{goal}".replace("_", "0")
    cells = 2 * checkers + 1
    small = checkers <= LARGEST
    return Draft(
        prompt=(
            f"Checker jumping: a row of {cells} cells, numbered 1 to {cells} from left to right, "
            f"with {checkers} red checkers R, {checkers} blue checkers B and one empty cell _.\n"
            "Red checkers move to the right only, blue ones to the left only. A checker moves "
            "into the empty cell next to it, or jumps over exactly one checker of the other "
            f"colour into the empty cell behind it.\nStart: {' '.join(start)}\n"
            f"Goal: {' '.join(goal)}\n"
            "Answer with the moves in order, each as the number of the cell that the checker "
            "leaves, separated by spaces, and nothing else."
        ),
        answer=" ".join([str(cell + 1) for cell, _ in plan]),
        canonical=form,
        compact=f"j{code}=" if small else None,
        compact_answer="".join([CELLS[cell] for cell, _ in plan]) if small else None,
        meta={"start": start, "goal": goal},
    )


class _Row(NamedTuple):
    marks: list[str]
    gap: list[int]  # the empty cell


def _begin(problem: Problem) -> _Row:
    start = problem.meta["start"]
    return _Row(list(start), [start.index("_")])


def _step(row: _Row, move: str) -> _Row | None:
    marks, (gap,) = row
    cell = int(move) - 1
    if not 0 <= cell < len(marks):
        return None
    mark, way = marks[cell], gap - cell
    if mark != ("R" if way > 0 else "B") or abs(way) > 2:
        return None
    if abs(way) == 2 and marks[(cell + gap) // 2] == mark:
        return None
    marks[cell], marks[gap] = "_", mark
    row.gap[0] = cell
    return row


def _form(plan: list[str]) -> list[str]:
    return [move if move.isdigit() else str(CELLS.index(move) + 1) for move in plan]


GAME = moves.Game(
    patterns=(re.compile("[0-9]{1,4}"), re.compile("[a-o]")),
    start=_begin,
    step=_step,
    done=lambda problem, row: "".join(row.marks) == problem.meta["goal"],
    form=_form,
    written=re.compile("[0-9]{1,4}(?: [0-9]{1,4})*"),
)


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply's moves are legal and end in the goal; else which is the first illegal."""
    return moves.check(GAME, problem, text)


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The moves of a reply as steps, up to the first illegal one."""
    return moves.trace(GAME, problem, text)


def _passed(row: str) -> int:
    """Pairs of a blue checker and a red one to the right of it."""
    return sum(row[:i].count("B") for i, mark in enumerate(row) if mark == "R")


def _way(row: str) -> int:
    """Cells that red and blue have gone, up to a constant."""
    return sum(i * ((mark == "R") - (mark == "B")) for i, mark in enumerate(row))


def effort(problem: Problem) -> float:
    """Moves of every plan: the way of all checkers, less one for each jump; (N + 1)^2 - 1 at most.

    A jump takes one red past one blue, and nothing else does; it covers two cells in one move.

    Ref: Shojaee et al. 2025, arXiv:2506.06941, for the classic.
    """
    start, goal = problem.meta["start"], problem.meta["goal"]
    return _way(goal) - _way(start) - (_passed(goal) - _passed(start))


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of as many moves as needed, each any cell, where that is `least` moves: a bound.

    No position has more than two legal moves, one of each colour, and the last one is forced.
    """
    setting = complete(KNOBS, knobs)
    least, cells = _within(setting)[0], 2 * setting["checkers"] + 1
    return (2 / cells) ** (least - 1) / cells


@lru_cache(maxsize=64)
def _space(n: int, within: range) -> int:
    """Pairs of positions so many moves apart, a pair and its mirror counted once.

    Stops above `COUNTED`.
    """
    pairs = same = 0
    for start in _starts(n, within[0]):
        if pairs > 2 * COUNTED + 1:
            break
        layer = {start}
        for number in range(1, within[-1] + 1):
            layer = {after for row in layer for _, after in _next(row)}
            if not layer:
                break
            if number in within:
                pairs += len(layer)
                same += sum(row == _mirror(row) for row in layer) if start == _mirror(start) else 0
    return (pairs + same) // 2


def space(knobs: Mapping[str, Any]) -> int:
    """Pairs of positions `least` to `most` moves apart, up to mirrors.

    Exact up to 20,000, above that a lower bound.

    >>> space({"checkers": 1}), space({"checkers": 3, "least": 15})
    (6, 1)
    """
    setting = complete(KNOBS, knobs)
    within = _within(setting)
    return 1 if setting["setup"] == "classic" else _space(setting["checkers"], within)


_REWRITES = (("R_", "_R", 0), ("RB_", "_BR", 0), ("_B", "B_", 1), ("_RB", "BR_", 2))


def _read(prompt: str) -> tuple[str, str]:
    rows = [line.split(":")[1] for line in prompt.split("\n") if line[:5] in ("Start", "Goal:")]
    start, goal = (row.replace(" ", "") for row in rows)
    return start, goal


def solve(problem: Problem) -> str:
    """A plan from the prompt's text alone, by rewriting rows in every way until the goal is met."""
    start, goal = _read(str(problem.prompt))
    plans = {start: ""}
    layer = [start]
    while goal not in plans:
        if not layer:
            raise ArgumentError(f"`problem` {problem.id} has no plan")
        below = []
        for row in layer:
            for old, new, mover in _REWRITES:
                at = row.find(old)
                after = row.replace(old, new)
                if at >= 0 and after not in plans:
                    plans[after] = f"{plans[row]} {at + mover + 1}"
                    below.append(after)
        layer = below
    return plans[goal].strip()


def judge(problem: Problem, answer: str) -> bool:
    """Whether cells name moves that rewrite the prompt's start into its goal."""
    row, goal = _read(str(problem.prompt))
    for number in answer.split(" "):
        options = {}
        for old, new, mover in _REWRITES:
            if old in row:
                options[str(row.find(old) + mover + 1)] = row.replace(old, new)
        if number not in options:
            return False
        row = options[number]
    return row == goal


FAMILY = Family(
    name="checker_jumping",
    doc="red and blue checkers that pass each other in a row",
    version="2",  # since 2 longer rows at low levels, where short ones repeat
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    trace=trace,
    effort=effort,
    effort_unit="moves of a plan",
    judge=judge,
)
