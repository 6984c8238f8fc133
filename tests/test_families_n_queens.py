import itertools
from collections import Counter

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import n_queens as nq
from gradatim.families.generation import generate

# how many ways there are to place n queens, n = 4 .. 10
KNOWN = {4: 2, 5: 10, 6: 4, 7: 40, 8: 92, 9: 352, 10: 724}


def peaceful(columns):
    return all(
        a != b and abs(a - b) != j - i
        for (i, a), (j, b) in itertools.combinations(enumerate(columns), 2)
    )


@pytest.mark.parametrize("size", KNOWN)
def test_all_solutions_are_known(size):
    found = nq.every_solution(size)
    assert len(found) == len(set(found)) == KNOWN[size]
    assert found == sorted(found)
    assert all(peaceful(columns) for columns in found)


def test_completions_are_counted_and_exactly_those_pass():
    for p in generate("n_queens", n=15, size=6, given=1) + generate("n_queens", n=5, size=7):
        size, right = p.meta["size"], []
        for columns in itertools.permutations(range(1, size + 1)):
            good = peaceful(columns) and all(columns[r - 1] == c for r, c in p.meta["queens"])
            if good:
                right.append(" ".join(map(str, columns)))
            if good or columns[0] == 1:
                assert nq.check(p, " ".join(map(str, columns))).solved == good
                assert nq.judge(p, " ".join(map(str, columns))) == good
        assert p.meta["completions"] == len(right)
        assert p.answer == right[0]


def test_a_hand_worked_board():
    # 4 x 4 with row 1 column 2: the one completion is 2 4 1 3
    p = next(q for q in generate("n_queens", n=40, size=4, given=1) if q.meta["queens"] == [[1, 2]])
    assert (p.answer, p.compact, p.compact_answer) == ("2 4 1 3", "q2...=", "2413")
    for text in ("2 4 1 3", "2413", "[2, 4, 1, 3]", "The answer is 2, 4, 1, 3.", " 2413\n"):
        assert nq.check(p, text).solved
    assert nq.check(p, "3 1 4 2").reason == "wrong"  # peaceful, but the queen has moved
    assert nq.check(p, "2 4 2 3").reason == "wrong"
    for text in ("2 4 1", "2 4 1 5", "0 4 1 3", "24 13", "x", "2 4 1 3 " * 10**5):
        assert nq.check(p, text).reason == "unparsed"


def test_boards_of_ten_and_more_take_no_runs_of_digits():
    p = generate("n_queens", n=1, size=10, given=3)[0]
    assert p.compact is None
    assert nq.check(p, p.answer).solved
    assert nq.check(p, p.answer.replace(" ", "")).reason == "unparsed"


def test_canonical_form_is_equal_on_mirrored_and_turned_boards():
    queens, size = [(0, 1), (2, 0)], 4
    images = nq._images(queens, size)
    assert len({tuple(image) for image in images}) == 8
    assert [(1, 3), (3, 2)] not in images[:1]
    for image in images:
        assert nq._canonical(image, size) == nq._canonical(queens, size)
    assert nq._canonical([(0, 1), (3, 2)], size) != nq._canonical(queens, size)


@pytest.mark.parametrize(("size", "given"), [(5, 2), (6, 3), (7, 5), (8, 2)])
def test_the_space_is_exact(size, given):
    forms = {
        nq._canonical([(r, columns[r]) for r in rows], size)
        for columns in nq.every_solution(size)
        for rows in itertools.combinations(range(size), given)
    }
    assert nq.space({"size": size, "given": given}) == len(forms)


def test_the_floor_is_the_mean_number_of_completions():
    # 6 x 6, one queen: 4 solutions, no two alike in any row: each instance has one completion
    assert nq.floor({"size": 6, "given": 1}) == pytest.approx(1 / 120)
    knobs = {"size": 8, "given": 2}
    found = generate("n_queens", n=3000, **knobs)
    mean = sum(p.meta["completions"] for p in found) / len(found)
    assert mean / 720 == pytest.approx(nq.floor(knobs), rel=0.05)


def test_impossible_settings_are_refused():
    with pytest.raises(ArgumentError, match=r"`n_queens.given` must be below .*= 5, got 5"):
        generate("n_queens", n=1, size=5, given=5)


def test_solutions_are_drawn_evenly():
    drawn = Counter(p.answer for p in generate("n_queens", n=2000, size=6, given=1))
    assert len(drawn) == 4
    assert min(drawn.values()) > 400  # 500 each, five standard errors are 97
