"""What the arithmetic families share: the form of a question, and the check of an exact number."""

from collections.abc import Mapping
from typing import Any

from gradatim.checkers import numbers
from gradatim.checkers.extract import UNPARSED, extract
from gradatim.errors import ArgumentError
from gradatim.types import Draft, Problem, Verdict

COMPACT = 40  # characters up to which there is a compact form
NO_META: Mapping[str, Any] = {}


def columns(**values: tuple[int, ...]) -> dict[int, dict[str, Any]]:
    """A ladder written as one row of ten values for each knob.

    >>> columns(n=tuple(range(10)))[3]
    {'n': 2}
    """
    return {i + 1: {knob: row[i] for knob, row in values.items()} for i in range(10)}


def written(above: int, below: int) -> str:
    """A rational number as answers give it.

    >>> written(-3, 4), written(5, 1)
    ('-3/4', '5')
    """
    return str(above) if below == 1 else f"{above}/{below}"


def question(
    task: str,
    shown: str,
    form: str,
    *,
    answer: str,
    working: str,
    short: str,
    canonical: str = "",
    meta: Mapping[str, Any] = NO_META,
) -> Draft:
    """A question of a task, its instance, and the form of the answer.

    Args:
        task: what is asked, in one line.
        shown: the instance, which `instance` gives back.
        form: what to answer with.
        answer: the answer.
        working: lines of a worked solution, without the answer.
        short: the compact form; dropped where it has more than 40 characters.
        canonical: what tells instances apart; `short` where not given.
        meta: what the check needs to know besides the answer.
    """
    fits = len(short) <= COMPACT
    return Draft(
        prompt=f"{task}\n{shown}\nAnswer with {form}, and nothing else.",
        answer=answer,
        canonical=canonical or short,
        compact=short if fits else None,
        compact_answer=answer if fits else None,
        solution=working + answer,
        meta=meta,
    )


def instance(problem: Problem) -> str:
    """The instance of a question: all lines between the first and the last.

    Raises:
        ArgumentError: there are none.
    """
    lines = str(problem.prompt).split("\n")
    if len(lines) < 3:
        raise ArgumentError(f"`problem` {problem.id} is not an arithmetic problem")
    return "\n".join(lines[1:-1])


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the exact number: reduced or not, mixed, or a finite decimal."""
    if text == problem.answer:  # short replies by the hundred thousand: no parsing
        return Verdict(1.0, True, problem.answer, "correct")
    found = extract(text)
    value = numbers.stated(found)
    if value is None or "%" in (found.answer or ""):  # a percentage is another number
        return UNPARSED
    stated = written(value.numerator, value.denominator)
    right = stated == problem.answer
    return Verdict(float(right), right, stated, "correct" if right else "wrong")
