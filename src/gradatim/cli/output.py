"""What verbs print: one JSON value on one line on stdout, or text for people."""

import dataclasses
import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import typer

from gradatim import progress

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON value on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


def plain(value: Any) -> Any:
    """Records, arrays and estimates as what JSON knows; NaN and infinities as null.

    >>> from gradatim.types import Estimate
    >>> plain({"p": Estimate(0.5, 0.1, float("nan"), 8)})
    {'p': {'value': 0.5, 'low': 0.1, 'high': None, 'n': 8}}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, str | int | bool) or value is None:
        return value
    return str(value)


def emit(value: Any, *, as_json: bool, text: str) -> None:
    """Print `value` as one JSON line, or `text`."""
    sys.stdout.write((json.dumps(plain(value), ensure_ascii=False) if as_json else text) + "\n")
    sys.stdout.flush()


def reporter(quiet: bool) -> progress.Progress:
    """Progress on stderr, or none."""
    return progress.silent if quiet else progress.lines()
