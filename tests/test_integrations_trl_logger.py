"""A reward function that keeps what it scored, without TRL."""

import pytest

from gradatim.engine.grade import grade
from gradatim.errors import ArgumentError
from gradatim.integrations import trl, trl_rows
from gradatim.store.run import Run
from gradatim.types import Problem

SUM = Problem(id="7", prompt="6 * 7?", answer="42", verifier="number")
END, OTHER = 5, 9


class State:
    global_step = 3


def score(prompts, completions, answer, **_):
    """Half for any digit."""
    pairs = zip(completions, answer, strict=True)
    return [None if text == "" else 1.0 if text == a else 0.5 for text, a in pairs]


def call(function, prompts, completions, **columns):
    ids = [[1, END if text != "cut" else OTHER] for text in completions]
    more = {"completion_ids": ids, "trainer_state": State(), **columns}
    return function(prompts=prompts, completions=completions, **more)


def test_scored_attempts_are_in_the_ledger(tmp_path):
    logged = trl.reward_logger(score, run=tmp_path / "run", ends=[END])
    assert logged.__name__ == "score"  # TRL's metrics bear it
    prompts, said = ["1 + 1?", "1 + 1?", "2 + 2?"], ["2", "3", "cut"]
    assert call(logged, prompts, said, answer=["2", "2", "4"]) == [1.0, 0.5, 0.5]
    call(logged, prompts[:2], ["2", ""], answer=["2", "2"])  # once more at the same step
    run = Run(tmp_path / "run", create=False)
    with run.ledger() as ledger:
        rows = list(ledger.attempts())
    assert [(r.sample, r.status, r.reward, r.solved, r.text) for r in rows] == [
        (0, "finished", 1.0, True, "2"),
        (1, "finished", 0.5, False, "3"),
        (0, "truncated", 0.5, False, "cut"),
        (2, "finished", 1.0, True, "2"),
        (3, "finished", None, None, ""),
    ]
    assert {(r.setting.solver, r.setting.policy, r.step) for r in rows} == {("trl", "0000003", 3)}
    assert [(p.prompt, p.answer) for p in run.problems()] == [("1 + 1?", "2"), ("2 + 2?", "4")]


def test_the_logger_knows_problems_and_chats(tmp_path):
    logged = trl.reward_logger(score, run=Run(tmp_path / "run"))
    chat = [{"role": "user", "content": "6 * 7?"}]
    reply = [{"role": "assistant", "content": "42"}]
    call(logged, [chat], [reply], answer=["42"])
    text = trl.problem_row(SUM)["problem"]
    call(logged, ["6*7="], ["42"], answer=["42"], problem=[text])
    first, second = Run(tmp_path / "run").problems()
    assert first.prompt == tuple(chat)
    assert second == SUM


def test_given_rewards_are_kept_when_the_run_is_graded(tmp_path):
    form = lambda completions, **_: [None if c == "4" else float("<b>" in c) for c in completions]  # noqa: E731
    call(trl.reward_logger(form, run=tmp_path), ["2+2"] * 3, ["<b>5", "5", "4"], answer=["4"] * 3)
    assert grade(run=tmp_path)["regraded"] == 1  # the one that it did not score
    with Run(tmp_path).ledger() as ledger:
        assert [r.solved for r in ledger.attempts()] == [True, False, True]


def test_rewards_are_brought_to_one_scale(tmp_path):
    wide = lambda prompts, **_: [-1.0, 2.0]  # noqa: E731
    logged = trl.reward_logger(wide, run=tmp_path / "run", span=(-1.0, 2.0))
    assert call(logged, ["a", "b"], ["x", "y"], answer=["1", "2"]) == [-1.0, 2.0]
    with Run(tmp_path / "run").ledger() as ledger:
        assert [(r.reward, r.solved) for r in ledger.attempts()] == [(0.0, False), (1.0, True)]
    narrow = trl.reward_logger(wide, run=tmp_path / "run")
    with pytest.raises(ArgumentError, match=r"gave -1, outside of `span` \(0, 1\)"):
        call(narrow, ["a", "b"], ["x", "y"], answer=["1", "2"])


def test_the_logger_says_what_it_lacks(tmp_path):
    async def later(**_):
        return []

    with pytest.raises(ArgumentError, match="`function` is asynchronous"):
        trl.reward_logger(later, run=tmp_path)
    with pytest.raises(ArgumentError, match=r"`span` must be \(worst, best\) reward"):
        trl.reward_logger(score, run=tmp_path, span=(1.0, 0.0))
    with pytest.raises(ArgumentError, match="`verifier` must be one of"):
        trl.reward_logger(score, run=tmp_path, verifier="maths")
    anything = trl.reward_logger(lambda prompts, **_: [1.0], run=tmp_path / "run")
    line = r"none named 'answer' \(they have completion_ids, gold\): say which holds the answer"
    with pytest.raises(ArgumentError, match=line):
        call(anything, ["1 + 1?"], ["2"], gold=["2"])


@pytest.mark.parametrize("value", ["Find $x$.", "{x} + 1", '{"prompt": "1 + 1"}', ["x"], None])
def test_a_column_named_problem_may_be_another(tmp_path, value):
    assert trl_rows.problem_of(value) is None
    logged = trl.reward_logger(score, run=tmp_path / "run")
    ours = trl.problem_row(SUM)["problem"]
    said = {"answer": ["2", "42"], "problem": [value, ours]}
    assert call(logged, ["1 + 1?", "6*7="], ["2", "42"], **said) == [1.0, 1.0]
    first, second = Run(tmp_path / "run").problems()
    assert (first.prompt, first.answer, second) == ("1 + 1?", "2", SUM)
    right = trl.reward_logger(lambda prompts, **_: [1.0], run=tmp_path / "run")
    with pytest.raises(ArgumentError, match=r"none named 'answer' \(they have .*, problem, solut"):
        call(right, ["1 + 1?"], ["2"], problem=[value], solution=["2"])
