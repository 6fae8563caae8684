"""The radiograph as large as it is, from its original file; the stored picture where that is gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Self

from embedkit.dicom import Radiograph, ReadingOptions, load_content, read_radiograph, stored_levels
from embedkit.dicom.codecs.choice import Codecs, codecs_of_environment
from embedkit.dicom.reading import FileContent
from embedkit.errors import RejectedFile, UsageError
from embedkit.indexes import Index
from embedkit.indexes.shards import EARLIER_DIGEST
from embedkit.indexes.stored_paths import StoredPaths
from embedkit.sources import FoundFile
from embedkit.sources.source import describe, open_item
from embedkit.workers import WorkerPool

_INSTEAD = "You see the stored picture of 256 pixels."
_NOTICES = {
    "unreadable": f"The original file cannot be read where it was. {_INSTEAD} If it moved, use --root.",
    "changed-file": f"The original file was changed after it was embedded. {_INSTEAD}",
}


@dataclass(frozen=True)
class Original:
    """One frame of a file of the index."""

    found: FoundFile
    content_blake3: str
    frame: int


def read_original(original: Original, options: ReadingOptions) -> Radiograph:
    """Read an original file that is still what it was when it was embedded; for a worker process.

    Raises
    ------
    RejectedFile
        ``changed-file``, or as `load_content` and `read_radiograph` do.
    """
    content = load_content(original.found, options)
    if not is_content(content, original.content_blake3):
        raise RejectedFile("changed-file")
    return read_radiograph(content, original.frame, options)


def is_content(content: FileContent, digest: str) -> bool:
    """Whether a file is what it was when it was embedded, by the `content_blake3` of its row."""
    if digest.startswith(EARLIER_DIGEST):
        return sha256(content.data).hexdigest() == digest.removeprefix(EARLIER_DIGEST)
    return content.blake3 == digest


class Originals:
    """Reads radiographs of an index in worker processes; a context manager, which starts and ends them.

    Parameters
    ----------
    index
        Its paths name the files.
    root
        The folder that the files were moved to, as they lay; None where they did not move.
    workers
        Processes: as many radiographs are read at a time.
    codecs
        What reads them; by default what the environment says.

    Raises
    ------
    UsageError
        ``root-not-found``.
    """

    def __init__(self, index: Index, root: Path | None = None, workers: int = 2, codecs: Codecs | None = None) -> None:
        if root is not None and not root.is_dir():
            raise UsageError("root-not-found", f"{root}: no such folder")
        self._index, self._root = index, root
        columns = ("path", "content_blake3", "frame")
        self._paths, self._hashes, self._frames = (index.images[name].to_pylist() for name in columns)
        # What was taken into the index is read again, whatever its modality.
        options = ReadingOptions(
            modalities=frozenset(index.images["modality"].to_pylist()) | {"CR", "DX", "RG"},
            target_side=None,
            codecs=codecs or codecs_of_environment(),
        )
        self._max_bytes = options.max_file_bytes
        self._pool = WorkerPool(partial(read_original, options=options), workers=workers)

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def read(self, row: int) -> tuple[Radiograph, str]:
        """The radiograph of a row of `Index.images`, and a notice: "" where it is of the original file."""
        found = open_item(find_item(self._index, self._paths[row], self._root), self._max_bytes)
        original = Original(found, self._hashes[row], max(1, self._frames[row]))
        [(_, outcome)] = self._pool.map([original])
        if isinstance(outcome, Radiograph):
            return outcome, ""
        instead = _NOTICES.get(outcome.reason, f"The original file could not be shown ({outcome.reason}). {_INSTEAD}")
        return stored_levels(self._index.pictures([row])[0]), instead


def find_item(index: Index, text: str, root: Path | None) -> FoundFile:
    """The original of an image of this path: in a source of the index, else a file, as `find_original` finds it."""
    source = next((source for source in index.sources if text.startswith(f"{describe(source)}/")), None)
    return FoundFile(Path(text) if source else find_original(index.paths, text, root), source=source)


def find_original(paths: StoredPaths, text: str, root: Path | None) -> Path:
    """Where a file of the index is now, given its path as the index keeps it; where it was if it is not found.

    Under `root`, the most of its path that is there; None where nothing moved.
    """
    places: Iterable[Path] = paths.places(text) if root is None else paths.places_under(text, root.resolve())
    return next((place for place in places if is_there(place)), None) or paths.places(text)[0]


def is_there(path: Path) -> bool:
    """Whether this is a file; none is where a folder cannot be looked into."""
    try:
        return path.is_file()
    except OSError:
        return False
