"""Tables of attempts or counts: long CSV, Parquet and JSONL, and the rollouts of trainers.

Columns are found by name, see ROLES. A table with an item column is one of cells or attempts; one
with a prompt and a reward is one of rollouts, and a prompt's hash is its item.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gradatim.errors import FormatError
from gradatim.files import dumps
from gradatim.store.names import MOST, Wanted, choose, scaled
from gradatim.store.rows import prompt_hash
from gradatim.store.sums import Log
from gradatim.store.tables import (
    Opened,
    Table,
    codes_of,
    names_of,
    numbers_of,
    present,
    read_columns,
    shown,
)

# role -> names of columns, the first that is there is taken; case and separators do not count
ROLES: dict[str, tuple[str, ...]] = {
    "solver": ("solver", "model", "model_name", "policy", "checkpoint", "agent"),
    "item": ("item", "problem", "task_id", "problem_id", "item_id", "question_id", "prompt_id"),
    "solved": ("solved", "correct", "is_correct", "passed", "success", "score", "reward"),
    "tried": ("tried", "n", "attempts", "n_attempts", "trials", "total"),
    "attempt": ("attempt", "sample", "sample_id", "sample_index", "epoch", "repeat", "trial"),
    "prompt": ("prompt", "input", "messages", "question"),
    "group": ("group", "group_id", "uid"),
    "step": ("step", "global_step"),
}
REPLIES = ("completion", "response", "output", "generation")  # rows with one are attempts
MEANS = ("score", "reward")  # with a column of n these are means, all others are sums
_TRL = {"step", "prompt", "completion", "advantage"}
_VERL = {"input", "output", "score", "step"}


def kind_of(names: Sequence[str]) -> str:
    """The format that columns of these names are: "trl", "verl", "rollouts" or "table"."""
    there = set(names)
    if there >= _TRL:
        return "trl"
    if there >= _VERL:
        return "verl"
    roles = _roles(names, {})
    replied = any(_plain(name) in REPLIES for name in names)
    return "rollouts" if replied or "item" not in roles else "table"


def read(
    opened: Opened, wanted: Wanted, *, kind: str, columns: Mapping[str, str], name: str = ""
) -> Log:
    """Read a table.

    Args:
        opened: from `open_table`.
        wanted: the column of the score (None: by name), and its range.
        kind: "table", "rollouts", "trl" or "verl".
        columns: role -> column, in place of what ROLES finds; "" = there is none. Attempts may be
            told apart by several, "seed,step".
        name: the solver, where no column names it.

    Raises:
        FormatError: naming file, line and column.
    """
    path, there = opened.path, opened.names
    roles = _roles(there, columns)
    if kind == "table" and "step" not in columns:
        roles.pop("step", None)  # may be anything: steps of a solution, say
    roles["solved"] = _score(opened, roles, wanted=wanted, kind=kind)
    if not {"item", "prompt", "group"} & roles.keys():
        listed = ", ".join(there) or "nothing"
        raise FormatError(
            path,
            field="item",
            expected=f"a column {' or '.join(ROLES['item'])}, or a prompt",
            got=f"only {listed}",
            remedy="name it: --column item=NAME",
        )
    apart = _apart(roles, there)
    used = {column for role, column in roles.items() if role != "attempt"}
    table = read_columns(opened, sorted(used | set(apart)))
    item, items, kind_item, about = _items(table, roles)
    solver, solvers, kind_solver = _solvers(table, roles, name=name or path.stem)
    solved, tried, missing, notes = _counts(table, roles, wanted=wanted, kind=kind)
    kept = tried > 0
    if kind == "table":
        _once(table, roles, (solver[kept], item[kept], np.flatnonzero(kept)), apart)
    return Log(
        path=str(path),
        format=kind,
        solver=solver[kept],
        item=item[kept],
        solved=solved[kept],
        tried=tried[kept],
        solvers=solvers,
        items=items,
        kinds={"item": kind_item, "solver": kind_solver},
        score=roles["solved"],
        missing=missing,
        notes=notes,
        about=about,
        run=str(path.resolve()),
        unused=() if _is_mean(roles) else ("span",),
    )


# -- columns ----------------------------------------------------------------------------------


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _roles(names: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    known = {_plain(name): name for name in reversed(list(names))}
    roles = {}
    for role, options in ROLES.items():
        if role in columns:
            if columns[role]:
                roles[role] = columns[role]
            continue
        found = next((known[o] for o in options if o in known), None)
        if found is not None:
            roles[role] = found
    return roles


def _apart(roles: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Columns that tell the attempts of a cell apart."""
    named = roles.get("attempt", "")
    parts = [named] if named in names else [part.strip() for part in named.split(",")]
    return [part for part in parts if part]


def _score(opened: Opened, roles: Mapping[str, str], *, wanted: Wanted, kind: str) -> str:
    """The column of the score; several candidates and no choice are refused."""
    if wanted.scores:
        return choose(opened.path, opened.names, wanted)
    if kind == "verl":
        return "score"
    if kind == "trl":
        return choose(opened.path, _numeric(opened), wanted)
    options = [n for n in opened.names if _plain(n) in ROLES["solved"]]
    asked = roles.get("solved", "")
    # `solved` is our own name for it; one given by hand has no rival either
    if asked and (asked not in options or _plain(asked) == "solved" or len(options) == 1):
        return asked
    raise FormatError(
        opened.path,
        field="score",
        expected=f"one column {' or '.join(ROLES['solved'])}",
        got=f"several: {'; '.join(options)}" if options else f"only {', '.join(opened.names)}",
        remedy="choose it: --score NAME",
    )


def _numeric(opened: Opened) -> list[str]:
    """Columns of TRL's log that may be rewards: numbers that are neither step nor advantage."""
    if opened.schema is None:
        return [n for n in opened.names if n not in _TRL]
    return [
        f.name
        for f in opened.schema
        if f.name not in _TRL and (pa.types.is_floating(f.type) or pa.types.is_integer(f.type))
    ]


# -- names ------------------------------------------------------------------------------------


def _items(
    table: Table, roles: Mapping[str, str]
) -> tuple[np.ndarray, list[str], type | None, dict[str, Any]]:
    """Codes, names and type of the items: ids, hashes of prompts, or groups; and their prompts."""
    for role in ("item",) if "prompt" in roles else ("item", "group"):
        if role in roles:
            return *names_of(table, roles[role]), {}
    column = table.columns[roles["prompt"]]
    values = column.to_pylist() if isinstance(column, pa.ChunkedArray) else column
    codes: dict[str, int] = {}
    index, about = [], {}
    for prompt, line in zip(values, table.lines, strict=True):
        name = prompt_id(present(prompt, table.path, line, roles["prompt"]))
        index.append(codes.setdefault(name, len(codes)))
        about.setdefault(name, {"prompt": prompt})
    return np.array(index, dtype=np.int64), list(codes), str, about


def prompt_id(prompt: Any) -> str:
    """The item of a prompt, a text or chat messages: `prompt-` and the hash of what it says.

    >>> prompt_id("2+2=")
    'prompt-8ef82285d4dc1c2d'
    """
    return "prompt-" + prompt_hash(prompt if isinstance(prompt, str) else dumps(prompt))


def _solvers(
    table: Table, roles: Mapping[str, str], *, name: str
) -> tuple[np.ndarray, list[str], type | None]:
    """Codes, names and type of the solvers: a column, a step of training, both, or one name."""
    n = len(table.lines)
    codes, names, kind = np.zeros(n, dtype=np.int64), [name], None
    if "solver" in roles:
        codes, names, kind = names_of(table, roles["solver"])
    if "step" in roles:
        at, steps, _ = names_of(table, roles["step"])
        both, codes = np.unique(codes * max(1, len(steps)) + at, return_inverse=True)
        pairs = [divmod(int(b), max(1, len(steps))) for b in both]
        codes, kind = codes.reshape(-1), str
        names = [f"{names[a]}@{steps[b]}" for a, b in pairs]
    return codes, names, kind


# -- counts -----------------------------------------------------------------------------------


def _counts(
    table: Table, roles: Mapping[str, str], *, wanted: Wanted, kind: str
) -> tuple[np.ndarray, np.ndarray, dict[str, int], list[str]]:
    """Solved and tried of each row, attempts without a score, and notes."""
    field = roles["solved"]
    tried = np.ones(len(table.lines))
    if "tried" in roles:
        tried = numbers_of(table, roles["tried"], empty=1.0)
        bad = ~((tried >= 0) & (tried <= MOST) & (tried == np.rint(tried)))
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            raise FormatError(
                table.path,
                line=table.lines[at],
                field=roles["tried"],
                expected="a whole number from 0 to 2**53",
                got=f"{tried[at]:g}",
            )
    trainer = kind in ("trl", "verl")
    value = numbers_of(table, field, empty=np.nan if trainer else None)
    gone = np.isnan(value)
    missing = {"no score": int(gone.sum())} if gone.any() else {}
    tried[gone], value[gone] = 0, wanted.low
    if _is_mean(roles):
        _inside(table, field, value=value, wanted=wanted, bare="tried" not in roles)
        solved = (value - wanted.low) / (wanted.high - wanted.low) * tried
    else:
        bad = ~((value >= 0) & (value <= tried))
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            raise FormatError(
                table.path,
                line=table.lines[at],
                field=field,
                expected=f"0 <= {field} <= {roles['tried']} ({tried[at]:g})",
                got=f"{value[at]:g}",
                remedy=f"{field} is a count or a sum of scores in [0, 1], not a percentage",
            )
        solved = value
    notes = []
    share = np.abs(solved - np.rint(solved)) > 1e-9
    several = {"tried", "attempt"} & roles.keys() or kind != "table"
    if not several and 5 * share.sum() > len(share):
        notes.append(
            f"{share.sum():,} of {len(share):,} values of column {field!r} lie between 0 and 1 and "
            "no column says of how many attempts: each counts as one graded attempt"
        )
    return solved, tried.astype(np.int64), missing, notes


def _is_mean(roles: Mapping[str, str]) -> bool:
    """Whether values are scores of one attempt, or means of several; all others are sums."""
    return "tried" not in roles or _plain(roles["solved"]) in MEANS


def _inside(table: Table, field: str, *, value: np.ndarray, wanted: Wanted, bare: bool) -> None:
    bad = ~((value >= wanted.low) & (value <= wanted.high))
    if not bad.any():
        return
    at = int(np.flatnonzero(bad)[0])
    percent = (
        bare and value.min() >= 0 and 1 < value.max() <= 100 and (wanted.low, wanted.high) == (0, 1)
    )
    if percent:
        raise FormatError(
            table.path,
            line=table.lines[at],
            field=field,
            expected="0 or 1 per attempt, a score in [0, 1], or a count with a column `tried`",
            got=f"{value[at]:g}",
            remedy="a count or a percentage says nothing without its n: add the column `tried`",
        )
    scaled(float(value[at]), table.path, table.lines[at], field, wanted=wanted)


def _once(
    table: Table,
    roles: Mapping[str, str],
    cells: tuple[np.ndarray, np.ndarray, np.ndarray],
    apart: Sequence[str],
) -> None:
    """Refuse a pair of solver and item that stands twice, unless rows are attempts."""
    solver, item, row = cells
    keys = [*(codes_of(table, name)[row] for name in apart), item, solver]
    order = np.lexsort([row, *keys])
    same = np.ones(max(0, len(order) - 1), dtype=bool)
    for key in keys:
        same &= np.diff(key[order]) == 0
    if same.any():
        at = int(np.flatnonzero(same)[0])
        first, again = int(row[order[at]]), int(row[order[at + 1]])
        who = {r: shown(table, roles.get(r), again) for r in ("solver", "item")}
        raise FormatError(
            table.path,
            line=table.lines[again],
            field=roles.get("item", roles.get("prompt", "item")),
            expected="each solver and item once" + (f" per {' and '.join(apart)}" if apart else ""),
            got=f"{who['solver']} and {who['item']} again, after line {table.lines[first]}",
            remedy="add the attempts of a cell up: solved and tried in one row; or number them in "
            "a column `attempt`",
        )
