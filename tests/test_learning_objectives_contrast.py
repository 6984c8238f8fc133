"""DPO and DRPO on ragged groups."""

import math

import pytest

from gradatim.errors import ArgumentError

torch = pytest.importorskip("torch")
made = pytest.importorskip("token_batches")
contrast = pytest.importorskip("gradatim.learning.objectives_contrast")
objectives = pytest.importorskip("gradatim.learning.objectives")
parts = pytest.importorskip("gradatim.learning.objectives_parts")


def scores(part):
    return [v.mean() for v in part.logp.split(part.lengths.tolist())]


def row_slopes(loss, part):
    return parts.row_sums(made.gradient(loss, part), part)


def no_foreign(seed, **options):
    part, a, scale = made.batch(seed, **options)
    return part._replace(foreign=None), a, scale


# -- DPO ------------------------------------------------------------------------------------------


def test_dpo_is_all_pairs_of_a_group():
    part, a, scale = no_foreign(0, rows=30, groups=6)
    ratio = [v.sum() for v in (part.logp - part.reference).split(part.lengths.tolist())]
    total, mixed = 0.0, 0
    for group in part.group.unique():
        rows = (part.group == group).nonzero()[:, 0].tolist()
        good = [i for i in rows if part.solved[i]]
        bad = [i for i in rows if not part.solved[i]]
        each = [-torch.sigmoid(0.1 * (ratio[i] - ratio[j])).log() for i in good for j in bad]
        total = total + (sum(each) / len(each) if each else 0.0)
        mixed += bool(each)
    loss, metrics = contrast.dpo(part, a, scale)
    assert loss.item() == pytest.approx(total.item() / 6)
    torch.testing.assert_close(made.gradient(loss, part), made.gradient(total / 6, part))
    assert metrics == {"mixed": mixed}
    assert 0 < mixed < 6  # a group without a pair is counted in the mean


def test_dpo_by_hand():
    # margins 0.3 x (0.2 - -0.1) = 0.09: -log sigmoid(0.09), slope -0.3 sigmoid(-0.09)
    part = made.tokens(
        torch.tensor([-1.0, -2.0], dtype=torch.float64, requires_grad=True),
        reference=torch.tensor([-1.2, -1.9], dtype=torch.float64),
        group=[7, 7],
        solved=[True, False],
    )
    loss, _ = contrast.dpo(part, torch.zeros(2), parts.Scale(2, 2, 1), beta=0.3)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-0.09)))
    slope = 0.3 / (1 + math.exp(0.09))
    assert made.gradient(loss, part).tolist() == pytest.approx([-slope, slope])


def test_a_fresh_policy_loses_log_2_and_far_ones_stay_finite():
    part, a, scale = no_foreign(1, rows=8, groups=1)
    fresh = part._replace(reference=part.logp.detach())
    loss, _ = contrast.dpo(fresh, a, scale)
    assert loss.item() == pytest.approx(math.log(2))
    for away in (1e6, -1e6):
        reference = part.logp.detach() + torch.where(part.solved[part.row], away, -away)
        loss, _ = contrast.dpo(part._replace(reference=reference), a, scale)
        assert math.isfinite(loss.item())
        assert torch.isfinite(made.gradient(loss, part)).all()


def test_s045_a_foreign_reply_is_the_right_one_of_a_group_that_fails():
    """ExPO: an explanation of the answer gives an all-wrong group its positive."""
    part, a, scale = made.batch(2, rows=5, groups=1, solved=False)
    none = part._replace(foreign=torch.zeros(5, dtype=torch.bool))
    assert not made.gradient(contrast.dpo(none, a, scale)[0], part).any()
    one = part._replace(foreign=torch.arange(5) == 2)
    slope = row_slopes(contrast.dpo(one, a, scale)[0], part)
    assert slope[2] < 0
    assert (slope[[0, 1, 3, 4]] > 0).all()


def test_s079_pairs_without_a_gap_teach_nothing():
    """Two equal replies, one called right: what one gains the other loses."""
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    logp = logits.log_softmax(0)[[1, 1]]
    part = made.tokens(logp, reference=[-1.0, -1.0], group=[0, 0], solved=[True, False])
    loss, _ = contrast.dpo(part, torch.zeros(2), parts.Scale(2, 2, 1))
    (slope,) = torch.autograd.grad(loss, logits)
    assert slope.abs().max() < 1e-15


# -- DRPO -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0.1, 1.0, math.inf])
def test_drpo_is_the_formula_group_by_group(length):
    part, a, scale = no_foreign(3, rows=40, groups=9, off_policy=False)
    s, longest = scores(part), scale.longest
    total = 0.0
    for group in part.group.unique():
        rows = (part.group == group).nonzero()[:, 0].tolist()
        good = [i for i in rows if part.solved[i]]
        bad = [i for i in rows if not part.solved[i]]
        if not good or not bad:
            continue
        w = [math.exp((1 - int(part.lengths[i]) / longest) / length) for i in good]
        pull = sum(x * s[i] for x, i in zip(w, good, strict=True)) / sum(w)
        push = 2.0 * (sum((s[j] / 2.0).exp() for j in bad) / len(bad)).log()
        total = total - (pull - push)
    loss, metrics = contrast.drpo(part, a, scale, tau=2.0, length=length)
    assert loss.item() == pytest.approx(total.item() / scale.groups)
    torch.testing.assert_close(made.gradient(loss, part), made.gradient(total / scale.groups, part))
    assert metrics == {"kl": 0.0}


def test_s050_no_right_reply_is_ever_pressed():
    for seed in range(20):
        part, a, scale = no_foreign(seed, rows=30, groups=5, off_policy=False)
        slope = -row_slopes(contrast.drpo(part, a, scale)[0], part)  # upwards
        assert (slope[part.solved] >= 0).all()
        assert (slope[~part.solved] <= 0).all()
        for group in part.group.unique():
            rows = part.group == group
            good, bad = slope[rows & part.solved], slope[rows & ~part.solved]
            if len(good) and len(bad):  # weights add up to 1 on each side
                assert good.sum().item() == pytest.approx(1 / scale.groups)
                assert bad.sum().item() == pytest.approx(-1 / scale.groups)
            else:
                assert not slope[rows].any()


def test_s050_shorter_right_replies_weigh_more_and_a_large_temperature_makes_them_equal():
    lengths = torch.tensor([1, 3, 5, 7, 4])
    part = made.tokens(
        torch.full((20,), -1.0, dtype=torch.float64, requires_grad=True),
        lengths=lengths,
        group=[0] * 5,
        solved=[True] * 4 + [False],
    )
    a, scale = torch.zeros(5), parts.Scale(5, 20, 10)
    slope = -row_slopes(contrast.drpo(part, a, scale)[0], part)[:4]
    assert (slope.diff() < 0).all()
    # exp(-(length - 1) / 10 / 0.1) = 1, e^-2, e^-4, e^-6
    w = [math.exp(-2 * i) for i in range(4)]
    assert slope.tolist() == pytest.approx([x / sum(w) for x in w])
    equal = -row_slopes(contrast.drpo(part, a, scale, length=math.inf)[0], part)[:4]
    assert equal.tolist() == pytest.approx([0.25] * 4)


@pytest.mark.parametrize("tau", [0.1, 1.0, 10.0])
def test_s207_the_temperature_sets_how_much_the_hardest_wrong_reply_weighs(tau):
    logp = torch.tensor([-1.0, -0.5, -2.0, -4.0], dtype=torch.float64, requires_grad=True)
    part = made.tokens(logp, group=[0] * 4, solved=[True, False, False, False])
    loss, _ = contrast.drpo(part, torch.zeros(4), parts.Scale(4, 4, 1), tau=tau)
    slope = made.gradient(loss, part)[1:]
    wanted = [math.exp(s / tau) for s in (-0.5, -2.0, -4.0)]
    assert slope.tolist() == pytest.approx([x / sum(wanted) for x in wanted])


def test_drpo_holds_to_the_policy_that_sampled():
    part, a, scale = no_foreign(4, rows=20, groups=3)
    away = sum(v.mean() for v in (part.old - part.logp).split(part.lengths.tolist())) / 20
    free, _ = contrast.drpo(part._replace(old=None), a, scale)
    for beta in (0.0, 50.0):
        loss, _ = contrast.drpo(part, a, scale, beta=beta)
        hinge = beta * max(away.item() - 1e-4, 0.0)
        assert loss.item() == pytest.approx(free.item() + hinge * away.item())
        plain = free + hinge * away
        torch.testing.assert_close(made.gradient(loss, part), made.gradient(plain, part))
    assert away.item() != 0


def test_bad_options_are_refused():
    part, a, scale = no_foreign(5)
    with pytest.raises(ArgumentError, match="`beta` must lie in"):
        contrast.dpo(part, a, scale, beta=0.0)
    with pytest.raises(ArgumentError, match="`tau` must lie in"):
        contrast.drpo(part, a, scale, tau=-1.0)


# -- step by step ---------------------------------------------------------------------------------


def test_s047_a_planted_wrong_step_loses_probability():
    """Chains of 3 choices; choosing 1 at the second is harmless-looking and spoils the answer.

    Positives alone never see what is wrong; advantages of the steps press exactly that step.
    """

    def train(negatives):
        logits = torch.zeros(3, 2, dtype=torch.float64)
        logits[1, 1] = 2.0  # the habit
        start = logits[1].softmax(0)[1].item()
        for _ in range(200):
            held = logits.clone().requires_grad_()
            logp = held.log_softmax(1)
            # one right chain (0, 1, 0) made by luck, one wrong chain (0, 1, 1) with the habit
            right = torch.stack([logp[0, 0], logp[1, 1], logp[2, 0]])
            wrong = torch.stack([logp[0, 0], logp[1, 1], logp[2, 1]])
            a = torch.tensor([1.0, 1, 1, 0, 0, 0]) if not negatives else STEPS
            part = made.tokens(torch.cat([right, wrong]), lengths=[3, 3])
            loss, _ = objectives.reinforce(part, a.double(), parts.Scale(2, 6, 3))
            (slope,) = torch.autograd.grad(loss, held)
            logits = (logits - 0.3 * slope).detach()
        return start, logits[1].softmax(0)[1].item()

    start, kept = train(negatives=False)
    assert kept >= start
    start, lost = train(negatives=True)
    assert lost < 0.5 < start


STEPS = torch.tensor([0.0, 0, 1, 0, -1, -1])  # value after minus value before each step
