"""Every registered objective keeps the promises that its record makes."""

import math

import pytest
from in_turn import in_turn

from gradatim.errors import ArgumentError
from gradatim.recipes import registry

torch = pytest.importorskip("torch")
made = pytest.importorskip("token_batches")
parts = pytest.importorskip("gradatim.learning.objectives_parts")

NAMES = registry.names("objective")
KINDS = {
    "ragged": {"seed": 0},
    "on-policy": {"seed": 1, "off_policy": False},
    "singletons": {"seed": 2, "groups": 10**6},
    "all right": {"seed": 3, "solved": True},
    "all wrong": {"seed": 4, "solved": False},
    "one": {"seed": 5, "rows": 1},
}
# terms that touch every row, beside the product
TERMS = [{}, {"kl": 0.3}, {"kl": 0.3, "estimator": "k2", "entropy": 0.1}]
COLUMNS = {"logp", "group", "solved", "foreign", "reference", "entropy"}


def objective(name, **options):
    record = registry.entry("objective", name)
    unknown = set(options) - set(record.options)
    options = {k: v for k, v in options.items() if k not in unknown}
    return record, {**record.options, **options}


def loss_of(name, part, advantage, scale, **options):
    record, options = objective(name, **options)
    return record.suggest(part, advantage, scale, **options)


@pytest.mark.parametrize("name", NAMES)
@in_turn("kind", KINDS)
def test_contract(name, kind):
    part, advantage, scale = made.batch(**KINDS[kind])
    part = part._replace(foreign=torch.zeros_like(part.solved))
    before = [None if x is None else x.detach().clone() for x in part]
    loss, metrics = loss_of(name, part, advantage, scale)
    assert loss.shape == ()
    assert loss.dtype == part.logp.dtype
    assert all(isinstance(v, float) and math.isfinite(v) for v in metrics.values())
    slope = made.gradient(loss, part)
    assert torch.isfinite(slope).all()
    for old, new in zip(before, part, strict=True):
        assert old is new is None or torch.equal(old, new.detach())
    again, _ = loss_of(name, part, advantage, scale)
    assert again.item() == loss.item()
    record, _ = objective(name)
    assert record.needs <= COLUMNS | set(parts.ROWS)
    assert record.invariances <= {"additive", "linear", "own_advantage"}
    if "mixed_rows" in record.needs and kind in ("singletons", "all right", "all wrong", "one"):
        assert not slope.any() or "trust" in record.needs
    if name == "sft" and kind == "all wrong":
        assert not slope.any()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_at_all(name):
    none = torch.zeros(0, dtype=torch.int64)
    empty = made.tokens(
        torch.zeros(0, requires_grad=True),
        lengths=none,
        group=none,
        solved=none.bool(),
        foreign=none.bool(),
        reference=torch.zeros(0),
    )
    loss, metrics = loss_of(name, empty, torch.zeros(0), parts.Scale(4, 9, 3, 2))
    assert loss.item() == 0.0
    assert all(v == 0.0 for v in metrics.values())


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_agrees_with_double(name):
    part, advantage, scale = made.batch(0, rows=40, groups=6)
    # what is single stays exact in double, so that no reply falls on another side of a bound
    single = part._replace(**{
        k: getattr(part, k).detach().float() for k in ("logp", "old", "reference", "entropy")
    })
    double = part._replace(**{
        k: getattr(single, k).double() for k in ("logp", "old", "reference", "entropy")
    })
    found = []
    for x, a in ((single, advantage.float()), (double, advantage.float().double())):
        x.logp.requires_grad_()
        loss, _ = loss_of(name, x, a, scale)
        found.append((loss.item(), made.gradient(loss, x).double()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4, abs=1e-5)
    error = (found[0][1] - found[1][1]).abs().max()
    assert float(error) < 1e-4 * float(found[1][1].abs().max())


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("name", NAMES)
def test_order_of_rows_does_not_matter(name, terms):
    if name == "clip_cov":
        pytest.skip("which tokens of the band are drawn goes by their order")
    part, advantage, scale = made.batch(6)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    loss, _ = loss_of(name, part, advantage, scale, **terms)
    other, _ = loss_of(name, made.chosen(part, order), advantage[order], scale, **terms)
    assert other.item() == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(made.gradient(other, part), made.gradient(loss, part))


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("name", NAMES)
def test_chunks_of_whole_groups_add_up(name, terms):
    record, _ = objective(name)
    if "additive" not in record.invariances:
        assert "whole" in record.needs
        return
    part, advantage, scale = made.batch(7, rows=40, groups=6)
    # the hinge of a trust region is one number for the batch; on-policy it is 0
    part = part._replace(old=None) if "trust" in record.needs else part
    whole, _ = loss_of(name, part, advantage, scale, **terms)
    total = 0.0
    for group in part.group.unique():
        rows = (part.group == group).nonzero()[:, 0]
        one, _ = loss_of(name, made.chosen(part, rows), advantage[rows], scale, **terms)
        total = total + one
    assert total.item() == pytest.approx(whole.item(), rel=1e-12)
    torch.testing.assert_close(made.gradient(total, part), made.gradient(whole, part))


@pytest.mark.parametrize("name", NAMES)
@in_turn("terms", TERMS)
@in_turn("off_policy", [False, True])
def test_rows_that_are_not_needed_add_nothing(name, off_policy, terms):
    part, advantage, scale = made.batch(8, rows=40, groups=12, off_policy=off_policy)
    record, options = objective(name, **terms)
    needs = parts.needed(record, options, off_policy=off_policy)
    columns = {k: getattr(part, k).numpy() for k in ("group", "solved", "foreign")}
    rows = parts.rows_needed(needs, advantage.numpy(), columns)
    if "all_rows" in needs:
        assert len(rows) == 40
        return
    assert 0 < len(rows) < 40
    # metrics and, for SFT's likes, the value: of the loss only the gradient is promised
    whole, _ = loss_of(name, part, advantage, scale, **terms)
    few, _ = loss_of(name, made.chosen(part, rows), advantage[rows], scale, **terms)
    torch.testing.assert_close(made.gradient(few, part), made.gradient(whole, part))


@pytest.mark.parametrize("name", NAMES)
def test_terms_that_touch_all_rows_say_so(name):
    record, options = objective(name, kl=0.1)
    if "kl" in record.options:
        assert {"all_rows", "reference"} <= parts.needed(record, options)
        assert "entropy" in parts.needed(record, {**options, "entropy": 0.01})
        assert not {"entropy", "reference"} & parts.needed(record, record.options)


@pytest.mark.parametrize("name", NAMES)
def test_the_advantage(name):
    record, _ = objective(name)
    part, advantage, scale = made.batch(9)
    slope = made.gradient(loss_of(name, part, advantage, scale)[0], part)
    twice = made.gradient(loss_of(name, part, 2 * advantage, scale)[0], part)
    if "linear" in record.invariances:
        torch.testing.assert_close(twice, 2 * slope)
    if "own_advantage" in record.invariances:
        assert torch.equal(twice, slope)
    held = advantage.clone().requires_grad_()
    loss_of(name, part, held, scale)[0].backward()
    assert held.grad is None
    if "own_advantage" not in record.invariances:  # one for each token does as well
        each, _ = loss_of(name, part, advantage[part.row], scale)
        torch.testing.assert_close(made.gradient(each, part), slope)


@pytest.mark.parametrize("name", NAMES)
def test_on_policy_is_what_an_equal_old_policy_gives(name):
    part, advantage, scale = made.batch(10, off_policy=False)
    slope = made.gradient(loss_of(name, part, advantage, scale)[0], part)
    same = part._replace(old=part.logp.detach().clone())
    torch.testing.assert_close(
        made.gradient(loss_of(name, same, advantage, scale)[0], part), slope, rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("name", NAMES)
@in_turn("bad", [math.nan, math.inf])
def test_nan_is_refused(name, bad):
    part, advantage, scale = made.batch(11)
    with pytest.raises(ArgumentError, match=r"`advantage` must be finite, got (nan|inf) \(1 of 12"):
        loss_of(name, part, torch.where(torch.arange(12) == 3, bad, advantage), scale)
    logp = torch.where(torch.arange(len(part.row)) == 3, bad, part.logp.detach())
    with pytest.raises(ArgumentError, match="`logp` must be finite"):
        loss_of(name, part._replace(logp=logp), advantage, scale)
    with pytest.raises(ArgumentError, match=r"`advantage` must have one entry for each of 12 rows"):
        loss_of(name, part, advantage[:5], scale)


@pytest.mark.parametrize("name", NAMES)
@in_turn("far", [-60.0, 60.0, 900.0])
def test_far_from_the_policy_that_sampled(name, far):
    part, advantage, scale = made.batch(12)
    old = torch.where(torch.arange(len(part.row)) % 3 == 0, part.logp.detach() - far, part.old)
    loss, _ = loss_of(name, part._replace(old=old), advantage, scale)
    assert math.isfinite(loss.item())
    assert torch.isfinite(made.gradient(loss, part)).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_column_is_named(name):
    part, advantage, scale = made.batch(13)
    record, options = objective(name)
    for column in record.needs & COLUMNS - {"logp", "solved"}:
        with pytest.raises(ArgumentError, match=rf"needs `Tokens[.]{column}`"):
            loss_of(name, part._replace(**{column: None}), advantage, scale)
    if "kl" in options:
        with pytest.raises(ArgumentError, match=r"needs `Tokens[.]reference`"):
            loss_of(name, part._replace(reference=None), advantage, scale, kl=0.1)
