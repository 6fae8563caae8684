"""A database of decisions as version 1 wrote it: without checksums."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

_SCRIPT = """
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    image_id TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    time TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('keep', 'relabel', 'out-of-domain', 'unusable', 'skip', 'undo')),
    region TEXT NOT NULL,
    prior TEXT NOT NULL,
    note TEXT NOT NULL,
    undoes INTEGER UNIQUE REFERENCES decisions (number),
    press TEXT NOT NULL,
    UNIQUE (reviewer, press),
    CHECK ((verdict = 'undo') = (undoes IS NOT NULL)),
    CHECK ((verdict = 'relabel') = (region <> ''))
);
CREATE TRIGGER never_changed BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END;
CREATE TRIGGER never_removed BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END;
PRAGMA application_id = 0x656D626B;
PRAGMA user_version = 1;
"""


def write_first_version(folder: Path, count: int, *, undo: bool = True) -> Path:
    """Write decisions; the last one takes the one before back (`undo`)."""
    path = folder / "decisions.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(_SCRIPT)
        for number in range(1, count + 1):
            undone = number - 1 if undo and number == count else None
            connection.execute(
                "INSERT INTO decisions (image_id, reviewer, time, verdict, region, prior, note, undoes, press) "
                "VALUES (?, 'anna', '2026-01-02T03:04:05.678+00:00', ?, '', 'hand', ?, ?, ?)",
                (f"1.2.{number}", "undo" if undone else "skip", "ä" * 1000, undone, str(number)),
            )
    os.chmod(path, 0o600)  # noqa: PTH101
    return path
