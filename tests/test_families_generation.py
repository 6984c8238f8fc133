import hashlib
import pickle
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.families import lists
from gradatim.families.generation import content_id, generate, split_of
from gradatim.rng import Stream, digest
from gradatim.types import Draft, Problem

TINY = {"length": 1, "high": 1}  # sort 0, sort 1, reverse 0, reverse 1, keep 1 above 0: 5 in all


def content(problem):
    return (problem.prompt, problem.compact)


def test_levels_are_taken_in_turn():
    problems = generate("lists", n=7, level=[2, 5, 9])
    assert [p.level for p in problems] == [2, 5, 9, 2, 5, 9, 2]
    assert generate("lists", n=0, level=3) == []
    assert generate("lists", n=1)[0].level is None


def test_knobs_replace_the_levels():
    p = generate("lists", n=1, level=2, operation="sort", high=99)[0]
    assert p.knobs == {"length": 4, "high": 99, "operation": "sort"}
    assert generate("lists", n=1, length="7")[0].knobs["length"] == 7  # as the command gives it


def test_a_quarter_of_the_content_is_test():
    share = sum(split_of("lists", str(i)) == "test" for i in range(4000)) / 4000
    assert abs(share - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5


def test_a_tiny_space_is_not_split_and_says_so():
    train = generate("lists", n=5, unique=True, **TINY)
    test = generate("lists", n=5, unique=True, split="test", **TINY)
    assert {content(p) for p in train} == {content(p) for p in test}
    assert all(p.meta["unsplit"] for p in train + test)
    assert "unsplit" not in generate("lists", n=1, level=1)[0].meta


def test_what_is_no_family_is_refused():
    for what in (None, 3, ["lists"]):
        with pytest.raises(ArgumentError, match="`family` must be a name or a Family, got"):
            generate(what, n=1)


def test_more_unique_than_exist_says_how_many_exist():
    with pytest.raises(ArgumentError, match=r"`n` = 6 .* 5 exist in split 'train' \(5 in both\)"):
        generate("lists", n=6, unique=True, **TINY)
    with pytest.raises(
        ArgumentError, match=r"2 were found in split 'train' \(at least 2 in both\)"
    ):
        generate("sat", n=3, unique=True, literals=1, variables=1, clauses=1)
    # 6 of the stated space, which counts pairs without a factor, and more with one
    with pytest.raises(ArgumentError, match=r"(\d+) were found .* \(at least \1 in both\)"):
        generate("compositions.roots_gcd", n=99, unique=True, length=3, high=3)
    with pytest.raises(ArgumentError, match=r"5 exist at level 2 "):
        generate("lists", n=40, level=[1, 2], unique=True, **TINY)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_space_is_exhausted_cleanly(split):
    knobs = {"length": 2, "high": 9, "operation": "reverse"}  # 100 instances
    here = [lists.nth(i, **knobs).canonical for i in range(100)]
    size = sum(split_of("lists", c) == split for c in here)
    assert 0 < size < 100
    problems = generate("lists", n=size, unique=True, split=split, **knobs)
    assert len({content(p) for p in problems}) == size
    with pytest.raises(ArgumentError, match=f"{size} exist"):
        generate("lists", n=size + 1, unique=True, split=split, **knobs)


def test_seeds_order_a_small_space_differently():
    knobs = {"length": 2, "high": 9, "operation": "reverse"}
    orders = {
        tuple(map(content, generate("lists", n=50, unique=True, seed=s, **knobs))) for s in range(5)
    }
    assert len(orders) == 5


def test_unique_holds_in_spaces_too_large_to_walk():
    # 1,048,576 sums and 10^7 chains: drawn, and duplicates drawn again
    problems = generate("arithmetic", n=300, unique=True, kind="sum", base=4, digits=5)
    assert len({p.prompt for p in problems}) == 300
    same = generate("arithmetic", n=300, kind="sum", base=4, digits=5)
    assert sum(a == b for a, b in zip(problems, same, strict=True)) > 290  # only repeats differ


@given(st.integers(0, 2**80), st.integers(1, 10), st.sampled_from(["train", "test"]))
def test_items_are_of_the_split_that_was_asked_for(seed, level, split):
    p = generate("lists", n=1, level=level, seed=seed, split=split)[0]
    # the id of content says nothing of seed and split, the problem does
    assert (p.seed, p.split) == (seed, split)
    letter = "k" + p.compact[1] if p.compact[0] == "k" else p.compact[0]
    shown = str(p.prompt).split("\n")[1]
    assert split_of("lists", f"{letter}: {shown}") == split


def test_the_id_is_a_hash_of_the_content():
    p = generate("lists", n=1)[0]
    named = {"family": p.family, "version": p.version, "verifier": p.verifier, "answer": p.answer}
    assert content_id(prompt=p.prompt, **named) == p.id
    assert content_id(prompt=p.prompt + " ", **named) != p.id
    assert content_id(prompt=p.prompt, **named | {"answer": "0"}) != p.id
    a = ({"role": "user", "content": "hi"},)
    b = ({"content": "hi", "role": "user"},)
    assert content_id(prompt=a, **named) == content_id(prompt=b, **named)
    assert content_id(prompt="hi", **named) != content_id(prompt=a, **named)


def test_an_id_by_hand():
    # every part with its type and length before it, so that no two tuples give the same bytes
    parts = ["problem", "f", "1", "text", "q", "a"]
    raw = b"".join(len(f"str:{p}").to_bytes(4, "big") + f"str:{p}".encode() for p in parts)
    want = hashlib.blake2b(raw, digest_size=10).hexdigest()
    got = content_id(family="f", version="1", verifier="text", prompt="q", answer="a")
    assert got == want


def test_bad_arguments_are_named():
    for level in (0, 11, [1, 12], True, [], [1.5], 2.0, "3", [True]):
        with pytest.raises(ArgumentError, match="`level` must"):
            generate("lists", n=1, level=level)
    for n in (-1, 1.5, "3", True):
        with pytest.raises(ArgumentError, match="`n` must be a whole number"):
            generate("lists", n=n)
    for seed in (1.5, "3", None, True):
        with pytest.raises(ArgumentError, match="`seed` must be a whole number"):
            generate("lists", n=1, seed=seed)
    with pytest.raises(ArgumentError, match="`split` must be one of test, train"):
        generate("lists", n=1, split="valid")
    with pytest.raises(ArgumentError, match="`family` must be one of"):
        generate("list", n=1)


def test_a_family_of_ones_own_needs_no_registration():
    mine = replace(lists.FAMILY, name="mine", nth=None)
    problems = generate(mine, n=3, level=1)
    assert {p.family for p in problems} == {"mine"}
    other = {p.prompt for p in generate("lists", n=3, level=1)}
    assert other != {p.prompt for p in problems}  # the name is part of the stream


def test_streams_are_what_they_always_were():
    # a change here is a change of every problem that was ever made
    assert digest("sat", 1).hex() == "d287d200d8eee163e382e74f8aa77517"
    stream = Stream("family", "lists", 3)
    assert [stream.below(1000) for _ in range(6)] == [148, 869, 913, 558, 723, 938]
    assert stream.sample(range(50), 5) == [40, 17, 30, 16, 8]
    assert stream.uniform() == 0.7908193907181488


@given(st.integers(1, 2000), st.integers(0, 30), st.integers(0, 2**70))
def test_many_draws_are_single_draws(n, k, seed):
    one, many = Stream("draws", seed), Stream.branch("draws")(seed)
    assert many.draws(n, k) == [one.below(n) for _ in range(k)]
    assert one.below(10**30) == many.below(10**30)  # both consumed the same
    assert one.child("a").below(10**30) == many.child("a").below(10**30)


@given(st.integers(1, 90), st.integers(0, 2**70))
def test_shuffles_samples_and_ranges_are_single_draws(n, seed):
    one, two = Stream("mixed", seed), Stream("mixed", seed)
    left, right = list(range(n)), list(range(n))
    one.shuffle(left)
    for i in range(n - 1, 0, -1):
        j = two.below(i + 1)
        right[i], right[j] = right[j], right[i]
    assert left == right
    rest, drawn = list(range(n)), []
    for i in range(n // 2):  # a shuffle from the front, cut short
        j = i + two.below(n - i)
        rest[i], rest[j] = rest[j], rest[i]
        drawn.append(rest[i])
    assert one.sample(range(n), n // 2) == drawn
    assert one.between(-n, seed) == two.below(seed + n + 1) - n
    assert one.choice(left) == right[two.below(n)]


def test_names_keep_their_types_and_lengths():
    # what is hashed, spelled out: of numbers, of other types, of texts longer than a table holds
    for name in ("", "é" * 3000, 0, -5, 10**40, True, None, 1.5):
        text = f"{type(name).__name__}:{name}".encode()
        want = hashlib.blake2b(len(text).to_bytes(4, "big") + text, digest_size=16).digest()
        assert digest(name) == want, name


def test_no_draw_from_nothing():
    for bad in (0, -1):
        with pytest.raises(ArgumentError, match="`n` must be at least 1"):
            Stream("x").draws(bad, 1)
        with pytest.raises(ArgumentError, match="`n` must be at least 1"):
            Stream("x").between(1, bad)


def test_problems_are_whole_and_frozen():
    p = generate("lists", n=1, level=3, seed=4)[0]
    named = {field.name: getattr(p, field.name) for field in fields(Problem)}
    assert type(p) is Problem
    assert Problem(**named) == p == pickle.loads(pickle.dumps(p))
    assert replace(p, seed=5) == Problem(**named | {"seed": 5}) != p
    with pytest.raises(FrozenInstanceError):
        p.seed = 6


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_family_may_ask_early_whether_an_instance_is_wanted(split):
    finished = []

    def make(stream, **knobs):
        whole = lists.FAMILY.make(stream, **knobs)
        if not stream.wants(whole.canonical):
            return Draft("", "", whole.canonical)
        finished.append(whole.canonical)
        return whole

    for unique in (False, True):
        early = replace(lists.FAMILY, make=make, nth=None)
        finished.clear()
        asked = {"n": 200, "level": 1, "split": split, "operation": "sort", "unique": unique}
        found = generate(early, **asked)
        assert found == generate(replace(lists.FAMILY, nth=None), **asked)
        assert {split_of("lists", canonical) for canonical in finished} == {split}
        assert len(finished) >= 200
    assert Stream("alone").wants("anything")


def test_knobs_that_cannot_be_together_are_refused():
    for family, knobs, why in (
        ("lists", {"operation": "comparison", "length": 1}, r"`lists\.length` must be at least 2"),
        ("sequences", {"step": 9, "shown": 12}, r"`sequences\.shown` must be at least 13"),
        ("sat", {"literals": 4, "variables": 3}, r"`sat\.literals` must be at most"),
    ):
        for unique in (False, True):
            with pytest.raises(ArgumentError, match=why):
                generate(family, n=2, unique=unique, **knobs)


def test_more_unique_lists_than_exist_says_how_many_exist():
    # 3 numbers of 0..1, no instance twice: 8 lists, too few to split
    knobs = {"length": 3, "high": 1, "operation": "odd_count"}
    assert len({p.prompt for p in generate("lists", n=8, unique=True, **knobs)}) == 8
    with pytest.raises(ArgumentError, match=r"`n` = 9 .* 8 exist in split 'train' \(8 in both\)"):
        generate("lists", n=9, unique=True, **knobs)


def test_whole_numbers_of_numpy_are_whole_numbers():
    few = generate("lists", n=np.int64(4), level=np.arange(1, 3), seed=np.int32(3))
    assert few == generate("lists", n=4, level=[1, 2], seed=3)
    assert {type(p.level) for p in few} == {type(p.seed) for p in few} == {int}
    assert generate("lists", n=1, level=np.int64(2)) == generate("lists", n=1, level=2)
