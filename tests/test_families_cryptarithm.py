import itertools
from statistics import median

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import cryptarithm as ca
from gradatim.families.generation import generate


def by_trying_all(words):
    """Every solution, by trying every choice of digits."""
    letters = sorted(set("".join(words)))
    found = []
    for digits in itertools.permutations("0123456789", len(letters)):
        table = str.maketrans("".join(letters), "".join(digits))
        numbers = [word.translate(table) for word in words]
        if any(number[0] == "0" for number in numbers):
            continue
        *added, total = map(int, numbers)
        if sum(added) == total:
            found.append("".join(digits))
    return found


def test_the_oldest_puzzle_has_one_solution():
    # 9567 + 1085 = 10652 (Dudeney 1924), letters D E M N O R S Y
    words = ["SEND", "MORE", "MONEY"]
    found, nodes = ca.search(words)
    assert found == ["75160892"]
    assert nodes > 8
    assert ca.solutions("The sum:\nSEND + MORE = MONEY\n") == ["75160892"]


@pytest.mark.parametrize(
    "words",
    [
        ["AB", "AB", "CB"],  # B = 0 and C = 2 A: four solutions
        ["AB", "CB", "DE"],
        ["A", "A", "BA"],  # 5 + 5 = 10 is no BA: none
        ["AAB", "BCA", "CDD"],
        ["AB", "CA", "BD", "EFA"],
    ],
)
def test_both_searches_find_all_solutions(words):
    right = by_trying_all(words)
    found, _ = ca.search(words)
    assert found == sorted(right)
    prompt = f"The sum:\n{' + '.join(words[:-1])} = {words[-1]}\n"
    assert ca.solutions(prompt) == sorted(right)


def test_small_puzzles_have_one_solution_by_trying_all():
    for p in generate("cryptarithm", n=8, level=[1, 2, 3]):
        assert by_trying_all(p.meta["words"]) == [p.answer]


def test_puzzles_have_the_letters_and_words_asked_for():
    for level in range(1, 11):
        p = generate("cryptarithm", n=1, level=level, seed=4)[0]
        *added, total = p.meta["words"]
        assert len(added) == p.knobs["addends"]
        assert {len(word) for word in added} == {p.knobs["digits"]}
        assert len(set("".join(p.meta["words"]))) == p.knobs["letters"] == len(p.answer)
        assert p.prompt.split("\n")[1] == f"{' + '.join(added)} = {total}"
        assert ca.solutions(p.prompt) == [p.answer]
        assert len(p.compact or "") <= ca.COMPACT


def test_one_puzzle_under_other_names_has_the_same_canonical_form():
    numbers = [9567, 1085, 10652]
    first = ca._draft(numbers, ["SEND", "MORE", "MONEY"])
    second = ca._draft([1085, 9567, 10652], ["ABCD", "EFGH", "ABGFI"])
    assert first.canonical == second.canonical
    assert first.answer == "75160892"
    assert first.compact == "cSEND+MORE=MONEY="


@pytest.mark.parametrize("key", ca.COUNTS)
def test_smallest_settings_are_counted(key):
    letters, addends, digits = key
    count, names = 0, "ABCDEFGHIJ"
    low, high = 10 ** (digits - 1), 10**digits
    # a seventh of all sums: exact counting takes half a minute
    for a in range(low, high, 7):
        for b in range(a, high):
            text = f"{a}{b}{a + b}"
            if len(set(text)) == letters:
                words = ["".join(names[int(c)] for c in str(n)) for n in (a, b, a + b)]
                count += len(ca.search(words)[0]) == 1
    assert addends == 2
    assert count == pytest.approx(ca.COUNTS[key] / 7, rel=0.25)


@pytest.mark.parametrize("level", [3, 4])
def test_stated_shares_are_lower_bounds(level):
    knobs = ca.ladder(level)
    letters, addends, digits = knobs["letters"], knobs["addends"], knobs["digits"]
    drawn = right = 0
    for i in range(20_000):
        numbers = ca._sum(ca.Stream("share", level, i), letters, addends, digits)
        drawn += 1
        if numbers is not None:
            words = ["".join("ABCDEFGHIJ"[int(c)] for c in str(n)) for n in numbers]
            right += len(ca.search(words)[0]) == 1
    share = ca.SHARES[addends, digits][letters - 4] / ca.BILLION
    assert right / drawn > share / 1.5
    assert right / drawn < share * 3


def test_replies_in_other_dress():
    p = generate("cryptarithm", n=1, level=4)[0]
    spaced = " ".join(p.answer)
    for text in (p.answer, spaced, ", ".join(p.answer), rf"\boxed{{{p.answer}}}", f"**{spaced}**"):
        assert ca.check(p, text).solved
    off = p.answer[:-1] + ("0" if p.answer[-1] != "0" else "1")
    assert ca.check(p, off).reason == "wrong"
    for text in (p.answer[:-1], "9" * 10**6, "²" * len(p.answer), "A = 1", p.prompt):
        assert ca.check(p, text).reason == "unparsed"


def test_settings_without_puzzles_are_refused():
    with pytest.raises(ArgumentError, match=r"`cryptarithm.digits` = 3 .*take 5 or 6"):
        generate("cryptarithm", n=1, letters=9, addends=2, digits=3)


def test_effort_rises():
    work = [
        median(ca.effort(p) for p in generate("cryptarithm", n=7, level=level))
        for level in (1, 4, 7, 10)
    ]
    assert work == sorted(work)
    assert work[-1] > 10 * work[0]


def test_exchanged_digits_and_search_find_every_second_solution():
    tried = 0
    for i in range(300):
        numbers = ca._sum(ca.Stream("alone", i), 5, 2, 3)
        if numbers is not None:
            tried += 1
            assert ca._alone(numbers) == (len(by_trying_all(numbers)) == 1), numbers
    assert tried > 5
    assert ca._alone(["9567", "1085", "10652"])
    # B and D of AB + CD = EA can be exchanged, and B = 0 cannot go in front
    assert not ca._alone(["12", "34", "46"])
    assert by_trying_all(["12", "34", "46"]) != ["12346"]


def test_many_sums_are_right_and_use_their_digits():
    made = [ca._sum(ca.Stream("sum", i), 6, 3, 4) for i in range(500)]
    for numbers in filter(None, made):
        *added, total = numbers
        assert sum(map(int, added)) == int(total)
        assert len(set("".join(numbers))) == 6
        assert not any(number.startswith("0") for number in numbers)
