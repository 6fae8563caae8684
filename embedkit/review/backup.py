"""The copy that stands beside the database of the decisions, never behind what it replaces (docs/review.md)."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from embedkit.errors import IndexFolderError
from embedkit.indexes.storage import write_bytes
from embedkit.review.database import backup_of, transaction

Head = tuple[int, str]
"""Number and checksum of the last decision: it stands for all before it."""


def check_is_there(path: Path) -> None:
    """Raise IndexFolderError ``decisions-lost`` where the database is gone or empty, and decisions were made."""
    with suppress(FileNotFoundError):
        if path.lstat().st_size:
            return
    if backup_of(path).is_file():
        raise _lost(path, "it is gone or empty, but decisions were made")


def check_is_not_behind(path: Path, connection: sqlite3.Connection) -> None:
    """Raise IndexFolderError ``decisions-lost`` where the backup holds decisions that the database does not."""
    head = read_head(backup_of(path))
    if head and not _holds(connection, head):
        raise _lost(path, f"it lacks decisions that {backup_of(path).name} holds")


def back_up(path: Path, connection: sqlite3.Connection, head: Head) -> None:
    """Replace the backup of a sound database, whose last decision `head` is, where that is behind it and of it."""
    backup = backup_of(path)
    if (known := read_head(backup)) == head:
        return
    with transaction(connection, "DEFERRED"):
        content = (
            connection.serialize() if _holds(connection, head) and (not known or _holds(connection, known)) else b""
        )
    if content:
        write_bytes(backup, content)


def read_head(backup: Path) -> Head | None:
    """The last decision of a backup; None where it is not there or cannot be read. It is never changed in its place."""
    if not backup.is_file():
        return None
    address = f"{backup.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            row = connection.execute("SELECT number, checksum FROM decisions ORDER BY number DESC LIMIT 1").fetchone()
    except sqlite3.Error:
        return None
    return row and (row[0], row[1])


def _holds(connection: sqlite3.Connection, head: Head) -> bool:
    try:
        row = connection.execute("SELECT checksum FROM decisions WHERE number = ?", head[:1]).fetchone()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_ERROR:
            raise
        return False  # version 1 had no such column, and no backup
    return bool(row == head[1:])


def _lost(path: Path, what: str) -> IndexFolderError:
    advice = f"copy {backup_of(path).name} to {path.name}, or move {backup_of(path).name} away to go on without them"
    return IndexFolderError("decisions-lost", f"{path}: {what}; {advice}")
