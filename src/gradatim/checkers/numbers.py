r"""Numbers in replies: whole, decimal, rational, with separators, currency or a unit.

Values are exact fractions. In a box or a tag the whole text must be one number. A final line may
also announce it ("The answer is 72 dollars."), end in "= 72" or "#### 72", or be a finished
sentence with one number in it. An operand of a calculation that was cut ("12 + 7") is none of
these. "50%" is 50 where the problem's answer has a percent sign or its question asks for percent;
elsewhere it might as well be 0.5, and is unparsed. Where the question asks for a box or a tag,
nothing else counts except a reply that is a number and no more.
"""

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

from gradatim.checkers.extract import (
    NOTHING,
    UNPARSED,
    Found,
    announced,
    denied,
    extract,
    plain,
    supposed,
    without_reasoning,
)
from gradatim.types import Problem, Verdict

LONGEST = 400  # characters; longer is no number that anyone asked for

_THIN = re.compile(r"(?<=\d)[\u2009\u202f\u00a0](?=\d{3})")
_SIGNS = str.maketrans({"−": "-", "–": "-", "﹣": "-", "⁄": "/", "×": "*", "·": "*", "÷": "/"})
# possessive: a run of digits is taken whole or not at all, or a million digits cost a minute
_DECIMAL = r"(?:\d{1,3}(?:,\d{3})++(?!\d)(?:\.\d*+)?|\d++(?:\.\d*+)?|\.\d++)"
_ONE = rf"[-+]?{_DECIMAL}(?:[eE][-+]?\d{{1,3}})?"
_NUMBER = re.compile(_ONE)
_POWER = re.compile(rf"({_ONE})\s*(?:\*|\\times|\\cdot|x)\s*10\s*\^\s*\{{?([-+]?\d{{1,3}})\}}?")
_RATIO = re.compile(rf"({_ONE})\s*/\s*({_ONE})")
_MIXED = re.compile(r"([-+]?)(\d+)\s+(\d+)/(\d+)")
_FRACTION = re.compile(rf"([-+]?)\\frac(?:\{{\s*({_ONE})\s*\}}\{{\s*({_ONE})\s*\}}|(\d)(\d))")
_NAME = re.compile(r"[A-Za-z]\w{0,20}\s*(?:=|\\approx|≈)\s*")
_SIGN = re.compile(r"\s*\\?(?:%|°|\^\s*\{?\\circ\}?)$")
_UNIT = re.compile(r"\s*\\(?:text|mathrm|mbox)\{\s*([^\W\d_]{2,})[^{}\d]*\}(?:\^\{?[23]\}?)?$")
_CURRENCY = re.compile(r"^([-+]?)\s*(?:\\?\$|[€£¥₹]|USD\s)\s*")
_WORD = re.compile(r"\s+([^\W\d_]{3,}|[ckm]?m|k?g|ml|cl|ft|in|mi|lb|oz|hr)(?:\^[23])?$")
_NOT_UNITS = {"plus", "minus", "times", "and", "over", "divided", "multiplied", "more", "less"}
_NOT_UNITS |= {"than", "add", "subtract", "out", "sqrt", "mod", "log", "sin", "cos", "tan"}
_NOT_UNITS |= {"or", "squared", "cubed"}
_SCALES = {"hundred", "thousand", "million", "billion", "trillion", "dozen", "factorial", "half"}
_SCALES |= {"plus", "minus", "times", "divided", "multiplied", "over"}  # cut: more was to come
_NO_UNITS = frozenset(_NOT_UNITS | _SCALES)
# "What percentage ...?" asks for percent, "20 percent of 250" does not
_ASKS_PERCENT = re.compile(r"(?<!\d)(?<!\d[ -])percent", re.IGNORECASE)

_SOMEWHERE = re.compile(rf"(?<![\w.,]){_ONE}(?![\d/*^]|[.,]\d|\s*[-+*/^]\s*[\d(.])")
# "5 isn't it.", "5 is wrong."
_REFUTED = re.compile(
    r"\W*(?:(?:is|was|are|were)\s+)?(?:\w+n['’]t|not|wrong|incorrect|false)\b", re.IGNORECASE
)
_RUN = re.compile(r"\d+")
_AFTER_SIGN = re.compile(r"(?:=|≈|####)\s*([^=≈#]*)$")
_LEADING = re.compile(rf"^(\\?[$€£¥₹]?\s*{_ONE}(?:\s*/\s*{_ONE})?\s*%?)(\s+[^\d+*/=^]*|)$")


def _unified(text: str) -> str:
    if not text.isascii() and not any("<su" in unicodedata.decomposition(c) for c in text):
        text = _THIN.sub("", text)
        text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)
    if "\\" in text or "{" in text:
        for old, new in (("{,}", ","), ("\\!", ""), ("\\,", ""), ("\\;", " "), ("\\ ", " ")):
            text = text.replace(old, new)
        text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    return plain(text)


def _fraction(text: str) -> Fraction:
    return Fraction(text.replace(",", "").removesuffix("."))


def _value(text: str) -> Fraction | None:
    if _NUMBER.fullmatch(text):
        return _fraction(text)
    if match := _RATIO.fullmatch(text):
        below = _fraction(match[2])
        return _fraction(match[1]) / below if below else None
    if match := _FRACTION.fullmatch(text):
        above, below = _fraction(match[2] or match[4]), _fraction(match[3] or match[5])
        sign = -1 if match[1] == "-" else 1
        return sign * above / below if below else None
    if match := _POWER.fullmatch(text):
        return _fraction(match[1]) * Fraction(10) ** int(match[2])
    if match := _MIXED.fullmatch(text):
        sign, below = (-1 if match[1] == "-" else 1), int(match[4])
        return sign * (int(match[2]) + Fraction(int(match[3]), below)) if below else None
    return None


def parse(text: str, *, percent: bool = False) -> Fraction | None:
    r"""The number that a text is, or None where it is not one number.

    A name before ("x = 5"), a currency and one unit word are allowed. "50%" is 50 only where
    percent are meant, else it might be 0.5, and is no number.

    >>> parse("1,234.50"), parse("−3/4"), parse("\\frac{1}{2}"), parse("12 + 7")
    (Fraction(2469, 2), Fraction(-3, 4), Fraction(1, 2), None)
    >>> parse("50%", percent=True), parse("50%")
    (Fraction(50, 1), None)
    """
    digits = text[1:] if text[:1] == "-" else text
    if len(text) <= LONGEST and digits.isdigit() and digits.isascii():  # nearly every answer
        return Fraction(int(text))
    return _parse(text, percent) if len(text) <= LONGEST else None


@lru_cache(maxsize=4096)
def _parse(text: str, percent: bool) -> Fraction | None:
    text = _unified(text)
    if match := _NAME.match(text):
        text = text[match.end() :]
    text = _CURRENCY.sub(r"\1", text)
    for unit in (_SIGN, _UNIT, _WORD):
        match = unit.search(text)
        if match and not (unit.groups and match[1].lower() in _NO_UNITS):
            if not percent and says_percent(match[0]):
                return None
            text = text[: match.start()]
            break
    return _value(plain(text))


def says_percent(text: str) -> bool:
    """Whether a text has a percent sign or the word."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return "%" in text or "percent" in text.lower()


def takes_percent(problem: Problem) -> bool:
    """Whether "50%" is 50 here: the answer has a percent sign, or the question asks for percent.

    >>> takes_percent(Problem(id="1", prompt="What percentage of 40 is 20?", answer="50"))
    True
    >>> takes_percent(Problem(id="2", prompt="How much is 20 percent of 250?", answer="50"))
    False
    """
    return says_percent(problem.answer) or _ASKS_PERCENT.search(_asked(problem)) is not None


def parse_line(line: str, *, percent: bool = False) -> Fraction | None:
    """The number that a final line gives as its answer, or None.

    >>> parse_line("She makes $18 every day."), parse_line("So 12 + 7"), parse_line("12 + 7 = 19")
    (Fraction(18, 1), None, Fraction(19, 1))
    """
    value = parse(line, percent=percent)
    if value is not None or not any(map(str.isdigit, line)):
        return value
    whole = line[-4000:]
    line = _unified(whole)
    finished = whole.rstrip("*_` $").endswith(".")
    told = announced(f"{line}." if finished else line)
    after = _AFTER_SIGN.search(line)
    if after and supposed(line[: after.start()]):
        after = None
    for part in (after[1] if after else None, told):
        if part is None:
            continue
        match = _LEADING.match(plain(part))
        if match is not None:
            part = "" if _scaled(match[2], percent) else match[1]
        value = parse(part, percent=percent)
        if value is not None:
            return value
    return _sentence(whole, percent)


def _sentence(line: str, percent: bool) -> Fraction | None:
    """The one number of a finished sentence."""
    if line.rstrip("*_ ")[-1:] not in (".", "!"):
        return None
    numbers = list(_SOMEWHERE.finditer(line := _unified(line)))
    if len(numbers) != 1 or _scaled(line[numbers[0].end() :], percent):
        return None
    if denied(line[: numbers[0].start()]) or _REFUTED.match(line, numbers[0].end()):
        return None
    only = numbers[0][0]
    return parse(only) if len(_RUN.findall(only)) == len(_RUN.findall(line)) else None


def _scaled(after: str, percent: bool) -> bool:
    """Whether the word after a number makes it another number ("5 million")."""
    words = after.split(maxsplit=1)
    if not words:
        return False
    return words[0].strip(".,;!").lower() in _SCALES or (not percent and says_percent(words[0]))


def _asked(problem: Problem) -> str:
    asked = problem.prompt
    return asked if isinstance(asked, str) else "\n".join(m["content"] for m in asked)


def asked_explicitly(problem: Problem) -> bool:
    r"""Whether the question asks for \boxed{} or an answer tag."""
    asked = _asked(problem)
    return "\\boxed" in asked or "<answer>" in asked


def search(problem: Problem, text: str | None) -> Found:
    """The answer's text; where a box or a tag was asked for, a line must stand "alone"."""
    found = extract(text)
    if found.how == "line" and isinstance(text, str) and asked_explicitly(problem):
        alone = (without_reasoning(text) or "").strip() == found.answer
        return Found(found.answer, "alone") if alone else NOTHING
    return found


def stated(found: Found, problem: Problem | None = None) -> Fraction | None:
    """The number of an extracted answer; "50%" is one where the problem takes percent."""
    text = found.answer
    if text is None:
        return None
    percent = problem is not None and says_percent(text) and takes_percent(problem)
    return (parse_line if found.how == "line" else parse)(text, percent=percent)


def close(value: Fraction, gold: Fraction, problem: Problem) -> bool:
    """Equal, or within what the problem's meta allows: `tolerance`, or `relative` of the gold."""
    if value == gold:
        return True
    tolerance, relative = problem.meta.get("tolerance", 0), problem.meta.get("relative", 0)
    if not (tolerance or relative):
        return False
    return abs(value - gold) <= max(Fraction(tolerance), Fraction(relative) * abs(gold))


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply gives the problem's number.

    >>> check(Problem(id="1", prompt="?", answer="1000"), "The total is 1,000.").solved
    True
    """
    gold = parse(problem.answer, percent=True)
    value = stated(search(problem, text), problem)
    if value is None:
        return UNPARSED
    if gold is None:
        return Verdict(0.0, False, str(value), "verifier_error")
    right = close(value, gold, problem)
    return Verdict(float(right), right, str(value), "correct" if right else "wrong")
