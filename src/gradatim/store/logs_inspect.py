"""Logs of inspect_ai, `.eval` (a zip of JSON) and `.json`, read without inspect_ai.

Of an `.eval` file only the header and the samples' summaries are unpacked: a log of gigabytes is
read in seconds. Its members may be compressed with zstandard, which Arrow unpacks.
"""

import json
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradatim.errors import FormatError
from gradatim.files import dumps
from gradatim.store.names import Wanted, choose, number, scaled
from gradatim.store.rows import prompt_hash
from gradatim.store.sums import Log, Tally

LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_ZSTD = 93


def is_archive(path: Path) -> bool:
    """Whether a file is an `.eval` log, by what it holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False
    return bool({"header.json", "_journal/start.json"} & names)


def is_log(value: Any) -> bool:
    """Whether parsed JSON is a log of inspect_ai."""
    return isinstance(value, dict) and isinstance(value.get("eval"), dict) and "status" in value


def read_archive(path: Path, wanted: Wanted) -> Log:
    """Read an `.eval` log.

    Raises:
        FormatError: truncated, or without samples; several scorers and none was chosen.
    """
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            names = archive.namelist()
            start = "header.json" if "header.json" in names else "_journal/start.json"
            if start not in names:
                raise FormatError(
                    path, expected="an .eval log of inspect_ai", got="a zip without header.json"
                )
            header = _member(archive, file, start)
            samples = [
                row
                for name in _summaries(names)
                for row in _listed(_member(archive, file, name), path)
            ]
    except (zipfile.BadZipFile, pa.ArrowException, OSError, EOFError, struct.error) as error:
        raise FormatError(
            path,
            expected="an .eval log of inspect_ai (a zip archive)",
            got=f"a truncated or damaged one ({error})",
            remedy="copy it again, or `inspect log recover` where the evaluation crashed",
        ) from None
    except ValueError as error:
        raise FormatError(path, expected="JSON inside the log", got=str(error)) from None
    return _log(path, header, samples, wanted)


def read_json(path: Path, value: Mapping[str, Any], wanted: Wanted) -> Log:
    """Read a parsed `.json` log."""
    samples = value.get("samples")
    if not samples:
        raise FormatError(
            path,
            field="samples",
            expected="samples with scores",
            got="a log without samples",
            remedy="evaluate with --log-samples, or dump the log without --header-only",
        )
    return _log(path, value, _listed(samples, path), wanted)


# -- the archive ------------------------------------------------------------------------------


def _member(archive: zipfile.ZipFile, file: Any, name: str) -> Any:
    info = archive.getinfo(name)
    if info.compress_type != _ZSTD:
        return json.loads(archive.read(name))
    file.seek(info.header_offset)
    lengths = struct.unpack("<HH", file.read(30)[26:30])
    file.seek(info.header_offset + 30 + sum(lengths))
    packed = pa.BufferReader(file.read(info.compress_size))
    return json.loads(pa.CompressedInputStream(packed, "zstd").read())


def _summaries(names: list[str]) -> list[str]:
    """Members that hold the samples: consolidated, of a log still running, or of old logs."""
    if "summaries.json" in names:
        return ["summaries.json"]
    folder = "_journal/summaries/"
    parts = [name for name in names if name.startswith(folder)]
    if parts:
        return sorted(parts, key=lambda name: (len(name), name))
    return sorted(n for n in names if n.startswith("samples/") and n.endswith(".json"))


def _listed(value: Any, path: Path) -> list[dict[str, Any]]:
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) and "id" in row for row in rows):
        raise FormatError(path, field="samples", expected="samples with an id", got="others")
    return rows


# -- samples ----------------------------------------------------------------------------------


def _log(path: Path, header: Mapping[str, Any], samples: list, wanted: Wanted) -> Log:
    about = header["eval"]
    task, model = str(about.get("task") or "task"), str(about.get("model") or path.stem)
    # an interrupted sample that was made again stands twice: the last one counts
    latest = {(str(row["id"]), row.get("epoch", 1)): row for row in samples}
    names = list(dict.fromkeys(name for row in latest.values() for name in row.get("scores") or {}))
    score = choose(path, names, wanted, field="scores")
    tally, scales = Tally(path), False
    for row in latest.values():
        text = prompt_hash(dumps([row.get("input"), row.get("target")]))
        told = {"prompt": row.get("input"), "target": row.get("target")}
        item = tally.item(task, row["id"], text=text, **told)
        why = _why_missing(row, score)
        if why:
            tally.miss(why)
        else:
            value = row["scores"][score]["value"]
            scales |= not (isinstance(value, str) and value in LETTERS)
            tally.add(model, item, _value(value, path, f"{item} score {score}", wanted))
    version = (about.get("packages") or {}).get("inspect_ai", "")
    return tally.log(
        format="inspect",
        tool=f"inspect_ai {version}".strip(),
        score=score,
        notes=_notes(header, latest.values()),
        run=str(about.get("eval_id") or ""),
        unused=("columns",) if scales else ("columns", "span"),
    )


def _why_missing(row: Mapping[str, Any], score: str) -> str:
    """Why a sample has no score of its own; "" where it has one."""
    found = (row.get("scores") or {}).get(score)
    if row.get("error") and found is None:
        return "error"
    if found is None or found.get("value") is None:
        return f"no score{f' (limit: {_limit(row)})' if row.get('limit') else ''}"
    value = found["value"]
    if isinstance(value, float) and value != value:  # inspect's mark of an unscored sample
        return "unscored"
    return ""


def _limit(row: Mapping[str, Any]) -> str:
    limit = row["limit"]
    return str(limit.get("type") if isinstance(limit, dict) else limit)


def _value(value: Any, path: Path, field: str, wanted: Wanted) -> float:
    if isinstance(value, str) and value in LETTERS:
        return LETTERS[value]
    if isinstance(value, list | dict):
        raise FormatError(
            path,
            field=field,
            expected="one number",
            got=f"a {type(value).__name__}",
            remedy="choose a score that is a number: --score NAME",
        )
    found = number(value, path, None, field)
    return scaled(found, path, None, field, wanted=wanted)


def _notes(header: Mapping[str, Any], samples: Iterable[Mapping[str, Any]]) -> list[str]:
    notes = []
    status = header.get("status", "started")
    if status != "success":
        notes.append(f"the evaluation's status is {status!r}: its samples so far")
    limits: dict[str, int] = {}
    for row in samples:
        if row.get("limit") and row.get("scores"):
            limits[_limit(row)] = limits.get(_limit(row), 0) + 1
    notes += [f"{n} samples hit the {kind} limit and count as scored" for kind, n in limits.items()]
    if header.get("invalidated"):
        notes.append("the log is marked as invalidated")
    return notes
