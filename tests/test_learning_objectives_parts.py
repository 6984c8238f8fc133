"""The four parts: SFT, REINFORCE, PPO, GRPO, GSPO and DPO are settings of one product."""

import math

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.learning import advantages
from gradatim.types import Slot

torch = pytest.importorskip("torch")
made = pytest.importorskip("token_batches")
parts = pytest.importorskip("gradatim.learning.objectives_parts")
objectives = pytest.importorskip("gradatim.learning.objectives")
contrast = pytest.importorskip("gradatim.learning.objectives_contrast")
imitation = pytest.importorskip("gradatim.learning.objectives_imitation")

INF = float("inf")


def same(loss, plain, part, *, value=True):
    """Both have the same gradient by the log-probabilities, and the same value."""
    if value:
        assert loss.item() == pytest.approx(plain.item(), rel=1e-9, abs=1e-12)
    torch.testing.assert_close(made.gradient(loss, part), made.gradient(plain, part))


def by_row(values, part):
    """Rows' values in a list, the plain way."""
    return list(values.split(part.lengths.tolist()))


def mean_over_rows(values, part):
    return sum(v.mean() for v in by_row(values, part)) / len(part.lengths)


# -- the product against the losses as they are written --------------------------------------------


def test_s090_one_product_gives_the_gradient_of_sft():
    part, a, scale = made.batch(0)
    plain = -mean_over_rows(part.logp, part)
    everything = part._replace(solved=None, foreign=None)
    same(imitation.sft(everything, a, scale)[0], plain, part)
    one = torch.ones_like(part.logp)
    count = parts.weights(part, scale, "sequence")
    product = parts.Parts(parts.everywhere(part), parts.own(part), one, count)
    same(parts.surrogate(part, product), plain, part, value=False)


def test_s090_one_product_gives_the_gradient_of_reinforce():
    part, a, scale = made.batch(1)
    plain = -sum(x * v.mean() for x, v in zip(a, by_row(part.logp, part), strict=True)) / 12
    same(objectives.reinforce(part, a, scale)[0], plain, part, value=False)
    # GRPO on-policy is the same
    fresh = part._replace(old=None)
    same(objectives.clip(fresh, a, scale)[0], plain, part, value=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(5))
def test_s090_one_product_is_ppo_to_the_last_bit(seed, dtype):
    part, a, scale = made.batch(seed, rows=60, dtype=dtype)
    ratio = (part.logp - part.old).exp()
    each = a[part.row]
    bound = torch.minimum(ratio * each, ratio.clamp(1 - 0.2, 1 + 0.3) * each)
    plain = -(bound * parts.weights(part, scale, "token")).sum()
    loss, metrics = objectives.clip(part, a, scale, low=0.2, high=0.3, aggregate="token")
    assert loss.item() == plain.item()
    assert torch.equal(made.gradient(loss, part), made.gradient(plain, part))
    assert 0 < metrics["clipped"] < 1


def test_s090_one_product_gives_grpo_with_its_kl():
    part, _, scale = made.batch(2)
    reward = part.solved.double().numpy()
    a, _ = advantages.grpo(reward, part.group.numpy())
    a = torch.from_numpy(a)
    # eq. 3 and 4 of arXiv:2402.03300, reply by reply
    total = 0.0
    columns = zip(*(by_row(x, part) for x in (part.logp, part.old, part.reference)), a, strict=True)
    for logp, old, reference, each in columns:
        ratio = (logp - old).exp()
        term = torch.minimum(ratio * each, ratio.clamp(0.8, 1.2) * each)
        away = (reference - logp).exp() - (reference - logp) - 1
        total = total - (term - 0.04 * away).mean() / 12
    loss, metrics = objectives.clip(part, a, scale, kl=0.04)
    same(loss, total, part)
    assert metrics["kl"] == pytest.approx(mean_over_rows(parts.kl(part), part).item())


def test_s090_one_product_gives_dpo():
    # one right and one wrong reply: the loss as it is written
    part = made.batch(3, rows=2, groups=1)[0]
    part = part._replace(solved=torch.tensor([True, False]), foreign=None)
    good, bad = (v.sum() for v in by_row(part.logp - part.reference, part))
    plain = -torch.nn.functional.logsigmoid(0.3 * (good - bad))
    loss, metrics = contrast.dpo(part, torch.zeros(2), made.scale(part), beta=0.3)
    same(loss, plain, part)
    assert metrics == {"mixed": 1.0}
    # its advantage: how wrong the preference still is
    a = 0.3 * torch.sigmoid(-0.3 * (good - bad)).item() * torch.tensor([1.0, -1.0])
    product = parts.Parts(parts.everywhere(part), parts.own(part), a.double()[part.row],
                          torch.ones_like(part.logp))  # fmt: skip
    same(parts.surrogate(part, product), plain, part, value=False)


def test_clip_higher_and_dual_clip_are_settings():
    part, a, scale = made.batch(4, rows=60)
    old = part.logp.detach() + 3 * (part.old - part.logp.detach())  # ratios far from 1, too
    part = part._replace(old=old)
    ratio, each = (part.logp - part.old).exp(), a[part.row]
    clipped = torch.maximum(-ratio * each, -ratio.clamp(0.8, 1.2) * each)
    dual = torch.where(each < 0, torch.minimum(clipped, -1.5 * each), clipped)
    assert (dual != clipped).any()
    loss, _ = objectives.clip(part, a, scale, dual=1.5, aggregate="token")
    same(loss, dual.sum() / scale.tokens, part)
    table = objectives.OBJECTIVES
    assert (table["clip_higher"].options["high"], table["dual_clip"].options["dual"]) == (0.28, 3.0)
    with pytest.raises(ArgumentError, match="`dual` must lie in"):
        objectives.clip(part, a, scale, dual=0.5)


def test_gspo_off_policy_is_the_ratio_of_the_whole_reply():
    part, a, scale = made.batch(5, rows=40)
    total = 0.0
    for logp, old, each in zip(by_row(part.logp, part), by_row(part.old, part), a, strict=True):
        s = (logp - old).mean().exp()  # eq. 7
        total = total - torch.minimum(s * each, s.clamp(0.9, 1.1) * each) / 40
    loss, metrics = objectives.gspo(part, a, scale, low=0.1, high=0.1)
    same(loss, total, part)
    assert 0 < metrics["clipped"] < 1


def test_gspo_on_policy_is_grpo():
    part, a, scale = made.batch(6, off_policy=False)
    same(objectives.gspo(part, a, scale)[0], objectives.clip(part, a, scale)[0], part)


def test_gspo_holds_back_all_tokens_of_a_reply_or_none():
    part, a, scale = made.batch(7, rows=40)
    slope = made.gradient(objectives.gspo(part, a, scale, low=0.1, high=0.1)[0], part)
    for each in by_row(slope != 0, part):
        assert each.all() or not each.any()


def test_cispo_keeps_every_gradient():
    part, a, scale = made.batch(8, rows=40)
    weight = (part.logp - part.old).exp().clamp(max=1.2).detach()
    plain = -(weight * a[part.row] * part.logp).sum() / scale.tokens
    loss, metrics = objectives.cispo(part, a, scale, high=0.2)
    same(loss, plain, part, value=False)
    assert 0 < metrics["capped"] < 1


def test_s170_own_replies_go_by_their_ratio_and_refinements_by_their_shaping():
    part, a, scale = made.batch(9, rows=30)
    p, ratio = part.logp.exp(), (part.logp - part.old).exp()
    f = torch.where(part.foreign[part.row], p / (p + 0.1), ratio)
    plain = -mean_over_rows(f * a[part.row], part)
    same(objectives.shaped(part, a, scale)[0], plain, part)
    # f rises with p and stays below 1; f'(p) p is largest at p = gamma
    p = torch.linspace(0.001, 1, 400, dtype=torch.float64)
    one = made.tokens(p.log().requires_grad_(), foreign=[True] * 400)
    lift = -made.gradient(objectives.shaped(one, torch.ones(400), parts.Scale(1, 1, 1))[0], one)
    assert (lift > 0).all()
    assert p[lift.argmax()].item() == pytest.approx(0.1, abs=0.003)


def test_hpt_is_reinforce_on_own_replies_and_imitation_on_foreign_ones():
    part, a, scale = made.batch(10, rows=30)
    foreign = part.foreign[part.row]
    own = -(a[part.row] * part.logp)[~foreign].sum() / (30 * scale.longest)
    plain = own - 0.3 * part.logp[foreign].mean()
    loss, _ = objectives.hpt(part, a, scale, coefficient=0.3)
    same(loss, plain, part, value=False)
    nobody = part._replace(foreign=torch.zeros_like(part.foreign))
    dr_grpo, _ = objectives.reinforce(part, a, scale, aggregate="constant")
    same(objectives.hpt(nobody, a, made.scale(nobody))[0], dr_grpo, part)


def test_rloo_is_dr_grpo_times_g_over_g_minus_1():
    part, _, scale = made.batch(11, rows=12)
    group, reward = np.arange(12) // 4, part.solved.double().numpy()
    slopes = []
    for name in ("rloo", "dr_grpo"):
        a, _ = advantages.ADVANTAGES[name].suggest(_of(reward, group))
        loss, _ = objectives.reinforce(part, torch.from_numpy(a), scale)
        slopes.append(made.gradient(loss, part))
    torch.testing.assert_close(slopes[0], slopes[1] * 4 / 3)


def _of(reward, group):
    from types import SimpleNamespace

    size = len(group)
    columns = {"role": np.zeros(size, int), "mask": np.ones(size, bool)}
    return SimpleNamespace(reward=reward, group=group, **columns)


# -- masks, weights -------------------------------------------------------------------------------


def test_surrogate_by_hand():
    # ratios 2 and 1/2, advantages 3 and -1, counts 1/2 and 1: -(2 x 3 / 2 - 1 / 2) = -2.5
    part = made.tokens(torch.tensor([0.5, 0.25]).log().requires_grad_())
    reference = torch.tensor([0.25, 0.5]).log()
    a, count = torch.tensor([3.0, -1.0]), torch.tensor([0.5, 1.0])
    both = parts.Parts(torch.tensor([True, True]), reference, a, count)
    assert parts.surrogate(part, both).item() == pytest.approx(-2.5)
    # the first is held back: its value is 7 x 1/2 and it has no gradient
    second = both._replace(stable=torch.tensor([False, True]))
    loss = parts.surrogate(part, second, beyond=torch.tensor([7.0, 7.0]))
    assert loss.item() == pytest.approx(-3.5 + 0.5)
    assert made.gradient(loss, part).tolist() == pytest.approx([0.0, 0.5])


def test_weights_of_rows():
    part, a, scale = made.batch(12)
    w = torch.linspace(0, 2, 12)
    plain = -sum(
        x * float(u) * v.mean() for x, u, v in zip(a, w, by_row(part.logp, part), strict=True)
    )
    weighed = part._replace(weight=w)
    same(objectives.reinforce(weighed, a, scale)[0], plain / 12, part, value=False)
    # the KL term counts every row alike, but for its own factors
    free, _ = objectives.reinforce(weighed, a, scale)
    held, metrics = objectives.reinforce(weighed, a, scale, kl=2.0)
    assert (held - free).item() == pytest.approx(2 * mean_over_rows(parts.kl(part), part).item())
    assert metrics["kl"] == pytest.approx((held - free).item() / 2)


def test_s068_the_kl_term_can_be_laid_on_chosen_rows():
    part, a, scale = made.batch(13)
    only = part._replace(kl_scale=(a > 0).double())
    term = objectives.reinforce(only, a, scale, kl=1.0)[0] - objectives.reinforce(only, a, scale)[0]
    slope = made.gradient(term, part)
    assert not slope[(a <= 0)[part.row]].any()
    assert slope[(a > 0)[part.row]].any()


def test_entropy_bonus():
    part, a, scale = made.batch(14)
    entropy = (part.logp * 2).detach().neg().requires_grad_()
    held = part._replace(entropy=entropy)
    loss, metrics = objectives.clip(held, a, scale, entropy=0.5, aggregate="token")
    (slope,) = torch.autograd.grad(loss, entropy)
    torch.testing.assert_close(slope, torch.full_like(slope, -0.5 / scale.tokens))
    assert metrics["entropy"] == pytest.approx(entropy.mean().item())


# -- KL -------------------------------------------------------------------------------------------


def test_kl_by_hand():
    # policy 1/2, reference 1/4: log ratio -log 2;  k1 log 2, k2 log(2)^2 / 2, k3 1/2 - 1 + log 2
    part = made.tokens(torch.tensor([0.5]).log(), reference=torch.tensor([0.25]).log())
    wanted = {"k1": math.log(2), "k2": math.log(2) ** 2 / 2, "k3": math.log(2) - 0.5}
    for name, value in wanted.items():
        assert parts.kl(part, name).item() == pytest.approx(value)
    with pytest.raises(ArgumentError, match="`estimator` must be one of k1, k2, k3"):
        parts.kl(part, "k4")


def test_what_each_estimator_estimates():
    """Expectations over all outcomes of a policy of 5, no sampling: values, then gradients."""
    make = torch.Generator().manual_seed(0)
    logits = torch.randn(5, generator=make, dtype=torch.float64, requires_grad=True)
    other = torch.randn(5, generator=make, dtype=torch.float64).log_softmax(0)
    logp = logits.log_softmax(0)
    p = logp.exp().detach()
    exact = (logp.exp() * (logp - other)).sum()
    (reverse,) = torch.autograd.grad(exact, logits, retain_graph=True)
    forward = (other.exp() * (other - logp)).sum()
    (forward,) = torch.autograd.grad(forward, logits, retain_graph=True)
    part = made.tokens(logp, reference=other)
    slopes = {}
    for name in parts.ESTIMATORS:
        mean = (p * parts.kl(part, name)).sum()
        if name != "k2":
            assert mean.item() == pytest.approx(exact.item())
        (slopes[name],) = torch.autograd.grad(mean, logits, retain_graph=True)
    torch.testing.assert_close(slopes["k1"], torch.zeros_like(p))
    torch.testing.assert_close(slopes["k2"], reverse)
    torch.testing.assert_close(slopes["k3"], forward)
    assert float((forward - reverse).abs().max()) > 0.01


def test_k3_is_finite_far_from_the_reference():
    part = made.tokens(torch.tensor([-500.0], requires_grad=True), reference=torch.zeros(1))
    each = parts.kl(part)
    assert torch.isfinite(each).all()
    assert torch.isfinite(made.gradient(each.sum(), part)).all()


def test_s102_kl_to_a_clone_of_the_demonstrations_saves_steps():
    """A policy of 6 actions, one right; the clone has seen demonstrations of it."""

    def steps(demonstrations):
        clone = torch.ones(6, dtype=torch.float64)
        clone[2] += demonstrations
        reference = (clone / clone.sum()).log()
        logits = torch.zeros(6, dtype=torch.float64, requires_grad=True)
        reward = torch.tensor([0.0, 0, 1, 0, 0, 0], dtype=torch.float64)
        for step in range(400):
            logp = logits.log_softmax(0)
            p = logp.exp().detach()
            if p[2] > 0.8:
                return step
            part = made.tokens(logp, reference=reference, weight=p)
            a = reward - (p * reward).sum()
            # exact expectation: each action counts with its probability, in both terms
            held = part._replace(kl_scale=p)
            one = parts.Scale(1, 1, 1)
            loss, _ = objectives.reinforce(held, a, one, kl=0.3, estimator="k2")
            (slope,) = torch.autograd.grad(loss, logits)
            logits = (logits - 0.5 * slope).detach().requires_grad_()
        return 400

    needed = [steps(n) for n in (1, 4, 16)]
    assert 400 > needed[0] > needed[1] > needed[2] > 0


# -- what a trainer must give ---------------------------------------------------------------------


def test_needed():
    record = Slot(suggest=parts.kl, needs=frozenset({"logp", "trust"}))
    assert parts.needed(record, {}) == {"logp", "trust"}
    assert parts.needed(record, {}, off_policy=True) == {"logp", "trust", "all_rows"}
    assert parts.needed(record, {"kl": 0.1}) >= {"reference", "all_rows"}
    assert parts.needed(record, {"entropy": 0.1}) >= {"entropy", "all_rows"}
    assert "whole" in parts.needed(record, {"weighting": "linupper"})
    assert "whole" not in parts.needed(record, {"weighting": "none"})


def test_rows_needed_by_hand():
    columns = {
        "group": np.array([0, 0, 1, 1, 2, 2, 3]),
        "solved": np.array([1, 0, 1, 1, 0, 0, 1], bool),
        "foreign": np.array([0, 0, 0, 0, 1, 0, 0], bool),
        "mask": np.array([1, 1, 1, 0, 1, 1, 1], bool),
    }
    a = np.array([0.5, -0.5, 0, 0.2, 0, 0, 0])

    def rows(*needs, **changes):
        return parts.rows_needed(frozenset(needs), a, {**columns, **changes}).tolist()

    assert rows("logp") == [0, 1]  # row 3 is masked
    assert rows("logp", "foreign") == [0, 1, 4]
    assert rows("all_rows") == rows("all_rows", "whole") == [0, 1, 2, 4, 5, 6]
    assert rows("whole") == [0, 1]
    assert rows("solved_rows") == [0, 2, 4, 6]
    assert rows("mixed_rows") == [0, 1, 4, 5]  # the foreign reply of group 2 is a right one
    assert rows("mixed_rows", foreign=None) == [0, 1]
    # a mask takes the only wrong reply out of group 0
    assert rows("mixed_rows", mask=np.array([1, 0, 1, 1, 1, 1, 1], bool)) == [4, 5]


def test_padded_columns_become_flat_ones():
    part, a, scale = made.batch(16)
    n = len(part.lengths)
    place = torch.cat([torch.arange(k) for k in part.lengths.tolist()])
    mask = torch.zeros(n, 9, dtype=torch.int64)
    mask[part.row, place + 2] = 1  # room on both sides

    def padded(values):
        wide = torch.full((n, 9), math.nan, dtype=torch.float64)
        return wide.index_put((part.row, place + 2), values)

    by_token = {k: padded(getattr(part, k)) for k in ("old", "reference", "entropy")}
    by_row = {"group": part.group, "solved": part.solved}
    found = parts.flat(mask, padded(part.logp), by_token, by_row)
    assert torch.equal(found.row, part.row)
    assert torch.equal(found.lengths, part.lengths)
    assert torch.equal(found.reference, part.reference)
    assert found.foreign is None
    loss, _ = objectives.clip(found, a, scale, kl=0.1)
    same(loss, objectives.clip(part, a, scale, kl=0.1)[0], part)
    with pytest.raises(ArgumentError, match="row 3 has none"):
        parts.flat(mask * (torch.arange(n) != 3)[:, None], padded(part.logp))
    with pytest.raises(ArgumentError, match=r"`by_token` has no 'olds'.*did you mean 'old'"):
        parts.flat(mask, padded(part.logp), {"olds": None})


def test_tokens_and_advantages_must_fit():
    part, a, scale = made.batch(15)
    with pytest.raises(ArgumentError, match="axis 'token' is"):
        objectives.clip(part._replace(logp=part.logp[:-1]), a, scale)
    with pytest.raises(ArgumentError, match="`advantage` must have one entry"):
        objectives.clip(part, a[:, None], scale)
