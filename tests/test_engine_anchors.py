"""Anchors while the tiny policy trains: probed, stored, paid, and never learned from."""

import json
from collections import Counter

import numpy as np
import pytest

from gradatim.cli.app import run as command
from gradatim.engine import arms, watching
from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.families.read import save
from gradatim.recipes import anchors, registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.store.run import Run
from gradatim.types import Bank

torch = pytest.importorskip("torch")
engine = pytest.importorskip("gradatim.engine.train")
loop = pytest.importorskip("gradatim.engine.loop")
replies = pytest.importorskip("gradatim.engine.rollouts")
steps = pytest.importorskip("gradatim.engine.steps")
tiny = pytest.importorskip("gradatim.solvers.tiny")

PROBLEMS = generate("lists", n=40, level=range(1, 5), seed=3, unique=True)
HELD = generate("lists", n=20, level=range(1, 5), seed=4, split="test", unique=True)


def train(folder, recipe="grpo", **options):
    options = {"prompts": 16, "batch": 128, "monitors": 2, "tries": 1, **options}
    return engine.train(
        PROBLEMS, rollouts=600, run=folder, recipe=recipe, held_out=HELD[:5], **options
    )


@pytest.mark.parametrize("recipe", ["grpo", "gradatim", "dapo"])
def test_every_probe_is_paid_and_stored(tmp_path, recipe):
    made = train(tmp_path, recipe, anchors=HELD, overrides={"probes": 0.1})
    last = made.curve[-1]
    with Run(tmp_path).ledger() as ledger:
        rows = list(ledger.attempts())
    tags = Counter(row.tag for row in rows)
    assert last["rollouts"] == tags["train"] + tags["probe"] == 600
    assert last["scale"]["probed"] == tags["probe"]
    assert tags["probe"] == 60 or recipe == "dapo"  # whose steps may leave attempts unspent
    names = {p.id for p in HELD}
    assert {row.problem for row in rows if row.tag == "probe"} <= names
    assert not {row.problem for row in rows if row.tag == "train"} & names
    assert all(row.propensity > 0 for row in rows if row.tag == "probe")
    # what a step says of its groups is of those that are learned from
    first = [r for r in rows if r.step == 0 and r.tag == "train"]
    assert made.curve[0]["solved"] == pytest.approx(np.mean([r.solved for r in first]))
    sentence = watching.summary(made.monitor).sentence
    assert "Anchors, never trained on, are believed to be solved" in sentence
    assert f"from {tags['probe']} probes" in sentence
    assert train(tmp_path, recipe, anchors=HELD, overrides={"probes": 0.1}).reused
    assert not train(tmp_path / "b", recipe, anchors=HELD[:9], overrides={"probes": 0.1}).reused


def test_a_bank_and_anchors_tell_ability_from_drift(tmp_path):
    items = tuple(p.id for p in (*PROBLEMS, *HELD))
    size = len(items)
    known = Bank(
        items=items,
        difficulty=np.array([p.level for p in (*PROBLEMS, *HELD)], float),
        **{k: np.ones(size) for k in ("discrimination", "se_difficulty", "se_discrimination")},
        **{k: np.zeros(size) for k in ("floor", "tried", "solved")},
        **{"solvers": (), "ability": np.zeros(0), "se_ability": np.zeros(0), "scale": "x"},
    )
    settings = {"probes": 0.2, "belief": "irt"}
    made = train(tmp_path, anchors=HELD, bank=known, overrides=settings)
    told = made.curve[-1]["scale"]
    assert told["ability_low"] < told["ability"] < told["ability_high"]
    assert told["drift_low"] < told["drift"] < told["drift_high"]
    assert "On their scale the ability is" in watching.summary(made.monitor).sentence
    with pytest.raises(ArgumentError, match="hold the scale of belief 'irt' by their difficulties"):
        train(tmp_path / "b", anchors=HELD, overrides=settings)


def test_without_anchors_nothing_is_said_of_them(tmp_path):
    made = train(tmp_path)
    assert "scale" not in made.curve[-1]
    assert "Anchors" not in watching.summary(made.monitor).sentence


@pytest.mark.parametrize("recipe", ["grpo", "reinforce_pp", "w_reinforce", "clpo"])
def test_what_becomes_of_probes_does_not_move_the_policy(recipe):
    """That no mean counts them either: test_engine_tokens.py."""
    weights, beliefs = [], []
    for luck in (0.0, 1.0):
        cur = Curriculum(
            [*PROBLEMS, *HELD],
            recipe,
            5,
            provides=steps.PROVIDES,
            anchors=range(40, 60),
            probes=0.25,
        )
        learner = loop.Learner(tiny.load(), rate=1e-3, ramp=1, objective=cur.recipe.objective)
        plan, parts = cur.suggest(12, rollouts=96), []
        while plan is not None:
            outcome = steps.perform(learner, plan, cur.problems, limit=12, seed=("t", plan.round))
            probed = (plan.role == anchors.PROBE)[outcome.row]
            right = np.random.default_rng(plan.round).random(len(probed)) < 0.5
            columns = outcome.columns() | {"rewards": np.where(probed, luck, right)}
            batch = cur.observe(plan, **{**columns, "solved": None})
            parts.append(outcome.rollouts)
            plan = cur.more(batch)
        value, keep = cur.advantages(batch)
        found = learner.update(
            replies.join(parts), np.where(keep, value, 0.0), longest=12, batch=batch
        )
        assert 0 < found["rows"] <= (batch.role != anchors.PROBE).sum() == 72
        weights.append(learner.policy().version)
        beliefs.append(cur.metrics()["anchor_pass_rate"])
    assert weights[0] == weights[1] != tiny.load().version
    assert beliefs[0] < beliefs[1]


def test_a_simulated_learner_learns_nothing_from_probes():
    known = arms.world(200, families=1, seed=0)
    pool = anchors.mark(known.pool, range(0, 200, 4))
    made = arms.Simulated(
        arms.World(pool, known.difficulty),
        arms.world(40, families=1, seed=1),
        registry.adapt(registry.get("grpo"), {"belief": "irt"}),
        seed=0,
        rollouts=4000,
        settings={"rate": 0.04, "start": -1.0, "transfer": 0.0, "ramp": 1},
    )
    for _ in range(20):
        found = made.advance(16, 200)
        assert found.spent == 200
        assert found.groups == 16  # probes are no groups
    told = made.curriculum.metrics()
    assert told["probed"] == 200
    assert made.ability[0] > -0.6
    assert told["ability_low"] < made.ability[0] < told["ability_high"]
    assert told["drift_low"] < 0 < told["drift_high"]


def test_the_scale_in_words():
    record = {"rate": {"value": 0.5}}
    early = {"probed": 10, "anchor_pass_rate": 0.25, "ability": 0.1, "drift": 0.0}
    late = {
        **{"probed": 2000, "anchor_pass_rate": 0.5, "anchors_moved": 0.0},
        **{"ability": 1.2, "ability_low": 1.0, "ability_high": 1.4},
        **{"drift": 0.5, "drift_low": 0.25, "drift_high": 0.75},
    }
    said = watching.summary([{**record, "scale": early}, {**record, "scale": late}]).sentence
    assert said == (
        "Anchors, never trained on, are believed to be solved 50% of the time (at first 25%), from "
        "2,000 probes. On their scale the ability is +1.20 [+1.00, +1.40] logits (at first +0.10), "
        "and problems that are trained on have become +0.50 [+0.25, +0.75] easier beyond that."
    )
    assert watching.alarms([{**record, "scale": late}]) == []
    assert watching.alarms([{**record, "scale": {**late, "anchors_moved": 2.0}}]) == [
        "anchors moved"
    ]


def test_verb(tmp_path, capsys):
    for name, some in (("p", PROBLEMS), ("a", HELD)):
        save(tmp_path / f"{name}.jsonl", some)
    line = ["train", str(tmp_path / "p.jsonl"), "--anchors", str(tmp_path / "a.jsonl"), "--json"]
    line += ["--rollouts", "300", "--batch", "100", "--run", str(tmp_path / "r"), "-q"]
    assert command([*line, "--recipe", "grpo"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["curve"][-1]["rollouts"] == 300
    assert found["curve"][-1]["scale"]["probed"] == 15  # 5% unless told otherwise
