"""Asking a solver for texts, and what of them can be used. Nothing here raises on any text."""

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.solvers.registry import find_kind, open_solver
from gradatim.types import Pool, Problem, Request, Solver


def asked(problem: Problem, words: str) -> Problem:
    """The problem with more words in its prompt; a tiny policy cannot read them."""
    prompt = problem.prompt
    if isinstance(prompt, str):
        prompt = f"{prompt}\n\n{words}"
    elif prompt and prompt[-1]["role"] == "user":
        last = {**prompt[-1], "content": f"{prompt[-1]['content']}\n\n{words}"}
        prompt = (*prompt[:-1], last)
    else:
        prompt = (*prompt, {"role": "user", "content": words})
    return dataclasses.replace(problem, prompt=prompt, compact=None)


def named(pool: Pool, *, writer: Any = "", known: Sequence[str] = ("",), **_: Any) -> tuple[()]:
    """No state; what is no solver is said before the first step.

    Raises:
        ArgumentError: neither a solver, nor the spec of one, nor a known name.
    """
    if isinstance(writer, Solver) or writer in known:
        return ()
    if not isinstance(writer, str):
        raise ArgumentError(f"`writer` must be a Solver or the spec of one, got {writer!r}")
    find_kind(writer)
    return ()


@cache
def _opened(spec: str) -> Solver:
    return open_solver(spec)


def opened(writer: str | Solver) -> Solver | None:
    """The solver that writes; None where the policy does.

    Raises:
        ArgumentError: no such solver.
    """
    if isinstance(writer, Solver):
        return writer
    return _opened(writer) if writer else None


def write(writer: Solver, asks: Sequence[Problem], n: int, *, longest: int) -> list[list[str]]:
    """For each ask the texts of `n` samples that can be used, in the order of the samples.

    Whatever comes back, nothing here raises: replies without a text, of another type, blank, too
    long, cut off, unasked for or missing are no texts.
    """
    number: dict[tuple[str, str], int] = {}
    requests, place = [], {}
    for i, problem in enumerate(asks):
        key = problem.id, str(problem.prompt)
        first = number.get(key, 0)  # the same question twice: further samples
        number[key] = first + n
        requests.append(Request(problem, first, n))
        place |= {(*key, sample): i for sample in range(first, first + n)}
    found: dict[tuple[str, str, int], str] = {}
    for replies in writer.answer(requests):
        for reply in replies:
            asked_of = reply.request.problem
            at = (asked_of.id, str(asked_of.prompt), reply.sample)
            text = reply.text
            if at in place and reply.status == "finished" and usable(text, longest):
                found[at] = str(text)
    texts: list[list[str]] = [[] for _ in asks]
    for at, i in place.items():
        if at in found:
            texts[i].append(found[at])
    return texts


def usable(text: Any, longest: int) -> bool:
    """Whether there is anything to check.

    >>> usable(None, 10), usable("  ", 10), usable("x" * 11, 10), usable("2", 10)
    (False, False, False, True)
    """
    return isinstance(text, str) and len(text) <= longest and bool(text.strip())
