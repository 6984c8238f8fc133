"""Does a reply say that there is no answer? For problems that have none, saying so is right."""

import re

from gradatim.checkers.extract import extract, plain
from gradatim.types import Problem, Verdict

UNSOLVABLE = "unsolvable"  # the answer of a problem that has none, as prompts ask for it

# the answer itself, not a sentence around it: "not unsolvable" or "4, else unsolvable" say no
_SAYS = re.compile(
    r"(?:it(?:'s| is) |this (?:problem|puzzle|question) is |the (?:problem|puzzle) is )?"
    r"(?:unsolvable|impossible|unsatisfiable|unsat|infeasible|not solvable|no solution(?: exists)?|"
    r"there is no solution|no answer(?: exists)?|cannot be (?:solved|determined))\.?",
    re.IGNORECASE,
)


def says_unsolvable(text: str | None) -> bool:
    r"""Whether the stated answer of a reply is that there is none.

    >>> says_unsolvable(r"Row 2 clashes: \boxed{unsolvable}"), says_unsolvable("It is 4.")
    (True, False)
    """
    found = extract(text) if isinstance(text, str) else None
    if found is None or found.answer is None or len(found.answer) > 200:
        return False
    return _SAYS.fullmatch(plain(found.answer).strip()) is not None


def abstention(problem: Problem, text: str | None) -> Verdict | None:
    """The verdict on a reply that says there is no answer; None where it says nothing of the kind.

    The reason is `abstained` either way: right on a problem that is unsolvable, else not.
    """
    if not says_unsolvable(text):
        return None
    right = problem.unsolvable
    return Verdict(float(right), right, UNSOLVABLE, "abstained")
