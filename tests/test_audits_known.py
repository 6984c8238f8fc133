"""A bank of other attempts in an audit: what it knows, and what it is refused for."""

import numpy as np
import pytest
import readme_check
from scipy import special

import gradatim
from gradatim.audits.known import recall
from gradatim.audits.scores import audit_file
from gradatim.cli import app
from gradatim.errors import ArgumentError
from gradatim.evaluation.items import find_wrong_keys
from gradatim.evaluation.verdict_chances import Axis
from gradatim.evaluation.verdict_trend import _without, verdict_trend
from gradatim.scale import irt
from gradatim.store import banks
from gradatim.types import Matrix


def matrix(solved, tried: int | np.ndarray = 1, first=0):
    solvers, items = (
        tuple(f"{w}{i}" for i in range(n)) for w, n in zip("si", solved.shape, strict=True)
    )
    return Matrix(
        solved=solved, tried=tried, solvers=tuple(f"m{first}{s}" for s in solvers), items=items
    )


@pytest.fixture(scope="module")
def log():
    """A bank of 60 models on 300 items, and 3,000 attempts of 30 others whose verifier turns."""
    rng = np.random.default_rng(5)
    chance = special.expit(rng.normal(2, 1, (90, 1)) - rng.normal(size=300))
    bank = irt.fit(matrix((rng.random((60, 300)) < chance[:60]) * 1.0))
    solver, item = np.divmod(rng.permutation(9000)[:3000], 300)
    right = rng.random(3000) < chance[60 + solver, item]
    return bank, solver, item, right, rng


def judged(log, refused):
    bank, solver, item, right, _ = log
    score = right * (1.0 - refused)
    solved, tried = np.zeros((30, 300)), np.zeros((30, 300), dtype=int)
    np.add.at(solved, (solver, item), score)
    np.add.at(tried, (solver, item), 1)
    return solver, item, score, matrix(solved, tried, first=1), bank


def test_a_small_drift_in_a_short_log_is_found_with_a_bank(log):
    late = np.linspace(0.01, 0.17, 3000) > np.random.default_rng(0).random(3000)
    solver, item, score, results, bank = judged(log, late)
    known, note = recall(results, bank)
    assert note == "the bank has 300 of the 300 items"
    with_it = verdict_trend(solver, item, score, known.bank, before=known.items)
    without = verdict_trend(solver, item, score, irt.fit(results))
    assert with_it is not None
    assert without is not None
    assert with_it.p < min(0.01, without.p)
    assert with_it.fault == "refused"
    assert with_it.change.low < 0.16 < with_it.change.high


def test_a_steady_verifier_passes_a_bank_of_other_models(log):
    even = np.random.default_rng(1).random(3000) < 0.05
    solver, item, score, results, bank = judged(log, even)
    known, _ = recall(results, bank)
    found = verdict_trend(solver, item, score, known.bank, before=known.items)
    assert found is not None
    assert found.p > 0.05


def test_what_shifts_known_within_errors_leave_is_generalised_least_squares():
    rng = np.random.default_rng(0)
    code, factor = rng.integers(0, 4, 40), rng.normal(1, 0.2, 40)
    row, metric = rng.normal(size=40), rng.uniform(0.05, 0.25, 40)
    precision = np.array([0.5, 2.0, 1e-3, 10.0])
    left, shared = _without(row, [Axis(code, factor, precision)], metric)
    shift = np.eye(4)[code] * factor[:, None]  # (attempt, code)
    spread = np.diag(1 / metric) + shift / precision @ shift.T
    assert left == pytest.approx(np.linalg.solve(spread, row) / metric, abs=1e-6)
    variance = (left**2 * metric).sum() + (shared**2).sum()
    assert variance == pytest.approx(row @ np.linalg.solve(spread, row))


def test_the_command_takes_a_bank(log, tmp_path, capsys):
    late = np.arange(3000) > 1500
    solver, item, score, _, bank = judged(log, late & (np.arange(3000) % 4 == 0))
    rows = [
        f"m{s},i{i},{x:g},{t}" for t, (s, i, x) in enumerate(zip(solver, item, score, strict=True))
    ]
    path = tmp_path / "log.csv"
    path.write_text("model,item,correct,time\n" + "\n".join([*rows, "m1,new,1,9999"]) + "\n")
    known = banks.write(tmp_path, bank)
    asked = ["audit", str(path), "--only", "verifier", "-q"]
    assert app.run([*asked, "--bank", str(known)]) == 1
    said = capsys.readouterr().out
    assert "right answers are refused more often from attempt" in said
    assert "the bank has 300 of the 301 items; 1 attempts on the others are not judged" in said
    [row] = audit_file(path, only=["verifier"], bank=bank)["sections"]
    assert row["findings"][0]["evidence"]["p"] < 0.01
    assert row["looked_at"] == "3,000 attempts in order"
    other = irt.fit(Matrix(solved=np.eye(3), tried=1, solvers=tuple("abc"), items=tuple("xyz")))
    assert app.run([*asked, "--bank", str(banks.write(tmp_path / "other", other))]) == 2
    said = capsys.readouterr().err
    assert "none of 301 items" in said
    assert said.count("\n") == 1


def test_a_bank_of_the_attempts_themselves_is_refused(tmp_path):
    problems = gradatim.generate("lists", n=6, level=2)
    gradatim.attempt(problems, solver="sim:2pl", samples=4, run=tmp_path / "run")
    with pytest.raises(ArgumentError, match="other attempts than those under audit"):
        audit_file(tmp_path / "run", bank=tmp_path / "run")
    (tmp_path / "p.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    with pytest.raises(ArgumentError, match="is for results"):
        audit_file(tmp_path / "p.jsonl", bank=tmp_path / "run")
    with pytest.raises(ArgumentError, match="is for files"):
        gradatim.audit("verifier:number", n=20, bank=tmp_path / "run")


def test_wrong_keys_are_found_by_few_models_with_a_bank(log):
    bank, rng = log[0], np.random.default_rng(6)
    level = bank.discrimination * (rng.normal(1, 1, (10, 1)) - bank.difficulty)
    solved = (rng.random(level.shape) < special.expit(level)) * 1.0
    ones = np.ones(solved.shape)
    results = matrix(solved, first=1)
    known, _ = recall(results, bank)
    sound = find_wrong_keys(solved, ones, known.bank.ability, curves=known.curves)
    assert not sound.named.any()
    turned = np.sort(rng.choice(300, 15, replace=False))
    solved[:, turned] = 1 - solved[:, turned]
    known, _ = recall(matrix(solved, first=1), bank)
    with_it = find_wrong_keys(solved, ones, known.bank.ability, curves=known.curves)
    without = find_wrong_keys(solved, ones, irt.fit(matrix(solved)).ability)
    hits = with_it.named[turned].sum()
    assert hits >= max(10, without.named[turned].sum() + 1)
    assert with_it.named.sum() - hits <= 2


@pytest.mark.slow
def test_the_page_on_audits():
    assert readme_check.check(readme_check.ROOT / "docs" / "how-to" / "audit.md") == 6
