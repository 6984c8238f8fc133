"""Questions asked of a ledger's file, through any connection."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError, FormatError, StoreError
from gradatim.store.counting import Counts
from gradatim.store.rows import Record, Setting, unpack
from gradatim.store.schema import COLUMNS, NEWEST

PAGE = 2048  # rows fetched at a time: no read stays open between pages, so none blocks the writer

_NAMES = {
    "solver": "s.solver",
    "policy": "s.policy",
    "tag": "a.tag",
    "status": "t.name",
    "problem": "q.problem",
}


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one clear line."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise ArgumentError(f"a row breaks a rule of the ledger: {error}") from error
    except sqlite3.OperationalError as error:
        raise StoreError(f"cannot use {path}: {error}; what was acknowledged is safe") from error
    except sqlite3.DatabaseError as error:
        raise FormatError(path, expected="a ledger (SQLite)", got=str(error)) from error


def where(filters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """SQL condition and values of the filters that `Ledger.attempts` names.

    >>> where({"solver": "tiny", "step": (2, 5)})
    ('s.solver IN (SELECT value FROM json_each(?)) AND a.step BETWEEN ? AND ?', ['["tiny"]', 2, 5])
    """
    checks.known_keys("the filter", filters, (*_NAMES, "step", "after", "ungraded"))
    parts, values = [], []
    for name, value in filters.items():
        if value is None:
            continue
        if name in _NAMES:
            some = [value] if isinstance(value, str) else list(value)
            parts.append(f"{_NAMES[name]} IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(some))
        elif name == "step":
            first, last = value if isinstance(value, tuple | list) else (value, value)
            parts.append("a.step BETWEEN ? AND ?")
            values += [int(first), int(last)]
        elif name == "after":
            parts.append("a.id > ?")
            values.append(int(value))
        else:
            parts.append(
                "NOT EXISTS (SELECT 1 FROM grade g JOIN verifier v ON v.id = g.verifier "
                "WHERE g.attempt = a.id AND v.name = ?)"
            )
            values.append(str(value))
    return " AND ".join(parts) or "1", values


def have(
    link: sqlite3.Connection, setting: Setting, prompts: Mapping[str, str] | None
) -> dict[str, set[int]]:
    """Samples by problem for one setting; see `Ledger.have`."""
    found = link.execute(
        "SELECT id FROM setting WHERE solver = ? AND policy = ? AND params = ?", setting
    ).fetchone()
    if found is None:
        return {}
    questions = {
        number: problem
        for number, problem, prompt in link.execute("SELECT id, problem, prompt FROM question")
        if prompts is None or prompts.get(problem) == prompt
    }
    there: dict[str, set[int]] = {}
    rows = link.execute("SELECT question, sample FROM attempt WHERE setting = ?", found)
    for question, sample in rows:  # answered by the key's index alone
        problem = questions.get(question)
        if problem is not None:
            there.setdefault(problem, set()).add(sample)
    return there


def attempts(
    link: sqlite3.Connection, *, text: bool, filters: Mapping[str, Any]
) -> Iterator[Record]:
    """Attempts in order of id; see `Ledger.attempts`."""
    filters = dict(filters)
    last = int(filters.pop("after", None) or 0)
    condition, values = where(filters)
    names = ", ".join(COLUMNS.values())
    select = f"SELECT {names} {NEWEST} WHERE a.id > ? AND {condition} ORDER BY a.id LIMIT {PAGE}"
    settings: dict[tuple, Setting] = {}
    texts = _Texts(link)
    while True:
        page = link.execute(select, (last, *values)).fetchall()
        for row in page:
            key = row[3:6]
            setting = settings.setdefault(key, Setting(*key))
            yield _record(row, setting, texts.get(row[0]) if text else None)
        if len(page) < PAGE:
            return
        last = page[-1][0]


def _record(row: tuple, setting: Setting, text: str | None) -> Record:
    (tokens, prompt_tokens, seconds, created, logp, step, propensity, tag, detail) = row[8:17]
    verifier, reward, solved, answer, reason = row[17:]
    number, problem, prompt = row[:3]
    sample, status = row[6:8]
    return Record(
        id=number,
        problem=problem,
        prompt=prompt,
        setting=setting,
        sample=sample,
        status=status,
        tokens=-1 if tokens is None else tokens,
        prompt_tokens=-1 if prompt_tokens is None else prompt_tokens,
        seconds=seconds,
        created=created,
        logp=logp,
        step=-1 if step is None else step,
        propensity=propensity,
        tag=tag,
        detail=detail,
        verifier=verifier,
        reward=reward,
        solved=None if solved is None else bool(solved),
        answer=answer,
        reason=reason,
        text=text,
    )


class _Texts:
    """Replies by attempt id; the pack read last stays open, since ids come in order."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link
        self._first, self._texts = 0, []

    def get(self, number: int) -> str | None:
        place = number - self._first
        if not 0 <= place < len(self._texts):
            found = self._link.execute(
                "SELECT first, n, texts FROM reply WHERE first <= ? ORDER BY first DESC LIMIT 1",
                (number,),
            ).fetchone()
            if found is None or number >= found[0] + found[1]:
                return None  # a batch without any text has no pack
            self._first, self._texts = found[0], unpack(found[2])
            place = number - self._first
        return self._texts[place]


def counts(link: sqlite3.Connection, filters: Mapping[str, Any]) -> Counts:
    """Sums per problem, setting, status and reason; see `Ledger.counts`."""
    condition, values = where(filters)
    rows = link.execute(
        "SELECT q.problem, a.setting, a.status, COALESCE(g.reason, -1), COUNT(*), "
        f"SUM(COALESCE(g.solved, 0)), SUM(COALESCE(g.reward, 0)) {NEWEST} WHERE {condition} "
        "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        values,
    ).fetchall()
    names = {n: Setting(*name) for n, *name in link.execute("SELECT * FROM setting")}
    problems = sorted({row[0] for row in rows})
    settings = sorted({names[row[1]] for row in rows})
    place = {name: i for i, name in enumerate(problems)}
    seat = {number: settings.index(name) for number, name in names.items() if name in settings}
    columns = [
        [place[row[0]] for row in rows],
        [seat[row[1]] for row in rows],
        *([row[k] for row in rows] for k in (2, 3, 4)),
    ]
    return Counts(
        *(np.array(column, dtype=np.int64) for column in columns),
        solved=np.array([row[5] for row in rows], dtype=float),
        reward=np.array([row[6] for row in rows], dtype=float),
        problems=tuple(problems),
        settings=tuple(settings),
    )
