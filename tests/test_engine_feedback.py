import json

import numpy as np
import pytest

from gradatim.engine.attempt import attempt
from gradatim.engine.feedback import MASK, mask, measure_friction
from gradatim.errors import ArgumentError, SolverError
from gradatim.recipes.writers import LONGEST
from gradatim.rng import Stream
from gradatim.solvers.function import from_function
from gradatim.store.run import Run
from gradatim.types import Problem, Reply, Solver


def problems(n):
    return [
        Problem(id=f"p{i}", prompt=f"question {i}", answer=str(100 + i), verifier="exact")
        for i in range(n)
    ]


def batched(function, name):
    """As `from_function`, with all replies in one list: one transaction of the ledger."""

    def answer(requests):
        yield [
            Reply(r, sample, function(r.problem, sample), "finished")
            for r in requests
            for sample in range(r.first, r.first + r.n)
        ]

    return Solver(name=name, answer=answer)


def learner(*, first=0.3, recover=0.3, answers=1000):
    """Right with one chance unaided, with another when it is told; wrong answers vary."""

    def answer(problem, sample):
        stream = Stream("learner", problem.id, str(problem.prompt), sample)
        chance = recover if "An attempt that failed" in problem.prompt else first
        if stream.uniform() < chance:
            return problem.answer
        return f"wrong {stream.below(answers)}"

    return batched(answer, "learner")


def stored(run):
    with Run(run).ledger() as ledger:
        return list(ledger.attempts())


def test_s144_a_solver_that_corrects_itself_is_measured_so(tmp_path):
    found = measure_friction(problems(120), solver=learner(), run=tmp_path, rounds=3)
    f = found.friction
    assert f.friction.low <= 0.7 * 0.7**3 <= f.friction.high
    assert (f.recovered.low <= 0.3).all()
    assert (f.recovered.high >= 0.3).all()
    assert f.accuracy.low[0] <= 0.3 <= f.accuracy.high[0]
    # every attempt is in the ledger under who made it, and counted
    rows = stored(tmp_path)
    assert found.requested == found.made == len(rows) == int(np.isfinite(found.solved).sum())
    assert {r.setting.solver for r in rows} == {"learner", "feedback(learner)"}
    helped = [json.loads(r.setting.params) for r in rows if r.setting.solver != "learner"]
    assert all(params["role"] == "refine" for params in helped)
    with Run(tmp_path).ledger() as ledger:
        unaided = ledger.responses(solver="learner")
    assert unaided.tried.tolist() == [1] * 120
    assert Run(tmp_path).read_result("friction")["friction"]["left_out"] == 0
    # the same call again makes and asks nothing
    again = measure_friction(problems(120), solver=learner(), run=tmp_path, rounds=3)
    assert (again.made, again.requested) == (0, found.requested)
    assert np.array_equal(again.solved, found.solved, equal_nan=True)


def test_s144_a_solver_that_never_listens_keeps_the_whole_gap(tmp_path):
    found = measure_friction(problems(20), solver=learner(recover=0.0), run=tmp_path, rounds=2)
    assert found.friction.unrecovered.value == 1.0
    assert found.friction.accuracy.value.tolist() == [found.friction.plateau.value] * 3
    assert (found.written, found.leaked, found.without) == (0, 0, 0)
    told = measure_friction(
        problems(20), solver=learner(recover=0.0), writer="simple_gt", run=tmp_path, rounds=2
    )
    assert told.friction.friction.value == found.friction.friction.value


def test_attempts_of_the_run_and_no_rounds(tmp_path):
    listed = problems(10)
    attempt(listed, solver=learner(), run=tmp_path, samples=1)
    found = measure_friction(listed, solver=learner(), run=tmp_path, rounds=0)
    assert (found.made, found.requested, found.solved.shape) == (0, 10, (1, 10))
    assert found.friction.accuracy.n.tolist() == [10]


def listener(prompts):
    """Never right; keeps what it was asked."""

    def answer(prompt):
        prompts.append(prompt)
        return f"wrong {len(prompts)}"

    return from_function(answer, name="listener")


def critic(text):
    asked = []

    def write(prompt):
        asked.append(prompt)
        return text

    return from_function(write, name=f"critic of {len(text or '')}"), asked


@pytest.mark.parametrize(
    ("leak", "said"),
    [
        ("mask", f"It should be {MASK}, says {MASK}."),
        ("drop", "The attempt is wrong."),
        ("allow", "It should be 100, says 100."),
    ],
)
def test_a_critic_knows_the_answer_and_the_solver_is_not_told(tmp_path, leak, said):
    prompts = []
    writer, asked = critic("It should be 100, says 100.")
    given = {"writer": writer, "run": tmp_path, "rounds": 2, "leak": leak}
    found = measure_friction(problems(1), solver=listener(prompts), **given)
    assert "The right answer is 100" in asked[0]
    assert "wrong 1" in asked[0]
    assert said in prompts[1]
    assert ("100" in prompts[1]) == (leak == "allow")
    assert (found.written, found.leaked, found.without) == (2, 2, 0)
    again = measure_friction(problems(1), solver=listener(prompts), **given)
    assert (again.written, again.made, len(asked)) == (0, 0, 2)


@pytest.mark.parametrize("text", [None, "  ", "x" * (LONGEST + 1)])
def test_a_critic_without_words_leaves_the_bare_verdict(tmp_path, text):
    prompts = []
    writer, asked = critic(text)
    found = measure_friction(
        problems(2), solver=listener(prompts), writer=writer, run=tmp_path, rounds=1
    )
    assert (found.without, found.written, len(asked)) == (2, 2, 2)
    assert "The attempt is wrong." in prompts[-1]


def test_simple_gt_tells_the_answer(tmp_path):
    prompts = []
    measure_friction(
        problems(1), solver=listener(prompts), writer="simple_gt", run=tmp_path, rounds=1
    )
    assert "The right answer is 100" in prompts[1]


def test_repeated_answers_are_made_again(tmp_path):
    def stubborn(problem, sample):
        return "same" if sample < 3 else f"other {sample}"

    solver = batched(stubborn, "stubborn")
    found = measure_friction(problems(4), solver=solver, run=tmp_path / "a", rounds=1, tries=9)
    # 4 unaided, and 4 each whose samples 0, 1, 2 repeat the wrong answer
    assert (found.requested, found.rejected) == (20, 12)
    last = [r.text for r in stored(tmp_path / "a") if r.sample == 3]
    assert last == ["other 3"] * 4
    plain = measure_friction(problems(4), solver=solver, run=tmp_path / "b", rounds=1)
    assert (plain.requested, plain.rejected) == (8, 0)


def test_rejecting_helps_where_wrong_answers_are_few_and_is_paid_for(tmp_path):
    few = [
        measure_friction(
            problems(40),
            solver=learner(recover=0.2, answers=2),
            run=tmp_path / f"{tries}",
            rounds=1,
            tries=tries,
        )
        for tries in (1, 5)
    ]
    assert few[1].friction.plateau.value > few[0].friction.plateau.value
    assert few[1].requested > few[0].requested


def test_a_solver_that_gives_up_is_resumed(tmp_path):
    whole = measure_friction(problems(20), solver=learner(), run=tmp_path / "whole", rounds=2)
    good, calls = learner(), []

    def fragile(requests):
        calls.append(len(requests))
        if len(calls) == 2:
            yield next(good.answer(requests[:3]))
            raise SolverError("gone")
        yield from good.answer(requests)

    solver = Solver(name="learner", answer=fragile)
    with pytest.raises(SolverError, match="gone"):
        measure_friction(problems(20), solver=solver, run=tmp_path / "cut", rounds=2)
    rest = measure_friction(problems(20), solver=solver, run=tmp_path / "cut", rounds=2)
    assert np.array_equal(rest.solved, whole.solved, equal_nan=True)
    assert rest.made == whole.made - 20 - 3


def test_a_prompt_that_comes_again_gets_another_sample(tmp_path):
    seen = []

    def answer(problem, sample):
        seen.append(sample)
        return "same"

    measure_friction(problems(1), solver=from_function(answer, name="same"), run=tmp_path, rounds=3)
    assert seen == [0, 0, 1, 2]  # the retries have one prompt


def test_lost_attempts_leave_the_problem_out(tmp_path):
    def flaky(problem, sample):
        if problem.id == "p0" and "An attempt that failed" in problem.prompt:
            raise RuntimeError("gone")
        return "wrong"

    found = measure_friction(
        problems(3), solver=from_function(flaky, name="flaky"), run=tmp_path, rounds=3
    )
    assert found.friction.left_out == 1
    assert found.friction.friction.n == 2
    assert np.isnan(found.solved[1:, 0]).all()


def test_a_lost_second_attempt_leaves_the_first(tmp_path):
    def flaky(problem, sample):
        if sample:
            raise RuntimeError("gone")
        return "same"

    found = measure_friction(
        problems(2), solver=from_function(flaky, name="flaky"), run=tmp_path, rounds=1, tries=3
    )
    assert found.friction.left_out == 0
    assert found.requested == 6  # the lost attempt does not repeat an answer


def test_chats_and_replies_without_text(tmp_path):
    chat = Problem(
        id="c", prompt=({"role": "user", "content": "q"},), answer="yes", verifier="exact"
    )
    found = measure_friction(
        [chat], solver=from_function(lambda prompt: None, name="mute"), run=tmp_path, rounds=1
    )
    assert found.friction.friction.value == 1.0


def test_mask_takes_the_answer_as_written_only():
    assert mask("x = 2, not 12, 2.5, 3.2 or x2.", "2") == f"x = {MASK}, not 12, 2.5, 3.2 or x2."
    assert mask("It is  Blue\nWhale!", "blue whale") == f"It is  {MASK}!"
    assert mask("(1, 2)", "(1, 2)") == MASK
    assert mask("anything", " ") == "anything"
    assert mask("cost [1] a+b", "a+b") == f"cost [1] {MASK}"


def test_mistakes_are_said_before_anything_is_asked(tmp_path):
    def refuse(problem):
        raise ArgumentError("no compact prompt")

    prompts = []
    compact = Solver(name="writes compact only", answer=lambda r: iter(()), prompt=refuse)
    given = {"solver": listener(prompts), "run": tmp_path}
    with pytest.raises(ArgumentError, match="`writer` must be 'wrong', 'simple_gt'"):
        measure_friction(problems(1), writer="simple_tg", **given)
    with pytest.raises(ArgumentError, match="`leak` must be one of"):
        measure_friction(problems(1), leak="hide", **given)
    with pytest.raises(ArgumentError, match="`rounds` must lie"):
        measure_friction(problems(1), rounds=-1, **given)
    with pytest.raises(ArgumentError, match="`tries` must lie"):
        measure_friction(problems(1), tries=0, **given)
    with pytest.raises(ArgumentError, match="writes compact only cannot read feedback"):
        measure_friction(problems(1), writer=compact, **given)
    with pytest.raises(ArgumentError, match="at least one problem"):
        measure_friction([], **given)
    assert prompts == []
