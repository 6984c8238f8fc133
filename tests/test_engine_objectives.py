"""Objectives in the tiny trainer: what it gives them, which rows it leaves out, several passes."""

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.learning.advantages import grpo
from gradatim.recipes import registry
from gradatim.types import ROLES, Batch, Slot, Use

torch = pytest.importorskip("torch")
loop = pytest.importorskip("gradatim.engine.loop")
model = pytest.importorskip("gradatim.solvers.tiny_model")
tiny = pytest.importorskip("gradatim.solvers.tiny")

COUNTS = np.array([4, 6, 3, 5])
REWARD = np.array([1, 0, 0, 1] + [0] * 6 + [1, 1, 1] + [0, 1, 0, 0, 1.0])


def learner(objective, **options):
    torch.set_num_threads(1)
    return loop.Learner(tiny.load(), rate=1e-3, ramp=1, objective=Use(objective, options))


def step(objective, **options):
    """A learner and a step's replies: groups that are mixed, all wrong, all right, mixed."""
    made = learner(objective, **options)
    prompts = [model.encode(p) for p in ("r343=", "s8701=", "c30026.........=", "f4ACAdbCCd=")]
    rollouts = made.sample(prompts, COUNTS, limit=10, seed=("test",))
    return made, rollouts, *outcome(rollouts)


def outcome(rollouts, **columns):
    advantage, _ = grpo(REWARD, rollouts.owner)
    size = len(REWARD)
    fields = {
        "step": 0,
        "group": rollouts.owner + 3,
        "problem": rollouts.owner,
        "role": np.zeros(size, int),
        "parent": np.full(size, -1),
        "reward": REWARD,
        "solved": REWARD == 1,
        "length": rollouts.replies.lengths.numpy(),
        "mask": np.ones(size, bool),
    }
    return advantage, Batch(**{**fields, **columns})


def gradient(made):
    return torch.cat([v.grad.ravel() for v in made.weights.values()])


def near(one, two, tolerance=1e-5):
    return float((one - two).abs().max()) < tolerance * float(two.abs().max())


@pytest.mark.parametrize("name", registry.names("objective"))
def test_every_objective_trains(name):
    made, rollouts, advantage, batch = step(name)
    start = made.policy().version
    moved = made.update(rollouts, advantage, longest=10, batch=batch)
    assert moved["rows"] > 0
    assert 0 < moved["norm"] < np.inf
    assert all(np.isfinite(v) for v in moved.values())
    assert made.policy().version != start
    # leaving out the rows that it does not need changes nothing
    every, same, *_ = step(name)
    whole = every.update(same, advantage, longest=10, batch=batch, all_rows=True)
    assert whole["rows"] == 18
    assert near(gradient(made), gradient(every))


@pytest.mark.parametrize(
    ("name", "options", "rows"),
    [
        ("clip", {}, 9),  # the groups of 4 and 5
        ("clip", {"kl": 0.01}, 18),
        ("clip", {"entropy": 0.01}, 18),
        ("dpo", {}, 9),
        ("drpo", {}, 9),
        ("sft", {}, 7),  # solved
        ("sft", {"weighting": "linupper"}, 7),
        ("redi", {}, 18),
        ("kl_cov", {}, 18),
    ],
)
def test_rows_that_are_computed(name, options, rows):
    made, rollouts, advantage, batch = step(name, **options)
    assert made.update(rollouts, advantage, longest=10, batch=batch)["rows"] == rows


@pytest.mark.parametrize("name", ["clip", "dpo", "drpo", "redi", "sft"])
def test_chunks_do_not_change_the_gradient(name, monkeypatch):
    one, rollouts, advantage, batch = step(name)
    one.update(rollouts, advantage, longest=10, batch=batch)
    monkeypatch.setattr(loop, "CHUNK", 3)
    many, same, *_ = step(name)
    many.update(same, advantage, longest=10, batch=batch)
    assert near(gradient(many), gradient(one))
    groups = many._parts(same, np.arange(18), batch.group)
    for part in groups:  # never a part of a group
        assert np.isin(np.flatnonzero(np.isin(batch.group, batch.group[part])), part).all()
    assert len(groups) > 1
    assert sorted(np.concatenate(groups)) == list(range(18))


def test_masked_attempts_take_no_part():
    mask = np.arange(18) != 3
    made, rollouts, advantage, _ = step("redi")
    _, batch = outcome(rollouts, mask=mask)
    assert made.update(rollouts, advantage, longest=10, batch=batch)["rows"] == 17
    # without the attempt altogether the gradient is the same, up to the number of rows
    other, same, *_ = step("redi")
    weight = mask.astype(float)
    _, weighed = outcome(same, weight=weight)
    other.update(same, advantage, longest=10, batch=weighed)
    assert near(gradient(made), gradient(other))


def test_demonstrations_are_foreign():
    made, rollouts, advantage, _ = step("hpt")
    role = np.zeros(18, int)
    role[[5, 6]] = ROLES.index("demo"), ROLES.index("refine")
    _, batch = outcome(rollouts, role=role)
    moved = made.update(rollouts, advantage, longest=10, batch=batch)
    assert moved["rows"] == 11  # in a group without advantage, and yet learned from
    share = rollouts.replies.lengths.numpy()
    used = np.concatenate([np.flatnonzero(advantage), [5, 6]])
    assert moved["foreign"] == pytest.approx(share[[5, 6]].sum() / share[used].sum())


def test_the_reference_is_where_training_began_or_a_policy_that_is_given():
    made, rollouts, advantage, batch = step("clip", kl=0.5)
    first = made.update(rollouts, advantage, longest=10, batch=batch)
    assert first["kl"] == pytest.approx(0.0, abs=1e-9)
    second = made.update(rollouts, advantage, longest=10, batch=batch)
    assert second["kl"] > 0
    # at the start the term has no gradient: the step is that of plain clip
    plain, same, *_ = step("clip")
    plain.update(same, advantage, longest=10)
    again, same, *_ = step("clip", kl=0.5)
    again.update(same, advantage, longest=10, batch=batch)
    assert near(gradient(again), gradient(plain), 1e-4)
    other = tiny.load()
    with torch.no_grad():
        for value in other.weights.values():
            value.mul_(0.9)
    held = loop.Learner(
        tiny.load(), rate=1e-3, ramp=1, objective=Use("clip", {"kl": 0.5}), reference=other
    )
    assert held.update(rollouts, advantage, longest=10, batch=batch)["kl"] > 0.01


def test_kl_scale_weighs_the_kl_term_of_each_row():
    other = loop.Learner(tiny.load(), rate=1e-2, ramp=1, objective=Use("clip"))
    other.update(*step("clip")[1:3], longest=10)

    def moved(kl, scale):
        made = loop.Learner(
            tiny.load(),
            rate=1e-3,
            ramp=1,
            objective=Use("clip", {"kl": kl}),
            reference=other.policy(),
        )
        _, rollouts, *_ = step("clip")
        advantage, batch = outcome(rollouts, kl_scale=scale)
        made.update(rollouts, advantage, longest=10, batch=batch)
        return gradient(made)

    assert near(moved(0.5, np.full(18, 0.5)), moved(0.25, None))
    assert near(moved(0.5, np.zeros(18)), moved(0.0, None))
    some = (np.arange(18) % 3 == 0).astype(float)
    found = [moved(0.005, scale) for scale in (None, some, 1 - some)] + [moved(0.0, None)]
    # norms are clipped at 1, which is just passed: compare where nothing was
    assert max(float(one.norm()) for one in found) < 1 - 1e-6
    assert near(found[1] + found[2], found[0] + found[3], 1e-4)


def test_the_metric_of_entropy_is_that_of_the_policy():
    made, rollouts, advantage, batch = step("clip", entropy=1e-9, aggregate="token")
    moved = made.update(rollouts, advantage, longest=10, batch=batch)
    fresh = learner("clip")
    with torch.no_grad():
        logits = model.reply_logits(
            fresh.weights,
            fresh.shape,
            model.ragged(rollouts.prompts),
            owner=torch.from_numpy(rollouts.owner),
            replies=rollouts.replies,
        )
    logp = logits.log_softmax(-1)
    entropy = -(logp.exp() * logp).sum(-1).mean()
    assert moved["entropy"] == pytest.approx(float(entropy), rel=1e-4)


def test_s135_several_passes_over_one_batch_go_further():
    """Inner steps on what was sampled once: further than one step, and held by the clip."""

    def gain(passes, **options):
        made, rollouts, advantage, batch = step("clip", **options)
        moved = made.update(rollouts, advantage, longest=10, batch=batch, passes=passes)
        assert made.steps == passes
        before = tokens_of(learner("clip"), rollouts)
        after = tokens_of(made, rollouts)
        rows = rollouts.replies.lengths.numpy()
        return float(((after - before) * np.repeat(advantage, rows)).mean()), moved

    one, few, many = gain(1), gain(4), gain(30)
    assert 0 < one[0] < few[0] < many[0]
    assert one[1]["clipped"] == 0.0  # the first pass is on-policy
    assert many[1]["clipped"] > 0
    assert many[0] < gain(30, low=1.0, high=1e9)[0]


def tokens_of(made, rollouts):
    with torch.no_grad():
        found = made._tokens(rollouts, np.arange(18), {}, None).logp
    return found.numpy()


def test_drpo_touches_all_rows_from_the_second_pass():
    made, rollouts, advantage, batch = step("drpo")
    moved = made.update(rollouts, advantage, longest=10, batch=batch, passes=2)
    assert moved["rows"] == 18
    assert moved["kl"] != 0.0


def test_what_is_missing_is_named(monkeypatch):
    made, rollouts, advantage, _ = step("dpo")
    with pytest.raises(ArgumentError, match="needs group, solved of the attempts: give `batch`"):
        made.update(rollouts, advantage, longest=10)
    with pytest.raises(ArgumentError, match=r"`objective` must be one of .*did you mean 'clip'"):
        learner("clipp")
    with pytest.raises(ArgumentError, match=r"objective 'clip' has no 'hihg'.*did you mean 'high'"):
        learner("clip", hihg=0.3)
    other = Slot(suggest=lambda *_: None, needs=frozenset({"logp", "value"}))
    monkeypatch.setattr(registry, "resolve", lambda slot, use: (other, {}))
    with pytest.raises(ArgumentError, match=r"'clip' needs 'value', but the tiny trainer provides"):
        learner("clip")
