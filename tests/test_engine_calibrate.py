import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradatim.cli import app
from gradatim.cli import calibrate as verb
from gradatim.engine.attempt import attempt
from gradatim.engine.calibrate import calibrate, describe_calibration, save_bank
from gradatim.errors import ArgumentError, FormatError
from gradatim.families.generation import generate
from gradatim.solvers.simulated import difficulty
from gradatim.store import banks
from gradatim.store.formats import write_responses
from gradatim.store.run import Run
from gradatim.types import Responses

LOGS = Path(__file__).parent / "logs"
ABILITIES = (-2.0, -1.0, 0.0, 1.0, 2.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Five simulated learners on 60 problems of ten levels."""
    run = Run(tmp_path_factory.mktemp("calibrate") / "run")
    problems = generate("lists", n=60, level=range(1, 11), seed=1)
    for ability in ABILITIES:
        attempt(problems, solver="sim:2pl", run=run, samples=8, ability=ability)
    return run


def matrix():
    solved = np.array([[1, 0, 1, 0], [1, 1, 1, 0], [0, 1, 1, 0]])
    solver, item = (x.ravel() for x in np.indices(solved.shape))
    return Responses(
        solver=solver,
        item=item,
        solved=solved.ravel().astype(float),
        tried=np.ones(12, int),
        solvers=("a", "b", "c"),
        items=("w", "x", "y", "z"),
    )


def test_a_run_is_calibrated_and_kept(run):
    bank = calibrate(run)
    problems = {p.id: p for p in run.problems()}
    truth = [difficulty(problems[item]) for item in bank.items]
    assert np.corrcoef(truth, bank.difficulty)[0, 1] > 0.9
    assert len(bank.solvers) == len(ABILITIES)
    assert bank.fit["converged"]
    np.testing.assert_array_equal(run.bank().difficulty, bank.difficulty)
    result = run.read_result("calibration")
    assert result["bank"] == banks.name_of(bank)
    assert result["spearman"]["lists"]["low"] > 0.7
    assert result["spearman"]["lists"]["n"] == 60
    assert result["attempts"] == 60 * 8 * len(ABILITIES)
    never = [i for i, solved in zip(bank.items, bank.solved, strict=True) if solved == 0]
    assert result["never_solved"] == sorted(never)


def test_repeated_it_reuses_and_a_new_attempt_is_a_new_bank(run):
    first = calibrate(run)
    ticks = []
    again = calibrate(run, progress=ticks.append)
    assert again.fit["reused"]
    assert "reused" in ticks[0].stage
    np.testing.assert_array_equal(first.se_difficulty, again.se_difficulty)
    assert not calibrate(run, model="1pl").fit["reused"]
    attempt(run.problems()[:1], solver="sim:2pl", run=run, samples=9, ability=0.0)
    newer = calibrate(run)
    assert not newer.fit["reused"]
    assert newer.scale != first.scale


def test_a_solver_can_be_left_out(run):
    names = calibrate(run).solvers
    bank = calibrate(run, leave_out=names[:1])
    assert bank.solvers == names[1:]
    with pytest.raises(ArgumentError, match="nobody is called 'sim:3pl'"):
        calibrate(run, leave_out=["sim:3pl"])


@pytest.mark.parametrize("ending", ["npz", "csv", "parquet", "jsonl"])
def test_matrix_files_of_every_ending_give_the_same_bank(ending, tmp_path):
    path = tmp_path / f"matrix.{ending}"
    write_responses(path, matrix())
    bank = calibrate(path)
    whole = calibrate(matrix())
    at = [bank.items.index(i) for i in whole.items]
    np.testing.assert_array_equal(bank.difficulty[at], whole.difficulty)
    assert whole.fit["never_solved"] == ["z"]
    assert whole.fit["always_solved"] == ["y"]


def test_responses_can_be_kept_in_a_run(tmp_path):
    bank = calibrate(matrix(), run=tmp_path / "run")
    assert not bank.fit["reused"]
    assert calibrate(matrix(), run=tmp_path / "run").fit["reused"]


def test_floors_of_families_are_known(tmp_path):
    run = Run(tmp_path / "run")
    problems = generate("sat", n=4, level=1, seed=0)
    for ability in (-1.0, 1.0):
        attempt(problems, solver="sim:2pl", run=run, samples=2, ability=ability)
    assert not calibrate(run).floor.any()
    assert (calibrate(run, floors=True).floor > 0).all()


def test_bad_sources_are_one_clear_line(tmp_path):
    with pytest.raises(FormatError, match="expected a run folder, a log"):
        calibrate(tmp_path / "nothing.npz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FormatError, match="run folder"):
        calibrate(tmp_path / "folder")
    with pytest.raises(FormatError, match="no ledger"):
        calibrate(Run(tmp_path / "empty"))
    with pytest.raises(ArgumentError, match="`calibrate` has no 'modell'"):
        calibrate(matrix(), modell="2pl")


def test_the_verb(run, tmp_path, capsys):
    out = tmp_path / "bank.parquet"
    assert app.run(["calibrate", str(run.path), "-q", "--json", "-o", str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["items"] == 60
    assert found["spearman"]["lists"]["value"] > 0.8
    assert banks.read(out).scale == found["scale"]
    assert app.run(["calibrate", str(run.path), "-q"]) == 0
    text = capsys.readouterr().out
    assert "reused" in text
    assert "Spearman" in text
    assert app.run(["calibrate", str(run.path), "-q", "--model", "9pl"]) == 2
    assert "1pl, 2pl, 3pl, 4pl, rasch" in capsys.readouterr().err
    assert app.run(["calibrate", str(run.path), "-q", "-o", str(tmp_path / "bank.txt")]) == 2
    assert ".parquet" in capsys.readouterr().err


# -- logs, links and what is wrong with the data ------------------------------------------------


def simulated(n_solvers, n_items, *, seed=0, tried=8, prefix="i", shift=0.0):
    """2PL counts of solvers N(shift, 1) on items N(0, 1)."""
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(shift, 1, n_solvers), np.linspace(-1.5, 1.5, n_items)
    chance = 1 / (1 + np.exp(-1.2 * (theta[:, None] - b)))
    solver, item = (x.ravel() for x in np.indices(chance.shape))
    return Responses(
        solver=solver,
        item=item,
        solved=rng.binomial(tried, chance).ravel().astype(float),
        tried=np.full(chance.size, tried),
        solvers=tuple(f"s{seed}-{j}" for j in range(n_solvers)),
        items=tuple(f"{prefix}{j}" for j in range(n_items)),
    )


def test_a_bank_is_linked_to_another(tmp_path):
    old = calibrate(simulated(60, 30))
    # abler solvers: their own zero lies one higher, so difficulties come out one lower
    new = calibrate(simulated(60, 30, seed=1, shift=1.0))
    assert np.mean(new.difficulty - old.difficulty) < -0.6
    path = save_bank(tmp_path / "old.parquet", old)
    linked = calibrate(simulated(60, 30, seed=1, shift=1.0), link=path)
    assert linked.scale == old.scale
    assert abs(np.mean(linked.difficulty - old.difficulty)) < 0.1
    assert linked.fit["link"]["anchors"] >= 25
    with pytest.raises(ArgumentError, match=r"no overlap with the linked bank: none of 30 items"):
        calibrate(simulated(60, 30, prefix="other"), link=old)
    with pytest.raises(FormatError, match="expected a bank"):
        calibrate(matrix(), link=tmp_path / "none.parquet")


def test_a_run_keeps_its_linked_bank_apart(tmp_path):
    old = calibrate(simulated(20, 10))
    data = simulated(20, 10, seed=1)
    assert not calibrate(data, run=tmp_path / "run").fit["reused"]
    linked = calibrate(data, run=tmp_path / "run", link=old)
    assert (linked.fit["reused"], linked.scale) == (False, old.scale)
    again = calibrate(data, run=tmp_path / "run", link=old)
    assert (again.fit["reused"], again.scale) == (True, old.scale)


def test_several_sources_are_added_up(tmp_path):
    one, two = simulated(5, 6, seed=0), simulated(5, 6, seed=1)
    write_responses(tmp_path / "one.csv", one)
    bank = calibrate([tmp_path / "one.csv", two])
    assert set(bank.solvers) == {*one.solvers, *two.solvers}
    assert bank.tried.tolist() == [8 * 10] * 6
    assert [s["attempts"] for s in bank.fit["sources"]] == [240, 240]


def test_disconnected_and_constant_data_are_fitted_and_named(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("solver,item,solved,tried\na,x,1,4\nb,x,3,4\nc,y,2,4\n")
    assert app.run(["calibrate", str(path), "-q"]) == 0
    text = capsys.readouterr().out
    assert "2 parts without a common item or solver" in text
    assert "a, b; c" in text
    path.write_text("solver,item,solved,tried\na,x,0,0\nb,x,1,2\n")
    assert app.run(["calibrate", str(path), "-q"]) == 0
    assert "  a  no attempts, no ability" in capsys.readouterr().out
    path.write_text("solver,item,solved,tried\na,x,4,4\nb,x,4,4\na,y,4,4\n")
    assert app.run(["calibrate", str(path), "-q", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["always_solved"] == ["x", "y"]
    assert found["full_solvers"] == ["a", "b"]
    assert {"all_right", "items_all_right"} <= {f["kind"] for f in found["quality"]}


def test_what_contradicts_a_published_mean_is_said(tmp_path, capsys):
    data = simulated(6, 80)
    write_responses(tmp_path / "m.csv", data)
    mean = data.solved[data.solver == 0].sum() / 640
    wrong = round(min(mean + 0.3, 0.99) if mean < 0.6 else mean - 0.3, 3)
    (tmp_path / "p.csv").write_text(f"solver,mean\ns0-0,{wrong}\n")
    command = ["calibrate", str(tmp_path / "m.csv"), "--published", str(tmp_path / "p.csv"), "-q"]
    assert app.run(command) == 0
    assert "s0-0" in "".join(
        line for line in capsys.readouterr().out.splitlines() if f"{wrong:.2f}" in line
    )
    assert app.run([*command, "--json"]) == 0
    kinds = {f["kind"] for f in json.loads(capsys.readouterr().out)["quality"]}
    assert "published" in kinds


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "lmeval"],
        ["--column", "item"],
        ["--column", "itm=x"],
        ["--range", "1"],
        ["--range", "1:0"],
        ["--score", "nothing"],
        ["--link", "none.parquet"],
        ["--published", "none.csv"],
    ],
    ids=" ".join,
)
def test_bad_options_are_one_line(options, tmp_path, capsys):
    write_responses(tmp_path / "m.csv", matrix())
    assert app.run(["calibrate", str(tmp_path / "m.csv"), "-q", *options]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_bank_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    write_responses(tmp_path / "m.csv", matrix())
    assert app.run(["calibrate", str(tmp_path / "m.csv"), "-o", str(tmp_path / "bank.csv")]) == 2
    said = capsys.readouterr().err.splitlines()  # with progress on: none was made
    assert len(said) == 1
    assert "`output` must end in .parquet" in said[0]


def test_a_bank_under_another_name_leaves_the_first_where_it_is(tmp_path):
    bank = calibrate(matrix())
    first = banks.write(tmp_path, bank)
    save_bank(tmp_path / "mine.parquet", bank)
    assert banks.read(first).scale == banks.read(tmp_path / "mine.parquet").scale


def test_ends_of_curves_come_back_from_disk(tmp_path):
    bank = calibrate(matrix())
    assert bank.ceiling is None
    plain = banks.write(tmp_path, bank)
    assert banks.read(plain).ceiling is None
    ends = {"ceiling": [1, 0.9, 1, 0.8], "se_floor": [0.1] * 4, "se_ceiling": [0.2, 0.3, 0.2, 0.1]}
    full = replace(bank, **{name: np.array(v) for name, v in ends.items()})
    path = banks.write(tmp_path, full)
    assert path != plain  # its name is the hash of all it says
    back = banks.read(path)
    for name, values in ends.items():
        assert getattr(back, name).tolist() == values


# -- what a command must not pass over in silence -----------------------------------------------


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--score", "acc"], r"`score` (--score) chooses among the scores of a log or table"),
        (["--range", "-1:1"], r"`span` (--range) says which scores"),
        (["--column", "item=q"], r"`columns` (--column) names the columns of a table"),
    ],
)
@pytest.mark.parametrize("verb", ["calibrate", "select"])
def test_options_that_a_matrix_has_no_use_for_are_refused(verb, option, words, tmp_path, capsys):
    write_responses(tmp_path / "m.npz", matrix())
    write_responses(tmp_path / "n.npz", replace(matrix(), solvers=("d", "e", "f")))
    for source in (["m.npz"], ["m.npz", "n.npz"], ["."]):
        assert app.run([verb, *(str(tmp_path / name) for name in source), *option]) == 2
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1
        assert words in said[0]
        assert "m.npz (a matrix, read by its arrays" in said[0]
    # beside a table that has a use for them they are taken
    (tmp_path / "t.csv").write_text("solver,q,acc\nd,w,1\n")
    together = [str(tmp_path / name) for name in ("m.npz", "t.csv")]
    column = ["--column", "item=q", "--score", "acc"]
    assert app.run([verb, *together, *column]) == 0


def test_options_of_reading_that_one_format_has_no_use_for(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text("solver,item,solved,tried\na,x,1,4\nb,x,3,4\n")
    with pytest.raises(ArgumentError, match=r"counts\.csv \(a table of counts, solved of tried\)"):
        calibrate(path, span=(-1, 1))
    with pytest.raises(ArgumentError, match=r"`columns` \(--column\).* \(a log of inspect_ai\)"):
        calibrate(LOGS / "inspect" / "weak.json", score="match", columns={"item": "id"})
    with pytest.raises(ArgumentError, match=r"`span` \(--range\).* \(a log of inspect_ai\)"):
        calibrate(LOGS / "inspect" / "weak.json", score="match", span=(-1, 1))  # letters C and I
    with pytest.raises(ArgumentError, match=r"\(a log of lm-evaluation-harness\)"):
        calibrate(LOGS / "lm_eval", score=["acc", "first"], columns={"item": "id"})


def test_a_bank_is_selected_from_without_options_of_reading(tmp_path, capsys):
    path = save_bank(tmp_path / "bank.parquet", calibrate(matrix()))
    assert app.run(["select", str(path), "--score", "acc"]) == 2
    assert "`score` is for logs and tables; none is given (--score" in capsys.readouterr().err


def test_a_link_to_the_same_scale_is_said(tmp_path, capsys):
    write_responses(tmp_path / "m.csv", matrix())
    bank = calibrate(tmp_path / "m.csv")
    path = save_bank(tmp_path / "bank.parquet", bank)
    command = ["calibrate", str(tmp_path / "m.csv"), "--link", str(path), "-q"]
    assert app.run(command) == 0
    text = capsys.readouterr().out
    assert "  link: already on this scale: nothing to link" in text.splitlines()
    assert "linked from" not in text
    assert app.run([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["link"]["slope"], found["link"]["shift"]) == (1, 0)
    linked = calibrate(tmp_path / "m.csv", link=path)
    np.testing.assert_array_equal(linked.se_difficulty, bank.se_difficulty)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["calibrate", "t.csv"], "interrupted; the same command starts over"),
        (["select", "t.csv"], "interrupted; the same command starts over"),
        (["--debug", "rate", "t.csv"], "interrupted; the same command starts over"),
        (
            ["attempt", "t.csv", "--solver", "sim:2pl", "--run", "run"],
            "interrupted; the same command resumes",
        ),
    ],
)
def test_an_interrupt_says_what_the_same_command_does(
    command, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("solver,item,solved\na,x,1\n")

    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "read_bytes", interrupted)  # Ctrl-C while the file is read
    assert app.run(command) == 130
    assert capsys.readouterr().err.splitlines()[-1] == words


def test_a_fit_that_did_not_settle_says_what_that_means(tmp_path, capsys):
    bank = calibrate(matrix(), max_iterations=2)
    assert not bank.fit["converged"]
    (note,) = bank.fit["notes"]
    assert note.startswith("the fit stopped after 2 steps before it settled")
    assert note.endswith("calibrate(source, max_iterations=1000), or a simpler model: --model 1pl")
    found = describe_calibration(bank, {})
    verb.emit(found, as_json=False, text=verb._text(found))
    text = capsys.readouterr().out
    assert "NOT CONVERGED after 2 steps" in text
    assert f"  {note}" in text.splitlines()
    verb.emit(found, as_json=True, text="")
    told = json.loads(capsys.readouterr().out)
    assert (told["fit"]["converged"], told["notes"]) == (False, [note])
    # a bank that is reused, or selected from, says it again
    again = [calibrate(matrix(), run=tmp_path / "run", max_iterations=2) for _ in range(2)]
    assert [b.fit["reused"] for b in again] == [False, True]
    assert again[1].fit["notes"] == [note]
    path = save_bank(tmp_path / "bank.parquet", bank)
    assert app.run(["select", str(path), "--band", "0:1"]) == 0
    assert note in capsys.readouterr().err.splitlines()
    assert calibrate(matrix()).fit["notes"] == []
