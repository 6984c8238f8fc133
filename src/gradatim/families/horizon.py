"""Long execution: look words up in a table and keep a running sum, for many turns.

Table and plan are given, so every error is one of execution. single: the answer is the running sum
after each turn. multi: a chat in which each turn but the last has been answered, and the answer is
the sum after the last. A share `wrong` of the replies shown is false, by 1 to 9, so what errors in
its context do to a solver can be measured: the words still decide the right sum.

In compact form a word is a letter and "m" a minus: "tA3Bm5C0+AA+BC=" asks for "6.1"; of a chat
"uA3Bm5C0+AA=6+BC=" asks for "1". Up to 51 words have letters.

`at_turn` plays a chat with the solver's own replies. What is measured of them, step accuracy and
horizon length, is in `horizon_measures`.

Ref: Sinha et al. 2025, The Illusion of Diminishing Returns, arXiv:2509.09677. Differs: words are
made up, and false answers differ from the right sum of their turn, not of the turn before.
"""

import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain, product
from operator import add, ne
from typing import Any

from gradatim.checkers import lists
from gradatim.checkers.extract import Found, extract
from gradatim.errors import ArgumentError
from gradatim.families.dotted import packed, unpacked
from gradatim.families.formatted import lines
from gradatim.families.generation import content_id
from gradatim.families.knobs import complete, mode
from gradatim.families.numbers import check as check_number
from gradatim.families.numbers import columns
from gradatim.families.steps import totals
from gradatim.rng import Stream, digest
from gradatim.types import Draft, Family, Knob, Message, Problem, Step, Verdict

VOWELS, CONSONANTS = "aeiou", "bdfgklmnprtv"
LETTERS = 51  # words that have a letter; "m" is a minus
MARKS = string.ascii_uppercase + string.ascii_lowercase.replace("m", "")
MARKS += "".join(map(chr, range(0x100, 0x200)))  # of more words, in names of instances alone
TABLE = "Each of these words stands for a number."
RULE = "The running sum starts at 0. Each turn adds the numbers of its words to it."
ALL = (
    "Answer with the running sum after each turn, in order, separated by spaces, and nothing else."
)
DOUBT = (
    "A reply to a turn is the running sum after it, and nothing else. Earlier replies may be "
    "false; what counts is the sum of all words so far."
)
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


# words of five letters, vowels and consonants in turn: beginnings and ends
HEADS = ["".join(part) for part in product(VOWELS, CONSONANTS, VOWELS)]
TAILS = ["".join(part) for part in product(CONSONANTS, VOWELS)]


def _renamed(numbers: list[str], plan: str, keys: int) -> str:
    """An instance without its words: numbers in order of use, those not used, the plan.

    Args:
        numbers: of each word.
        plan: the words of all turns, each as its character of `MARKS`.
        keys: words in a turn.
    """
    left = dict(zip(MARKS, numbers, strict=False))
    order = "".join(dict.fromkeys(plan))
    used = " ".join([left.pop(mark) for mark in order])
    plan = plan.translate(str.maketrans(order, MARKS[: len(order)]))
    return f"{used}|{' '.join(sorted(left.values()))}|{keys} {plan}"


def _false(stream: Stream, sums: list[int], wrong: int) -> list[int]:
    """The sums that a chat shows, some of them false."""
    shown = list(sums)
    places = stream.sample(range(len(sums)), round(len(sums) * wrong / 100))
    for i, off in zip(places, stream.draws(2 * OFF_BY, len(places)), strict=True):
        shown[i] += off - OFF_BY if off < OFF_BY else off - OFF_BY + 1
    return shown


def _drawn(stream: Stream, words: int, high: int, used: int) -> tuple[list[int], ...]:
    """Different words as numbers, their values, and the words of the plan as places in these."""
    listed: dict[int, None] = {}
    while len(listed) < words:
        new = stream.draws(len(HEADS) * len(TAILS), words - len(listed))
        listed.update(dict.fromkeys(new))
    values = [value - high for value in stream.draws(2 * high + 1, words)]
    return list(listed), values, stream.draws(words, used)


def _short(numbers: list[str], plan: str, keys: int, shown: list[int] | None) -> str | None:
    """The compact form; `shown` are the replies of a chat."""
    if len(numbers) > LETTERS:
        return None
    parts = list(map(add, MARKS, numbers))
    turns = [plan[i : i + keys] for i in range(0, len(plan), keys)]
    if shown is None:
        return f"t{packed(''.join(parts))}+{'+'.join(turns)}="
    parts += [f"+{turn}={total}" for turn, total in zip(turns, shown, strict=False)]
    return f"u{packed(''.join(parts))}+{turns[-1]}="


def make(
    stream: Stream, *, form: str, words: int, high: int, keys: int, turns: int, wrong: int
) -> Draft:
    """One table and plan; words, values and the words of the turns are uniform."""
    if form == "any":
        form = ("single", "multi")[stream.below(2)]
    listed, values, used = _drawn(stream, words, high, keys * turns)
    plan = "".join([MARKS[word] for word in used])
    numbers = list(map(str, values))
    canonical = _renamed(numbers, plan, keys)  # the same for both forms
    if not stream.wants(canonical):
        return Draft("", "", canonical)
    size = len(TAILS)
    names = [HEADS[i // size] + TAILS[i % size] for i in listed]
    after = list(accumulate([values[i] for i in used]))[keys - 1 :: keys]
    count, each = range(1, turns + 1), range(keys)  # the places of a turn, one column each
    terms, asked = [numbers[i] for i in used], [names[i] for i in used]
    working = lines(
        f"Turn %d: %d{' + %s' * keys} = %d\n",
        *(count, [0, *after[:-1]], *[terms[i::keys] for i in each], after),
    )
    told = lines(f"Turn %d:{' %s' * keys}\n", count, *[asked[i::keys] for i in each])
    table = lines("%s = %s\n", names, numbers)
    head = f"{TABLE}\n{table}{RULE}\n"
    if form == "single":
        shown, prompt = None, f"{head}{told}{ALL}"
        answer = " ".join(map(str, after))
        meta: dict[str, Any] = {"form": form}
    else:
        shown = _false(stream, after[:-1], wrong)
        prompt = _chat(f"{head}{DOUBT}\n", told, shown)
        answer = str(after[-1])
        meta = {"form": form, "false": sum(map(ne, shown, after))}
    return Draft(
        prompt=prompt,
        answer=answer,
        canonical=canonical,
        compact=(short := _short(numbers, plan, keys, shown)),
        compact_answer=short and packed(answer),
        solution=working + answer,
        meta=meta,
    )


def _chat(head: str, told: str, shown: list[int]) -> tuple[Message, ...]:
    """The turns as a solver's own chat: a line of `told` each, and the replies in between."""
    asked = told[:-1].split("\n")
    asked[0] = head + asked[0]
    chat: list[Any] = [None] * (2 * len(asked) - 1)
    chat[::2] = [{"role": "user", "content": turn} for turn in asked]
    chat[1::2] = [{"role": "assistant", "content": str(total)} for total in shown]
    return tuple(chat)


def at_turn(problem: Problem, replies: Sequence[str]) -> Problem:
    """The turn of a chat that comes after these replies, which are shown as the solver's own.

    So a solver plays a chat from its first turn on, among its own errors: ask for the turn after
    no replies, then after one. The answer is the right sum, whatever the replies say; `false` in
    the problem's meta counts the replies that do not say theirs.

    Args:
        problem: of `horizon.multi`; its own replies are left out.
        replies: to its first turns, fewer than it has.

    Raises:
        ArgumentError: the problem is no chat, or there is no turn after so many replies.
    """
    chat = () if isinstance(problem.prompt, str) else problem.prompt
    turns = [message for message in chat if message["role"] == "user"]
    if len(replies) >= len(turns):
        have = f"{len(turns)} turns" if turns else "no chat"
        raise ArgumentError(f"`problem` {problem.id} has {have}, got {len(replies)} `replies`")
    values, plan = _read(problem)
    sums = list(accumulate(sum(values[word] for word in turn) for turn in plan))
    right = [
        check(replace(problem, answer=str(total)), reply).solved
        for total, reply in zip(sums, replies, strict=False)
    ]
    shown = [{"role": "assistant", "content": reply} for reply in replies]
    before = chain.from_iterable(zip(turns, shown, strict=False))
    prompt, answer = (*before, turns[len(replies)]), str(sums[len(replies)])
    named = {"family": problem.family, "version": problem.version, "verifier": problem.verifier}
    work = (problem.solution or "").split("\n")[: len(replies) + 1]
    return replace(
        problem,
        id=content_id(**named, prompt=prompt, answer=answer),
        prompt=prompt,
        answer=answer,
        compact=None,
        compact_answer=None,
        solution="\n".join([*work, answer]) if problem.solution else None,
        meta={**problem.meta, "false": right.count(False)},
    )


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply gives the sums after all turns (single), or after the last one (multi)."""
    if text == problem.answer:
        return Verdict(1.0, True, problem.answer, "correct")
    single = problem.meta.get("form") != "multi"
    found = (lists.check if single else check_number)(problem, text)
    if found.reason != "unparsed":
        return found
    numbers = unpacked(extract(text), None if single else 1)
    if numbers is None:
        return found
    stated = " ".join(numbers)
    right = stated == problem.answer
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


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
    if isinstance(prompt, str):
        text = prompt
    else:
        text = "\n".join(m["content"] for m in prompt if m["role"] == "user")
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
    return " ".join(map(str, sums if _all_asked(problem) else sums[-1:]))


def _all_asked(problem: Problem) -> bool:
    return isinstance(problem.prompt, str) and problem.prompt.endswith(ALL)


def _stated(text: str) -> list[tuple[int, int]]:
    """The sums that a reply states, each with the place where it ends; compact ones too."""
    stripped = text.strip()
    numbers = unpacked(Found(stripped, "line"), None)
    if numbers is None or (not stripped.isalnum() and "." not in stripped):
        return totals(text)
    ends = accumulate([len(n) + 1 for n in numbers], initial=text.index(stripped) - 1)
    return [(end, int(n)) for end, n in zip(list(ends)[1:], numbers, strict=True)]


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The running sums of a reply; legal where one follows from the one before it.

    An error counts once: the next sum is judged from the false one. A reply that gives the
    last sum alone, to multi, is one step, judged from the right sum before it.
    """
    values, turns = _read(problem)
    shown = _stated(text)
    first = 0 if len(shown) > 1 or _all_asked(problem) else len(turns) - 1
    before = sum(values[word] for turn in turns[:first] for word in turn)
    for i, (end, stated) in enumerate(shown[: len(turns) - first], start=first):
        legal = stated == before + sum(values[word] for word in turns[i])
        before = stated
        yield Step(end, digest("horizon", i, stated, size=8).hex(), str(stated), legal)


def effort(problem: Problem) -> float:
    """Words to look up and add."""
    return sum(len(turn) for turn in _read(problem)[1])


FAMILY = Family(
    name="horizon",
    doc="a running sum of looked-up numbers over many turns",
    version="2",
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
