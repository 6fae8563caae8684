"""What reviewers decided, kept for good: `decisions.sqlite` in the index folder (docs/review.md).

Rows are only ever added. To take a decision back is a row of its own, and of several decisions of one reviewer on one
image the newest that was not taken back stands. What `record` has returned is on the disk, and several processes may
write at once (`embedkit.review.database`). Each row has a checksum, which whoever reads them checks
(`embedkit.review.chain`), and a copy stands beside the database (`embedkit.review.backup`).
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from embedkit.errors import IndexFolderError, UsageError
from embedkit.labels.attribute import REGION, check_attribute_name
from embedkit.review.backup import back_up, check_is_not_behind, check_is_there
from embedkit.review.chain import Row, checksum_of, with_checksums
from embedkit.review.database import (
    backup_of,
    damaged,
    database_errors,
    database_name,
    open_database,
    place_of,
    rebuild,
    transaction,
    upgrade,
)
from embedkit.review.decision import RELABEL, UNDO, VERDICTS, Decision, check_decision, is_unicode, read_row

_COLUMNS = 11
_SCHEMA = f"""
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    image_id TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    time TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN {(*VERDICTS, UNDO)}),
    region TEXT NOT NULL,
    prior TEXT NOT NULL,
    note TEXT NOT NULL,
    undoes INTEGER UNIQUE REFERENCES decisions (number),
    press TEXT NOT NULL,
    checksum TEXT NOT NULL,
    UNIQUE (reviewer, press),
    CHECK ((verdict = '{UNDO}') = (undoes IS NOT NULL)),
    CHECK ((verdict = '{RELABEL}') = (region <> ''))
);
CREATE TRIGGER never_changed BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END;
CREATE TRIGGER never_removed BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END;
"""


class Decisions:
    """The decisions on the images of one index. Threads may share it; other processes may write at the same time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._place = place_of(path)
        self._lock = threading.RLock()
        self._read: list[Decision] = []
        self._last: Row = ()
        """The row of the last decision that was read, and all before it were."""
        self._recorded = False

    @classmethod
    def open(cls, index_path: Path | str, attribute: str = REGION, *, read_only: bool = False) -> Self:
        """Open the decisions of the index in a folder, on one attribute; the database is made where there is none yet.

        `read_only` makes and writes nothing: without a database there are no decisions, and the folder may be one that
        cannot be written to. Else one of an earlier version gets its checksums, and the backup what it lacks.

        Raises
        ------
        IndexFolderError
            ``index-absent``, ``index-read-only``, ``decisions-damaged``, ``decisions-too-new``, or ``decisions-lost``
            where it is gone, empty or older than its backup.
        """
        folder = Path(index_path)
        if not folder.is_dir():
            raise IndexFolderError("index-absent", f"{folder}: there is no index; make one with `embedkit embed`")
        check_attribute_name(attribute)
        path = folder / database_name(attribute)
        check_is_there(path)
        decisions = cls(path, open_database(path, _SCHEMA, read_only=read_only))
        try:
            with database_errors(path):
                if not read_only:
                    decisions._check_rows()
                    upgrade(decisions._connection, _SCHEMA)
                check_is_not_behind(path, decisions._connection)
            if not read_only:
                decisions._back_up()
        except BaseException:
            decisions._connection.close()
            raise
        return decisions

    def close(self) -> None:
        """Close the database; what was recorded needs no closing to be safe, but is in the backup from then on."""
        with self._lock:
            if self._recorded:
                self._back_up()
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(
        self,
        image_id: str,
        reviewer: str,
        verdict: str,
        *,
        region: str = "",
        prior: str = "",
        note: str = "",
        press: str = "",
    ) -> Decision:
        """Record a decision; when this returns, it is on the disk.

        `press` names one press of a key: recorded a second time, because the first answer got lost, it is the same
        decision and not another one.

        Raises
        ------
        UsageError
            ``bad-decision``: an unknown verdict, a relabel without another region, nothing to keep, a note too long.
        IndexFolderError
            ``index-full``, ``index-read-only``, ``decisions-busy``, ``decisions-damaged``, or ``decisions-moved`` where
            another file or none is at its place by now; nothing was recorded.
        """
        check_decision(image_id, reviewer, verdict, region=region, prior=prior, note=note)
        return self._append((image_id, reviewer, verdict, region, prior, note, None), press)

    def undo(self, number: int, reviewer: str, *, press: str = "") -> Decision:
        """Take a reviewer's own decision back, and return the row that says so; raises as `record`."""
        with self._lock:
            row = next((decision for decision in self.history() if decision.number == number), None)
            if row is None or row.reviewer != reviewer or row.verdict == UNDO:
                raise UsageError("bad-decision", "only a decision of one's own can be taken back")
            return self._append((row.image_id, reviewer, UNDO, "", row.prior, "", number), press)

    def restore(self, decisions: Sequence[tuple[Decision, int | None]]) -> None:
        """Record decisions as they were made elsewhere, all or none, each with the place of that which it takes back.

        A place counts from 0 in `decisions`. Raises as `record`.
        """
        with self._lock, database_errors(self.path), transaction(self._connection) as connection:
            added: list[int] = []
            for one, undone in decisions:
                time = one.time.astimezone(UTC).isoformat(timespec="milliseconds")
                undoes = None if undone is None else added[undone]
                values = (one.image_id, one.reviewer, one.verdict, one.region, one.prior, one.note, undoes)
                added.append(self._add(connection, values, time, secrets.token_hex(16))[0])
        self._recorded = True

    def erase(self, is_removed: Callable[[str], bool]) -> int:
        """Erase the rows on images of which `is_removed` says so; the others are numbered and chained anew.

        Nothing of them is left in the file or in the backup. Raises as `history`; returns the rows that are gone.
        """
        with self._lock, database_errors(self.path):
            backup_of(self.path).unlink(missing_ok=True)  # or the database would be older than it
            self._connection.execute("PRAGMA secure_delete = ON")
            with transaction(self._connection) as connection:
                rows = connection.execute("SELECT * FROM decisions ORDER BY number").fetchall()
                kept = [row for row in rows if not is_removed(row[1])]
                number = {row[0]: place for place, row in enumerate(kept, 1)}
                renumbered = [(number[row[0]], *row[1:8], row[8] and number[row[8]], row[9]) for row in kept]
                rebuild(connection, _SCHEMA, renumbered)
            self._connection.execute("VACUUM")
            self._forget()
            self._back_up()
            return len(rows) - len(kept)

    def history(self) -> list[Decision]:
        """Every row in the order made, those taken back and those that take back among them.

        Raises IndexFolderError ``decisions-damaged`` where one is not as it was recorded. A row is read and checked
        once, unless the last one read is another by now.
        """
        with self._lock:
            rows, counted = self._rows_from(self._last)
            if self._last and rows[:1] != [self._last]:  # a copy was put in its place
                self._forget()
                rows, counted = self._rows_from(())
            self._read += self._check(rows[1:] if self._last else rows)
            self._last = rows[-1] if rows else ()
            if counted != (last := rows[-1][0] if rows else 0):
                raise self._lacks_after(last)
            return list(self._read)

    def check(self) -> None:
        """Let SQLite check its file and every rule of the table, and read every row, of the backup too.

        Raises as `history`.
        """
        self._check_rows()
        path = backup_of(self.path)
        if path.exists():
            with closing(open_database(path, _SCHEMA, read_only=True)) as connection:
                backup = type(self)(path, connection)
                backup._check_rows()
                if not backup.history():
                    raise damaged(path)

    def _check_rows(self) -> None:
        with self._lock:
            with database_errors(self.path):
                found = self._connection.execute("PRAGMA integrity_check").fetchone()[0]
            if found != "ok":
                raise damaged(self.path)
            self._forget()
            self.history()

    def _lacks_after(self, number: int) -> IndexFolderError:
        return damaged(self.path, f"what was recorded after decision {number} is not there")

    def _forget(self) -> None:
        self._read, self._last = [], ()

    def _rows_from(self, last: Row) -> tuple[list[Row], int]:
        """The rows from the last one known, this one among them, and the number of the last that was recorded."""
        with database_errors(self.path), transaction(self._connection, "DEFERRED") as connection:
            command = "SELECT * FROM decisions WHERE number >= ? ORDER BY number"
            rows = connection.execute(command, (last[0] if last else 0,)).fetchall()
            return rows, _count(connection)

    def _check(self, rows: list[Row]) -> list[Decision]:
        """Read rows, each of which follows the one before it; those of version 1 have no checksums."""
        decisions, previous = [], self._last[-1] if self._last else ""
        for row in rows:
            try:
                if len(row) == _COLUMNS and row[-1] != (previous := checksum_of(previous, row[:-1])):
                    raise ValueError("a value is another, or a row before it is gone")
                decisions.append(read_row(row))
            except (ValueError, TypeError) as error:
                raise damaged(self.path, f"decision {row[0]} is not as it was recorded") from error
        return decisions

    def _back_up(self) -> None:
        """Bring the backup up to date; that it cannot be written harms no decision, and an unsound one stays out."""
        with self._lock, suppress(IndexFolderError), database_errors(self.path):
            self.history()
            if self._last:
                back_up(self.path, self._connection, (self._last[0], self._last[-1]))

    def latest(self, reviewer: str | None = None) -> list[Decision]:
        """The decisions that stand, one for each reviewer and image, in the order made; of one reviewer, or of all."""
        history = self.history()
        undone = {decision.undoes for decision in history}
        standing: dict[tuple[str, str], Decision] = {}
        for decision in history:
            if decision.verdict != UNDO and decision.number not in undone:
                standing.pop(key := (decision.reviewer, decision.image_id), None)  # so that it is last again
                standing[key] = decision
        return [decision for decision in standing.values() if reviewer in (None, decision.reviewer)]

    def _append(self, values: Row, press: str) -> Decision:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        press = press or secrets.token_hex(16)
        if any(isinstance(value, str) and not is_unicode(value) for value in (*values, press)):
            raise UsageError("bad-decision", "half a character (a lone surrogate) cannot be stored")
        with self._lock, database_errors(self.path), transaction(self._connection) as connection:
            earlier = connection.execute(
                "SELECT * FROM decisions WHERE reviewer = ? AND press = ?", (values[1], press)
            ).fetchone()
            if earlier:
                return _same(read_row(earlier), values)
            if place_of(self.path) != self._place:
                message = f"{self.path}: it was removed or replaced since it was opened; end this and begin again"
                raise IndexFolderError("decisions-moved", message)
            if (
                values[-1] is not None
                and connection.execute("SELECT 1 FROM decisions WHERE undoes = ?", (values[-1],)).fetchone()
            ):
                raise UsageError("bad-decision", "this decision was taken back already")
            row = self._add(connection, values, time, press)
        self._recorded = True
        return read_row(row)

    def _add(self, connection: sqlite3.Connection, values: Row, time: str, press: str) -> Row:
        """Add a row after the last one, and return it."""
        command = "SELECT number, checksum FROM decisions ORDER BY number DESC LIMIT 1"
        number, previous = connection.execute(command).fetchone() or (0, "")
        if number != _count(connection):
            raise self._lacks_after(number)
        image_id, reviewer, *said, undoes = values
        (row,) = with_checksums([(number + 1, image_id, reviewer, time, *said, undoes, press)], previous)
        connection.execute(f"INSERT INTO decisions VALUES ({', '.join('?' * _COLUMNS)})", row)  # noqa: S608
        return row


def _count(connection: sqlite3.Connection) -> int:
    """The number of the last row that was ever added, as SQLite keeps it (AUTOINCREMENT)."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'decisions'").fetchone()
    return row[0] if row else 0


def _same(earlier: Decision, values: Row) -> Decision:
    """The earlier decision, where the press that made it is sent again with the same content."""
    if (earlier.image_id, earlier.reviewer, earlier.verdict, earlier.region) != values[:4]:
        raise UsageError("bad-decision", "this press made another decision before")
    return earlier
