import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradatim.cli import app
from gradatim.engine.sources import open_source, published_means
from gradatim.errors import ArgumentError, FormatError
from gradatim.store import banks
from gradatim.store.formats import read_matrix, responses_of
from gradatim.store.logs_tables import prompt_id
from gradatim.types import Matrix, Responses

LOGS = Path(__file__).parent / "logs"


def counts(opened):
    r = opened.responses
    r = responses_of(r) if isinstance(r, Matrix) else r
    cells = zip(
        r.solver.tolist(), r.item.tolist(), r.solved.tolist(), r.tried.tolist(), strict=True
    )
    return {(r.solvers[s], r.items[i]): (k, n) for s, i, k, n in cells}


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def csv(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


# -- columns by name --------------------------------------------------------------------------


def test_columns_are_found_by_name(tmp_path):
    path = csv(tmp_path / "a.csv", "Model,Task ID,is correct", "m,q1,true", "m,q2,0")
    assert counts(open_source(path)) == {("m", "q1"): (1, 1), ("m", "q2"): (0, 1)}
    path = csv(tmp_path / "b.csv", "checkpoint,problem,score,n", "c,q,0.25,8")
    assert counts(open_source(path)) == {("c", "q"): (2, 8)}  # a mean of 0.25 over 8 is 2
    path = csv(tmp_path / "c.csv", "solver,item,passed,trials", "c,q,3,8")
    assert counts(open_source(path)) == {("c", "q"): (3, 8)}  # a count of 3


def test_columns_can_be_named(tmp_path):
    path = csv(tmp_path / "a.csv", "who,what,grade", "m,q,1")
    columns = {"solver": "who", "item": "what", "solved": "grade"}
    assert counts(open_source(path, columns=columns)) == {("m", "q"): (1, 1)}
    assert counts(open_source(path, columns={"item": "what"}, score="grade")) == {
        ("a", "q"): (1, 1)
    }
    with pytest.raises(FormatError, match="field 'wat': expected a column of that name, got only"):
        open_source(path, columns={**columns, "item": "wat"})
    with pytest.raises(ArgumentError, match=r"`columns` has no 'items' .*did you mean 'item'"):
        open_source(path, columns={"items": "what"})
    with pytest.raises(ArgumentError, match="`format` must be one of inspect, lm_eval"):
        open_source(path, format="lm-eval")


def test_several_scores_must_be_chosen(tmp_path):
    path = csv(tmp_path / "a.csv", "solver,item,correct,reward", "m,q,1,0.5")
    with pytest.raises(FormatError, match="got several: correct; reward; choose it: --score NAME"):
        open_source(path)
    assert counts(open_source(path, score="reward")) == {("m", "q"): (0.5, 1)}
    # `solved` is ours and has no rival
    path = csv(tmp_path / "b.csv", "solver,item,solved,reward", "m,q,1,0.5")
    assert counts(open_source(path)) == {("m", "q"): (1, 1)}


def test_attempts_add_up_where_a_column_numbers_them(tmp_path):
    lines = ["model,item,attempt,correct", "m,q,1,1", "m,q,2,0", "m,q,3,1"]
    assert counts(open_source(csv(tmp_path / "a.csv", *lines))) == {("m", "q"): (2, 3)}
    with pytest.raises(FormatError, match=r"a\.csv:5: .*each solver and item once per attempt"):
        open_source(csv(tmp_path / "a.csv", *lines, "m,q,2,1"))


def test_rollouts_are_attempts_and_prompts_are_items(tmp_path):
    chat = [{"role": "user", "content": "2+2="}]
    rows = [
        {"prompt": "2+2=", "completion": "4", "reward": 1.0, "step": 10},
        {"prompt": "2+2=", "completion": "5", "reward": 0.0, "step": 10},
        {"prompt": chat, "completion": "4", "reward": True, "step": 20},
    ]
    opened = open_source(jsonl(tmp_path / "run.jsonl", rows))
    assert counts(opened) == {
        ("run@10", prompt_id("2+2=")): (1, 2),
        ("run@20", prompt_id(chat)): (1, 1),
    }
    assert opened.about[prompt_id(chat)] == {"prompt": chat}
    # an id column is the item; several rewards of a prompt are still attempts
    rows = [{"problem_id": 7, "response": "x", "reward": r} for r in (1, 0, 1)]
    assert counts(open_source(jsonl(tmp_path / "r.jsonl", rows))) == {("r", "7"): (2, 3)}
    rows = [{"group": "g1", "reward": r} for r in (1, 0)]
    assert counts(open_source(jsonl(tmp_path / "g.jsonl", rows))) == {("g", "g1"): (1, 2)}


def test_content_decides_not_the_ending(tmp_path):
    (tmp_path / "m.eval").write_bytes(b"")
    with pytest.raises(FormatError, match=r"m\.eval: .*got an empty file"):
        open_source(tmp_path / "m.eval")
    np.savez(tmp_path / "m.npz", solved=[[1, 0]])
    (tmp_path / "m.npz").rename(tmp_path / "m.dat")
    assert open_source(tmp_path / "m.dat").origins[0].format == "matrix"
    rows = [{"solver": "s", "item": "a", "solved": 1}]
    (tmp_path / "a.jsonl").write_text(json.dumps(rows))  # an array under a .jsonl name
    assert counts(open_source(tmp_path / "a.jsonl")) == {("s", "a"): (1, 1)}
    (tmp_path / "z.jsonl").write_bytes(gzip.compress(json.dumps(rows[0]).encode()))
    assert counts(open_source(tmp_path / "z.jsonl")) == {("s", "a"): (1, 1)}
    (tmp_path / "w.csv").write_bytes("solver,item,solved\r\ns,a,1\r\n".encode("utf-16"))
    assert counts(open_source(tmp_path / "w.csv")) == {("s", "a"): (1, 1)}


# -- bad input: one clear line ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["solver,item,solved,tried", "s,a,3,2"], r":2: field 'solved': expected 0 <= solved"),
        (["solver,item,score", "s,a,1", "s,b,-0.1"], r":3: field 'score': .*\[0, 1\], got -0\.1"),
        (
            ["solver,item,score", "s,a,1", "s,b,87.5"],
            r":3: .*got 87\.5; a count or a percentage "
            "says nothing without its n: add the column `tried`",
        ),
        (["solver,item,score,n", "s,a,87.5,8"], r":2: field 'score': expected a score in \[0, 1\]"),
        (["solver,item,solved", "s,a,nan"], ":2: field 'solved': expected a finite number"),
        (["solver,item,solved", "s,a,inf"], ":2: field 'solved': expected a finite number"),
        (["solver,item,solved", "s,a,"], ":2: field 'solved': expected a finite number, got ''"),
        (["solver,item,solved", "s,a,[1]"], ":2: field 'solved': expected a finite number"),
        (["solver,item,solved", "s,a,1", "s,a,1"], ":3: .*'s' and 'a' again, after line 2"),
        (["solver,item,solved", "s,7,1", "s,007,1"], ":3: field 'item': expected one spelling"),
        (["solver,thing,solved", "s,a,1"], "field 'item': .*or a prompt, got only solver, thing"),
        (["solver,item,points", "s,a,1"], "field 'score': .*got only solver, item, points"),
        (["solver,item,solved,solved", "s,a,1,0"], ":1: field 'solved': expected each column once"),
        (["solver,item,solved"], "expected at least one attempt with a score, got none"),
        (["solver,item,solved", "s,a"], ":2: expected 3 fields"),
    ],
)
def test_bad_tables_are_one_line(tmp_path, lines, message):
    with pytest.raises(FormatError, match=r"t\.csv" + ".*" * (message[0] != ":") + message) as told:
        open_source(csv(tmp_path / "t.csv", *lines))
    assert "\n" not in str(told.value)


def test_bad_json_is_one_line(tmp_path):
    path = tmp_path / "log.json"
    for text, message in (
        ('{"eval": {', r"log\.json:1: expected JSON, got .*copied again"),
        (
            "{}",
            "expected a log of inspect_ai, results of lm_eval or a list of rows, got an object "
            "with nothing",
        ),
        ('{"a": 1}', "got an object with a; one row per attempt"),
        ("3", "got a int"),
        ("[3]", "expected a JSON object, got int"),
    ):
        path.write_text(text)
        with pytest.raises(FormatError, match=message):
            open_source(path)
    path = tmp_path / "log.jsonl"
    path.write_text('{"solver": "s", "item": "a", "solved": 1}\n{"solver": "s", "it')
    with pytest.raises(FormatError, match=r"log\.jsonl:2: .*a truncated last line can be deleted"):
        open_source(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((f"b.{kind}", "\n\n\n") for kind in ("jsonl", "json", "csv", "ndjson", "csv.gz")),
        *((f"b.{kind}", "  \n") for kind in ("jsonl", "json", "csv")),
        ("b.jsonl", "[]"),
        ("b.json", "[]"),
        ("b.jsonl", "{}\n{}\n"),
    ],
)
def test_files_without_a_row_are_empty(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    got = "got (only blank lines|a file without rows, or with empty ones); was it written"
    with pytest.raises(FormatError, match=r"expected a log, a table or a matrix, " + got):
        open_source(path)


def test_files_of_another_kind_beside_logs_are_named(tmp_path, capsys):
    for name in ("weak.eval", "strong.json"):
        shutil.copy(LOGS / "inspect" / name, tmp_path)
    alone = open_source(tmp_path, score="match")
    assert alone.notes == []
    csv(tmp_path / "more.csv", "solver,item,solved", "a,x,1")
    (tmp_path / "old").mkdir()
    jsonl(tmp_path / "old" / "rows.jsonl", [{"solver": "b", "item": "x", "solved": 1}])
    np.savez(tmp_path / "m.npz", solved=[[1, 0]])
    (tmp_path / "README.txt").write_text("not a log")
    opened = open_source(tmp_path, score="match")
    assert counts(opened) == counts(alone)
    (note,) = opened.notes
    assert note.startswith(f"3 files left out of {tmp_path}, which is read as logs of inspect_ai")
    assert "alone: m.npz, more.csv, old/rows.jsonl; to count attempts in others too" in note
    assert note.endswith(f"name them as further sources: {tmp_path} {tmp_path / 'm.npz'}")
    # as the note says: given by name beside the folder
    both = open_source([tmp_path, tmp_path / "more.csv"], score=["match", "solved"])
    assert counts(both) == {**counts(alone), ("a", "x"): (1, 1)}
    for verb in ("calibrate", "select"):
        assert app.run([verb, str(tmp_path), "--score", "match"]) == 0
        printed = capsys.readouterr()
        assert note in printed.out + printed.err
    samples = tmp_path / "harness"
    shutil.copytree(LOGS / "lm_eval", samples)
    assert open_source(samples, score=["acc", "first"]).notes == []  # results belong to samples
    csv(samples / "more.csv", "solver,item,solved", "a,x,1")
    (note,) = open_source(samples, score=["acc", "first"]).notes
    assert note.startswith("1 file left out")
    assert "lm-evaluation-harness alone: more.csv" in note


def test_packed_tables_of_a_folder_are_read(tmp_path):
    text = b"solver,item,solved\na,x,1\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text))
    (tmp_path / "b.csv").write_bytes(text.replace(b"a,x", b"b,x"))
    assert counts(open_source(tmp_path)) == {("a", "x"): (1, 1), ("b", "x"): (1, 1)}


def test_wrong_files_are_one_line(tmp_path):
    with pytest.raises(
        FormatError, match=r"expected a run folder, a log, a table.* got nothing of"
    ):
        open_source(tmp_path / "none.csv")
    (tmp_path / "e").mkdir()
    with pytest.raises(FormatError, match="got an empty folder"):
        open_source(tmp_path / "e")
    (tmp_path / "e" / "notes.txt").write_text("x")
    with pytest.raises(FormatError, match=r"got only notes\.txt"):
        open_source(tmp_path / "e")
    with pytest.raises(FormatError, match=r"expected a .jsonl, .json, .csv or .parquet file"):
        open_source(tmp_path / "e" / "notes.txt")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nothing more")
    with pytest.raises(FormatError, match=r"x\.parquet: expected a Parquet file"):
        open_source(tmp_path / "x.parquet")
    with pytest.raises(ArgumentError, match="`span` must be LOW:HIGH"):
        open_source(csv(tmp_path / "t.csv", "item,solved", "a,1"), span=(1, 0))
    with pytest.raises(ArgumentError, match="at least one run, log or matrix file"):
        open_source([])


def test_a_bank_is_no_source(tmp_path):
    from gradatim.scale.curves import flat

    path = banks.write(tmp_path, flat(difficulty=[0.0], discrimination=[1.0]))
    with pytest.raises(FormatError, match="got a bank, which is calibrated already; link to it"):
        open_source(path)


def test_bare_shares_are_graded_attempts_and_said(tmp_path):
    opened = open_source(csv(tmp_path / "t.csv", "model,item,score", "m,a,0.375", "m,b,1"))
    assert counts(opened)["m", "a"] == (0.375, 1)
    assert "1 of 2 values of column 'score' lie between 0 and 1" in opened.origins[0].notes[0]


def test_a_range_maps_rewards(tmp_path):
    path = csv(tmp_path / "t.csv", "model,item,reward", "m,a,-1", "m,b,1", "m,c,0")
    with pytest.raises(FormatError, match=r"got -1; choose another score.*--range LOW:HIGH"):
        open_source(path)
    found = counts(open_source(path, span=(-1, 1)))
    assert [k for k, _ in found.values()] == [0, 1, 0.5]


# -- several files ----------------------------------------------------------------------------


def test_files_add_up_and_say_what_they_share(tmp_path):
    a = csv(tmp_path / "a.csv", "solver,item,solved", "s,x,1", "s,y,0")
    b = csv(tmp_path / "b.csv", "solver,item,solved,tried", "s,x,1,2", "t,y,2,2")
    opened = open_source([a, b])
    assert counts(opened) == {("s", "x"): (2, 3), ("s", "y"): (0, 1), ("t", "y"): (2, 2)}
    assert len(opened.notes) == 1
    assert f"1 pairs of solver and item are both in {a} and in {b}" in opened.notes[0]
    with pytest.raises(ArgumentError, match="holds the same run as"):
        open_source([a, a])
    held = Responses(
        solver=np.array([0]),
        item=np.array([0]),
        solved=np.array([1.0]),
        tried=np.array([1]),
        solvers=("u",),
        items=("x",),
    )
    assert counts(open_source([a, held]))["u", "x"] == (1, 1)


def test_ids_that_are_numbers_here_and_texts_there(tmp_path):
    one = jsonl(tmp_path / "a.jsonl", [{"solver": "s", "item": 7, "solved": 1}])
    two = jsonl(tmp_path / "b.jsonl", [{"solver": "t", "item": "7", "solved": 0}])
    opened = open_source([one, two])
    assert counts(opened) == {("s", "7"): (1, 1), ("t", "7"): (0, 1)}  # taken as the same, said
    assert "1 item ids are whole numbers in one of" in opened.notes[0]
    three = jsonl(tmp_path / "c.jsonl", [{"solver": "t", "item": "007", "solved": 0}])
    with pytest.raises(
        FormatError,
        match=r"c\.jsonl: field 'item': expected one spelling of each "
        r"number, as '7' in .*a\.jsonl, got '007'; write ids the same way",
    ):
        open_source([one, three])
    # a CSV has no types: nothing to say
    four = csv(tmp_path / "d.csv", "solver,item,solved", "u,7,1")
    assert open_source([one, four]).notes == []


def test_parquet_ids_and_values(tmp_path):
    def write(**columns):
        pq.write_table(pa.table(columns), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    found = open_source(write(model=["a", "b", "a"], item=[3, 3, 1], correct=[True, False, True]))
    assert counts(found) == {("a", "3"): (1, 1), ("b", "3"): (0, 1), ("a", "1"): (1, 1)}
    for columns, message in (
        ({"item": [1.5, 2.0], "solved": [1, 0]}, ":1: field 'item': expected a name"),
        ({"item": ["a", None], "solved": [1, 0]}, ":2: field 'item': expected a name, got nothing"),
        ({"item": ["a", "b"], "solved": [1, None]}, ":2: field 'solved': expected a value"),
        ({"item": ["a", "b"], "solved": [1, float("nan")]}, ":2: field 'solved': .*got nan"),
        ({"item": ["a", "b"], "solved": ["1", "x"]}, ":2: field 'solved': .*got 'x'"),
        ({"item": ["a", "b"], "solved": [1, 1], "tried": [1, 0.5]}, ":2: field 'tried'"),
        ({"item": ["a", "a"], "solved": [1, 1]}, ":2: .*each solver and item once"),
    ):
        with pytest.raises(FormatError, match=r"t\.parquet" + message):
            open_source(write(**columns))


# -- dense data -------------------------------------------------------------------------------


def test_matrices_stay_as_they_lie(tmp_path):
    solved = (np.arange(12).reshape(3, 4) % 2).astype(np.int8)
    np.savez(tmp_path / "m.npz", solved=solved)
    matrix = read_matrix(tmp_path / "m.npz")
    assert matrix.solved.dtype == np.int8
    assert matrix.tried == 1
    long = responses_of(matrix)
    assert long.solved.tolist() == solved.ravel().tolist()
    assert long.tried.tolist() == [1] * 12
    np.savez(tmp_path / "n.npz", score=np.array([[0.5, np.nan]], dtype=np.float32))
    opened = open_source(tmp_path / "n.npz")
    assert counts(opened) == {("solver-1", "item-1"): (0.5, 1)}
    assert opened.origins[0].notes == ["1 cells are empty"]


def test_a_bad_cell_of_a_large_matrix_is_named(tmp_path):
    solved = np.ones((40, 60_000), dtype=np.int8)  # more than one block of rows
    solved[39, 59_999] = 2
    np.savez_compressed(tmp_path / "m.npz", solved=solved)
    with pytest.raises(FormatError, match="got 2 for solver 'solver-40', item 'item-60000'"):
        read_matrix(tmp_path / "m.npz")


def test_published_means(tmp_path):
    assert published_means(csv(tmp_path / "p.csv", "model,accuracy", "m,0.5")) == {"m": 0.5}
    with pytest.raises(FormatError, match=r"p\.csv:2: field 'mean': .*got 50"):
        published_means(csv(tmp_path / "p.csv", "model,mean", "m,50"))
    with pytest.raises(FormatError, match=r"p\.csv:2: expected columns solver and mean"):
        published_means(csv(tmp_path / "p.csv", "model,points", "m,50"))


def test_options_of_logs_are_for_logs():
    held = Matrix(solved=np.array([[1, 0]]), tried=1, solvers=("s",), items=("a", "b"))
    assert open_source(held).responses is held
    with pytest.raises(ArgumentError, match="`score` is for logs and tables; none is given"):
        open_source(held, score="acc")
    both = open_source([held, held])  # two in memory: nothing says that they are one run
    assert counts(both) == {("s", "a"): (2, 2), ("s", "b"): (0, 2)}


def test_published_means_of_nobody(tmp_path):
    (tmp_path / "p.jsonl").write_text("\n")
    with pytest.raises(FormatError, match=r"p\.jsonl: expected rows of solver and mean, got none"):
        published_means(tmp_path / "p.jsonl")


def test_categories_and_empty_parquet(tmp_path):
    columns = {n: pa.array(["a", "b"]).dictionary_encode() for n in ("solver", "item")}
    pq.write_table(
        pa.table({**columns, "solved": pa.array([1, 0], pa.uint8())}), tmp_path / "d.parquet"
    )
    assert counts(open_source(tmp_path / "d.parquet")) == {("a", "a"): (1, 1), ("b", "b"): (0, 1)}
    none = {n: pa.array([], pa.string()) for n in ("solver", "item")}
    pq.write_table(pa.table({**none, "solved": pa.array([], pa.int8())}), tmp_path / "e.parquet")
    with pytest.raises(FormatError, match="at least one attempt with a score, got none"):
        open_source(tmp_path / "e.parquet")
