"""`stepwise(SPEC)`: a problem is taken apart, its parts are asked one after the other.

The answer to a part stands in the parts after it. With a route inside, `stepwise(route(FAST,
SLOW))`, easy parts are answered fast and hard ones slowly; every attempt's `detail` holds what was
asked and where it went. What cannot be taken apart is asked as it is.
"""

import ast
import dataclasses
import functools
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.families.verify import check
from gradatim.solvers.controllers import mapped, named_function, spent
from gradatim.types import Problem, Reply, Request, Solver

Parts = Generator[Problem, str, str]  # asks problems, is sent their answers, returns the reply
OPERATIONS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
# as far as it goes: 4 + 1 inside 3 / 4 + 1 is no expression of its own
EXPRESSION = re.compile(r"[\d+\-*/^%.()×÷ ]*\d[\d+\-*/^%.()×÷ ]*")
LONGEST = 2000  # characters of an expression


def stepwise(
    inner: Sequence[Solver],
    *,
    parts: str | Callable[[Problem], Parts] = "arithmetic",
    whole: int = 0,
    at_once: int = 32,
) -> Solver:
    """`stepwise(SPEC)`.

    Args:
        inner: the solver of parts.
        parts: "arithmetic", see `arithmetic_parts`; "python:MODULE:FUNCTION" or a function from a
            problem to a generator that yields parts, is sent the answer of each as its verifier
            reads it, and returns the reply.
        whole: of "arithmetic": expressions up to this difficulty are asked in one piece; 0 takes
            everything apart.
        at_once: attempts under way together. It changes no answer: a budget that ends, or Ctrl-C,
            costs what was paid for at most so many unfinished ones, while a server with many
            requests in flight is kept busy by more.

    Ref: SCALE (selective resource allocation for test-time scaling): sub-problems, a difficulty
        for each, fast or slow by threshold, answers passed on. Differs: parts and difficulties
        come from the problem's text and not from a model. With `whole` it is Prompt Recursive
        Search: what is complex is split and its parts are looked at again.

    Raises:
        ArgumentError: no such way to take problems apart.
    """
    (solver,) = inner
    checks.whole(0, 10**6, whole=whole)
    checks.whole(1, 10**6, at_once=at_once)
    take_apart: Callable[[Problem], Parts]
    if parts == "arithmetic":
        take_apart, said = functools.partial(arithmetic_parts, whole=whole), "arithmetic"
    elif isinstance(parts, str) and not parts.startswith("python:"):
        raise ArgumentError(f"`parts` must be arithmetic or python:MODULE:FUNCTION, got {parts!r}")
    else:
        take_apart, said = named_function(parts)

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        return _rounds(solver, take_apart, requests, at_once)

    return Solver(
        name=f"stepwise({solver.name})",
        answer=answer,
        policy=solver.policy,
        params={"parts": said, "whole": int(whole), "inner": dict(solver.params)},
        prompt=solver.prompt,
        close=solver.close,
        report=solver.report,
    )


# -- asking -----------------------------------------------------------------------------------


class _Attempt:
    """One attempt on its way: what it asks now, and what came back so far."""

    def __init__(self, request: Request, sample: int, parts: Parts) -> None:
        self.request, self.sample, self.parts = request, sample, parts
        self.replies: list[Reply] = []
        self.asked = request.problem
        self.text: str | None = None
        self.done = False
        self.split = self._move(None)  # whether there was anything to take apart

    def _move(self, answer: str | None) -> bool:
        """Take the next part; False at the end."""
        try:
            part = next(self.parts) if answer is None else self.parts.send(answer)
        except StopIteration as end:
            self.text = end.value
            return False
        number = f"{self.request.problem.id}/{self.sample}/{len(self.replies)}"
        self.asked = dataclasses.replace(part, id=number)
        return True

    def take(self, reply: Reply) -> bool:
        """Go on with a reply; True when the attempt is complete."""
        self.replies.append(reply)
        if not self.split or reply.status != "finished":
            self.text = reply.text if not self.split else None
            return True
        read = check(self.asked, reply.text).answer
        if read is None:  # an answer that cannot be read is where it ends
            self.text = reply.text
            return True
        return not self._move(read)

    def reply(self) -> Reply:
        last = self.replies[-1]
        log = "; ".join(
            f"{part.request.problem.prompt} {part.detail}".strip() for part in self.replies
        )
        return last._replace(
            request=self.request,
            sample=self.sample,
            text=self.text,
            detail=f"{len(self.replies)} parts: {log}" if self.split else last.detail,
            logp=None if self.split else last.logp,
            certainty=None if self.split else last.certainty,
            **spent(self.replies)._asdict(),
        )


def _rounds(
    solver: Solver,
    take_apart: Callable[[Problem], Parts],
    requests: Sequence[Request],
    at_once: int,
) -> Iterator[list[Reply]]:
    """Ask the next part of all attempts under way together; those that end make room for others.

    Each attempt comes as soon as it is complete; in a round older ones are asked first. A solver
    that leaves a part without a reply has come to the end of its budget: those under way stay
    unanswered, as if never asked for.
    """
    waiting = (
        _Attempt(request, sample, take_apart(request.problem))
        for request in requests
        for sample in range(request.first, request.first + request.n)
    )
    running = list(islice(waiting, at_once))
    asked: dict[tuple[str, int], _Attempt] = {}

    def take(replies: list[Reply]) -> list[Reply]:
        complete = []
        for reply in replies:
            attempt = asked.pop((reply.request.problem.id, reply.sample))
            attempt.done = attempt.take(reply)
            if attempt.done:
                complete.append(attempt.reply())
        return complete

    while running and not asked:
        asked |= {(attempt.asked.id, attempt.sample): attempt for attempt in running}
        yield from mapped(solver.answer([Request(a.asked, a.sample, 1) for a in running]), take)
        running = [attempt for attempt in running if not attempt.done]
        running += islice(waiting, at_once - len(running))


# -- taking apart -----------------------------------------------------------------------------


def arithmetic_parts(problem: Problem, *, whole: int = 0) -> Parts:
    """The operations of the longest whole-number expression in a prompt, innermost first.

    A part is asked as `36 + 47 =`; its level, 1 .. 10, is its difficulty: for sums and differences
    the places of the longer number plus carries, for products twice the product of the places, and
    the sum of these over the operations of an expression that is asked in one piece.

    Args:
        problem: whose prompt is read; without an expression of + - * there are no parts.
        whole: expressions up to this difficulty are one part.

    >>> parts = arithmetic_parts(Problem(id="x", prompt="What is 7 + 8 - 6?", answer="9"))
    >>> part = next(parts)
    >>> part.prompt, part.level
    ('7 + 8 =', 2)
    >>> parts.send("15").prompt
    '15 - 6 ='
    """
    tree = _expression(problem)
    if tree is None or not isinstance(tree, ast.BinOp):
        return ""
    try:
        return str((yield from _solved(tree, whole)))
    except ValueError as error:  # an answer that is no whole number
        return str(error)


def _expression(problem: Problem) -> ast.expr | None:
    """The longest expression of whole numbers and + - * in a prompt."""
    prompt = problem.prompt if isinstance(problem.prompt, str) else problem.prompt[-1]["content"]
    for run in sorted(EXPRESSION.findall(prompt), key=len, reverse=True):
        text = run.strip(" .")
        try:
            tree = ast.parse(text, mode="eval").body if len(text) <= LONGEST else None
        except (SyntaxError, RecursionError, MemoryError):
            continue
        if tree is not None and all(map(_known, ast.walk(tree))):
            return tree
    return None


def _known(node: ast.AST) -> bool:
    whole = isinstance(node, ast.Constant) and isinstance(node.value, int)
    return whole or isinstance(node, (ast.BinOp, ast.UnaryOp, ast.USub, *OPERATIONS))


def _solved(node: ast.expr, whole: int) -> Generator[Problem, str, int]:
    """The value of an expression, from the answers to its parts."""
    if isinstance(node, ast.Constant):
        return _number(node)
    if isinstance(node, ast.UnaryOp):
        return -(yield from _solved(node.operand, whole))
    assert isinstance(node, ast.BinOp)
    if _measured(node)[1] > whole:
        left = yield from _solved(node.left, whole)
        right = yield from _solved(node.right, whole)
        node = ast.BinOp(ast.Constant(left), node.op, ast.Constant(right))
    value, difficulty = _measured(node)
    answer = yield Problem(
        id="",
        prompt=f"{ast.unparse(node)} =",
        answer=str(value),
        verifier="number",
        level=max(1, min(10, difficulty)),
    )
    if not re.fullmatch(r"-?\d+", answer):
        raise ValueError(answer)
    return int(answer)


def _number(node: ast.Constant) -> int:
    assert isinstance(node.value, int)
    return node.value


def _measured(node: ast.expr) -> tuple[int, int]:
    """Value and difficulty of an expression."""
    if isinstance(node, ast.Constant):
        return _number(node), 0
    if isinstance(node, ast.UnaryOp):
        value, difficulty = _measured(node.operand)
        return -value, difficulty
    assert isinstance(node, ast.BinOp)
    (a, before), (b, more) = _measured(node.left), _measured(node.right)
    sign = OPERATIONS[type(node.op)]
    value = a * b if sign == "*" else a + b if sign == "+" else a - b
    return value, before + more + effort(a, sign, b)


def effort(a: int, sign: str, b: int) -> int:
    """Steps by hand: places and carries of a sum or difference, twice the places of a product.

    >>> effort(3, "+", 4), effort(36, "+", 47), effort(50, "-", 8), effort(36, "*", 4)
    (1, 3, 3, 4)
    """
    x, y = abs(a), abs(b)
    places = len(str(x)), len(str(y))
    if sign == "*":
        return 2 * places[0] * places[1]
    together = (sign == "+") == ((a < 0) == (b < 0))  # whether amounts add
    large, small = max(x, y), min(x, y)
    carries, tens = 0, 10
    for _ in range(max(places)):
        if together:
            carries += large % tens + small % tens >= tens
        else:
            carries += large % tens < small % tens
        tens *= 10
    return max(places) + carries
