"""A loss on hints in the tiny trainer: what was given of a reply is made likelier, if asked for."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from gradatim.engine.train import train
from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import ROLES, Batch, Use

torch = pytest.importorskip("torch")
loop = pytest.importorskip("gradatim.engine.loop")
replies = pytest.importorskip("gradatim.engine.rollouts")
steps = pytest.importorskip("gradatim.engine.steps")
model = pytest.importorskip("gradatim.solvers.tiny_model")
tiny = pytest.importorskip("gradatim.solvers.tiny")

LISTS = generate("lists", n=24, level=range(3, 7), seed=5)
PROMPTS = ("r343=34", "s8701=", "c30026.........=6")  # a hint of 2 tokens, none, and one of 1
GIVEN = np.array([2, 0, 1])
COUNTS = np.array([2, 3, 1])


def step(weight, *, objective="clip", counts=COUNTS, **options):
    """A learner, replies of which some were begun for it, and their batch."""
    torch.set_num_threads(1)
    made = loop.Learner(tiny.load(), rate=1e-3, ramp=1, objective=Use(objective, options))
    prompts = [model.encode(p) for p in PROMPTS]
    rollouts = made.sample(prompts, counts, limit=6, seed=("hints",))._replace(given=GIVEN)
    size = int(counts.sum())
    batch = Batch(
        step=0,
        group=rollouts.owner,
        problem=rollouts.owner,
        role=np.zeros(size, int),
        parent=np.full(size, -1),
        reward=np.zeros(size),
        solved=np.zeros(size, bool),
        length=rollouts.replies.lengths.numpy(),
        mask=np.ones(size, bool),
        hint_weight=None if weight is None else np.full(size, weight),
    )
    return made, rollouts, batch


def gradient(made):
    return torch.cat([v.grad.ravel() for v in made.weights.values()])


def near(one, two):
    return float((one - two).abs().max()) < 1e-5 * float(two.abs().max())


def by_hand(counts_of):
    """Gradient and value of -sum of count x log-likelihood over the given tokens.

    Args:
        counts_of: (prompt, its given tokens) -> what each of these tokens counts.
    """
    made, *_ = step(None)
    loss = torch.zeros(())
    for i, n in enumerate(GIVEN.tolist()):
        if n:
            tokens = model.encode(PROMPTS[i])
            logits = model.reply_logits(
                made.weights,
                made.shape,
                model.ragged([tokens[:-n]]),
                owner=torch.zeros(1, dtype=torch.int64),
                replies=model.ragged([tokens[-n:]]),
            )
            logp = logits.log_softmax(-1)[torch.arange(n), torch.tensor(tokens[-n:])]
            loss = loss - counts_of(i, n) * logp.sum()
    loss.backward()
    return gradient(made), loss.item()


@pytest.mark.parametrize(
    ("aggregate", "count"),
    [
        # mean over 6 rows of the mean over a row's tokens: rows 2 and 1, tokens 2 and 1
        ("sequence", lambda i, n: 0.01 * COUNTS[i] / 6 / n),
        # a token counts as one of a reply, in rows of at most 6 tokens
        ("constant", lambda i, n: 0.01 * COUNTS[i] / 6 / 6),
    ],
)
def test_the_loss_on_hints_by_hand(aggregate, count):
    made, rollouts, batch = step(0.01, aggregate=aggregate)
    moved = made.update(rollouts, np.zeros(6), longest=6, batch=batch)
    expected, value = by_hand(count)
    assert moved["rows"] == 0  # no reply is learned from, and yet a step is taken
    assert moved["norm"] < 1  # nothing was clipped
    assert moved["hints"] == pytest.approx(value, rel=1e-5)
    assert near(gradient(made), expected)
    assert made.steps == 1


@pytest.mark.parametrize("objective", ["clip", "dpo", "sft", "clip_cov"])
def test_it_stands_beside_any_objective(objective):
    advantage = np.array([0.01, -0.01, 0.02, -0.01, -0.01, 0])

    def moved(weight):
        made, rollouts, batch = step(weight, objective=objective)
        batch = dataclasses.replace(batch, solved=advantage > 0)
        found = made.update(rollouts, advantage, longest=6, batch=batch)
        return found, gradient(made) * max(1.0, found["norm"])  # as it was before clipping

    plain, without = moved(None)
    both, with_hints = moved(0.01)
    assert "hints" not in plain
    expected, value = by_hand(lambda i, n: 0.01 * COUNTS[i] / 6 / n)
    if objective != "clip_cov":  # whose own mean is over tokens
        assert both["hints"] == pytest.approx(value, rel=1e-5)
        assert float((with_hints - without - expected).abs().max()) < 1e-5
    assert both["norm"] != plain["norm"]


def test_without_a_weight_or_a_hint_nothing_changes():
    advantage = np.array([1.0, -1, 1, -1, 0, 0])

    def version(weight, given=GIVEN):
        made, rollouts, batch = step(weight)
        made.update(rollouts._replace(given=given), advantage, longest=6, batch=batch)
        return made.policy().version

    assert version(None) == version(0.0) == version(0.5, np.zeros(3, int))
    assert version(None) != version(0.5)
    made, rollouts, batch = step(0.0)
    moved = made.update(rollouts, np.zeros(6), longest=6, batch=batch)
    assert moved == {"rows": 0.0, "norm": 0.0}
    assert made.steps == 0


def test_only_replies_that_are_learned_from_count():
    role = np.zeros(6, int)
    role[1] = ROLES.index("demo")
    made, rollouts, batch = step(0.01)
    batch = dataclasses.replace(batch, mask=np.arange(6) != 5, role=role)
    value = made.update(rollouts, np.zeros(6), longest=6, batch=batch)["hints"]
    assert value == pytest.approx(by_hand(lambda i, n: 0.01 / 6 / n * (i == 0))[1], rel=1e-5)


def test_chunks_do_not_change_it(monkeypatch):
    made, rollouts, batch = step(0.01)
    made.update(rollouts, np.zeros(6), longest=6, batch=batch)
    monkeypatch.setattr(loop, "CHUNK", 1)
    other, same, batch = step(0.01)
    other.update(same, np.zeros(6), longest=6, batch=batch)
    assert near(gradient(made), gradient(other))


def test_beginnings_are_replies_to_what_stands_before_them():
    _, rollouts, _ = step(None)
    found, weight = replies.begun(rollouts, np.array([1.0, 0.5, 1, 1, 1, 2]))
    assert [model.decode(p) for p in found.prompts] == ["r343=", "c30026.........="]
    assert model.decode(found.replies.tokens.tolist()) == "346"
    assert found.replies.lengths.tolist() == [2, 1]
    assert weight.tolist() == [1.5, 2.0]
    nothing, weight = replies.begun(rollouts, np.zeros(6))
    assert (nothing.prompts, len(weight)) == ([], 0)
    with pytest.raises(ArgumentError, match="axis 'row'"):
        replies.begun(rollouts, np.ones(5))
    with pytest.raises(ArgumentError, match="`weight` must lie in"):
        replies.begun(rollouts, np.array([np.nan, 1, 1, 1, 1, 1]))
    both = replies.join([rollouts, found])
    assert both.given.tolist() == [2, 0, 1, 0, 0]


def test_repeated_it_makes_hints_likely():
    made, rollouts, batch = step(1.0)
    told = [made.update(rollouts, np.zeros(6), longest=6, batch=batch)["hints"] for _ in range(8)]
    assert told[-1] < told[0] / 2


# -- from a recipe ----------------------------------------------------------------------------


def test_seele_lays_it_on_its_hints():
    made, *_ = step(None)

    def take(**options):
        cur = Curriculum(LISTS, "seele", provides=steps.PROVIDES, scaffold=options)
        return steps.take(cur, made, prompts=4, rollouts=64, limit=12, seed=("seele",))

    plain = take()
    assert plain.batch.hint_weight is None
    assert "hints" not in plain.moved
    found = take(hint_weight=0.001)
    batch = found.batch
    assert (batch.hint > 0).any()
    assert (batch.hint_weight == np.where(batch.hint > 0, 0.001, 0)).all()
    assert found.moved["hints"] > 0
    # what is given is what the plan says, in characters
    shown = found.rollouts.given[found.rollouts.owner]
    assert ((shown > 0) <= (batch.hint > 0)).all()
    assert (shown > 0).any()


def test_it_trains_and_differs(tmp_path):
    usual: dict[str, Any] = {"recipe": "seele", "rollouts": 128, "prompts": 4, "batch": 64}
    versions = []
    for weight in (None, 0.0, 0.1):
        change = {} if weight is None else {"scaffold": {"hint_weight": weight}}
        made = train(LISTS, run=tmp_path / str(weight), monitors=0, overrides=change, **usual)
        versions.append(tiny.load(str(made.checkpoint)).version)
    assert versions[0] == versions[1] != versions[2]


def test_a_trainer_that_takes_no_loss_on_hints_is_refused_it():
    few = steps.PROVIDES - {"hint_weight"}
    Curriculum(LISTS, "seele", provides=few)
    with pytest.raises(ArgumentError, match=r"scaffold 'hint': `hint_weight` is 0.001, but the tr"):
        Curriculum(LISTS, "seele", provides=few, scaffold={"hint_weight": 0.001})
    with pytest.raises(ArgumentError, match="`hint_weight` must be at least 0"):
        Curriculum(LISTS, "seele", provides=steps.PROVIDES, scaffold={"hint_weight": -1.0})
    with pytest.raises(ArgumentError, match="did you mean 'hint_weight'"):
        Curriculum(LISTS, "seele", provides=steps.PROVIDES, scaffold={"hint_wieght": 1.0})
