"""Where rows come from: a file, a data set of Hugging Face or its folder on disk, or any rows.

Nothing of the library `datasets` is needed for any of them: a folder that `save_to_disk` wrote is
Arrow, and a data set in memory gives rows when it is walked. Class labels become their names.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from gradatim import files
from gradatim.errors import ArgumentError, FormatError, nearest
from gradatim.files import Row

Source = str | Path | Iterable[Mapping[str, Any]]
Labels = dict[str, list[str]]


class Layout(NamedTuple):
    """Which columns hold question and answer in the rows of a trainer."""

    prompt: str
    answer: str


RECORD = "problem"  # column, in verl's rows of extra_info, that holds a whole problem as JSON
LAYOUTS = {
    "verl": Layout("prompt", "reward_model.ground_truth"),
    "open-instruct": Layout("messages", "ground_truth"),
    "trl": Layout("prompt", "answer"),
}


def layout_of(row: Row) -> Layout:
    """The layout that a row's columns tell; prompt and answer where none does.

    >>> layout_of({"messages": [], "ground_truth": "4", "dataset": "math"}).answer
    'ground_truth'
    """
    rewarded = row.get("reward_model")
    if isinstance(rewarded, Mapping) and "ground_truth" in rewarded:
        return LAYOUTS["verl"]
    if "messages" in row and "ground_truth" in row and "prompt" not in row:
        return LAYOUTS["open-instruct"]
    return LAYOUTS["trl"]


def record_of(row: Row) -> Row | None:
    """The whole problem, as rows that were written here carry it; None in rows of others."""
    holders = (row, row.get("extra_info"))
    texts = [h.get(RECORD) for h in holders if isinstance(h, Mapping)]
    for text in texts:
        if isinstance(text, str) and text.startswith("{"):
            try:
                value = json.loads(text)
            except ValueError:
                continue
            if isinstance(value, dict) and {"schema", "id", "answer"} <= value.keys():
                return value
    return None


def messages_of(prompt: str | Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """A prompt as a chat: a text is the user's message.

    >>> messages_of("2+2")
    [{'role': 'user', 'content': '2+2'}]
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [dict(message) for message in prompt]


def name_of(source: Source) -> str | Path:
    """What an error calls a source.

    >>> name_of([{"prompt": "2+2"}])
    'rows (list)'
    """
    if isinstance(source, str | Path):
        return source
    kind = type(source).__name__
    return "rows (list)" if kind == "list" else f"data set ({kind})"


def numbered(source: Source) -> Iterator[tuple[int, Row]]:
    """(line, row) of a source, counted from 1; class labels as their names.

    Raises:
        FormatError: the file or folder cannot be read, or a row is no mapping.
        ArgumentError: several splits where one is wanted, or nothing that holds rows.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            yield from _saved(path)
        elif path.name.lower().endswith(".parquet") and path.is_file():
            labels = _labels(_metadata(path))
            yield from ((line, _named(row, labels)) for line, row in files.rows(path))
        else:
            yield from files.rows(path)
        return
    if isinstance(source, Mapping):
        raise ArgumentError(
            f"`path` must be one data set, got a {type(source).__name__} of the splits "
            f"{', '.join(map(str, source))}: choose one, data[{next(iter(source), 'train')!r}]"
        )
    if not isinstance(source, Iterable):
        raise ArgumentError(
            f"`path` must be a file, a folder of save_to_disk, a data set or rows, got {source!r}"
        )
    yield from _walked(source)


def _walked(source: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, Row]]:
    features = getattr(source, "features", None)
    labels = {
        name: list(feature.names)
        for name, feature in (features or {}).items()
        if hasattr(feature, "int2str")
    }
    for line, row in enumerate(source, start=1):
        if not isinstance(row, Mapping):
            raise FormatError(
                name_of(source), line=line, expected="a row by column", got=type(row).__name__
            )
        yield line, _named(dict(row), labels)


# -- folders ----------------------------------------------------------------------------------


def _saved(folder: Path) -> Iterator[tuple[int, Row]]:
    """Rows of a folder that `save_to_disk` wrote: Arrow streams, named in state.json."""
    if (folder / "dataset_dict.json").is_file():
        splits = json.loads((folder / "dataset_dict.json").read_text()).get("splits", [])
        raise FormatError(
            folder,
            expected="one data set",
            got=f"the splits {', '.join(splits)}",
            remedy=f"name one: {folder / splits[0] if splits else folder}",
        )
    try:
        shards = json.loads((folder / "state.json").read_text())["_data_files"]
    except (OSError, ValueError, KeyError):
        raise FormatError(
            folder,
            expected="a folder that save_to_disk of datasets wrote",
            got="one without its state.json",
            remedy="name the .parquet, .jsonl or .csv file itself",
        ) from None
    rows = chain.from_iterable(_stream(folder / shard["filename"]) for shard in shards)
    yield from enumerate(rows, start=1)


def _stream(path: Path) -> Iterator[Row]:
    import pyarrow

    try:
        with pyarrow.memory_map(str(path)) as file, pyarrow.ipc.open_stream(file) as stream:
            labels = _labels(stream.schema.metadata)
            for batch in stream:
                yield from (_named(row, labels) for row in batch.to_pylist())
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise FormatError(path, expected="an Arrow stream", got=str(error)) from None


def _metadata(path: Path) -> Mapping[bytes, bytes] | None:
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_schema(path).metadata
    except (pyarrow.ArrowInvalid, OSError):  # said with the rows
        return None


def _labels(metadata: Mapping[bytes, bytes] | None) -> Labels:
    """Names of class labels, which `datasets` keeps in the metadata of a schema."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: list(feature["names"])
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError):
        return {}


def _named(row: Row, labels: Labels) -> Row:
    for column, names in labels.items():
        code = row.get(column)
        if isinstance(code, int):  # -1 stands for no label
            row[column] = names[code] if 0 <= code < len(names) else None
    return row


# -- columns ----------------------------------------------------------------------------------


def column(row: Row, name: str, file: str | Path, line: int) -> Any:
    """A column of a row; `a.b` is column or place b within a.

    Raises:
        FormatError: there is none; the message lists those that there are.

    >>> column({"reward_model": {"ground_truth": "4"}}, "reward_model.ground_truth", "f", 1)
    '4'
    """
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            names = _names(row)
            raise FormatError(
                file,
                line=line,
                field=name,
                expected="a column of that name",
                got=f"columns {', '.join(names)}{nearest(name, names)}",
            )
    return value


def _names(row: Row) -> list[str]:
    """Names of columns, those within others after them: a, a.b, c."""
    names = []
    for name, value in row.items():
        names.append(str(name))
        if isinstance(value, Mapping):
            names += [f"{name}.{inner}" for inner in value]
    return names
