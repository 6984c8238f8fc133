import sys

from gradatim.solvers.function import from_function
from gradatim.solvers.registry import open_solver
from gradatim.types import Problem, Request

PROBLEM = Problem(id="p1", prompt="hello", answer="HELLO")


def one(solver, n=1):
    return [r for batch in solver.answer([Request(PROBLEM, 0, n)]) for r in batch]


def test_a_function_of_the_prompt_or_of_problem_and_sample():
    assert one(from_function(str.upper, name="f"))[0].text == "HELLO"

    def count(sample, problem):
        return problem.answer * sample

    assert [r.text for r in one(from_function(count, name="f"), 3)] == ["", "HELLO", "HELLOHELLO"]


def test_each_reply_is_acknowledged_alone():
    solver = from_function(str.upper, name="f")
    assert [len(b) for b in solver.answer([Request(PROBLEM, 0, 3)])] == [1, 1, 1]


def test_failures_are_named():
    def fail(prompt):
        raise ValueError("no idea")

    (reply,) = one(from_function(fail, name="f"))
    assert (reply.status, reply.detail) == ("provider_error", "ValueError: no idea")
    (reply,) = one(from_function(len, name="f"))
    assert (reply.status, reply.detail) == (
        "provider_error",
        "the function must return a text or None, got int",
    )
    (reply,) = one(from_function(lambda prompt: None, name="f"))
    assert (reply.status, reply.text) == ("finished", None)


def test_a_file_beside_the_user_is_found_and_its_content_is_the_policy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_solver_a.py").write_text("def f(prompt):\n    return prompt.upper()\n")
    (tmp_path / "my_solver_b.py").write_text("def f(prompt):\n    return prompt\n")
    a, b = open_solver("python:my_solver_a:f"), open_solver("python:my_solver_b:f")
    assert one(a)[0].text == "HELLO"
    assert a.policy != b.policy
