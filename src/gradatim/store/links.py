"""How a ledger is opened: once for writing with full durability, read-only for all others."""

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from gradatim.errors import FormatError
from gradatim.files import disk_errors, sync_folder
from gradatim.store import schema


def open_writer(path: Path) -> sqlite3.Connection:
    """The one read-write connection of a ledger; the caller holds its lock."""
    if not path.exists():
        _create(path)
    link = sqlite3.connect(path, isolation_level=None, timeout=10.0)
    try:
        if schema.is_empty(link):  # made by other hands, with nothing in it
            schema.create(link)
        schema.check_ledger(link, path)
        link.execute("PRAGMA journal_mode = WAL")
        link.execute("PRAGMA synchronous = FULL")
        link.execute("PRAGMA cache_size = -65536")
    except BaseException:
        link.close()
        raise
    return link


def _create(path: Path) -> None:
    """Make a whole ledger under a new name and switch it in: readers find none or all of it."""
    new = path.with_name(path.name + ".new")
    with disk_errors(path):
        for leftover in (new, new.with_name(new.name + "-journal")):
            leftover.unlink(missing_ok=True)
        link = sqlite3.connect(new, isolation_level=None)
        try:
            schema.create(link)
        finally:
            link.close()
        new.replace(path)
        sync_folder(path.parent)


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
            if os.access(path.parent, os.W_OK) or (log.exists() and log.stat().st_size):
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
