"""Folders that are there in full or not at all, written by one process at a time, never in the place of other files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedkit.errors import UsageError
from embedkit.indexes import Index
from embedkit.indexes.storage import TEMPORARY_SUFFIX, make_folder, open_locked, plain_errors, sync_folder, write_bytes

_MARKER = ".embedkit-export"
"""A file in every folder that was written here: only such a folder is ever replaced."""


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError ``output-exists`` where `path` is there and must not be replaced.

    With `overwrite` files may be, and folders that an earlier export wrote. An empty folder is as good as none.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        kind = "folder that is not there yet, or is empty" if path.is_dir() else "file that is not there yet"
        raise UsageError("output-exists", f"{path}: it is there already; name a {kind}")
    if path.is_dir() and not (path / _MARKER).is_file():
        raise UsageError("output-exists", f"{path}: no export wrote this folder, so none replaces it; name another one")


def remove_leftovers(folder: Path) -> bool:
    """Remove what a killed export to `folder` left beside it, patients' images maybe; tell whether there was any.

    Raises UsageError ``output-busy`` where another process is writing it right now.
    """
    left = _temporary(folder.resolve()).exists()
    with _own(folder.resolve()) as temporary:
        temporary.rmdir()
    return left


@contextmanager
def whole_folder(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder that becomes `folder` at the end; where that is not reached, nothing is left of it.

    Raises
    ------
    UsageError
        ``output-exists`` as `check_output`, ``output-busy`` where another process is writing it.
    IndexFolderError
        Where it cannot be written.
    """
    folder = folder.resolve()
    check_output(folder, overwrite=overwrite)
    with _own(folder) as temporary:
        try:
            yield temporary
            write_bytes(temporary / _MARKER, b"embedkit export --overwrite may replace this folder\n")
            with plain_errors(folder.parent):
                _put_in_place(temporary, folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def keep_away_from_originals(folder: Path, index: Index) -> None:
    """Raise UsageError ``output-in-source`` where `folder` lies in one that holds files of the index."""
    places = {text.rpartition("/")[0] or "/" for text in set(index.images["path"].to_pylist())}
    above = (folder.resolve(), *folder.resolve().parents)
    if any(text in places for place in above for text in index.paths.texts(place)):
        raise UsageError("output-in-source", f"{folder}: it lies among the original files; name a folder elsewhere")


def _temporary(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{TEMPORARY_SUFFIX}")


def _replaced(folder: Path) -> Path:
    """Where the earlier folder is while a new one takes its place."""
    return folder.with_name(f".{folder.name}.replaced{TEMPORARY_SUFFIX}")


@contextmanager
def _own(folder: Path) -> Iterator[Path]:
    """Hold the temporary folder of `folder`, empty, by a lock on itself (flock(2)): a killed process leaves none."""
    temporary = _temporary(folder)
    descriptor = _lock(temporary, folder)
    try:
        with plain_errors(folder.parent):
            _finish_replacing(folder)
            for left in temporary.iterdir():
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        yield temporary
    finally:
        os.close(descriptor)


def _lock(temporary: Path, folder: Path) -> int:
    def make_and_open() -> int:
        make_folder(temporary)
        with plain_errors(folder.parent):
            return os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

    busy = UsageError("output-busy", f"{folder}: another process is writing this folder; wait until it is done")
    return open_locked(make_and_open, temporary, busy)


def _put_in_place(temporary: Path, folder: Path) -> None:
    earlier = _replaced(folder)
    if folder.exists() and any(folder.iterdir()):
        folder.rename(earlier)
    temporary.rename(folder)
    sync_folder(folder.parent)
    if earlier.exists():
        shutil.rmtree(earlier)


def _finish_replacing(folder: Path) -> None:
    """After a kill between two renames: the earlier folder comes back, or goes where the new one stands."""
    earlier = _replaced(folder)
    if earlier.exists() and folder.exists():
        shutil.rmtree(earlier)
    elif earlier.exists():
        earlier.rename(folder)
