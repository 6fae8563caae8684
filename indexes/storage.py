"""Files that are there in full or not at all, and what a full or read-only disk means for a user.

A file is written under a temporary name in its own folder, synced, renamed, and the folder is synced: after a crash
there is the old file or the new one, never half of one (see the notes of fsync(2) and rename(2)).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from embedkit.errors import EmbedkitError, IndexFolderError

Put = Callable[[bytes | memoryview], int]
TEMPORARY_SUFFIX = ".tmp"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


def write_atomically(path: Path, write: Callable[[Put], None], mode: int = 0o600) -> str:
    """Let `write` produce the file through the function it is given; return the sha256 of what was written.

    Raises
    ------
    IndexFolderError
        ``index-full``, ``index-read-only``, ``index-unwritable``, or ``output-busy`` where another process is writing
        this file; what stood at `path` before still stands there.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    digest = hashlib.sha256()
    with plain_errors(path.parent), os.fdopen(_open_locked(temporary, mode), "wb") as file:
        try:

            def put(data: bytes | memoryview) -> int:
                digest.update(data)
                return file.write(data)

            write(put)
            file.flush()
            os.fsync(file.fileno())
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    return digest.hexdigest()


def _open_locked(temporary: Path, mode: int) -> int:
    """Open a temporary file, empty, and hold it by a lock: two processes never write into one file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    message = f"{temporary.parent}: another process is writing the same file; wait until it is done"
    busy = IndexFolderError("output-busy", message)
    descriptor = open_locked(lambda: os.open(temporary, flags, mode), temporary, busy)
    os.ftruncate(descriptor, 0)
    return descriptor


def open_locked(open_it: Callable[[], int], path: Path, busy: EmbedkitError) -> int:
    """Open the file or folder at `path` and hold it by a lock (flock(2)); raises `busy` where another process does."""
    while True:
        descriptor = open_it()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(descriptor, path):
                return descriptor
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise busy from None
            raise
        os.close(descriptor)  # whoever held it has just put it in its place: there is another one now, or none


def is_at(descriptor: int, path: Path) -> bool:
    """Tell whether an open file or folder is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def write_bytes(path: Path, data: bytes) -> str:
    """Write `data` atomically; return its sha256."""

    def write(put: Put) -> None:
        put(data)

    return write_atomically(path, write)


def sync_folder(folder: Path) -> None:
    """Make the renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create `folder` (and its parents), closed to everybody but its owner.

    Raises
    ------
    IndexFolderError
        ``index-full``, ``index-read-only`` or ``index-unwritable``.
    """
    with plain_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


def remove_files(paths: list[Path]) -> None:
    """Remove files that nothing refers to any more."""
    for path in paths:
        with plain_errors(path.parent):
            path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    """Say in one line what an operating system's error means for the index at `folder`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            reason, advice = (
                "index-full",
                "the disk is full; what stood there before still does. Free space, run again",
            )
        elif error.errno in _NO_FOLDER:
            reason, advice = "index-unwritable", "there is no such folder, and none can be made; name another place"
        elif error.errno in _READ_ONLY:
            reason, advice = "index-read-only", "it cannot be written to; what it holds is intact"
        else:
            reason, advice = "index-unwritable", f"writing failed ({error.strerror}); what stood there still does"
        raise IndexFolderError(reason, f"{folder}: {advice}") from error
