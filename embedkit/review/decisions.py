"""What reviewers decided, kept for good: `decisions.sqlite` in the index folder (docs/review.md).

Rows are only ever added. To take a decision back is a row of its own, and of several decisions of one reviewer on one
image the newest that was not taken back stands. What `record` has returned is on the disk,
and several processes may write at once (`embedkit.review.database`).
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from embedkit.errors import IndexFolderError, UsageError
from embedkit.review.database import damaged, database_errors, open_database, place_of, transaction

DATABASE_NAME = "decisions.sqlite"
KEEP, RELABEL, OUT_OF_DOMAIN, UNUSABLE, SKIP = "keep", "relabel", "out-of-domain", "unusable", "skip"
VERDICTS = (KEEP, RELABEL, OUT_OF_DOMAIN, UNUSABLE, SKIP)
LONGEST_NOTE, LONGEST_NAME = 2000, 64

_UNDO = "undo"
_SCHEMA = f"""
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    image_id TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    time TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN {(*VERDICTS, _UNDO)}),
    region TEXT NOT NULL,
    prior TEXT NOT NULL,
    note TEXT NOT NULL,
    undoes INTEGER UNIQUE REFERENCES decisions (number),
    press TEXT NOT NULL,
    UNIQUE (reviewer, press),
    CHECK ((verdict = '{_UNDO}') = (undoes IS NOT NULL)),
    CHECK ((verdict = '{RELABEL}') = (region <> ''))
);
CREATE TRIGGER never_changed BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END;
CREATE TRIGGER never_removed BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END;
"""


@dataclass(frozen=True)
class Decision:
    """One row: what a reviewer said of an image, or (`undoes`) that an earlier row is taken back."""

    number: int
    """From 1, rising in the order in which decisions were made."""
    image_id: str
    reviewer: str
    time: datetime
    """UTC."""
    verdict: str
    """One of `VERDICTS`, or `undo`."""
    region: str
    """The new region of a `relabel`; else ""."""
    prior: str
    """The region that the image had when it was decided on; "" for none."""
    note: str
    undoes: int | None = None
    """The number of the decision that this row takes back."""


class Decisions:
    """The decisions on the images of one index. Threads may share it; other processes may write at the same time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._place = place_of(path)
        self._lock = threading.RLock()

    @classmethod
    def open(cls, index_path: Path | str, *, read_only: bool = False) -> Self:
        """Open the decisions of the index in a folder; the database is made where there is none yet.

        `read_only` makes and writes nothing: without a database there are no decisions, and the folder may be one that
        cannot be written to.

        Raises
        ------
        IndexFolderError
            ``index-absent``, ``index-read-only``, ``decisions-damaged`` or ``decisions-too-new``.
        """
        folder = Path(index_path)
        if not folder.is_dir():
            raise IndexFolderError("index-absent", f"{folder}: there is no index; make one with `embedkit embed`")
        path = folder / DATABASE_NAME
        return cls(path, open_database(path, _SCHEMA, read_only=read_only))

    def close(self) -> None:
        """Close the database; what was recorded needs no closing to be safe."""
        with self._lock:
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
        _check(image_id, reviewer, verdict, region=region, prior=prior, note=note)
        return self._append((image_id, reviewer, verdict, region, prior, note, None), press)

    def undo(self, number: int, reviewer: str, *, press: str = "") -> Decision:
        """Take a reviewer's own decision back, and return the row that says so; raises as `record`."""
        with self._lock:
            row = next((decision for decision in self.history() if decision.number == number), None)
            if row is None or row.reviewer != reviewer or row.verdict == _UNDO:
                raise UsageError("bad-decision", "only a decision of one's own can be taken back")
            return self._append((row.image_id, reviewer, _UNDO, "", row.prior, "", number), press)

    def history(self) -> list[Decision]:
        """Every row in the order made, those taken back and those that take back among them.

        Raises IndexFolderError ``decisions-damaged`` where one cannot have been recorded like this.
        """
        with self._lock, database_errors(self.path):
            rows = self._connection.execute("SELECT * FROM decisions ORDER BY number").fetchall()
        try:
            return [_read(row) for row in rows]
        except (ValueError, TypeError) as error:
            raise damaged(self.path) from error

    def check(self) -> None:
        """Let SQLite check its file and every rule of the table, and read every row; raises as `history`."""
        with self._lock, database_errors(self.path):
            found = self._connection.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise damaged(self.path)
        self.history()

    def latest(self, reviewer: str | None = None) -> list[Decision]:
        """The decisions that stand, one for each reviewer and image, in the order made; of one reviewer, or of all."""
        history = self.history()
        undone = {decision.undoes for decision in history}
        standing: dict[tuple[str, str], Decision] = {}
        for decision in history:
            if decision.verdict != _UNDO and decision.number not in undone:
                standing.pop(key := (decision.reviewer, decision.image_id), None)  # so that it is last again
                standing[key] = decision
        return [decision for decision in standing.values() if reviewer in (None, decision.reviewer)]

    def _append(self, values: tuple[object, ...], press: str) -> Decision:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        press = press or secrets.token_hex(16)
        if any(isinstance(value, str) and not _is_unicode(value) for value in (*values, press)):
            raise UsageError("bad-decision", "half a character (a lone surrogate) cannot be stored")
        with self._lock, database_errors(self.path), transaction(self._connection) as connection:
            earlier = connection.execute(
                "SELECT * FROM decisions WHERE reviewer = ? AND press = ?", (values[1], press)
            ).fetchone()
            if earlier:
                return _same(_read(earlier), values)
            if place_of(self.path) != self._place:
                message = f"{self.path}: it was removed or replaced since it was opened; end this and begin again"
                raise IndexFolderError("decisions-moved", message)
            if (
                values[-1] is not None
                and connection.execute("SELECT 1 FROM decisions WHERE undoes = ?", (values[-1],)).fetchone()
            ):
                raise UsageError("bad-decision", "this decision was taken back already")
            row = connection.execute(
                "INSERT INTO decisions (image_id, reviewer, verdict, region, prior, note, undoes, time, press) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
                (*values, time, press),
            ).fetchone()
        return _read(row)


def _same(earlier: Decision, values: tuple[object, ...]) -> Decision:
    """The earlier decision, where the press that made it is sent again with the same content."""
    if (earlier.image_id, earlier.reviewer, earlier.verdict, earlier.region) != values[:4]:
        raise UsageError("bad-decision", "this press made another decision before")
    return earlier


def _check(image_id: str, reviewer: str, verdict: str, *, region: str, prior: str, note: str) -> None:
    problem = (
        "a reviewer has a name, of at most 64 printable characters"
        if not is_name(reviewer)
        else "an image is named by its id"
        if not image_id
        else f"a verdict is one of {', '.join(VERDICTS)}"
        if verdict not in VERDICTS
        else "a relabel, and only that, names a region, other than the one that the image has"
        if (verdict == RELABEL) != bool(region) or (region and region == prior)
        else "there is no label to keep"
        if verdict == KEEP and not prior
        else f"a note has at most {LONGEST_NOTE:,} characters"
        if len(note) > LONGEST_NOTE
        else ""
    )
    if problem:
        raise UsageError("bad-decision", problem)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_name(text: str) -> bool:
    """Whether a text can name a reviewer."""
    return text.strip() == text and 0 < len(text) <= LONGEST_NAME and text.isprintable()


def _read(row: tuple[Any, ...]) -> Decision:
    number, image_id, reviewer, time, verdict, region, prior, note, undoes, _ = row
    texts = (image_id, reviewer, time, verdict, region, prior, note)
    if not all(isinstance(text, str) for text in texts) or not is_name(reviewer) or not image_id:
        raise ValueError("a value is of another kind than it was")
    return Decision(number, image_id, reviewer, datetime.fromisoformat(time), verdict, region, prior, note, undoes)
