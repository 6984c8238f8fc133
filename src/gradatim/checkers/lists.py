"""Lists of whole numbers: "3 1 4", "3,1,4", "[3, 1, 4]", or "314" where digits are meant."""

import re

from gradatim.checkers.extract import (
    NOTHING,
    UNPARSED,
    Found,
    announced,
    denied,
    extract,
    last_blocks,
    plain,
)
from gradatim.types import Problem, Verdict

_SEPARATORS = re.compile(r"\s*[,;，、]\s*|\s+")
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}")
_DIGIT = re.compile(r"\d")
_BETWEEN = re.compile(r"\d\W+\d")  # in an answer of more than one number
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


def _alone(line: str, packed: bool) -> str | None:
    """The one number that is all of a line, a comma after it aside; packed, one digit."""
    text = plain(line if line.isascii() else line.translate(_MINUS)).rstrip(",;")
    return text if _NUMBER.fullmatch(text) and not (packed and len(text) > 1) else None


def locate(text: str | None, *, packed: bool = False) -> Found:
    r"""What `extract` finds; of a list of one number a line, at the end, all of its lines.

    The lines must be all of the last paragraph, but for words or a heading above them: where
    other numbers stand there or right before it, nobody knows where the list begins.

    Args:
        text: a reply to a question whose answer is a list.
        packed: as for `parse`.

    >>> locate("Sorted:\n1\n3\n4").answer, locate("1 3\n4").answer, locate("3 + 1 = 4\n1\n3").answer
    ('1 3 4', '4', None)
    """
    found = extract(text)
    if found.how != "line" or not isinstance(text, str) or "\n" not in text:
        return found
    if found.answer is None or _alone(found.answer, packed) is None:
        return found
    *before, lines = last_blocks(text, 2)
    numbers = [_alone(line, packed) for line in lines]
    start = len(lines)
    while start and numbers[start - 1] is not None:
        start -= 1
    if not start and before and _alone(before[0][-1], packed) is not None:
        return NOTHING  # one number a line goes on above the gap
    if len(lines) - start < 2:
        return found
    above = [line.strip() for line in lines[:start]]
    if any(_DIGIT.search(line) and not line.endswith(":") for line in above):
        return NOTHING
    return Found(" ".join(filter(None, numbers[start:])), "line")


def located(problem: Problem, text: str | None, *, packed: bool = False) -> Found:
    r"""What `locate` finds where the problem's answer has several numbers, else `extract`.

    >>> located(Problem(id="1", prompt="?", answer="4"), "3\n1\n4").answer
    '4'
    """
    return locate(text, packed=packed) if _BETWEEN.search(problem.answer) else extract(text)


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the problem's list, in its order.

    >>> check(Problem(id="1", prompt="?", answer="3 1 4"), "The list is [3, 1, 4].").solved
    True
    """
    found = located(problem, text)
    if found.answer is None:
        return UNPARSED
    values = parse(found.answer, how=found.how)
    if values is None:
        return UNPARSED
    right = found.answer == problem.answer or values == parse(problem.answer)
    return Verdict(float(right), right, " ".join(map(str, values)), "correct" if right else "wrong")
