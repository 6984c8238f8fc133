import json
import math
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradatim
from gradatim.errors import ArgumentError, FormatError, StoreError
from gradatim.store import config, schema
from gradatim.store.rows import AttemptRow, Setting
from gradatim.store.run import Run
from gradatim.types import Bank, Estimate, Problem


def problem(number, **more):
    return Problem(id=f"id{number}", prompt=f"{number}+1=", answer=str(number + 1), **more)


FULL = problem(
    1,
    family="arithmetic",
    verifier="math",
    version="3",
    level=4,
    knobs={"digits": 2, "carry": True},
    split="test",
    seed=9,
    compact="1+1",
    compact_answer="2",
    solution="one and one\u2028is 2",
    unsolvable=True,
    meta={"nested": {"list": [1, None, 0.5]}},
)


def test_a_run_is_a_folder_with_its_settings(tmp_path):
    run = Run(tmp_path / "deep" / "run", seed=7)
    table = tomllib.loads((run.path / "run.toml").read_text())
    assert (table["schema"], table["seed"]) == (schema.VERSION, 7)
    assert table["gradatim"] == gradatim.__version__
    assert {"python", "platform", "cpus", "sqlite"} <= set(table["machine"])
    before = (run.path / "run.toml").read_bytes()
    assert Run(run.path, seed=8).seed == 7  # an existing run keeps its seed
    assert (run.path / "run.toml").read_bytes() == before


def test_stages_are_recognised_when_done_with_the_same_settings(tmp_path):
    run = Run(tmp_path / "run")
    values = {"solver": "tiny", "samples": 8, "extra": None, "nested": {"a": [1, 2.5]}}
    assert not run.config("attempt", **values)
    assert not run.config("attempt", **values)  # started, but never finished
    run.finish("attempt")
    assert not run.config("attempt", **{**values, "samples": 9})
    again = Run(run.path)
    assert again.config("attempt", **dict(reversed(values.items())))
    assert not again.config("grade", **values)
    assert not again.config("attempt", **{**values, "extra": 0})
    assert [(s["name"], s["done"]) for s in again.stages()] == [
        ("attempt", True),
        ("attempt", False),
        ("grade", False),
        ("attempt", False),
    ]
    assert again.stages()[0]["config"]["nested"] == {"a": [1, 2.5]}
    with pytest.raises(ArgumentError, match="'train' was not started"):
        again.finish("train")


def test_two_processes_may_note_stages_at_once(tmp_path):
    Run(tmp_path / "run")
    code = (
        "import sys; from gradatim.store.run import Run\n"
        "run = Run(sys.argv[1])\n"
        "for i in range(15): run.config(sys.argv[2], i=i); run.finish(sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    both = [subprocess.Popen([*command, name]) for name in "ab"]
    assert [p.wait() for p in both] == [0, 0]
    stages = Run(tmp_path / "run").stages()
    assert len(stages) == 30
    assert all(stage["done"] for stage in stages)


VALUE = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab é.\"'"), inner),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUE, max_size=4))
def test_toml_is_what_the_standard_library_reads(table):
    assert tomllib.loads(config.to_toml({"all": table})) == {"all": table}


def test_toml_leaves_out_none_and_refuses_what_it_cannot_say():
    text = config.to_toml({"a": {"b": None, "c": [1, None], "d": math.inf}})
    assert tomllib.loads(text) == {"a": {"c": [1], "d": math.inf}}
    with pytest.raises(ArgumentError, match="got object"):
        config.to_toml({"a": object()})


def test_a_newer_or_damaged_run_is_refused(tmp_path):
    path = Run(tmp_path / "run").path / "run.toml"
    text = path.read_text()
    path.write_text(text.replace("schema = 1", "schema = 2"))
    with pytest.raises(FormatError, match=r"run\.toml: field 'schema'.*version 2.*newer.*pip"):
        Run(path.parent)
    path.write_text(text.replace("schema = 1", 'schema = "one"'))
    with pytest.raises(FormatError, match="not written by gradatim, or is damaged"):
        Run(path.parent)
    path.write_text(text + "\n[[[")
    with pytest.raises(FormatError, match="expected TOML"):
        Run(path.parent)


def test_paths_that_cannot_be_runs(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StoreError, match="is a file, not a run folder"):
        Run(file)
    with pytest.raises(StoreError, match="cannot write"):
        Run(file / "below")
    with pytest.raises(FormatError, match=r"no run\.toml"):
        Run(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
    with pytest.raises(StoreError, match="cannot write"):
        Run("/proc/no-run-can-be-here")


def test_problems_are_kept_once_in_order(tmp_path):
    run = Run(tmp_path / "run")
    assert run.problems() == []
    assert run.add_problems([problem(3), FULL, problem(3)]) == 2
    assert run.add_problems([FULL, problem(2)]) == 1
    assert run.add_problems([problem(2)]) == 0
    assert Run(run.path).problems() == [problem(3), FULL, problem(2)]
    assert run.problems(["id2", "id3"]) == [problem(2), problem(3)]
    with pytest.raises(ArgumentError, match="has no problem 'id9'; did you mean"):
        run.problems(["id9"])
    assert len(list((run.path / "problems").iterdir())) == 2


def test_chat_prompts_and_damaged_rows(tmp_path):
    run = Run(tmp_path / "run")
    chat = Problem(id="c", prompt=({"role": "user", "content": "hi"},), answer="a")
    run.add_problems([chat])
    assert run.problems() == [chat]
    (path,) = (run.path / "problems").iterdir()
    path.write_text(path.read_text() + '{"id": "x", "prompt": "p"}\n')
    with pytest.raises(FormatError, match=f"{path.name}:2: field 'answer'"):
        run.problems()


def test_results_come_back(tmp_path):
    run = Run(tmp_path / "run")
    assert run.read_result("score") is None
    path = run.write_result(
        "score", {"p": Estimate(0.5, 0.25, math.nan, 8), "curve": np.arange(3), "t": "\ud800é"}
    )
    assert json.loads(path.read_text())["schema"] == schema.VERSION
    assert run.read_result("score") == {
        "p": {"value": 0.5, "low": 0.25, "high": None, "n": 8},
        "curve": [0, 1, 2],
        "t": "\ud800é",
    }
    for name in ("", "../x", "a/b", ".hidden"):
        with pytest.raises(ArgumentError, match="plain file name"):
            run.write_result(name, 1)
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 3'))
    with pytest.raises(FormatError, match="version 3"):
        run.read_result("score")
    path.write_text("[]")
    with pytest.raises(FormatError, match="a result of gradatim"):
        run.read_result("score")


def test_the_ledger_of_a_run(tmp_path):
    run = Run(tmp_path / "run")
    with pytest.raises(FormatError, match="make attempts first"):
        run.ledger()
    with run.ledger(write=True) as ledger:
        ledger.append([AttemptRow("p", "0", Setting("s"), 0)])
    with run.ledger() as ledger:
        assert len(ledger) == 1


def bank(scale="s1", difficulty=(-1.0, 0.5)):
    return Bank(
        items=("a", "b"),
        difficulty=np.array(difficulty),
        discrimination=np.array([1.0, 1.5]),
        floor=np.array([0.0, 0.25]),
        se_difficulty=np.array([0.1, np.inf]),
        se_discrimination=np.array([0.2, np.nan]),
        solvers=("x", "y", "é"),
        ability=np.array([-0.5, 0.0, 0.1]),
        se_ability=np.array([0.3, 0.3, 0.3]),
        tried=np.array([10, 20]),
        solved=np.array([5.0, 7.5]),
        scale=scale,
        fit={"model": "2pl", "converged": True},
    )


def test_banks_come_back_and_are_named_by_content(tmp_path):
    import pyarrow.parquet as pq

    from gradatim.store import banks

    run = Run(tmp_path / "run")
    with pytest.raises(FormatError, match="run `gradatim calibrate` first"):
        run.bank()
    path = run.add_bank(bank())
    assert path.parent == run.banks
    assert run.add_bank(bank()) == path
    other = run.add_bank(bank(difficulty=(-1.0, 0.75)))
    assert other != path
    assert run.bank().difficulty[1] == 0.75
    back = banks.read(path)
    for name in Bank.__dataclass_fields__:
        mine, theirs = getattr(bank(), name), getattr(back, name)
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, theirs)
        else:
            assert mine == theirs, name
    table = pq.read_table(path)
    assert table.column_names == [
        "item",
        "difficulty",
        "discrimination",
        "floor",
        "se_difficulty",
        "se_discrimination",
        "scale",
        "tried",
        "solved",
    ]


def test_banks_of_the_wrong_kind(tmp_path):
    import pyarrow.parquet as pq

    from gradatim.store import banks

    path = banks.write(tmp_path, bank())
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["floor"]), tmp_path / "short.parquet")
    with pytest.raises(FormatError, match="field 'floor'"):
        banks.read(tmp_path / "short.parquet")
    pq.write_table(table.replace_schema_metadata(None), tmp_path / "bare.parquet")
    with pytest.raises(FormatError, match="without its metadata"):
        banks.read(tmp_path / "bare.parquet")
    about = json.loads(table.schema.metadata[b"gradatim"])
    newer = {b"gradatim": json.dumps({**about, "schema": 2}).encode()}
    pq.write_table(table.replace_schema_metadata(newer), tmp_path / "newer.parquet")
    with pytest.raises(FormatError, match="version 2"):
        banks.read(tmp_path / "newer.parquet")
    (tmp_path / "text.parquet").write_text("text")
    with pytest.raises(FormatError, match="expected a bank"):
        banks.read(tmp_path / "text.parquet")
    with pytest.raises(FormatError, match="no file of that name"):
        banks.read(tmp_path / "none.parquet")
