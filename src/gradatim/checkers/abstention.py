"""Does a reply say that there is no answer? For problems that have none, saying so is right."""

import re

from gradatim.checkers.extract import announced, extract, plain
from gradatim.types import Problem, Verdict

UNSOLVABLE = "unsolvable"  # the answer of a problem that has none, as prompts ask for it
UNKNOWN = "unknown"
LONGEST = 200  # characters; longer is no short statement

# the answer itself, not a sentence around it: "not unsolvable" or "4, else unsolvable" say no
_IT = r"(?:it(?:'s| is) |this (?:problem|puzzle|question) is |the (?:problem|puzzle|question) is )?"
_SAYS = re.compile(
    rf"{_IT}(?:unsolvable|impossible|unsatisfiable|unsat|infeasible|contradictory|not solvable)"
    r"|(?:there is |it has |this has |the problem has )?no (?:solution|(?:valid )?answer)"
    r"(?: exists)?"
    r"|(?:it |this |the problem )?(?:cannot|can't|can not) be (?:solved|determined|answered)",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"(?:(?:i'm |i am )?sorry,? )?(?:but )?(?:i (?:don't|do not) know|i(?:'m| am) not sure|unknown"
    r"|i (?:cannot|can't|can not) (?:answer|solve|determine)(?: (?:this|it))?)",
    re.IGNORECASE,
)
_QUOTES = str.maketrans("’‘ʼ\u00a0", "''' ")


def stance(text: str | None) -> str | None:
    r"""What a reply says of answering: UNSOLVABLE, UNKNOWN (it declines), or None (it answers).

    Only the stated answer counts, in a box, a tag, the final line or after its announcement.

    >>> stance(r"So \boxed{it's unsolvable}"), stance("Sorry, I don't know."), stance("It is 4.")
    ('unsolvable', 'unknown', None)
    """
    found = extract(text) if isinstance(text, str) else None
    if found is None or found.answer is None or len(found.answer) > LONGEST:
        return None
    told = announced(found.answer) if found.how == "line" else None
    for part in (found.answer, told):
        words = " ".join(plain(part.translate(_QUOTES)).split()) if part else ""
        if _SAYS.fullmatch(words):
            return UNSOLVABLE
        if _DECLINES.fullmatch(words):
            return UNKNOWN
    return None


def says_unsolvable(text: str | None) -> bool:
    r"""Whether the stated answer of a reply is that there is none.

    >>> says_unsolvable(r"Row 2 clashes: \boxed{unsolvable}"), says_unsolvable("It is 4.")
    (True, False)
    """
    return stance(text) == UNSOLVABLE


def abstention(problem: Problem, text: str | None) -> Verdict | None:
    """The verdict on a reply that says there is no answer; None where it says nothing of the kind.

    The reason is `abstained` either way: right on a problem that is unsolvable, else not.
    """
    if not says_unsolvable(text):
        return None
    right = problem.unsolvable
    return Verdict(float(right), right, UNSOLVABLE, "abstained")


def check(problem: Problem, text: str | None) -> Verdict:
    """For questions that nobody can answer: saying so is right, any other statement is not.

    "I don't know" is right too where the problem's meta has `{"unknown": true}`: nothing shows
    that such a question has no answer, only that nobody knows it.
    """
    said = stance(text)
    if said == UNSOLVABLE or (said == UNKNOWN and problem.meta.get("unknown")):
        right = problem.unsolvable
        return Verdict(float(right), right, said, "abstained")
    found = extract(text)
    if said == UNKNOWN or not found.answer:
        return Verdict(0.0, False, None, "unparsed")
    return Verdict(0.0, False, found.answer[:LONGEST], "wrong")
