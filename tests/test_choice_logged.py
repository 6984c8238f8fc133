import numpy as np
import pytest

from gradatim.choice import samplers
from gradatim.choice.logged import sampler_value
from gradatim.choice.samplers import inclusion
from gradatim.errors import ArgumentError
from gradatim.types import Ask, Belief, Pool


def log_of(rng, steps=40, size=60, prompts=8):
    """Rows of a logged `variance` sampler, propensities of another, and the other's true value."""
    rate = rng.beta(0.7, 0.7, size)
    guess = np.clip(rate + rng.normal(0, 0.15, size), 0.02, 0.98)
    belief = Belief(guess * 6, (1 - guess) * 6, None)
    pool = Pool(source=np.zeros(size, int), sources=("all",), floor=np.zeros(size))
    mixed = 1 - rate**4 - (1 - rate) ** 4
    other = inclusion(np.where(np.abs(guess - 0.5) < 0.25, 1.0, 0.1), prompts)
    rows = []
    for step in range(steps):
        ask = Ask(pool, belief, None, None, prompts, 32, step)
        plan = samplers.variance((), ask, rng, explore=0.2)
        rows.append((plan.problem, plan.propensity, np.full(prompts, step)))
    problem, logged, step = map(np.concatenate, zip(*rows, strict=True))
    worth = (rng.random(len(problem)) < mixed[problem]).astype(float)
    said = 1 - guess**4 - (1 - guess) ** 4
    more = {"model": said[problem], "direct": np.full(steps, (other * said).sum())}
    return (worth, logged, other[problem], step), more, float((other * mixed).sum())


def test_s084_intervals_hold_the_true_value_of_the_other_sampler():
    rng, inside, widths = np.random.default_rng(0), [], []
    for _ in range(150):
        rows, more, truth = log_of(rng)
        found = sampler_value(*rows, **more)
        both = (found.weighted, found.robust)
        inside.append([one.low <= truth <= one.high for one in both])
        widths.append([one.high - one.low for one in both])
    # 95% of 150: standard error .018
    assert (np.mean(inside, axis=0) > 0.89).all()
    assert np.mean(widths, axis=0)[1] < 0.8 * np.mean(widths, axis=0)[0]


def test_the_sampler_that_ran_has_its_own_mean():
    rng = np.random.default_rng(1)
    (worth, logged, _, step), _, _ = log_of(rng)
    found = sampler_value(worth, logged, logged, step)
    assert found.weighted.value == pytest.approx(worth.sum() / 40)
    assert found.effective == pytest.approx(len(worth))
    assert found.robust is None
    # a perfect model leaves nothing to weight
    exact = sampler_value(worth, logged, logged, step, model=worth, direct=np.full(40, 3.0))
    assert (exact.robust.value, exact.robust.high) == (3.0, 3.0)


def test_bad_logs_are_named():
    one, step = np.ones(4), np.array([0, 0, 1, 1])
    with pytest.raises(ArgumentError, match="`logged` must lie in"):
        sampler_value(one, 0 * one, one, step)
    with pytest.raises(ArgumentError, match="`worth` must be finite"):
        sampler_value(one * np.nan, one, one, step)
    with pytest.raises(ArgumentError, match="at least two steps"):
        sampler_value(one, one, one, 0 * step)
    with pytest.raises(ArgumentError, match="go together"):
        sampler_value(one, one, one, step, model=one)
    with pytest.raises(ArgumentError, match="axis 'step' is 2"):
        sampler_value(one, one, one, step, model=one, direct=np.ones(3))
