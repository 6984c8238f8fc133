"""Answers with structure: JSON values, and sets in which order and repeats do not count."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from gradatim.checkers import lists, numbers
from gradatim.checkers.extract import (
    UNPARSED,
    announced,
    denied,
    extract,
    plain,
    without_reasoning,
)
from gradatim.checkers.text import normalise
from gradatim.types import Problem, Verdict

LONGEST = 50_000  # characters of an answer
DEEPEST = 100  # brackets inside brackets
STARTS = 50  # places of a reply from which a value of several lines may run to its end

_COMMA = re.compile(r"\s*[,;，、]\s*")
_EMPTY = {"", "∅", "none", "empty", "the empty set", "empty set", "\\emptyset", "\\varnothing"}
NOTHING = object()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key twice")
    return made


def _no(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def parse_json(text: str) -> Any:
    """The value of a JSON text, numbers as exact decimals; NOTHING where it is none.

    Keys that occur twice, NaN and Infinity are no JSON. Escaped braces of LaTeX are braces.

    >>> parse_json('{"b": [1, 2.50]}'), parse_json("{1: 2}") is NOTHING
    ({'b': [Decimal('1'), Decimal('2.50')]}, True)
    """
    text = text.strip()
    if not text or len(text) > LONGEST or text.count("[") + text.count("{") > LONGEST // 2:
        return NOTHING
    depth = 0
    for mark in re.findall(r'"(?:\\.|[^"\\])*+"|[\[\]{}]', text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark, 0)
        if depth > DEEPEST:
            return NOTHING
    for form in (text, text.replace("\\{", "{").replace("\\}", "}")):
        try:
            return json.loads(
                form,
                object_pairs_hook=_pairs,
                parse_constant=_no,
                parse_float=Decimal,
                parse_int=Decimal,
            )
        except (ValueError, InvalidOperation, RecursionError):
            continue
    return NOTHING


def same(first: Any, second: Any) -> bool:
    """Whether two JSON values are equal: order of keys is free, 1 is 1.0, true is not 1.

    >>> same(parse_json('{"a": 1, "b": 2}'), parse_json('{"b": 2.0, "a": 1}'))
    True
    """
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return type(first) is type(second) and first == second


def _fenced(text: str) -> str:
    """What stands in the fenced block at the end of a text, "" where there is none."""
    text = text.rstrip()
    if not text.endswith("```"):
        return ""
    start = text.rfind("```", 0, -3)
    return text[start + 3 : -3].partition("\n")[2] if start >= 0 else ""


def _span(line: str) -> str:
    """From the first bracket of a line to the last, "" where there is none or it is denied."""
    start = min((at for at in (line.find("["), line.find("{")) if at >= 0), default=-1)
    end = max(line.rfind("]"), line.rfind("}"))
    return line[start : end + 1] if 0 <= start < end and not denied(line[:start]) else ""


def _candidates(text: str) -> Iterator[str]:
    """Texts that may be the JSON answer of a reply, the likeliest first."""
    found = extract(text)
    if found.answer is None:
        return
    if found.how != "line":
        yield found.answer
        yield plain(found.answer)
        yield _fenced(found.answer)
        return
    rest = (without_reasoning(text) or "").strip()[-LONGEST:]
    yield _fenced(rest)
    yield found.answer
    if span := _span(found.answer[-LONGEST:]):
        yield span
    else:
        yield plain(found.answer)
        yield announced(found.answer) or ""
    if rest[-1:] in ("]", "}"):  # printed over several lines
        starts = [m.start() for m in re.finditer(r"^[ \t]*[\[{]", rest, re.MULTILINE)]
        for start in reversed(starts[-STARTS:]):
            yield rest[start:]


def check_json(problem: Problem, text: str | None) -> Verdict:
    r"""Whether a reply states the problem's JSON value: exact structure, exact numbers.

    The value may stand in a box, a tag, a fenced block, the final line, or over the last lines.

    >>> problem = Problem(id="1", prompt="?", answer='{"x": [1, 2]}', verifier="json")
    >>> check_json(problem, 'So:\n{"x": [1.0, 2]}').solved, check_json(problem, "x: 1, 2").reason
    (True, 'unparsed')
    """
    gold = parse_json(problem.answer)
    if gold is NOTHING:
        return Verdict(0.0, False, None, "verifier_error")
    if not isinstance(text, str):
        return UNPARSED
    for candidate in _candidates(text):
        value = parse_json(candidate)
        if value is not NOTHING:
            right = same(value, gold)
            shown = candidate.strip()[:2000]
            return Verdict(float(right), right, shown, "correct" if right else "wrong")
    return UNPARSED


def _element(text: str) -> Fraction | str:
    value = numbers.parse(text) if any(c.isdigit() for c in text) else None
    return value if value is not None else normalise(text)


def parse_set(text: str) -> frozenset[Fraction | str] | None:
    """The set that a text states: elements between commas, or numbers between spaces.

    >>> sorted(parse_set("{3, 1, 2, 1}")), parse_set("none"), parse_set("a,,b") is None
    ([Fraction(1, 1), Fraction(2, 1), Fraction(3, 1)], frozenset(), True)
    """
    if len(text) > LONGEST:
        return None
    text = plain(text).replace("\\{", "{").replace("\\}", "}").strip()
    if (text[:1], text[-1:]) in (("{", "}"), ("[", "]"), ("(", ")")):
        text = text[1:-1].strip()
    if text.casefold() in _EMPTY:
        return frozenset()
    parts = _COMMA.split(text)
    if len(parts) == 1 and all(numbers.parse(part) is not None for part in text.split()):
        parts = text.split()
    if not all(parts):
        return None
    return frozenset(map(_element, parts))


def check_set(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the problem's set; order, repeats and brackets do not matter.

    >>> problem = Problem(id="1", prompt="?", answer="red, blue", verifier="set")
    >>> check_set(problem, "The answer is {Blue, red}.").solved
    True
    """
    gold = parse_set(problem.answer)
    if gold is None:
        return Verdict(0.0, False, None, "verifier_error")
    found = lists.locate(text) if len(gold) > 1 else extract(text)
    if found.answer is None or len(found.answer) > LONGEST:
        return UNPARSED
    stated = parse_set(found.answer)
    if stated != gold and found.how == "line":
        told = announced(found.answer)
        stated = parse_set(told) if told is not None else stated
    if stated is None or (not stated and not plain(found.answer)):
        return UNPARSED
    right = stated == gold
    shown = ", ".join(sorted(map(str, stated)))[:2000]
    return Verdict(float(right), right, shown, "correct" if right else "wrong")
