import itertools
import random
from math import comb, log2

import numpy as np
import pytest
from scipy.stats import spearmanr

from gradatim.errors import ArgumentError, MissingExtra
from gradatim.families import sat, sat_modes, sat_solver
from gradatim.families.generation import generate

LEVELS = range(1, 11)


def models(clauses, k):
    """All satisfying assignments, by trying every one."""
    found = []
    for bits in itertools.product("01", repeat=k):
        value = dict(zip(sat.LETTERS, bits, strict=False))
        if all(any((value[c.upper()] == "1") == c.isupper() for c in clause) for clause in clauses):
            found.append("".join(bits))
    return found


def true_literals(clauses, bits):
    value = dict(zip(sat.LETTERS, bits, strict=False))
    return sum((value[c.upper()] == "1") == c.isupper() for clause in clauses for c in clause)


def knobs(n, k, l):  # noqa: E741
    return {"literals": n, "variables": k, "clauses": l}


def all_clauses(n, k):
    for letters in itertools.combinations(sat.LETTERS[:k], n):
        yield from ("".join(c) for c in itertools.product(*[(x, x.lower()) for x in letters]))


@pytest.mark.parametrize(("n", "k", "l"), [(2, 5, 8), (3, 6, 20), (1, 4, 3), (3, 3, 7)])
def test_models_are_counted_and_the_answer_is_the_fullest(n, k, l):  # noqa: E741
    for p in generate("sat", n=40, **knobs(n, k, l)):
        clauses = p.meta["clauses"].split()
        assert len(set(clauses)) == l
        right = models(clauses, k)
        assert p.meta["models"] == len(right)
        most = max(true_literals(clauses, bits) for bits in right)
        assert p.answer == min(b for b in right if true_literals(clauses, b) == most)
        for bits in map("".join, itertools.product("01", repeat=k)):
            assert sat.check(p, bits).solved == (bits in right)


def test_compact_form():
    p = generate("sat", n=1, **knobs(2, 4, 3))[0]
    assert p.compact == "f4" + p.meta["clauses"].replace(" ", "") + "="
    assert generate("sat", n=1, **knobs(2, 12, 3))[0].compact.startswith("fv")
    assert generate("sat", n=1, **knobs(2, 13, 3))[0].compact is None


def test_many_letters():
    p = generate("sat", n=1, **knobs(3, 26, 60))[0]
    assert "models" not in p.meta
    assert sat.check(p, p.answer).solved
    assert sat.check(p, sat.solve(p)).solved
    flipped = next(c for c in p.meta["clauses"].split())
    falsified = list(p.answer)
    for c in flipped:
        falsified[sat.LETTERS.index(c.upper())] = "0" if c.isupper() else "1"
    assert sat.check(p, "".join(falsified)).reason == "wrong"


def test_anything_but_k_digits_is_unparsed():
    p = generate("sat", n=1, level=3)[0]
    a = p.answer
    for text in (a, f" {a} ", " ".join(a), ",".join(a), rf"\boxed{{{a}}}", f"The answer is {a}."):
        assert sat.check(p, text).solved, text
    for text in ("", a[:-1], a + "0", a[:-1] + "2", "A" * 5, None, a + "x", "١" * 5):
        assert sat.check(p, text).reason == "unparsed", text


@pytest.mark.parametrize(("n", "k", "l"), [(1, 2, 1), (1, 3, 2), (2, 2, 2), (2, 3, 3), (2, 3, 4)])
def test_floor_is_the_mean_over_every_instance(n, k, l):  # noqa: E741
    """All planted assignments, all sets of clauses that they satisfy: equally likely."""
    shares = []
    for planted in map("".join, itertools.product("01", repeat=k)):
        kept = [c for c in all_clauses(n, k) if planted in models([c], k)]
        for chosen in itertools.combinations(kept, l):
            shares.append(len(models(chosen, k)) / 2**k)
    assert sat.floor(knobs(n, k, l)) == pytest.approx(np.mean(shares), rel=1e-12)


@pytest.mark.parametrize("level", [1, 5, 10])
def test_floor_agrees_with_model_counts_and_with_guessing(level):
    setting = sat.ladder(level)
    k = setting["variables"]
    problems = generate("sat", n=800, level=level)
    share = np.array([p.meta["models"] / 2**k for p in problems])
    floor = sat.floor(setting)
    assert abs(share.mean() - floor) < 4 * share.std() / np.sqrt(len(share))
    rng = random.Random(0)
    hits = np.mean([
        sat.check(p, format(rng.getrandbits(k), f"0{k}b")).solved
        for p in problems
        for _ in range(5)
    ])
    assert abs(hits - floor) < 4 * np.sqrt(floor * (1 - floor) / 4000) + 0.01


@pytest.mark.parametrize(
    ("n", "k", "l"),
    [(1, 2, 2), (1, 3, 2), (2, 2, 3), (2, 3, 4), (2, 3, 5), (2, 2, 1), (3, 3, 8 - 1)],
)
def test_space_counts_satisfiable_sets(n, k, l):  # noqa: E741
    chosen = itertools.combinations(list(all_clauses(n, k)), l)
    assert sat.space(knobs(n, k, l)) == sum(bool(models(c, k)) for c in chosen)


@pytest.mark.parametrize(("n", "k", "l"), [(1, 3, 2), (2, 3, 4), (2, 3, 6), (2, 4, 4), (2, 4, 5)])
def test_the_lower_bound_is_one(n, k, l):  # noqa: E741
    most = comb(k, n) * (2**n - 1)
    bound = 2**k * comb(most, l) / (sat.floor(knobs(n, k, l)) * 2**k)
    assert bound / 2**k <= sat.space(knobs(n, k, l)) * (1 + 1e-12)


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_has_a_space_of_thousands_and_a_compact_form(level):
    assert sat.space(sat.ladder(level)) >= 5_000
    assert generate("sat", n=1, level=level)[0].compact


def test_saturn_difficulty_by_hand():
    # log2 8 + 2 log2 16 - 2 + 8/2 = 3 + 8 - 2 + 4
    assert sat.saturn_difficulty(2, 8, 16) == 13
    assert sat.saturn_difficulty(3, 5, 20) == pytest.approx(log2(5) + 2 * log2(20) - 3 + 5 / 3)
    hard = [sat.saturn_difficulty(2, x["variables"], x["clauses"]) for x in map(sat.ladder, LEVELS)]
    assert hard == sorted(hard)


def test_the_vote_of_signs_by_hand():
    p = generate("sat", n=1, level=5)[0]
    text = p.meta["clauses"]
    letters = sat.LETTERS[: len(p.answer)]
    assert sat.vote(p) == "".join(str(int(text.count(c) > text.count(c.lower()))) for c in letters)


def test_impossible_combinations_say_what_is_possible():
    with pytest.raises(ArgumentError, match=r"`sat.literals` must be at most .* = 2, got 3"):
        generate("sat", n=1, **knobs(3, 2, 1))
    with pytest.raises(ArgumentError, match=r"`sat.clauses` must be at most 3, .* got 4"):
        generate("sat", n=1, **knobs(2, 2, 4))


def test_without_python_sat_small_instances_are_searched(monkeypatch):
    def missing(module, name):
        raise MissingExtra(module, name)

    monkeypatch.setattr(sat_solver, "extra", missing)
    p = generate("sat", n=1, level=5)[0]
    assert sat.check(p, sat.solve(p)).solved
    with pytest.raises(MissingExtra, match=r"gradatim\[sat\]"):
        sat.solve(generate("sat", n=1, **knobs(3, 20, 30))[0])


def test_meta_carries_saturns_difficulty():
    for p in generate("sat", n=20, level=LEVELS):
        n, k, l = p.knobs["literals"], p.knobs["variables"], p.knobs["clauses"]  # noqa: E741
        assert p.meta["saturn"] == pytest.approx(log2(k) + 2 * log2(l) - n + k / n, abs=1e-6)


def test_s013_a_guesser_solves_less_along_saturns_difficulty_and_along_effort():
    """A solver that stops after 12 random assignments; the ladder keeps two literals a clause."""
    rng = random.Random(0)
    rates, saturn, efforts = [], [], []
    for level in LEVELS:
        problems = generate("sat", n=150, level=level, seed=13)
        solved = 0
        for p in problems:
            k = len(p.answer)
            tries = (format(rng.getrandbits(k), f"0{k}b") for _ in range(12))
            solved += any(sat.check(p, text).solved for text in tries)
        rates.append(solved / len(problems))
        saturn.append(np.mean([p.meta["saturn"] for p in problems]))
        efforts.append(np.median([sat.effort(p) for p in problems]))
    assert rates[0] > 0.9
    assert rates[-1] < 0.4
    assert spearmanr(saturn, rates).statistic < -0.9
    assert spearmanr(efforts, rates).statistic < -0.9


def test_effort_by_hand():
    p = generate("sat", n=1, **knobs(2, 4, 3))[0]
    assert sat.effort(p) == 16 / len(models(p.meta["clauses"].split(), 4))
    many = generate("sat", n=1, **knobs(3, 20, 40))[0]  # too many to count: 1 / the mean share
    assert sat.effort(many) == pytest.approx(1 / sat.floor(knobs(3, 20, 40)))


def test_judge_reads_the_prompt():
    p = generate("sat", n=1, level=3)[0]
    for bits in map("".join, itertools.product("01", repeat=5)):
        assert sat.judge(p, bits) == sat.check(p, bits).solved
    assert not sat.judge(p, p.answer + "0")
    assert not sat.judge(p, "abcde")


# -- sat.decide, sat.ratio3 ---------------------------------------------------------------------


@pytest.mark.parametrize(("n", "k"), [(2, 4), (2, 6), (3, 5)])
def test_decide_by_trying_every_assignment(n, k):
    kinds = set()
    for p in generate("sat.decide", n=60, literals=n, variables=k, seed=5):
        clauses = p.meta["clauses"].split()
        assert len(set(clauses)) == len(clauses)
        right = models(clauses, k)
        assert p.meta["models"] == len(right)
        kinds.add(bool(right))
        for bits in map("".join, itertools.product("01", repeat=k)):
            assert sat_modes.check_decide(p, bits).solved == (bits in right)
        for text in (
            "unsatisfiable",
            "Unsatisfiable.",
            r"\boxed{UNSAT}",
            "The answer is unsatisfiable.",
        ):
            verdict = sat_modes.check_decide(p, text)
            assert (verdict.solved, verdict.answer) == (not right, "unsatisfiable"), text
            assert verdict.reason == ("wrong" if right else "correct")
        assert sat_modes.judge_decide(p, "unsatisfiable") == (not right)
        assert not p.unsolvable
    assert kinds == {True, False}


def test_decide_proofs_agree_on_every_level():
    unsat = 0
    for p in generate("sat.decide", n=200, level=LEVELS, seed=7):
        answer = sat_modes.solve_decide(p)  # CaDiCaL
        assert (answer == "unsatisfiable") == (p.answer == "unsatisfiable")
        assert sat_modes.check_decide(p, answer).solved
        unsat += p.answer == "unsatisfiable"
    assert abs(unsat - 100) < 4 * 50**0.5


def test_the_number_of_clauses_tells_nothing():
    for level in (1, 5, 10):
        counts = {len(p.meta["clauses"].split()) for p in generate("sat.decide", n=40, level=level)}
        assert len(counts) == 1


def test_decide_says_neither():
    p = generate("sat.decide", n=1, level=1)[0]
    for text in (
        "",
        None,
        "satisfiable",
        "01",
        "maybe",
        "not unsatisfiable",
        "unsatisfiable " * 200,
    ):
        assert sat_modes.check_decide(p, text).reason == "unparsed", text


def test_decide_compact_form():
    for p in generate("sat.decide", n=20, level=1):
        assert p.compact == f"d4{p.meta['clauses'].replace(' ', '')}="
        assert p.compact_answer == ("u" if p.answer == "unsatisfiable" else p.answer)
        assert sat_modes.check_decide(p, p.compact_answer).solved


def test_ratio3_is_planted_near_the_threshold():
    for p in generate("sat.ratio3", n=30, level=LEVELS):
        clauses, k = p.meta["clauses"].split(), len(p.answer)
        assert abs(len(clauses) / k - 4.26) <= 0.5 / k
        assert {len(clause) for clause in clauses} == {3}
        assert sat.check(p, p.answer).solved
        assert p.verifier == p.family == "sat.ratio3"


def test_without_python_sat_all_assignments_are_tried(monkeypatch):
    def missing(module, name):
        raise MissingExtra(module, name)

    monkeypatch.setattr(sat_solver, "extra", missing)
    assert sat_solver.search(2, [[1], [-2]]) == "10"
    assert sat_solver.search(2, [[1], [-1, 2], [-2]]) is None
    with pytest.raises(MissingExtra):
        sat_solver.search(20, [[1]])
