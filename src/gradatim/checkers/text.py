"""Answers that are words: exactly as given, or the same but for case, spaces and marks."""

import re
import unicodedata

from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.types import Problem, Verdict

_SPACE = re.compile(r"\s+")


def normalise(text: str) -> str:
    """Lower case, compatibility forms unified, spaces single, no marks around it.

    >>> normalise(' **The  Eiffel Tower.** ')
    'the eiffel tower'
    """
    unified = text if text.isascii() else unicodedata.normalize("NFKC", text)
    unified = unified.casefold()
    if unified.isalnum():
        return unified
    return plain(_SPACE.sub(" ", plain(unified)))


def _verdict(right: bool, stated: str) -> Verdict:
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def check_exact(problem: Problem, text: str | None) -> Verdict:
    """Whether the extracted answer is the problem's, character for character.

    >>> check_exact(Problem(id="1", prompt="?", answer="Paris"), "<answer>paris</answer>").reason
    'wrong'
    """
    gold = problem.answer.strip()
    if isinstance(text, str) and text.strip() == gold:
        return _verdict(True, gold)
    found = extract(text)
    if not found.answer:
        return UNPARSED
    return _verdict(found.answer == gold, found.answer)


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether the answer is the problem's but for case, spaces, emphasis and a full stop.

    In a final line the answer may follow an announcement ("The answer is Paris.").

    >>> check(Problem(id="1", prompt="?", answer="Paris"), "So the answer is: paris.").solved
    True
    """
    if isinstance(text, str) and text.strip() == problem.answer.strip():
        return _verdict(True, problem.answer)
    found = extract(text)
    if not found.answer:
        return UNPARSED
    gold = normalise(problem.answer)
    stated = normalise(found.answer)
    if stated != gold and found.how == "line":
        told = announced(found.answer)
        if told is not None and normalise(told) == gold:
            stated = gold
    return _verdict(bool(gold) and stated == gold, stated) if stated else UNPARSED
