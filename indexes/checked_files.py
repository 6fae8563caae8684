"""Files that are used only where they are what was written: the checksum that the manifest has for them decides.

A small file is read into memory and its checksum is worked out every time: that takes a few milliseconds. A large one
is mapped into memory, and its checksum is worked out once a boot. What was found right is noted in `checked.json`, by
all that the kernel tells of a file: its time of change (ctime) is set whenever anything of it changes, and cannot be
set back. What a disk loses while it lies is found after the next boot. Where no note can be kept, the checksum is
worked out each time.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import stat
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import IndexFolderError
from embedkit.indexes.storage import write_bytes

NOTE_NAME = "checked.json"
SMALL = 4 << 20
"""A file of so many bytes at most is read into memory."""
SETTLED_NS = 2_000_000_000
"""Clocks of file systems are coarse: a file that changed less than this ago may change again at the same time."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Bytes = NDArray[np.uint8]
Tell = Callable[[str], None]
"""Takes a note about the index, a line for people."""


def say_nothing(note: str) -> None:
    """Drop a note."""


def tell_unusable(path: Path, tell: Tell) -> None:
    """Tell that a derived file cannot be used: the answers are right, and take longer."""
    tell(
        f"{path}: it is missing or not what was written, and what it held is worked out again; "
        "`embedkit verify --repair` makes it anew"
    )


class CheckedFile:
    """The bytes of a file that was what was written when it was opened."""

    def __init__(self, path: Path, data: bytes | mmap.mmap, descriptor: int | None = None) -> None:
        self.data = _bytes(data)
        """uint8 (size,), read-only."""
        self._path, self._descriptor = path, descriptor
        self._opened = self._content_times()
        if descriptor is not None:
            weakref.finalize(self, os.close, descriptor)

    def refuse_if_changed(self) -> None:
        """Raise `IndexFolderError` ``index-damaged`` where a mapped file was cut or written to since it was opened.

        To be called before each use: reading beyond the end of a mapped file kills the process (SIGBUS).
        """
        if self._content_times() != self._opened:
            raise IndexFolderError("index-damaged", f"{self._path}: it was changed while it was open; start again")

    def _content_times(self) -> tuple[int, int] | None:
        """What writing changes, and renaming and removing do not; None where the content is in memory."""
        if self._descriptor is None:
            return None
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns


def open_checked(
    folder: Path, name: str, sha256: str, is_sound: Callable[[Bytes], bool] = lambda _: True
) -> CheckedFile | None:
    """Return the file `name` of an index, or None where it is missing, cannot be read, or is not what was written.

    `is_sound` looks at the content with the right checksum, as often as that is worked out: a manifest of somebody else
    may name a file that was made to do harm.
    """
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would wait
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None
            if status.st_size > SMALL:
                return _map(folder, name, sha256, file, is_sound)
            data = file.read()
    except (OSError, ValueError):
        return None
    whole = hashlib.sha256(data).hexdigest() == sha256
    return CheckedFile(folder / name, data) if whole and is_sound(_bytes(data)) else None


def _map(
    folder: Path, name: str, sha256: str, file: BufferedReader, is_sound: Callable[[Bytes], bool]
) -> CheckedFile | None:
    """Map a large file; raises OSError or ValueError where it cannot be."""
    identity = _identity(os.fstat(file.fileno()), sha256)
    checked = CheckedFile(folder / name, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), os.dup(file.fileno()))
    if identity and _read_notes(folder).get(name) == identity:
        return checked
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256 or not is_sound(checked.data):
        return None
    if identity and _identity(os.fstat(file.fileno()), sha256) == identity:
        _note(folder, name, identity)
    return checked


def _bytes(data: bytes | mmap.mmap) -> Bytes:
    return np.frombuffer(data, np.uint8)


def _identity(status: os.stat_result, sha256: str) -> list[str | int] | None:
    """All that changes when a file does; None where that cannot be told, or may happen unseen."""
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None
    if time.time_ns() - status.st_ctime_ns < SETTLED_NS:
        return None
    return [boot, sha256, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _read_notes(folder: Path) -> dict[str, list[str | int]]:
    try:
        notes = json.loads((folder / NOTE_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: noted for name, noted in notes.items() if isinstance(noted, list)} if isinstance(notes, dict) else {}


def _note(folder: Path, name: str, identity: list[str | int]) -> None:
    """Keep a note, and those of this boot on files that are still there; done by readers too, so that none may fail."""
    notes = {of: was for of, was in _read_notes(folder).items() if was[:1] == identity[:1] and (folder / of).exists()}
    with suppress(IndexFolderError):
        write_bytes(folder / NOTE_NAME, json.dumps(notes | {name: identity}).encode())
