"""The walk over a dump: every file once, in an order that is always the same, following nothing."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.errors import UsageError
from embedkit.reasons import reject

if TYPE_CHECKING:
    from embedkit.sources.source import Source

IMAGE_EXTENSION = re.compile(r"\.(?:dcm|dicom|ima|img|png|jpe?g|tiff?)\Z", re.IGNORECASE)
"""How the names of image files end, where they have an extension; which a file is, only its content tells."""


@dataclass(frozen=True)
class FoundFile:
    """One entry of the walk; `reason` is set where there is nothing to read (a code of `reasons.REASONS`)."""

    path: Path
    size: int = 0
    mtime_ns: int = 0
    reason: str = ""
    source: Source | None = field(default=None, compare=False, repr=False)
    """What opens it; None for a file."""
    content: bytes | None = field(default=None, compare=False, repr=False)
    """What it holds, where that was read before."""


@dataclass(frozen=True)
class FolderSource:
    """Files and folders, as a `Source`; `embed` takes their paths as they are, and does the same."""

    paths: tuple[Path, ...] = ()

    def describe(self) -> str:
        """What stands for files: their paths say where they are."""
        return "file:"

    def list(self) -> Iterator[FoundFile]:
        """As `find_files`."""
        return find_files(self.paths)

    def open(self, found: FoundFile, max_bytes: int, /) -> bytes:
        """Return the bytes of a regular file.

        Raises OSError, and RejectedFile ``not-a-regular-file`` or ``file-too-large``: the entry may have become a link
        or a pipe since the walk, and neither is followed or waited for.
        """
        descriptor = os.open(found.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise reject("not-a-regular-file")
            if status.st_size > max_bytes:
                raise reject("file-too-large")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(status.st_size)
        finally:
            os.close(descriptor)


FILES = FolderSource()
"""Opens files that were found."""


def find_files(sources: Sequence[Path]) -> Iterator[FoundFile]:
    """Walk over files and folders, depth first, each folder sorted by name.

    Paths are absolute, with links resolved in the sources themselves; links inside a source are reported with the
    reason ``not-a-regular-file`` and never followed. Sources that overlap give each file once. Memory holds the names
    of the folders that are open, not the dump.

    Raises
    ------
    UsageError
        ``source-not-found``, before anything is yielded, if a source does not exist.
    """
    roots = _distinct_roots(sources)
    return (found for root in roots for found in _walk(root))


def _distinct_roots(sources: Sequence[Path]) -> list[Path]:
    """Resolved sources without those that lie inside another: as links are not followed, no file comes twice."""
    roots: list[Path] = []
    for source in sources:
        try:
            root = Path(source).resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
            raise UsageError("source-not-found", f"no such file or folder: {os.fsdecode(source)!a}") from error
        if root not in roots:
            roots.append(root)
    return [root for root in roots if not any(parent in roots for parent in root.parents)]


def _walk(root: Path) -> Iterator[FoundFile]:
    """A stack of folders instead of recursion: a dump may be nested deeper than Python may recurse."""
    pending = [iter([root])]
    while pending:
        path = next(pending[-1], None)
        if path is None:
            pending.pop()
            continue
        try:
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                pending.append(_entries(path))
                continue
        except OSError:
            yield FoundFile(path, reason="unreadable")
            continue
        reason = "" if stat.S_ISREG(status.st_mode) else "not-a-regular-file"
        yield FoundFile(path, status.st_size, status.st_mtime_ns, reason)


def _entries(folder: Path) -> Iterator[Path]:
    """Paths in a folder, sorted by the bytes of their names; raises OSError if it cannot be listed."""
    with os.scandir(folder) as entries:
        names = sorted((entry.name for entry in entries), key=os.fsencode)
    return (folder / name for name in names)
