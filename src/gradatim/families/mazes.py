"""Mazes on a grid: walk from S to G around the walls.

Any path over open cells that ends in G is right; the mode `mazes.shortest` wants one of least
length. Cells are open or wall at random; the walker starts anywhere, and the goal is any cell that
can be reached and is far enough. Mazes that a turn or a mirror makes equal count as one.

Compact form: "m", then the rows one after the other, 0 open and 1 wall, s and g: for three by
three "ms0110011g=" -> "rdrd"; the answer is the moves as letters u, d, l, r.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.families import moves
from gradatim.families.knobs import complete, mode
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Step, Verdict

COMPACT = 6  # sizes up to which there is a compact form
TRIES = 40  # grids drawn before walls get rarer
FREE = 20  # grids drawn with rarer walls before there are none
FEW = 24  # bits of a board that are looked at one by one

KNOBS = {
    "size": Knob("rows, and columns", 6, 3, 16),
    "walls": Knob("walls, in sixteenths of the cells", 6, 1, 8),
    "least": Knob("fewest moves that a shortest path may have", 1, 1, 30),
    "most": Knob("most moves that a shortest path may have", 256, 1, 256),
    "plan": Knob("which paths are right", "any", choices=("any", "shortest")),
}

_BOUNDS = (2, 5, 7, 9, 11, 13, 15, 18, 21, 24, 257)  # of moves, level by level
_SIZES = (4, 5, 6, 7, 8, 9, 10, 11, 13, 15)
LADDER = {
    level: {
        "size": _SIZES[level - 1],
        "walls": 6,
        "least": _BOUNDS[level - 1],
        "most": _BOUNDS[level] - 1,
        "plan": "any",
    }
    for level in range(1, 11)
}

_WAYS = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}


def _need(size: int, least: int, most: int) -> None:
    top = min(2 * (size - 1), most)
    if least > top:
        raise ArgumentError(
            f"`mazes.least` must be at most `most` = {most} and {2 * (size - 1)}, corner to "
            f"corner at size {size}; got {least}"
        )


@lru_cache(maxsize=32)
def inside(size: int) -> int:
    """All cells of a bit board."""
    return sum((1 << size) - 1 << row * (size + 1) for row in range(size))


def random_cells(stream: Stream, size: int, walls: int) -> int:
    """Open cells as a bit board: `size` rows of size + 1 bits, the last of each a wall."""
    wide = size * (size + 1)
    board = 0
    for bit in range(4):  # each cell is a wall where a random binary fraction is below walls/16
        word = stream.below(1 << wide)
        board = board | word if walls >> bit & 1 else board & word
    return ~board & inside(size)


def layers_of(board: int, start: int, wide: int) -> list[int]:
    """Cells by their distance from the start."""
    layers = [start]
    front = start
    board &= ~start
    while True:
        front = (front << 1 | front >> 1 | front << wide | front >> wide) & board
        if not front:
            return layers
        board ^= front
        layers.append(front)


def pick(stream: Stream, board: int) -> int:
    """One of the cells of a board."""
    count, width, skipped = stream.below(board.bit_count()), board.bit_length(), 0
    while width > FEW:  # half of the board at a time, then cell by cell
        width >>= 1
        low = board & (1 << width) - 1
        below = low.bit_count()
        if count < below:
            board = low
        else:
            count -= below
            board >>= width
            skipped += width
            width = board.bit_length()
    for _ in range(count):
        board &= board - 1
    return (board & -board) << skipped


def _drawn(stream: Stream, size: int, walls: int, within: range) -> tuple[int, list[int], int]:
    """Open cells, the layers up to the goal, and the goal."""
    tries, far = 0, []
    board, layers = 0, [0]
    while not far:
        sparse = max(0, tries - TRIES)
        tries += 1
        board = random_cells(stream, size, max(1, walls - sparse) if sparse < FREE else 0)
        if board:
            start = 1 if sparse >= FREE else pick(stream, board)
            layers = layers_of(board, start, size + 1)
            far = layers[within[0] : within[-1] + 1]
    at = within[0]
    count = stream.below(sum(layer.bit_count() for layer in far))
    while count >= layers[at].bit_count():
        count -= layers[at].bit_count()
        at += 1
    return board, layers[: at + 1], pick(stream, layers[at])


def path_of(layers: list[int], goal: int, wide: int) -> str:
    """A shortest path, from its end: the moves that lead from each layer to the next."""
    path = []
    for layer in reversed(layers[:-1]):
        if layer & goal >> 1:
            goal, move = goal >> 1, "R"
        elif layer & goal << 1:
            goal, move = goal << 1, "L"
        elif layer & goal >> wide:
            goal, move = goal >> wide, "D"
        else:
            goal, move = goal << wide, "U"
        path.append(move)
    return "".join(reversed(path))


def rows_of(board: int, start: int, goal: int, size: int) -> list[str]:
    """The maze as it is shown."""
    cells = list(format(board, f"0{size * (size + 1)}b")[::-1].translate({48: "#", 49: "."}))
    cells[start.bit_length() - 1] = "S"
    cells[goal.bit_length() - 1] = "G"
    text = "".join(cells)
    return [text[at : at + size] for at in range(0, len(text), size + 1)]


def canonical(rows: list[str]) -> str:
    """The first in the alphabet of the eight turns and mirrors."""
    whole, size = "".join(rows), len(rows)
    turned = [whole[at::size] for at in range(size)]
    side = "".join(turned)
    back = "".join([row[::-1] for row in rows])
    side_back = "".join([row[::-1] for row in turned])
    four = (whole, side, back, side_back)
    return min(*four, *[text[::-1] for text in four])


def make(stream: Stream, *, size: int, walls: int, plan: str, **bounds: int) -> Draft:
    """A random grid with a way from S to G of `least` to `most` moves at best."""
    least, most = bounds["least"], bounds["most"]
    _need(size, least, most)
    board, layers, goal = _drawn(stream, size, walls, range(least, most + 1))
    rows = rows_of(board, layers[0], goal, size)
    form = canonical(rows)
    if not stream.wants(form):
        return Draft("", "", form)
    answer = path_of(layers, goal, size + 1)
    few = " Use as few moves as possible." if plan == "shortest" else ""
    meta: dict[str, Any] = {"rows": rows}
    if plan == "shortest":
        meta["shortest"] = len(answer)
    code = "".join(rows).translate({35: "1", 46: "0", 83: "s", 71: "g"})
    small = size <= COMPACT
    return Draft(
        prompt=(
            f"A maze of {size} by {size} cells: # is a wall, . is open, S is the start, G is the "
            "goal.\n" + "\n".join(rows) + "\nA move goes to the next cell: U up, D down, L left, "
            f"R right. Walls cannot be entered, nor the maze be left. Go from S to G.{few}\n"
            "Answer with the moves in order as letters without spaces such as RRD, and nothing "
            "else."
        ),
        answer=answer,
        canonical=form,
        compact=f"m{code}=" if small else None,
        compact_answer=answer.lower() if small else None,
        meta=meta,
    )


def _place(rows: list[str], mark: str) -> tuple[int, int]:
    return next((y, row.index(mark)) for y, row in enumerate(rows) if mark in row)


def _begin(problem: Problem) -> tuple[list[str], int, int]:
    return problem.meta["rows"], *_place(problem.meta["rows"], "S")


def _step(walk: tuple[list[str], int, int], move: str) -> tuple[list[str], int, int] | None:
    rows, y, x = walk
    down, right = _WAYS[move]
    y, x, size = y + down, x + right, len(rows)
    if not (0 <= y < size and 0 <= x < size) or rows[y][x] == "#":
        return None
    return rows, y, x


GAME = moves.Game(
    patterns=(re.compile("[UDLRudlr]"),),
    start=_begin,
    step=_step,
    done=lambda problem, walk: walk[0][walk[1]][walk[2]] == "G",
    form=lambda path: [move.upper() for move in path],
    joint="",
    written=re.compile("[UDLR]+"),
)


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply's moves stay on open cells and end in G; else which is the first illegal."""
    return moves.check(GAME, problem, text)


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The moves of a reply as steps, up to the first illegal one."""
    return moves.trace(GAME, problem, text)


def effort(problem: Problem) -> float:
    """Moves of a shortest path."""
    return len(solve(problem))


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that a random path of the right length is right, where it needs `least` moves.

    Each move one of four, and 2^(least / 2) shortest paths: a corridor with a free choice at every
    other step, above what is found at any level.
    """
    least = complete(KNOBS, knobs)["least"]
    return 2 ** (least / 2) / 4**least


def space(knobs: Mapping[str, Any]) -> int:
    """Mazes with S in a corner and G `least` moves along the border, up to turns and mirrors.

    No way is shorter than that, whatever the other cells are: 2^(size^2 - least - 1) grids, at
    most eight of them equal. A lower bound of all.

    >>> space({"size": 4, "least": 6})
    64
    """
    setting = complete(KNOBS, knobs)
    size, least = setting["size"], setting["least"]
    _need(size, least, setting["most"])
    return max(1, 2 ** (size * size - least - 1) // 8)


def way(prompt: str) -> str | None:
    """A shortest path from the prompt's text, by breadth-first search; None where there is none."""
    rows = prompt.split("\n")[1:]
    start = _place(rows, "S")
    came: dict[tuple[int, int], str] = {start: ""}
    queue = deque([start])
    size = len(rows[0])
    while queue:
        y, x = queue.popleft()
        if rows[y][x] == "G":
            return came[y, x]
        for move, (down, right) in _WAYS.items():
            there = y + down, x + right
            inside = 0 <= there[0] < size and 0 <= there[1] < size
            if inside and there not in came and rows[there[0]][there[1]] in ".SG":
                came[there] = came[y, x] + move
                queue.append(there)
    return None


def solve(problem: Problem) -> str:
    """A shortest path from the prompt's text alone, by breadth-first search."""
    found = way(str(problem.prompt))
    if found is None:
        raise ArgumentError(f"`problem` {problem.id} has no way from S to G")
    return found


def judge(problem: Problem, answer: str) -> bool:
    """Whether letters walk from S to G over open cells of the prompt, and shortest if it asks."""
    prompt = str(problem.prompt)
    return walks(prompt, answer) and ("as few" not in prompt or len(answer) == len(solve(problem)))


def walks(prompt: str, answer: str) -> bool:
    """Whether letters walk from S to G over open cells of a prompt."""
    rows = prompt.split("\n")[1:]
    size = len(rows[0])
    cells = {(x, y): rows[y][x] for y in range(size) for x in range(size)}
    x, y = next(cell for cell, mark in cells.items() if mark == "S")
    for letter in answer:
        x += (letter == "R") - (letter == "L")
        y += (letter == "D") - (letter == "U")
        if letter not in "UDLR" or cells.get((x, y), "#") == "#":
            return False
    return cells[x, y] == "G"


FAMILY = Family(
    name="mazes",
    doc="a way through a grid maze",
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
    effort_unit="moves of a shortest path",
    judge=judge,
)
SHORTEST = mode(FAMILY, "shortest", "a shortest way through a grid maze", plan="shortest")
