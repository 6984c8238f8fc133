"""Logs of lm-evaluation-harness: `samples_*.jsonl` beside `results_*.json`, read without it.

A row is one document under one filter; its metrics are named `metric,filter` as in the results.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradatim.errors import FormatError
from gradatim.files import read_text, rows
from gradatim.store.names import Wanted, choose, number, scaled
from gradatim.store.sums import Log, Tally

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT[\d.:-]+)\.jsonl")


def is_sample(row: Mapping[str, Any]) -> bool:
    """Whether a JSONL row is a sample of lm-evaluation-harness."""
    return {"doc_id", "doc"} <= row.keys() and bool({"resps", "filtered_resps"} & row.keys())


def is_results(value: Any) -> bool:
    """Whether parsed JSON is a results file of lm-evaluation-harness."""
    return isinstance(value, dict) and isinstance(value.get("results"), dict) and "configs" in value


def samples_of(path: Path) -> list[Path]:
    """The samples files that belong to a results file.

    Raises:
        FormatError: there are none.
    """
    time = path.stem.removeprefix("results_")
    found = sorted(path.parent.glob(f"samples_*_{time}.jsonl"))
    if not found:
        raise FormatError(
            path,
            expected="samples, one row per document",
            got="a results file, which holds means only",
            remedy="evaluate with --log_samples and give the samples_*.jsonl",
        )
    return found


def read(path: Path, wanted: Wanted) -> Log:
    """Read one samples file.

    Raises:
        FormatError: a row without its metric, a score outside its range; several metrics or
            filters and none was chosen.
    """
    named = _NAME.fullmatch(path.name)
    task = named["task"] if named else path.stem.removeprefix("samples_")
    about = _results(path, named["time"] if named else "")
    model = str(about.get("model_name") or path.parent.name or path.stem)
    found = list(rows(path))
    if not found:
        raise FormatError(path, expected="samples", got="an empty file")
    names = [f"{m},{r.get('filter', 'none')}" for _, r in found for m in r.get("metrics") or ()]
    score = choose(path, list(dict.fromkeys(names)), wanted, fits=_meant, field="metrics")
    metric, _, chosen = score.partition(",")
    tally = Tally(path)
    for line, row in found:
        if str(row.get("filter", "none")) != chosen:
            continue
        told = {"text": row.get("doc_hash", ""), "doc": row.get("doc")}
        item = tally.item(task, _field(row, "doc_id", path, line), **told)
        value = _field(row, metric, path, line)
        attempts = value if isinstance(value, list) else [value]
        for one in attempts:
            if one is None:
                tally.miss("no score")
                continue
            mark = number(one, path, line, metric)
            tally.add(model, item, scaled(mark, path, line, metric, wanted=wanted))
    return tally.log(
        format="lm_eval",
        tool=f"lm_eval {about.get('lm_eval_version', '')}".strip(),
        score=score,
        notes=_notes(about, task, found, chosen),
        run=f"{path.resolve()}",
        unused=("columns",),
    )


def _field(row: Mapping[str, Any], name: str, path: Path, line: int) -> Any:
    if name not in row:
        raise FormatError(
            path, line=line, field=name, expected="this field", got=f"only {', '.join(row)}"
        )
    return row[name]


def _results(path: Path, time: str) -> dict[str, Any]:
    """The results file of the same run; empty where it is not there."""
    beside = path.with_name(f"results_{time}.json")
    if not beside.is_file():
        return {}
    try:
        value = json.loads(read_text(beside))
    except json.JSONDecodeError as error:
        raise FormatError(beside, line=error.lineno, expected="JSON", got=error.msg) from None
    return value if isinstance(value, dict) else {}


def _meant(name: str, asked: str) -> bool:
    """`metric,filter` by its full name, its metric or its filter."""
    return asked in (name, *name.split(","))


def _notes(about: Mapping[str, Any], task: str, found: Sequence[Any], chosen: str) -> list[str]:
    notes = [] if about else ["no results file beside it: the solver is named after the folder"]
    made = max(
        (len(r) for _, row in found for r in row.get("resps") or () if _repeated(row, r)), default=1
    )
    if made > 1:
        notes.append(
            f"{made} answers were made of each document and filter {chosen!r} of task {task!r} "
            "scored one"
        )
    return notes


def _repeated(row: Mapping[str, Any], answers: Any) -> bool:
    """Whether a row lists several answers of which one was scored."""
    scored = any(isinstance(row.get(metric), list) for metric in row.get("metrics") or ())
    return not scored and isinstance(answers, list) and all(isinstance(a, str) for a in answers)
