"""SFT with weights by loss, and REDI."""

import math

import pytest

from gradatim.errors import ArgumentError

torch = pytest.importorskip("torch")
made = pytest.importorskip("token_batches")
imitation = pytest.importorskip("gradatim.learning.objectives_imitation")
parts = pytest.importorskip("gradatim.learning.objectives_parts")

WEIGHTINGS = sorted(imitation.WEIGHTINGS)


# -- weights by loss ------------------------------------------------------------------------------


def test_sample_weights_by_hand():
    # losses 1, 2, 3 -> h -1, 0, 1;  linupper 0, 1, 1;  quadratic 0, 1, 0;  extremes 1, 0, 1
    loss, e = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), math.e
    wanted = {
        "linupper": [1, e, e],
        "quadratic": [1, e, 1],
        "extremes": [e, 1, e],
        "upper": [1, math.sqrt(e), e],
    }
    for name, values in wanted.items():
        found = imitation.sample_weights(loss, name)
        assert found.tolist() == pytest.approx([x / sum(values) for x in values])
    # temperature 1/2 squares the odds
    found = imitation.sample_weights(loss, "linupper", temperature=0.5)
    assert (found[1] / found[0]).item() == pytest.approx(e**2)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_s180_weights_sum_to_one_and_do_not_know_the_scale_of_losses(name):
    make = torch.Generator().manual_seed(0)
    loss = torch.rand(50, generator=make, dtype=torch.float64)
    w = imitation.sample_weights(loss, name)
    assert w.sum().item() == pytest.approx(1)
    assert (w > 0).all()
    for moved in (3 * loss, loss + 1e6, 7 * loss - 40):
        torch.testing.assert_close(imitation.sample_weights(moved, name), w, rtol=1e-7, atol=0)
    even = torch.full((50,), 0.02, dtype=torch.float64)
    torch.testing.assert_close(imitation.sample_weights(loss, name, temperature=1e9), even)
    torch.testing.assert_close(imitation.sample_weights(torch.full_like(loss, 0.3), name), even)
    assert imitation.sample_weights(loss[:1], name).tolist() == [1.0]
    assert not len(imitation.sample_weights(loss[:0], name))


def test_s180_weights_are_monotone_as_they_are_named():
    loss = torch.linspace(0, 1, 21, dtype=torch.float64)
    steps = {name: imitation.sample_weights(loss, name).diff() for name in WEIGHTINGS}
    assert (steps["linupper"][:10] > 0).all()
    assert steps["linupper"][10:].abs().max() < 1e-15
    assert (steps["upper"] > 0).all()
    assert (steps["quadratic"][:10] > 0).all()
    assert (steps["quadratic"][10:] < 0).all()
    assert (steps["extremes"][:10] < 0).all()
    assert (steps["extremes"][10:] > 0).all()


def test_s180_a_redundant_set_is_learned_in_fewer_steps():
    """Nine tenths of the samples are one thing that is known already; the others are new."""

    def steps(weighting):
        logits = torch.zeros(6, 3, dtype=torch.float64)
        logits[0, 0] = 4.0
        problem = torch.tensor([0] * 90 + [1, 2, 3, 4, 5] * 2)
        for step in range(2000):
            held = logits.clone().requires_grad_()
            logp = held.log_softmax(1)[:, 0]
            if -logp.detach().mean().item() < 0.3:
                return step
            part = made.tokens(logp[problem])
            loss, _ = imitation.sft(
                part, torch.zeros(100), parts.Scale(100, 100, 1), weighting=weighting
            )
            (slope,) = torch.autograd.grad(loss, held)
            logits = (logits - 0.5 * slope).detach()
        return 2000

    assert steps("linupper") < 0.6 * steps("none") < 1000


# -- SFT ------------------------------------------------------------------------------------------


def test_who_is_imitated():
    part, a, scale = made.batch(0, rows=20)
    for solved, foreign in (
        (part.solved, part.foreign),
        (part.solved, None),
        (None, part.foreign),
        (None, None),
    ):
        held = part._replace(solved=solved, foreign=foreign)
        who = torch.ones(20, dtype=torch.bool)
        if solved is not None or foreign is not None:
            zero = torch.zeros(20, dtype=torch.bool)
            who = (zero if solved is None else solved) | (zero if foreign is None else foreign)
        means = torch.stack([v.mean() for v in part.logp.split(part.lengths.tolist())])
        plain = -means[who].sum() / 20
        loss, metrics = imitation.sft(held, a, scale)
        assert loss.item() == pytest.approx(plain.item())
        torch.testing.assert_close(made.gradient(loss, part), made.gradient(plain, part))
        assert metrics == {"rows": float(who.sum())}


def test_weighted_sft_is_the_weighted_sum_of_losses():
    part, a, scale = made.batch(1, rows=20)
    means = torch.stack([-v.mean() for v in part.logp.split(part.lengths.tolist())])
    who = part.solved | part.foreign
    w = imitation.sample_weights(means[who], "quadratic", temperature=0.4)
    plain = (w * means[who]).sum() * who.sum() / 20
    loss, _ = imitation.sft(part, a, scale, weighting="quadratic", temperature=0.4)
    assert loss.item() == pytest.approx(plain.item())
    torch.testing.assert_close(made.gradient(loss, part), made.gradient(plain, part))
    even, _ = imitation.sft(part, a, scale, weighting="quadratic", temperature=1e12)
    assert even.item() == pytest.approx(imitation.sft(part, a, scale)[0].item())


def test_nobody_to_imitate_is_no_loss():
    part, a, scale = made.batch(2, solved=False)
    part = part._replace(foreign=torch.zeros_like(part.foreign))
    for weighting in ("none", "linupper"):
        loss, _ = imitation.sft(part, a, scale, weighting=weighting)
        assert loss.item() == 0
        assert not made.gradient(loss, part).any()


def test_bad_options_are_refused():
    part, a, scale = made.batch(3)
    with pytest.raises(ArgumentError, match="did you mean 'linupper'"):
        imitation.sft(part, a, scale, weighting="lineupper")
    with pytest.raises(ArgumentError, match="`temperature` must lie in"):
        imitation.sft(part, a, scale, weighting="linupper", temperature=0.0)
    with pytest.raises(ArgumentError, match="`negative` must lie in"):
        imitation.redi(part, a, scale, negative=-0.5)


# -- REDI -----------------------------------------------------------------------------------------


def test_redi_by_hand():
    # right: mean log p = -1, wrong: (-1 - 3) / 2 = -2;  (1 + 0.8 x -2) / 2 = -0.3
    logp = torch.tensor([-1.0, -1.0, -3.0], dtype=torch.float64, requires_grad=True)
    part = made.tokens(logp, lengths=[1, 2], solved=[True, False])
    loss, _ = imitation.redi(part, torch.zeros(2), parts.Scale(2, 3, 2))
    assert loss.item() == pytest.approx(-0.3)
    assert made.gradient(loss, part).tolist() == pytest.approx([-0.5, 0.2, 0.2])


def test_s081_without_negatives_it_is_sft_and_with_them_symmetric():
    part, a, scale = made.batch(4, rows=20)
    part = part._replace(foreign=None)
    sft, _ = imitation.sft(part, a, scale)
    zero, _ = imitation.redi(part, a, scale, negative=0.0)
    assert zero.item() == pytest.approx(sft.item())
    torch.testing.assert_close(made.gradient(zero, part), made.gradient(sft, part))
    one, _ = imitation.redi(part, a, scale, negative=1.0)
    other, _ = imitation.redi(part._replace(solved=~part.solved), a, scale, negative=1.0)
    torch.testing.assert_close(made.gradient(one, part), -made.gradient(other, part))


def test_s081_a_middling_weight_improves_without_a_collapse_of_likelihood():
    """What presses the wrong reply lifts a third one more: logits 0 (right), -x (wrong), x."""

    def train(negative, steps=400):
        x = torch.zeros((), dtype=torch.float64)
        for _ in range(steps):
            held = x.clone().requires_grad_()
            logp = torch.stack([0 * held, -held, held]).log_softmax(0)
            part = made.tokens(logp[:2], solved=[True, False])
            loss, _ = imitation.redi(part, torch.zeros(2), parts.Scale(2, 2, 1), negative=negative)
            (slope,) = torch.autograd.grad(loss, held)
            x = (x - 0.2 * slope).detach()
        p = torch.stack([0 * x, -x, x]).softmax(0)
        return (p[0] / (p[0] + p[1])).item(), p[0].log().item()

    sft, middle, full = train(0.0), train(0.3), train(1.0)
    assert sft == pytest.approx((0.5, math.log(1 / 3)))
    # slope 0 where p(third) - p(wrong) = 0.3 / 0.7
    assert middle[0] > 0.6
    assert middle[1] > -1.3
    assert full[1] < -10  # any gain in the ratio is paid by the likelihood of both
