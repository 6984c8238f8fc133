"""One question for every problem: does this text answer it?"""

from collections.abc import Callable
from functools import cache

from gradatim.checkers import registry as checkers
from gradatim.checkers.extract import UNPARSED
from gradatim.checks import one_of
from gradatim.errors import ArgumentError
from gradatim.families import registry as families
from gradatim.types import Problem, Verdict

_FAILED = Verdict(0.0, False, None, "verifier_error")


@cache
def need_verifier(name: str) -> Callable[[Problem, str | None], Verdict]:
    """The verifier of that name: a checker's, else a family's.

    Raises:
        ArgumentError: there is none; lists the names.
        MissingExtra: it needs a package that is not installed.
    """
    if name in checkers.names():
        return checkers.get(name)
    if not families.bridged(name):
        every = (*checkers.names(), *families.names())
        brief = f"{', '.join(checkers.names())} or the names that `gradatim families` lists"
        one_of("verifier", name, every, brief=brief)
    return families.get(name).check


def check(problem: Problem, text: str | None) -> Verdict:
    """Verdict on a reply by the problem's verifier, a checker's or a family's name.

    Never raises on any text; a verifier that fails gives the reason `verifier_error`. The
    question given back is no answer, whatever stands in it.

    Raises:
        ArgumentError: it is no Problem, or names an unknown verifier.
        MissingExtra: its verifier needs a package that is not installed.

    >>> check(Problem(id="1", prompt="6 * 12?", answer="72", verifier="number"), "It is 72.")
    Verdict(reward=1.0, solved=True, answer='72', reason='correct')
    """
    if not isinstance(problem, Problem):
        kind = type(problem).__name__
        raise ArgumentError(f"`problem` must be a Problem (check takes it first), got a {kind}")
    verify = need_verifier(problem.verifier)
    if not isinstance(text, str):
        return UNPARSED
    try:
        verdict = verify(problem, text)
    except Exception:
        return _FAILED
    if verdict.reward > 0 and len(text) >= 8 and _asks(problem, text.strip()):
        return UNPARSED
    return verdict


def _asks(problem: Problem, text: str) -> bool:
    """Whether a text is the question, or of a chat a message that asks."""
    asked = problem.prompt
    if isinstance(asked, str):
        return text == asked.strip()
    return any(text == m["content"].strip() for m in asked if m["role"] != "assistant")
