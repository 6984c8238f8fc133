from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.scale.pass_at_k import none_of, pass_at_k, problem_pass_at_k, variance_at_k


@given(st.integers(1, 60), st.data())
def test_it_is_one_minus_the_quotient_of_binomials(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    found = problem_pass_at_k(np.array([c]), np.array([n]), k)[0]
    assert found == pytest.approx(1 - comb(n - c, k) / comb(n, k), abs=1e-12)


def test_it_counts_subsets():
    # 5 attempts, right ones 0 and 1; of the 10 pairs 7 hold one of them
    hit = sum(bool({0, 1} & set(pair)) for pair in combinations(range(5), 2))
    assert problem_pass_at_k(np.array([2]), np.array([5]), 2)[0] == pytest.approx(hit / 10)


def test_it_is_unbiased_and_the_plug_in_is_not():
    rng = np.random.default_rng(0)
    p, n, k = 0.2, 10, 4
    c = rng.binomial(n, p, 200_000)
    truth = 1 - (1 - p) ** k
    spread = problem_pass_at_k(c, np.full_like(c, n), k).std() / np.sqrt(len(c))
    found = problem_pass_at_k(c, np.full_like(c, n), k).mean()
    assert abs(found - truth) < 4 * spread
    assert np.mean(1 - (1 - c / n) ** k) < truth - 10 * spread


def test_the_variance_is_unbiased():
    rng = np.random.default_rng(1)
    p, n, k = 0.3, 12, 3
    c = rng.binomial(n, p, 100_000)
    each = problem_pass_at_k(c, np.full_like(c, n), k)
    assert variance_at_k(c, np.full_like(c, n), k).mean() == pytest.approx(each.var(), rel=0.02)


def test_the_variance_of_one_attempt_is_that_of_a_share():
    # k = 1: p(1 - p) / (n - 1) with p = c / n
    found = variance_at_k(np.array([3]), np.array([10]), 1)
    assert found[0] == pytest.approx(0.3 * 0.7 / 9)


def test_large_counts_stay_exact():
    found = problem_pass_at_k(np.array([1]), np.array([10**6]), 10)[0]
    assert found == pytest.approx(10 / 10**6, rel=1e-6)
    assert none_of(np.array([0]), np.array([10**9]), 10**6)[0] == 1


def test_many_attempts_cost_no_more_than_their_smaller_count():
    # one right of 1e9, 1e6 allowed: k / n, by one factor where the plain product has a million
    found = problem_pass_at_k(np.array([1, 0, 10**9]), np.full(3, 10**9), 10**6)
    np.testing.assert_allclose(found, [1e-3, 0, 1], rtol=1e-9)
    # 2e6 problems at once
    c, n = np.full(2_000_000, 3), np.full(2_000_000, 10)
    assert np.ptp(problem_pass_at_k(c, n, 4)) == 0
    assert problem_pass_at_k(c[:1], n[:1], 4)[0] == pytest.approx(1 - comb(7, 4) / comb(10, 4))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(30, 60)), max_size=8), st.integers(1, 30))
def test_problems_do_not_meet(rows, k):
    c, n = (np.array([row[i] for row in rows], dtype=int) for i in (0, 1))
    together = problem_pass_at_k(c, n, k)
    alone = [problem_pass_at_k(c[i : i + 1], n[i : i + 1], k)[0] for i in range(len(rows))]
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    for i in range(len(rows)):
        assert together[i] == pytest.approx(1 - comb(n[i] - c[i], k) / comb(n[i], k), abs=1e-12)


def test_equal_problems_still_have_an_error():
    # 10 of 10 problems: Wilson's lower end is 10 / (10 + 1.96^2)
    found = pass_at_k(np.full(10, 4), np.full(10, 4), 2)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(10 / (10 + 1.959964**2))
    found = pass_at_k(np.zeros(10), np.full(10, 4), 2)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(1 - 10 / (10 + 1.959964**2))


def test_the_mean_takes_problems_as_the_sample():
    # rates of pass@1: 0, 1/2, 1 -> mean 1/2, sd 1/2, error 1/2 / sqrt 3, times 1.96
    found = pass_at_k(np.array([0, 1, 2]), np.array([2, 2, 2]), 1)
    assert found.value == pytest.approx(0.5)
    assert found.high - found.value == pytest.approx(min(0.5, 1.959964 * 0.5 / np.sqrt(3)))
    assert found.n == 3
    assert np.isnan(pass_at_k(np.array([1]), np.array([2]), 1).low)


def test_errors_say_what_is_missing():
    with pytest.raises(ValueError, match=r"`n` must lie in \[3, inf\], got 2"):
        pass_at_k(np.array([1]), np.array([2]), 3)
    with pytest.raises(ValueError, match=r"`n` must lie in \[4, inf\], got 3"):
        variance_at_k(np.array([1]), np.array([3]), 2)
    with pytest.raises(ValueError, match="`c` must be whole: scores need a threshold"):
        pass_at_k(np.array([1.5]), np.array([4]), 2)
    with pytest.raises(ValueError, match="`k` must be whole"):
        pass_at_k(np.array([1]), np.array([4]), 2.5)
    with pytest.raises(ValueError, match=r"`c / n` must lie in \[0, 1\], got 1.25"):
        pass_at_k(np.array([5]), np.array([4]), 2)
    with pytest.raises(ValueError, match=r"`c / n` must lie in \[0, 1\], got nan"):
        pass_at_k(np.array([np.nan]), np.array([4]), 2)
    with pytest.raises(ValueError, match="`level` must lie"):
        pass_at_k(np.array([1, 2]), np.array([4, 4]), 2, level=95)
    with pytest.raises(ValueError, match="number of problems"):
        pass_at_k(np.array([]), np.array([]), 1)
