import json

import numpy as np
import pytest

from gradatim.cli import app
from gradatim.engine.attempt import attempt
from gradatim.engine.calibrate import calibrate, save_bank
from gradatim.engine.select import select
from gradatim.errors import ArgumentError, FormatError
from gradatim.families.generation import generate
from gradatim.families.read import load, save
from gradatim.scale.curves import flat
from gradatim.scale.rates import pass_rate
from gradatim.scale.shrinkage import shrink
from gradatim.store.run import Run
from gradatim.types import Responses

COLUMNS = {
    "id",
    "pass_rate",
    "pass_low",
    "pass_high",
    "pass_n",
    "pass_from",
    "pass_solver",
    "difficulty",
    "se_difficulty",
    "level",
    "level_from",
    "guess_floor",
}


def table(solved, tried=8, solvers=("s", "t")):
    """(solver, item) counts; tried 0 = missing."""
    solved = np.array(solved)
    tried = np.broadcast_to(tried, solved.shape)
    solver, item = np.nonzero(tried)
    return Responses(
        solver=solver,
        item=item,
        solved=solved[solver, item].astype(float),
        tried=tried[solver, item],
        solvers=solvers[: len(solved)],
        items=tuple(f"i{j}" for j in range(solved.shape[1])),
    )


DATA = table([[0, 1, 2, 4, 6, 7, 8], [2, 4, 4, 6, 8, 8, 8]])


def test_the_band_is_of_the_named_solver_and_both_ends_are_in():
    found = select(DATA, solver="s", band=(0.25, 0.75))
    # 2, 4 and 6 of 8 are .25, .5 and .75
    assert [row["id"] for row in found.rows] == ["i2", "i3", "i4"]
    assert [row["pass_rate"] for row in found.rows] == [0.25, 0.5, 0.75]
    assert found.items == 7
    for row in found.rows:
        assert row.keys() == COLUMNS
        assert (row["pass_from"], row["pass_solver"], row["pass_n"]) == ("observed", "s", 8)
        expected = pass_rate(np.array([row["pass_rate"] * 8]), np.array([8]))
        assert (row["pass_low"], row["pass_high"]) == (expected.low[0], expected.high[0])


def test_without_a_solver_all_attempts_count():
    found = select(DATA, band=(0, 1))
    assert [row["pass_n"] for row in found.rows] == [16] * 7
    assert found.rows[3]["pass_rate"] == 10 / 16
    assert found.rows[3]["pass_solver"] is None
    bank = calibrate(DATA)
    assert select(bank, band=(0, 1)).rows == found.rows


def test_shrunk_and_predicted_rates_say_so():
    shrunk = select(DATA, solver="s", band=(0, 1), rate="shrunk").rows
    expected = shrink(np.array([0, 1, 2, 4, 6, 7, 8]), np.full(7, 8))
    np.testing.assert_allclose([row["pass_rate"] for row in shrunk], expected.value)
    assert {row["pass_from"] for row in shrunk} == {"shrunk"}
    predicted = select(DATA, solver="s", band=(0, 1), rate="predicted").rows
    rates = [row["pass_rate"] for row in predicted]
    assert rates == sorted(rates)  # the items are listed from hard to easy
    assert {row["pass_from"] for row in predicted} == {"predicted"}
    assert all(r["pass_low"] <= r["pass_rate"] <= r["pass_high"] for r in shrunk + predicted)


def test_items_that_a_solver_did_not_try_are_predicted():
    data = table([[0, 4, 8, 0], [2, 6, 8, 4]], tried=[[8, 8, 8, 0], [8, 8, 8, 8]])
    found = select(data, solver="s", band=(0, 1))
    assert [row["pass_from"] for row in found.rows] == ["observed"] * 3 + ["predicted"]
    assert found.rows[3]["pass_n"] == 0
    assert any("1 pass rates are predicted" in note for note in found.notes)
    found = select(calibrate(data), solver="s", band=(0, 1))
    assert all(row["pass_from"] == "predicted" for row in found.rows)
    assert any("4 pass rates are predicted by the scale, not observed: a" in n for n in found.notes)
    asked = select(data, solver="s", rate="predicted")
    assert not any("predicted" in note for note in asked.notes)


def test_predictions_by_hand():
    # at b = theta the chance is halfway between floor and 1: .25 + .75 / 2 = .625
    bank = flat(difficulty=[0.0, 5.0], discrimination=[1.0, 1.0], floor=[0.25, 0.25])
    from dataclasses import replace

    bank = replace(bank, solvers=("s",), ability=np.zeros(1), se_ability=np.zeros(1))
    bank = replace(bank, se_difficulty=np.zeros(2), se_discrimination=np.zeros(2))
    first, second = select(bank, solver="s", band=(0, 1)).rows
    assert first["pass_rate"] == first["pass_low"] == first["pass_high"] == pytest.approx(0.625)
    assert second["pass_rate"] == pytest.approx(0.25 + 0.75 / (1 + np.exp(5)))
    # no errors: the interval is a point, above the floor by next to nothing
    assert len(select(bank, solver="s", band=(0, 1), above_floor=True).rows) == 2


def test_above_the_floor_is_credibly_above():
    from dataclasses import replace

    bank = replace(calibrate(DATA), floor=np.full(7, 0.25))
    kept = select(bank, band=(0, 1), above_floor=True)
    low = pass_rate(bank.solved, bank.tried).low
    assert [row["id"] for row in kept.rows] == [f"i{j}" for j in np.flatnonzero(low > 0.25)]
    assert "3 items in the band may be guessed: left out" in kept.notes


def test_levels_are_deciles_of_difficulty():
    rng = np.random.default_rng(0)
    solved = rng.binomial(20, np.linspace(0.02, 0.98, 40), size=(3, 40))
    rows = select(table(solved, 20, ("a", "b", "c")), band=(0, 1)).rows
    order = np.argsort([row["difficulty"] for row in rows], kind="stable")
    levels = np.array([row["level"] for row in rows])[order]
    assert levels.tolist() == sorted(levels)
    assert set(levels) == set(range(1, 11))
    assert {row["level_from"] for row in rows} == {"decile"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("select") / "run"
    problems = generate("lists", n=40, level=range(1, 11), seed=1)
    save(folder.parent / "problems.jsonl", problems)
    attempt(problems, solver="sim:2pl", run=folder, samples=8)
    return Run(folder)


def test_rows_of_a_run_pipe_on(run, tmp_path):
    found = select(run)
    assert 0 < len(found.rows) < 40
    path = tmp_path / "kept.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in found.rows))
    again = {p.id: p for p in run.problems()}
    assert load(path) == [again[row["id"]] for row in found.rows]
    assert {row["level_from"] for row in found.rows} == {"problem"}
    assert all(row["guess_floor"] > 0 for row in found.rows)


def test_problems_of_a_file_are_found_by_id_prompt_or_task(run, tmp_path):
    problems = [*run.problems()]
    items = [p.id for p in problems[:7]]
    data = Responses(**{
        **{f: getattr(DATA, f) for f in ("solver", "item", "solved", "tried")},
        "solvers": DATA.solvers,
        "items": tuple(items),
    })
    rows = select(data, band=(0, 1), problems=run.path.parent / "problems.jsonl").rows
    assert [row["prompt"] for row in rows] == [p.prompt for p in problems[:7]]
    assert select(data, band=(0, 1), problems=problems).rows == rows
    own = tmp_path / "own.csv"
    own.write_text("question_id,question,mine\n" + "".join(f"{j},q{j},m{j}\n" for j in range(7)))
    tasks = tuple(f"sums/{j}" for j in range(7))
    data = Responses(**{
        **{f: getattr(DATA, f) for f in ("solver", "item", "solved", "tried")},
        "solvers": DATA.solvers,
        "items": tasks,
    })
    rows = select(data, band=(0, 1), problems=own).rows
    assert [row["mine"] for row in rows] == [f"m{j}" for j in range(7)]
    assert rows[0]["id"] == "sums/0"
    with pytest.raises(FormatError, match=r"own\.csv: expected problems of the source.*such as 'i"):
        select(DATA, problems=own)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"band": (20, 80)}, r"`band` must lie in \[0, 1\], got 20"),
        ({"band": (0.8, 0.2)}, r"`band` must be LOW:HIGH with LOW <= HIGH, got 0\.8:0\.2"),
        ({"band": (0.1, float("nan"))}, "`band` must lie in"),
        ({"solver": "S"}, r"`solver`: nobody is called 'S' \(there are s, t\)"),
        ({"rate": "bayes"}, "`rate` must be one of observed, predicted, shrunk"),
        ({"level": 1.0}, "`level` must lie in"),
        ({"rate": "predicted"}, "`rate` 'predicted' is of one solver: .* one of s, t$"),
    ],
)
def test_mistakes_are_one_line(options, message):
    with pytest.raises(ArgumentError, match=message):
        select(DATA, **options)


def test_the_verb(tmp_path, capsys):
    path = tmp_path / "log.csv"
    lines = [
        f"{s},{i},{k},8"
        for s, row in (("s", [0, 1, 4, 7]), ("t", [2, 4, 8, 8]))
        for i, k in enumerate(row)
    ]
    path.write_text("\n".join(["solver,item,solved,tried", *lines]) + "\n")
    assert app.run(["select", str(path), "--band", ".2:.8", "--solver", "s"]) == 0
    printed = capsys.readouterr()
    assert [json.loads(line)["id"] for line in printed.out.splitlines()] == ["2"]
    assert "1 of 4 items kept" in printed.err
    bank = save_bank(tmp_path / "bank.parquet", calibrate(path))
    assert app.run(["select", str(bank), "--band", ".3:.8", "--json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == ["1", "2"]
    out = tmp_path / "kept.jsonl"
    assert app.run(["select", str(bank), "-o", str(out)]) == 0
    assert capsys.readouterr().out == ""
    assert len(out.read_text().splitlines()) == 2
    assert app.run(["select", str(bank), "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"output": str(out), "items": 4, "kept": 2, "notes": []}
    # nothing in the band is an answer, not a mistake
    assert app.run(["select", str(bank), "--band", ".30:.31"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "0 of 4 items kept: nothing has a pass rate in .30:.31" in printed.err
    for band in (".8:.2", "20:80", ".2", "a:b", ":"):
        assert app.run(["select", str(bank), "--band", band]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert app.run(["select", str(tmp_path / "none")]) == 2


def test_hostile_prompts_come_through(tmp_path, capsys):
    path = tmp_path / "rollouts.jsonl"
    prompt = "a\\ud800\\u0000<script>"  # half a surrogate pair and a NUL, as JSON writes them
    path.write_text(
        "".join(f'{{"prompt":"{prompt}","completion":"x","reward":{r}}}\n' for r in (1, 0))
    )
    assert app.run(["select", str(path), "--band", "0:1"]) == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["prompt"] == json.loads(f'"{prompt}"')
    assert row["pass_rate"] == 0.5


def test_a_matrix_file_is_selected_from(tmp_path):
    solved = np.array([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]], dtype=np.int8)
    np.savez(tmp_path / "m.npz", solved=solved)
    found = select(tmp_path / "m.npz")
    assert [row["pass_rate"] for row in found.rows] == [1 / 3, 2 / 3]
    assert [r["id"] for r in select(tmp_path / "m.npz", solver="solver-2", band=(1, 1)).rows] == [
        "item-3",
        "item-4",
    ]
    np.savez(tmp_path / "m.npz", solved=solved * 2, tried=np.full((3, 4), 2))
    assert select(tmp_path / "m.npz", solver="solver-3", band=(1, 1)).rows[0]["pass_n"] == 2
    bank = calibrate(tmp_path / "m.npz", leave_out=["solver-3"])
    assert bank.solvers == ("solver-1", "solver-2")
