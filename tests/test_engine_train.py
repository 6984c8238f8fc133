import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gradatim.cli.app import run as command
from gradatim.cli.changes import parsed
from gradatim.errors import ArgumentError, FormatError
from gradatim.families.generation import generate
from gradatim.families.read import save
from gradatim.families.verify import check
from gradatim.store import banks
from gradatim.store.run import Run
from gradatim.types import Bank

torch = pytest.importorskip("torch")
tiny = pytest.importorskip("gradatim.solvers.tiny")
model = pytest.importorskip("gradatim.solvers.tiny_model")
engine = pytest.importorskip("gradatim.engine.train")

QUICK = {"prompts": 16, "batch": 128}


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def problems():
    made = [generate(name, n=50, level=range(1, 6), seed=3) for name in ("lists", "arithmetic")]
    return list({p.id: p for p in sum(made, start=[])}.values())  # noqa: RUF017


@pytest.fixture(scope="module")
def held_out():
    made = generate("lists", n=30, level=range(3, 6), seed=4, split="test")
    return list({p.id: p for p in made}.values())


def timeless(records):
    """Records without what a clock says."""
    return [{k: v for k, v in record.items() if k != "cpu"} for record in records]


def attempts(run):
    """Everything the ledger knows of each attempt but ids and clocks, in order of the key."""
    with Run(run).ledger() as ledger:
        rows = [r._replace(id=0, created=0.0, seconds=0.0) for r in ledger.attempts()]
    return sorted(rows, key=lambda r: (r.step, r.tag, r.problem, r.sample))


# -- one run ------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["grpo", "gradatim", "rloo"])
def test_every_rollout_is_spent_stored_and_counted(tmp_path, problems, held_out, recipe):
    asked = 1000  # not a multiple of the batch: the last step is smaller
    made = engine.train(
        problems,
        rollouts=asked,
        run=tmp_path,
        recipe=recipe,
        held_out=held_out,
        monitors=3,
        tries=2,
        **QUICK,
    )
    assert not made.reused
    assert made.curve[-1]["rollouts"] == asked
    assert [c["rollouts"] for c in made.curve] == [128, 256, 384, 512, 640, 768, 896, 1000]
    assert [c["step"] for c in made.curve] == list(range(8))
    # monitors at 0, half way and the end, each trying every held-out problem twice
    assert [m["rollouts"] for m in made.monitor] == [0, 512, 1000]
    assert {m["rate"].n for m in made.monitor} == {len(held_out)}
    rows = attempts(tmp_path)
    assert Counter(r.tag for r in rows) == {"train": asked, "monitor": 6 * len(held_out)}
    trained = [r for r in rows if r.tag == "train"]
    assert made.curve[-1]["tokens"] == sum(r.tokens for r in trained)
    by_id = {p.id: p for p in (*problems, *held_out)}
    for number, record in enumerate(made.curve):
        mine = [r for r in trained if r.step == number]
        assert record["solved"] == pytest.approx(np.mean([r.solved for r in mine]))
        groups = {}
        for row in mine:
            groups.setdefault(row.problem, set()).add(row.solved)
        assert record["mixed"] == pytest.approx(np.mean([len(g) > 1 for g in groups.values()]))
        policies = {r.setting.policy for r in mine}
        (policy,) = policies
        assert policy.startswith(f"{tiny.load().version}/{recipe}-0-")
        assert policy.endswith(f"/{number:05d}")
    for row in rows[::50]:
        wanted = check(by_id[row.problem], row.text if row.status == "finished" else None)
        assert (row.solved, row.reason) == (wanted.solved, wanted.reason)
    for moment in made.monitor:
        step = sum(c["rollouts"] <= moment["rollouts"] for c in made.curve)
        mine = [r for r in rows if r.tag == "monitor" and r.step == step]
        assert moment["rate"].value == pytest.approx(np.mean([r.solved for r in mine]))
    assert all(r.propensity > 0 for r in trained)
    assert tiny.load(made.checkpoint).version != tiny.load().version


def test_same_seed_same_curve(tmp_path, problems):
    def curve(name, seed):
        made = engine.train(problems, rollouts=512, run=tmp_path / name, seed=seed, **QUICK)
        return timeless(made.curve), tiny.load(made.checkpoint).version

    one, two, other = curve("a", 0), curve("b", 0), curve("c", 1)
    assert one == two
    assert one != other
    assert attempts(tmp_path / "a") == attempts(tmp_path / "b")


def test_a_repeated_run_is_reused_and_a_changed_one_is_not(tmp_path, problems):
    def learn(**changes):
        return engine.train(problems, run=tmp_path, **({"rollouts": 256} | QUICK | changes))

    one, two = learn(), learn()
    assert (one.reused, two.reused) == (False, True)
    assert one[:3] == two[:3]
    assert not learn(rate=1e-3).reused
    assert not learn(overrides={"budget": {"min": 4}}).reused
    assert not learn(seed=2).reused
    assert learn().reused
    shutil.rmtree(Run(tmp_path).checkpoints)  # somebody made room: learned again, paid for once
    before = len(attempts(tmp_path))
    again = learn()
    assert not again.reused
    assert timeless(again.curve) == timeless(one.curve)
    assert len(attempts(tmp_path)) == before


def test_training_goes_on_from_a_trained_checkpoint(tmp_path, problems):
    first = engine.train(problems, rollouts=256, run=tmp_path / "a", **QUICK)
    then = engine.train(
        problems, rollouts=256, run=tmp_path / "b", start=str(first.checkpoint), **QUICK
    )
    versions = {r.setting.policy.split("/")[0] for r in attempts(tmp_path / "b")}
    assert versions == {tiny.load(first.checkpoint).version}
    assert tiny.load(then.checkpoint).version not in versions


def test_an_answer_that_was_cut_is_not_right(tmp_path):
    problems = generate("lists", n=20, level=1, seed=3)
    by_id = {p.id: p for p in problems}
    limit = len(problems[0].answer.replace(" ", ""))  # room for the answer, not for its end
    engine.train(problems, rollouts=128, run=tmp_path, limit=limit, **QUICK)
    cut = [r for r in attempts(tmp_path) if r.status == "truncated"]
    assert any(check(by_id[r.problem], r.text).solved for r in cut)
    assert not any(r.solved for r in cut)


def test_a_step_makes_right_answers_likelier_than_wrong_ones(tmp_path):
    problems = generate("lists", n=60, level=3, seed=3)
    by_id = {p.id: p for p in problems}
    made = engine.train(problems, rollouts=128, run=tmp_path, ramp=1, **QUICK)
    rows = [r for r in attempts(tmp_path) if r.status == "finished"]
    prompts = [model.encode(by_id[r.problem].compact) for r in rows]
    replies = [[*model.encode(r.text), model.END] for r in rows]
    change = np.zeros(len(rows))
    for policy, sign in ((tiny.load(made.checkpoint), 1), (tiny.load(), -1)):
        batch = model.ragged(replies)
        owner = torch.arange(len(rows))
        ragged = model.ragged(prompts)
        logits = model.reply_logits(
            policy.weights, policy.shape, ragged, owner=owner, replies=batch
        )
        each = logits.log_softmax(-1).gather(1, batch.tokens[:, None])[:, 0]
        change += sign * np.array([p.mean().item() for p in each.split([len(r) for r in replies])])
    gaps = []
    for problem in {r.problem for r in rows}:
        mine = [(r.solved, change[i]) for i, r in enumerate(rows) if r.problem == problem]
        right, wrong = ([c for solved, c in mine if solved is wanted] for wanted in (True, False))
        if right and wrong:
            gaps.append(np.mean(right) - np.mean(wrong))
    assert len(gaps) > 3
    assert np.mean(gaps) > 0
    assert np.mean(np.array(gaps) > 0) > 0.8


def test_a_held_out_problem_may_be_a_training_problem(tmp_path, problems):
    # families with few instances serve the same one under either split
    made = engine.train(
        problems[:16],
        rollouts=256,
        run=tmp_path,
        held_out=problems[:16],
        monitors=2,
        tries=1,
        **QUICK,
    )
    assert [m["rate"].n for m in made.monitor] == [16, 16]
    assert Counter(r.tag for r in attempts(tmp_path)) == {"train": 256, "monitor": 32}


def test_few_problems_and_few_rollouts(tmp_path, problems):
    made = engine.train(problems[:1], rollouts=5, run=tmp_path / "one", **QUICK)
    assert [c["rollouts"] for c in made.curve] == [5]
    # the last step may be short of a group: a lone attempt has nothing to be compared with
    grpo = {**QUICK, "recipe": "grpo", "batch": 64, "prompts": 16}
    short = engine.train(problems, rollouts=65, run=tmp_path / "short", **grpo)
    assert [c["rollouts"] for c in short.curve] == [64, 65]
    assert short.curve[1]["rows"] == 0
    with pytest.raises(ArgumentError, match="`rollouts` is 1, but budget 'equal' makes groups"):
        engine.train(problems, rollouts=1, run=tmp_path / "single", **grpo)


# -- resuming -----------------------------------------------------------------------------------

CHILD = """
import sys
from gradatim.engine import train
from gradatim.families.read import load
train.SAVE_EVERY = 0.1

def tell(tick):
    print(int(tick.done), flush=True)
    assert "torch._dynamo" not in sys.modules  # seconds of every start, for a compiler never used

train.train(
    load(sys.argv[1]), rollouts=int(sys.argv[4]), run=sys.argv[2], recipe="gradatim", prompts=16,
    batch=128, held_out=load(sys.argv[3]), monitors=4, progress=tell,
)
"""


SETTINGS = {"recipe": "gradatim", "monitors": 4, **QUICK}


def kill_at(count, *paths):
    """Train in a process of its own; kill -9 it once it says that it has come so far."""
    argv = [sys.executable, "-c", CHILD, *map(str, paths)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) >= count:
                time.sleep(0.013)  # somewhere within a step or a save
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL


def resumed_is_whole(folder, problems, held_out, *, rollouts, kills):
    save(folder / "p.jsonl", problems)
    save(folder / "h.jsonl", held_out)
    for count in kills:
        kill_at(count, folder / "p.jsonl", folder / "killed", folder / "h.jsonl", rollouts)
    paid = [r for r in attempts(folder / "killed") if r.tag == "train"]
    assert kills[-1] <= len(paid) < rollouts
    results = []
    for name in ("killed", "whole"):
        told = []
        made = engine.train(
            problems,
            rollouts=rollouts,
            held_out=held_out,
            run=folder / name,
            progress=told.append,
            **SETTINGS,
        )
        assert not made.reused
        first = told[0].done
        assert first > kills[-1] / 2 if name == "killed" else first == 128
        version = tiny.load(made.checkpoint).version
        results.append((timeless(made.curve), timeless(made.monitor), version))
    assert results[0] == results[1]
    rows = attempts(folder / "killed")
    assert len(rows) == rollouts + 4 * 4 * len(held_out)
    assert rows == attempts(folder / "whole")
    with Run(folder / "killed").ledger() as ledger:
        assert ledger.integrity_check() == "ok"


def test_killed_and_resumed_is_as_never_killed(tmp_path, problems, held_out):
    resumed_is_whole(tmp_path, problems, held_out, rollouts=1500, kills=(600,))


@pytest.mark.slow
def test_killed_many_times(tmp_path, problems, held_out):
    kills = (128, 600, 1100, 1600, 2100, 2600)
    resumed_is_whole(tmp_path, problems, held_out, rollouts=3000, kills=kills)


# -- mistakes -----------------------------------------------------------------------------------


def test_mistakes_are_named(tmp_path, problems):
    def learn(**changes):
        given = {"problems": problems, "rollouts": 64} | changes
        return engine.train(given.pop("problems"), run=tmp_path / "run", **given)

    with pytest.raises(ArgumentError, match=r"'promts'.*did you mean 'prompts'"):
        learn(promts=3)
    with pytest.raises(ArgumentError, match="did you mean 'grpo'"):
        learn(recipe="grop")
    with pytest.raises(ArgumentError, match="at least one problem"):
        learn(problems=[])
    with pytest.raises(ArgumentError, match="did you mean 'budget'"):
        learn(overrides={"bugdet": {"min": 4}})
    with pytest.raises(ArgumentError, match="did you mean 'explore'"):
        learn(overrides={"sampler": {"explor": 4}})
    with pytest.raises(ArgumentError, match=r"no checkpoint 'strat'.*did you mean 'start'"):
        learn(start="strat")
    for name, value in {
        "rollouts": 0,
        "prompts": 0,
        "batch": 0,
        "rate": float("nan"),
        "ramp": -1,
        "monitors": -1,
        "limit": 0,
        "threads": 0,
        "tries": 0,
        "seed": -1,
    }.items():
        with pytest.raises(ArgumentError, match=f"`{name}` must lie in"):
            learn(**{name: value})
    for name in ("rollouts", "prompts", "batch", "limit", "tries", "seed"):
        with pytest.raises(ArgumentError, match=f"`{name}` must be a whole number, got 2.5"):
            learn(**{name: 2.5})
    # before the first survey of held-out problems is paid for
    for sizes, said in (({"batch": 4}, 4), ({"rollouts": 6}, 6)):
        with pytest.raises(ArgumentError, match=f"`rollouts` is {said}, but .* of `min` = 8"):
            learn(held_out=problems, overrides={"budget": {"min": 8, "size": 0}}, **sizes)
    bare = replace(problems[0], compact=None)
    with pytest.raises(ArgumentError, match="has no compact prompt"):
        learn(problems=[*problems, bare])
    with pytest.raises(ArgumentError, match="has no compact prompt"):
        learn(held_out=[bare])
    with pytest.raises(ArgumentError, match="knows the characters"):
        learn(problems=[replace(problems[0], compact="1 + 1")])
    (tmp_path / "x.npz").write_text("hello")
    with pytest.raises(FormatError, match="tiny checkpoint"):
        learn(start=str(tmp_path / "x.npz"))
    # nothing of all that was recorded as a run that could be resumed
    assert not (tmp_path / "run" / "run.toml").exists() or not Run(tmp_path / "run").stages()


# -- the verb -----------------------------------------------------------------------------------


def test_verb(tmp_path, problems, held_out, capsys):
    save(tmp_path / "p.jsonl", problems)
    save(tmp_path / "h.jsonl", held_out)
    argv = ["train", str(tmp_path / "p.jsonl"), "--run", str(tmp_path / "run")]
    argv += ["--rollouts", "256", "--recipe", "grpo", "--prompts", "16", "--batch", "128"]
    argv += ["--held-out", str(tmp_path / "h.jsonl")]
    assert command([*argv, "--json"]) == 0
    shown = capsys.readouterr()
    (line,) = shown.out.splitlines()
    found = json.loads(line)
    assert found["curve"][-1]["rollouts"] == 256
    assert found["reused"] is False
    assert set(found["monitor"][0]["rate"]) == {"value", "low", "high", "n"}
    assert "train grpo" in shown.err
    assert command([*argv, "--quiet"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("reused: grpo, 256 rollouts")
    assert "held-out pass rate" in shown.out
    assert found["checkpoint"] in shown.out
    assert shown.err == ""
    assert command([*argv, "--set", "budget.min=8", "--json", "-q"]) == 0
    changed = json.loads(capsys.readouterr().out)
    assert changed["reused"] is False
    # 128 rollouts in groups of at least 8 are 16 prompts, the same as before ...
    assert timeless(changed["curve"]) == timeless(found["curve"])
    # ... and in groups of at least 64 they are 2
    assert command([*argv, "--set", "budget.min=64", "--json", "-q"]) == 0
    capsys.readouterr()
    rows = attempts(tmp_path / "run")
    groups = Counter((r.setting.policy, r.problem) for r in rows if r.tag == "train")
    assert sorted(groups.values()) == [8] * 64 + [64] * 4  # three trainings, none lost


def one_line(argv, capsys):
    assert command(argv) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    return line


def test_verb_says_mistakes_in_one_line(tmp_path, problems, capsys):
    save(tmp_path / "bare.jsonl", [replace(problems[0], compact=None)])
    save(tmp_path / "p.jsonl", problems[:3])
    tail = ["--run", str(tmp_path / "run"), "--rollouts", "64"]
    line = one_line(["train", str(tmp_path / "bare.jsonl"), *tail], capsys)
    assert f"problem {problems[0].id}" in line
    assert "no compact prompt" in line
    line = one_line(["train", str(tmp_path / "nothing.jsonl"), *tail], capsys)
    assert "nothing.jsonl: expected a file" in line
    good = ["train", str(tmp_path / "p.jsonl"), *tail]
    assert "did you mean 'grpo'" in one_line([*good, "--recipe", "gropo"], capsys)
    assert "max_rounds=N, got 'budget'" in one_line([*good, "--set", "budget"], capsys)
    for change, meant in (
        ("buget.min=4", "budget"),
        ("buget=refill", "budget"),
        ("budget=refil", "refill"),
        ("advantage=rlo", "rloo"),
        ("max_round=2", "max_rounds"),
    ):
        assert f"did you mean '{meant}'" in one_line([*good, "--set", change], capsys)
    more = ["--set", "sampler=window", "--set", "sampler.hihg=1"]
    assert "sampler 'window' has no 'hihg'" in one_line([*good, *more], capsys)
    (tmp_path / "empty.jsonl").write_text("")
    line = one_line(["train", str(tmp_path / "empty.jsonl"), *tail], capsys)
    assert "at least one problem" in line


def test_overrides():
    assert parsed(()) == {}
    found = parsed(["budget.b=1", "budget.c=1e-3", "belief.e=x=y", "belief.f="])
    assert found == {"budget": {"b": 1, "c": 0.001}, "belief": {"e": "x=y", "f": ""}}
    # the order does not matter, and the last name counts
    pairs = ["sampler.low=0.1", "sampler=variance", "budget=refill", "sampler=window"]
    assert parsed(pairs) == {"sampler": ("window", {"low": 0.1}), "budget": ("refill", {})}
    shares = parsed(["sampler.shares=[0.4, 0.5, 0.1]", "sampler.explore=.1", "scaffold.x=true"])
    assert shares["sampler"] == {"shares": [0.4, 0.5, 0.1], "explore": 0.1}
    assert shares["scaffold"] == {"x": True}
    for bad in ("budget.b", "=1", "budget=", ".b=1", "budget.=1", "max_rounds"):
        with pytest.raises(ArgumentError, match=r"must be SLOT=NAME, SLOT\.OPTION=VALUE or"):
            parsed([bad])
    for slot in ("anchors", "provides", "seed"):  # arguments of a Curriculum that are no slots
        with pytest.raises(ArgumentError, match=f"`--set` has no '{slot}'"):
            parsed([f"{slot}=1"])


def test_verb_swaps_an_entry(tmp_path, problems, capsys):
    save(tmp_path / "p.jsonl", problems[:20])
    argv = ["train", str(tmp_path / "p.jsonl"), "--run", str(tmp_path / "run"), "-q", "--json"]
    argv += ["--rollouts", "128", "--recipe", "grpo", "--prompts", "8", "--batch", "64"]
    swapped = [*argv, "--set", "budget=refill", "--set", "budget.size=4", "--set", "advantage=rloo"]
    found = []
    for given in (argv, swapped, swapped):
        assert command(given) == 0
        found.append(json.loads(capsys.readouterr().out))
    plain, first, again = found
    assert timeless(plain["curve"]) != timeless(first["curve"])
    assert (first["reused"], again["reused"]) == (False, True)


# -- known difficulties -------------------------------------------------------------------------


def bank_of(problems):
    """A bank whose difficulty is the level."""
    size = len(problems)
    flat = {k: np.full(size, v) for k, v in (("discrimination", 1.0), ("floor", 0.0))}
    return Bank(
        items=tuple(p.id for p in problems),
        difficulty=np.array([p.level - 3.0 for p in problems]),
        **flat,
        se_difficulty=np.full(size, 0.1),
        se_discrimination=np.full(size, 0.1),
        solvers=("a",),
        ability=np.zeros(1),
        se_ability=np.ones(1),
        tried=np.full(size, 9),
        solved=np.full(size, 4),
        scale="s",
    )


def test_s016_pudf_trains_on_a_bank(tmp_path, problems, capsys):
    known = bank_of(problems)
    made = engine.train(
        problems, rollouts=512, run=tmp_path / "a", recipe="pudf", bank=known, **QUICK
    )
    assert made.curve[-1]["rollouts"] == 512
    save(tmp_path / "p.jsonl", problems)
    file = banks.write(tmp_path, known)
    argv = ["train", str(tmp_path / "p.jsonl"), "--run", str(tmp_path / "b"), "--recipe", "pudf"]
    argv += ["--rollouts", "512", "--prompts", "16", "--batch", "128", "-q", "--json"]
    assert command([*argv, "--bank", str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert timeless(found["curve"]) == timeless(made.curve)
    Run(tmp_path / "c").add_bank(known)
    assert command([*argv, "--bank", str(tmp_path / "c")]) == 0
    assert json.loads(capsys.readouterr().out)["reused"]  # the same bank, from a run
    harder = replace(known, difficulty=known.difficulty + 1)
    again = engine.train(
        problems, rollouts=512, run=tmp_path / "a", recipe="pudf", bank=harder, **QUICK
    )
    assert not again.reused
    assert command(argv) == 2
    assert "sampler 'ability' needs 'bank'" in capsys.readouterr().err
    assert command([*argv, "--bank", str(tmp_path / "p.jsonl")]) == 2
    assert "expected a bank" in capsys.readouterr().err
