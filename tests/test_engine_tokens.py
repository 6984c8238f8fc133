"""Advantages per token in the tiny trainer, and probes that continue replies from inside."""

import dataclasses

import numpy as np
import pytest

from gradatim.choice import plans
from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.families.verify import check
from gradatim.learning.advantages import dr_grpo
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import ROLES, Batch, Use

torch = pytest.importorskip("torch")
loop = pytest.importorskip("gradatim.engine.loop")
replies = pytest.importorskip("gradatim.engine.rollouts")
steps = pytest.importorskip("gradatim.engine.steps")
tiny = pytest.importorskip("gradatim.solvers.tiny")

PROBLEMS = generate("lists", n=12, level=range(1, 5))
PROBE = ROLES.index("probe")


def learner(objective="clip", **options):
    torch.set_num_threads(1)
    return loop.Learner(tiny.load(), rate=1e-3, ramp=1, objective=Use(objective, options))


def sampled(made, counts=(4, 6, 3)):
    prompts = [tiny.encode(p.compact) for p in PROBLEMS[: len(counts)]]
    return made.sample(prompts, np.array(counts), limit=10, seed=("test",))


def batch_of(rollouts, role=0):
    size = len(rollouts.texts)
    return Batch(
        step=0,
        group=rollouts.owner,
        problem=rollouts.owner,
        role=np.full(size, role),
        parent=np.full(size, -1),
        reward=np.arange(size) % 2 * 1.0,
        solved=np.arange(size) % 2 == 1,
        length=rollouts.replies.lengths.numpy(),
        mask=np.ones(size, bool),
    )


def gradient(made):
    return torch.cat([v.grad.ravel() for v in made.weights.values()])


# -- the update -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.names("objective"))
def test_one_advantage_on_all_tokens_is_that_of_the_reply(name):
    found = []
    for spread in (False, True):
        made = learner(name)
        rollouts = sampled(made)
        batch = batch_of(rollouts)
        value, _ = dr_grpo(batch.reward, batch.group)
        a = np.repeat(value, batch.length) if spread else value
        found.append((made.update(rollouts, a, longest=10, batch=batch), made.policy().version))
    assert found[0] == found[1]  # to the bit


@pytest.mark.parametrize("aggregate", ["sequence", "token", "constant"])
def test_each_token_is_pushed_by_its_own_advantage(aggregate):
    made = learner(aggregate=aggregate)
    rollouts = sampled(made)
    lengths = rollouts.replies.lengths.numpy()
    value = np.random.default_rng(0).normal(size=lengths.sum())
    made.update(rollouts, value, longest=10)
    # by hand: the sum over tokens of advantage x log-probability, each with its count
    other = learner()
    tokens = other._tokens(rollouts, np.arange(len(lengths)), {}, None)
    count = {
        "sequence": 1 / (len(lengths) * np.repeat(lengths, lengths)),
        "token": np.full(len(value), 1 / len(value)),
        "constant": np.full(len(value), 1 / (10 * len(lengths))),
    }[aggregate]
    (-(torch.from_numpy(value * count).float() * tokens.logp).sum()).backward()
    norm = gradient(other).norm().clamp(min=1.0)  # the trainer clips to 1
    assert torch.allclose(gradient(made), gradient(other) / norm, atol=1e-5)


def test_leaving_out_replies_without_advantage_is_exact():
    found = []
    for every in (False, True):
        made = learner()
        rollouts = sampled(made)
        lengths = rollouts.replies.lengths.numpy()
        value = np.random.default_rng(0).normal(size=lengths.sum())
        owner = np.repeat(np.arange(len(lengths)), lengths)
        value[np.isin(owner, (0, 5, 6, 12))] = 0.0
        value[np.flatnonzero(owner == 1)] = [1.0, *(-1.0,) * (lengths[1] - 1)]
        moved = made.update(rollouts, value, longest=10, all_rows=every)
        found.append((moved["rows"], gradient(made)))
    assert [rows for rows, _ in found] == [9, 13]
    assert torch.allclose(found[0][1], found[1][1], atol=1e-6)


def test_wrong_lengths_and_nan_are_refused():
    made = learner()
    rollouts = sampled(made)
    tokens = int(rollouts.replies.lengths.sum())
    with pytest.raises(ArgumentError, match=rf"each of 13 rows or {tokens} tokens, got .*\(14,\)"):
        made.update(rollouts, np.ones(14), longest=10)
    with pytest.raises(ArgumentError, match="`advantage` must be finite"):
        made.update(rollouts, np.full(tokens, np.nan), longest=10)


@pytest.mark.parametrize("objective", ["clip", "drpo", "dpo", "kl"])
def test_probes_are_never_in_the_gradient(objective):
    """With probes beside them the other replies move the policy as if there were none."""
    options = {"kl": 0.1} if objective == "kl" else {}
    versions = []
    for with_probes in (False, True):
        made = learner("clip" if objective == "kl" else objective, **options)
        rollouts = sampled(made)
        batch = batch_of(rollouts)
        value, _ = dr_grpo(batch.reward, batch.group)
        a = np.repeat(value, batch.length)
        if with_probes:
            more = sampled(made, (2, 2, 5))
            size, tokens = len(more.texts), int(more.replies.lengths.sum())
            rollouts = replies.join([rollouts, more])
            probes = batch_of(more, PROBE)
            names = ("group", "role", "parent", "reward", "solved", "length", "mask", "problem")
            both = {n: np.concatenate([getattr(batch, n), getattr(probes, n)]) for n in names}
            batch = dataclasses.replace(batch, **both)
            a = np.concatenate([a, np.zeros(tokens)])
            assert len(batch.mask) == 13 + size
        made.update(rollouts, a, longest=10, batch=batch)
        versions.append(made.policy().version)
    assert versions[0] == versions[1]


# -- probes -----------------------------------------------------------------------------------


def probing(outcome, parent, cut, n):
    """A plan of probes of these attempts."""
    rows = plans.rows(
        np.array([0] * len(parent)), step=0, propensity=np.ones(len(parent)), why=np.array(["cut"])
    )
    size = len(parent)
    return dataclasses.replace(
        plans.give(rows, np.array(n)),
        why=np.full(size, "cut"),
        role=np.full(size, PROBE),
        parent=np.array(parent),
        cut=np.array(cut),
    )


def test_a_probe_goes_on_from_its_parent():
    made = learner()
    even = plans.rows(np.arange(3), step=0, propensity=np.ones(3), why=np.full(3, "x"))
    plan = plans.give(even, np.array([3, 3, 3]))
    plan = dataclasses.replace(plan, hint=np.array([0.0, 0.5, 0.0]))
    first = steps.perform(made, plan, PROBLEMS, limit=8, seed=("a",))
    second = steps.perform(made, plan, PROBLEMS, limit=8, seed=("b",))
    parent = [1, 4, 13]  # one of each: plain, hinted, of the second round
    lengths = [*first.rollouts.replies.lengths, *second.rollouts.replies.lengths]
    cut = [min(2, int(lengths[i]) - 1) for i in parent]
    probe = probing(first, parent, cut, [2, 3, 4])
    found = steps.perform(made, probe, PROBLEMS, limit=8, seed=("c",), earlier=[first, second])
    assert sorted(found.row.tolist()) == [0] * 2 + [1] * 3 + [2] * 4
    made_of = [*zip(first.problems, first.hints, first.rollouts.texts, strict=True)]
    made_of += [*zip(second.problems, second.hints, second.rollouts.texts, strict=True)]
    for i, row in enumerate(found.row.tolist()):
        problem, hint, text = made_of[parent[row]]
        assert found.problems[i].id == problem.id
        assert found.hints[i] == hint + text[: cut[row]]
        prompt = found.rollouts.prompts[found.rollouts.owner[i]]
        assert prompt == tiny.encode(problem.compact + hint + text[: cut[row]])
        assert found.rollouts.replies.lengths[i] <= 8 - cut[row]
        ended = found.rollouts.finished[i]
        whole = found.hints[i] + found.rollouts.texts[i] if ended else None
        assert found.verdicts[i] == check(problem, whole)


def test_the_token_probabilities_are_those_of_the_replies():
    made = learner()
    rollouts = sampled(made)
    lengths = rollouts.replies.lengths.numpy()
    owner = np.repeat(np.arange(len(lengths)), lengths)
    total = np.bincount(owner, weights=rollouts.token_logp)
    assert total == pytest.approx(rollouts.logp, rel=1e-5)
    tokens = made._tokens(rollouts, np.arange(len(lengths)), {}, None)
    assert rollouts.token_logp == pytest.approx(tokens.logp.detach().numpy(), abs=1e-4)


def test_what_the_trainer_says_it_gives_is_there():
    made = learner()
    found = steps.survey(made, PROBLEMS[:3], n=2, limit=8, seed=("test",)).columns(anchors=True)
    columns = {field.name for field in dataclasses.fields(Batch)} - {"hint", "hint_weight"}
    for name in steps.PROVIDES & columns:
        assert found[name] is not None, name
    cur = Curriculum(PROBLEMS, "grpo", provides=steps.PROVIDES)
    taken = steps.take(cur, made, prompts=3, rollouts=6, limit=8, seed=("test",))
    assert taken.batch.text.tolist() == taken.rollouts.texts


def test_states_are_the_texts_so_far():
    made = learner()
    even = plans.rows(np.arange(2), step=0, propensity=np.ones(2), why=np.full(2, "x"))
    plan = plans.give(even, np.array([6, 6]))
    outcome = steps.perform(made, plan, PROBLEMS, limit=8, seed=("a",))
    anchor = outcome.columns(anchors=True)["anchor"]
    lengths = outcome.rollouts.replies.lengths.tolist()
    before = [t[:i] for t, n in zip(outcome.rollouts.texts, lengths, strict=True) for i in range(n)]
    assert (anchor >= 0).all()
    same = np.array(before)[:, None] == np.array(before)
    assert ((anchor[:, None] == anchor) == same).all()
    assert outcome.columns()["anchor"] is None


@pytest.mark.parametrize("name", ["spo", "pav", "mrt", "gigpo"])
def test_a_step_pays_for_its_probes(name):
    cur = Curriculum(PROBLEMS, name, provides=steps.PROVIDES)
    made = learner(registry.get(name).objective.name, **registry.get(name).objective.options)
    seen = []
    taken = steps.take(
        cur,
        made,
        prompts=8,
        rollouts=64,
        limit=10,
        seed=("t",),
        each=lambda outcome, plan: seen.append(plan),
    )
    probes = np.count_nonzero(taken.batch.role == PROBE)
    assert taken.spent == cur.metrics()["spent"] == 64
    assert probes == (0 if name == "gigpo" else 32)
    assert len(seen) == (1 if name == "gigpo" else 2)
    assert taken.moved["rows"] <= 64 - probes
    assert taken.moved["norm"] > 0
    value, keep = cur.advantages(taken.batch)
    assert value.shape == (taken.batch.length.sum(),)
    assert not keep[taken.batch.role == PROBE].any()
    # credit differs inside a reply, which one advantage a reply cannot
    whole = np.split(value, np.cumsum(taken.batch.length)[:-1])
    assert any(np.ptp(part) > 0.1 for part in whole)
