"""Verifiers that choose: best of n, whether a benchmark of them tells, and lucky guesses."""

import itertools

import numpy as np
import pytest
from scipy import special

from gradatim.errors import ArgumentError
from gradatim.evaluation.selection import best_of_n, judge_verifiers, lucky_guesses
from gradatim.learning.evaluators import fit_verifier, judge


def test_best_of_n_against_every_choice():
    rng = np.random.default_rng(0)
    score, right = rng.integers(0, 4, 6).astype(float), np.array([1, 0, 0, 1, 0, 0])  # with ties
    for n in (1, 2, 4, 6):
        picks = []
        for chosen in itertools.combinations(range(6), n):
            top = [i for i in chosen if score[i] == max(score[list(chosen)])]
            picks.append(right[top].mean())
        found = best_of_n(score, right, np.zeros(6), n)
        assert found.accuracy.value == pytest.approx(np.mean(picks))
        assert found.gain.value == pytest.approx(np.mean(picks) - 1 / 3)
    shuffled = rng.permutation(6)
    again = best_of_n(score[shuffled], right[shuffled], np.zeros(6), 4)
    assert again.accuracy.value == pytest.approx(best_of_n(score, right, np.zeros(6), 4)[0].value)
    with pytest.raises(ArgumentError, match="at least n = 7"):
        best_of_n(score, right, np.zeros(6), 7)


def test_s204_best_of_4_accuracy_of_learned_verifiers_tells_who_helps():
    rng = np.random.default_rng(2)

    def attempts(problems, each, p):
        right = rng.random((problems, each)) < p
        return right.astype(float).ravel(), np.repeat(np.arange(problems), each)

    def looks(right, noise):  # two features of an attempt, one of them tells
        return np.c_[right + noise * rng.normal(size=len(right)), rng.normal(size=len(right))]

    four = np.tile([1.0, 0, 0, 0], 200)
    pool, problem = attempts(200, 8, rng.beta(1, 2, (200, 1)))
    benchmark, use = [], []
    for noise in (0.3, 0.6, 1.0, 1.5, 2.5, 4.0, 8.0):
        train, _ = attempts(400, 1, 0.5)
        verifier = fit_verifier(looks(train, noise), train > 0)
        scored = judge(verifier, looks(four, noise))
        benchmark.append(best_of_n(scored, four, np.repeat(np.arange(200), 4)))
        use.append(best_of_n(judge(verifier, looks(pool, noise)), pool, problem, 8))
    found = judge_verifiers(benchmark, use)
    print(f"best-of-4 accuracy and best-of-8 gain: Spearman {found.correlation}")
    assert found.correlation.value > 0.85
    assert found.correlation.low > 0.3
    assert benchmark[0].accuracy.value > 0.95
    assert found.benchmark[-1] == pytest.approx(0.25, abs=0.12)
    assert all(one.accuracy.value <= one.ceiling for one in use)


def test_s033_a_lucky_guesser_is_found_with_its_rate_and_pass_at_n_comes_down():
    rng = np.random.default_rng(3)
    solver, problem = np.repeat([0, 1], 800), np.tile(np.repeat(np.arange(100), 8), 2)
    chance = special.expit(rng.normal(-0.5, 1.5, 100))[problem]
    passed = rng.random(1600) < chance
    sound = rng.random(1600) >= np.where(solver == 1, 0.3, 0.02)  # the second guesses
    found = lucky_guesses(passed, sound, solver, problem, k=8)
    assert found.flagged.tolist() == [False, True]
    assert found.unsound.low[1] < 0.3 < found.unsound.high[1]
    for naive, true in zip(found.naive, found.sound, strict=True):
        assert true.value <= naive.value
    at_one = lucky_guesses(passed, sound, solver, problem, k=1)
    assert at_one.sound[1].value == pytest.approx(np.mean((passed & sound)[solver == 1]))


def test_false_alarms_about_lucky_guesses():
    rng, flags = np.random.default_rng(0), 0
    problem = np.tile(np.arange(50), 4)
    for _ in range(100):
        sound = rng.random(200) >= 0.05  # just what is tolerated
        flags += lucky_guesses(
            np.ones(200), sound, np.repeat([0, 1, 2, 3], 50), problem
        ).flagged.any()
    assert flags <= 8
    none = lucky_guesses(np.zeros(4), np.zeros(4), np.zeros(4), np.arange(4))
    assert np.isnan(none.unsound.value[0])
    assert not none.flagged[0]
