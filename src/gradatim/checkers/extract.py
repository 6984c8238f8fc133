r"""Where is the answer in a reply? One rule for every checker.

The last `\boxed{...}` (braces may nest), else the last `<answer>...</answer>`, else the final
non-empty line; right before lines of courtesy, the line that says "Answer: ..." or "The answer
is ...". Reasoning blocks are cut out first. A reply that was cut inside a reasoning block, a box
or a tag has no answer: what stands earlier was not its last word.
"""

import re
from typing import Any, NamedTuple

from gradatim.types import Verdict

UNPARSED = Verdict(0.0, False, None, "unparsed")

_THINK = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_LAST_BOX = re.compile(r".*\\(?:boxed|fbox)\s*\{", re.DOTALL)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_FENCE = re.compile(r"[`~]{3,}\w*")
_DECORATION = re.compile(r"\*\*|__|`")
_ANNOUNCED = re.compile(r"(?:\bis|\bare|(?<!not)[:=：])\s*(?=\S)", re.IGNORECASE)
# "So it's 42.": a finished sentence that says what "it" is and nothing before
_IT = re.compile(
    r"(?:(?:and|finally|hence|so|then|therefore|thus)\b,?\s+){0,2}"
    r"(?:it|that|this)(?:['’]s|\s+is|\s+equals)\s+(?=\S)",
    re.IGNORECASE,
)
_AROUND = " \t\"'“”‘’$"
_CLAUSE = re.compile(r"[.!?;:,]\s")
# a negation with no statement after it, or a bound, which is no value
_DENIED = re.compile(
    r"(?:\b(?:not|never|cannot|neither|nor|instead of|rather than)\b|n['’]t\b)"
    r"(?:(?!\b(?:is|are|was|were)\b|=).)*$"
    r"|\b(?:than|least|most)\W*$",
    re.IGNORECASE,
)
# "if the answer were 4": a condition, up to the "then" or comma that ends it
_SUPPOSED = re.compile(
    r"\b(?:if|unless|whether|suppose|supposing|assume|assuming|imagine)\b(?:(?!\bthen\b).)*$",
    re.IGNORECASE,
)
_SIGNAL = re.compile(
    r"\b(?:answers?|results?|solution|output|assignment|values?|totals?|sums?|list|numbers?|digits?"
    r"|terms?|roots?|coefficients?|order|sequence|product|count|position|moves?|actions?|plan|path"
    r"|route|tour|trip|crossings?|rows?|columns?|colou?rs?|colou?ring|divisor|multiple)\b",
    re.IGNORECASE,
)
# "Let me know if you need more.": the end of a reply that states nothing
_COURTESY = re.compile(
    r"(?:(?:please\s+)?(?:let me know|feel free to|do(?:n['’]t| not) hesitate to)"
    r"|(?:i\s+)?hope (?:this|that|it) (?:helps|helped|is clear|makes sense|clarifies)"
    r"|(?:i['’]m |i am |i['’]d be |i would be )?(?:happy|glad) to (?:help|explain|clarify)"
    r"|is there anything else|if you (?:have|need) (?:any|more|further)"
    r"|(?:do|would) you (?:need|have|like) (?:any|more|me|help|further))\b[^\d\\<=:]{0,160}",
    re.IGNORECASE,
)
_ANSWERS = re.compile(
    r"[\W_]*(?:(?:and|so|thus|hence|therefore|then)\b,?\s+)?(?:(?:the|my|our)\s+)?"
    r"(?:(?:final|correct)\s+)?answer(?:\s+is\b|[\s*_]*[:：])",
    re.IGNORECASE,
)
_HEADING = re.compile(r"#{1,6}\s+")


LONGEST = 4000  # characters at the end of a line in which an announcement is looked for
PARAGRAPH = 20_000  # characters at the end of a reply that hold its last paragraph
ROUNDS = 12  # layers of marks around an answer that are taken off


class Found(NamedTuple):
    """An answer's text and where it stood: "box", "tag", "line", or "none" with answer None."""

    answer: str | None
    how: str


NOTHING = Found(None, "none")


def without_reasoning(text: str) -> str | None:
    """The reply without its reasoning blocks; None where a block was not closed.

    A closing tag with no opening one ends a block whose opening tag stood in the prompt.

    >>> without_reasoning("<think>2 or 3?</think>It is 3.")
    'It is 3.'
    """
    kept: list[str] = []
    depth = start = 0
    for mark in _THINK.finditer(text):
        if mark[1]:
            if depth == 0:
                kept.clear()
            depth = max(0, depth - 1)
            start = mark.end()
        else:
            if depth == 0:
                kept.append(text[start : mark.start()])
            depth += 1
    if depth:
        return None
    kept.append(text[start:])
    return "\n".join(kept) if len(kept) > 1 and kept[0].strip() else kept[-1]


def _boxed(text: str, start: int) -> str | None:
    depth = 1
    for mark in _BRACE.finditer(text, start):
        if mark[0] == "{":
            depth += 1
        elif mark[0] == "}":
            depth -= 1
            if not depth:
                return text[start : mark.start()].strip()
    return None


def _tagged(text: str) -> Found | None:
    marks = list(_TAG.finditer(text))
    if not marks:
        return None
    if not marks[-1][1]:  # opened and never closed: cut, or never finished
        return NOTHING
    opened = [mark for mark in marks if not mark[1]]
    if not opened:
        return None
    close = next(mark for mark in marks if mark[1] and mark.start() >= opened[-1].end())
    return Found(text[opened[-1].end() : close.start()].strip(), "tag")


def _final_line(text: str) -> Found:
    text = text.strip()
    line = text[text.rfind("\n") + 1 :].strip()
    if line and line[0] not in "`~":  # no fence: nearly every reply
        polite = line[0].isalpha() and _COURTESY.fullmatch(line)
        return Found((_answered(text) if polite else None) or line, "line")
    end = len(text)
    while end >= 0:
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end].strip()
        if line and not _FENCE.fullmatch(line):
            return Found(line, "line")
        end = start - 1
    return NOTHING


def _answered(text: str) -> str | None:
    """The line that announces an answer right before the lines of courtesy at the end, or None."""
    for line in reversed(text[-PARAGRAPH:].splitlines()):
        line = line.strip()
        if line and not _COURTESY.fullmatch(line):
            return line if _ANSWERS.match(line) else None
    return None


def last_lines(text: str) -> list[str]:
    r"""The lines of a reply's last paragraph as they stand, without reasoning and fences.

    >>> last_lines("Rows:\n\n```\n1 2\n2 1\n```\n")
    ['1 2\n', '2 1\n']
    """
    return last_blocks(text, 1)[-1]


def last_blocks(text: str, most: int) -> list[list[str]]:
    r"""The lines of a reply's last paragraphs, as many as there are, at most; one may be empty.

    >>> last_blocks("1\n\n2\n3\n\n4\n", 2)
    [['2\n', '3\n'], ['4']]
    """
    rest = without_reasoning(text) if "<" in text else text
    blocks: list[list[str]] = [[]]
    for line in reversed((rest or "").rstrip()[-PARAGRAPH:].splitlines(keepends=True)):
        if line.strip() and not _FENCE.fullmatch(line.strip()):
            blocks[-1].append(line)
        elif blocks[-1]:
            if len(blocks) == most:
                break
            blocks.append([])
    if len(blocks) > 1 and not blocks[-1]:
        blocks.pop()
    return [block[::-1] for block in reversed(blocks)]


def extract(text: Any) -> Found:
    r"""The answer's text in a reply; never raises, on any object.

    >>> extract("So \\boxed{\\frac{1}{2}} it is.")
    Found(answer='\\frac{1}{2}', how='box')
    >>> extract("Let me see.\nThe answer is 72.\n")
    Found(answer='The answer is 72.', how='line')
    >>> extract("<think>half of 144 is 72")
    Found(answer=None, how='none')
    """
    if not isinstance(text, str):
        return NOTHING
    if "<" in text:
        rest = without_reasoning(text)
        if rest is None:
            return NOTHING
        text = rest
    if "\\" in text:
        box = _LAST_BOX.match(text)
        if box:
            inner = _boxed(text, box.end())
            return NOTHING if inner is None else Found(inner, "box")
    if "<" in text:
        tagged = _tagged(text)
        if tagged is not None:
            return tagged
    return _final_line(text)


def plain(answer: str) -> str:
    r"""An answer without the marks around it: emphasis, quotes, dollars, full stop, heading.

    >>> plain("**\\text{3 1 4}.**"), plain("#### 3 1 4")
    ('3 1 4', '3 1 4')
    """
    if answer.isalnum():  # most answers: no marks at all
        return answer
    if "*" in answer or "_" in answer or "`" in answer:
        answer = _DECORATION.sub("", answer)
    answer = answer.strip()
    if answer[:1] == "#" and (mark := _HEADING.match(answer)):
        answer = answer[mark.end() :]
    for _ in range(ROUNDS):
        before = answer
        answer = answer.strip(" \t\r\n\"'“”‘’$")
        if answer.endswith((".", "。")):
            answer = answer[:-1]
        if answer[:1] == "\\":
            answer = _unwrapped(answer)
        if answer == before:
            break
    return answer


def _unwrapped(answer: str) -> str:
    r"""Without one layer of \(...\), \[...\] or \text{...}."""
    if answer[:2] in ("\\(", "\\[") and answer[-2:] in ("\\)", "\\]"):
        answer = answer[2:-2]
    if answer.startswith(("\\text{", "\\mathrm{", "\\texttt{")) and answer.endswith("}"):
        answer = answer[answer.index("{") + 1 : -1]
    return answer


def supposed(before: str) -> bool:
    """Whether the words before something only suppose it.

    >>> supposed("if the answer were "), supposed("If x is 3, the answer is ")
    (True, False)
    """
    return _SUPPOSED.search(_CLAUSE.split(before[-LONGEST:])[-1]) is not None


def denied(before: str) -> bool:
    """Whether the words before something deny that it is the answer, or only bound or suppose it.

    >>> denied("It is not "), denied("It is more than "), denied("What is not ready is ")
    (True, True, False)
    """
    clause = _CLAUSE.split(before[-LONGEST:])[-1]
    return _DENIED.search(clause) is not None or _SUPPOSED.search(clause) is not None


def announced(line: str) -> str | None:
    """What a line announces: the part after "answer is", "Result:" and the like, else None.

    A finished sentence may also announce what "it" is, with nothing else before. A condition
    announces nothing.

    >>> announced("So the answer is 3 1 4."), announced("So it's 5/12."), announced("First add 3")
    ('3 1 4', '5/12', None)
    """
    end = line[-LONGEST:]
    marks = [mark.end() for mark in _ANNOUNCED.finditer(end)]
    if marks and _SIGNAL.search(end, 0, marks[-1]):
        if supposed(end[: marks[-1]]):
            return None
        return plain(end[marks[-1] :])
    said = _DECORATION.sub("", line).strip(_AROUND) if len(line) <= LONGEST else ""
    it = _IT.match(said) if said.endswith(".") else None
    return plain(said[it.end() :]) if it else None
