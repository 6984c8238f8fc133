import math

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.learning.advantages import grpo
from gradatim.types import Use

torch = pytest.importorskip("torch")
objectives = pytest.importorskip("gradatim.learning.objectives")
loop = pytest.importorskip("gradatim.engine.loop")
model = pytest.importorskip("gradatim.solvers.tiny_model")
tiny = pytest.importorskip("gradatim.solvers.tiny")

LENGTHS = [3, 1, 2]
ROW = torch.tensor([0, 0, 0, 1, 2, 2])


def tokens(logp, old=None, lengths=LENGTHS):
    row = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    return objectives.Tokens(logp, old, row, torch.tensor(lengths))


def log(*ratios):
    return torch.tensor([math.log(r) for r in ratios], dtype=torch.float64)


# -- the clipped surrogate by hand --------------------------------------------------------------


def test_clip_by_hand():
    # ratios  row 0: 1.5, 1.0, 0.5   row 1: 0.7   row 2: 1.5, 0.9;  A = 2, 1, -1
    # low .2, high .3: clipped ratios 1.3, 1.0, 0.8 | 0.8 | 1.3, 0.9
    # plain x A   3.0, 2.0, 1.0 |  0.7 | -1.5, -0.9
    # clipped x A 2.6, 2.0, 1.6 |  0.8 | -1.3, -0.9
    # minimum     2.6, 2.0, 1.0 |  0.7 | -1.5, -0.9: only the first is below plain, 1 of 6
    # sequence: (5.6/3 + 0.7/1 - 2.4/2) / 3 = (1.866667 + 0.7 - 1.2) / 3 = 0.455556
    # token: (5.6 + 0.7 - 2.4) / 6 = 0.65; constant, 4 longest: 3.9 / 12 = 0.325
    part = tokens(log(1.5, 1.0, 0.5, 0.7, 1.5, 0.9), torch.zeros(6, dtype=torch.float64))
    a = torch.tensor([2.0, 1.0, -1.0], dtype=torch.float64)
    scale = objectives.Scale(rows=3, tokens=6, longest=4)
    for aggregate, wanted in (("sequence", 4.1 / 9), ("token", 0.65), ("constant", 0.325)):
        loss, metrics = objectives.clip(part, a, scale, low=0.2, high=0.3, aggregate=aggregate)
        assert loss.item() == pytest.approx(-wanted)
        assert metrics == {"clipped": pytest.approx(1 / 6)}


def test_clip_removes_the_gradient_on_one_side_only():
    # A > 0: nothing is learned above 1 + high; A < 0: nothing below 1 - low
    logp = log(1.5, 0.5, 1.1, 1.5, 0.5, 0.9).requires_grad_()
    part = tokens(logp, torch.zeros(6, dtype=torch.float64), [3, 3])
    a = torch.tensor([1.0, -1.0], dtype=torch.float64)
    loss, metrics = objectives.clip(part, a, objectives.Scale(2, 6, 3), aggregate="token")
    loss.backward()
    # d(ratio A)/d logp = ratio A; mean over 6 tokens, and the loss is minus it
    wanted = -torch.tensor([0.0, 0.5, 1.1, -1.5, 0.0, -0.9], dtype=torch.float64) / 6
    torch.testing.assert_close(logp.grad, wanted)
    assert metrics["clipped"] == pytest.approx(2 / 6)


def test_on_policy_is_reinforce():
    logp = log(0.2, 0.3, 0.4, 0.5, 0.6, 0.7).requires_grad_()
    a = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    loss, metrics = objectives.clip(tokens(logp), a, objectives.Scale(3, 6, 3))
    loss.backward()
    # the value is -mean A; the gradient of token t is -A / (rows x length of its row)
    assert loss.item() == pytest.approx(-(1 - 2 + 0.5) / 3)
    wanted = [-1 / 9] * 3 + [2 / 3] + [-0.5 / 6] * 2
    assert logp.grad.tolist() == pytest.approx(wanted)
    assert metrics == {"clipped": 0.0}
    assert a.grad is None
    same = logp.detach().clone()
    on = objectives.clip(tokens(logp, same), a, objectives.Scale(3, 6, 3))
    assert on[0].item() == pytest.approx(loss.item())


def test_weights_add_up():
    part = tokens(torch.zeros(6, dtype=torch.float64))
    scale = objectives.Scale(rows=3, tokens=6, longest=4)
    each = {name: objectives.weights(part, scale, name) for name in objectives.AGGREGATIONS}
    assert each["sequence"].tolist() == pytest.approx([1 / 9] * 3 + [1 / 3] + [1 / 6] * 2)
    assert each["token"].tolist() == pytest.approx([1 / 6] * 6)
    assert each["constant"].tolist() == pytest.approx([1 / 12] * 6)
    with pytest.raises(ArgumentError, match="did you mean 'token'"):
        objectives.weights(part, scale, "tokens")
    with pytest.raises(ArgumentError, match="`aggregate`"):
        objectives.clip(part, torch.zeros(3), scale, aggregate="mean")


def test_no_rows_and_huge_numbers():
    nothing = objectives.Tokens(
        torch.zeros(0), None, torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    )
    loss, metrics = objectives.clip(nothing, torch.zeros(0), objectives.Scale(4, 9, 3))
    assert loss.item() == 0.0
    assert metrics == {"clipped": 0.0}
    # a ratio that overflows is cut where the advantage is positive
    logp = torch.tensor([200.0], requires_grad=True)
    far = objectives.Tokens(
        logp, torch.zeros(1), torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64)
    )
    loss, _ = objectives.clip(far, torch.ones(1), objectives.Scale(1, 1, 1))
    assert loss.item() == pytest.approx(-1.2)


# -- the gradient -------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregate", ["sequence", "token", "constant"])
def test_gradient_against_finite_differences(aggregate):
    """A policy of 2 parameters over 3 tokens: logits (x, y, x y) at every place."""
    drawn = torch.tensor([0, 1, 2, 2, 1, 0])
    a = torch.tensor([1.3, -0.4, 0.7], dtype=torch.float64)
    # kinks lie at ratios 0.8 and 1.2; these stand clear of them on both sides
    old = torch.tensor([-1.0, -1.2, -1.1, -0.6, -1.4, -1.9], dtype=torch.float64)
    scale = objectives.Scale(3, 6, 5)

    def loss(p):
        x, y = p
        logits = torch.stack([x, y, x * y])
        part = tokens(logits.log_softmax(0)[drawn], old)
        return objectives.clip(part, a, scale, aggregate=aggregate)[0]

    p = torch.tensor([0.3, -0.5], dtype=torch.float64, requires_grad=True)
    x, y = p.tolist()
    logp = torch.tensor([x, y, x * y]).log_softmax(0)[drawn].double()
    ratios = (logp - old).exp()
    assert float(torch.minimum((ratios - 0.8).abs(), (ratios - 1.2).abs()).min()) > 0.01
    assert 0 < int(((ratios < 0.8) | (ratios > 1.2)).sum()) < 6  # some are clipped, some are not
    (gradient,) = torch.autograd.grad(loss(p), p)
    h = 1e-6
    for i in range(2):
        step = torch.zeros(2, dtype=torch.float64)
        step[i] = h
        with torch.no_grad():
            slope = (loss(p + step) - loss(p - step)) / (2 * h)
        assert float(gradient[i]) == pytest.approx(float(slope), rel=1e-6, abs=1e-9)
    assert float(gradient.abs().min()) > 1e-3


@pytest.mark.parametrize("aggregate", ["sequence", "token", "constant"])
@pytest.mark.parametrize("off_policy", [False, True])
def test_equals_a_loop_over_sequences(aggregate, off_policy):
    make = torch.Generator().manual_seed(3)
    lengths = [4, 1, 7, 2, 2]
    logp = -torch.rand(sum(lengths), generator=make, dtype=torch.float64) * 3
    old = logp + 0.4 * torch.randn(len(logp), generator=make, dtype=torch.float64)
    a = torch.randn(5, generator=make, dtype=torch.float64)
    total, begin = 0.0, 0
    for n, advantage in zip(lengths, a.tolist(), strict=True):
        row = 0.0
        for t in range(begin, begin + n):
            r = math.exp(float(logp[t] - old[t])) if off_policy else 1.0
            row += min(r * advantage, min(max(r, 0.9), 1.5) * advantage)
        divide = {"sequence": n * 5, "token": sum(lengths), "constant": 5 * 9}[aggregate]
        total += row / divide
        begin += n
    found, _ = objectives.clip(
        tokens(logp, old if off_policy else None, lengths),
        a,
        objectives.Scale(5, sum(lengths), 9),
        low=0.1,
        high=0.5,
        aggregate=aggregate,
    )
    assert float(found) == pytest.approx(-total)


# -- in the learner -----------------------------------------------------------------------------


def step(aggregate="sequence", **changes):
    """A learner, a step's replies and their advantages; some groups have none."""
    torch.set_num_threads(1)
    use = Use("clip", {"aggregate": aggregate})
    learner = loop.Learner(tiny.load(), rate=1e-3, ramp=1, objective=use)
    prompts = [model.encode(p) for p in ("r343=", "s8701=", "c30026.........=", "f4ACAdbCCd=")]
    counts = np.array([4, 6, 3, 5])
    rollouts = learner.sample(prompts, counts, limit=10, seed=("test",))
    reward = np.array([1, 0, 0, 1] + [0] * 6 + [1, 1, 1] + [0, 1, 0, 0, 0.5])
    advantage, _ = grpo(reward, rollouts.owner)
    return learner, rollouts, advantage


def gradient(learner):
    return torch.cat([v.grad.ravel() for v in learner.weights.values()])


@pytest.mark.parametrize("aggregate", ["sequence", "token", "constant"])
def test_leaving_out_rows_without_advantage_changes_nothing(aggregate):
    learner, rollouts, advantage = step(aggregate)
    assert (advantage == 0).sum() == 9
    few = learner.update(rollouts, advantage, longest=10)
    every, same, _ = step(aggregate)
    assert torch.equal(same.replies.tokens, rollouts.replies.tokens)
    all_rows = every.update(same, advantage, longest=10, all_rows=True)
    assert (few["rows"], all_rows["rows"]) == (9, 18)
    assert few["norm"] == pytest.approx(all_rows["norm"], rel=1e-4)
    one, two = gradient(learner), gradient(every)
    assert float((one - two).abs().max()) < 1e-5 * float(one.abs().max())


@pytest.mark.parametrize("aggregate", ["sequence", "token", "constant"])
def test_the_learners_gradient_is_that_of_one_sequence_after_the_other(aggregate, monkeypatch):
    monkeypatch.setattr(loop, "CHUNK", 4)  # several backward passes
    learner, rollouts, advantage = step(aggregate)
    weights = {k: v.detach().clone().requires_grad_() for k, v in learner.weights.items()}
    lengths = rollouts.replies.lengths.tolist()
    divide = {"token": sum(lengths), "constant": len(lengths) * 10}
    for i, reply in enumerate(rollouts.replies.tokens.split(lengths)):
        logits = model.reply_logits(
            weights,
            learner.shape,
            model.ragged([rollouts.prompts[rollouts.owner[i]]]),
            owner=torch.zeros(1, dtype=torch.int64),
            replies=model.Ragged(reply, torch.tensor([len(reply)])),
        )
        logp = logits.log_softmax(-1).gather(1, reply[:, None]).sum()
        size = divide.get(aggregate, len(lengths) * len(reply))
        (-float(advantage[i]) * logp / size).backward()
    wanted = torch.cat([v.grad.ravel() for v in weights.values()])
    norm = float(wanted.norm())
    moved = learner.update(rollouts, advantage, longest=10)
    assert moved["norm"] == pytest.approx(norm, rel=1e-4)
    found = gradient(learner) * max(norm, 1.0)  # the learner's is clipped to norm 1
    assert float((found - wanted).abs().max()) < 1e-4 * float(wanted.abs().max())


def test_an_update_follows_the_advantage_and_nothing_happens_without_one():
    learner, rollouts, advantage = step()

    def likelihood():
        with torch.no_grad():
            logits = model.reply_logits(
                learner.weights,
                learner.shape,
                model.ragged(rollouts.prompts),
                owner=torch.from_numpy(rollouts.owner),
                replies=rollouts.replies,
            )
        each = logits.log_softmax(-1).gather(1, rollouts.replies.tokens[:, None])[:, 0]
        parts = each.split(rollouts.replies.lengths.tolist())
        return np.array([float(p.mean()) for p in parts])

    before = likelihood()
    still = learner.policy()
    idle = learner.update(rollouts, np.zeros(len(advantage)), longest=10)
    assert idle == {"rows": 0.0, "norm": 0.0}
    assert learner.policy().version == still.version
    assert learner.steps == 0
    learner.update(rollouts, advantage, longest=10)
    assert learner.steps == 1
    assert learner.policy().version != still.version
    # first order: the likelihood weighted by the advantage grows
    assert float(((likelihood() - before) * advantage).sum()) > 0


def test_a_learner_goes_on_from_its_state():
    one, rollouts, advantage = step()
    one.update(rollouts, advantage, longest=10)
    state = one.state()
    two, _, _ = step()
    two.restore(state)
    for learner in (one, two):
        learner.update(rollouts, -advantage, longest=10)
    assert one.policy().version == two.policy().version
    assert two.steps == 2


def test_the_optimiser_is_that_of_torch_and_goes_on_from_its_state():
    draws = torch.Generator().manual_seed(0)
    start = [torch.randn(4, 3, generator=draws), torch.randn(3, generator=draws), torch.ones(2)]
    ours, theirs, resumed = ([x.clone().requires_grad_() for x in start] for _ in range(3))
    betas = (0.9, 0.99)
    one, third = loop.AdamW(ours, betas=betas), loop.AdamW(resumed, betas=betas)
    other = torch.optim.AdamW(theirs, betas=betas, weight_decay=0.0, fused=True)
    for step in range(1, 9):
        rate = 1e-3 * step
        if step == 5:  # a run of an earlier version saved the state of torch's class
            third.restore(other.state_dict())
            for tensor, now in zip(resumed, theirs, strict=True):
                tensor.data.copy_(now)
        for trio in list(zip(ours, theirs, resumed, strict=True))[:2]:  # the third has no gradient
            grad = torch.randn(trio[0].shape, generator=draws)
            for tensor in trio:
                tensor.grad = grad.clone()
        for group in other.param_groups:
            group["lr"] = rate
        other.step()
        one.step(rate)
        if step >= 5:
            third.step(rate)
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a, b)
    assert all(torch.equal(a, b) for a, b in zip(resumed, theirs, strict=True))
    assert torch.equal(ours[2], start[2])
    one.clear()
    assert ours[0].grad is None
