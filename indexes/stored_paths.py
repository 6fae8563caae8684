"""How one index keeps the paths of its files, and finds the files again: as they are, or hashed.

In an index with hashed paths no name of a folder or a file is stored: each stands as a keyed hash (HMAC-SHA256), folder
by folder, so that a path still begins with those of its folders. The hash tells a name only to who has the key, and
guesses the name; a file is found by listing the folders on the way to it, and hashing the names there.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.errors import IndexFolderError
from embedkit.indexes.paths import path_text, possible_paths, possible_texts
from embedkit.sources import IMAGE_EXTENSION

if TYPE_CHECKING:
    from embedkit.indexes.manifest import Manifest

KEY_NAME = "patient-key"
_DOMAIN = b"embedkit.paths"
"""Tells the key of paths from that of patients, whose hashes are of texts with a zero byte in them."""
_PART = re.compile(r"[^/\\]+")
"""What is hashed; label tables of Windows have backslashes between folders, and escapes begin with one."""
_HASHED = re.compile(rf"~[0-9a-f]{{20}}({IMAGE_EXTENSION.pattern})?", re.IGNORECASE)
_FOLDERS = 64
"""Listings of folders that are kept, with all their names."""


class StoredPaths:
    """Paths as they are, in the text of `path_text`."""

    def text(self, path: os.PathLike[str]) -> str:
        """Return a path as the index keeps it."""
        return path_text(path)

    def texts(self, path: os.PathLike[str]) -> tuple[str, ...]:
        """Return all that a path may be kept as; it may be typed in the form in which the index tells it."""
        return possible_texts(path)

    def spell(self, path: str) -> str:
        """Return a path of a label table, or a part of one, as `text` would have it."""
        return path

    def places(self, text: str) -> Sequence[Path]:
        """Return where a file may be that the index keeps as `text`: one place or more, the likeliest first."""
        return possible_paths(text)

    def places_under(self, text: str, root: Path) -> Iterable[Path]:
        """Return where the file may be if it was moved to `root`: the most of its path first."""
        paths = possible_paths(text)
        return (root.joinpath(*path.parts[start:]) for path in paths for start in range(1, len(path.parts)))

    def is_gone(self, text: str, now: str = "") -> bool:
        """Whether there is certainly no such file: a folder that cannot be looked into may hold it.

        The file that is known as `now` does not count: it is the same where an earlier version wrote it otherwise.
        """
        return not any(_may_be_there(place) for place in possible_paths(text) if path_text(place) != now)


class HashedPaths(StoredPaths):
    """Paths whose every part is hashed: ``/~0f…/~9a….dcm``, with the extension where it is an image's.

    Parameters
    ----------
    key
        That of the index.
    near
        Folders that are known by name: what lies in them is found though a folder above them cannot be listed.
    """

    def __init__(self, key: bytes, near: Iterable[Path] = ()) -> None:
        self._key = hmac.digest(key, _DOMAIN, "sha256")
        folders = {folder for place in near for folder in (place, *place.parents)}
        self._known = {self.text(folder).rstrip("/"): folder for folder in (*folders, Path("/"))}

    def text(self, path: os.PathLike[str]) -> str:
        """See `StoredPaths`."""
        return _hash_parts(self._key, path_text(path))

    def texts(self, path: os.PathLike[str]) -> tuple[str, ...]:
        """See `StoredPaths`."""
        return self.text(path), self.spell(path_text(path))

    def spell(self, path: str) -> str:
        """See `StoredPaths`; what is a hash already stays."""
        return _PART.sub(lambda part: part[0] if _HASHED.fullmatch(part[0]) else _hash(self._key, part[0]), path)

    def places(self, text: str) -> Sequence[Path]:
        """See `StoredPaths`; where the file is not found, a place where there is none."""
        return (self._find(*self._begin(text)) or Path(text),)

    def places_under(self, text: str, root: Path) -> Iterable[Path]:
        """See `StoredPaths`."""
        parts = text.split("/")
        found = (self._find(root, parts[start:]) for start in range(1, len(parts)))
        return (place for place in found if place)

    def is_gone(self, text: str, now: str = "") -> bool:  # noqa: ARG002 (earlier versions hash no path)
        """See `StoredPaths`."""
        try:
            return self._descend(*self._begin(text)) is None
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def _begin(self, text: str) -> tuple[Path, list[str]]:
        """Return the last folder above a file that is known by name, and the hashes of what lies between."""
        folder = text.rpartition("/")[0]
        while folder not in self._known:
            folder = folder.rpartition("/")[0]
        return self._known[folder], text.removeprefix(folder + "/").split("/")

    def _find(self, folder: Path, parts: Sequence[str]) -> Path | None:
        """Return what lies below `folder` by these hashes; None where it is not found, for whatever reason."""
        try:
            return self._descend(folder, parts)
        except OSError:
            return None

    def _descend(self, folder: Path, parts: Sequence[str]) -> Path | None:
        """As `_find`, but raise OSError where a folder is gone or cannot be listed."""
        for part in parts:
            name = _names(self._key, folder, folder.stat().st_mtime_ns).get(part)
            if name is None:
                return None
            folder /= name
        return folder


def stored_paths(folder: Path, manifest: Manifest, near: Iterable[Path] = ()) -> StoredPaths:
    """Return how the index in `folder` keeps paths; `near` as of `HashedPaths`.

    Raises
    ------
    IndexFolderError
        ``index-damaged`` where paths are hashed, and the key is missing or another one.
    """
    if not manifest.hashed_paths:
        return StoredPaths()
    try:
        key = (folder / KEY_NAME).read_bytes()
    except OSError:
        key = b""
    if hashlib.sha256(key).hexdigest() != manifest.patient_key:
        message = f"{folder}: {KEY_NAME} is missing or damaged, and the paths are hashed by it; restore it"
        raise IndexFolderError("index-damaged", message)
    return HashedPaths(key, (folder.resolve(), *near))


@lru_cache(_FOLDERS)
def _names(key: bytes, folder: Path, mtime_ns: int) -> dict[str, str]:  # noqa: ARG001 (when it changes, look again)
    """Return the names in a folder by their hashes."""
    with os.scandir(folder) as entries:
        return {_hash_parts(key, path_text(Path(entry.name))): entry.name for entry in entries}


def _hash_parts(key: bytes, text: str) -> str:
    return _PART.sub(lambda part: _hash(key, part[0]), text)


@lru_cache(1 << 14)
def _hash(key: bytes, part: str) -> str:
    """Return 80 bits that stand for a name: of a million in a folder, two are the same in one of 10^12 cases."""
    extension = IMAGE_EXTENSION.search(part)
    name, shown = (part[: extension.start()], extension[0]) if extension else (part, "")
    return f"~{hmac.digest(key, name.encode(), 'sha256').hex()[:20]}{shown}"


def _may_be_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
