"""Cryptarithms: letters stand for digits so that a sum of words is right.

Words are random letters, so none is known from elsewhere; an exhaustive search with bounds proves
that one assignment solves the puzzle. Compact form: "cAB+CB=DAC=" -> the digits of A, B, C, D.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations, permutations
from math import comb, factorial, perm
from typing import Any

import numpy as np

from gradatim.checkers.extract import UNPARSED
from gradatim.checkers.lists import locate, parse
from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
COMPACT = 40  # characters of the longest compact form
_DIGITS = np.arange(10)
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
    *((4, 2, 4), (4, 4, 4), (5, 2, 5), (6, 2, 5), (6, 3, 4)),
    *((7, 3, 5), (8, 3, 6), (9, 3, 6), (10, 3, 6), (10, 4, 6)),
)
LADDER = {i: dict(zip(KNOBS, setting, strict=True)) for i, setting in enumerate(_SETTINGS, 1)}


def _weights(words: list[str]) -> dict[str, int]:
    """The puzzle (the last word is the sum) as one equation: sum of weight x digit = 0."""
    weight: dict[str, int] = {}
    for i, word in enumerate(words):
        step = -1 if i == len(words) - 1 else 1
        for letter in reversed(word):
            weight[letter] = weight.get(letter, 0) + step
            step *= 10
    return weight


def _most(weights: list[int]) -> int:
    """The most that letters of these weights can add, each with a digit of its own."""
    rising = sorted(weights)
    cut = bisect_left(rising, 0)
    least = sum(w * digit for digit, w in enumerate(rising[:cut]))
    return least + sum(w * (9 - i) for i, w in enumerate(reversed(rising[cut:])))


def search(words: list[str]) -> tuple[list[str], int]:
    """All solutions of a puzzle (the last word is the sum), and the nodes searched.

    Letters by falling weight, all digits for each at once, those kept after which the letters
    left, with different digits each, can still bring the sum back to 0. A node is a digit given
    to a letter and kept. A solution is the digits of the letters from A to Z.

    >>> search(["AB", "AB", "CB"])[0]  # 10 + 10 = 20, 20 + 20 = 40 and more
    ['102', '204', '306', '408']
    """
    weight, first = _weights(words), {word[0] for word in words}
    order = sorted(weight, key=lambda letter: -abs(weight[letter]))
    each = [weight[letter] for letter in order]
    need, used, path = np.zeros((3, 1), np.int64)  # what the letters left must add, and so on
    nodes = 0
    for i, letter in enumerate(order):
        rest = each[i + 1 :]
        digits = _DIGITS[letter in first :]
        left = need[:, None] - each[i] * digits
        fits = (left <= _most(rest)) & (left >= -_most([-w for w in rest]))
        kept = np.flatnonzero(fits & (used[:, None] >> digits & 1 == 0))
        row, column = np.divmod(kept, len(digits))
        digit = digits[column]
        need, used, path = left.ravel()[kept], used[row] | 1 << digit, path[row] * 10 + digit
        nodes += len(kept)
    rank = [order.index(letter) for letter in sorted(order)]
    found = (f"{number:0{len(order)}d}" for number in path.tolist())
    return sorted("".join([digits[i] for i in rank]) for digits in found), nodes


def _alone(words: list[str]) -> bool:
    """Whether a right sum of numbers, read as words, is solved by its own digits only.

    Two digits of one weight can be exchanged, unless that puts a 0 first: many sums end here.
    """
    weight = _weights(words)
    if len(set(weight.values())) < len(weight):
        first = {word[0] for word in words}
        for x, y in combinations(weight, 2):
            if weight[x] == weight[y] and not (("0" in (x, y)) and (x in first or y in first)):
                return False
    return len(search(words)[0]) == 1


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


@lru_cache(maxsize=16)
def _choices(letters: int) -> list[str]:
    """All sets of so many digits."""
    return ["".join(chosen) for chosen in combinations("0123456789", letters)]


def _sum(stream: Stream, letters: int, addends: int, digits: int) -> list[str] | None:
    """Numbers, the sum last, that use exactly some `letters` digits together, or None.

    The digits are a uniform set, and each place of each number is one of them, uniform.
    """
    sets = _choices(letters)
    names = sets[stream.below(len(sets))]
    text = "".join([names[i] for i in stream.draws(letters, addends * digits)])
    numbers = [text[i : i + digits] for i in range(0, len(text), digits)]
    total = str(sum(map(int, numbers)))
    if total.strip(names) or len(set(text + total)) != letters or "0" in text[::digits]:
        return None
    return [*numbers, total]


def make(stream: Stream, *, letters: int, addends: int, digits: int) -> Draft:
    """A uniform sum among those with that many different digits and one solution."""
    _share(letters, addends, digits)
    for _ in range(DRAWS):
        numbers = _sum(stream, letters, addends, digits)
        if numbers is not None and _alone(numbers):
            shown = "".join(sorted(set("".join(numbers))))
            names = str.maketrans(shown, "".join(stream.sample(LETTERS, letters)))
            return _draft([int(n) for n in numbers], [n.translate(names) for n in numbers])
    raise ArgumentError(
        f"`cryptarithm.letters` = {letters} gave no puzzle with one solution in {DRAWS} sums of "
        f"{addends} words of {digits} letters; give more digits or fewer letters"
    )


def _draft(numbers: list[int], words: list[str]) -> Draft:
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
        meta={"words": words},
    )


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply gives the digits; not one digit for each letter is `unparsed`."""
    right = problem.answer
    stated = text if isinstance(text, str) else ""
    if len(stated) != len(right) or not (stated.isascii() and stated.isdigit()):
        found = locate(text, packed=True)
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


@lru_cache(maxsize=16)
def _orders(n: int) -> tuple[np.ndarray, np.ndarray]:
    """All ways to give n letters different digits, (way, letter), and each way's digits as bits."""
    ways = np.array(list(permutations(range(10), n)), np.int64).reshape(-1, n)
    return ways, (1 << ways).sum(axis=1)


def solutions(prompt: str) -> list[str]:
    """All answers of a puzzle, from the prompt's text alone, by meeting in the middle.

    What half of the letters add must be what the other half takes away; all pairs of halves with
    such sums are found by sorting, and those that share no digit are kept.

    Ref: Horowitz and Sahni 1974, Computing partitions with applications to the knapsack problem.
    """
    words = _read(prompt)
    letters = sorted(set("".join(words)))
    numbers = np.zeros(len(letters), np.int64)
    for i, letter in enumerate(letters):
        ones = [int("".join("1" if c == letter else "0" for c in word)) for word in words]
        numbers[i] = sum(ones[:-1]) - ones[-1]
    half = len(letters) // 2
    sides = []
    for part in (slice(0, half), slice(half, None)):
        ways, bits = _orders(len(letters[part]))
        leading = [any(word[0] == letter for word in words) for letter in letters[part]]
        right = ~((ways == 0) & np.array(leading, bool)).any(axis=1)
        sides.append((ways[right], bits[right], ways[right] @ numbers[part]))
    (ways, bits, sums), (others, other_bits, taken) = sides
    rank = np.argsort(-taken, kind="stable")
    others, other_bits, taken = others[rank], other_bits[rank], -taken[rank]
    start, stop = (np.searchsorted(taken, sums, side) for side in ("left", "right"))
    found = []
    for i in np.flatnonzero(stop > start):
        fits = np.flatnonzero(other_bits[start[i] : stop[i]] & bits[i] == 0) + start[i]
        found += ["".join(map(str, (*ways[i], *others[j]))) for j in fits]
    return sorted(found)


def solve(problem: Problem) -> str:
    """The first answer from the prompt's text alone, by meeting in the middle."""
    found = solutions(str(problem.prompt))
    if not found:
        raise ArgumentError(f"`problem` {problem.id} has no solution")
    return found[0]


def effort(problem: Problem) -> float:
    """Nodes of `search` to find the solution and prove that there is no other."""
    return float(search(_read(str(problem.prompt)))[1])


FAMILY = Family(
    name="cryptarithm",
    doc="digits for letters so that a sum of random words is right",
    version="2",
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
