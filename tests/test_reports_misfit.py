"""A page about a bank: what it holds with and without responses, the verb, hard inputs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_reports_report import embedded, figures_of, words
from test_scale_misfit import simulated

from gradatim.cli.app import run as command
from gradatim.engine.calibrate import calibrate, save_bank
from gradatim.errors import ArgumentError, FormatError
from gradatim.reports import misfit as section
from gradatim.reports.report import report
from gradatim.scale import heldout, irt, misfit
from gradatim.store.formats import write_responses
from gradatim.store.rows import AttemptRow, GradeRow, Setting
from gradatim.store.run import Run
from gradatim.types import Problem

HOSTILE = "</script><script>alert(1)</script>\x00\x1b[31m\u202e<b>"
BANK = ["item-map", "information", "abilities"]
FIT = ["calibration", "mean-squares", "residuals"]


@pytest.fixture(scope="module")
def data():
    return simulated(30, 60, seed=12, reversed_=3, guessers=1)


@pytest.fixture(scope="module")
def bank(data):
    return irt.fit(data)


@pytest.fixture
def two_folds(data, monkeypatch):
    """Two of ten folds are fitted again: for what does not depend on how many."""
    monkeypatch.setattr(section, "MOST_CELLS", 2 * len(data.solver))


def test_a_bank_alone_shows_its_precision(bank, tmp_path):
    path = report(save_bank(tmp_path / "mine.parquet", bank))
    assert path == tmp_path / "mine.html"
    assert figures_of(path) == BANK
    said = words(path)
    assert f"60 items and 30 solvers on scale {bank.scale}" in said
    assert "bank mine.parquet" in said
    rows = embedded(path, "abilities")
    assert [r["se"] for r in rows] == sorted_by_ability(bank, bank.se_ability)
    # the smallest error is one over the root of the largest information
    told = embedded(path, "information")
    for row in told:
        assert row["standard error"] == pytest.approx(row["information"] ** -0.5)


def sorted_by_ability(bank, values):
    return values[np.argsort(-bank.ability, kind="stable")].tolist()


@pytest.mark.usefixtures("two_folds")
def test_responses_add_fit_and_held_out_cells(bank, data, tmp_path):
    path = report(bank, responses=data, output=tmp_path / "deep" / "page.html")
    assert figures_of(path) == BANK + FIT
    said = words(path)
    # the same numbers as the functions give
    held = heldout.hold_out(data, most=2)
    found = heldout.calibration(held.responses, held.chance)
    assert f"calibration error is {found.error:.3f}" in said
    assert f"Each of {len(held.chance):,} cells was predicted" in said
    assert "2 of 10 folds were held out, to save time." in said
    rows = embedded(path, "calibration")
    assert [r["observed"]["value"] for r in rows] == pytest.approx(found.observed.tolist())
    assert [r["observed"]["n"] for r in rows] == found.n.astype(int).tolist()
    worst = embedded(path, "mean-squares")
    items = misfit.fit_items(data, bank, draws=100)
    assert worst[0]["item"] == bank.items[int(np.nanargmin(items.p))]
    assert worst[0]["p"] == pytest.approx(float(np.nanmin(items.p)))
    shown = {r["item"] for r in embedded(path, "residuals")}
    assert len(shown) == 6
    assert shown & set(bank.items[:3])  # planted
    assert "s0000" in said[said.index("answers surprise most") :]  # the guesser


def test_a_run_is_judged_by_its_own_attempts_without_those_left_out(tmp_path):
    data = simulated(12, 20, seed=12)
    run = Run(tmp_path / "run")
    run.add_problems([Problem(id=name, prompt=name, answer="1") for name in data.items])
    with run.ledger(write=True) as ledger:
        for s, i, k in zip(data.solver, data.item, data.solved, strict=True):
            grade = GradeRow("v@1", float(k), bool(k), "1", "correct" if k else "wrong")
            row = AttemptRow(data.items[i], "h", Setting(data.solvers[s]), 0, text="1")
            ledger.append([row], [grade])
    calibrate(run, leave_out=["s0007"])
    path = report(run)
    assert [f for f in figures_of(path) if f in FIT] == FIT
    assert f"Each of {len(data.solver) - 20:,} cells" in words(path)


@pytest.mark.usefixtures("two_folds")
def test_names_stay_text(data, tmp_path):
    named = replace(
        data,
        items=tuple(f"{HOSTILE}{i}" for i in range(60)),
        solvers=tuple(f"{HOSTILE}{i}" for i in range(30)),
    )
    path = report(irt.fit(named), responses=named, output=tmp_path / "hostile.html")
    made = path.read_text(encoding="utf-8")
    assert "<script>alert" not in made
    assert "\x1b" not in made
    assert figures_of(path) == BANK + FIT
    assert embedded(path, "mean-squares")[0]["item"].startswith(HOSTILE)


@pytest.mark.parametrize(("n_persons", "n_items"), [(1, 40), (30, 1), (2, 2), (250, 8)])
def test_small_and_lopsided_banks_have_a_page(n_persons, n_items, tmp_path):
    data = simulated(n_persons, n_items, seed=1)
    path = report(irt.fit(data), responses=data, output=tmp_path / "page.html")
    assert "cannot be" not in words(path)
    assert figures_of(path)[:3] == BANK


def test_large_data_hold_out_some_folds_and_say_so(bank, data, tmp_path, monkeypatch):
    monkeypatch.setattr(section, "MOST_CELLS", 2 * len(data.solver))
    monkeypatch.setattr(section, "MOST_TESTED", 10)
    said = words(report(bank, responses=data, output=tmp_path / "a.html"))
    assert "2 of 10 folds were held out" in said
    assert "too many cells to simulate" in said
    monkeypatch.setattr(section, "MOST_CELLS", len(data.solver) // 5)
    said = words(report(bank, responses=data, output=tmp_path / "b.html"))
    assert "too many to fit again" in said


def test_responses_of_others_are_said_to_be(bank, data, tmp_path):
    others = replace(data, solvers=tuple(f"other-{i}" for i in range(30)))
    said = words(report(bank, responses=others, output=tmp_path / "page.html"))
    assert "No solver of the bank made any of these attempts" in said


@pytest.mark.usefixtures("two_folds")
def test_the_verb_takes_a_bank_and_its_matrix(bank, data, tmp_path, capsys):
    path, matrix = save_bank(tmp_path / "b.parquet", bank), tmp_path / "m.npz"
    write_responses(matrix, data)
    page = tmp_path / "page.html"
    line = ["report", str(path), "--responses", str(matrix), "-o", str(page), "--json"]
    assert command(line) == 0
    assert json.loads(capsys.readouterr().out) == {
        "report": str(page),
        "bytes": page.stat().st_size,
    }
    assert figures_of(page) == BANK + FIT


def test_mistakes_are_one_clear_line(bank, data, tmp_path, capsys):
    with pytest.raises(ArgumentError, match="`output`"):
        report(bank)
    with pytest.raises(ArgumentError, match=r"end in \.html"):
        report(bank, output=tmp_path / "page.pdf")
    with pytest.raises(ArgumentError, match="`responses` go with a bank"):
        report(Run(tmp_path / "run"), responses=data)
    others = replace(data, items=tuple(f"other-{i}" for i in range(len(data.items))))
    with pytest.raises(ArgumentError, match=r"no item of the bank .* others .such as 'other-0'"):
        report(bank, responses=others, output=tmp_path / "page.html")
    write_responses(tmp_path / "m.csv", data)
    assert command(["report", str(tmp_path / "m.csv")]) == 2
    assert "calibrate it first" in capsys.readouterr().err
    with pytest.raises(FormatError, match=r"none\.parquet"):
        report(tmp_path / "none.parquet")
    assert command(["report", str(tmp_path / "none.parquet")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
