"""Planted faults in real and simulated results: how often the audit finds each, and false alarms.

`pytest -m slow -s --data ../shared/data tests/test_engine_audit_planted.py` prints the table.
"""

import os

import numpy as np
import pytest
from scipy import special

from gradatim.engine.audit_file import SECTIONS
from gradatim.engine.audit_items import find_items
from gradatim.engine.audit_leaks import find_leaks
from gradatim.engine.audit_rows import find_rows
from gradatim.engine.audit_subject import Attempts, Subject
from gradatim.engine.audit_trend import find_trend
from gradatim.scale import irt
from gradatim.store.formats import read_matrix
from gradatim.types import Matrix

REAL = {"crux": "zeroeval_crux", "gsm": "zeroeval_gsm", "lcb": "livecodebench_generation"}
TIMES = int(os.environ.get("PLANTINGS", "100"))
SMALL = {"sim": {"shape": (60, 500)}}
WEIGHTS = {section.name: section.weight for section in SECTIONS}


def simulated(rng, shape=(60, 2500), shift=0.0):
    ability = rng.normal(shift, 1, size=(shape[0], 1))
    slope, level = np.exp(0.3 * rng.normal(size=shape[1])), rng.normal(size=shape[1])
    chance = special.expit(slope * (ability - level))
    return (rng.random(chance.shape) < chance).astype(float), np.ones(shape, dtype=np.int64)


def table(data, name, rng, **kw):
    """Solved, tried and columns of items of a real file, or of simulated solvers."""
    if name == "sim":
        return *simulated(rng, **kw), {}
    path = data / f"{REAL[name]}.npz"
    matrix = read_matrix(path)
    tried = np.broadcast_to(np.asarray(matrix.tried), matrix.solved.shape).astype(np.int64)
    columns = {"difficulty": np.load(path)["difficulty"]} if name == "lcb" else {}
    return np.where(tried > 0, matrix.solved, 0).astype(float), tried, columns


def subject(solved, tried, section, of_item=None, attempts=None, alarm=0.05):
    names = [
        tuple(f"{what}{i}" for i in range(n)) for what, n in zip("si", solved.shape, strict=True)
    ]
    matrix = Matrix(solved=solved, tried=tried, solvers=names[0], items=names[1])
    share = alarm * WEIGHTS[section] / sum(WEIGHTS.values())
    return Subject(
        name="planted",
        matrix=matrix,
        bank=irt.fit(matrix),
        of_item=of_item or {},
        attempts=attempts,
        alarm=share,
    )


def clone(rng, solved, tried, _):
    """A copy of a row with 2% of its cells turned over.

    Rows that solve a tenth at least: two that solve next to nothing are alike by chance (of all
    rows of livecodebench 82 copies of 100 are found, of the other tables all).
    """
    rate = solved.sum(axis=1) / np.maximum(tried.sum(axis=1), 1)
    one = rng.choice(np.flatnonzero(rate >= 0.1))
    copy, held = solved[one].copy(), np.flatnonzero(tried[one])
    turned = rng.choice(held, round(0.02 * len(held)), replace=False)
    copy[turned] = tried[one, turned] - copy[turned]
    found = find_rows(subject(np.vstack([solved, copy]), np.vstack([tried, tried[one]]), "rows"))
    names = {f"s{one}", f"s{len(solved)}"}
    return any(names <= set(row["names"]) for row in found["findings"])


def leak(rng, solved, tried, _):
    """One model, not yet at 80%, gets 15 points more on a tenth of its items, marked as a split."""
    rate = solved.sum(axis=1) / np.maximum(tried.sum(axis=1), 1)
    who = rng.choice(np.flatnonzero((rate < 0.8) & (tried.sum(axis=1) > 0)))
    held = np.flatnonzero(tried[who])
    part = rng.choice(held, round(0.1 * len(held)), replace=False)
    wrong = np.repeat(part, (tried[who, part] - solved[who, part]).astype(int))
    gained = rng.choice(wrong, min(len(wrong), round(0.15 * tried[who, part].sum())), replace=False)
    solved = solved.copy()
    np.add.at(solved[who], gained, 1)
    split = np.where(np.isin(np.arange(solved.shape[1]), part), "public", "private")
    found = find_leaks(subject(solved, tried, "leaks", {"split": split}))
    return any(row["names"] == [f"s{who}"] for row in found["findings"])


def stream(rng, solved, tried, refuse):
    """Attempts in random order, right ones refused at the given rate."""
    solver, item = np.nonzero(tried)
    n, k = tried[solver, item], solved[solver, item]
    if n.max() > 1:
        score = (np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)) < np.repeat(k, n)
        solver, item = np.repeat(solver, n), np.repeat(item, n)
    else:
        score = k > 0
    order = rng.permutation(len(score))
    solver, item, score = solver[order], item[order], score[order].astype(float)
    score = score * (rng.random(len(score)) >= refuse(len(score)))
    table = np.zeros(solved.shape)
    np.add.at(table, (solver, item), score)
    attempts = Attempts(solver, item, score, {}, ordered=True)
    return subject(table, tried, "verifier", attempts=attempts)


def drifting(n):
    """2%, rising to 7% over the last 5,000 attempts."""
    rate = np.full(n, 0.02)
    rate[-5000:] = np.linspace(0.02, 0.07, 5000)
    return rate


def drift(rng, solved, tried, _):
    found = find_trend(stream(rng, solved, tried, drifting))
    return any(row["kind"] == "drift" for row in found["findings"])


def keys(rng, solved, tried, columns):
    """Precision and recall where 5% of the items are turned over."""
    n = solved.shape[1]
    turned = rng.choice(n, round(0.05 * n), replace=False)
    solved = solved.copy()
    solved[:, turned] = tried[:, turned] - solved[:, turned]
    found = find_items(subject(solved, tried, "keys", columns))
    named = {row["names"][0] for row in found["findings"]}
    hits = sum(f"i{item}" in named for item in turned)
    return hits / max(1, len(named)), hits / len(turned)


@pytest.mark.parametrize("fault", [clone, leak, drift])
def test_a_planted_fault_is_found(fault):
    rng = np.random.default_rng(1)
    shift = 2.0 if fault is drift else 0.0
    shape = (40, 300) if shift else (50, 800)
    hits = [fault(rng, *simulated(rng, shape, shift), {}) for _ in range(1 if shift else 3)]
    assert any(hits)


def test_planted_keys_are_found_and_sound_ones_left_alone():
    rng = np.random.default_rng(2)
    precision, recall = keys(rng, *simulated(rng, (50, 300)), {})
    assert min(precision, recall) >= 0.85
    assert not find_items(subject(*simulated(rng, (50, 300)), "keys"))["findings"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["crux", "lcb", "gsm", "sim"])
@pytest.mark.parametrize("fault", [clone, leak, drift])
def test_faults_are_found_in_nine_of_ten_plantings(data_dir, fault, name):
    found = 0
    for seed in range(TIMES):
        rng = np.random.default_rng(seed)
        shift = {"shape": (60, 1000), "shift": 2.0} if fault is drift and name == "sim" else {}
        found += fault(rng, *table(data_dir, name, rng, **shift))
    print(f"{fault.__name__} on {name}: found {found} of {TIMES}")
    assert found >= 0.9 * TIMES


@pytest.mark.slow
@pytest.mark.parametrize("name", ["crux", "lcb", "sim", "gsm"])
def test_wrong_keys_are_found_precisely(data_dir, name):
    rows = []
    for seed in range(TIMES):
        rng = np.random.default_rng(seed)
        rows.append(
            keys(
                rng, *table(data_dir, name, rng, **({"shape": (60, 500)} if name == "sim" else {}))
            )
        )
    precision, recall = np.mean(rows, axis=0)
    print(f"keys on {name}: precision {precision:.3f}, recall {recall:.3f}, {TIMES} plantings")
    if name != "gsm":  # one item in six is solved by all: reported, not promised
        assert min(precision, recall) >= 0.85


@pytest.mark.slow
def test_sound_data_raise_an_alarm_at_most_one_time_in_twenty(data_dir):
    alarms, made = {}, 0
    for name in ("crux", "lcb", "gsm", "sim"):
        rng = np.random.default_rng(0)
        solved, tried, columns = table(
            data_dir, name, rng, **({"shape": (60, 500)} if name == "sim" else {})
        )
        if name == "lcb":  # one try a cell: drift is then looked at as elsewhere
            solved, tried = (
                np.where(tried, solved / np.maximum(tried, 1), 0),
                (tried > 0).astype(int),
            )
        names = [tuple(map(str, range(n))) for n in solved.shape]
        bank = irt.fit(Matrix(solved=solved, tried=tried, solvers=names[0], items=names[1]))
        chance = special.expit(bank.discrimination * (bank.ability[:, None] - bank.difficulty))
        for seed in range(TIMES // 2):
            rng = np.random.default_rng(seed)
            drawn = np.where(tried, rng.random(chance.shape) < np.nan_to_num(chance), 0).astype(
                float
            )
            split = {"split": rng.permutation(np.arange(drawn.shape[1]) % 10 == 0).astype(str)}
            looks = {
                "rows": find_rows(subject(drawn, tried, "rows")),
                "keys": find_items(subject(drawn, tried, "keys", columns)),
                "leaks": find_leaks(subject(drawn, tried, "leaks", split)),
                "verifier": find_trend(stream(rng, drawn, tried, lambda n: np.full(n, 0.02))),
            }
            failed = [what for what, found in looks.items() if found and found["findings"]]
            for what in failed:
                alarms[what] = alarms.get(what, 0) + 1
            alarms["any"] = alarms.get("any", 0) + bool(failed)
            made += 1
    print(f"false alarms on {made} sound tables: {alarms}")
    assert alarms["any"] <= 0.05 * made
