"""Plans: a reply's moves are played one by one, up to the first that the rules forbid.

What every puzzle with moves shares: reading a plan from a reply, playing it, saying which move is
the first illegal one, and the steps of a reply for those who measure them one by one.

Ref: Shojaee et al. 2025, The Illusion of Thinking, arXiv:2506.06941 (simulators that check every
move and report the first failure).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gradatim.checkers.abstention import abstention
from gradatim.checkers.extract import UNPARSED, Found, announced, extract, last_lines, plain
from gradatim.rng import digest
from gradatim.types import Problem, Step, Verdict

LONGEST = 20_000  # characters; longer is no plan that anyone asked for
MARKS = " \t\r\n,;.[]()\"'"  # what may stand between moves and around them


class Game(NamedTuple):
    """Rules of a puzzle.

    Attributes:
        patterns: one move as text, without groups; the second pattern is the compact form's.
        start: problem -> state; any object whose `repr` tells states apart, never None.
        step: (state, move) -> the state after it, None where the move is illegal. It may change
            the state it is given.
        done: (problem, state) -> whether the goal is reached.
        form: moves as written -> moves as `step` knows them.
        joint: what stands between the moves of a plan.
        written: a whole plan as the family itself writes it; such a text needs no search.
    """

    patterns: tuple[re.Pattern[str], ...]
    start: Callable[[Problem], Any]
    step: Callable[[Any, str], Any]
    done: Callable[[Problem, Any], bool]
    form: Callable[[list[str]], list[str]] = lambda moves: moves
    joint: str = " "
    written: re.Pattern[str] | None = None


def _pattern(game: Game, answer: str) -> re.Pattern[str] | None:
    """The form in which a text is nothing but moves."""
    for pattern in game.patterns:
        if not pattern.sub("", answer).strip(MARKS) and pattern.search(answer):
            return pattern
    return None


def locate(game: Game, text: str | None) -> Found:
    """What `extract` finds; of a plan of one move a line, at the end, all of its lines."""
    found = extract(text)
    if found.how != "line" or found.answer is None or len(found.answer) > LONGEST:
        return found
    stated = plain(found.answer)
    pattern = _pattern(game, stated)
    if pattern is None or len(pattern.findall(stated)) != 1:
        return found
    return Found(_a_move_a_line(pattern, last_lines(text or "")) or found.answer, "line")


def _located(game: Game, text: str | None) -> tuple[re.Pattern[str], str] | None:
    """The form of a reply's plan, and the part of the reply that states it."""
    found = locate(game, text)
    if found.answer is None or len(found.answer) > LONGEST:
        return None
    stated = plain(found.answer)
    pattern = _pattern(game, stated)
    if pattern is None and found.how == "line":
        stated = announced(found.answer) or ""
        pattern = _pattern(game, stated)
    return None if pattern is None else (pattern, stated)


def _a_move_a_line(pattern: re.Pattern[str], lines: list[str]) -> str:
    """The lines at the end that are one move each, as they stand."""
    first = len(lines)
    while first and len(pattern.findall(line := lines[first - 1])) == 1:
        if pattern.sub("", line).strip(MARKS):
            break
        first -= 1
    return "".join(lines[first:])


def read(game: Game, text: str | None) -> list[str] | None:
    """The moves that a reply states, None where its answer is anything else."""
    if (
        game.written is not None
        and isinstance(text, str)
        and len(text) <= LONGEST
        and game.written.fullmatch(text)
    ):
        return text.split(game.joint) if game.joint else list(text)
    located = _located(game, text)
    return None if located is None else game.form(located[0].findall(located[1]))


def _wrong(why: str) -> Verdict:
    return Verdict(0.0, False, why, "wrong")


def check(game: Game, problem: Problem, text: str | None) -> Verdict:
    """Whether a reply's plan is legal and ends in the goal.

    The answer of a wrong verdict says why: "illegal move 3: AC" counts moves from 1. Where
    `problem.meta["shortest"]` gives a number, a longer plan is wrong.
    """
    moves = read(game, text)
    if moves is None:
        return abstention(problem, text) or UNPARSED
    state, step = game.start(problem), game.step
    for place, move in enumerate(moves, 1):
        state = step(state, move)
        if state is None:
            return _wrong(f"illegal move {place}: {move}")
    if not game.done(problem, state):
        return _wrong(f"not at the goal after {len(moves)} moves")
    fewest = problem.meta.get("shortest")
    if fewest is not None and len(moves) > fewest:
        return _wrong(f"{len(moves)} moves where {fewest} are enough")
    return Verdict(1.0, True, game.joint.join(moves), "correct")


def trace(game: Game, problem: Problem, text: str) -> Iterator[Step]:
    """The steps of a reply's plan, up to and with the first illegal move; none where it has none.

    An illegal move leads nowhere: its state is the one before it.
    """
    located = _located(game, text)
    if located is None:
        return
    pattern, stated = located
    at = max(0, text.rfind(stated))
    places = [match.end() for match in pattern.finditer(stated)]
    state = game.start(problem)
    for end, move in zip(places, game.form(pattern.findall(stated)), strict=True):
        before = digest("state", repr(state), size=8).hex()
        state = game.step(state, move)
        if state is None:
            yield Step(at + end, before, move, False)
            return
        yield Step(at + end, digest("state", repr(state), size=8).hex(), move, True)
