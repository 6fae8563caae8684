"""One writer at a time, held by the kernel: a killed writer leaves no stale lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedkit.errors import IndexFolderError
from embedkit.indexes.storage import plain_errors

LOCK_NAME = "lock"
_held: set[int] = set()


def _let_go() -> None:
    """Close the parent's locks in a forked child: a worker that outlives a killed writer must not hold its lock."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Hold the index's writer lock (flock(2)).

    Raises
    ------
    IndexFolderError
        ``index-locked`` at once where another writer holds it; ``index-read-only`` where it cannot be made.
    """
    with plain_errors(folder):
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{folder}: another process is writing to this index; wait until it is done"
            raise IndexFolderError("index-locked", message) from None
        _held.add(descriptor)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)
