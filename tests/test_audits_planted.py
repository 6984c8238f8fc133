"""Planted faults in real and simulated results: how often the audit finds each, and false alarms.

`PLANTINGS=100 pytest -m slow -s --data DIR tests/test_audits_planted.py` prints
the whole table and holds it to what is promised. With fewer plantings, what chance would not do.
"""

import os
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy import special

from gradatim.audits.known import recall
from gradatim.audits.scores import SECTIONS, look_through
from gradatim.audits.subject import Attempts, Subject
from gradatim.scale import irt
from gradatim.store.formats import read_matrix
from gradatim.types import Matrix

REAL = {"crux": "zeroeval_crux", "gsm": "zeroeval_gsm", "lcb": "livecodebench_generation"}
TIMES = int(os.environ.get("PLANTINGS", "20"))  # 100: the whole table
FIRST = int(os.environ.get("PLANTED_FROM", "1000000"))  # of the seeds; smaller ones saw tuning
WITHIN = 5000  # attempts of a drift


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


def subject(solved, tried, of_item=None, attempts=None):
    names = [
        tuple(f"{what}{i}" for i in range(n)) for what, n in zip("si", solved.shape, strict=True)
    ]
    matrix = Matrix(solved=solved, tried=tried, solvers=names[0], items=names[1])
    bank, of_item = irt.fit(matrix), of_item or {}
    return Subject(name="planted", matrix=matrix, bank=bank, of_item=of_item, attempts=attempts)


def curves(solved, tried):
    """(solver, item) chances as fitted."""
    bank = subject(solved, tried).bank
    assert bank is not None
    chance = special.expit(bank.discrimination * (bank.ability[:, None] - bank.difficulty))
    return np.nan_to_num(chance)


SHARES = {}  # of the alarm, by section and what there is to look at


def share(of, section):
    """Its share of the alarm among all sections that look."""
    kind = (section, of.attempts is None, tuple(of.of_item), of.matrix.solved.shape)
    if kind not in SHARES:
        row = look_through(of)[section]
        assert row, f"{section} cannot look"
        SHARES[kind] = row["alarm"]
    return SHARES[kind]


def look(of, section, alarm=None):
    """What a section finds, with its share or as if it alone looked.

    The others need not look each time: they are the same for all plantings of a kind.
    """
    [own] = [one for one in SECTIONS if one.name == section]
    return own.look(replace(of, alarm=alarm or share(of, section)))


def findings(of, section, alarm=None):
    found = look(of, section, alarm)
    return found["findings"] if found else []


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
    found = findings(subject(np.vstack([solved, copy]), np.vstack([tried, tried[one]])), "rows")
    names = {f"s{one}", f"s{len(solved)}"}
    return any(names <= set(row["names"]) for row in found)


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
    found = findings(subject(solved, tried, {"split": split}), "leaks")
    return any(row["names"] == [f"s{who}"] for row in found)


def stream(rng, solved, tried, refuse, most=None):
    """Attempts in random order, `most` of them, right ones refused at the given rate."""
    solver, item = np.nonzero(tried)
    n, k = tried[solver, item], solved[solver, item]
    if n.max() > 1:
        score = (np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)) < np.repeat(k, n)
        solver, item = np.repeat(solver, n), np.repeat(item, n)
    else:
        score = k > 0
    order = rng.permutation(len(score))[:most]
    solver, item, score = solver[order], item[order], score[order].astype(float)
    score = score * (rng.random(len(score)) >= refuse(len(score)))
    table, tried = np.zeros(solved.shape), np.zeros(solved.shape, dtype=np.int64)
    np.add.at(table, (solver, item), score)
    np.add.at(tried, (solver, item), 1)
    attempts = Attempts(solver, item, score, {}, ordered=True)
    return subject(table, tried, attempts=attempts)


def drifting(n):
    """2%, rising to 7% over the last 5,000 attempts."""
    rate = np.full(n, 0.02)
    rate[-WITHIN:] = np.linspace(0.02, 0.07, WITHIN)
    return rate


def drift(rng, solved, tried, _):
    """At the end of a whole log."""
    found = findings(stream(rng, solved, tried, drifting), "verifier")
    return any(row["kind"] == "drift" for row in found)


def keys_with_bank(rng, solved, tried, _, *, spoiled=True):
    """Ten models and a bank of others: precision and recall without it and with it, items named."""
    bank, rows, n = bank_of_half(rng, solved, tried)
    some = rng.permutation(len(rows))[:10]
    rows, n = rows[some], n[some]
    turned = rng.choice(n.shape[1], round(0.05 * n.shape[1]), replace=False)
    if spoiled:
        upside_down(rng, rows, n, turned)
    of = subject(rows, n)
    found = []
    for known in (None, recall(of.matrix, bank)[0]):
        named = {row["names"][0] for row in findings(replace(of, known=known), "keys", 0.0025)}
        hits = sum(f"i{item}" in named for item in turned)
        found += [hits / max(1, len(named)), hits / len(turned), len(named)]
    return found


def part(rng, solved, tried, log):
    """Of a table what a log of 5,000 attempts may be: cells, or all of some items or solvers."""
    if log == "items":
        order = rng.permutation(solved.shape[1])
        some = order[: 1 + np.searchsorted(np.cumsum(tried[:, order].sum(axis=0)), WITHIN)]
        return solved[:, some], tried[:, some]
    if log == "ablest":
        order = np.argsort(-solved.sum(axis=1) / np.maximum(tried.sum(axis=1), 1))
        some = order[: 1 + np.searchsorted(np.cumsum(tried[order].sum(axis=1)), WITHIN)]
        return solved[some], tried[some]
    return solved, tried


def short(rng, solved, tried, _, *, log):
    """Within a log of 5,000 attempts: found among all sections, alone, and at most.

    At most: the power at .05 of one who knows the kind of change and the chance of each cell, as
    the curves of the whole table have it, and drift's direction.
    """
    some, n = part(np.random.default_rng(0), curves(solved, tried) * tried, tried, log)
    told = np.repeat((some / np.maximum(n, 1)).ravel(), n.ravel())
    of = stream(rng, *part(rng, solved, tried, log), drifting, WITHIN)
    alone = findings(of, "verifier", 0.05)
    among = [row for row in alone if row["evidence"]["p"] < share(of, "verifier")]
    return bool(among), bool(alone), bound(rng, told)


def bound(rng, told):
    """Power at .05 of one who knows chances, kind and direction of a drift over 5,000 attempts."""
    # information on a rate of refusals f in a verdict of chance P (1 - f)
    rate, p = drifting(WITHIN), rng.choice(told, WITHIN)
    p = p * (1 - rate)
    told = p / (1 - rate) ** 2 / np.maximum(1 - p, 1e-9)
    shape = rate - np.average(rate, weights=told)
    return special.ndtr(np.sqrt((shape**2 * told).sum()) - special.ndtri(0.95))


def bank_of_half(rng, solved, tried):
    """A bank of every second model, whose right answers were refused at 2%, and the other rows."""
    known = np.arange(len(solved)) % 2 == 0
    kept = rng.binomial(solved[known].astype(int), 0.98).astype(float)
    bank = subject(kept, tried[known]).bank
    assert bank is not None
    return bank, solved[~known], tried[~known]


def with_bank(rng, solved, tried, _, *, refuse=drifting):
    """The same log of 5,000 cells with a bank of models that are not in it: among all, and alone.

    Last the power of one who knows the chance of each cell, the kind of change and its direction,
    at .05.
    """
    bank, rows, n = bank_of_half(rng, solved, tried)
    told = np.repeat(curves(solved, tried)[np.arange(len(solved)) % 2 == 1].ravel(), n.ravel())
    of = stream(rng, rows, n, refuse, WITHIN)
    known, _ = recall(of.matrix, bank)
    alone = findings(replace(of, known=known), "verifier", 0.05)
    among = [row for row in alone if row["evidence"]["p"] < share(of, "verifier")]
    return bool(among), bool(alone), bound(rng, told)


def dead(rng, solved, tried, turned):
    """Nine right answers of ten refused, wrong ones stay wrong."""
    solved[:, turned] = rng.binomial(solved[:, turned].astype(int), 0.1)


def upside_down(rng, solved, tried, turned):
    """Right and wrong exchanged."""
    solved[:, turned] = tried[:, turned] - solved[:, turned]


def keys(rng, solved, tried, columns, spoil=upside_down):
    """Precision, recall and the share undecidable where 5% of the items have a wrong key."""
    n = solved.shape[1]
    turned = rng.choice(n, round(0.05 * n), replace=False)
    solved = solved.copy()
    spoil(rng, solved, tried, turned)
    found = look(subject(solved, tried, columns), "keys")
    assert found
    named = {row["names"][0] for row in found["findings"]}
    hits = sum(f"i{item}" in named for item in turned)
    return hits / max(1, len(named)), hits / len(turned), found["undecidable"].value


@pytest.mark.parametrize("fault", [clone, leak, drift])
def test_a_planted_fault_is_found(fault):
    rng = np.random.default_rng(4)
    shift = 2.0 if fault is drift else 0.0
    shape = (40, 300) if shift else (40, 600)
    assert fault(rng, *simulated(rng, shape, shift), {})


def test_planted_keys_are_found_and_sound_ones_left_alone():
    rng = np.random.default_rng(2)
    precision, recall, _ = keys(rng, *simulated(rng, (50, 300)), {})
    assert min(precision, recall) >= 0.85
    assert not findings(subject(*simulated(rng, (50, 300))), "keys")


def test_the_alarm_is_spent_over_the_sections_that_look():
    rng = np.random.default_rng(3)
    of = subject(*simulated(rng, (12, 60)))
    rows = [row for row in look_through(of, alarm=0.04).values() if row]
    assert [row["section"] for row in rows] == ["rows", "keys", "reliability"]
    assert [row["alarm"] for row in rows] == pytest.approx([0.02, 0.02, 0])  # by weight
    wanted = [section for section in SECTIONS if section.name in ("keys", "seeds")]
    [row] = [row for row in look_through(of, wanted, alarm=0.04).values() if row]
    assert row["alarm"] == pytest.approx(0.04)


def plantings(data, fault, name):
    """What `fault` gives for each seed."""
    shapes = {keys: {"shape": (60, 500)}, drift: {"shape": (60, 1000), "shift": 2.0}}
    shapes |= {
        keys_with_bank: shapes[keys],
        short: shapes[drift],
        steady: shapes[drift],
        with_bank: shapes[drift],
    }
    shape = shapes.get(getattr(fault, "func", fault), {}) if name == "sim" else {}
    rows = []
    for seed in range(FIRST, FIRST + TIMES):
        rng = np.random.default_rng(seed)
        rows.append(fault(rng, *table(data, name, rng, **shape)))
    return rows


TABLES = ["crux", "lcb", "gsm", "sim"]


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("fault", [clone, leak, drift])
def test_faults_are_found_in_nine_of_ten_plantings(data_dir, fault, name):
    found = sum(plantings(data_dir, fault, name))
    print(f"\n{fault.__name__} on {name}: found {found} of {TIMES}")
    few = found < 0.9 * TIMES if TIMES >= 100 else special.bdtr(found, TIMES, 0.9) < 0.001
    assert not few


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("log", ["cells", "items", "ablest"])
def test_a_drift_within_a_log_of_5000_is_found_as_far_as_they_tell(data_dir, log, name):
    """Less often than nine times of ten: reported, beside what one who knew all could find."""
    rows = plantings(data_dir, partial(short, log=log), name)
    among, alone, most = np.mean(rows, axis=0)
    print(
        f"\n5,000 attempts, {log} of {name}: found {among:.2f}, alone {alone:.2f}; "
        f"bound {most:.3f}; {TIMES} plantings"
    )
    assert alone <= most + 4 * np.sqrt(most * (1 - most) / TIMES) + 0.01


def steady(rng, solved, tried, _, *, log):
    """Whether a log of 5,000 attempts, in random order and refused alike, is said to drift."""
    of = stream(rng, *part(rng, solved, tried, log), lambda n: np.full(n, 0.045), WITHIN)
    return bool(findings(of, "verifier", 0.05))


@pytest.mark.slow
@pytest.mark.parametrize("log", ["cells", "items", "ablest"])
def test_a_steady_verifier_of_5000_attempts_is_let_be(data_dir, log):
    """Alone, with the whole alarm of .05; the cells are real ones, misfit and all."""
    alarms = {name: sum(plantings(data_dir, partial(steady, log=log), name)) for name in TABLES}
    made = TIMES * len(TABLES)
    print(f"\nsteady verdicts, {log}: false alarms {alarms} of {TIMES} each")
    assert special.bdtrc(sum(alarms.values()) - 1, made, 0.05) > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_a_bank_of_other_models_finds_twice_as_many_drifts_of_5000(data_dir, name):
    rows = plantings(data_dir, with_bank, name)
    among, alone, most = np.mean(rows, axis=0)
    print(
        f"\n5,000 attempts of {name} with a bank: found {among:.2f}, alone {alone:.2f}; "
        f"bound {most:.3f}; {TIMES} plantings"
    )
    assert alone <= most + 4 * np.sqrt(most * (1 - most) / TIMES) + 0.01
    least = {"crux": 0.6, "gsm": 0.7, "sim": 0.45, "lcb": 0.1}[name]
    assert special.bdtr(round(alone * TIMES), TIMES, least) > 0.001


@pytest.mark.slow
def test_a_steady_verifier_is_let_be_with_a_bank(data_dir):
    """Items of real models that the bank does not know, whatever else they do differently."""
    even = partial(with_bank, refuse=lambda n: np.full(n, 0.045))
    alarms = {name: sum(row[1] for row in plantings(data_dir, even, name)) for name in TABLES}
    made = TIMES * len(TABLES)
    print(f"\nsteady verdicts with a bank: false alarms {alarms} of {TIMES} each")
    assert special.bdtrc(sum(alarms.values()) - 1, made, 0.05) > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("spoil", [upside_down, dead])
def test_wrong_keys_are_found_precisely(data_dir, spoil, name):
    rows = plantings(data_dir, partial(keys, spoil=spoil), name)
    precision, recall, flat = np.mean(rows, axis=0)
    print(
        f"\n{spoil.__name__} keys on {name}: precision {precision:.3f}, recall {recall:.3f}, "
        f"undecidable {flat:.3f}; {TIMES} plantings"
    )
    # gsm: one item in six is solved by all. A key that refuses nearly all is a hard item's
    if name != "gsm" and spoil is upside_down:
        assert min(precision, recall) >= 0.85


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES[:3])
def test_a_bank_finds_more_wrong_keys_among_ten_models(data_dir, name):
    found = np.mean(plantings(data_dir, keys_with_bank, name), axis=0)
    print(
        f"\nwrong keys, ten models of {name}: precision {found[0]:.3f}, recall {found[1]:.3f}; "
        f"with a bank of others {found[3]:.3f}, {found[4]:.3f}; {TIMES} plantings"
    )
    assert found[4] > found[1]
    assert found[3] >= 0.85 or name == "gsm"
    sound = np.array(plantings(data_dir, partial(keys_with_bank, spoiled=False), name))
    print(f"sound keys: items named in {(sound[:, 5] > 0).sum()} of {TIMES} tables")
    assert special.bdtrc((sound[:, 5] > 0).sum() - 1, TIMES, 0.05) > 0.001


@pytest.mark.slow
def test_sound_data_raise_an_alarm_at_most_one_time_in_twenty(data_dir):
    """All sections, of tables drawn from the curves fitted to real ones, with a split and a log."""
    alarms, looked, made = {}, set(), 0
    for name in TABLES:
        shape = {"shape": (60, 500)} if name == "sim" else {}
        solved, tried, columns = table(data_dir, name, np.random.default_rng(FIRST), **shape)
        chance = curves(solved, tried)
        for seed in range(FIRST, FIRST + -(-TIMES // 2)):
            rng = np.random.default_rng(seed)
            drawn = rng.binomial(tried, chance).astype(float)
            of = stream(rng, drawn, tried, lambda n: np.full(n, 0.02))
            split = rng.permutation(np.arange(len(chance[0])) % 10 == 0).astype(str)
            of = replace(of, of_item={**columns, "split": split})
            found = {what: row for what, row in look_through(of).items() if row}
            looked |= set(found)
            failed = [what for what, row in found.items() if row["findings"]]
            for what in [*failed, *(["any"] if failed else [])]:
                alarms[what] = alarms.get(what, 0) + 1
            made += 1
    print(f"\nfalse alarms on {made} sound tables: {alarms}; looked at {sorted(looked)}")
    any_ = alarms.get("any", 0)
    many = any_ > 0.05 * made if made >= 200 else special.bdtrc(any_, made, 0.05) < 0.001
    assert not many
