"""Studies: equal budgets, cells that resume, contrasts by hand."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradatim.cli.app import run
from gradatim.engine import arms, cells, contrasts, study
from gradatim.errors import ArgumentError, FormatError
from gradatim.families.generation import generate
from gradatim.recipes import registry
from gradatim.store import banks
from gradatim.types import Bank

torch = pytest.importorskip("torch")

SIMULATED = """
name = "small"
recipes = ["grpo", "dump"]
seeds = [0, 1]
[settings]
rollouts = 2048
rate = 0.2
ramp = 1
moments = 4
[pools.sim]
simulated = 400
held_out = 60
start = -1.0
[variants.bolder]
recipe = "gradatim"
rate = 0.3
prompts = 128
sampler = {explore = 0.3}
"""
TINY = """
recipes = ["grpo", "dapo"]
[settings]
rollouts = 256
batch = 64
prompts = 8
moments = 2
early = 0
[pools.lists]
families = {lists = {operation = "sort"}, arithmetic = {}}
n = 20
held_out = 10
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SIMULATED)
    return path


def test_every_cell_spends_its_budget(small):
    rows = study.study(small)
    assert {(r["variant"], r["seed"]) for r in rows} == {
        (v, s) for v in ("grpo", "dump", "bolder") for s in (0, 1)
    }
    for row in rows:
        assert row["spent"] == 2048 == row["rollouts"][-1]
        assert row["rollouts"][0] == 0
        assert row["height"][-1] > row["height"][0] + 0.05  # the simulated learner learns
        assert row["labels"][0] == "f0:1"
        assert 0 < row["mixed"] <= row["groups"]
    assert {r["rate"] for r in rows if r["variant"] == "bolder"} == {0.3}
    groups = {r["variant"]: r["groups"] for r in rows}  # half the size, twice as many
    assert groups["grpo"] == 256 < groups["bolder"]


def test_the_tiny_policy_under_two_recipes(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    grpo, dapo = sorted(study.study(tmp_path / "tiny.toml"), key=lambda r: r["variant"] != "grpo")
    assert grpo["spent"] == 256
    assert 256 <= dapo["spent"] < 256 + 64  # a step may leave some; the last one may not overspend
    assert grpo["before"] == dapo["before"]  # one start, one survey
    assert grpo["labels"] == sorted({
        f"{f}:{k}" for f in ("lists", "arithmetic") for k in range(1, 6)
    })


def test_s016_pudf_on_a_pool_with_a_bank(tmp_path):
    text = TINY.replace('["grpo", "dapo"]', '["grpo", "pudf"]')
    toml = tmp_path / "tiny.toml"
    toml.write_text(text)
    with pytest.raises(ArgumentError, match="needs 'bank'"):
        study.load(toml)
    toml.write_text(text + 'bank = "known.parquet"\n')
    with pytest.raises(FormatError, match="expected a bank"):
        study.load(toml)
    pool = {**cells.POOL, "families": {"lists": {"operation": "sort"}, "arithmetic": {}}}
    problems = cells.problems_of(pool, "train", 20)
    flat = {k: np.ones(20) for k in ("discrimination", "se_difficulty", "se_discrimination")}
    known = Bank(
        items=tuple(p.id for p in problems),
        difficulty=np.array([p.level - 3.0 for p in problems]),
        floor=np.zeros(20),
        **flat,
        solvers=("a",),
        ability=np.zeros(1),
        se_ability=np.ones(1),
        tried=np.full(20, 9),
        solved=np.full(20, 4),
        scale="s",
    )
    (tmp_path / "known.parquet").write_bytes(banks.encode(known))
    rows = study.study(toml)
    assert {r["variant"]: r["spent"] for r in rows} == {"grpo": 256, "pudf": 256}
    # where the bank lies does not change what a cell is, what it says does
    (tmp_path / "moved").mkdir()
    keys = []
    for folder, shift in ((tmp_path, 0), (tmp_path / "moved", 0), (tmp_path / "moved", 1)):
        cells._content.cache_clear()
        harder = replace(known, difficulty=known.difficulty + shift)
        (folder / "known.parquet").write_bytes(banks.encode(harder))
        (folder / "tiny.toml").write_text(toml.read_text())
        keys.append([c.key for c in study.load(folder / "tiny.toml").cells])
    assert keys[0] == keys[1] == [r["key"] for r in rows]
    assert not set(keys[1]) & set(keys[2])


def test_greedy_surveys_do_not_depend_on_the_noise():
    from gradatim.engine.arms_tiny import Tiny

    problems = generate("lists", n=40, level=range(1, 11), seed=0)
    grpo = registry.get("grpo")
    arm = Tiny(
        problems, problems, grpo, start="start", seed=0, rollouts=64, settings=cells.SETTINGS
    )
    first, second = (arm.survey(1, moment, greedy=True) for moment in (0, 1))
    assert (first == second).all()
    first, second = (arm.survey(1, moment) for moment in (0, 1))
    assert (first != second).any()


def test_interrupted_studies_go_on(small, monkeypatch):
    whole = study.study(small)
    small.with_suffix(".parquet").unlink()
    calls = []

    def stop_at_third(cell):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(cell.variant)
        return real(cell)

    real = study.run_cell
    monkeypatch.setattr(study, "run_cell", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        study.study(small)
    assert len(study.read_rows(small.with_suffix(".parquet"))) == 2
    monkeypatch.setattr(study, "run_cell", real)
    again = study.study(small)

    def strip(rows):
        bare = [{k: v for k, v in row.items() if k != "cpu"} for row in rows]
        return sorted(bare, key=lambda r: r["key"])

    assert strip(again) == strip(whole)


def test_jobs_give_the_same_rows(small):
    alone = study.study(small)
    small.with_suffix(".parquet").unlink()
    both = study.study(small, jobs=2)
    heights = [{(r["variant"], r["seed"]): r["height"] for r in rows} for rows in (alone, both)]
    assert heights[0] == heights[1]


def row_of(variant, seed, height, before=(0.5,), after=(0.5,), **more):
    """A row with moments at 0, 100 and 200 rollouts."""
    cost = [0.0, 100.0, 200.0]
    return {
        "pool": "p", "variant": variant, "recipe": variant, "start": "s", "seed": seed,
        "height": height, "rollouts": cost, "tokens": cost, "cpu": cost, "greedy": [0.5],
        "mixed": 1, "groups": 2, "before": list(before), "after": list(after),
        "labels": [f"f:{k}" for k in range(1, len(after) + 1)], "rate": 1.0,
    } | more  # fmt: skip


def test_contrasts_by_hand():
    rows = [
        row_of("grpo", 0, [0.2, 0.3, 0.4]),
        row_of("grpo", 1, [0.2, 0.3, 0.4]),
        row_of("new", 0, [0.2, 0.4, 0.5], before=(0.5, 0.9), after=(0.6, 0.7)),
        row_of("new", 1, [0.2, 0.4, 0.7]),
        row_of("lone", 7, [0.2, 0.4, 0.7]),
    ]
    base, new = contrasts.contrast(rows, early=100)
    assert (base["variant"], new["variant"]) == ("grpo", "new")  # "lone" has no pair
    assert new["d_final"].value == pytest.approx(0.2)
    # t of one degree of freedom: 12.706 x .1414 / sqrt 2
    assert new["d_final"].high == pytest.approx(0.2 + 12.706 * 0.1, abs=1e-3)
    assert new["x_rollouts"].value == pytest.approx(0.5)  # .4 at 100, the baseline at 200
    assert new["d_early"].value == pytest.approx(0.05)
    assert new["forgotten"] == pytest.approx(0.05)
    assert new["d_forgotten"].value == pytest.approx(0.05)
    assert new["gradient"] == 0.5
    assert (new["never"], new["flat"]) == (0, 0)
    text = contrasts.table([base, new], configurations=2)
    assert "x0.50" in text
    with pytest.raises(ArgumentError, match="no row of the baseline 'grop'"):
        contrasts.contrast(rows, baseline="grop")


def test_heights_never_reached_are_counted_and_said():
    low = [0.2, 0.2, 0.3]
    rows = [row_of("grpo", s, [0.2, 0.3, 0.4]) for s in (0, 1)]
    rows += [row_of("one", 0, low), row_of("one", 1, [0.2, 0.4, 0.4])]
    rows += [row_of("none", 0, low), row_of("none", 1, low)]
    found = {r["variant"]: r for r in contrasts.contrast(rows)}
    assert (found["one"]["never"], found["none"]["never"]) == (1, 2)
    # 200 (the whole budget) and 100 over 200 and 200: the root of 1 x 1/2
    assert found["one"]["x_rollouts"].value == pytest.approx(0.5**0.5)
    assert found["none"]["x_rollouts"].value == pytest.approx(1)
    text = contrasts.table(list(found.values()), configurations=3)
    assert ", 1 never" in text
    assert ">x1.00, never" in text
    assert "2 rows with pairs that never reached the baseline's height" in text


def test_a_baseline_that_learns_nothing_is_said():
    flat = [0.4, 0.3, 0.2]
    rows = [row_of("grpo", 0, flat), row_of("new", 0, [0.4, 0.5, 0.6])]
    new = contrasts.contrast(rows)[1]
    assert new["flat"] == 1
    assert new["x_rollouts"].value == pytest.approx(1)  # both at the first moment, not 0 / 0
    assert "1 rows with pairs whose baseline ended where it began" in contrasts.table(
        [new], configurations=2
    )


def test_one_pair_has_no_interval():
    rows = [row_of("grpo", 0, [0.2, 0.3, 0.4]), row_of("new", 0, [0.2, 0.4, 0.5])]
    text = contrasts.table(contrasts.contrast(rows), configurations=2)
    assert "inf" not in text
    assert "+10.0 " in text
    assert "2 of 2 rows with one pair: no interval" in text


def test_time_and_tokens_at_equal_rollouts():
    rows = [row_of("grpo", s, [0.2, 0.3, 0.4]) for s in (0, 1)]
    slow = {"cpu": [0.0, 200.0, 400.0], "tokens": [0.0, 50.0, 100.0]}
    rows += [row_of("slow", s, [0.2, 0.3, 0.4], **slow) for s in (0, 1)]
    slow = contrasts.contrast(rows)[1]
    assert slow["cpu_per_rollout"].value == pytest.approx(2)
    assert slow["tokens_per_rollout"].value == pytest.approx(0.5)
    assert slow["x_rollouts"].value == pytest.approx(1)
    assert slow["x_cpu"].value == pytest.approx(2)


def test_pass_rates_by_level():
    rows = [
        row_of("grpo", 0, [0.2, 0.3], before=(0.1, 0.2), after=(0.5, 0.3), greedy=[1.0, 0.0]),
        row_of("new", 0, [0.2, 0.3], before=(0.1, 0.2), after=(0.6, 0.2), greedy=[1.0, 0.5]),
    ]
    found = {(r["variant"], r["level"]): r for r in contrasts.by_level(rows)}
    assert found["grpo", 1]["final"] == 0.5
    assert "d_final" not in found["grpo", 1]
    assert found["new", 1]["d_final"].value == pytest.approx(0.1)
    assert found["new", 2]["d_final"].value == pytest.approx(-0.1)
    assert found["new", 2]["d_greedy"].value == 0.5
    assert found["new", 2]["before"] == 0.2
    # labels that do not fit are not compared
    other = row_of("odd", 0, [0.2, 0.3], labels=["g:1"])
    assert not [r for r in contrasts.by_level([*rows, other]) if r["variant"] == "odd"]


def test_leave_one_out():
    rows = []
    for seed, gain in ((0, 0.1), (1, 0.2)):
        rows.append(row_of("grpo", seed, [0.2, 0.3, 0.4]))
        rows.append(row_of("mine", seed, [0.2, 0.4, 0.4 + gain]))
        rows.append(row_of("without_budget", seed, [0.2, 0.3, 0.4], recipe="mine"))
    (part,) = contrasts.leave_one_out(rows)
    assert (part["part"], part["whole"], part["pairs"]) == ("budget", "mine", 2)
    assert part["brings_final"].value == pytest.approx(0.15)
    # t of one degree of freedom: 12.706 x .0707 / sqrt 2
    assert part["brings_final"].low == pytest.approx(0.15 - 12.706 * 0.05, abs=1e-3)
    assert part["brings_final"].high == pytest.approx(0.15 + 12.706 * 0.05, abs=1e-3)
    assert part["never"] == 2
    text = contrasts.parts_table([part])
    assert "pool p: mine without one part" in text
    assert "+15.0 [" in text
    assert contrasts.leave_one_out(rows[:2]) == []
    orphans = [r for r in rows if r["variant"] != "mine"]
    assert contrasts.leave_one_out(orphans) == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("recipes", "recipies"), "did you mean 'recipes'"),
        (('"dump"', '"dum"'), "did you mean 'dump'"),
        (("rollouts", "rolouts"), "did you mean 'rollouts'"),
        (("simulated = 400", "simulatd = 400"), "'simulatd'"),
        (("explore", "explor"), "did you mean 'explore'"),
        (("[pools.sim]", "[pool.sim]"), "did you mean 'pools'"),
        (("name =", "name"), "expected a study in TOML"),
        (("seeds = [0, 1]", 'baseline = "gpro"'), "did you mean 'grpo'"),
    ],
)
def test_mistakes_are_named(small, change, error):
    small.write_text(SIMULATED.replace(*change))
    with pytest.raises((ArgumentError, FormatError), match=error):
        study.load(small)


def test_moments_are_due_in_order():
    due = cells.moments(cells.SETTINGS)
    assert due == sorted(set(due))
    assert (due[0], due[-1]) == (0, 48_000)
    assert np.isin([2000, 4000, 6000, 8000], due).all()


def test_the_verb(small, capsys):
    assert run(["study", str(small), "-q", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["cells"], found["missing"], found["configurations"]) == (6, 0, 3)
    assert run(["study", str(small), "-q", "--only", "grpo"]) == 0
    assert "pool sim" in capsys.readouterr().out
    page = small.with_name("page.html")
    assert run(["study", str(small), "-q", "--report", str(page)]) == 0
    assert f"page: {page}" in capsys.readouterr().out
    assert "Study small" in page.read_text()
    done = subprocess.run(
        [sys.executable, "-m", "gradatim", "study", "nothing.toml"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_cell_is_known_by_what_it_depends_on(small):
    cells = study.load(small).cells
    keys = {cell.key for cell in cells}
    assert len(keys) == len(cells)
    one = cells[0]
    assert one._replace(variant="another name").key == one.key
    assert one._replace(seed=7).key != one.key
    assert one._replace(settings={**one.settings, "rollouts": 1}).key != one.key
    # what a later version adds at its default changes nothing
    fewer = {k: v for k, v in one.settings.items() if k != "passes"}
    assert one._replace(settings=fewer).key == one.key


def test_the_verb_before_all_is_run(small, capsys):
    assert run(["study", str(small), "-q", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "no row of the baseline 'grpo' yet" in said
    assert "6 of 6 cells have no row yet" in said
    assert not small.with_suffix(".parquet").exists()
    assert run(["study", str(small), "-q", "--only", "dump"]) == 0
    assert "4 of 6 cells have no row yet" in capsys.readouterr().out
    small.write_text(SIMULATED.replace('"grpo", "dump"', '"grpo"'))
    assert run(["study", str(small), "-q", "--only", "grpo", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["configurations"] == 2  # what was given up counts too
    assert found["missing"] == 2


# -- the simulated learner ------------------------------------------------------------------------

LEARNING = {"rate": 0.05, "start": -1.5, "transfer": 0.0, "ramp": 1}


def learner(recipe="grpo", *, seed=0, noise=arms.NOISE, **settings):
    train, held_out = (arms.world(600, families=3, seed=i) for i in (1, 2))
    return arms.Simulated(
        train,
        held_out,
        registry.get(recipe),
        seed=seed,
        rollouts=10_000,
        settings=LEARNING | settings,
        noise=noise,
    )


def path(made, steps=12):
    """(step, family) abilities after each step."""
    found = []
    for _ in range(steps):
        made.advance(32, 256)
        found.append(made.ability.copy())
    return np.array(found)


def test_adam_by_hand():
    state = arms.Moments(np.zeros(1), np.zeros(1))
    state, step = arms.adam(state, np.array([0.2]))
    assert step == pytest.approx(1)  # a first gradient is its own mean and root
    state, step = arms.adam(state, np.array([-0.2]))
    # (.9 x .1 - .1) x .2 / (1 - .81) over the root of .04
    assert step == pytest.approx(-0.01 / 0.19)
    assert state.steps == 2


def test_adam_is_a_ratio_of_weighted_means():
    gradients = np.random.default_rng(0).standard_normal((30, 4))
    state = arms.Moments(np.zeros(4), np.zeros(4))
    for gradient in gradients:
        state, step = arms.adam(state, gradient)
    # bias correction makes the weights of all gradients so far, .9 or .99 to their age, sum to 1
    age = np.arange(30)[::-1]
    first = np.average(gradients, axis=0, weights=0.9**age)
    second = np.average(gradients**2, axis=0, weights=0.99**age)
    assert step == pytest.approx(first / np.sqrt(second), abs=1e-12)


def test_adam_steps_are_shorter_where_noise_drowns_the_gradient():
    rng, mean = np.random.default_rng(0), {}
    for noise in (0.0, 1.0, 3.0):
        state, steps = arms.Moments(np.zeros(500), np.zeros(500)), []
        for _ in range(200):
            state, step = arms.adam(state, 1 + noise * rng.standard_normal(500))
            steps.append(step)
        mean[noise] = np.mean(steps[50:])
    # mean over root of the mean square: 1 / sqrt(1 + noise ** 2)
    assert mean == pytest.approx({0.0: 1.0, 1.0: 0.707, 3.0: 0.316}, abs=0.02)


@pytest.mark.parametrize("recipe", ["grpo", "gradatim"])
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_the_scale_of_advantages_changes_no_path(recipe, noise, monkeypatch):
    usual = path(learner(recipe, noise=noise))
    assert (usual == path(learner(recipe, noise=noise))).all()
    assert (usual != path(learner(recipe, noise=noise, seed=1))).any()
    for factor, error in ((8.0, 0.0), (7.0, 1e-9), (1e-6, 1e-9)):
        scaled = learner(recipe, noise=noise)
        real = scaled.curriculum.advantages

        def multiplied(batch, real=real, factor=factor):
            advantage, keep = real(batch)
            return factor * advantage, keep

        monkeypatch.setattr(scaled.curriculum, "advantages", multiplied)
        assert path(scaled) == pytest.approx(usual, abs=error)


def test_a_learner_whose_scores_hold_no_noise_takes_whole_steps():
    """Each attempt then pushes upwards: a right one is above its baseline, a wrong one below."""
    sure, noisy = ({r: path(learner(r, noise=n), 30)[-1].mean() for r in ("grpo", "gradatim")}
                   for n in (0.0, 16.0))  # fmt: skip
    for name in sure:
        assert sure[name] == pytest.approx(-1.5 + 30 * 0.05, abs=0.1)
        assert noisy[name] < sure[name] - 0.5


def test_nothing_to_learn_from_is_no_step():
    for start in (60.0, -60.0):  # all right, all wrong
        made = learner(start=start)
        assert (path(made, 3) == start).all()
        assert made.moments.steps == 0
    assert (path(learner(rate=0.0), 3) == -1.5).all()
    # one family alone is tried, and the others keep what they had
    made = learner()
    pool = replace(made.world.pool, family=np.ones(600, dtype=np.int32))
    made.world = made.world._replace(pool=pool)
    assert (path(made, 3)[:, [0, 2]] == -1.5).all()
    assert (path(made, 3)[:, 1] != -1.5).all()


def test_the_rate_rises_and_is_passed_on():
    made = learner(noise=0.0, ramp=4)
    gained = np.diff(path(made, 6).mean(1), prepend=-1.5)
    assert gained == pytest.approx(0.05 * np.array([0.25, 0.5, 0.75, 1, 1, 1]), rel=0.1)
    # a family's step, less what it passes on, and a tenth of the sum of all three
    shared = path(learner(noise=0.0, transfer=0.1), 1)
    assert shared == pytest.approx(-1.5 + 0.05 * (0.9 + 0.3), abs=1e-9)


@pytest.mark.parametrize("noise", [-1.0, float("nan")])
def test_noise_is_a_deviation(noise):
    with pytest.raises(ArgumentError, match="`noise`"):
        learner(noise=noise)


def test_rows_of_the_simulated_study_are_its_own():
    path = Path(__file__).parent.parent / "studies" / "simulated.toml"
    rows = study.read_rows(path.with_suffix(".parquet"))
    assert rows
    assert {row["key"] for row in rows} <= {cell.key for cell in study.load(path).cells}


@pytest.mark.slow
@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGKILL"])
def test_workers_end_with_their_parent(small, signal_name):
    small.write_text(SIMULATED.replace("rollouts = 2048", "rollouts = 20000000"))
    command = [sys.executable, "-m", "gradatim", "study", str(small), "-j", "2", "-q"]
    # tests that run in the background may ignore interrupts, and children would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        if not children.exists():
            parent.kill()
            pytest.skip("children are read from /proc")
        until = time.monotonic() + 60
        while len(children.read_text().split()) < 3 and time.monotonic() < until:  # and a tracker
            time.sleep(0.2)
        time.sleep(4)  # at work by now
        pids = children.read_text().split()
        assert len(pids) == 3
        parent.send_signal(signal.Signals[signal_name])
        parent.wait(30)
    until = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.2)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
