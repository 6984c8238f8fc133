import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.families import arithmetic
from gradatim.families.generation import _finish, _setting, generate

SMALL = [
    {"kind": kind, "steps": steps, "modulus": 3, "digits": digits, "base": base, "width": 12}
    for kind, steps, digits, base in [
        ("chain", 2, 1, 2),
        ("sum", 1, 2, 3),
        ("sum", 1, 1, 10),
        ("any", 1, 2, 2),
        ("any", 2, 3, 2),
    ]
]


def drawn(kind, **knobs):
    return generate("arithmetic", n=40, kind=kind, **knobs)


def test_chains_by_hand():
    # 8 mod 5 = 3, 3 + 6 = 9 mod 5 = 4, 4 + 1 = 5 mod 5 = 0, 0 + 9 = 9 mod 5 = 4
    draft = arithmetic.nth(
        9168, kind="chain", steps=4, modulus=5, digits=1, base=4, width=6
    )  # digits of the index, last first: 8 6 1 9
    assert draft.prompt.split("\n")[1] == "8 6 1 9"
    assert draft.answer == "3 4 0 4"
    assert draft.compact == "c58619..="
    assert draft.compact_answer == "3404"


def test_sums_by_hand():
    # base 4: 123 + 331 = (1*16 + 2*4 + 3) + (3*16 + 3*4 + 1) = 27 + 61 = 88 = 1*64 + 1*16 + 2*4
    little_a, little_b = [3, 2, 1], [1, 3, 3]
    index = sum(d * 4**i for i, d in enumerate([*little_a, *little_b]))
    draft = arithmetic.nth(index, kind="sum", steps=1, modulus=2, digits=3, base=4, width=5)
    assert draft.prompt.split("\n")[1] == "123 + 331"
    assert draft.answer == "1120"
    assert draft.compact == "+4321..133..="
    assert draft.compact_answer == "0211r"


def test_operand_and_answer_stand_equally_far_apart_at_every_length():
    for kind, lead in (("chain", 2), ("sum", 2)):
        for size in (1, 5, 12):
            for p in drawn(kind, steps=size, digits=size, modulus=10, base=10, width=12)[:5]:
                assert p.compact[:2] in ("ct", "+t")
                assert p.compact.index("=") == lead + 12 * (2 if kind == "sum" else 1)
                assert len(p.compact_answer) == (size if kind == "chain" else size + 2)


def test_what_is_longer_than_the_width_has_no_compact_form():
    assert drawn("chain", steps=13, width=12)[0].compact is None
    assert drawn("sum", digits=13, width=12)[0].compact_answer is None
    p = drawn("sum", digits=13, width=12)[0]
    assert arithmetic.check(p, p.answer).solved


@pytest.mark.parametrize("knobs", SMALL, ids=str)
def test_the_space_is_enumerated_once_and_whole(knobs):
    size = arithmetic.space(knobs)
    assert len({arithmetic.nth(i, **knobs).canonical for i in range(size)}) == size


@pytest.mark.parametrize("level", range(1, 11))
def test_every_level_has_a_space_of_thousands(level):
    knobs = arithmetic.ladder(level)
    assert arithmetic.space(knobs) >= 5_000
    for kind in arithmetic.KINDS:
        assert arithmetic.space(knobs | {"kind": kind}) >= 1_000
    assert max(knobs["steps"], knobs["digits"]) <= knobs["width"]  # a tiny policy can be asked


def test_floor_by_hand():
    assert arithmetic.floor({"kind": "chain", "steps": 3, "modulus": 5}) == pytest.approx(1 / 125)
    assert arithmetic.floor({"kind": "sum", "digits": 2, "base": 4}) == pytest.approx(1 / 32)


@given(st.integers(0, 4**8 - 1), st.integers(0, 4**5))
def test_no_number_but_the_sum_passes_in_either_reading(index, guess):
    """Every digit text is read as one number only, so a right reading is a right answer."""
    knobs = {"kind": "sum", "steps": 1, "modulus": 2, "digits": 4, "base": 4, "width": 4}
    setting = _setting(arithmetic.FAMILY, None, knobs)
    p = _finish(setting, arithmetic.nth(index, **knobs), "train", 0)
    digits = ""
    while guess:
        guess, digit = divmod(guess, 4)
        digits = str(digit) + digits
    digits = digits.rjust(5, "0")
    right = int(p.answer, 4) == int(digits, 4)
    assert arithmetic.check(p, digits).solved == right
    assert arithmetic.check(p, digits[::-1] + "r").solved == right
    mirrored = int(p.answer, 4) == int(digits[::-1], 4)
    assert arithmetic.check(p, digits + "r").solved == mirrored


def test_forms_of_a_sum():
    p = drawn("sum", digits=4, base=4)[0]
    a = p.answer
    for text in (a, f" {a}\n", f"0{a}", rf"\boxed{{{a}}}", f"{a}_4", f"({a})_{{4}}", f"**{a}**."):
        assert arithmetic.check(p, text).solved, text
    assert arithmetic.check(p, f"The sum is {a}.").solved
    assert arithmetic.check(p, p.compact_answer).solved
    for text in ("", "r", a + "x", p.compact_answer[1:], "1" + p.compact_answer, f"{a} {a}"):
        assert not arithmetic.check(p, text).solved, text
    assert arithmetic.check(p, "12 + 21").reason == "unparsed"


def test_forms_of_a_chain():
    p = drawn("chain", steps=4, modulus=5)[0]
    for text in (p.answer, p.compact_answer, p.answer.replace(" ", ", "), f"[{p.answer}]"):
        assert arithmetic.check(p, text).solved
    assert arithmetic.check(p, p.compact_answer[:-1]).reason == "wrong"
    assert arithmetic.check(p, p.compact_answer + "r").reason == "unparsed"
