import math
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.families import horizon
from gradatim.families.generation import generate
from gradatim.families.horizon_measures import (
    StepAccuracy,
    horizon_length,
    self_conditioning,
    step_accuracy,
)
from gradatim.rng import Stream
from gradatim.solvers.tiny_model import CODE
from gradatim.types import Problem

TABLE = "Each of these words stands for a number.\nabobo = 3\nemuta = -5\nidode = 0"
PLAN = "Turn 1: abobo abobo\nTurn 2: emuta idode\nTurn 3: abobo emuta"


def single():
    text = f"{TABLE}\n{horizon.RULE}\n{PLAN}\n{horizon.ALL}"
    return Problem(
        id="1", prompt=text, answer="6 1 -1", verifier="horizon", meta={"form": "single"}
    )


def chat(first="6", second="1"):
    one, two, three = PLAN.split("\n")
    told = ["\n".join([TABLE, horizon.RULE, horizon.DOUBT, one]), first, two, second, three]
    roles = ("user", "assistant", "user", "assistant", "user")
    prompt = tuple({"role": r, "content": c} for r, c in zip(roles, told, strict=True))
    return Problem(id="2", prompt=prompt, answer="-1", compact_answer="m1", meta={"form": "multi"})


def test_both_forms_as_they_are_made():
    """The draft of one drawn instance, put together again by hand."""
    knobs = {"words": 3, "high": 9, "keys": 2, "turns": 3, "wrong": 50}
    one = horizon.make(Stream("forms"), form="single", **knobs)
    many = horizon.make(Stream("forms"), form="multi", **knobs)
    assert one.canonical == many.canonical
    lines = one.prompt.split("\n")
    told = [line for line in lines if line.startswith("Turn")]
    assert lines == [horizon.TABLE, *lines[1:4], horizon.RULE, *told, horizon.ALL]
    values = {word: int(n) for word, n in (line.split(" = ") for line in lines[1:4])}
    sums, total = [], 0
    for line in told:
        total += sum(values[word] for word in line.split()[2:])
        sums.append(total)
    assert one.answer == " ".join(map(str, sums))
    assert [m["role"] for m in many.prompt] == ["user", "assistant"] * 2 + ["user"]
    assert [m["content"] for m in many.prompt[::2]] == [
        "\n".join([*lines[:5], horizon.DOUBT, told[0]]),
        *told[1:],
    ]
    replies = [int(m["content"]) for m in many.prompt[1::2]]
    assert sum(a != b for a, b in zip(replies, sums, strict=False)) == many.meta["false"] == 1
    assert many.answer == str(sums[-1])
    assert one.solution.endswith(f"\n{one.answer}")
    assert many.solution.removesuffix(many.answer) == one.solution.removesuffix(one.answer)


def test_a_chat_is_played_turn_by_turn_among_own_errors():
    p = chat("8", "1")
    first = horizon.at_turn(p, [])
    assert [m["role"] for m in first.prompt] == ["user"]
    assert first.answer == horizon.solve(first) == "6"
    second = horizon.at_turn(p, ["It is 7."])  # 6 is right
    assert [m["content"] for m in second.prompt[1:]] == ["It is 7.", "Turn 2: emuta idode"]
    assert (second.answer, horizon.solve(second), second.meta["false"]) == ("1", "1", 1)
    last = horizon.at_turn(p, ["6", "2"])
    assert (last.answer, last.meta["false"]) == ("-1", 1)
    assert len({q.id for q in (p, first, second, last)}) == 4
    with pytest.raises(ArgumentError, match=r"2 has 3 turns, got 3 `replies`"):
        horizon.at_turn(p, ["6", "1", "-1"])
    with pytest.raises(ArgumentError, match=r"1 has no chat, got 0 `replies`"):
        horizon.at_turn(single(), [])
    for p in generate("horizon.multi", n=10, level=range(1, 11)):
        replies = [m["content"] for m in p.prompt[1::2]]
        assert horizon.at_turn(p, replies) == replace(p, compact=None, compact_answer=None)
        half = horizon.at_turn(p, replies[: len(replies) // 2])
        assert horizon.check(half, half.solution).solved
        assert horizon.solve(half) == half.answer


def test_a_solver_that_carries_its_errors_on_is_measured_over_a_played_chat():
    """It adds one too much at turn 3 and goes on from its own last reply."""
    p = generate("horizon.multi", n=1, turns=6, words=5, high=9)[0]
    values, plan = horizon._read(p)
    said = []
    for i, turn in enumerate(plan):
        asked = horizon.at_turn(p, said)
        shown = [int(m["content"]) for m in asked.prompt[1::2]]
        total = (shown[-1] if shown else 0) + sum(values[w] for w in turn) + (i == 2)
        assert horizon.check(asked, str(total)).solved == (i < 2)
        said.append(str(total))
    found = step_accuracy([horizon.trace(p, " ".join(said))])
    assert found.right.tolist() == [1, 1, 0, 1, 1, 1]
    assert found.length() == 2


def test_compact_forms_say_the_same_in_letters():
    knobs = {"words": 4, "high": 9, "keys": 2, "turns": 5, "wrong": 40}
    for i in range(20):
        one = horizon.make(Stream(i), form="single", **knobs)
        many = horizon.make(Stream(i), form="multi", **knobs)
        values, turns = horizon._read(Problem(id="1", prompt=one.prompt, answer=""))
        letter = dict(zip(values, "ABCD", strict=True))
        table = "".join(f"{letter[w]}{n}" for w, n in values.items()).replace("-", "m")
        plan = ["".join(letter[word] for word in turn) for turn in turns]
        assert one.compact == f"t{table}+{'+'.join(plan)}="
        replies = [m["content"].replace("-", "m") for m in many.prompt[1::2]]
        told = "".join(f"+{turn}={said}" for turn, said in zip(plan, replies, strict=False))
        assert many.compact == f"u{table}{told}+{plan[-1]}="
        assert one.compact_answer == one.answer.replace(" ", ".").replace("-", "m")
        assert set(one.compact + many.compact + many.compact_answer) <= set(CODE)
    assert horizon.make(Stream(1), form="multi", **knobs | {"words": 51}).compact
    none = horizon.make(Stream(1), form="multi", **knobs | {"words": 52})
    assert none.compact is none.compact_answer is None


def test_a_running_sum_by_hand():
    """3 + 3 = 6; 6 - 5 + 0 = 1; 1 + 3 - 5 = -1."""
    assert horizon.solve(single()) == "6 1 -1"
    assert horizon.solve(chat()) == horizon.solve(chat("99", "100")) == "-1"
    assert horizon.effort(single()) == horizon.effort(chat()) == 6


def test_forms_of_a_reply():
    for text in (
        "6 1 -1",
        "6.1.m1",
        "6, 1, -1",
        "[6, 1, −1]",
        r"\boxed{6 1 -1}",
        "The answer is 6 1 -1.",
    ):
        assert horizon.check(single(), text).solved, text
    for text in ("6 1 -2", "6 1", "6 1 -1 0", "-1", "6.1.1", "6.1", "m1"):
        assert horizon.check(single(), text).reason == "wrong", text
    for text in ("-1", "−1", "The running sum is -1.", r"\boxed{-1}", "m1", r"\boxed{m1}"):
        assert horizon.check(chat(), text).solved, text
    assert horizon.check(chat(), "1").reason == horizon.check(chat(), "m2").reason == "wrong"
    assert horizon.check(chat(), "unknown").reason == "unparsed"


def test_an_error_counts_once_among_the_steps():
    # 6 right; 2 should be 1; 2 + 3 - 5 = 0 follows from it
    steps = list(horizon.trace(single(), "6 2 0"))
    assert [(s.value, s.legal) for s in steps] == [("6", True), ("2", False), ("0", True)]
    assert [s.end for s in steps] == [1, 3, 5]
    worked = "Turn 1: 0 + 3 + 3 = 6\nTurn 2: 6 - 5 + 0 = 2\nTurn 3: 2 + 3 - 5 = 0\n6 2 0"
    again = list(horizon.trace(single(), worked))
    assert [s.state for s in again] == [s.state for s in steps]
    # a chat's one number is the last turn; all three may be worked out as well
    assert [s.legal for s in horizon.trace(chat(), "-1")] == [True]
    assert [s.legal for s in horizon.trace(chat(), worked)] == [True, False, True]
    short = list(horizon.trace(single(), " 6.2.0\n"))
    assert [s.state for s in short] == [s.state for s in steps]
    assert [s.end for s in short] == [2, 4, 6]
    assert [s.legal for s in horizon.trace(chat(), "m1")] == [True]
    assert list(horizon.trace(single(), "no idea")) == []
    assert len(list(horizon.trace(single(), "6 1 -1 4 4 4"))) == 3


def test_counts_by_turn():
    traces = [list(horizon.trace(single(), t)) for t in ("6 1 -1", "6 2 0", "5 0", "")]
    found = step_accuracy(traces)
    assert found.right.tolist() == [2, 2, 2]
    assert found.tried.tolist() == [3, 3, 2]
    assert found.whole.tolist() == [2, 1, 1]
    assert (found.replies, found.length()) == (4, 1)
    none = step_accuracy([])
    assert (none.right.size, none.replies, none.length()) == (0, 0, 0)


def test_horizons_at_other_shares_of_success():
    """Of 10 replies 9, 7, 5, 3 and 1 are right up to turns 1 to 5; at the sixth none."""
    whole = np.array([9, 7, 5, 3, 1, 0])
    found = StepAccuracy(right=whole, tried=np.full(6, 10), whole=whole, replies=10)
    shares = (1, 0.95, 0.9, 0.7, 0.6, 0.5, 0.3, 0.1, 0.05)
    assert [found.length(s) for s in shares] == [0, 0, 1, 2, 2, 3, 4, 5, 5]
    three = StepAccuracy(np.array([3]), np.array([30]), np.array([3]), 30)
    assert three.length(0.1) == 1  # though 0.1 * 30 is more than 3 in binary
    for share in (0, 1.1, -1, math.nan):
        with pytest.raises(ArgumentError, match=r"`success` must lie in \(0, 1\]"):
            found.length(share)


def test_chats_show_the_asked_share_of_false_replies():
    for wrong, count in ((0, 0), (25, 5), (100, 20)):
        p = generate("horizon.multi", n=1, turns=21, wrong=wrong, words=5, high=9)[0]
        assert [m["role"] for m in p.prompt] == ["user", "assistant"] * 20 + ["user"]
        values, turns = horizon._read(p)
        total, false = 0, 0
        for turn, message in zip(turns, p.prompt[1::2], strict=False):
            total += sum(values[word] for word in turn)
            off = int(message["content"]) - total
            false += off != 0
            assert abs(off) <= horizon.OFF_BY
        assert false == p.meta["false"] == count


def test_false_replies_are_off_by_each_number_alike():
    offs = Counter()
    for i in range(400):
        offs.update(horizon._false(Stream(i), [0] * 18, 100))
    assert set(offs) == {*range(-9, 0), *range(1, 10)}
    for count in offs.values():  # 7200 in 18 kinds: within five standard deviations
        assert abs(count - 400) < 5 * 20


def test_a_chat_of_one_turn_has_no_replies():
    p = generate("horizon.multi", n=1, turns=1, words=3, high=9)[0]
    assert [m["role"] for m in p.prompt] == ["user"]
    assert horizon.solve(p) == p.answer
    assert p.meta["false"] == 0


def test_renamed_words_are_the_same_instance():
    """Words B and A of one table are D and C of another that lists them the other way round."""
    first, other = ["3", "-5", "0", "7"], ["7", "0", "3", "-5"]
    assert horizon._renamed(first, "BAB", 1) == horizon._renamed(other, "DCD", 1)
    assert horizon._renamed(first, "BAB", 1) == "-5 3|0 7|1 ABA"
    assert horizon._renamed(first, "ABA", 1) != horizon._renamed(first, "BAB", 1)
    assert horizon._renamed(first, "BABA", 1) != horizon._renamed(first, "BABA", 2)
    marks = list(horizon.MARKS[:200])
    assert len(set(marks)) == 200
    knobs = {"form": "single", "words": 200, "high": 9, "keys": 20, "turns": 100, "wrong": 0}
    assert len(horizon.make(Stream(1), **knobs).canonical.split("|")[0].split()) == 200


def test_the_space_is_a_lower_bound_where_it_can_be_counted():
    # one word of 3 values used, another unused: pairs of values, and of which word is meant
    knobs = {"form": "single", "words": 2, "high": 1, "keys": 1, "turns": 1, "wrong": 0}
    seen = {horizon.make(Stream(i), **knobs).canonical for i in range(500)}
    assert len(seen) == 9
    assert horizon.space(knobs) == 3
    knobs |= {"turns": 2}
    seen = {horizon.make(Stream(i), **knobs).canonical for i in range(2000)}
    assert horizon.space(knobs) == 9 <= len(seen) == 18


def test_words_are_different_and_ours():
    words = {head + tail for head in horizon.HEADS for tail in horizon.TAILS}
    assert len(words) == 18_000
    assert all(len(word) == 5 for word in words)


@pytest.mark.parametrize("p", [0.9, 0.99, 0.999])
def test_s190_horizons_in_closed_form(p):
    """H = ln s / ln p: the chance of H right steps in a row is s."""
    for s in (0.1, 0.5, 0.8):
        assert p ** horizon_length(p, s) == pytest.approx(s)
    assert horizon_length(p) == pytest.approx({0.9: 6.58, 0.99: 68.97, 0.999: 692.8}[p], abs=0.01)


def replies(p, turns, n, seed):
    """Replies of a solver whose steps fail independently; a false sum is carried on."""
    rng = random.Random(seed)
    problem = generate("horizon.single", n=1, turns=turns, keys=1, words=5, high=9)[0]
    values, plan = horizon._read(problem)
    added = [values[turn[0]] for turn in plan]
    for _ in range(n):
        total, said = 0, []
        for number in added:
            total += number + (0 if rng.random() < p else rng.choice([-2, -1, 1, 2]))
            said.append(str(total))
        yield horizon.trace(problem, " ".join(said))


@pytest.mark.parametrize(
    ("p", "turns", "n"), [(0.9, 20, 1500), (0.99, 120, 500), (0.999, 1000, 200)]
)
def test_s190_independent_errors_reach_the_horizon_of_the_formula(p, turns, n):
    found = step_accuracy(replies(p, turns, n, seed=3))
    steps = turns * n
    # steps: binomial, within 4 standard errors
    share = found.right.sum() / found.tried.sum()
    assert found.tried.sum() == steps
    assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / steps)
    # whole prefixes: p^t at every t, within the bound of Dvoretzky, Kiefer, Wolfowitz (1 in 10^4)
    survival = p ** np.arange(1, turns + 1)
    bound = math.sqrt(math.log(2e4) / (2 * n))
    assert np.abs(found.whole / n - survival).max() < bound
    # so the length lies where p^t is that close to a half
    short, long = (math.log(0.5 + side * bound) / math.log(p) for side in (1, -1))
    assert short - 1 <= found.length() <= long
    assert short - 1 <= horizon_length(p) <= long
    # and the formula with the measured accuracy gives it too: errors are Poisson
    loss = 4 / math.sqrt(steps * (1 - p))
    assert horizon_length(share) == pytest.approx(horizon_length(p), rel=loss / (1 - loss))


def answered(slope, seed):
    """Share of false replies shown, and whether a solver that they pull down was right."""
    rng = random.Random(seed)
    errors, right = [], []
    for wrong in (0, 20, 40, 60, 80):
        for p in generate("horizon.multi", n=300, turns=11, words=4, high=9, wrong=wrong):
            share = p.meta["false"] / 10
            ok = rng.random() < 0.95 + slope * share
            reply = p.answer if ok else str(int(p.answer) + rng.choice([-1, 1]))
            errors.append(share)
            right.append(horizon.check(p, reply).reward)
    return np.array(errors), np.array(right)


def test_s190_a_planted_self_conditioning_slope_is_found():
    found = self_conditioning(*answered(-0.3, seed=1))
    assert found.low < -0.3 < found.high < 0
    assert found.n == 1500
    none = self_conditioning(*answered(0.0, seed=2))
    assert none.low < 0 < none.high
    assert none.high - none.low < 0.1


def test_the_slope_covers_the_truth_as_often_as_stated():
    rng = np.random.default_rng(4)
    x = np.repeat([0.0, 0.2, 0.5, 0.9], 100)
    covered = 0
    for _ in range(400):
        found = self_conditioning(x, (rng.random(400) < 0.95 - 0.4 * x).astype(float))
        covered += found.low <= -0.4 <= found.high
    assert 0.92 < covered / 400 < 0.975


@pytest.mark.parametrize(
    ("errors", "right"),
    [([0, 1], [1, 0]), ([0.5] * 4, [1, 0, 1, 0]), ([0, 1, 1], [1, 0]), ([[0, 1, 0]], [[1, 1, 1]])],
)
def test_a_slope_needs_different_shares(errors, right):
    with pytest.raises(ArgumentError, match="`errors` and `right`"):
        self_conditioning(np.array(errors), np.array(right))


def test_bad_input_is_named():
    with pytest.raises(ArgumentError, match=r"`errors` must lie in \[0, 1\]"):
        self_conditioning(np.array([0, 2, 1]), np.array([0, 1, 1]))
    for p in (0, 1, 1.5, math.nan):
        with pytest.raises(ArgumentError, match="`accuracy` must lie strictly between 0 and 1"):
            horizon_length(p)
    with pytest.raises(ArgumentError, match="`success`"):
        horizon_length(0.9, 1.0)
    with pytest.raises(ArgumentError, match="9 is not a horizon problem"):
        horizon.solve(Problem(id="9", prompt="What?", answer="1"))
