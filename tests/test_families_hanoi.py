from collections import Counter, deque
from itertools import product

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import hanoi, hanoi_positions, registry
from gradatim.families.generation import generate
from gradatim.rng import Stream


def distances(start):
    """Fewest moves to every position, by breadth-first search."""
    found, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for disk, peg in enumerate(here):
            blocked = set(here[:disk])  # pegs with a smaller disk on them
            for to in {0, 1, 2} - {peg} - blocked if peg not in blocked else ():
                after = (*here[:disk], to, *here[disk + 1 :])
                if after not in found:
                    found[after] = found[here] + 1
                    queue.append(after)
    return found


@pytest.mark.parametrize("disks", range(1, 8))
def test_s137_the_classic_takes_two_to_the_n_less_one(disks):
    assert distances((0,) * disks)[(2,) * disks] == 2**disks - 1
    p = generate("hanoi", n=1, disks=disks, setup="classic", plan="shortest")[0]
    assert len(p.answer.split()) == hanoi.effort(p) == p.meta["shortest"] == 2**disks - 1
    assert hanoi.check(p, p.answer).solved


@pytest.mark.parametrize("disks", [1, 2, 3, 4])
def test_distances_between_any_two_positions(disks):
    for start in product(range(3), repeat=disks):
        assert distances(start) == {
            goal: hanoi.distance(start, goal) for goal in product(range(3), repeat=disks)
        }


def test_the_space_is_counted():
    for disks, least, most in [(1, 1, 1), (2, 1, 3), (3, 2, 5), (3, 7, 7)]:
        seen = {
            hanoi_positions.canonical(start, goal)
            for start in product(range(3), repeat=disks)
            for goal, moves in distances(start).items()
            if least <= moves <= most
        }
        knobs = {"disks": disks, "least": least, "most": most}
        assert hanoi.space(knobs) == len(seen)
    for least, most in [(1, 31), (16, 20), (31, 31)]:  # the bound for many disks, where it is known
        bound = sum(2 ** d.bit_count() for d in range(least, most + 1)) - 1
        assert 0 < bound <= hanoi.space({"disks": 5, "least": least, "most": most})


def classic(disks, plan="any"):
    return generate("hanoi", n=1, disks=disks, setup="classic", plan=plan)[0]


def test_the_first_illegal_move_is_named():
    p = classic(2)
    assert p.answer == "AB AC BC"
    assert (p.compact, p.compact_answer) == ("h0022=", "uvx")
    for text, why in [
        ("AB AB BC", "illegal move 2: AB"),  # 2 onto 1
        ("BA AC", "illegal move 1: BA"),  # nothing on B
        ("AB AA", "illegal move 2: AA"),
        ("AB AC", "not at the goal after 2 moves"),
    ]:
        verdict = hanoi.check(p, text)
        assert (verdict.reward, verdict.reason, verdict.answer) == (0, "wrong", why)
    assert [s.legal for s in hanoi.trace(p, "I say AB AB BC")] == []
    assert [s.legal for s in hanoi.trace(p, "AB AB BC")] == [True, False]


def test_plans_in_other_dress():
    p = classic(2)
    for text in ("AB, AC, BC", "ab ac bc", "[AB, AC, BC]", "['AB', 'AC', 'BC']", "uvx", "ABACBC"):
        assert hanoi.check(p, text).solved, text
    for text in ("", "A B C", "move it", "AB then AC then BC", "AB AC BC D", "x" * 30_000):
        assert hanoi.check(p, text).reward == 0, text
    assert hanoi.check(p, "unsolvable").reason == "abstained"


def test_a_longer_plan_is_right_unless_the_fewest_are_asked_for():
    longer = "AC CB AC BC"
    assert hanoi.check(classic(2), longer).solved
    verdict = hanoi.check(classic(2, "shortest"), longer)
    assert (verdict.solved, verdict.answer) == (False, "4 moves where 3 are enough")


def test_steps_end_where_the_move_ends():
    p = classic(2)
    text = "The answer is AB AC BC."
    steps = list(hanoi.trace(p, text))
    assert [text[: s.end][-2:] for s in steps] == ["AB", "AC", "BC"]
    back = list(hanoi.trace(p, "AB BA"))
    there = list(hanoi.trace(p, "AC CA"))
    assert back[-1].state == there[-1].state != back[0].state


def test_a_rare_distance_is_built():
    for p in generate("hanoi", n=20, disks=7, least=127):
        assert hanoi.effort(p) == 127
        assert hanoi.check(p, p.answer).solved


def test_impossible_knobs():
    with pytest.raises(ArgumentError, match=r"`hanoi.least` must be at most .* 7, the most"):
        generate("hanoi", n=1, disks=3, least=8)
    with pytest.raises(ArgumentError, match="classic needs 7 moves"):
        generate("hanoi", n=1, disks=3, setup="classic", most=6)
    assert "plan" not in registry.get("hanoi.shortest").knobs


@pytest.mark.parametrize(("disks", "least", "most"), [(3, 1, 4), (4, 3, 8), (4, 8, 8), (2, 1, 2)])
def test_pairs_of_a_distance_are_all_drawn_alike(disks, least, most):
    within, wanted = range(least, most + 1), set()
    for start in product(range(3), repeat=disks):
        for goal, moves in distances(start).items():
            largest = max((d for d in range(disks) if start[d] != goal[d]), default=0)
            if moves in within and moves <= 2**largest:
                wanted.add(hanoi_positions.canonical(start, goal))
    assert hanoi_positions._moved_once(disks, within)[1][-1] == len(wanted)
    n = 30 * len(wanted)
    drawn = Counter(
        hanoi_positions.canonical(*hanoi_positions.pair_of(Stream("t", i), disks, within))
        for i in range(n)
    )
    assert set(drawn) == wanted
    spread = sum((k - 30) ** 2 for k in drawn.values()) / 30  # chi-square
    assert spread < len(wanted) + 5 * (2 * len(wanted)) ** 0.5


def test_no_level_repeats_itself():
    for level in range(1, 11):
        assert hanoi.space(hanoi.ladder(level)) >= 89
        drawn = generate("hanoi", n=60, level=level)
        assert len({p.prompt for p in drawn}) >= 58
