"""Rows that were copied and changed in some cells: found without a limit on how many, up to 5%."""

import numpy as np
import pytest
from scipy import special

from gradatim.audits.rows import find_rows
from gradatim.audits.subject import Subject
from gradatim.scale.clones import find_copies
from gradatim.store.formats import read_matrix
from gradatim.types import Matrix

ALARM = 0.05 / 29 / 2  # what pairs of rows get of a whole audit


def pool(rng, solvers=40, items=600):
    """Rows of independent solvers, and the chances that they have."""
    able, hard = 1.2 * rng.normal(size=(solvers, 1)), 1.5 * rng.normal(size=items) - 0.5
    chance = special.expit(able - hard)
    return (rng.random(chance.shape) < chance).astype(float), chance


def changed(rng, row, share):
    """A row with exactly this share of its cells turned over, whichever they are."""
    copy = row.copy()
    at = rng.choice(len(row), round(share * len(row)), replace=False)
    copy[at] = 1 - copy[at]
    return copy


def planted(rng, rate, has, share):
    """The table with a changed copy of one row, and whether just that pair is named."""
    one = rng.integers(len(rate))
    held = np.flatnonzero(has[one])
    copy = rate[one].copy()
    copy[held] = changed(rng, rate[one, held], share)
    found = find_copies(np.vstack([rate, copy]), np.vstack([has, has[one]]), alarm=ALARM)
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    return (one, len(rate)) in pairs, len(pairs - {(one, len(rate))})


@pytest.mark.parametrize("share", [0.01, 0.03, 0.05])
def test_copies_with_changed_cells_are_found_whatever_their_number(share):
    rng, told = np.random.default_rng(0), []
    for _ in range(5):
        rate, _ = pool(rng)
        told.append(planted(rng, rate, np.ones_like(rate), share))
    found, others = np.sum(told, axis=0)
    assert found >= 4  # with a limit of 2.5% of cells: none at 3 and 5%
    assert others == 0


@pytest.mark.parametrize("apart", [1.0, 0.4])
def test_independent_rows_and_versions_of_a_model_are_no_copies(apart):
    """Versions: each row but the first answers as the one before in most cells that are unsure."""
    rng, named = np.random.default_rng(1), 0
    for _ in range(5):
        rate, chance = pool(rng)
        for at in range(1, len(rate), 2):
            again = rng.random(rate.shape[1]) < apart
            fresh = rng.random(rate.shape[1]) < chance[at - 1]
            rate[at] = np.where(again, fresh, rate[at - 1])
        named += len(find_copies(rate, np.ones_like(rate), alarm=ALARM).first)
    assert named == 0


def test_the_audit_tells_the_same_row_from_a_copy_with_changes():
    rng = np.random.default_rng(2)
    rate, _ = pool(rng)
    best = int(np.argsort(rate.mean(axis=1))[-3])  # who errs seldom: a few cells are much of it
    table = np.vstack([rate, rate[3], changed(rng, rate[best], 0.04)])
    names = [
        tuple(f"{kind}{i}" for i in range(n)) for kind, n in zip("si", table.shape, strict=True)
    ]
    matrix = Matrix(solved=table, tried=np.ones(table.shape, int), solvers=names[0], items=names[1])
    found = find_rows(Subject(name="m", matrix=matrix))
    kinds = {one["kind"]: one for one in found["findings"]}
    assert set(kinds["clones"]["names"]) == {"s3", "s40"}
    assert set(kinds["copy"]["names"]) == {f"s{best}", "s41"}
    assert kinds["copy"]["evidence"]["stray"] == pytest.approx(0.04, abs=0.015)
    assert "of its cells changed" in kinds["copy"]["words"]


def test_few_rows_few_cells_and_graded_scores_do():
    for rate in (np.ones((1, 5)), np.zeros((0, 3)), np.ones((3, 1)), np.eye(4)):
        assert len(find_copies(rate, np.ones_like(rate)).first) == 0
    rng = np.random.default_rng(3)
    chance = pool(rng)[1]
    rate = rng.binomial(10, chance) / 10
    rate[5] = rate[2]  # graded scores: squares are small, and changes hide a copy sooner
    found = find_copies(rate, np.ones_like(rate), alarm=ALARM)
    assert (found.first.tolist(), found.second.tolist()) == ([2], [5])


LEAST = {  # share found at 1 and 2%, and at 3 to 5%
    "zeroeval_crux": (1.0, 0.9),
    "zeroeval_gsm": (0.9, 0.6),
    "livecodebench_generation": (0.9, 0.6),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LEAST, "alpacaeval2"])
def test_copies_among_real_rows_and_versions_that_are_none(data_dir, name):
    matrix = read_matrix(data_dir / f"{name}.npz")
    tried = np.broadcast_to(np.asarray(matrix.tried, float), matrix.solved.shape)
    has = (tried > 0).astype(float)
    rate = np.where(has > 0, np.nan_to_num(matrix.solved) / np.maximum(tried, 1), 0.0)
    own = find_copies(rate, has, alarm=ALARM)
    pairs = {(matrix.solvers[i], matrix.solvers[j]) for i, j in zip(*own[:2], strict=True)}
    known = {("gpt4_1106_preview", "gpt4_turbo"), ("chatgpt", "gpt-3.5-turbo-0301")}
    assert pairs == (known if name == "alpacaeval2" else set())
    if name not in LEAST:
        return
    shares = (0.01, 0.02, 0.03, 0.04, 0.05)
    told = [[planted(np.random.default_rng(s), rate, has, x) for s in range(12)] for x in shares]
    found, others = np.moveaxis(np.array(told), 2, 0)
    print(f"{name}: found of 12 at 1, 2, 3, 4, 5%: {found.sum(axis=1).tolist()}")
    assert others.sum() == 0
    assert found[:2].mean() >= LEAST[name][0]
    assert found[2:].mean() >= LEAST[name][1]
