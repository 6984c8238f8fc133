"""Long execution: look words up in a table and keep a running sum, for many turns.

Table and plan are given, so every error is one of execution. single: the answer is the running sum
after each turn. multi: each turn but the last has been answered, and the answer is the sum after
the last; `messages` makes a chat of it. A share `wrong` of the replies shown is false, by 1 to 9,
so what errors in its context do to a solver can be measured: the words still decide the right sum.

Two measures need no more than steps: the horizon of a solver whose every step is right with chance
p, and the slope of step accuracy on the share of errors seen before (self-conditioning).

Ref: Sinha et al. 2025, The Illusion of Diminishing Returns, arXiv:2509.09677. Differs: words are
made up, and false answers differ from the right sum of their turn, not of the turn before.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain, product
from math import log
from typing import Any, NamedTuple

import numpy as np

from gradatim.checkers import lists
from gradatim.checks import finite, within
from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete, mode
from gradatim.families.numbers import check as check_number
from gradatim.families.numbers import columns
from gradatim.families.steps import totals
from gradatim.rng import Stream, digest
from gradatim.types import Draft, Estimate, Family, Knob, Message, Problem, Step, Verdict

VOWELS, CONSONANTS = "aeiou", "bdfgklmnprtv"
RULE = "The running sum starts at 0. Each turn adds the numbers of its words to it."
ALL = (
    "Answer with the running sum after each turn, in order, separated by spaces, and nothing else."
)
DOUBT = (
    "A reply to a turn is the running sum after it, and nothing else. Earlier replies may be "
    "false; what counts is the sum of all words so far."
)
LAST = "Answer with the running sum after the last turn, and nothing else."
NORMAL = 1.959964  # 97.5% quantile of the normal distribution
OFF_BY = 9  # false answers are off by at most this

KNOBS = {
    "form": Knob(
        "all sums asked, the last one asked, or both", "any", choices=("single", "multi", "any")
    ),
    "words": Knob("words in the table", 10, 2, 200),
    "high": Knob("values lie in [-high, high]", 9, 1, 999),
    "keys": Knob("words in a turn", 1, 1, 20),
    "turns": Knob("turns", 10, 1, 1000),
    "wrong": Knob("percent of false replies in multi", 0, 0, 100),
}
LADDER = columns(
    words=(4, 4, 5, 6, 8, 10, 12, 16, 20, 30),
    high=(9, 9, 9, 9, 9, 9, 19, 19, 49, 99),
    keys=(1, 1, 1, 1, 1, 2, 2, 3, 3, 4),
    turns=(4, 6, 8, 11, 15, 15, 18, 20, 22, 25),
    wrong=(0, 20, 20, 20, 20, 30, 30, 40, 40, 50),
)

_ENTRY = re.compile(r"^([a-z]{5}) = (-?\d+)$", re.MULTILINE)
_TURN = re.compile(r"^Turn \d+: ([a-z ]+)$", re.MULTILINE)


@cache
def _words() -> list[str]:
    """All words of five letters, vowels and consonants in turn."""
    letters = (VOWELS, CONSONANTS, VOWELS, CONSONANTS, VOWELS)
    return ["".join(word) for word in product(*letters)]


def _renamed(values: dict[str, int], turns: list[list[str]]) -> str:
    """An instance without its words: values in order of use, those not used, the plan."""
    order = {word: str(i) for i, word in enumerate(dict.fromkeys(chain.from_iterable(turns)))}
    used = " ".join(str(values[word]) for word in order)
    rest = " ".join(map(str, sorted(v for word, v in values.items() if word not in order)))
    plan = ";".join(" ".join([order[word] for word in turn]) for turn in turns)
    return f"{used}|{rest}|{plan}"


def _sums(values: dict[str, int], turns: list[list[str]]) -> tuple[list[int], str]:
    signed = {word: f" {'-' if n < 0 else '+'} {abs(n)}" for word, n in values.items()}
    total, sums, lines = 0, [], []
    for i, turn in enumerate(turns, start=1):
        before = total
        for word in turn:
            total += values[word]
        sums.append(total)
        shown = "".join([signed[word] for word in turn])
        lines.append(f"Turn {i}: {before}{shown} = {total}\n")
    return sums, "".join(lines)


def _false(stream: Stream, sums: list[int], wrong: int) -> list[int]:
    """The sums that a chat shows, some of them false."""
    shown = list(sums)
    for i in stream.sample(range(len(sums)), round(len(sums) * wrong / 100)):
        off = stream.between(1, OFF_BY)
        shown[i] += off if stream.below(2) else -off
    return shown


def make(
    stream: Stream, *, form: str, words: int, high: int, keys: int, turns: int, wrong: int
) -> Draft:
    """One table and plan; words, values and the words of the turns are uniform."""
    if form == "any":
        form = ("single", "multi")[stream.below(2)]
    listed, values = _words(), {}
    while len(values) < words:
        for index in stream.draws(len(listed), words - len(values)):
            values[listed[index]] = 0
    names = list(values)
    for word, value in zip(names, stream.draws(2 * high + 1, words), strict=True):
        values[word] = value - high
    drawn = [names[i] for i in stream.draws(words, keys * turns)]
    plan = [drawn[i : i + keys] for i in range(0, len(drawn), keys)]
    sums, working = _sums(values, plan)
    table = "\n".join([f"{word} = {value}" for word, value in values.items()])
    told = [f"Turn {i}: {' '.join(turn)}" for i, turn in enumerate(plan, start=1)]
    lines = [f"Each of these words stands for a number.\n{table}\n{RULE}"]
    meta: dict[str, Any] = {"form": form}
    if form == "single":
        answer = " ".join(map(str, sums))
        lines += [*told, ALL]
    else:
        answer = str(sums[-1])
        shown = _false(stream, sums[:-1], wrong)
        lines.append(DOUBT)
        for turn, reply in zip(told, shown, strict=False):
            lines += [turn, f"Reply: {reply}"]
        lines += [told[-1], LAST]
        meta["false"] = sum(a != b for a, b in zip(shown, sums, strict=False))
    return Draft(
        prompt="\n".join(lines),
        answer=answer,
        canonical=_renamed(values, plan),
        solution=working + answer,
        meta=meta,
    )


def messages(problem: Problem) -> tuple[Message, ...]:
    """The turns of a multi problem as a chat: the replies shown become the solver's own.

    Use `dataclasses.replace(problem, prompt=messages(problem))` for a solver that takes chats;
    the check stays the same.

    Raises:
        ArgumentError: the problem shows no replies.
    """
    text = str(problem.prompt)
    if not text.endswith(LAST):
        raise ArgumentError(f"`problem` {problem.id} is not a horizon.multi problem")
    chat: list[Message] = []
    asked: list[str] = []
    for line in text.removesuffix(f"\n{LAST}").split("\n"):
        if line.startswith("Reply: "):
            chat.append({"role": "user", "content": "\n".join(asked)})
            chat.append({"role": "assistant", "content": line.removeprefix("Reply: ")})
            asked = []
        else:
            asked.append(line)
    return (*chat, {"role": "user", "content": "\n".join(asked)})


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply gives the sums after all turns (single), or after the last one (multi)."""
    if text == problem.answer:
        return Verdict(1.0, True, problem.answer, "correct")
    return (check_number if problem.meta.get("form") == "multi" else lists.check)(problem, text)


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of a guess that adds one word's number, drawn from the table, for each turn's.

    single: (1 / words)^turns. multi: 1 / words, as the sum before the last turn is shown. Turns of
    several words are harder to guess. Where words share a value, somewhat more.
    """
    setting = complete(KNOBS, knobs)
    one = 1 / setting["words"]
    floors = {"single": one ** setting["turns"], "multi": one}
    return floors.get(setting["form"], sum(floors.values()) / 2)


def space(knobs: Mapping[str, Any]) -> int:
    """At least the assignments of values to one plan in which each turn brings new words.

    With w = min(words, keys * turns) words used: (2 high + 1)^w. Plans multiply this.
    """
    setting = complete(KNOBS, knobs)
    used = min(setting["words"], setting["keys"] * setting["turns"])
    return (2 * setting["high"] + 1) ** used


def _read(problem: Problem) -> tuple[dict[str, int], list[list[str]]]:
    """The table and the turns from the prompt alone."""
    prompt = problem.prompt
    text = prompt if isinstance(prompt, str) else "\n".join(m["content"] for m in prompt)
    values = {word: int(value) for word, value in _ENTRY.findall(text)}
    turns = [turn.split() for turn in _TURN.findall(text)]
    if not values or not turns:
        raise ArgumentError(f"`problem` {problem.id} is not a horizon problem")
    return values, turns


def solve(problem: Problem) -> str:
    """Answer from the prompt's text alone: how often each word has come, times its number."""
    values, turns = _read(problem)
    sums = []
    for i in range(len(turns)):
        counts = Counter(word for turn in turns[: i + 1] for word in turn)
        sums.append(sum(values[word] * n for word, n in counts.items()))
    return " ".join(map(str, sums if str(problem.prompt).endswith(ALL) else sums[-1:]))


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The running sums of a reply; legal where one follows from the one before it.

    An error counts once: the next sum is judged from the false one. A reply that gives the
    last sum alone, to multi, is one step, judged from the right sum before it.
    """
    values, turns = _read(problem)
    shown = totals(text)
    first = 0 if len(shown) > 1 or str(problem.prompt).endswith(ALL) else len(turns) - 1
    before = sum(values[word] for turn in turns[:first] for word in turn)
    for i, (end, stated) in enumerate(shown[: len(turns) - first], start=first):
        legal = stated == before + sum(values[word] for word in turns[i])
        before = stated
        yield Step(end, digest("horizon", i, stated, size=8).hex(), str(stated), legal)


def effort(problem: Problem) -> float:
    """Words to look up and add."""
    return sum(len(turn) for turn in _read(problem)[1])


# -- measures ---------------------------------------------------------------------------------


def horizon_length(accuracy: float, success: float = 0.5) -> float:
    """Steps that a solver gets right in a row with chance `success`: ln s / ln p.

    Args:
        accuracy: chance p that a step is right, the same for every step, in (0, 1).
        success: s in (0, 1).

    Ref: Sinha et al. 2025, arXiv:2509.09677.

    >>> [round(horizon_length(p), 1) for p in (0.9, 0.99, 0.999)]
    [6.6, 69.0, 692.8]
    """
    for name, value in (("accuracy", accuracy), ("success", success)):
        if not 0 < value < 1:
            raise ArgumentError(f"`{name}` must lie strictly between 0 and 1, got {value!r}")
    return log(success) / log(accuracy)


class StepAccuracy(NamedTuple):
    """Counts by turn. `right`, `tried`, `whole`: (turn,) int; `replies`: how many there were.

    Attributes:
        right: steps that follow from the one before.
        tried: steps that replies reach.
        whole: replies with every step right up to and with this one.
        replies: replies read, those that reach no step included.
    """

    right: np.ndarray
    tried: np.ndarray
    whole: np.ndarray
    replies: int

    @property
    def length(self) -> int:
        """Turns up to which at least half of the replies are right throughout."""
        return int(np.count_nonzero(2 * self.whole >= max(1, self.replies)))


def step_accuracy(traces: Iterable[Iterable[Step]]) -> StepAccuracy:
    """Steps right and tried at each turn, over replies; divide, or estimate with scale.rates.

    >>> good, bad = Step(1, "", "3", True), Step(3, "", "9", False)
    >>> found = step_accuracy([[good, good], [good, bad]])
    >>> found.right.tolist(), found.tried.tolist(), found.whole.tolist(), found.length
    ([2, 1], [2, 2], [2, 1], 2)
    """
    rows = [[step.legal for step in trace] for trace in traces]
    turns = max(map(len, rows), default=0)
    right, tried, whole = (np.zeros(turns, int) for _ in range(3))
    for row in rows:
        legal = np.array(row, int)
        right[: len(row)] += legal
        tried[: len(row)] += 1
        whole[: len(row)] += np.minimum.accumulate(legal)
    return StepAccuracy(right, tried, whole, len(rows))


def self_conditioning(errors: np.ndarray, right: np.ndarray) -> Estimate:
    """Slope of step accuracy on the share of errors in the context, with a 95% interval.

    Least squares with an intercept; the standard error holds for 0/1 outcomes (HC1). A slope below
    0 says that errors breed errors. Compare steps of one length: accuracy may fall with length too.

    Args:
        errors: (step,) float in [0, 1], share of earlier answers shown that are false.
        right: (step,) 0 or 1, whether the step is right.

    Ref: Sinha et al. 2025, arXiv:2509.09677, section on self-conditioning. Differs: a slope in
    place of curves by error rate.

    >>> self_conditioning(np.array([0, 0, 1, 1]), np.array([1, 1, 1, 0])).value
    -0.5
    """
    x, y = np.asarray(errors, float), np.asarray(right, float)
    within(0, 1, errors=x, right=y)
    finite(errors=x, right=y)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 3 or np.ptp(x) == 0:
        raise ArgumentError(
            "`errors` and `right` must be two columns of one length, at least 3, "
            "with more than one share of errors among them"
        )
    centred = x - x.mean()
    spread = centred @ centred
    slope = centred @ y / spread
    left = y - y.mean() - slope * centred
    error = np.sqrt((centred**2) @ (left**2) * len(x) / (len(x) - 2)) / spread
    reach = NORMAL * error
    return Estimate(float(slope), float(slope - reach), float(slope + reach), len(x))


FAMILY = Family(
    name="horizon",
    doc="a running sum of looked-up numbers over many turns",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    trace=trace,
    effort=effort,
    effort_unit="words",
)
SINGLE = mode(FAMILY, "single", "the running sum after each of many turns", form="single", wrong=0)
MULTI = mode(FAMILY, "multi", "turns with replies, some of them false; the last sum", form="multi")
