"""How a ledger is opened: once for writing with full durability, read-only for all others."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from gradatim.errors import FormatError
from gradatim.store import schema


def open_writer(path: Path) -> sqlite3.Connection:
    """The one read-write connection of a ledger; the caller holds its lock."""
    link = sqlite3.connect(path, isolation_level=None, timeout=10.0)
    try:
        if not schema.is_empty(link):
            schema.check_ledger(link, path)
        link.execute("PRAGMA journal_mode = WAL")
        link.execute("PRAGMA synchronous = FULL")
        link.execute("PRAGMA cache_size = -65536")
        if schema.is_empty(link):
            schema.create(link)
    except BaseException:
        link.close()
        raise
    return link


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection; it works beside a writer, after a crash, and on read-only media."""
    if not path.exists():
        raise FormatError(
            path, expected="a ledger", got="nothing of that name", remedy="make attempts first"
        )
    where = f"file:{quote(str(path.absolute()))}?mode=ro"
    link = sqlite3.connect(where, uri=True, isolation_level=None, timeout=10.0)
    try:
        try:
            empty = schema.is_empty(link)
        except sqlite3.OperationalError:
            # a folder that cannot be written has no room for SQLite's shared memory file; with no
            # log left behind the file is complete and may be read as it stands
            log = path.with_name(path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            link.close()
            link = sqlite3.connect(where + "&immutable=1", uri=True, isolation_level=None)
            empty = schema.is_empty(link)
        if empty:
            raise FormatError(path, expected="a ledger", got="an empty file")
        schema.check_ledger(link, path)
    except BaseException:
        link.close()
        raise
    return link
