"""The file that the decisions are in: an SQLite database, opened so that no process ever loses a lock on it.

POSIX drops *all* locks that a process holds on a file when it closes *any* descriptor of that file (fcntl(2),
https://www.sqlite.org/howtocorrupt.html section 2.2). So nothing but SQLite opens the database while a connection may
be alive in this process: a new one is made before there is any, and links are told by lstat.

Its journal is a rollback journal. A write-ahead log would keep what was acknowledged in a second file, of which SQLite
silently drops the rest from the first damaged page on; it needs shared memory, which network file systems lack, and it
cannot be read on read-only media (https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from embedkit.errors import IndexFolderError
from embedkit.indexes.storage import plain_errors
from embedkit.labels.attribute import REGION
from embedkit.review.chain import Row, with_checksums

VERSION = 2
_APPLICATION = 0x656D626B  # "embk": tells this database from any other SQLite file
_FIRST_COLUMNS = 10
_BUSY_S = 10.0
_READ_ONLY = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_COMPANIONS = ("-journal", "-wal")  # what a killed writer leaves, and the database is not whole without
_NOT_WRITABLE = "it cannot be written to; what it holds is intact"
_creating = threading.Lock()


def open_database(path: Path, schema: str, *, read_only: bool) -> sqlite3.Connection:
    """Open the database at `path`; one that is not there is made by `schema`, in memory where it is only read.

    One of version 1 stays as it is: see `upgrade`.

    Raises
    ------
    IndexFolderError
        ``index-read-only``, ``index-unwritable``, ``decisions-busy``, ``decisions-damaged`` or ``decisions-too-new``.
    """
    with database_errors(path):
        if not read_only:
            with plain_errors(path.parent), _creating:
                if not _is_there(path):
                    _make_empty(path)
            if not all(os.access(place, os.W_OK) for place in (path, path.parent)):
                raise IndexFolderError("index-read-only", f"{path}: {_NOT_WRITABLE}")
            return _prepare(_connect(path), path, schema, read_only=False)
        if not _is_there(path):
            return _prepare(_connect(None), path, schema, read_only=False)
        try:
            return _prepare(_connect(path), path, schema, read_only=True)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _READ_ONLY:
                raise
        return _prepare(_copy_aside(path), path, schema, read_only=True)


def upgrade(connection: sqlite3.Connection, schema: str) -> None:
    """Make a database of version 1 one of this version: the same rows, each with its checksum; all or nothing."""
    if _read_version(connection) == VERSION:
        return
    with transaction(connection):
        if _read_version(connection) < VERSION:  # nobody else was faster
            rebuild(connection, schema, connection.execute("SELECT * FROM decisions ORDER BY number").fetchall())


def rebuild(connection: sqlite3.Connection, schema: str, rows: Iterable[Row]) -> None:
    """Make the table anew, within a transaction, with these rows, which get their checksums."""
    connection.execute("DROP TABLE decisions")
    _run(connection, schema)
    for row in with_checksums(rows):
        connection.execute(f"INSERT INTO decisions VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
    """Hold the write lock from the first read to the commit; as `DEFERRED`, see one state in all that is read."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Say in one line what an error of SQLite means."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code in (None, sqlite3.SQLITE_ERROR):  # Python's own: a text that is no UTF-8; a column that is not there
            raise damaged(path) from error
        reason, advice = {
            sqlite3.SQLITE_BUSY: ("decisions-busy", "another process holds it; try again"),
            sqlite3.SQLITE_LOCKED: ("decisions-busy", "another process holds it; try again"),
            sqlite3.SQLITE_FULL: ("index-full", "the disk is full; what was recorded before is intact"),
            sqlite3.SQLITE_READONLY: ("index-read-only", _NOT_WRITABLE),
            sqlite3.SQLITE_CANTOPEN: ("index-read-only", "it cannot be opened for writing"),
        }.get(code & 0xFF, ("index-unwritable", "it could not be read or written; nothing was lost"))
        raise IndexFolderError(reason, f"{path}: {advice}") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter where SQLite's own message quotes it
        raise damaged(path) from error


def database_name(attribute: str) -> str:
    """Name the database of the decisions on an attribute."""
    return "decisions.sqlite" if attribute == REGION else f"decisions-{attribute}.sqlite"


def list_attributes(folder: Path) -> list[str]:
    """The attributes on which an index has decisions, or a backup of them."""
    stems = {path.stem.removesuffix("-backup") for path in folder.glob("decisions*.sqlite")}
    return sorted(stem.removeprefix("decisions-") if stem != "decisions" else REGION for stem in stems)


def backup_of(path: Path) -> Path:
    """The backup that stands beside a database."""
    return path if path.stem.endswith("-backup") else path.with_name(f"{path.stem}-backup.sqlite")


def damaged(path: Path, what: str = "it is damaged, or no database of decisions") -> IndexFolderError:
    """The error for a file that is no whole database of decisions, and what is to be done."""
    return IndexFolderError("decisions-damaged", f"{path}: {what}; {_advice(path)}")


def _advice(path: Path) -> str:
    backup = backup_of(path)
    if path == backup:
        return "delete it: the next review makes another"
    if not backup.exists():
        return "put it aside (it is not deleted), restore a copy"
    return f"move it away, and a {path.name}-journal beside it, and copy {backup.name} to {path.name}"


def place_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file at `path`; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_there(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        message = f"{path}: it is a link or a folder, which is not opened; put the database itself there"
        raise IndexFolderError("decisions-damaged", message)
    return True


def _make_empty(path: Path) -> None:
    """Make the file by hand, so that it is never readable for others; SQLite takes an empty file for an empty database.

    Called under `_creating`, so that no other thread has it open when its descriptor is closed.
    """
    with suppress(FileExistsError):  # another process was faster
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _connect(path: Path | None) -> sqlite3.Connection:
    """Connect to a file that is there, for reading alone where it cannot be written to; or to memory."""
    address = f"{path.absolute().as_uri()}?mode=rw" if path else ":memory:"
    return sqlite3.connect(address, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, uri=True)


def _copy_aside(path: Path) -> sqlite3.Connection:
    """Read a database that a killed writer left in a folder that nobody can write to: SQLite must mend it first.

    The same goes for one in WAL mode, as versions before had it. That this opens the file besides SQLite harms no
    lock of a writer here, as there is none where nothing can be written.
    """
    connection = _connect(None)
    try:
        with TemporaryDirectory(prefix="embedkit-") as folder:
            for suffix in ("", *_COMPANIONS):
                with suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{suffix}", Path(folder) / f"{path.name}{suffix}")
            copy = _connect(Path(folder) / path.name)
            try:
                copy.backup(connection)
            finally:
                copy.close()
    except OSError as error:
        connection.close()
        message = f"{path}: it cannot be read ({error.strerror})"
        raise IndexFolderError("index-unreadable", message) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, schema: str, *, read_only: bool) -> sqlite3.Connection:
    """Make the tables where the database is empty, and check it where it is not; close it where that fails."""
    try:
        if read_only and _is_empty(connection):  # somebody is about to make it
            connection.close()
            return _prepare(_connect(None), path, schema, read_only=False)
        if not read_only:
            _use_rollback_journal(connection)
            if _is_empty(connection):
                with transaction(connection):
                    if _is_empty(connection):  # nobody else was faster
                        _run(connection, schema)
        _check(connection, path, schema)
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_rollback_journal(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    try:
        connection.execute("PRAGMA journal_mode = TRUNCATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        # An earlier version has it open in WAL mode, and as long as that runs both go on so.


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether it was never written to; one of ours without a table has lost them."""
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] and not _is_ours(connection)


def _is_ours(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION)


def _read_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _read_schema(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


def _run(connection: sqlite3.Connection, schema: str) -> None:
    """Run the statements of a script: `executescript` would commit the transaction that they belong in."""
    statement = ""
    for line in (*schema.splitlines(), f"PRAGMA application_id = {_APPLICATION};", f"PRAGMA user_version = {VERSION};"):
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def _check(connection: sqlite3.Connection, path: Path, schema: str) -> None:
    if not _is_ours(connection) or connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        raise damaged(path)
    version = _read_version(connection)
    if version > VERSION:
        raise IndexFolderError("decisions-too-new", f"{path}: written by a newer embedkit; update this one")
    if version == VERSION:
        with closing(_connect(None)) as model:
            _run(model, schema)
            whole = _read_schema(model) <= _read_schema(connection)
    else:  # version 1 came in several wordings
        whole = version == 1 and len(connection.execute("PRAGMA table_info (decisions)").fetchall()) == _FIRST_COLUMNS
    if not whole:
        raise damaged(path)
