import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradatim.errors import FormatError
from gradatim.store import schema, segments
from gradatim.store.ledger import Ledger
from gradatim.store.rows import AttemptRow, GradeRow, Setting
from gradatim.store.run import Run
from gradatim.types import REASONS, STATUSES


def attempt(i):
    return AttemptRow(
        f"p{i % 7}",
        "0",
        Setting("s", str(i % 3)),
        i,
        status=STATUSES[i % 4],
        text=f"t{i}",
        tokens=i - 1,
        logp=None if i % 5 else -i / 8,
        step=i % 2 - 1,
        tag="é\0" if i % 2 else "",
    )


def grade(i, verifier="v@1"):
    return GradeRow(verifier, i % 4 / 4, i % 4 == 3, f"a{i}", REASONS[i % len(REASONS)], i + 1)


@pytest.fixture
def run(tmp_path):
    """35 attempts, every second one graded, in segments of 10."""
    made = Run(tmp_path / "run")
    with made.ledger(write=True, every=10) as ledger:
        for start in range(0, 35, 5):
            part = range(start, start + 5)
            ledger.append([attempt(i) for i in part], [grade(i) if i % 2 else None for i in part])
    return made


def check_equal(run):
    """Segments and tail say what the ledger says."""
    with run.ledger() as ledger:
        both = segments.table(ledger, run.path / "segments")
        alone = segments.table(ledger, None)
        assert both.equals(alone)
        assert both.schema.equals(segments.SCHEMA)
        assert both["id"].to_pylist() == list(range(1, len(ledger) + 1))
        rows = [
            dict(zip(schema.COLUMNS, row, strict=True))
            for row in ledger.query("SELECT * FROM attempts ORDER BY id")
        ]
        assert alone.to_pylist() == rows
        for mine, theirs in zip(
            segments.counts(ledger, run.path / "segments"), ledger.counts(), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    return alone


def test_segments_and_tail_are_the_ledger(run):
    table = check_equal(run)
    assert table.num_rows == 35
    listed = segments.manifest(run.path / "segments")
    assert [(e["first"], e["last"], e["rows"]) for e in listed] == [
        (1, 10, 10),
        (11, 20, 10),
        (21, 30, 10),
    ]
    assert [e["grades"] for e in listed] == [5, 5, 5]
    # any tool reads a segment as it lies
    first = pq.read_table(run.path / "segments" / listed[0]["file"])
    assert first["problem"].to_pylist() == [f"p{i % 7}" for i in range(10)]


def test_later_grades_make_a_segment_stale_until_it_is_exported_anew(run):
    folder = run.path / "segments"
    before = segments.manifest(folder)
    link = Ledger(run.path / "ledger.sqlite", write=True)  # knows of no segments
    with link as ledger:
        assert ledger.grade([grade(i, "v@2") for i in (0, 12)]) == 2
    assert segments.manifest(folder) == before
    check_equal(run)  # stale segments are not believed
    with run.ledger(write=True, every=10) as ledger:
        assert ledger.grade([grade(34, "v@2")]) == 1
    after = segments.manifest(folder)
    assert [a["file"] != b["file"] for a, b in zip(before, after, strict=True)] == [
        True,
        True,
        False,
    ]
    assert {p.name for p in folder.glob("*.parquet")} == {e["file"] for e in after}
    check_equal(run)


def test_segments_can_be_deleted_and_come_back(run):
    folder = run.path / "segments"
    for path in folder.iterdir():
        path.unlink()
    check_equal(run)
    with run.ledger(write=True, every=10) as ledger:
        ledger.append([attempt(35)])
    assert len(segments.manifest(folder)) == 3
    check_equal(run)


def test_a_segment_gone_or_damaged(run):
    folder = run.path / "segments"
    first, second, _ = (folder / e["file"] for e in segments.manifest(folder))
    first.unlink()
    check_equal(run)  # as when the writer replaced it a moment ago: the ledger has it
    raw = bytearray(second.read_bytes())
    raw[60] ^= 1
    second.write_bytes(raw)
    with run.ledger() as ledger, pytest.raises(FormatError, match=f"{second.name}.*sha256"):
        segments.table(ledger, folder)


def test_a_newer_or_damaged_manifest(run):
    path = run.path / "segments" / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "schema": schema.VERSION + 1}))
    with pytest.raises(FormatError, match=r"manifest\.json.*version 2, written by a newer"):
        segments.manifest(path.parent)
    path.write_text('{"schema": 1,')
    with pytest.raises(FormatError, match=r"manifest\.json:1: expected JSON"):
        segments.manifest(path.parent)


def test_columns_and_empty_ledgers(run, tmp_path):
    with run.ledger() as ledger:
        some = segments.table(ledger, run.path / "segments", columns=["status", "id"])
        assert some.column_names == ["status", "id"]
    with Ledger(tmp_path / "empty.sqlite", write=True) as ledger:
        assert segments.table(ledger, None).num_rows == 0
        assert len(segments.counts(ledger, tmp_path / "none").n) == 0
        assert segments.export(ledger, tmp_path / "none") == []
    assert isinstance(segments.SCHEMA, pa.Schema)


def test_a_segment_that_cannot_be_written_does_not_fail_a_batch(tmp_path):
    run = Run(tmp_path / "run")
    (run.path / "segments").write_text("a file where the folder should be")
    with run.ledger(write=True, every=10) as ledger:
        assert ledger.append([attempt(i) for i in range(25)]).made == 25
    (run.path / "segments").unlink()
    with run.ledger(write=True, every=10) as ledger:
        ledger.append([attempt(25)])
    assert len(segments.manifest(run.path / "segments")) == 2
