"""Clip-Cov and KL-Cov: which tokens are touched, what becomes of them, and what of the entropy."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
made = pytest.importorskip("token_batches")
covariance = pytest.importorskip("gradatim.learning.objectives_covariance")
objectives = pytest.importorskip("gradatim.learning.objectives")
parts = pytest.importorskip("gradatim.learning.objectives_parts")


def test_covariance_by_hand():
    # log-probabilities -3, -1, -1, -3 (mean -2), advantages 2, 2, 0, 0 (mean 1)
    found = covariance.covariance(
        torch.tensor([-3.0, -1.0, -1.0, -3.0]), torch.tensor([2.0, 2.0, 0.0, 0.0])
    )
    assert found.tolist() == [-1.0, 1.0, -1.0, 1.0]
    # no matter where either lies
    shifted = covariance.covariance(
        torch.tensor([-3.0, -1.0, -1.0, -3.0]).double() + 1e6,
        torch.tensor([2.0, 2.0, 0.0, 0.0]).double() - 1e6,
    )
    assert shifted.tolist() == [-1.0, 1.0, -1.0, 1.0]


def one_token_rows(n, seed=0, off_policy=False):
    make = torch.Generator().manual_seed(seed)
    logp = -3 * torch.rand(n, generator=make, dtype=torch.float64)
    a = torch.randn(n, generator=make, dtype=torch.float64)
    old = logp + 0.2 * torch.randn(n, generator=make, dtype=torch.float64) if off_policy else None
    return made.tokens(logp.clone().requires_grad_(), old), a, parts.Scale(n, n, 1)


@pytest.mark.parametrize(("n", "share", "touched"), [(40, 2e-4, 1), (40, 0.1, 4), (999, 0.01, 9)])
def test_number_of_touched_tokens_is_exact(n, share, touched):
    part, a, scale = one_token_rows(n, off_policy=True)
    _, metrics = covariance.kl_cov(part, a, scale, share=share)
    assert metrics == {"chosen": touched}
    free = covariance.clip_cov(part, a, scale, share=share, band=(0.0, 99.0), epsilon=0.9)
    plain = objectives.clip(part, a, scale, low=0.9, high=0.9, aggregate="token")
    assert free[1]["chosen"] == touched
    differ = made.gradient(free[0], part) != made.gradient(plain[0], part)
    assert int(differ.sum()) == touched
    assert not made.gradient(free[0], part)[differ].any()


def test_kl_cov_on_the_first_step_is_minus_the_advantage():
    part, a, scale = one_token_rows(50)
    loss, _ = covariance.kl_cov(part, a, scale, share=0.2)
    assert loss.item() == pytest.approx(-a.mean().item())
    plain, _ = objectives.reinforce(part, a, scale, aggregate="token")
    assert torch.equal(made.gradient(loss, part), made.gradient(plain, part))


def test_kl_cov_off_policy_by_hand():
    # ratios 1/2 and 2 and 1, A 1, -1, 0: covariance picks the first (logp -1 against -2, -3):
    # mean logp -2, mean A 0: 1 x 1 = 1, 0 x -1 = 0, -1 x 0 = 0
    part = made.tokens(
        torch.tensor([-1.0, -2.0, -3.0], dtype=torch.float64, requires_grad=True),
        torch.tensor([-1.0, -2.0, -3.0], dtype=torch.float64) + torch.tensor([2.0, 0.5, 1]).log(),
    )
    a = torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64)
    loss, metrics = covariance.kl_cov(part, a, parts.Scale(3, 3, 1), share=0.4, coefficient=0.5)
    assert metrics == {"chosen": 1.0}
    # -(1/2 - 2 + 0) / 3 + 1/2 |log 1/2| / 3
    assert loss.item() == pytest.approx((1.5 + 0.5 * torch.tensor(2.0).log().item()) / 3)
    # by logp: -ratio A, and 1/2 sign(log ratio) for the first
    assert made.gradient(loss, part).tolist() == pytest.approx([(-0.5 - 0.5) / 3, 2 / 3, 0.0])


def test_equal_covariances_are_taken_in_order():
    part = made.tokens(torch.zeros(9, dtype=torch.float64, requires_grad=True), torch.ones(9))
    loss, _ = covariance.kl_cov(part, torch.zeros(9), parts.Scale(9, 9, 1), share=0.34)
    assert made.gradient(loss, part).nonzero()[:, 0].tolist() == [0, 1, 2]


def test_an_empty_band_leaves_clip():
    part, a, scale = one_token_rows(60, off_policy=True)
    loss, metrics = covariance.clip_cov(part, a, scale, band=(50.0, 60.0), epsilon=0.2)
    plain, _ = objectives.clip(part, a, scale, aggregate="token")
    assert metrics["chosen"] == 0
    assert loss.item() == plain.item()
    assert torch.equal(made.gradient(loss, part), made.gradient(plain, part))


def test_clip_cov_draws_only_inside_the_band_and_not_what_is_clipped():
    part, a, scale = one_token_rows(400, off_policy=True)
    loss, metrics = covariance.clip_cov(part, a, scale, share=1.0, band=(0.2, 0.5), epsilon=0.1)
    cov = covariance.covariance(part.logp, a)
    plain, _ = objectives.clip(part, a, scale, low=0.1, high=0.1, aggregate="token")
    before, after = made.gradient(plain, part), made.gradient(loss, part)
    lost = (before != 0) & (after == 0)
    assert ((cov > 0.2) & (cov < 0.5))[lost].all()
    assert int(lost.sum()) == metrics["chosen"] > 0
    again, _ = covariance.clip_cov(part, a, scale, share=0.01, band=(0.2, 0.5))
    twice, _ = covariance.clip_cov(part, a, scale, share=0.01, band=(0.2, 0.5))
    assert torch.equal(made.gradient(again, part), made.gradient(twice, part))


# -- entropy --------------------------------------------------------------------------------------


def policy(seed, n=8, peak=2.0):
    make = torch.Generator().manual_seed(seed)
    return peak * torch.randn(n, generator=make, dtype=torch.float64)


def entropy(logits):
    return torch.special.entr(logits.softmax(0)).sum().item()


def test_s147_the_covariance_predicts_the_change_of_entropy():
    """One exact policy-gradient step of a softmax policy, for many policies and rewards."""
    signs = 0
    for seed in range(40):
        logits, reward = policy(seed), policy(1000 + seed, peak=1.0)
        p = logits.softmax(0)
        a = reward - (p * reward).sum()
        held = logits.clone().requires_grad_()
        # actions weighed by their probability: the expectation of REINFORCE, not a sample
        part = made.tokens(held.log_softmax(0), weight=p)
        loss, _ = objectives.reinforce(part, a, parts.Scale(1, 1, 1))
        (slope,) = torch.autograd.grad(loss, held)
        rate = 1e-4
        change = entropy(logits - rate * slope) - entropy(logits)
        # theorem 1: - rate x cov(log p, step), the step of a softmax policy being p x a
        logp = p.log()
        step = p * a
        predicted = -rate * (p * (logp - (p * logp).sum()) * (step - (p * step).sum())).sum()
        assert change == pytest.approx(predicted.item(), rel=2e-2, abs=1e-9)
        signs += (change < 0) == ((p * logp * a).sum() > 0)
    assert signs >= 36  # the plain covariance has the sign in all but a few


def test_s147_entropy_stays_above_that_of_grpo_at_equal_reward():
    """A policy of 30 actions, 6 of them right, trained for some batches with several passes."""

    def train(objective, **options):
        make = torch.Generator().manual_seed(0)
        logits = policy(3, n=30, peak=1.5)
        right = torch.arange(30) % 5 == 0
        trace = []
        for _ in range(100):
            p = logits.softmax(0)
            trace.append((p[right].sum().item(), entropy(logits)))
            drawn = torch.multinomial(p, 400, replacement=True, generator=make)
            reward = right[drawn].double()
            a = (reward - reward.mean()) / (reward.std() + 1e-6)
            old = p.log()[drawn]
            for _ in range(4):
                held = logits.clone().requires_grad_()
                part = made.tokens(held.log_softmax(0)[drawn], old)
                loss, _ = objective(part, a, parts.Scale(400, 400, 1), **options)
                (slope,) = torch.autograd.grad(loss, held)
                logits = (logits - 0.1 * slope).detach()
        return trace

    def at(trace, level):
        return np.interp(level, *zip(*trace, strict=True))

    free = train(objectives.clip, low=1.0, high=1.0, aggregate="token")
    clipped = train(objectives.clip, aggregate="token")
    kl_cov = train(covariance.kl_cov, share=0.2, coefficient=2.0)
    clip_cov = train(covariance.clip_cov, share=0.2, band=(0.5, 5.0))
    for level in (0.6, 0.7, 0.8):
        assert at(kl_cov, level) > at(clipped, level)
        assert at(clip_cov, level) > at(free, level)
