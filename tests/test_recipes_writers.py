"""Texts by a writer: checked before use, paid for, never in the prompt that is trained."""

import dataclasses
import json

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.families.verify import check
from gradatim.recipes import registry, writers
from gradatim.recipes.curriculum import Curriculum
from gradatim.recipes.scaffolds import outcomes
from gradatim.solvers.function import from_function
from gradatim.solvers.registry import open_solver
from gradatim.types import ROLES, Problem, Reply, Solver

PROVIDES = {"logp", "rounds", "refine", "demo", "text"}
PROBLEMS = generate("lists", n=40, level=range(1, 11))
BY_ID = {problem.id: problem for problem in PROBLEMS}
DEMO, REFINE = ROLES.index("demo"), ROLES.index("refine")


def right(problem, sample):
    return f"It must be so.\n{BY_ID[problem.id].answer}"


def curriculum(scaffold, problems=PROBLEMS, **options):
    base = dataclasses.replace(registry.get("grpo"), max_rounds=2)
    changes = {"scaffold": (scaffold, options), "advantage": "refined"}
    return Curriculum(problems, base, provides=PROVIDES, **changes)


def play(cur, solved, prompts=4, rollouts=32):
    """Both rounds of a step; `solved(plan)` gives the rewards."""
    plan, found = cur.suggest(prompts, rollouts=rollouts), []
    while plan is not None:
        found.append(plan)
        texts = [f"reply {i} of round {plan.round}" for i in range(plan.n.sum())]
        batch = cur.observe(plan, solved(plan), text=texts)
        plan = cur.more(batch)
    return found, batch


def hopeless_but_first(plan):
    """The first group is solved, the others never; helped replies are right."""
    if plan.round:
        return np.ones(plan.n.sum())
    return np.repeat([1.0, *[0.0] * (len(plan.n) - 1)], plan.n)


# -- explanations ---------------------------------------------------------------------------------


def test_s045_a_group_that_fails_gains_a_verified_positive():
    writer = from_function(right, name="sage")
    (first, second), batch = play(curriculum("explain", writer=writer), hopeless_but_first)
    assert second.role.tolist() == [DEMO] * 3
    assert second.group.tolist() == first.group[1:].tolist()  # only where nobody succeeded
    assert (second.n.tolist(), second.paid) == ([1] * 3, 0)
    for row, posed in enumerate(second.posed):
        base = PROBLEMS[second.problem[row]]
        assert check(base, posed.solution).solved
        assert posed.prompt == base.prompt == writers.trained(second, PROBLEMS, row).prompt
    value, keep = curriculum("explain").advantages(batch)
    assert (value[batch.role == DEMO] > 0.5).all()
    assert keep[np.isin(batch.group, second.group)].all()


def test_the_policy_explains_under_another_prompt_than_it_learns():
    cur = curriculum("explain", tries=2)
    (_, second), batch = play(cur, hopeless_but_first, rollouts=40)
    assert (second.role.tolist(), second.n.tolist()) == ([REFINE] * 3, [2] * 3)
    for row, posed in enumerate(second.posed):
        base = PROBLEMS[second.problem[row]]
        assert posed.prompt.startswith(base.prompt)
        assert f"The answer is {base.answer}." in posed.prompt
        assert writers.trained(second, PROBLEMS, row) is base
        assert posed.compact is None  # a tiny policy could not read what it was told
    failed = batch.parent[batch.role == REFINE]
    assert not batch.solved[failed].any()
    keep = cur.advantages(batch)[1]
    assert keep[batch.role == REFINE].tolist() == [True, False] * 3  # one a group
    assert cur.belief().alpha.sum() + cur.belief().beta.sum() == pytest.approx(
        40 + (batch.role == 0).sum()
    )  # what was told the answer is not believed


def test_chats_are_asked_in_their_last_message():
    talk = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"})
    problem = Problem(id="x", prompt=talk, answer="2")
    more = writers.asked(problem, "Why 2?")
    assert more.prompt == (talk[0], {"role": "user", "content": "1 + 1?\n\nWhy 2?"})
    ended = (*talk, {"role": "assistant", "content": "3"})
    more = writers.asked(dataclasses.replace(problem, prompt=ended), "Why 2?")
    assert more.prompt == (*ended, {"role": "user", "content": "Why 2?"})


# -- reformulations -------------------------------------------------------------------------------


def test_s025_reformulations_verify_and_changed_answers_are_thrown_away(tmp_path):
    """Recorded texts, every second of which changes the answer."""
    path = tmp_path / "written.jsonl"
    rows = [
        {"problem": p.id, "text": f"In my own words.\n{p.answer if i % 2 else 'nothing'}"}
        for i, p in enumerate(PROBLEMS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    cur = curriculum("reformulate", writer=f"recorded:{path}")
    (first, second), _ = play(cur, lambda plan: np.zeros(plan.n.sum()))
    odd = first.problem % 2 == 1
    demos = second.role == DEMO
    assert set(second.problem[demos]) == set(first.problem[odd])
    assert second.paid == (~odd).sum()  # what was thrown away was paid for
    # a plain attempt instead, as far as what was held back reaches
    assert (~demos).sum() == 1
    assert set(second.problem[~demos]) < set(first.problem[~odd])
    assert second.role[~demos].tolist() == [0] * (~demos).sum()
    assert all(p is None for p in second.posed[~demos])
    for index, posed in zip(second.problem[demos], second.posed[demos], strict=True):
        assert posed.solution == f"In my own words.\n{PROBLEMS[index].answer}"
    assert cur.metrics()["spent"] == first.n.sum() + second.n.sum() + second.paid <= 32


def test_the_expert_is_in_the_writers_prompt():
    seen = []

    def keep_prompt(problem):
        seen.append(problem.prompt)
        return BY_ID[problem.id].solution

    plans, _ = play(
        curriculum("reformulate", writer=from_function(keep_prompt, name="w"), gate=8),
        hopeless_but_first,
    )
    assert len(seen) == 3  # of a group without a failure there is nothing to learn
    for index, prompt in zip(plans[1].problem, seen, strict=True):
        assert PROBLEMS[index].solution in prompt
    bare = [Problem(id=str(i), prompt="1+1", answer="2", family="mine") for i in range(4)]
    with pytest.raises(ArgumentError, match=r"have no worked solution.*'mine'.*'explain'"):
        play(curriculum("reformulate", bare), lambda plan: np.zeros(plan.n.sum()))


# -- critiques ------------------------------------------------------------------------------------


def test_s170_a_failed_reply_is_refined_with_the_answer_told():
    def solved(plan):  # a failure in every group but the first
        if plan.round:
            return np.ones(plan.n.sum())
        each = [np.arange(n) < (n if g == 0 else n // 2) for g, n in enumerate(plan.n)]
        return np.concatenate(each).astype(float)

    cur = curriculum("critique")
    (first, second), batch = play(cur, solved)
    assert second.role.tolist() == [REFINE] * 3
    assert second.paid == 0
    for row, posed in enumerate(second.posed):
        base = PROBLEMS[second.problem[row]]
        assert f"reply {second.parent[row]} of round 0" in posed.prompt
        assert not batch.solved[second.parent[row]]
        assert f"The right answer is {base.answer}." in posed.prompt
        assert writers.trained(second, PROBLEMS, row) is base
    helped = batch.role == REFINE
    value = cur.advantages(batch)[0]
    assert (value[helped] > 0).all()
    assert helped.sum() == 3  # one a group
    assert (outcomes(batch).tried == first.n).all()  # refinements are no attempts of the policy


def test_a_solvers_critiques_are_paid_and_blank_ones_thrown_away():
    heard = []

    def critic(problem, sample):
        heard.append(problem.prompt)
        return None if len(heard) == 1 else "You sorted downwards."

    cur = curriculum("critique", writer=from_function(critic, name="critic"))
    (first, second), _ = play(cur, lambda plan: np.zeros(plan.n.sum()), rollouts=64)
    assert (len(heard), second.paid) == (4, 4)
    assert sorted(second.why.tolist()) == ["critique"] * 3 + ["instead"]
    posed = [p for p in second.posed if p is not None]
    assert all("You sorted downwards." in p.prompt for p in posed)
    for problem, prompt in zip(first.problem, heard, strict=True):
        assert f"The right answer is {PROBLEMS[problem].answer}." in prompt
        assert "reply" in prompt
    assert cur.metrics()["spent"] == first.n.sum() + second.n.sum() + 4 <= 64


def test_replies_that_a_trainer_lost_are_refined_all_the_same():
    cur = curriculum("critique")
    plan = cur.suggest(2, rollouts=16)
    batch = cur.observe(plan, np.zeros(plan.n.sum()), text=[None] * plan.n.sum())
    assert all("(no text)" in posed.prompt for posed in cur.more(batch).posed)


def test_the_policy_cannot_criticise_while_a_step_is_planned():
    with pytest.raises(ArgumentError, match="must be 'simple_gt' or a solver, got ''"):
        curriculum("critique", writer="")


# -- hostile writers ------------------------------------------------------------------------------


def raising(problem):
    raise RuntimeError("no")


HOSTILE = {
    "nothing": lambda problem: None,
    "empty": lambda problem: "",
    "blank": lambda problem: "\n\t \u2003",
    "huge": lambda problem: "9" * 1_000_000,
    "number": lambda problem: 7,
    "bytes": lambda problem: b"\xff",
    "surrogates": lambda problem: "\ud800\x00{answer}\u202e%s",
    "deep": lambda problem: "(" * 19_000,
    "raises": raising,
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("scaffold", ["explain", "reformulate", "critique"])
def test_hostile_texts_never_raise(scaffold, kind):
    cur = curriculum(scaffold, writer=from_function(HOSTILE[kind], name=kind))
    (first, second), _ = play(cur, lambda plan: np.zeros(plan.n.sum()), rollouts=64)
    if scaffold == "critique" and kind in ("surrogates", "deep"):  # words, whatever they mean
        assert (second.role == REFINE).all()
    else:
        assert (second.role == 0).all()
        assert (second.why == "instead").all()
    assert second.paid == 4
    assert cur.metrics()["spent"] == first.n.sum() + second.n.sum() + 4


def test_answers_that_nobody_asked_for_are_no_texts():
    def answer(requests):
        stranger = requests[0]._replace(problem=dataclasses.replace(PROBLEMS[0], id="other"))
        for request in requests[:1]:
            yield [Reply(stranger, 0, "1", "finished"), Reply(request, 99, "1", "finished")]
            yield [Reply(request, 0, "cut", "truncated")]
        yield []

    asks = [writers.asked(p, "?") for p in PROBLEMS[:3]]
    assert writers.write(Solver(name="liar", answer=answer), asks, 1, longest=100) == [[], [], []]


def test_one_question_asked_twice_gets_further_samples():
    solver = from_function(lambda problem, sample: f"text {sample}", name="w")
    found = writers.write(solver, [PROBLEMS[0], PROBLEMS[1], PROBLEMS[0]], 2, longest=100)
    assert found == [["text 0", "text 1"], ["text 0", "text 1"], ["text 2", "text 3"]]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"writer": "opneai:x"}, "`solver` must be one of"),
        ({"writer": 5}, "`writer` must be a Solver or the spec of one, got 5"),
        ({"writr": "sim:2pl"}, "did you mean 'writer'"),
    ],
)
def test_mistakes_are_said_before_the_first_step(options, error):
    with pytest.raises(ArgumentError, match=error):
        curriculum("explain", **options)


# -- budgets, saving ------------------------------------------------------------------------------


@pytest.mark.parametrize("rollouts", [2, 3, 5, 9, 40])  # fewer than a group are refused
@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("scaffold", ["explain", "reformulate", "critique"])
def test_a_step_never_spends_more_than_it_has(scaffold, good, rollouts):
    writer = from_function(right if good else raising, name="w")
    for share in (0.1, 0.5, 1.0):
        cur = curriculum(scaffold, writer=writer, tries=2, share=share)
        found, _ = play(cur, lambda plan: np.zeros(plan.n.sum()), rollouts=rollouts)
        assert sum(p.n.sum() + p.paid for p in found) <= rollouts
        assert all((p.n > 0).all() for p in found)


def test_scaffolds_and_budgets_that_both_go_on_share_what_is_left():
    """A budget that asks for further prompts in the round in which a scaffold adds its rows."""
    for scaffold in ("demonstrate", "rewrite", "explain", "critique", "hint"):
        base = registry.get("dapo")
        provides = PROVIDES | {"hint", "rewrite"}
        cur = Curriculum(PROBLEMS, base, provides=provides, scaffold=scaffold)
        found, _ = play(cur, lambda plan: np.zeros(plan.n.sum()), prompts=8, rollouts=64)
        assert sum(p.n.sum() + p.paid for p in found) <= 64


def test_an_open_solver_is_saved_by_its_name(tmp_path):
    writer = open_solver("sim:2pl")
    cur = curriculum("explain", writer=writer)
    plan = cur.suggest(4, rollouts=32)
    batch = cur.observe(plan, np.zeros(plan.n.sum()))
    cur.save(tmp_path / "cur.npz")
    again = Curriculum.load(tmp_path / "cur.npz", PROBLEMS)
    assert again.recipe.scaffold.options["writer"] == writer.name
    one, other = cur.more(batch), again.more(batch)
    assert one.group.tolist() == other.group.tolist()
    assert (one.paid, one.role.tolist()) == (other.paid, other.role.tolist())


def test_replies_are_saved_as_they_came(tmp_path):
    """None, controls, lone surrogates and one long text among short ones."""
    cur = curriculum("critique", share=0.5)
    plan = cur.suggest(4, rollouts=32)
    texts = [None, "a\x00", "\ud800", "", "x" * 100_000] * 10
    batch = cur.observe(plan, np.zeros(plan.n.sum()), text=texts[: plan.n.sum()])
    cur.save(tmp_path / "cur.npz")
    assert (tmp_path / "cur.npz").stat().st_size < 2_000_000
    again = Curriculum.load(tmp_path / "cur.npz", PROBLEMS)
    one, other = cur.more(batch), again.more(batch)
    assert [p.prompt for p in one.posed] == [p.prompt for p in other.posed]
    assert "(no text)" in one.posed[0].prompt


@pytest.mark.parametrize("name", ["expo", "egsr", "critique_grpo"])
def test_recipes_let_a_group_that_fails_teach(name):
    """What they are for: no unaided attempt is right, and there is a gradient."""
    cur = Curriculum(PROBLEMS, name, provides=PROVIDES)
    _, batch = play(cur, hopeless_but_first)
    value, keep = cur.advantages(batch)
    failed = np.isin(batch.group, batch.group[batch.role == REFINE])
    assert keep[failed].all()
    assert (value[failed & batch.solved] > 0).all()
    # refinements that fail too leave nothing to learn
    _, batch = play(
        Curriculum(PROBLEMS, name, provides=PROVIDES), lambda plan: np.zeros(plan.n.sum())
    )
    assert not cur.advantages(batch)[0].any()
    with pytest.raises(ArgumentError, match=r"needs .*'refine'"):
        Curriculum(PROBLEMS, name, provides={"logp", "rounds", "demo", "text"})
