"""One writer at a time: a lock file that names who holds it.

The kernel's lock (flock) is the truth on one machine: it dies with its process, so a killed
writer's lock is free at once. The text in the file is for people, and for folders shared between
machines, where the kernel of one may know nothing of a process on another.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from gradatim.errors import StoreError
from gradatim.files import disk_errors

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_held: set[int] = set()


def _forget_in_child() -> None:
    """A forked child must not keep its parent's lock alive after the parent was killed."""
    for handle in _held:
        with contextlib.suppress(OSError):
            os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


def _named(handle: int) -> dict[str, object]:
    try:
        value = json.loads(os.pread(handle, 4096, 0) or b"{}")
    except ValueError:  # a torn line of a writer that died while writing it
        return {}
    return value if isinstance(value, dict) else {}


def _open(path: Path) -> int:
    if fcntl is None:
        raise StoreError(f"cannot lock {path}: this system has no flock; use WSL, Linux or macOS")
    with disk_errors(path):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def take(path: Path) -> int:
    """Take the lock and return its handle; a dead writer's lock is taken over.

    Raises:
        StoreError: a living writer holds it (pid, host, since when), or it was taken on another
            machine, where nobody here can see whether the writer still lives.
    """
    handle = _open(path)
    assert fcntl is not None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = _named(handle)
            raise StoreError(
                f"{path.parent} is being written by process {who.get('pid', 'unknown')} on host "
                f"{who.get('host', 'unknown')} since {who.get('since', 'unknown')}: "
                "wait for it, or use another run folder"
            ) from None
        except OSError as error:
            raise StoreError(
                f"cannot lock {path}: {error.strerror}; put the run on a local disk"
            ) from error
        if os.fstat(handle).st_nlink == 0:  # deleted by hand between open and lock
            raise StoreError(f"{path} was deleted while it was being locked: try again")
        who = _named(handle)
        if who.get("host", socket.gethostname()) != socket.gethostname():
            raise StoreError(
                f"{path.parent} was last locked by process {who.get('pid')} on another host, "
                f"{who['host']}, since {who.get('since')}: if that process is gone, delete {path}"
            )
        with disk_errors(path):
            mine = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            }
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(mine).encode(), 0)
    except BaseException:
        os.close(handle)
        raise
    _held.add(handle)
    return handle


def give_back(handle: int) -> None:
    """Release a lock that `take` returned; in a forked child, do nothing."""
    if handle not in _held:
        return
    _held.discard(handle)
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
    os.close(handle)


@contextlib.contextmanager
def briefly(path: Path) -> Iterator[None]:
    """Hold a lock for the moment of a read-change-write, waiting for others."""
    handle = _open(path)
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
