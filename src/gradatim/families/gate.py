"""The gate, part one: does a family's check take right answers in any dress, and nothing else?

Each gate is a function (family, problems) -> Outcome: how many texts it tried, how many were
judged wrongly, and the first of those with item and text. Which texts are right is told by
`Family.judge`, or by equality with the shipped answer where there is none.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from gradatim.errors import MissingExtra
from gradatim.types import Family, Problem, Verdict

MB = 1_000_000
NONSENSE: tuple[Any, ...] = (
    *(None, "", "   ", "banana", 5, "\x00", "\ud800", "<think>", r"\boxed{}", "<answer></answer>"),
    *(r"\boxed{\boxed{", "I don't know", "[]", "-1", "nan", "²", "{}", "..."),
)
HUGE = ("1" * MB, "0 " * (MB // 2), "(" * MB, "\\boxed{" * (MB // 7))
HUGE_ITEMS = 2  # items that each huge text is tried on
FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda answer: answer,
    "spaces": lambda answer: f"  {answer} \n",
    "boxed": lambda answer: rf"\boxed{{{answer}}}",
    "boxed in a sentence": lambda answer: f"So it is \\boxed{{ {answer} }}.",
    "tagged": lambda answer: f"<answer>{answer}</answer>",
    "after reasoning": lambda answer: f"<think>\\boxed{{1}} or 2?</think>\n{answer}",
    "last line": lambda answer: f"Let me think.\n\n{answer}",
    "bold": lambda answer: f"**{answer}**",
    "sentence": lambda answer: f"The answer is {answer}.",
}
SUPPOSED = (
    "if the answer were {}, then no.",
    "If the answer is {}, then no.",
    "We must ask whether the answer is {}.",
)
KEPT = 5  # findings of a gate that are kept
SHOWN = 90  # characters of a text in a finding

_ZEROS = re.compile(r"(?<![\w.])0+(?=\w)")
_BETWEEN = re.compile(r"[\s,;]+")


class Finding(NamedTuple):
    """One failure: which gate, on which item, with which text, and what went wrong."""

    gate: str
    item: str
    level: int | None
    text: str
    why: str

    def __str__(self) -> str:
        at = f" on item {self.item}" if self.item else ""
        at += f" (level {self.level})" if self.level is not None else ""
        said = f" with {self.text}" if self.text else ""
        return f"gate '{self.gate}'{at}{said}: {self.why}"


class Outcome(NamedTuple):
    """What a gate found: `failed` of `tried`, and the first failures.

    Attributes:
        kind: "positive" where a failure is a wrong text that passed or raised, "negative" where
            it is a right one that did not pass, "other" elsewhere.
        facts: what was measured.
        items: ids of the items on which it failed.
    """

    gate: str
    tried: int
    failed: int
    findings: tuple[Finding, ...]
    kind: str = "other"
    facts: Mapping[str, Any] = {}
    items: frozenset[str] = frozenset()


class Notes:
    """Counts of one gate while it runs."""

    __slots__ = ("failed", "findings", "gate", "items", "tried")

    def __init__(self, gate: str) -> None:
        self.gate = gate
        self.tried = self.failed = 0
        self.findings: list[Finding] = []
        self.items: set[str] = set()

    def fail(self, problem: Problem | None, text: Any, why: str) -> None:
        """Count a failure; the first few are kept."""
        self.failed += 1
        if problem is not None:
            self.items.add(problem.id)
        if len(self.findings) < KEPT:
            shown = "" if text is NO_TEXT else shorten(text)
            at = (problem.id, problem.level) if problem is not None else ("", None)
            self.findings.append(Finding(self.gate, *at, shown, why))

    def outcome(self, kind: str = "other", **facts: Any) -> Outcome:
        """The counts as a record."""
        found, items = tuple(self.findings), frozenset(self.items)
        return Outcome(self.gate, self.tried, self.failed, found, kind, facts, items)


NO_TEXT = object()


def shorten(text: Any) -> str:
    """A text as it may stand in a message.

    >>> shorten("0 " * 500_000)[-23:]
    ' (1,000,000 characters)'
    """
    if isinstance(text, str) and len(text) > SHOWN:
        return f"{text[:60]!r}... ({len(text):,} characters)"
    return repr(text)


def asked(problem: Problem) -> str:
    """The question as one text; of a chat the messages' contents.

    >>> asked(Problem(id="1", prompt=({"role": "user", "content": "6 * 7?"},), answer="42"))
    '6 * 7?'
    """
    if isinstance(problem.prompt, str):
        return problem.prompt
    return "\n".join(message["content"] for message in problem.prompt)


def right(family: Family, problem: Problem, answer: str) -> bool:
    """Whether an answer is right by the family's own rule; a rule that raises says no."""
    if answer == problem.answer:
        return True
    if family.judge is None:
        return False
    try:
        return bool(family.judge(problem, answer))
    except Exception:
        return False


def verdict(family: Family, problem: Problem, text: Any) -> Verdict | str:
    """The family's verdict on a text, or what its check raised."""
    try:
        return family.check(problem, text)
    except Exception as error:
        return f"check raised {type(error).__name__}: {shorten(str(error))}"


Texts = Iterable[tuple[Problem, Any]]


def refuses(gate: str, family: Family, texts: Texts, *, any_reward: bool = False) -> Outcome:
    """Wrong texts: none may be solved, or bring any reward, or raise."""
    notes = Notes(gate)
    for problem, text in texts:
        notes.tried += 1
        found = verdict(family, problem, text)
        if isinstance(found, str):
            notes.fail(problem, text, found)
        elif found.solved or (any_reward and found.reward > 0):
            notes.fail(problem, text, f"passed, though {shorten(problem.answer)} is right")
        elif found.reason not in ("wrong", "unparsed", "abstained"):
            notes.fail(problem, text, f"reason '{found.reason}'")
    return notes.outcome("positive")


def accepts(gate: str, family: Family, texts: Texts) -> Outcome:
    """Right texts: every one must be solved with reward 1."""
    notes = Notes(gate)
    for problem, text in texts:
        notes.tried += 1
        found = verdict(family, problem, text)
        if isinstance(found, str):
            notes.fail(problem, text, found)
            continue
        reason = "abstained" if problem.unsolvable else "correct"
        if not found.solved or found.reward != 1.0:
            notes.fail(problem, text, f"is right, but got {found.reward} ({found.reason})")
        elif found.reason not in (reason, "correct"):
            notes.fail(problem, text, f"is right, but has the reason '{found.reason}'")
    return notes.outcome("negative")


def forms(
    family: Family, problems: Sequence[Problem], *, dresses: Iterable[str] = tuple(FORMS)
) -> Outcome:
    """The shipped answers, plain and compact, in every dress; and the worked solutions."""
    worn = [FORMS[name] for name in dresses]

    def texts() -> Iterator[tuple[Problem, str]]:
        for problem in problems:
            for answer in filter(None, (problem.answer, problem.compact_answer)):
                yield from ((problem, dress(answer)) for dress in worn)
            if problem.solution is not None:
                yield problem, problem.solution

    return accepts("own answers", family, texts())


def nonsense(family: Family, problems: Sequence[Problem]) -> Outcome:
    """Nothing, words, other types, NUL, lone surrogates, a megabyte: no reward, no exception."""

    def texts() -> Iterator[tuple[Problem, Any]]:
        for i, problem in enumerate(problems):
            for text in (*NONSENSE, *(HUGE if i < HUGE_ITEMS else ())):
                if not (isinstance(text, str) and right(family, problem, text)):
                    yield problem, text

    return refuses("nonsense", family, texts(), any_reward=True)


def question(family: Family, problems: Sequence[Problem]) -> Outcome:
    """The question given back, as text, message by message, and in compact form."""

    def texts() -> Iterator[tuple[Problem, str]]:
        for problem in problems:
            words = asked(problem)
            yield from ((problem, text) for text in (words, f"{words}\n", str(problem.prompt)))
            if not isinstance(problem.prompt, str):
                told = (m["content"] for m in problem.prompt if m["role"] != "assistant")
                yield from ((problem, text) for text in told)
            if problem.compact:
                for text in (
                    problem.compact,
                    f"{problem.compact}\n",
                    f"{words}\n{problem.compact}",
                ):
                    yield problem, text

    return refuses("question", family, texts(), any_reward=True)


def _pairs(problems: Sequence[Problem], most: int) -> Iterator[tuple[Problem, Problem]]:
    """Different problems of one level, at most `most` pairs, spread over levels."""
    by_level: dict[Any, list[Problem]] = {}
    for problem in problems:
        by_level.setdefault(problem.level, []).append(problem)
    each = max(1, most // len(by_level)) if by_level else 0
    for group in by_level.values():
        count = 0
        for step in range(1, len(group)):
            for i, p in enumerate(group):
                if count == each:
                    break
                count += 1
                yield p, group[(i + step) % len(group)]


def neighbours(family: Family, problems: Sequence[Problem], *, most: int = 1000) -> Outcome:
    """Answers of other items of the level: solved exactly where the family's rule says right."""
    notes = Notes("neighbours")
    agreed = 0
    for p, q in _pairs(problems, most):
        same = right(family, p, q.answer)
        texts = [q.answer]
        if q.compact_answer and q.compact and p.compact and q.compact[0] == p.compact[0]:
            texts.append(q.compact_answer)
        for text in texts:
            notes.tried += 1
            found = verdict(family, p, text)
            if isinstance(found, str) or found.solved != same:
                said = "right" if same else "wrong"
                notes.fail(p, text, found if isinstance(found, str) else f"is {said} by the rule")
        agreed += same
    return notes.outcome("positive", right=agreed)


def common(family: Family, problems: Sequence[Problem]) -> Outcome:
    """The most common answers, given to every item for which they are not right."""
    top = [answer for answer, _ in Counter(p.answer for p in problems).most_common(3)]
    return refuses(
        "common answer",
        family,
        ((p, a) for p in problems for a in top if not right(family, p, a)),
    )


def _spread(positions: list[int], most: int) -> list[int]:
    if len(positions) <= most:
        return positions
    return [positions[i * len(positions) // most] for i in range(most)]


def near(answer: str, *, most: int = 12) -> Iterator[str]:
    """Texts that differ little from an answer: a digit, a letter, a sign, a part too few or twice.

    >>> sorted(near("3 1"))[:6]
    ['-3 1', '0 1', '1', '1 1', '1 3', '3']
    """
    for i in _spread([i for i, c in enumerate(answer) if c.isdigit()], most):
        yield from (answer[:i] + c + answer[i + 1 :] for c in "017" if c != answer[i])
    for i in _spread([i for i, c in enumerate(answer) if c.isalpha()], most):
        other = "b" if answer[i] in "aA" else "a"
        yield answer[:i] + (other.upper() if answer[i].isupper() else other) + answer[i + 1 :]
    if answer[:1].isdigit():
        yield f"-{answer}"
    elif answer[:1] == "-":
        yield answer[1:]
    marks = [mark.span() for mark in _BETWEEN.finditer(answer)]
    if marks:
        (start, end), (last, after) = marks[0], marks[-1]
        yield answer[end:]
        yield answer[:last]
        yield answer + answer[last:after] + answer[after:]
        second = marks[1][0] if len(marks) > 1 else len(answer)
        yield answer[end:second] + answer[start:end] + answer[:start] + answer[second:]


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(text.replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        return None


def alike(a: str, b: str) -> bool:
    """Whether two texts state the same but for separators, leading zeros, and how a number is put.

    >>> alike("03, 4", "3 4"), alike("2/4", "1/2"), alike("3 4", "4 3")
    (True, True, False)
    """
    one, two = (
        _ZEROS.sub("", " ".join(_BETWEEN.split(text.strip()))).replace("-0", "0").casefold()
        for text in (a, b)
    )
    return one == two or ((x := _number(one)) is not None and x == _number(two))


def near_misses(family: Family, problems: Sequence[Problem]) -> Outcome:
    """Answers changed in one place; right answers denied, only supposed, and hedged."""

    def texts() -> Iterator[tuple[Problem, str]]:
        for problem in problems:
            missed = ""
            yield problem, f"The answer is not {problem.answer}."
            yield from ((problem, text.format(problem.answer)) for text in SUPPOSED)
            for text in near(problem.answer):
                if not alike(text, problem.answer) and not right(family, problem, text):
                    missed = missed or text
                    yield problem, text
            if missed:
                yield problem, f"The answer is {problem.answer} or {missed}."
                yield problem, f"\\boxed{{{problem.answer}}} \\boxed{{{missed}}}"

    return refuses("near misses", family, texts())


def solver(family: Family, problems: Sequence[Problem]) -> Outcome:
    """The independent solver's answers are right, and so are the shipped ones by the rule."""
    notes = Notes("solver")
    if family.solve is None:
        notes.tried += 1
        notes.fail(None, NO_TEXT, f"'{family.name}' has no independent solver (Family.solve)")
        return notes.outcome()
    for problem in problems:
        notes.tried += 1
        try:
            answer = family.solve(problem)
            shipped = family.judge is None or family.judge(problem, problem.answer)
        except MissingExtra:
            raise
        except Exception as error:
            notes.fail(problem, NO_TEXT, f"solve or judge raised {type(error).__name__}: {error}")
            continue
        found = verdict(family, problem, answer)
        if not shipped:
            notes.fail(problem, problem.answer, "the shipped answer is wrong by the rule")
        elif not right(family, problem, answer):
            notes.fail(problem, answer, f"the solver's answer; {problem.answer!r} is shipped")
        elif isinstance(found, str) or not found.solved:
            notes.fail(problem, answer, "the solver's right answer does not pass")
    return notes.outcome()


ANSWERS = (forms, nonsense, question, neighbours, common, near_misses, solver)
