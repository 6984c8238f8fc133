"""Lists of whole numbers: "3 1 4", "3,1,4", "[3, 1, 4]", or "314" where digits are meant."""

import re

from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.types import Problem, Verdict

_SEPARATORS = re.compile(r"\s*[,;，、]\s*|\s+")
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}")
_GROUP = re.compile(r"[\[(]([^\[\](){}]*)[\])]")
_MINUS = str.maketrans({"−": "-", "–": "-", "\u00a0": " ", "\u202f": " "})
_OPEN = {"[": "]", "(": ")", "{": "}"}
LONGEST = 20_000  # characters; longer is no list that anyone asked for


def _strict(text: str, packed: bool) -> list[int] | None:
    text = text.strip().replace("\\left", "").replace("\\right", "").replace("\\,", " ")
    text = text.replace("\\{", "{").replace("\\}", "}").strip()
    if text[:1] in _OPEN and text[-1:] == _OPEN[text[0]]:
        text = text[1:-1].strip()
    elif packed and text.isascii() and text.isdigit() and len(text) <= LONGEST:
        return [int(c) for c in text]
    if not text or len(text) > LONGEST:
        return None
    values = []
    for token in _SEPARATORS.split(text):
        if not _NUMBER.fullmatch(token):
            return None
        values.append(int(token))
    return values


def parse(text: str, *, packed: bool = False, how: str = "box") -> list[int] | None:
    """The list that a text states, or None where it states none.

    Args:
        text: an extracted answer.
        packed: a run of digits is a list of single digits.
        how: where it stood; in a "line" the list may follow an announcement, or be the only
            brackets in it.

    >>> parse("[3, 1, 4]"), parse("314", packed=True), parse("314"), parse("3 of 4")
    ([3, 1, 4], [3, 1, 4], [314], None)
    """
    text = plain(text.translate(_MINUS))
    values = _strict(text, packed)
    if values is not None or how != "line":
        return values
    told = announced(text)
    if told is not None:
        values = _strict(told, packed)
        if values is not None:
            return values
    groups = _GROUP.findall(text[-4000:])
    return _strict(groups[0], False) if len(groups) == 1 else None


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the problem's list, in its order.

    >>> check(Problem(id="1", prompt="?", answer="3 1 4"), "The list is [3, 1, 4].").solved
    True
    """
    found = extract(text)
    if found.answer is None:
        return UNPARSED
    values = parse(found.answer, how=found.how)
    if values is None:
        return UNPARSED
    right = values == parse(problem.answer)
    return Verdict(float(right), right, " ".join(map(str, values)), "correct" if right else "wrong")
