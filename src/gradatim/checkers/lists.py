"""Lists of whole numbers: "3 1 4", "3,1,4", "[3, 1, 4]", or "314" where digits are meant."""

import re

from gradatim.checkers.extract import UNPARSED, announced, denied, extract, plain
from gradatim.types import Problem, Verdict

_SEPARATORS = re.compile(r"\s*[,;，、]\s*|\s+")
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}")
_GROUP = re.compile(r"[\[(]([^\[\](){}]*)[\])]")
_MINUS = str.maketrans({"−": "-", "–": "-", "\u00a0": " ", "\u202f": " "})
_OPEN = {"[": "]", "(": ")", "{": "}"}
LONGEST = 20_000  # characters; longer is no list that anyone asked for


def _simple(text: str) -> list[int] | None:
    """Whole numbers with one space or comma and space between each two; None: look closer."""
    spaced = text.replace(", ", " ")
    digits = spaced.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit()) or "  " in spaced or spaced[0] == " ":
        return None
    tokens = spaced.split(" ")
    if len(text) > 40 and max(map(len, tokens)) > 40:
        return None
    try:
        return [int(token) for token in tokens]
    except ValueError:  # "3-4"
        return None


def _strict(text: str, packed: bool) -> list[int] | None:
    text = text.strip()
    if "\\" in text:
        text = text.replace("\\left", "").replace("\\right", "").replace("\\,", " ")
        text = text.replace("\\{", "{").replace("\\}", "}").strip()
    if len(text) <= LONGEST and not (packed and text.isdigit()):
        values = _simple(text)
        if values is not None:
            return values
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
    whole = text if text.isascii() else text.translate(_MINUS)
    text = plain(whole)
    values = _strict(text, packed)
    if values is not None or how != "line":
        return values
    told = announced(whole)
    if told is not None:
        values = _strict(told, packed)
        if values is not None:
            return values
    text = text[-4000:]
    groups = list(_GROUP.finditer(text))
    if len(groups) != 1 or denied(text[: groups[0].start()]):
        return None
    return _strict(groups[0][1], False)


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
    right = found.answer == problem.answer or values == parse(problem.answer)
    return Verdict(float(right), right, " ".join(map(str, values)), "correct" if right else "wrong")
