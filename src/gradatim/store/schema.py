"""What lies on disk: the version every file carries, the ledger's tables, the forward check.

Tables are nouns and can be read with plain `sqlite3`; the view `attempts` spells every code out.
Natural key of an attempt: (solver, policy, params, problem, prompt hash, sample).
"""

import sqlite3
from pathlib import Path
from typing import Any

from gradatim.errors import FormatError
from gradatim.types import REASONS, STATUSES

VERSION = 1
APPLICATION = 0x67726164  # "grad", in SQLite's header: tells our ledger from any other database
WAL_RESET_FIXED = (3, 51, 3)  # older SQLite can lose a page when two connections write one file

TABLES = """
CREATE TABLE status (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE reason (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE verifier (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE question (
    id INTEGER PRIMARY KEY, problem TEXT NOT NULL, prompt TEXT NOT NULL,
    UNIQUE (problem, prompt));
CREATE TABLE setting (
    id INTEGER PRIMARY KEY, solver TEXT NOT NULL, policy TEXT NOT NULL, params TEXT NOT NULL,
    UNIQUE (solver, policy, params));
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    setting INTEGER NOT NULL, question INTEGER NOT NULL,
    sample INTEGER NOT NULL CHECK (sample >= 0),
    status INTEGER NOT NULL, tokens INTEGER, prompt_tokens INTEGER, seconds REAL,
    created REAL NOT NULL, logp REAL, step INTEGER, propensity REAL,
    tag TEXT NOT NULL, detail TEXT NOT NULL,
    UNIQUE (setting, question, sample));
CREATE TABLE grade (
    attempt INTEGER NOT NULL, verifier INTEGER NOT NULL,
    reward REAL NOT NULL CHECK (reward BETWEEN 0 AND 1),
    solved INTEGER NOT NULL CHECK (solved IN (0, 1)),
    answer TEXT, reason INTEGER NOT NULL,
    PRIMARY KEY (attempt, verifier)) WITHOUT ROWID;
CREATE TABLE reply (first INTEGER PRIMARY KEY, n INTEGER NOT NULL, texts BLOB NOT NULL);
"""

# the newest verifier's grade of each attempt; ids of verifiers ascend in order of first use
NEWEST = """
FROM attempt a
JOIN question q ON q.id = a.question
JOIN setting s ON s.id = a.setting
JOIN status t ON t.id = a.status
LEFT JOIN grade g ON g.attempt = a.id
    AND g.verifier = (SELECT MAX(verifier) FROM grade WHERE attempt = a.id)
LEFT JOIN reason r ON r.id = g.reason
LEFT JOIN verifier v ON v.id = g.verifier
"""

# name -> SQL expression; the order is that of every export
COLUMNS = {
    "id": "a.id",
    "problem": "q.problem",
    "prompt": "q.prompt",
    "solver": "s.solver",
    "policy": "s.policy",
    "params": "s.params",
    "sample": "a.sample",
    "status": "t.name",
    "tokens": "a.tokens",
    "prompt_tokens": "a.prompt_tokens",
    "seconds": "a.seconds",
    "created": "a.created",
    "logp": "a.logp",
    "step": "a.step",
    "propensity": "a.propensity",
    "tag": "a.tag",
    "detail": "a.detail",
    "verifier": "v.name",
    "reward": "g.reward",
    "solved": "g.solved",
    "answer": "g.answer",
    "reason": "r.name",
}


def check_version(file: str | Path, version: Any) -> None:
    """Refuse a file that a newer gradatim wrote.

    Raises:
        FormatError: naming the file, its version, ours, and what to do.
    """
    if not isinstance(version, int) or version < 1:
        raise FormatError(
            file,
            field="schema",
            expected="a schema version (a positive integer)",
            got=repr(version),
            remedy="the file was not written by gradatim, or is damaged",
        )
    if version > VERSION:
        raise FormatError(
            file,
            field="schema",
            expected=f"schema version {VERSION} or older",
            got=f"version {version}, written by a newer gradatim",
            remedy="pip install -U gradatim",
        )


def check_ledger(link: sqlite3.Connection, path: Path) -> None:
    """Refuse a database that is not our ledger, is newer, or is not a database."""
    try:
        owner = link.execute("PRAGMA application_id").fetchone()[0]
        version = link.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise FormatError(path, expected="a ledger (SQLite)", got=str(error)) from None
    if owner != APPLICATION:
        raise FormatError(
            path, expected="a ledger of gradatim", got="a database of another program"
        )
    check_version(path, version)


def is_empty(link: sqlite3.Connection) -> bool:
    """Whether no table exists yet: a fresh file, or a creation that was cut short."""
    return not link.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]


def create(link: sqlite3.Connection) -> None:
    """Create the tables in one transaction: a crash leaves an empty file or a whole ledger."""
    fixed = "".join(
        f"CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the ledger only inserts'); END;\n"
        for table in ("attempt", "grade", "reply")
        for verb in ("update", "delete")
    )
    named = ", ".join(f"{sql} AS {name}" for name, sql in COLUMNS.items())
    names = "".join(
        f"INSERT INTO {table} VALUES "
        + ", ".join(f"({i}, '{n}')" for i, n in enumerate(all_))
        + ";\n"
        for table, all_ in (("status", STATUSES), ("reason", REASONS))
    )
    link.executescript(
        f"BEGIN IMMEDIATE;\n{TABLES}\n{fixed}\nCREATE VIEW attempts AS SELECT {named} {NEWEST};\n"
        f"{names}PRAGMA application_id = {APPLICATION};\nPRAGMA user_version = {VERSION};\nCOMMIT;"
    )
