"""`run.toml`: what a run is and which stages were done with which settings.

TOML as the standard library reads it; written here, since it does not write. None has no form in
TOML and is left out; a stage is recognised by the hash of its settings, None included.
"""

import json
import math
import os
import platform
import sqlite3
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradatim
from gradatim.errors import ArgumentError, FormatError
from gradatim.files import dumps, plain, read_text
from gradatim.store import schema
from gradatim.store.rows import prompt_hash, storable

Table = dict[str, Any]


def to_toml(table: Mapping[str, Any]) -> str:
    """A table as TOML: plain values, then tables, then lists of tables, one level deep.

    >>> print(to_toml({"seed": 3, "machine": {"cpus": 2, "note": None}}), end="")
    seed = 3
    <BLANKLINE>
    [machine]
    cpus = 2
    """
    lines, tail = [], []
    for key, value in table.items():
        if isinstance(value, Mapping):
            tail += ["", f"[{_key(key)}]", *_pairs(value)]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for entry in value:
                tail += ["", f"[[{_key(key)}]]", *_pairs(entry)]
        else:
            lines += _pairs({key: value})
    return "\n".join([*lines, *tail]) + "\n"


def _pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(k)} = {_value(v)}" for k, v in table.items() if v is not None]


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "." in text or "e" in text or not math.isfinite(value) else text + ".0"
    if isinstance(value, str):  # JSON's escapes are TOML's, but for DEL and lone surrogates
        text = json.dumps(storable(value), ensure_ascii=False)
        return text.replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_pairs(value)) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value if v is not None) + "]"
    raise ArgumentError(f"run.toml holds numbers, texts and lists; got {type(value).__name__}")


def fresh(seed: int) -> Table:
    """The first content of `run.toml`."""
    return {
        "schema": schema.VERSION,
        "gradatim": gradatim.__version__,
        "seed": seed,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "byteorder": sys.byteorder,
            "cpus": os.cpu_count() or 0,
            "sqlite": sqlite3.sqlite_version,
        },
        "stage": [],
    }


def load(path: Path) -> Table:
    """Read `run.toml`.

    Raises:
        FormatError: damaged, or of a newer version.
    """
    try:
        table = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise FormatError(path, expected="TOML", got=str(error)) from None
    schema.check_version(path, table.get("schema"))
    table.setdefault("stage", [])
    return table


def stage_hash(stage: str, values: Mapping[str, Any]) -> str:
    """Short hash of a stage and its settings; the order of the settings does not matter."""
    return prompt_hash(dumps([stage, plain(values)]))
