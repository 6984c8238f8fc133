from itertools import pairwise, product

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import sequences
from gradatim.families.generation import generate
from gradatim.families.sequences_rules import FACTORS, KINDS, ORDER, RULES, bases, primes
from gradatim.families.sequences_search import (
    by_primes,
    by_recurrence,
    effort,
    read,
    shortest,
    solve,
    unambiguous,
)
from gradatim.rng import Stream
from gradatim.types import Problem

EVERY = pytest.mark.parametrize("kind", KINDS)


def asked(kind, shown, n=1, high=60):
    """A problem on terms of our own, through the family's own words."""
    p = generate("sequences", n=1, kind=kind, step=1, shown=5, asked=n, high=high)[0]
    head, _, tail = str(p.prompt).split("\n")
    return Problem(id="1", prompt=f"{head}\n{', '.join(map(str, shown))}\n{tail}", answer="?")


@pytest.mark.parametrize(
    ("kind", "shown", "answer"),
    [
        ("fibonacci", [1, 1, 2, 3, 5, 8], "13, 21"),
        ("fibonacci", [1, 2, 7, 23, 76], "251, 829"),  # 3 x + y: 3 * 76 + 23, 3 * 251 + 76
        ("fibonacci", [1, 1, 5, 9, 17, 29, 49], "81, 133"),  # x + y + 3
        ("algebraic", [3, 5, 7, 9, 11], "13, 15"),
        ("algebraic", [1, 4, 9, 16, 25, 36, 49], "64, 81"),
        ("algebraic", [2, 1, 4, 3, 6, 5, 8], "7, 10"),  # n + 1/2, and 1/2 that alternates
        ("geometric", [5, 8, 14, 26, 50], "98, 194"),  # 3 * 2^n + 2
        ("geometric", [2, 5, 13, 35, 97], "275, 793"),  # 2^n + 3^n
        ("pattern", [1, 3, 8, 10, 15, 17, 22], "24, 29"),  # differences 2, 5
        ("pattern", [1, -3, 5, -7, 9], "-11, 13"),
        ("pattern", [5, 10, 7, 13, 9, 16, 11, 19, 13], "22, 15"),  # 5 7 9 ... and 10 13 16 ...
        ("prime", [2, 3, 5, 7, 11, 13], "17, 19"),
        ("prime", [4, 9, 25, 49, 121, 169], "289, 361"),
        ("prime", [5, 8, 12, 18, 24, 30], "36, 42"),  # 2 + 3, 3 + 5 ...
        ("prime", [7, 16, 34, 52, 70, 94], "124, 142"),  # 3 p + 1 at 2 5 11 17 23 31 | 41 47
        ("prime", [2, 5, 10, 17, 28, 41], "58, 77"),  # running totals
    ],
)
def test_sequences_by_hand(kind, shown, answer):
    p = asked(kind, shown, 2)
    assert solve(p) == answer
    following = [int(x) for x in answer.split(", ")]
    assert unambiguous(shown, following, prime=kind == "prime", high=60)
    assert not unambiguous(shown, [following[0], following[1] + 1], prime=kind == "prime", high=60)


def test_the_shortest_recurrence_by_hand():
    assert shortest([1, 1, 2, 3, 5, 8])[0] == [1, 1]
    assert shortest([3, 6, 12, 24])[0] == [2]
    assert shortest([1, 4, 9, 16, 25, 36])[0] == [3, 2**61 - 1 - 3, 1]  # 3, -3, 1
    assert by_recurrence([1, 2, 4, 8, 16], 2) == [32, 64]
    assert by_recurrence([2, 3, 5, 7, 11, 13], 1) is None  # the primes follow none
    assert shortest([0, 0, 0])[0] == []


def test_primes_that_two_rules_explain_are_not_asked():
    assert by_primes([29, 31, 37, 41, 43], 1, 0) == [[47]]
    # every second prime from 2393 on, then 2473; or 3 p + 1922 for p = 157 163 167 173 179 | 181
    several = by_primes([2393, 2411, 2423, 2441, 2459], 1, 3000)
    assert sorted(several) == [[2465], [2473]]
    assert by_primes([2393, 2411, 2423, 2441, 2459], 1, 60) == [[2473]]
    assert not unambiguous([2393, 2411, 2423, 2441, 2459], [several[0][0]], prime=True, high=3000)


@pytest.mark.parametrize("high", [0, 20])
def test_the_table_of_primes_finds_what_trying_all_finds(high):
    shown = [5 * p + 2 for p in primes()[10:16]]
    want = []
    for base, stride, k, a in product(
        bases().values(), range(1, 5), range(60), range(1, FACTORS + 1)
    ):
        run = [a * x for x in base[k : k + 7 * stride : stride]]
        c = shown[0] - run[0]
        if abs(c) <= high and [x + c for x in run[:6]] == shown:
            want.append([run[6] + c])
    assert by_primes(shown, 1, high) == want
    assert len(want) == (high > 0)


@EVERY
def test_orders_are_as_stated(kind):
    if kind == "prime":
        return
    for step, (rule, order) in enumerate(zip(RULES[kind], ORDER, strict=True), 1):
        found = [len(shortest(rule.draw(Stream(i), 60, 2 * order + 4)[0])[0]) for i in range(20)]
        assert max(found) <= order, step
        assert sorted(found)[10] >= order - 1, step  # seldom simpler by chance


@EVERY
def test_every_rule_of_the_grammar_that_fits_continues_alike(kind):
    for p in generate(f"sequences.{kind}", n=60, level=range(1, 11), seed=4):
        shown, n = read(str(p.prompt))
        following = [int(x) for x in p.answer.split(", ")]
        assert len(following) == n == p.knobs["asked"]
        assert len(shown) == p.knobs["shown"]
        assert unambiguous(shown, following, prime=kind == "prime", high=p.knobs["high"])
        assert solve(p) == p.answer


@EVERY
def test_free_parameters_are_told_apart(kind):
    # the stated space is a lower bound: few of 300 draws may be equal, as in a space of that size
    for step in (1, 5, 10):
        knobs = {"step": step, "high": 20, "shown": 2 * ORDER[step - 1] + 1, "asked": 1}
        size = sequences.space({**knobs, "kind": kind})
        many = [sequences.make(Stream(i), kind=kind, **knobs).canonical for i in range(300)]
        repeats = 300 - len(set(many))
        expected = 300 * 299 / 2 / size
        assert repeats <= expected + 4 * expected**0.5 + 1, (step, repeats, expected)


def test_the_space_by_hand():
    assert sequences.space({"kind": "algebraic", "step": 1, "high": 50}) == 50**2
    assert sequences.space({"kind": "pattern", "step": 10, "high": 10, "shown": 13}) == 10**6
    assert sequences.space({"kind": "prime", "step": 2, "high": 30}) == 600 * 61
    assert sequences.floor({"high": 60, "asked": 2}) == pytest.approx(1 / 121**2)


def test_verdicts_of_replies():
    p = next(p for p in generate("sequences.algebraic", n=20, level=7) if p.answer.count(",") == 1)
    a, b = p.answer.split(", ")
    for text in (f"{a}, {b}", f"{a} {b}", f"[{a}, {b}]", f"The next terms are {a}, {b}."):
        assert sequences.check(p, text).solved, text
    for text in (f"So the next two terms are {a} and {b}.", f"**Next terms:** {a}, {b}"):
        assert sequences.check(p, text).solved, text
    assert not sequences.check(p, f"The terms are {a}, {b} or {b}, {a}.").solved
    for text in (a, f"{b}, {a}", f"{a}, {b}, {b}", f"{a}, {int(b) + 1}"):
        assert sequences.check(p, text).reason == "wrong", text
    for text in (
        "",
        None,
        f"{a} and so on",
        "x^2 + 1",
        "\x00",
        "\ud800",
        "9" * 10**6,
        "terms:" * 9999,
        f"terms:{' ' * 9999}x",
    ):
        assert sequences.check(p, text).reason == "unparsed"


def test_too_few_terms_are_refused():
    with pytest.raises(
        ArgumentError, match=r"`sequences\.shown` must be at least 9 for `step` = 5"
    ):
        generate("sequences", n=1, step=5, shown=8)
    with pytest.raises(ArgumentError, match=r"`sequences\.pattern\.high` must be a whole number"):
        generate("sequences.pattern", n=1, high=5)
    with pytest.raises(ArgumentError, match="no linear recurrence gives"):
        solve(asked("algebraic", [1, 2, 4, 9, 77]))
    with pytest.raises(ArgumentError, match="no rule on primes gives"):
        solve(asked("prime", [1, 2, 4, 9, 77]))
    with pytest.raises(ArgumentError, match="none of a sequences problem"):
        solve(Problem(id="1", prompt="6 * 12?", answer="72"))


def test_effort_is_the_work_of_the_search_and_rises():
    # Massey on 1 2 4 8 16: terms 1 to 5 cost 0, 1, 1, 1, 1 products, two corrections one each
    assert effort(asked("algebraic", [1, 2, 4, 8, 16])) == shortest([1, 2, 4, 8, 16])[1] == 6
    work = [effort(generate("sequences", n=1, level=level)[0]) for level in range(1, 11)]
    assert work[0] < work[2] < work[4] < work[6] < work[8]
    assert all(a <= b * 1.3 for a, b in pairwise(work))
