import json
import pickle
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradatim.errors import FormatError, StoreError
from gradatim.store.formats import read_responses, write_responses
from gradatim.types import Responses

KINDS = [".npz", ".csv", ".parquet", ".jsonl"]


def cells(r):
    return {
        (r.solvers[s], r.items[i]): (k, n)
        for s, i, k, n in zip(r.solver, r.item, r.solved.tolist(), r.tried.tolist(), strict=True)
    }


def make(solver, item, solved, tried, **names):
    columns = {"solver": solver, "item": item, "solved": solved, "tried": tried}
    arrays = {k: np.array(v, dtype=float if k == "solved" else int) for k, v in columns.items()}
    return Responses(**arrays, **names)


SMALL = make(
    [0, 0, 1], [0, 1, 1], [1, 0.1 + 0.2, 4], [2, 1, 4], solvers=("a,b", "é"), items=("1", 'q"')
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_comes_back(tmp_path, kind):
    path = tmp_path / f"matrix{kind}"
    write_responses(path, SMALL)
    back = read_responses(path)
    assert cells(back) == cells(SMALL)  # to the last bit: 0.1 + 0.2 too
    assert back.tried.dtype.kind == "i"
    assert set(back.solvers) == set(SMALL.solvers)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 3), st.integers(0, 4)),
        st.tuples(st.floats(0, 1), st.integers(1, 2**31)),
    ),
    st.sampled_from(KINDS),
)
def test_any_matrix_comes_back(tmp_path, table, kind):
    keys = sorted(table)
    responses = make(
        [s for s, _ in keys],
        [i for _, i in keys],
        [table[k][0] * table[k][1] for k in keys],
        [table[k][1] for k in keys],
        solvers=tuple("wxyz"),
        items=tuple("abcde"),
    )
    path = tmp_path / f"m{kind}"
    write_responses(path, responses)
    assert cells(read_responses(path)) == cells(responses)


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_npz_by_hand(tmp_path):
    path = npz(
        tmp_path / "m.npz",
        solved=[[1, 0, 3], [2, 9, 0]],
        tried=[[1, 0, 4], [2, 9, 0]],
        solvers=["s", "t"],
        items=[10, 11, 12],
    )
    # tried 0 is missing: 6 cells less 2
    assert cells(read_responses(path)) == {
        ("s", "10"): (1, 1),
        ("s", "12"): (3, 4),
        ("t", "10"): (2, 2),
        ("t", "11"): (9, 9),
    }


def test_npz_of_scores(tmp_path):
    scores = np.array([[0.25, np.nan], [1.0, 0.5]])
    path = npz(tmp_path / "m.npz", score=scores, tried=[[4, 0], [1, 2]])
    # names are numbered; a mean of 0.25 over 4 attempts is a sum of 1
    assert cells(read_responses(path)) == {
        ("solver-1", "item-1"): (1, 4),
        ("solver-2", "item-1"): (1, 1),
        ("solver-2", "item-2"): (1, 2),
    }
    path = npz(tmp_path / "bool.npz", solved=np.array([[True, False]]))
    assert read_responses(path).solved.tolist() == [1, 0]


GOOD = {"solved": [[1, 0]], "tried": [[1, 1]], "solvers": ["s"], "items": ["a", "b"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"solved": [[2, 0]]}, "field 'solved': .*got 2 for solver 's', item 'a'"),
        ({"solved": [[1, -1]]}, "field 'solved': .*got -1 for solver 's', item 'b'"),
        ({"solved": [[1, np.nan]]}, r"field 'solved': .*got nan .*\(1 of 2 cells\)"),
        ({"tried": [[1, 0.5]]}, "field 'tried': expected whole numbers from 0 to .*, got 0.5"),
        ({"tried": [[1, 1e300]]}, "field 'tried': expected whole numbers"),
        ({"tried": [[1, np.nan]]}, "field 'tried': expected whole numbers"),
        ({"tried": [[1, np.inf]]}, "field 'tried': expected whole numbers"),
        ({"tried": [[1]]}, r"field 'tried': expected shape \(1, 2\), got shape \(1, 1\)"),
        ({"solved": [1, 0]}, r"numbers of shape \(solvers, items\), got int64 of shape \(2,\)"),
        ({"solved": [["1", "0"]]}, "numbers of shape"),
        ({"solvers": ["s", "t"]}, "field 'solvers': expected 1 names"),
        ({"items": ["a", "a"]}, "field 'items': expected each name once, got 'a' twice"),
        ({"items": ["7", "007"]}, "one spelling of each number, as '7' before, got '007'"),
        ({"items": np.array(["a", 1], dtype=object)}, "save names as text"),
        ({"solved": None, "score": [[0.5, 37.5]]}, "field 'score': .*scores in .*got 37.5"),
        ({"solved": None, "score": [[0.5, np.nan]]}, "`tried` 0 where a cell is missing"),
        ({"solved": None}, "an array `solved` or `score`, got only items, solvers, tried"),
    ],
)
def test_npz_mistakes(tmp_path, change, message):
    arrays = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
    with pytest.raises(FormatError, match=r"m\.npz.*" + message):
        read_responses(npz(tmp_path / "m.npz", **arrays))


def test_npz_that_is_none(tmp_path):
    path = tmp_path / "m.npz"
    with pytest.raises(FormatError, match="nothing of that name"):
        read_responses(path)
    path.write_text("solver,item,solved\n")
    with pytest.raises(FormatError, match=r"an \.npz archive"):
        read_responses(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(FormatError, match="one array, not an archive"):
        read_responses(path)
    path.write_bytes(b"")
    with pytest.raises(FormatError, match=r"an \.npz archive"):
        read_responses(path)


def test_npz_errors_are_ours_not_numpys(tmp_path):
    path = tmp_path / "m.npz"
    wrong = {
        "text": b"solver,item,solved\na,x,1\n",
        "pickle": pickle.dumps({"solved": [1]}),
        "cut": npz(path, **GOOD).read_bytes()[:-40],
        "damaged": path.read_bytes().replace(b"NUMPY", b"NUMPI"),
        "foreign": b"",
        "objects": b"",
    }
    got = {
        "text": r"got something else \(text, say\); write it with np\.savez",
        "pickle": r"got something else",
        "cut": "got a truncated or damaged one",
        "damaged": "got a truncated or damaged one",  # the archive's checksum
        "foreign": "field 'solved.txt': expected a plain array, got another file",
        "objects": "field 'solved': expected a plain array, got an array of Python objects; save",
    }
    for name, content in wrong.items():
        path.write_bytes(content)
        if name == "foreign":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("solved.txt", "1")
        if name == "objects":
            np.savez(path, solved=np.array([[1, None]], dtype=object))
        with pytest.raises(FormatError, match=got[name]) as told:
            read_responses(path)
        assert "\n" not in str(told.value)
        assert "pickle" not in str(told.value)


def test_long_tables_by_hand(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(
        "solver,item,solved,tried,note\r\ns,a,1,2,x\r\ns,b,True,,\r\nt,a,0,0,\r\nt,b,0.5,1,\r\n"
    )
    read = read_responses(path)
    assert cells(read) == {("s", "a"): (1, 2), ("s", "b"): (1, 1), ("t", "b"): (0.5, 1)}
    assert read.items == ("a", "b")
    path.write_text("\ufeffsolver,item,solved\ns,a,false\n")  # a byte order mark; no tried
    assert cells(read_responses(path)) == {("s", "a"): (0, 1)}
    pq.write_table(
        pa.table({"solver": ["s", "s"], "item": [1, 2], "solved": [True, False]}),
        tmp_path / "m.parquet",
    )
    assert cells(read_responses(tmp_path / "m.parquet")) == {("s", "1"): (1, 1), ("s", "2"): (0, 1)}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["s,a,3,2"], ":2: field 'solved': expected 0 <= solved <= tried .2., got 3"),
        (["s,a,1,2", "s,b,37.5,1"], ":3: .*got 37.5; .*not a percentage"),
        (["s,a,-1,2"], ":2: field 'solved'"),
        (["s,a,nan,2"], ":2: field 'solved': expected a finite number, got 'nan'"),
        (["s,a,1,inf"], ":2: field 'tried': expected a finite number"),
        (["s,a,one,2"], ":2: field 'solved': expected a finite number, got 'one'"),
        (["s,a,1,1.5"], ":2: field 'tried': expected a whole number from 0 to .*, got 1.5"),
        (["s,a,1,1e300"], ":2: field 'tried': expected a whole number from 0 to"),
        (["s,a,0,-1"], ":2: field 'tried': expected a whole number"),
        (["s,a,1,1", "t,a,1,1", "s,a,0,1"], ":4: .*'s' and 'a' again, after line 2; add"),
        ([",a,1,1"], ":2: field 'solver': expected a name"),
        (["s,7,1,1", "s,007,1,1"], ":3: field 'item': expected one spelling"),
        (["s,a,1"], ":2: expected 4 fields"),
    ],
)
def test_long_mistakes(tmp_path, lines, message):
    path = tmp_path / "m.csv"
    path.write_text("\n".join(["solver,item,solved,tried", *lines]) + "\n")
    with pytest.raises(FormatError, match=r"m\.csv" + message):
        read_responses(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"item": 7}, {"item": "7"}], ":2: field 'item': expected whole numbers, as on the"),
        ([{"item": "a"}, {"item": 7}], ":2: field 'item': expected texts, as on the lines"),
        ([{"item": 7.0}], ":1: field 'item': expected a name"),
        ([{"item": True}], ":1: field 'item': expected a name"),
        ([{"solved": None}], ":1: field 'solved': expected a value, got nothing"),
        ([{"solved": [1]}], ":1: field 'solved': expected a finite number"),
    ],
)
def test_mixed_ids_and_odd_values(tmp_path, rows, message):
    path = tmp_path / "m.jsonl"
    base = {"solver": "s", "item": "a", "solved": 1}
    path.write_text("".join(json.dumps({**base, **row}) + "\n" for row in rows))
    with pytest.raises(FormatError, match=r"m\.jsonl" + message):
        read_responses(path)


def test_a_missing_column_names_what_there_is(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("model,thing,solved\ns,a,1\n")
    with pytest.raises(FormatError, match=r"field 'item': .*got only model, thing, solved"):
        read_responses(path)


def test_empty_tables_and_places_that_cannot_be_written(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("solver,item,solved\n")
    empty = read_responses(path)
    assert (len(empty.tried), empty.items) == (0, ())
    for kind in (".npz", ".parquet"):
        write_responses(tmp_path / f"e{kind}", empty)
        assert len(read_responses(tmp_path / f"e{kind}").tried) == 0
    with pytest.raises(FormatError, match=r"an ending \.npz, \.csv"):
        write_responses(tmp_path / "m.xlsx", SMALL)
    with pytest.raises(StoreError, match="cannot write"):
        write_responses(path / "m.csv", SMALL)
