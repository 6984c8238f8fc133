"""Every registered advantage keeps the promises that its record makes.

Batches carry every column that an entry may ask for. Advantages are per attempt, or per token in
the flat order of gradatim.learning.credit.
"""

import copy
import dataclasses

import numpy as np
import pytest
from in_turn import in_turn

from gradatim.errors import ArgumentError
from gradatim.recipes import registry
from gradatim.types import Batch

NAMES = registry.names("advantage")
COLUMNS = ("problem", "role", "parent", "reward", "solved", "length", "mask", "logp", "entropy")
COLUMNS += ("alpha", "beta", "text")
TOKENS = ("prefix_value", "anchor", "token_logp")  # (token,) columns
SILENT = {  # batches that an advantage of this kind leaves without any gradient
    "silent": {"singletons", "all right", "all wrong", "one"},
    "silent_right": {"all right", "one"},
    "silent_wrong": {"all wrong"},
}
KINDS = {"zero_sum", "length_zero_sum", "telescopes", "shift", "scale", "linear", "monotone"}
KINDS |= set(SILENT)


def batch_of(reward, group, mask=None):
    """A batch whose other columns are drawn from its size."""
    reward, group = np.asarray(reward, float), np.asarray(group)
    size = len(reward)
    rng = np.random.default_rng(size)
    length = rng.integers(1, 9, size)
    tokens = int(length.sum())
    with np.errstate(invalid="ignore"):
        solved = reward >= 1
    return Batch(
        step=0,
        group=group,
        problem=group,
        role=np.zeros(size, int),
        parent=np.full(size, -1),
        reward=reward,
        solved=solved,
        length=length,
        mask=np.ones(size, bool) if mask is None else np.asarray(mask),
        logp=-5 * rng.random(size),
        entropy=rng.random(size),
        alpha=0.5 + group % 4,
        beta=1.5 + group % 3,
        prefix_value=np.where(rng.random(tokens) < 0.4, rng.random(tokens), np.nan),
        anchor=rng.integers(-1, 3, tokens),
        token_logp=-rng.random(tokens),
        text=np.array([f"reply {i}" for i in rng.integers(0, 3, size)], dtype=object),
    )


def starts_of(batch):
    return np.cumsum(batch.length) - batch.length


def tokens_of(batch, order):
    """Tokens of the attempts in another order of attempts."""
    starts = starts_of(batch)
    spans = [np.arange(starts[i], starts[i] + batch.length[i]) for i in order]
    return np.concatenate([np.zeros(0, int), *spans])


def permuted(batch, order, group):
    """The same attempts in another order, their groups under other names."""
    changed = {name: getattr(batch, name)[order] for name in COLUMNS}
    changed |= {name: getattr(batch, name)[tokens_of(batch, order)] for name in TOKENS}
    return dataclasses.replace(batch, group=group[order], **changed)


RNG = np.random.default_rng(0)
BATCHES = {
    "ragged": batch_of(RNG.integers(0, 2, 60), np.sort(RNG.integers(0, 9, 60))),
    "shuffled": batch_of(RNG.integers(0, 2, 60), RNG.integers(0, 9, 60)),
    "graded": batch_of(RNG.random(40), RNG.integers(0, 6, 40)),
    "singletons": batch_of(RNG.integers(0, 2, 8), np.arange(8)),
    "all right": batch_of(np.ones(24), np.arange(24) // 4),
    "all wrong": batch_of(np.zeros(24), np.arange(24) // 4),
    "near ties": batch_of(0.5 + np.array([0, 2**-20, 2**-21, 0, 0, 2**-20]), [0, 0, 0, 1, 1, 1]),
    "one": batch_of([1.0], [0]),
    "none": batch_of([], np.zeros(0, int)),
    "masked": batch_of(RNG.integers(0, 2, 30), RNG.integers(0, 5, 30), RNG.random(30) < 0.5),
}


def advantage(name, batch, **options):
    record = registry.entry("advantage", name)
    return record.suggest(batch, **{**record.options, **options})


def per_token(name):
    return "token_advantage" in registry.entry("advantage", name).needs


def moved(batch, *, scale=1.0, offset=0.0):
    return dataclasses.replace(batch, reward=scale * batch.reward + offset)


@pytest.mark.parametrize("name", NAMES)
@in_turn("kind", BATCHES)
def test_advantage_contract(name, kind):
    batch = BATCHES[kind]
    before = copy.deepcopy(batch)
    value, keep = advantage(name, batch)
    assert keep.shape == batch.reward.shape
    assert value.shape == ((batch.length.sum(),) if per_token(name) else keep.shape)
    assert value.dtype == np.float64
    assert keep.dtype == bool
    assert np.isfinite(value).all()
    assert not value[~(np.repeat(keep, batch.length) if per_token(name) else keep)].any()
    assert not keep[~batch.mask].any()
    for field in dataclasses.fields(batch):  # arguments are not written
        old, new = getattr(before, field.name), getattr(batch, field.name)
        np.testing.assert_array_equal(new, old)
    declared = registry.entry("advantage", name).invariances
    if any(kind in SILENT[promise] for promise in declared & set(SILENT)):
        assert not keep.any()


def promising(promise):
    """Names whose record makes a promise."""
    return [name for name in NAMES if promise in registry.entry("advantage", name).invariances]


def exactly(name, batch):
    """Without the constant that keeps a deviation from 0, which bends exact laws."""
    options = registry.entry("advantage", name).options
    return advantage(name, batch, **({"eps": 0.0} if "eps" in options else {}))


@pytest.mark.parametrize("name", NAMES)
def test_promises_are_ones_that_are_tested(name):
    assert registry.entry("advantage", name).invariances <= KINDS


@pytest.mark.parametrize("promise", ["zero_sum", "length_zero_sum"])
@in_turn("kind", BATCHES)
def test_sums_are_zero(promise, kind):
    batch = BATCHES[kind]
    weight = batch.length if promise == "length_zero_sum" else 1.0
    for name in promising(promise):
        value, _ = exactly(name, batch)
        sums = np.bincount(batch.group, weights=value * weight) if len(value) else 0.0
        np.testing.assert_allclose(sums, 0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", promising("telescopes"))
@in_turn("kind", BATCHES)
def test_segments_add_up_to_what_the_reply_changed(name, kind):
    batch = BATCHES[kind]
    value, keep = advantage(name, batch)
    for i, start in enumerate(starts_of(batch)):
        part = slice(start, start + batch.length[i])
        before = np.asarray(batch.prefix_value)[part]
        marked = ~np.isnan(before)
        if keep[i]:
            change = batch.reward[i] - before[marked][0]
            assert value[part][marked].sum() == pytest.approx(change)


@pytest.mark.parametrize("name", promising("shift"))
@in_turn("kind", [kind for kind in BATCHES if kind != "graded"])
def test_an_offset_changes_nothing(name, kind):
    batch = BATCHES[kind]  # graded rewards are not exact beside 1e6, so they are left out
    value, keep = exactly(name, batch)
    shifted, kept = exactly(name, moved(batch, offset=1e6))
    np.testing.assert_allclose(shifted, value, rtol=1e-12, atol=0)
    assert (kept == keep).all()


@pytest.mark.parametrize("name", promising("scale"))
@in_turn("kind", BATCHES)
def test_a_scale_changes_nothing(name, kind):
    value, _ = exactly(name, BATCHES[kind])
    for scale in (2.0**-30, 3.0, 1e6):
        scaled, _ = exactly(name, moved(BATCHES[kind], scale=scale))
        np.testing.assert_allclose(scaled, value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", promising("linear"))
@in_turn("kind", BATCHES)
def test_a_scale_goes_through(name, kind):
    value, _ = exactly(name, BATCHES[kind])
    scaled, _ = exactly(name, moved(BATCHES[kind], scale=4.0))
    np.testing.assert_allclose(scaled, 4 * value, rtol=1e-12)


@pytest.mark.parametrize("name", promising("monotone"))
@in_turn("kind", BATCHES)
def test_better_attempts_have_no_smaller_advantage(name, kind):
    batch = BATCHES[kind]
    value, _ = exactly(name, batch)
    for group in np.unique(batch.group[batch.mask]):
        at = np.flatnonzero((batch.group == group) & batch.mask)
        order = np.argsort(batch.reward[at])
        assert (np.diff(value[at][order]) >= -1e-15).all()


@pytest.mark.parametrize("name", NAMES)
@in_turn("kind", ["graded", "masked"])
def test_order_of_rows_and_names_of_groups_do_not_matter(name, kind):
    batch = BATCHES[kind]
    order = np.random.default_rng(1).permutation(len(batch.reward))
    value, keep = advantage(name, batch)
    other, kept = advantage(name, permuted(batch, order, 90 - 7 * batch.group))
    expected = value[tokens_of(batch, order) if per_token(name) else order]
    np.testing.assert_allclose(other, expected, atol=1e-12)
    assert (kept == keep[order]).all()


@pytest.mark.parametrize("name", NAMES)
def test_float32_rewards_give_the_same(name):
    batch = BATCHES["ragged"]
    single = dataclasses.replace(batch, reward=batch.reward.astype(np.float32))
    assert (advantage(name, single)[0] == advantage(name, batch)[0]).all()


@pytest.mark.parametrize("name", NAMES)
@in_turn("bad", [np.nan, np.inf, -np.inf])
def test_nan_is_refused_unless_masked(name, bad):
    reward, group = np.array([1.0, 0.0, bad]), np.zeros(3, int)
    with pytest.raises(ArgumentError, match="`reward` must be finite"):
        advantage(name, batch_of(reward, group))
    value, _ = advantage(name, batch_of(reward, group, [True, True, False]))
    assert np.isfinite(value).all()


@pytest.mark.parametrize("name", NAMES)
def test_columns_that_are_needed_and_missing_are_named(name):
    for column in registry.entry("advantage", name).needs & set(COLUMNS + TOKENS):
        lacking = dataclasses.replace(BATCHES["ragged"], **{column: None})
        with pytest.raises(ArgumentError, match=column):
            advantage(name, lacking)
