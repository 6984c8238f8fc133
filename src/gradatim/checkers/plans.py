"""Plans: sequences of moves that rules judge, not comparison with one right sequence.

`replay` runs moves through any rules. The checker "plan" does so for problems that bring their
rules as a table in meta: {"start": state, "goal": [states], "moves": {state: {move: state}}} and,
where the question asks for a shortest plan, {"most": number of moves}.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from gradatim.checkers.extract import UNPARSED, announced, extract, plain, without_reasoning
from gradatim.types import Problem, Verdict

State = TypeVar("State")
LONGEST = 200_000  # characters of a reply's plan
_BETWEEN = re.compile(r"\s*(?:[,;，、\n]|->|→|\\to\b)\s*")
_SAID = re.compile(r"^[^:]{0,80}\b(?:plan|moves|path|steps)(?: is| are)?\s*:?\s*", re.IGNORECASE)
_NUMBERED = re.compile(r"^(?:step\s+)?\d+\s*[.):]\s*", re.IGNORECASE)


class Replay(NamedTuple):
    """What came of a plan.

    Attributes:
        states: the start, and the state after every legal move.
        illegal: index of the first move that the rules forbid, counted from 0; None = none.
    """

    states: list[Any]
    illegal: int | None


def replay(
    start: State, moves: Sequence[Any], step: Callable[[State, Any], State | None]
) -> Replay:
    """Run moves from a start until one is illegal.

    Args:
        start: the first state.
        moves: the plan.
        step: (state, move) -> next state, or None where the move is not allowed.

    >>> replay(0, [1, 2, -9, 1], lambda at, move: at + move if at + move >= 0 else None)
    Replay(states=[0, 1, 3], illegal=2)
    """
    states: list[Any] = [start]
    for i, move in enumerate(moves):
        after = step(states[-1], move)
        if after is None:
            return Replay(states, i)
        states.append(after)
    return Replay(states, None)


def parse_moves(text: str) -> list[str]:
    r"""Moves of a plan: between commas, semicolons, arrows or lines; brackets and numbers go.

    >>> parse_moves("[up, left]"), parse_moves("1. up\n2. left"), parse_moves("up -> left")
    (['up', 'left'], ['up', 'left'], ['up', 'left'])
    """
    text = plain(text)
    if (text[:1], text[-1:]) in (("[", "]"), ("(", ")"), ("{", "}")):
        text = text[1:-1]
    parts = (_NUMBERED.sub("", plain(part)).strip() for part in _BETWEEN.split(text))
    return [" ".join(part.casefold().split()) for part in parts if part]


def _stated(text: str | None, known: set[str]) -> list[str] | None:
    """The plan of a reply; None where it names no move that there is."""
    found = extract(text)
    if found.answer is None or len(found.answer) > LONGEST:
        return None
    options = [found.answer]
    if found.how == "line":
        options.insert(
            0, announced(found.answer) or _SAID.sub("", found.answer[-LONGEST:], count=1)
        )
        rest = (without_reasoning(text or "") or "").strip()[-LONGEST:].splitlines()
        tail = []
        for line in reversed(rest):  # a move a line, at the end of the reply
            moves = parse_moves(line)
            if len(moves) != 1 or moves[0] not in known:
                break
            tail.append(moves[0])
        if len(tail) > 1:
            return tail[::-1]
    for option in options:
        moves = parse_moves(option) if option else []
        if moves and known.intersection(moves):
            return moves
    return None


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply's moves lead from start to goal by the table in the problem's meta.

    >>> meta = {"start": "a", "goal": ["c"], "moves": {"a": {"x": "b"}, "b": {"x": "c", "y": "a"}}}
    >>> problem = Problem(id="1", prompt="?", answer="x, x", verifier="plan", meta=meta)
    >>> check(problem, "The plan is: x, y, x, x.").solved, check(problem, "y, x").answer
    (True, 'move 1 is illegal: y')
    """
    meta = problem.meta
    if not {"start", "goal", "moves"} <= meta.keys():
        return Verdict(0.0, False, None, "verifier_error")
    table = {
        state: {" ".join(move.casefold().split()): after for move, after in row.items()}
        for state, row in meta["moves"].items()
    }
    moves = _stated(text, {move for row in table.values() for move in row})
    if moves is None:
        return UNPARSED
    found = replay(meta["start"], moves, lambda state, move: table.get(state, {}).get(move))
    if found.illegal is not None:
        said = f"move {found.illegal + 1} is illegal: {moves[found.illegal][:100]}"
        return Verdict(0.0, False, said, "wrong")
    right = found.states[-1] in meta["goal"] and len(moves) <= meta.get("most", len(moves))
    shown = ", ".join(moves)[:2000]
    return Verdict(float(right), right, shown, "correct" if right else "wrong")
