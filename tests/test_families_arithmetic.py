import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.families import arithmetic
from gradatim.families.generation import generate
from gradatim.families.knobs import resolve
from gradatim.families.verify import check
from gradatim.types import Problem

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


def finished(draft):
    return Problem(
        id="1",
        prompt=draft.prompt,
        answer=draft.answer,
        compact=draft.compact,
        compact_answer=draft.compact_answer,
        solution=draft.solution,
        meta=draft.meta,
    )


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
    p = finished(arithmetic.nth(index, **knobs))
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


def test_modes_are_the_parent_with_one_kind():
    for kind in arithmetic.KINDS:
        p = generate(f"arithmetic.{kind}", n=1, level=3, seed=2)[0]
        assert p.meta["kind"] == kind
        assert "kind" not in p.knobs
        assert p.verifier == f"arithmetic.{kind}"
        assert arithmetic.solve(p) == p.answer


def by_hand(kind, **knobs):
    setting = resolve(arithmetic.FAMILY, {"kind": kind, **knobs})
    index = {"chain": 9168, "sum": 0o1231}[kind]
    return finished(arithmetic.nth(index, **setting))


def test_steps_of_a_chain_count_an_error_once():
    p = by_hand("chain", steps=4, modulus=5)  # 8 6 1 9: totals 3 4 0 4
    steps = list(arithmetic.trace(p, "3 0 1 0"))
    # 3 + 6 = 9 is 4 modulo 5, not 0; from 0 on, 0 + 1 = 1 and 1 + 9 = 0 follow
    assert [(s.value, s.legal) for s in steps] == [
        ("3", True),
        ("0", False),
        ("1", True),
        ("0", True),
    ]
    compact = list(arithmetic.trace(p, " 3010\n"))
    assert [(s.state, s.legal) for s in compact] == [(s.state, s.legal) for s in steps]
    assert [s.end for s in compact] == [2, 3, 4, 5]
    assert all(s.legal for s in arithmetic.trace(p, p.solution))
    assert [s.value for s in arithmetic.trace(p, p.solution)] == p.answer.split()
    assert list(arithmetic.trace(p, "no idea")) == []
    # a total that is not reduced is no legal step
    assert [s.legal for s in arithmetic.trace(p, "8 4 0 4")] == [False, True, True, True]


def test_steps_of_a_sum_are_its_digits_from_the_last():
    p = generate("arithmetic.sum", n=1, base=4, digits=4, seed=1)[0]
    steps = list(arithmetic.trace(p, p.compact_answer))
    assert "".join(s.value for s in steps) + "r" == p.compact_answer
    assert all(s.legal for s in steps)
    first = str((int(p.compact_answer[0]) + 1) % 4)
    broken = list(arithmetic.trace(p, first + p.compact_answer[1:]))
    assert [s.legal for s in broken] == [False, True, True, True, True]
    worked = list(arithmetic.trace(p, p.solution))
    assert [s.state for s in worked] == [s.state for s in steps[:4]]
    assert list(arithmetic.trace(p, p.answer)) == []


def test_effort_by_hand():
    assert arithmetic.effort(by_hand("chain", steps=4, modulus=5)) == 8
    # 4 digits in base 4 and the carry: 5 places of 2 bits
    assert arithmetic.effort(by_hand("sum", digits=4, base=4)) == 10


@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "=" * 9999, "1" * 99_999, "r", "write 9"])
def test_reading_steps_of_hard_inputs_ends(text):
    for kind in arithmetic.KINDS:
        for step in arithmetic.trace(by_hand(kind), text):
            assert 0 < step.end <= len(text)


def test_a_finished_sentence_states_its_number():
    for name in ("arithmetic.sum", "arithmetic.base", "arithmetic.chain"):
        for p in generate(name, n=5, level=range(1, 6)):
            assert check(p, f"It is {p.answer}.").solved, p
            assert not check(p, f"It is not {p.answer}.").solved, p
    p = generate("arithmetic.sum", n=1)[0]
    assert check(p, f"It is {p.compact_answer}.").solved
