import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("math_verify")

from gradatim.checkers import maths, registry
from gradatim.errors import MissingExtra
from gradatim.types import Problem

HANG = "9^{9^{9^{9}}}"  # sympy sets out to write this number down


def verdict(gold, text):
    return maths.check(Problem(id="1", prompt="?", answer=gold, verifier="math"), text)


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("72", "The answer is 72."),
        ("1/2", r"\boxed{0.50}"),
        (r"\frac{\pi}{2}", r"\boxed{\pi/2}"),
        ("x^2+2x+1", "The answer is $(x+1)^2$."),
        (r"2\sqrt{2}", r"\boxed{\sqrt{8}}"),
        (r"2\sqrt{2}", "sqrt(8)"),
        ("5", r"\boxed{x=5}"),
        ("5", r"\boxed{2+3}"),
        (r"\{1,2\}", r"\boxed{\{2,1\}}"),
        ("(1,2)", r"\boxed{(1, 2)}"),
        ("[0,1)", r"\boxed{[0, 1)}"),
        (r"\text{even}", r"\boxed{even}"),
        ("even", "The answer is even."),
        ("2^{100}", r"\boxed{1267650600228229401496703205376}"),
    ],
)
def test_the_same_in_another_form_is_right(gold, text):
    assert verdict(gold, text).reason == "correct"
    assert verdict(gold, gold).reason == "correct"


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("72", "The answer is 73."),
        ("1/3", r"\boxed{0.333333}"),
        ("(1,2)", r"\boxed{(2, 1)}"),
        ("[0,1)", r"\boxed{[0, 1]}"),
        ("5", r"\boxed{5y}"),
        ("5", r"\boxed{5, 6}"),
        ("12", r"\boxed{1,2}"),
        (r"\sqrt{5}", "5"),
        ("x", r"\boxed{banana}"),
    ],
)
def test_something_else_is_wrong(gold, text):
    assert verdict(gold, text).reason == "wrong"


@pytest.mark.parametrize("text", [None, "", "I do not know", "12 + 7", r"\boxed{", "<think>7", "+"])
def test_no_statement_is_unparsed(text):
    assert verdict("7", text).reason == "unparsed"


def test_an_unfinished_calculation_is_no_answer_whatever_its_value():
    assert verdict("19", "So she has 12 + 7").reason == "unparsed"
    assert verdict("19", "12 + 7").reason == "unparsed"
    assert verdict("19", r"\boxed{12 + 7}").solved  # boxed, it is meant


def test_percent_count_only_where_they_are_meant():
    assert verdict("50", r"\boxed{50\%}").reason == "unparsed"
    assert verdict("1/2", "The answer is 50%.").reason == "unparsed"
    assert verdict(r"50\%", r"\boxed{50\%}").solved
    asked = Problem(id="1", prompt="What percent?", answer="50", verifier="math")
    assert maths.check(asked, "It is $50\\%$.").solved


def test_what_is_denied_is_not_stated():
    for text in ("It is not $5$.", "The answer is not 5.", "We cannot have $5$."):
        assert verdict("5", text).reason == "unparsed"
    assert verdict(r"\sqrt{5}", r"It is not $5$, so it is $\sqrt{5}$.").solved


def test_a_whole_solution_is_no_gold_answer():
    solution = "She sells 16 - 3 - 4 = 9 eggs\n#### 18"
    assert verdict(solution, solution).reason == "verifier_error"


def test_a_hang_costs_one_verdict(monkeypatch):
    assert verdict(r"\sqrt{2}", r"\boxed{\sqrt[4]{4}}").solved  # the child is up
    monkeypatch.setattr(maths, "LIMIT", 1.0)
    assert verdict(r"\sqrt{2}", rf"\boxed{{{HANG}}}").reason == "verifier_timeout"
    monkeypatch.setattr(maths, "LIMIT", 30.0)
    assert verdict(r"\sqrt{2}", r"\boxed{\sqrt[4]{4}}").solved


def test_any_thread_may_ask():
    pairs = [(rf"\sqrt{{{n}}}", rf"\boxed{{{n}^{{1/2}}}}") for n in range(2, 10)]
    pairs += [(rf"\sqrt{{{n}}}", rf"\boxed{{{n + 1}^{{1/2}}}}") for n in range(2, 10)]
    maths._stop()  # the child, too, is started by a thread that is not the main one
    with ThreadPoolExecutor(4) as pool:
        solved = list(pool.map(lambda pair: verdict(*pair).solved, pairs))
    assert solved == [True] * 8 + [False] * 8


def test_a_dead_child_is_replaced():
    assert verdict(r"\sqrt{2}", r"\boxed{\sqrt[4]{4}}").solved
    maths._child["process"].kill()
    maths._child["process"].wait()
    assert verdict(r"\sqrt{2}", r"\boxed{\sqrt[4]{4}}").reason == "verifier_error"
    assert verdict(r"\sqrt{2}", r"\boxed{\sqrt[4]{4}}").solved


def test_code_in_an_answer_is_not_run(tmp_path):
    mark = tmp_path / "ran"
    for text in (f"__import__('pathlib').Path('{mark}').touch()", f"open('{mark}', 'w')"):
        assert not verdict("7", rf"\boxed{{{text}}}").solved
    assert not mark.exists()


def test_no_child_outlives_its_parent():
    code = (
        "from gradatim.checkers import maths; from gradatim.types import Problem;"
        r"maths.check(Problem(id='1', prompt='?', answer=r'\pi'), r'\boxed{2\pi}');"
        "print(maths._child['process'].pid)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with pytest.raises(ProcessLookupError):
        __import__("os").kill(int(out.stdout), 0)


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(registry.NEEDS, "math", ("no_such_package", "math"))
    registry.get.cache_clear()
    try:
        with pytest.raises(MissingExtra, match=r"pip install \"gradatim\[math\]\""):
            registry.get("math")
    finally:
        registry.get.cache_clear()


@given(st.text(max_size=30))
def test_check_never_raises(text):
    verdict("7", text)
    verdict("7", rf"\boxed{{{text}}}")
