import numpy as np
import pytest

from gradatim.engine.attempt import attempt
from gradatim.engine.calibrate import calibrate
from gradatim.errors import ArgumentError, SolverError
from gradatim.families.generation import generate
from gradatim.solvers import controllers
from gradatim.solvers.controllers import best_of, certain, majority, route
from gradatim.solvers.function import from_function
from gradatim.solvers.registry import find_kind, inner_specs, open_solver, solver_options
from gradatim.store.run import Run
from gradatim.types import Problem, Reply, Request, Solver

SUM = Problem(id="sum", prompt="2 + 3", answer="5", verifier="number", level=2)


def scripted(*replies, batch=3):
    """A solver whose sample i is replies[i]: a text, or a Reply's fields."""

    def answer(requests):
        made = []
        for request in requests:
            for sample in range(request.first, request.first + request.n):
                said = replies[sample]
                said = {"text": said} if isinstance(said, str) else said
                made.append(
                    Reply(
                        **{
                            "request": request,
                            "sample": sample,
                            "status": "finished",
                            "tokens": 2,
                            "prompt_tokens": 7,
                            "seconds": 0.5,
                        }
                        | said
                    )
                )
        for start in range(0, len(made), batch):
            yield made[start : start + batch][::-1]

    return Solver(name="script", answer=answer, policy="v1", params={"temperature": 1.0})


def ask(solver, n=1, first=0, problem=SUM):
    return [r for batch in solver.answer([Request(problem, first, n)]) for r in batch]


def sure(text, certainty, **more):
    return {"text": text, "certainty": certainty, **more}


# -- voting -----------------------------------------------------------------------------------


def test_the_majority_is_of_answers_not_of_texts():
    solver = majority([scripted("4", "It is 5.", "4", "5.0", "the answer is 5")], 5)
    (reply,) = ask(solver)
    assert (reply.text, reply.status, reply.sample) == ("It is 5.", "finished", 0)
    assert reply.detail == "0.600 of the votes"
    assert (reply.tokens, reply.prompt_tokens, reply.seconds) == (10, 35, 2.5)
    assert reply.request.problem is SUM


def test_each_sample_has_inner_samples_of_its_own():
    solver = majority([scripted(*"111222333")], 3)
    assert [(r.sample, r.text) for r in ask(solver, n=3)] == [(0, "1"), (1, "2"), (2, "3")]
    assert [(r.sample, r.text) for r in ask(solver, n=1, first=2)] == [(2, "3")]


def test_a_reply_without_an_answer_has_no_vote():
    (reply,) = ask(majority([scripted("no idea", "none", "5")], 3))
    assert reply.text == "5"
    (reply,) = ask(majority([scripted("no idea", "none")], 2))
    assert (reply.text, reply.detail) == ("no idea", "0.000 of the votes")


def test_the_vote_does_not_look_at_the_gold():
    script = scripted("4", "4", "5")
    (first,) = ask(majority([script], 3))
    other = Problem(id="sum", prompt="2 + 3", answer="4", verifier="number")
    (second,) = ask(majority([script], 3), problem=other)
    assert first.text == second.text == "4"


def test_what_was_cut_is_not_chosen_while_another_was_finished():
    cut, late = {"text": "4", "status": "truncated"}, {"text": None, "status": "timeout"}
    (reply,) = ask(majority([scripted(cut, late, cut, "5")], 4))
    assert (reply.text, reply.status) == ("5", "finished")
    assert reply.detail == "1.000 of 1 vote, 3 of 4 cut or timed out"
    (reply,) = ask(best_of([scripted("5", cut, "4")], 3, by="verifier"))
    assert reply.detail == "1 is the best of 2, 1 of 3 cut or timed out"
    (reply,) = ask(majority([scripted(late, cut, late)], 3))
    assert (reply.text, reply.status, reply.tokens) == ("4", "truncated", 6)
    (reply,) = ask(majority([scripted(late, late)], 2))
    assert (reply.text, reply.status) == (None, "timeout")


def test_a_providers_fault_in_one_is_one_of_all():
    lost = {"text": None, "status": "provider_error", "tokens": -1, "detail": "HTTP 500"}
    (reply,) = ask(majority([scripted("5", lost, "5")], 3))
    assert (reply.text, reply.status) == (None, "provider_error")
    assert reply.detail == "1 of 3 inner attempts: HTTP 500"
    assert reply.tokens == -1


def test_s249_surer_replies_count_more():
    # two hesitant 4s against one sure 5: ranks 3, 2, 1
    script = scripted(sure("4", 1.0), sure("4", 2.0), sure("5", 9.0))
    assert ask(majority([script], 3))[0].text == "4"
    # power 1: 1 + 2 against 3, a tie, which goes to the first; power 2: 1 + 4 against 9
    assert ask(certain([script], 3, power=1))[0].text == "4"
    (reply,) = ask(certain([script], 3, power=2))
    assert (reply.text, reply.certainty) == ("5", 9.0)
    assert reply.detail == "0.643 of the votes"  # 9 / 14
    assert ask(certain([script], 3, power=0))[0].text == "4"


def test_s249_mean_log_probability_stands_in():
    script = scripted(
        {"text": "4", "logp": -1.0, "tokens": 1}, {"text": "5", "logp": -2.0, "tokens": 10}
    )
    assert ask(certain([script], 2, by="logp"))[0].text == "5"  # -.2 a token, not -2


# -- best of n --------------------------------------------------------------------------------


def test_best_of_by_each_score():
    script = scripted(
        sure("9", 3.0, logp=-4.0, tokens=2),
        sure("5", 1.0, logp=-3.0, tokens=1),
        sure("44", 2.0, logp=-5.0, tokens=5),
    )
    found = {
        str(by): ask(best_of([script], 3, by=by))[0].text
        for by in ("logp", "certainty", "verifier")
    }
    assert found == {"logp": "44", "certainty": "9", "verifier": "5"}
    (reply,) = ask(best_of([script], 3, by=lambda problem, text: -len(text)))
    assert (reply.text, reply.detail) == ("9", "-1 is the best of 3")


def test_an_empty_reply_without_a_log_probability_comes_last():
    # llama.cpp sends null for a reply that stops at once
    nothing = {"text": "", "tokens": -1}
    script = scripted(nothing, {"text": "5", "logp": -30.0}, nothing)
    (reply,) = ask(best_of([script], 3))
    assert (reply.text, reply.detail) == ("5", "-15 is the best of 3")
    (reply,) = ask(best_of([scripted(nothing, nothing)], 2))
    assert (reply.text, reply.status, reply.detail) == ("", "finished", "all 2 are empty")
    (reply,) = ask(certain([script], 3, by="logp"))
    assert reply.text == "5"


def test_a_score_from_a_module(tmp_path, monkeypatch):
    (tmp_path / "judges.py").write_text("def shortest(problem, text):\n    return -len(text)\n")
    monkeypatch.chdir(tmp_path)
    solver = best_of([scripted("123", "1", "12")], 3, by="python:judges:shortest")
    assert ask(solver)[0].text == "1"
    assert solver.params["by"].startswith("python:judges:shortest@")


@pytest.mark.parametrize(
    ("solver", "says"),
    [
        (best_of([scripted("5", "5")], 2), "gave none.*logprobs"),
        (best_of([scripted("5", "5")], 2, by="certainty"), "hf: and tiny give it"),
        (certain([scripted("5", "5")], 2), "by=logp is an approximation"),
    ],
)
def test_a_score_that_is_not_there_is_said(solver, says):
    with pytest.raises(SolverError, match=says):
        ask(solver)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: best_of([scripted("5")], 2, by="luck"), "`by` must be one of certainty, logp"),
        (lambda: best_of([scripted("5")], 2, by="python:json:nothing"), "no function 'nothing'"),
        (lambda: best_of([scripted("5")], 0), "`n`"),
        (lambda: certain([scripted("5")], 2, by="verifier"), "`by`"),
        (lambda: certain([scripted("5")], 2, power=-1), "power"),
        (lambda: route([scripted("5")] * 2, by="luck"), "level or python:MODULE:FUNCTION"),
        (lambda: route([scripted("5")] * 2, threshold=float("nan")), "threshold"),
    ],
)
def test_bad_settings_name_themselves(make, says):
    with pytest.raises(ArgumentError, match=says):
        make()


# -- routes -----------------------------------------------------------------------------------


def leveled(levels):
    return [
        Problem(id=f"p{i}", prompt="2 + 3", answer="5", verifier="number", level=level)
        for i, level in enumerate(levels)
    ]


def test_a_route_sends_by_level_and_says_so():
    easy = from_function(lambda prompt: "easy", name="a")
    hard = from_function(lambda prompt: "hard", name="b")
    solver = route([easy, hard], threshold=4)
    requests = [Request(problem, 0, 2) for problem in leveled([1, 9, 4, 5])]
    replies = [r for batch in solver.answer(requests) for r in batch]
    assert {r.request.problem.level: r.text for r in replies} == {
        1: "easy",
        4: "easy",
        5: "hard",
        9: "hard",
    }
    assert {r.detail for r in replies if r.text == "hard"} == {
        "difficulty 9, hard",
        "difficulty 5, hard",
    }
    assert len(replies) == 8
    assert solver.name == "route(a, b)"
    with pytest.raises(ArgumentError, match="has no level"):
        next(solver.answer([Request(Problem(id="x", prompt="", answer=""), 0, 1)]))


def test_a_route_by_a_function():
    easy, hard = scripted("1"), scripted("2")
    solver = route([easy, hard], by=lambda problem: len(problem.prompt), threshold=4)
    assert ask(solver)[0].text == "2"
    assert solver.params["by"].endswith("<lambda>")


# -- interrupts -------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda s: majority([s], 2), lambda s: route([s, s])])
def test_an_interrupt_reaches_the_solver_inside(wrap):
    told = []

    def answer(requests):
        (request,) = requests
        replies = [Reply(request, i, "5", "finished") for i in range(request.first, request.n)]
        try:
            yield replies[:2]
            told.append("went on")
        except KeyboardInterrupt:
            told.append("interrupt")
            yield replies[2:4]  # what was in flight
            raise

    stream = wrap(Solver(name="s", answer=answer)).answer([Request(SUM, 0, 4)])
    next(stream)
    assert stream.throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert told == ["interrupt"]


def test_an_interrupt_where_nobody_listens_is_passed_on():
    solver = Solver(
        name="s", answer=lambda requests: iter([[Reply(requests[0], 0, "5", "finished")]] * 2)
    )
    stream = controllers.mapped(solver.answer([Request(SUM, 0, 1)]), lambda replies: replies)
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt)


# -- specs ------------------------------------------------------------------------------------


def test_specs_nest():
    solver = open_solver("vote-3(best-of-2(sim:2pl))", by="verifier", ability=1.0)
    assert solver.name == "vote-3(best-of-2(sim:2pl))"
    assert solver.params == {
        "inner": {
            "by": "verifier",
            "inner": {"ability": 1.0, "discrimination": 1.0, "seed": 0},
        }
    }
    assert ask(solver)[0].tokens > 0
    assert find_kind("route(sim:2pl, vote-8(sim:2pl))")[0] == "route"
    assert inner_specs("route(sim:2pl, route(sim, sim:2pl))") == (
        None,
        ["sim:2pl", "route(sim, sim:2pl)"],
    )
    assert find_kind("recorded:answers (1).jsonl")[0] == "recorded"


def test_options_of_two_solvers():
    solver = open_solver(
        "route(sim:2pl, vote-3(sim:2pl))", ability=1.0, hard={"seed": 7}, threshold=3
    )
    assert solver.params["easy"] == {"ability": 1.0, "discrimination": 1.0, "seed": 0}
    assert solver.params["hard"] == {"inner": {"ability": 1.0, "discrimination": 1.0, "seed": 7}}
    assert {"by", "threshold", "easy", "hard", "ability"} <= set(
        solver_options("route(sim:2pl, vote-3(sim:2pl))")
    )


@pytest.mark.parametrize(
    ("spec", "options", "says"),
    [
        ("vote(sim:2pl)", {}, r"vote must look like vote-8\(SPEC\)"),
        ("vote-8", {}, "must be one of"),
        ("vote-0(sim:2pl)", {}, "`n` must lie in"),
        ("vote-3(sim:2pl, sim:2pl)", {}, r"vote-8\(SPEC\)"),
        ("vote-3()", {}, r"vote-8\(SPEC\)"),
        ("route-2(sim:2pl, sim:2pl)", {}, r"route\(SPEC, SPEC\)"),
        ("route(sim:2pl)", {}, r"route\(SPEC, SPEC\)"),
        ("vtoe-3(sim:2pl)", {}, "did you mean 'vote'"),
        ("vote-3(smi:2pl)", {}, "did you mean 'sim'"),
        ("vote-3(sim:2pl)", {"abilty": 1}, "did you mean 'ability'"),
        ("vote-3(sim:3pl)", {}, "knows the model 2pl"),
        ("route(sim:2pl, sim:2pl)", {"hard": 3}, "`hard` must be a record"),
        ("route(sim:2pl, sim:2pl)", {"hard": {"abilty": 3}}, "did you mean 'ability'"),
        ("certain-3(sim:2pl)", {}, "sim:2pl does not give.*hf:DIR.* do.*by=logp"),
        ("vote-2(best-of-3(openai:m@http://h))", {"by": "certainty"}, "does not give"),
    ],
)
def test_bad_specs_say_how_they_must_look(spec, options, says):
    with pytest.raises(ArgumentError, match=says):
        open_solver(spec, **options)


def test_closing_closes_what_is_inside():
    closed = []
    solver = Solver(name="s", answer=lambda requests: iter([]), close=lambda: closed.append(1))
    majority([majority([solver], 2)], 2).close()
    route([solver, solver]).close()
    assert closed == [1, 1, 1]


def test_what_is_spent_inside_is_reported():
    def spender(requests, exact, cost=None):
        report = {"requests": requests, "exact": exact, "stopped_by": None}
        return Solver(
            name="s",
            answer=lambda requests: iter([]),
            report=lambda: report | ({"cost": cost} if cost else {}),
        )

    assert majority([best_of([spender(3, True)], 2)], 2).report()["requests"] == 3
    both = route([spender(3, True, 0.5), spender(4, False)]).report()
    assert both == {"requests": 7, "exact": False, "stopped_by": None, "cost": 0.5}
    assert route([scripted("5"), spender(4, True)]).report()["requests"] == 4
    assert majority([scripted("5")], 2).report() == {}


# -- on the scale -----------------------------------------------------------------------------


def test_controllers_stand_on_the_scale(tmp_path):
    problems = leveled(list(range(1, 11)) * 3)
    run = Run(tmp_path / "run")
    for spec, options in (
        ("sim:2pl", {}),
        ("vote-5(sim:2pl)", {}),
        ("best-of-5(sim:2pl)", {"by": "verifier"}),
        ("route(sim:2pl, best-of-5(sim:2pl))", {"hard": {"by": "verifier"}}),
    ):
        found = attempt(problems, solver=spec, run=run, samples=2, **options)
        assert (found["finished"], found["made"]) == (60, 60)
        again = attempt(problems, solver=spec, run=run, samples=2, **options)
        assert (again["made"], again["reused"]) == (0, 60)
    bank = calibrate(run)
    ability = {name.split(" ")[0]: a for name, a in zip(bank.solvers, bank.ability, strict=True)}
    assert len(bank.solvers) == 4
    assert ability["best-of-5(sim:2pl)"] > ability["sim:2pl"] + 1
    names = list(bank.solvers)
    assert np.isfinite(bank.ability).all(), names


def test_the_tiny_policy_votes_by_certainty():
    pytest.importorskip("torch")
    problems = generate("lists", n=4, level=1, seed=0)
    solver = open_solver("certain-4(tiny)", temperature=1.5)
    replies = [r for b in solver.answer([Request(p, 0, 2) for p in problems]) for r in b]
    assert len(replies) == 8
    assert all(reply.certainty > 0 and reply.detail.endswith("of the votes") for reply in replies)
    solver.close()
