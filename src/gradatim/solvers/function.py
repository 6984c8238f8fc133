"""`python:MODULE:FUNCTION`: any Python function from a prompt to a text answers.

The function is called as `function(prompt)`, or as `function(problem=..., sample=...)` when it
has parameters of those names, and returns a text or None.
"""

import hashlib
import importlib
import inspect
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.types import Reply, Request, Solver

KNOWN = ("problem", "sample")


def load_function(argument: str) -> tuple[Callable[..., Any], str]:
    """The function that MODULE:FUNCTION names, and a hash of its module's file.

    Raises:
        ArgumentError: no such module or function.
    """
    module_name, _, name = argument.rpartition(":")
    if str(Path.cwd()) not in sys.path:  # a file beside the user, as `python -m` would find it
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ArgumentError(f"`solver` python:{argument}: {error}") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise ArgumentError(f"`solver` python:{argument}: {module_name} has no function '{name}'")
    source = getattr(module, "__file__", None)
    code = Path(source).read_bytes() if source and Path(source).is_file() else b""
    return function, hashlib.blake2b(code, digest_size=6).hexdigest()


def open_function(argument: str | None) -> Solver:
    """Open `python:MODULE:FUNCTION`; the policy is a hash of the module's file.

    An exception inside the function is a provider error of that attempt, with its message.

    Raises:
        ArgumentError: no such module or function.
    """
    if not argument or ":" not in argument:
        raise ArgumentError(f"`solver` must look like python:MODULE:FUNCTION, got {argument!r}")
    function, policy = load_function(argument)
    solver = from_function(function, name=f"python:{argument}")
    return Solver(name=solver.name, answer=solver.answer, policy=policy)


def from_function(function: Callable[..., Any], *, name: str) -> Solver:
    """A solver around a function of a prompt, or of `problem` and `sample`.

    >>> from gradatim.types import Problem
    >>> solver = from_function(str.upper, name="shout")
    >>> request = Request(Problem(id="x", prompt="a", answer=""), first=0, n=1)
    >>> [reply.text for reply in next(solver.answer([request]))]
    ['A']
    """
    try:
        takes = [n for n in KNOWN if n in inspect.signature(function).parameters]
    except ValueError:  # a builtin without a signature
        takes = []

    def call(request: Request, sample: int) -> Reply:
        given = {"problem": request.problem, "sample": sample}
        begin = time.perf_counter()
        try:
            if takes:
                text = function(**{n: given[n] for n in takes})
            else:
                text = function(str(request.problem.prompt))
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            return Reply(request, sample, None, "provider_error", detail=detail)
        seconds = time.perf_counter() - begin
        if text is not None and not isinstance(text, str):
            detail = f"the function must return a text or None, got {type(text).__name__}"
            return Reply(request, sample, None, "provider_error", detail=detail)
        return Reply(request, sample, text, "finished", seconds=seconds)

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        for request in requests:
            for sample in range(request.first, request.first + request.n):
                yield [call(request, sample)]

    return Solver(name=name, answer=answer)
