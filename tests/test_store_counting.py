import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.store import counting
from gradatim.store.ledger import Ledger
from gradatim.store.rows import AttemptRow, GradeRow, Setting
from gradatim.types import REASONS, STATUSES, Responses

A, B = Setting("a"), Setting("b", "9")


def row(problem, sample, setting=A, status="finished"):
    return AttemptRow(problem, "0", setting, sample, status=status)


def grade(reason, reward=None, verifier="v@1"):
    solved = reason == "correct"
    return GradeRow(verifier, float(solved) if reward is None else reward, solved, reason=reason)


def cells(responses):
    r = responses
    return {
        (r.solvers[s], r.items[i]): (k, n)
        for s, i, k, n in zip(r.solver, r.item, r.solved.tolist(), r.tried.tolist(), strict=True)
    }


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite", write=True) as opened:
        yield opened


def test_every_policy_by_hand(ledger):
    ledger.append(
        [
            row("p", 0),
            row("p", 1),
            row("p", 2, status="truncated"),
            row("p", 3, status="truncated"),
            row("p", 4, status="timeout"),
            row("p", 5, status="provider_error"),
            row("p", 6),
            row("p", 7),
        ],
        [
            grade("correct"),
            grade("wrong", 0.5),
            grade("correct"),
            grade("unparsed"),
            None,
            None,
            grade("verifier_error"),
            grade("verifier_timeout"),
        ],
    )
    # default: 8 attempts less the provider error and the verifier error = 6, one of them right
    assert cells(ledger.responses()) == {("a", "p"): (1, 6)}
    # the verdict on a cut reply decides: one more is right
    assert cells(ledger.responses(outcomes={"truncated": "graded"})) == {("a", "p"): (2, 6)}
    left = {"truncated": "left_out", "timeout": "left_out", "verifier_timeout": "left_out"}
    assert cells(ledger.responses(outcomes=left)) == {("a", "p"): (1, 2)}
    wrong = {"provider_error": "wrong", "verifier_error": "wrong"}
    assert cells(ledger.responses(outcomes=wrong)) == {("a", "p"): (1, 8)}
    # rewards: 1 + 0.5, the others count 0
    assert cells(ledger.responses(score="reward")) == {("a", "p"): (1.5, 6)}
    with pytest.raises(ArgumentError, match="1 attempts are timeout: say what they count as"):
        ledger.responses(outcomes={"timeout": "refuse"})


def test_ungraded_attempts_are_not_dropped_in_silence(ledger):
    ledger.append([row("p", 0), row("p", 1), row("q", 0)], [grade("correct"), None, None])
    with pytest.raises(ArgumentError, match="2 attempts are ungraded: grade them first"):
        ledger.responses()
    assert cells(ledger.responses(outcomes={"ungraded": "left_out"})) == {("a", "p"): (1, 1)}
    assert cells(ledger.responses(outcomes={"ungraded": "wrong"})) == {
        ("a", "p"): (1, 2),
        ("a", "q"): (0, 1),
    }
    # a cut reply whose verdict is asked for, but missing, is ungraded too
    ledger.append([row("r", 0, status="truncated")])
    with pytest.raises(ArgumentError, match="3 attempts are ungraded"):
        ledger.responses(outcomes={"truncated": "graded"})


def test_bad_arguments(ledger):
    with pytest.raises(ArgumentError, match=r"no 'truncted'.*did you mean 'truncated'"):
        ledger.responses(outcomes={"truncted": "wrong"})
    with pytest.raises(ArgumentError, match=r"outcomes\[timeout\].*left_out, refuse, wrong; got"):
        ledger.responses(outcomes={"timeout": "graded"})
    with pytest.raises(ArgumentError, match="`score` must be one of reward, solved"):
        ledger.responses(score="solve")


def test_no_attempts_and_nothing_kept(ledger):
    empty = ledger.responses()
    assert isinstance(empty, Responses)
    assert (empty.solvers, empty.items, len(empty.tried)) == ((), (), 0)
    assert ledger.statuses()["requested"] == 0
    ledger.append([row("p", 0, status="provider_error")])
    none = ledger.responses()
    assert (none.solvers, none.items, len(none.tried)) == ((), (), 0)


def test_solvers_are_told_apart_or_pooled(ledger):
    warm = Setting("a", params='{"temperature":2.0}')
    ledger.append(
        [row("p", 0), row("p", 0, warm), row("p", 0, B)], [grade("correct")] * 2 + [grade("wrong")]
    )
    names = ledger.responses().solvers
    assert len(names) == 3
    assert names[2] == "b@9"
    assert all(name.startswith("a#") and len(name) == 8 for name in names[:2])
    pooled = ledger.responses(label=lambda setting: setting.solver)
    assert cells(pooled) == {("a", "p"): (2, 2), ("b", "p"): (0, 1)}
    assert cells(ledger.responses(solver="b")) == {("b@9", "p"): (0, 1)}


def test_prompts_of_one_problem_are_one_item(ledger):
    first, second = row("p", 0), row("p", 0)._replace(prompt="1")
    ledger.append([first, second], [grade("correct"), grade("wrong")])
    assert cells(ledger.responses()) == {("a", "p"): (1, 2)}


def test_newest_verifier_decides(ledger):
    ledger.append([row("p", 0), row("p", 1)], [grade("correct"), grade("correct")])
    ledger.grade([grade("wrong", verifier="v@2")._replace(attempt=1)])
    assert cells(ledger.responses()) == {("a", "p"): (1, 2)}
    assert ledger.statuses()["reasons"] == {"correct": 1, "wrong": 1}


OUTCOME = st.tuples(
    st.sampled_from(["p", "q", "r"]),
    st.sampled_from([A, B]),
    st.sampled_from(STATUSES),
    st.sampled_from([None, *REASONS]),
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    outcomes=st.lists(OUTCOME, max_size=25),
    order=st.randoms(use_true_random=False),
    size=st.integers(1, 30),
    policy=st.fixed_dictionaries({
        name: st.sampled_from(["wrong", "left_out"]) for name in counting.OUTCOMES
    }),
)
def test_order_batches_and_repeats_change_nothing(tmp_path_factory, outcomes, order, size, policy):
    rows = [row(p, i, s, status) for i, (p, s, status, _) in enumerate(outcomes)]
    grades = [r if r is None else grade(r) for *_, r in outcomes]
    mixed = list(zip(rows, grades, strict=True))
    mixed += order.sample(mixed, len(mixed) // 2)  # repeats, as after a crash
    order.shuffle(mixed)
    found = []
    for pairs, batch in ((list(zip(rows, grades, strict=True)), len(rows) or 1), (mixed, size)):
        path = tmp_path_factory.mktemp("order") / "ledger.sqlite"
        with Ledger(path, write=True) as ledger:
            for start in range(0, len(pairs), batch):
                part = pairs[start : start + batch]
                ledger.append([a for a, _ in part], [g for _, g in part])
            found.append((ledger.statuses(), ledger.responses(outcomes=policy)))
            assert found[-1][0]["requested"] == len(outcomes)
    assert found[0][0] == found[1][0]
    for name in ("solver", "item", "solved", "tried"):
        np.testing.assert_array_equal(getattr(found[0][1], name), getattr(found[1][1], name))
    assert (found[0][1].solvers, found[0][1].items) == (found[1][1].solvers, found[1][1].items)
    policy = {**policy, "verdict": "kept"}
    kept = [1 for _, _, s, r in outcomes if policy[_deciding(s, r)] != "left_out"]
    assert found[0][1].tried.sum() == len(kept)


def _deciding(status, reason):
    if status != "finished":
        return status
    if reason is None:
        return "ungraded"
    return reason if reason.startswith("verifier") else "verdict"
