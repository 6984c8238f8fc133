from collections import deque
from itertools import permutations, product

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import blocksworld as bw
from gradatim.families import stacks
from gradatim.families.generation import generate
from gradatim.types import Problem


def distances(start):
    """Fewest block moves to every position (frozen sets of stacks), by breadth-first search."""
    found, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for pile in here:
            rest = here - {pile} | ({pile[:-1]} if pile[1:] else set())
            targets = [rest | {pile[-1:]}]
            targets += [rest - {p} | {p + pile[-1:]} for p in rest if p != pile[:-1] or not p]
            for after in map(frozenset, targets):
                if after not in found:
                    found[after] = found[here] + 1
                    queue.append(after)
    return found


def test_s029_plans_have_optimal_length():
    for n in (3, 4):
        for goal in stacks.positions(n):
            table = distances(frozenset(goal))  # moves can be taken back
            assert len(table) == len(stacks.positions(n))
            want = stacks.below(goal, n)
            for start in stacks.positions(n):
                moves = stacks.fewest(stacks.below(start, n), want)
                assert len(moves) == table[frozenset(start)], (start, goal)


@pytest.mark.slow
def test_s029_plans_of_five_and_six_blocks_have_optimal_length():
    for n, goals in ((5, 60), (6, 8)):
        found = stacks.positions(n)
        for goal in found[:: len(found) // goals]:
            table, want = distances(frozenset(goal)), stacks.below(goal, n)
            for start in found:
                assert len(stacks.fewest(stacks.below(start, n), want)) == table[frozenset(start)]


def after(on, moves):
    """Where the blocks are after legal moves; None where a move is not legal."""
    on = on[:]
    for block, source, to in moves:
        if on[block] != source or block in on or to == block or (to >= 0 and to in on):
            return None
        on[block] = to
    return on


def test_the_plan_that_is_found_at_once_is_legal_and_at_most_twice_the_shortest():
    ratios = []
    for n in (3, 4):
        for goal, start in product(stacks.positions(n), repeat=2):
            pair = stacks.pair_of(stacks.below(start, n), stacks.below(goal, n))
            plan, best = stacks.greedy(pair), stacks.fewest(pair.on, pair.want)
            assert after(pair.on, plan) == pair.want
            assert len(best) <= len(plan) <= 2 * len(best)
            assert stacks.out_of_place(pair) <= len(best)
            assert len({move[0] for move in plan}) == stacks.out_of_place(pair)
    for p in generate("blocksworld", n=100, level=range(1, 11)):
        ratios.append(len(p.answer.split(", ")) / bw.effort(p))
        assert 1 <= ratios[-1] <= 2
    assert sum(ratios) / len(ratios) < 1.1


def test_s029_instances_are_solvable_and_corrupted_plans_rejected():
    for p in generate("blocksworld", n=100, level=range(1, 11)):
        pair = stacks.pair_of(*(bw._position(p.meta[key]) for key in ("start", "goal")))
        best = bw._text(stacks.fewest(pair.on, pair.want), "plain")
        actions = best.split(", ")
        assert bw.check(p, p.answer).solved
        assert bw.check(p, best).solved
        assert len(actions) == bw.effort(p) >= 2 * p.knobs["least"]
        assert stacks.out_of_place(pair) >= p.knobs["least"]
        for i in range(len(actions)):  # an optimal plan cannot lose an action, nor repeat one
            for bad in (actions[:i] + actions[i + 1 :], [*actions[:i], actions[i], *actions[i:]]):
                assert not bw.check(p, ", ".join(bad)).solved
                assert not bw.judge(p, ", ".join(bad))


def problem(start, goal):
    meta = {"start": start, "goal": goal}
    return Problem(id="1", prompt="", answer="", family="blocksworld", meta=meta)


def test_by_hand():
    p = problem("AB.C", "A.CB")
    for text in (
        "unstack B A, stack B C",
        "Unstack B from A, stack B on C",
        "(unstack b a) (stack b c)",
        "The answer is unstack B A, stack B C.",
        "unstack B A, put down B, pick up B, stack B C",
        "babc",
    ):
        assert bw.check(p, text).solved, text
    for text, why in [
        ("pick-up B, stack B C", "illegal move 1: pick-up B"),  # B is not on the table
        ("unstack B C", "illegal move 1: unstack B C"),  # B is not on C
        ("pick-up A", "illegal move 1: pick-up A"),  # B is on A
        ("pick-up C, unstack B A", "illegal move 2: unstack B A"),  # the hand is full
        ("unstack B A, stack C B", "illegal move 2: stack C B"),  # C is not held
        ("unstack B A, stack B B", "illegal move 2: stack B B"),
        ("pick-up C, stack C A", "illegal move 2: stack C A"),  # B is on A
        ("pick-up D", "illegal move 1: pick-up D"),
        ("unstack B A", "not at the goal after 1 moves"),
    ]:
        assert bw.check(p, text)[2:] == (why, "wrong"), text
    assert [s.legal for s in bw.trace(p, "unstack B A, pick-up C")] == [True, False]
    for text in ("", "move B onto C", "stack B", "\ud800", "unstack B A, then stack B C"):
        assert bw.check(p, text).reason == "unparsed", text


def test_other_names_are_the_same_instance_and_nothing_else_is():
    on, want = [-1, 0, 1, -1], [1, -1, 3, -1]
    assert stacks.canonical(stacks.pair_of(on, want)) != stacks.canonical(stacks.pair_of(want, on))
    forms = {}
    for goal, start in product(stacks.positions(4), repeat=2):
        sides = [stacks.below(side, 4) for side in (start, goal)]
        form = stacks.canonical(stacks.pair_of(*sides))
        everyone = []
        for order in permutations(range(4)):
            place = {x: i for i, x in enumerate(order)} | {-1: -1}
            everyone.append([[place[side[x]] for x in order] for side in sides])
        assert forms.setdefault(form, min(everyone)) == min(everyone)
    assert len(set(map(str, forms.values()))) == len(forms)


def test_all_positions_and_the_space():
    counts = [len(set(map(frozenset, stacks.positions(n)))) for n in range(1, 6)]
    assert counts == [1, 3, 13, 73, 501]
    assert stacks.count(4, 1, False) == 72
    assert stacks.count(7, 7, False) <= 37_633


def test_modes():
    p = generate("blocksworld.lexicographic", n=1, blocks=5)[0]
    assert p.meta["goal"] == "EDCBA"
    q = generate("blocksworld.mystery", n=1, blocks=5)[0]
    assert "stack" not in q.prompt + q.answer
    assert bw.judge(q, bw.solve(q))
    with pytest.raises(ArgumentError, match="must be at most `blocks` = 4"):
        generate("blocksworld", n=1, blocks=4, least=5)
