"""Controllers: N attempts of a solver make one, chosen or voted; a route between two solvers.

`best-of-8(SPEC)`, `vote-8(SPEC)`, `certain-8(SPEC)` and `route(EASY, HARD)` are solvers like any
other and stand on the scale in their own right. Sample s of one is made of samples 8s .. 8s + 7 of
the solver inside; tokens and seconds of a reply are those of all its inner attempts together. No
choice looks at the gold answer, but for `by=verifier`, which is an oracle.
"""

import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.choice.voting import borda_weights, vote
from gradatim.errors import ArgumentError, SolverError
from gradatim.families.verify import check
from gradatim.solvers.function import load_function
from gradatim.types import Problem, Reply, Request, Solver

Score = Callable[[Problem, str], float]
Choose = Callable[[Problem, Sequence[Reply]], tuple[int, str]]
SCORES = ("logp", "certainty", "verifier")
EMPTY = -sys.float_info.max  # log-probability of a reply without text, where a server gives none


# -- choosing among replies -------------------------------------------------------------------


def best_of(inner: Sequence[Solver], n: int, *, by: str | Score = "logp") -> Solver:
    """`best-of-N(SPEC)`: the reply that scores highest; of equal ones the first.

    Args:
        inner: the solver that makes the attempts.
        n: attempts for one reply.
        by: "logp", mean log-probability of a token, which servers are asked for (of an empty
            reply some give none: it comes last); "certainty", self-certainty; "verifier", the
            reward of the problem's own check, so that one right attempt of n is enough: an
            oracle, and an upper bound of every other way to choose; "python:MODULE:FUNCTION" or a
            function (problem, text) -> score, such as a reward model.

    Raises:
        ArgumentError: no such score.
        SolverError: while answering, where replies lack what the score needs.

    >>> from gradatim.solvers.function import from_function
    >>> longest = best_of([from_function(str.upper, name="shout")], 2, by=lambda p, text: len(text))
    >>> problem = Problem(id="x", prompt="a", answer="A", verifier="exact")
    >>> [reply.text for reply in next(longest.answer([Request(problem, 0, 1)]))]
    ['A']
    """
    (solver,) = inner
    name = f"best-of-{n}({solver.name})"
    score, said = _score(by)

    def choose(problem: Problem, replies: Sequence[Reply]) -> tuple[int, str]:
        scores = [score(name, problem, reply) for reply in replies]
        place = int(np.argmax(scores))
        if scores[place] == EMPTY:
            return place, f"all {len(scores)} are empty"
        return place, f"{scores[place]:.4g} is the best of {len(scores)}"

    return _controller(solver, n, choose, name=name, params={"by": said})


def majority(inner: Sequence[Solver], n: int) -> Solver:
    """`vote-N(SPEC)`: the answer that most replies give, as the problem's verifier reads them.

    Replies whose answer it cannot read, and those that were cut, have no vote.

    >>> from gradatim.solvers.simulated import open_simulated
    >>> majority([open_simulated("2pl")], 5).name
    'vote-5(sim:2pl)'
    """
    (solver,) = inner

    def choose(problem: Problem, replies: Sequence[Reply]) -> tuple[int, str]:
        return _elect(problem, replies, np.ones(len(replies)))

    return _controller(solver, n, choose, name=f"vote-{n}({solver.name})", params={})


def certain(
    inner: Sequence[Solver], n: int, *, by: str = "certainty", power: float = 0.5
) -> Solver:
    """`certain-N(SPEC)`: a vote in which surer replies count more, by their rank.

    Args:
        inner: the solver that makes the attempts.
        n: attempts for one reply.
        by: "certainty", which needs each token's full distribution (hf:, tiny); "logp", mean
            log-probability of a token, an approximation that other solvers can give.
        power: of the ranks' votes, see `voting.borda_weights`; 0 is the plain majority.

    Ref: Kang, Zhao & Song 2025, arXiv 2502.18581 (self-certainty with Borda voting).

    Raises:
        ArgumentError: another score, a power out of range.
        SolverError: while answering, where replies lack the score.
    """
    (solver,) = inner
    checks.one_of("by", by, SCORES[:2])
    checks.within(0, 100, power=power)
    name = f"certain-{n}({solver.name})"
    score, _ = _score(by)

    def choose(problem: Problem, replies: Sequence[Reply]) -> tuple[int, str]:
        scores = np.array([score(name, problem, reply) for reply in replies])
        return _elect(problem, replies, borda_weights(scores, power=power))

    params = {"by": by, "power": float(power)}
    return _controller(solver, n, choose, name=name, params=params)


def _elect(problem: Problem, replies: Sequence[Reply], weight: np.ndarray) -> tuple[int, str]:
    """The first reply with the winning answer; the first of all where no answer can be read."""
    answers = [check(problem, reply.text).answer for reply in replies]
    codes = {answer: i for i, answer in enumerate(dict.fromkeys(answers))}
    codes[None] = -1
    place, share = vote(np.array([codes[answer] for answer in answers]), weight)
    votes = "the votes" if len(replies) > 1 else "1 vote"
    return max(place, 0), f"{share:.3f} of {votes}"


def _score(by: str | Score) -> tuple[Callable[[str, Problem, Reply], float], str]:
    """(controller, problem, reply) -> score; and what the ledger calls it."""
    if callable(by) or by.startswith("python:"):
        function, said = named_function(by)
        return lambda name, problem, reply: float(function(problem, reply.text or "")), said
    checks.one_of("by", by, SCORES)
    return {"logp": _mean_logp, "certainty": _certainty, "verifier": _reward}[by], by


def named_function(by: str | Callable[..., Any]) -> tuple[Callable[..., Any], str]:
    """A function, or the one that python:MODULE:FUNCTION names; and its name and version."""
    if callable(by):
        return (
            by,
            f"{getattr(by, '__module__', '')}:{getattr(by, '__qualname__', type(by).__name__)}",
        )
    function, version = load_function(by.removeprefix("python:"))
    return function, f"{by}@{version}"


def _mean_logp(name: str, problem: Problem, reply: Reply) -> float:
    if reply.logp is None and not reply.text:  # llama.cpp's null where it stops at once
        return EMPTY
    if reply.logp is None or reply.tokens < 0:
        raise SolverError(
            f"{name} ranks replies by log-probability and this solver gave none: choose another "
            "`by`, or have a server send them (openai:, gguf: logprobs=true)"
        )
    return reply.logp / max(reply.tokens, 1)


def _certainty(name: str, problem: Problem, reply: Reply) -> float:
    if reply.certainty is None:
        raise SolverError(
            f"{name} ranks replies by self-certainty, which needs the full distribution of each "
            "token: hf: and tiny give it, this solver does not; by=logp is an approximation"
        )
    return reply.certainty


def _reward(name: str, problem: Problem, reply: Reply) -> float:
    return check(problem, reply.text).reward


# -- many attempts as one ---------------------------------------------------------------------


def _controller(
    solver: Solver, n: int, choose: Choose, *, name: str, params: dict[str, Any]
) -> Solver:
    checks.whole(1, 4096, n=n)

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        return _gathered(solver, requests, n, choose)

    return Solver(
        name=name,
        answer=answer,
        policy=solver.policy,
        params=params | {"inner": dict(solver.params)},
        prompt=solver.prompt,
        close=solver.close,
        report=solver.report,
    )


def _gathered(
    solver: Solver, requests: Sequence[Request], n: int, choose: Choose
) -> Generator[list[Reply], None, None]:
    """Each reply as soon as its n inner attempts are there."""
    asked = {
        (request.problem.id, sample): request
        for request in requests
        for sample in range(request.first, request.first + request.n)
    }
    waiting: dict[tuple[str, int], list[Reply]] = {}
    inner = [Request(request.problem, request.first * n, request.n * n) for request in requests]

    def take(replies: list[Reply]) -> list[Reply]:
        complete = []
        for reply in replies:
            key = (reply.request.problem.id, reply.sample // n)
            waiting.setdefault(key, []).append(reply)
            if len(waiting[key]) == n:
                mine = sorted(waiting.pop(key), key=lambda reply: reply.sample)
                complete.append(_merged(asked[key], key[1], mine, choose))
        return complete

    yield from mapped(solver.answer(inner), take)


def mapped(
    stream: Iterator[list[Reply]], take: Callable[[list[Reply]], list[Reply]]
) -> Generator[list[Reply], None, None]:
    """What `take` makes of each batch; an interrupt thrown in here goes on to the solver inside.

    That is how a solver learns to give what it has in flight and ask no more.
    """
    thrown: KeyboardInterrupt | None = None
    while True:
        try:
            if thrown is not None and isinstance(stream, Generator):
                replies = stream.throw(thrown)
            elif thrown is not None:
                raise thrown
            else:
                replies = next(stream)
        except StopIteration:
            return
        thrown = None
        try:
            if made := take(replies):
                yield made
        except KeyboardInterrupt as interrupt:
            thrown = interrupt


class _Spent(NamedTuple):
    """What inner attempts cost together; -1 where one of them did not say."""

    tokens: int
    prompt_tokens: int
    seconds: float


def spent(replies: Sequence[Reply]) -> _Spent:
    """Sums over replies."""

    def total(counts: list[int]) -> int:
        return -1 if min(counts) < 0 else sum(counts)

    return _Spent(
        total([reply.tokens for reply in replies]),
        total([reply.prompt_tokens for reply in replies]),
        sum(reply.seconds for reply in replies),
    )


def _merged(request: Request, sample: int, replies: list[Reply], choose: Choose) -> Reply:
    """One reply of n: a provider's fault in any is one of all, or N would quietly be smaller.

    Attempts that were cut or timed out are what the solver did: they are not chosen from while
    another was finished, and the detail says how many they were.
    """
    lost = [reply for reply in replies if reply.status == "provider_error"]
    finished = [reply for reply in replies if reply.status == "finished"]
    if lost:
        detail = f"{len(lost)} of {len(replies)} inner attempts: {lost[0].detail}"
        chosen = Reply(request, sample, None, "provider_error", detail=detail)
    elif not finished:
        first = min(replies, key=lambda reply: reply.status != "truncated")
        chosen = first._replace(detail=f"none of {len(replies)} inner attempts was finished")
    else:
        place, detail = choose(request.problem, finished)
        if cut := len(replies) - len(finished):
            detail += f", {cut} of {len(replies)} cut or timed out"
        chosen = finished[place]._replace(detail=detail)
    return chosen._replace(request=request, sample=sample, **spent(replies)._asdict())


# -- easy here, hard there --------------------------------------------------------------------


def route(
    inner: Sequence[Solver],
    *,
    by: str | Callable[[Problem], float] = "level",
    threshold: float = 5.5,
) -> Solver:
    """`route(EASY, HARD)`: problems believed to be easy go to one solver, the others to another.

    Args:
        inner: the solver for easy problems, then the one for hard ones.
        by: believed difficulty: "level", the problem's own; "python:MODULE:FUNCTION" or a function
            problem -> difficulty.
        threshold: problems above it are hard. What difficulty each was believed to have, and where
            it went, is the `detail` of its attempts.

    Raises:
        ArgumentError: no such difficulty; while answering, a problem without a level.
    """
    easy, hard = inner
    measure, said = _measure(by)
    checks.finite(threshold=threshold)

    def goes(problem: Problem) -> tuple[float, Solver, str]:
        believed = measure(problem)
        far = believed > threshold
        return believed, (hard if far else easy), ("hard" if far else "easy")

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        for solver in (easy, hard):
            mine = [request for request in requests if goes(request.problem)[1] is solver]
            if mine:
                yield from mapped(solver.answer(mine), noted)

    def noted(replies: list[Reply]) -> list[Reply]:
        made = []
        for reply in replies:
            believed, _, where = goes(reply.request.problem)
            log = f"difficulty {believed:.3g}, {where}"
            made.append(reply._replace(detail=f"{log}; {reply.detail}" if reply.detail else log))
        return made

    def close() -> None:
        easy.close()
        hard.close()

    return Solver(
        name=f"route({easy.name}, {hard.name})",
        answer=answer,
        policy="+".join(dict.fromkeys((easy.policy, hard.policy))),
        params={
            "by": said,
            "threshold": float(threshold),
            "easy": dict(easy.params),
            "hard": dict(hard.params),
        },
        prompt=lambda problem: goes(problem)[1].prompt(problem),
        close=close,
        report=lambda: _together(easy.report(), hard.report()),
    )


def _together(one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """What two solvers spent: amounts add up, and are exact where both are."""
    if not one or not other:
        return one or other
    found: dict[str, Any] = dict(other)
    for name, value in one.items():
        if name not in other or isinstance(value, str | None):
            found[name] = value or other.get(name)
        elif isinstance(value, bool):
            found[name] = value and other[name]
        else:
            found[name] = value + other[name]
    return found


def _measure(by: str | Callable[[Problem], float]) -> tuple[Callable[[Problem], float], str]:
    if by == "level":
        return _level, "level"
    if isinstance(by, str) and not by.startswith("python:"):
        raise ArgumentError(f"`by` must be level or python:MODULE:FUNCTION, got {by!r}")
    return named_function(by)


def _level(problem: Problem) -> float:
    if problem.level is None:
        raise ArgumentError(
            f"problem {problem.id} has no level to route by; by=python:MODULE:FUNCTION measures "
            "difficulty by other means"
        )
    return float(problem.level)
