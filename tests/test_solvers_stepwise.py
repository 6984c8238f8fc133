import re

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.rng import Stream
from gradatim.solvers.controllers import majority, route
from gradatim.solvers.function import from_function
from gradatim.solvers.registry import open_solver
from gradatim.solvers.stepwise import arithmetic_parts, effort, stepwise
from gradatim.types import Problem, Reply, Request, Solver


def problem(text, answer="", i=0):
    return Problem(id=f"p{i}", prompt=text, answer=str(answer), verifier="number", level=9)


def right(prompt):
    return str(eval(prompt.removesuffix(" =")))


def asked(text, answers=right, **options):
    """Prompts of all parts, and what comes out."""
    parts, seen = arithmetic_parts(problem(text), **options), []
    try:
        part = next(parts)
        while True:
            seen.append(part.prompt)
            part = parts.send(answers(part.prompt))
    except StopIteration as end:
        return seen, end.value


@pytest.mark.parametrize(
    ("text", "parts", "value"),
    [
        ("What is 3 + 4 * 2?", ["4 * 2 =", "3 + 8 ="], "11"),
        ("(3 + 4) * -2 = ?", ["3 + 4 =", "7 * -2 ="], "-14"),
        ("Compute 2 - 9.", ["2 - 9 ="], "-7"),
        ("-(2 - 9)", [], ""),  # a sign alone is no operation
        ("7 + 8", ["7 + 8 ="], "15"),
        ("Tom has 3 pens.", [], ""),
        ("1) 3 + 4", [], ""),
        ("3 / 4 + 1", [], ""),
        ("2.5 + 1 and 2^3 + 4", [], ""),
        ("A 12 and 3 * 4 + 5 too", ["3 * 4 =", "12 + 5 ="], "17"),
        ("007 + 1", [], ""),
        ("2(3)", [], ""),
    ],
)
def test_innermost_first(text, parts, value):
    assert asked(text) == (parts, value)


def test_answers_are_passed_on_right_or_wrong():
    seen, value = asked("1 + 2 + 3", answers=lambda prompt: "40")
    assert seen == ["1 + 2 =", "40 + 3 ="]
    assert value == "40"
    assert asked("1 + 2 + 3", answers=lambda prompt: "1/2") == (["1 + 2 ="], "1/2")


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        # 7 + 8 is 2, 36 + 47 is 3, 15 + 83 is 2: together 7
        (0, ["7 + 8 =", "36 + 47 =", "15 + 83 ="]),
        (6, ["7 + 8 =", "36 + 47 =", "15 + 83 ="]),
        (7, ["7 + 8 + (36 + 47) ="]),
    ],
)
def test_s019_only_what_is_complex_is_split(whole, parts):
    assert asked("7 + 8 + (36 + 47)", whole=whole) == (parts, "98")


def test_effort_by_hand():
    # places of the longer number and carries
    assert [effort(3, "+", 4), effort(7, "+", 8), effort(58, "+", 5), effort(95, "+", 7)] == [
        1,
        2,
        3,
        4,
    ]
    assert [effort(9, "-", 4), effort(52, "-", 8), effort(100, "-", 1)] == [1, 3, 5]
    assert [effort(7, "*", 8), effort(36, "*", 47)] == [2, 8]
    # signs: 5 - -3 adds, -7 + 8 takes away
    assert effort(5, "-", -8) == effort(5, "+", 8) == effort(-5, "-", 8)
    assert effort(-7, "+", 8) == effort(8, "-", 7)


def test_parts_have_a_level_and_a_gold_for_the_verifier():
    part = next(arithmetic_parts(problem("36 + 47")))
    assert (part.level, part.answer, part.verifier) == (3, "83", "number")
    assert next(arithmetic_parts(problem("99999999 * 99999999"))).level == 10


def chains(n, seed=0):
    """Chained sums and products whose parts are of all difficulties."""
    made = []
    for i in range(n):
        draw = Stream(seed, "chains", i)
        terms = [str(draw.below(10 ** draw.between(1, 3))) for _ in range(draw.between(2, 6))]
        text = terms[0]
        for term in terms[1:]:
            text = f"{text} {draw.choice('+-')} {term}" if draw.below(4) else f"({text}) * {term}"
        made.append(problem(text, eval(text), i))
    return made


def calculator(tokens, slip, name):
    """Right but for a slip, whose chance `slip(difficulty)` gives; `tokens` a reply."""

    def answer(requests):
        for request in requests:
            a, sign, b = re.fullmatch(r"(-?\d+) ([-+*]) (-?\d+) =", request.problem.prompt).groups()
            for sample in range(request.first, request.first + request.n):
                luck = Stream(name, request.problem.prompt, sample).uniform()
                off = luck < slip(effort(int(a), sign, int(b)))
                text = str(int(right(request.problem.prompt)) + off)
                yield [Reply(request, sample, text, "finished", tokens=tokens, prompt_tokens=5)]

    return Solver(name=name, answer=answer)


FAST = calculator(5, lambda difficulty: 0.0 if difficulty <= 3 else 0.4, "fast")
SLOW = calculator(60, lambda difficulty: 0.0, "slow")


def run(solver, problems):
    """Share solved, tokens, and the replies."""
    replies = [r for batch in solver.answer([Request(p, 0, 1) for p in problems]) for r in batch]
    assert sorted(r.request.problem.id for r in replies) == sorted(p.id for p in problems)
    share = np.mean([r.text == r.request.problem.answer for r in replies])
    return share, sum(r.tokens for r in replies), replies


def test_s010_routing_parts_is_as_right_as_all_slow_for_fewer_tokens():
    problems = chains(60)
    fast, few, _ = run(stepwise([FAST]), problems)
    slow, many, _ = run(stepwise([SLOW]), problems)
    mixed, spent, replies = run(stepwise([route([FAST, SLOW], threshold=3)]), problems)
    assert mixed == slow == 1.0
    assert fast < 0.8
    assert few < spent < 0.8 * many
    # the log: what went to the slow one is harder than what went to the fast one
    log = re.findall(r"difficulty (\d+), (easy|hard)", " ".join(r.detail for r in replies))
    hardest = max(int(d) for d, where in log if where == "easy")
    easiest = min(int(d) for d, where in log if where == "hard")
    assert hardest == 3 < easiest == 4


def test_s010_more_slow_thinking_is_more_right():
    problems = chains(60, seed=1)
    shares, tokens = [], []
    for threshold in (10, 6, 4, 3):
        share, spent, _ = run(stepwise([route([FAST, SLOW], threshold=threshold)]), problems)
        shares.append(share)
        tokens.append(spent)
    assert shares == sorted(shares)
    assert tokens == sorted(tokens)


def test_s019_tokens_rise_with_difficulty():
    spent = [
        run(stepwise([SLOW]), [problem(" + ".join(["7"] * n), 7 * n, n)])[1] for n in (2, 3, 5, 9)
    ]
    assert spent == [60, 120, 240, 480]


def test_what_cannot_be_taken_apart_is_asked_as_it_is():
    solver = stepwise([from_function(str.upper, name="shout")])
    (reply,) = run(solver, [problem("a", "A")])[2]
    assert (reply.text, reply.detail) == ("A", "")


def test_a_part_that_fails_ends_the_attempt():
    texts = {"1 + 2 =": "3", "3 + 3 =": None}

    def answer(requests):
        for r in requests:
            text = texts[r.problem.prompt]
            status = "truncated" if text is None else "finished"
            yield [
                Reply(r, i, text or "cut of", status, tokens=1)
                for i in range(r.first, r.first + r.n)
            ]

    (reply,) = run(stepwise([Solver(name="s", answer=answer)]), [problem("1 + 2 + 3 + 4")])[2]
    assert (reply.text, reply.status, reply.tokens) == (None, "truncated", 2)
    silent = from_function(lambda prompt: "dunno", name="s")
    (reply,) = run(stepwise([silent]), [problem("1 + 2 + 3")])[2]
    assert (reply.text, reply.status) == ("dunno", "finished")
    assert reply.detail == "1 parts: 1 + 2 ="


@pytest.mark.parametrize(("budget", "complete"), [(0, 0), (2, 1), (4, 2), (5, 3)])
def test_a_budget_that_ends_inside_ends_the_attempts_under_way(budget, complete):
    # p0 has one part, p1 and p2 two: the first round asks 3, the second 2
    left, rounds = [budget], []

    def answer(requests):
        assert len(rounds) < 3, "asks for ever"
        rounds.append(len(requests))
        for request in requests[: left[0]]:
            left[0] -= 1
            text = right(request.problem.prompt)
            yield [Reply(request, request.first, text, "finished", tokens=1)]

    solver = stepwise([Solver(name="s", answer=answer)])
    listed = [problem("1 + 2"), problem("1 + 2 + 3", i=1), problem("2 + 2 + 3", i=2)]
    replies = [r for batch in solver.answer([Request(p, 0, 1) for p in listed]) for r in batch]
    assert [r.request.problem.id for r in replies] == ["p0", "p1", "p2"][: len(replies)]
    assert len(replies) == complete


def counted(budget=10**9):
    """A calculator that answers so many parts, and what it was asked in each round."""
    rounds, left = [], [budget]

    def answer(requests):
        rounds.append([request.problem.id for request in requests])
        for request in requests[: left[0]]:
            left[0] -= 1
            text = right(request.problem.prompt)
            yield [Reply(request, request.first, text, "finished", tokens=1, prompt_tokens=2)]

    return Solver(name="s", answer=answer), rounds


@pytest.mark.parametrize("at_once", [1, 2, 7, 32, 1000])
def test_problems_are_finished_before_others_begin_and_answers_stay_the_same(at_once):
    problems = chains(60, seed=3)
    solver, rounds = counted()
    together, tokens, replies = run(stepwise([solver], at_once=at_once), problems)
    assert max(map(len, rounds)) <= at_once
    for asked in rounds:  # older ones first
        assert [int(i[1:].split("/")[0]) for i in asked] == sorted(
            int(i[1:].split("/")[0]) for i in asked
        )
    everything, spent, expected = run(stepwise([counted()[0]], at_once=10**6), problems)
    assert (together, tokens) == (everything, spent) == (1.0, sum(map(len, rounds)))
    by_id = {reply.request.problem.id: reply for reply in expected}
    assert all(reply == by_id[reply.request.problem.id] for reply in replies)


@pytest.mark.parametrize("at_once", [1, 4, 32])
def test_an_early_end_loses_at_most_what_is_under_way(at_once):
    problems = [problem("1 + 2 + 3 + 4", 10, i) for i in range(100)]  # three parts each
    solver, _ = counted(budget=150)
    given = [
        reply
        for batch in stepwise([solver], at_once=at_once).answer([
            Request(p, 0, 1) for p in problems
        ])
        for reply in batch
    ]
    assert sum(reply.tokens for reply in given) == 3 * len(given)
    assert 150 - 3 * len(given) <= 2 * at_once  # paid for nothing: parts of unfinished ones
    assert len(given) >= 50 - at_once


def test_what_is_complete_comes_at_once_also_at_an_interrupt():
    given = []

    def answer(requests):
        try:
            for request in requests[:2]:
                given.append(request.problem.prompt)
                yield [Reply(request, request.first, "3", "finished")]
        except KeyboardInterrupt:
            yield [Reply(requests[-1], requests[-1].first, "7", "finished")]  # what was in flight
            raise

    solver = stepwise([Solver(name="s", answer=answer)])
    listed = [
        Request(problem(text, i=i), 0, 1) for i, text in enumerate(("1 + 2", "2 + 1", "3 + 4"))
    ]
    stream = solver.answer(listed)
    assert [r.text for r in next(stream)] == ["3"]
    assert given == ["1 + 2 ="]  # before the next is asked
    assert [r.text for r in stream.throw(KeyboardInterrupt)] == ["7"]
    with pytest.raises(KeyboardInterrupt):
        next(stream)


def test_a_function_takes_problems_apart():
    def halves(problem):
        first = yield Problem(id="", prompt=problem.prompt[:1], answer="", verifier="text")
        second = yield Problem(id="", prompt=problem.prompt[1:], answer="", verifier="text")
        return first + second

    solver = stepwise([from_function(str.upper, name="shout")], parts=halves)
    requests = [Request(problem("ab", "AB"), 3, 2)]
    replies = [r for batch in solver.answer(requests) for r in batch]
    assert [(r.sample, r.text.upper()) for r in replies] == [(3, "AB"), (4, "AB")]
    assert solver.params["parts"].endswith("halves")


def test_specs_and_mistakes():
    solver = open_solver("stepwise(route(sim:2pl, vote-3(sim:2pl)))", threshold=2, whole=1)
    assert solver.name == "stepwise(route(sim:2pl, vote-3(sim:2pl)))"
    assert solver.params["inner"]["threshold"] == 2.0
    with pytest.raises(ArgumentError, match="arithmetic or python:MODULE:FUNCTION"):
        open_solver("stepwise(sim:2pl)", parts="words")
    with pytest.raises(ArgumentError, match="whole"):
        open_solver("stepwise(sim:2pl)", whole=-1)
    with pytest.raises(ArgumentError, match="at_once"):
        open_solver("stepwise(sim:2pl)", at_once=0)
    assert "at_once" not in open_solver("stepwise(sim:2pl)", at_once=3).params
    assert majority([stepwise([FAST])], 2).name == "vote-2(stepwise(fast))"
