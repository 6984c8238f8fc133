import itertools
import random
from math import comb, log2

import numpy as np
import pytest

from gradatim.errors import ArgumentError, MissingExtra
from gradatim.families import sat
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

    monkeypatch.setattr(sat, "extra", missing)
    p = generate("sat", n=1, level=5)[0]
    assert sat.check(p, sat.solve(p)).solved
    with pytest.raises(MissingExtra, match=r"gradatim\[sat\]"):
        sat.solve(generate("sat", n=1, **knobs(3, 20, 30))[0])
