"""Cryptarithms: letters stand for digits so that a sum of words is right.

Words are random letters, so none is known from elsewhere; an exhaustive search with bounds proves
that one assignment solves the puzzle. Compact form: "cAB+CB=DAC=" -> the digits of A, B, C, D.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from math import comb, factorial, perm
from typing import Any

from gradatim.checkers.extract import UNPARSED, extract
from gradatim.checkers.lists import parse
from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
COMPACT = 40  # characters of the longest compact form
DRAWS = 200_000  # sums drawn for one puzzle
BILLION = 10**9
# Of a billion sums drawn, at least so many have one solution, for 4 .. 10 letters, by (addends,
# digits): four standard errors below the share in a sample; 0 where they are too rare to be drawn.
SHARES = {
    (2, 3): (2_400_000, 370_000, 0, 0, 0, 0, 0),
    (2, 4): (2_700_000, 3_000_000, 1_400_000, 75_000, 0, 0, 0),
    (2, 5): (2_000_000, 3_600_000, 5_500_000, 5_300_000, 3_100_000, 680_000, 630_000),
    (2, 6): (1_300_000, 2_900_000, 6_700_000, 14_000_000, 18_000_000, 21_000_000, 28_000_000),
    (3, 3): (7_400_000, 1_600_000, 0, 0, 0, 0, 0),
    (3, 4): (4_900_000, 9_200_000, 6_300_000, 380_000, 0, 0, 0),
    (3, 5): (2_800_000, 8_100_000, 14_000_000, 18_000_000, 13_000_000, 5_100_000, 6_100_000),
    (3, 6): (1_300_000, 4_600_000, 14_000_000, 29_000_000, 48_000_000, 59_000_000, 100_000_000),
    (4, 3): (0, 0, 0, 0, 0, 0, 0),
    (4, 4): (5_500_000, 11_000_000, 9_600_000, 860_000, 0, 0, 0),
    (4, 5): (2_500_000, 8_600_000, 19_000_000, 28_000_000, 21_000_000, 10_000_000, 14_000_000),
    (4, 6): (1_000_000, 4_700_000, 14_000_000, 36_000_000, 67_000_000, 120_000_000, 210_000_000),
}
# Settings with few puzzles, by (letters, addends, digits): counted over all sums.
COUNTS = {(4, 2, 3): 1248, (5, 2, 3): 1104}

KNOBS = {
    "letters": Knob("different letters", 6, 4, 10),
    "addends": Knob("words that are added", 2, 2, 4),
    "digits": Knob("letters of each word that is added", 4, 3, 6),
}
_SETTINGS = (
    *((4, 2, 3), (5, 2, 4), (6, 2, 4), (7, 2, 5), (7, 3, 5)),
    *((8, 3, 6), (9, 3, 6), (10, 3, 6), (10, 4, 6), (10, 4, 5)),
)
LADDER = {i: dict(zip(KNOBS, setting, strict=True)) for i, setting in enumerate(_SETTINGS, 1)}


def search(words: list[str], most: int = 2) -> tuple[list[str], int]:
    """Solutions of a puzzle (the last word is the sum), up to `most`, and the nodes searched.

    As one linear equation, sum of weight x digit = 0: letters by falling weight, digits ascending,
    cut where what the letters left can still add or take cannot bring the sum back to 0. A node
    is a digit given to a letter that is not cut. A solution is the digits of the letters from A
    to Z.

    >>> search(["AB", "AB", "CB"])[0]  # 10 + 10 = 20, 20 + 20 = 40 and more
    ['102', '204']
    """
    weight: dict[str, int] = {}
    for i, word in enumerate(words):
        sign = -1 if i == len(words) - 1 else 1
        for place, letter in enumerate(reversed(word)):
            weight[letter] = weight.get(letter, 0) + sign * 10**place
    order = sorted(weight, key=lambda letter: -abs(weight[letter]))
    up = [9 * sum(max(weight[c], 0) for c in order[i:]) for i in range(len(order) + 1)]
    down = [9 * sum(min(weight[c], 0) for c in order[i:]) for i in range(len(order) + 1)]
    first = {word[0] for word in words}
    terms = [(weight[c], range(c in first, 10)) for c in order]
    found: list[str] = []
    chosen: dict[str, int] = {}
    nodes = 0

    def place_from(i: int, total: int, used: int) -> None:
        nonlocal nodes
        if i == len(terms):
            found.append("".join(str(chosen[letter]) for letter in sorted(chosen)))
            return
        each, digits = terms[i]
        low, high = -up[i + 1], -down[i + 1]
        for digit in digits:
            if not used >> digit & 1 and low <= total + each * digit <= high:
                nodes += 1
                chosen[order[i]] = digit
                place_from(i + 1, total + each * digit, used | 1 << digit)
                if len(found) >= most:
                    return

    place_from(0, 0, 0)
    return found, nodes


@lru_cache(maxsize=256)
def _share(letters: int, addends: int, digits: int) -> int:
    """Puzzles with one solution among a billion sums drawn, at least."""
    share = SHARES[addends, digits][letters - 4]
    if not share:
        fit = [str(d) for d in range(3, 7) if SHARES[addends, d][letters - 4]]
        raise ArgumentError(
            f"`cryptarithm.digits` = {digits} leaves too few sums of {addends} words and {letters} "
            f"letters with one solution; for so many words and letters take {' or '.join(fit)}"
        )
    return share


def _sum(stream: Stream, letters: int, addends: int, digits: int) -> list[int] | None:
    """Numbers that use exactly some `letters` digits together with their sum, or None."""
    names = [str(d) for d in stream.sample(range(10), letters)]
    numbers = ["".join([stream.choice(names) for _ in range(digits)]) for _ in range(addends)]
    if any(number[0] == "0" for number in numbers):
        return None
    values = [int(number) for number in numbers]
    used = set("".join(numbers) + str(sum(values)))
    return [*values, sum(values)] if used == set(names) else None


def make(stream: Stream, *, letters: int, addends: int, digits: int) -> Draft:
    """A uniform sum among those with that many different digits and one solution."""
    _share(letters, addends, digits)
    for _ in range(DRAWS):
        numbers = _sum(stream, letters, addends, digits)
        if numbers is None:
            continue
        text = " ".join(map(str, numbers))
        shown = sorted(set(text) - {" "})
        names = dict(zip(shown, stream.sample(LETTERS, letters), strict=True))
        words = ["".join([names[c] for c in word]) for word in text.split()]
        found, nodes = search(words)
        if len(found) == 1:
            return _draft(numbers, words, nodes)
    raise ArgumentError(
        f"`cryptarithm.letters` = {letters} gave no puzzle with one solution in {DRAWS} sums of "
        f"{addends} words of {digits} letters; give more digits or fewer letters"
    )


def _draft(numbers: list[int], words: list[str], nodes: int) -> Draft:
    value = dict(zip("".join(words), "".join(map(str, numbers)), strict=True))
    listed = ", ".join(sorted(value))
    answer = "".join(value[letter] for letter in sorted(value))
    added = " + ".join(words[:-1])
    shown = " + ".join(map(str, numbers[:-1]))
    compact = f"c{added.replace(' ', '')}={words[-1]}="
    return Draft(
        prompt=(
            "Each letter stands for a digit from 0 to 9, different letters for different digits, "
            "and no number starts with 0. Find the digits that make this sum right:\n"
            f"{added} = {words[-1]}\n"
            f"Answer with the digits of {listed} in this order, without spaces, and nothing else."
        ),
        answer=answer,
        # with one solution, puzzles are alike up to names and order just where their sums are
        canonical=" + ".join(map(str, sorted(numbers[:-1]))),
        compact=compact if len(compact) <= COMPACT else None,
        compact_answer=answer if len(compact) <= COMPACT else None,
        solution=(
            "\n".join(f"{letter} = {value[letter]}" for letter in sorted(value))
            + f"\n{added} = {words[-1]} reads {shown} = {numbers[-1]}\n{answer}"
        ),
        meta={"words": words, "nodes": nodes},
    )


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply gives the digits; not one digit for each letter is `unparsed`."""
    right = problem.answer
    stated = text if isinstance(text, str) else ""
    if len(stated) != len(right) or not (stated.isascii() and stated.isdigit()):
        found = extract(text)
        values = parse(found.answer, packed=True, how=found.how) if found.answer else None
        stated = "".join(map(str, values or ()))
        if len(stated) != len(right) or not stated.isdigit():
            return UNPARSED
    solved = stated == right
    return Verdict(float(solved), solved, stated, "correct" if solved else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def _setting(knobs: Mapping[str, Any]) -> tuple[int, int, int]:
    setting = complete(KNOBS, knobs)
    return setting["letters"], setting["addends"], setting["digits"]


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of random digits, different for different letters: 1 / (10 9 ... (11 - letters)).

    >>> floor({"letters": 4, "addends": 2, "digits": 3}) == 1 / 5040
    True
    """
    return 1 / perm(10, _setting(knobs)[0])


def space(knobs: Mapping[str, Any]) -> int:
    """Number of puzzles up to names of the letters and order of the words.

    Counted where they are few (`COUNTS`); else at least C(10, letters) letters^(addends digits)
    draws, times the share of them that has one solution (`SHARES`), over addends! orders.
    """
    letters, addends, digits = setting = _setting(knobs)
    draws = comb(10, letters) * letters ** (addends * digits)
    bound = draws * _share(*setting) // (BILLION * factorial(addends))
    counted = COUNTS.get(setting)
    return bound if counted is None else counted


def _read(prompt: str) -> list[str]:
    """Words, the sum last, from the prompt's text."""
    return re.findall(r"[A-Z]+", prompt.split("\n")[1])


def solutions(prompt: str) -> list[str]:
    """All answers of a puzzle, from the prompt's text alone, column by column from the right.

    Every state is (digits of letters seen, carry); each column extends each state in all ways.
    """
    *added, total = (word[::-1] for word in _read(prompt))
    first = {word[-1] for word in (*added, total)}
    states: list[tuple[dict[str, int], int]] = [({}, 0)]
    for i, below in enumerate(total):
        column = [word[i] for word in added if i < len(word)]
        for letter in column:
            states = [
                ({**value, letter: digit}, carry)
                for value, carry in states
                for digit in ([value[letter]] if letter in value else range(letter in first, 10))
                if letter in value or digit not in value.values()
            ]
        kept = []
        for value, carry in states:
            carry, digit = divmod(carry + sum(value[letter] for letter in column), 10)
            new = below not in value and digit not in value.values()
            if value.get(below) == digit or (new and (digit or below not in first)):
                kept.append(({**value, below: digit}, carry))
        states = kept
    right = [value for value, carry in states if not carry]
    return sorted("".join(str(value[letter]) for letter in sorted(value)) for value in right)


def solve(problem: Problem) -> str:
    """The first answer from the prompt's text alone, by a search of all columns."""
    found = solutions(str(problem.prompt))
    if not found:
        raise ArgumentError(f"`problem` {problem.id} has no solution")
    return found[0]


def effort(problem: Problem) -> float:
    """Nodes of `search` to find the solution and prove that there is no other."""
    return search(_read(str(problem.prompt)))[1]


FAMILY = Family(
    name="cryptarithm",
    doc="digits for letters so that a sum of random words is right",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    effort=effort,
    effort_unit="nodes of a search with bounds that finds the solution and proves it the only one",
)
