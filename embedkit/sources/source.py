"""What a source of images is: the files of a folder, or anything else that can list what it has and give its bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath
from typing import Protocol

from embedkit.errors import EmbedkitError, RejectedFile, UsageError
from embedkit.sources.folder import FoundFile

_NAME = re.compile(r"[a-z][a-z0-9-]*:[^/\\]*")


class Source(Protocol):
    """Lists items and opens them; `embed` takes any number, beside files and folders.

    An item is a `FoundFile`. Its `path` is no file's: it is what `describe` says, a slash, and what names the item in
    its source. Where its `size` and `mtime_ns` (any number that is another one where the content may be) are those of
    the last run, it is not opened again. Items are listed and opened in the process that calls `embed`, one after the
    other, so that a source may hold connections; what they hold is read in others.
    """

    def describe(self) -> str:
        """What names the source, in every run the same: a word, a colon, and whatever tells it from others like it."""

    def list(self) -> Iterator[FoundFile]:
        """Yield every item once, in an order that is always the same; one that cannot be opened with a `reason`."""

    def open(self, found: FoundFile, max_bytes: int, /) -> bytes:
        """Return the bytes of an item.

        Raises RejectedFile (see `embedkit.reasons.reject`) for what shall not be read, as where it has more than
        `max_bytes`; anything else that it raises makes the item ``unreadable``.
        """


def list_items(source: Source) -> Iterator[FoundFile]:
    """Yield the items of a source, each with the source that opens it.

    Raises
    ------
    UsageError
        ``bad-source`` where it is called, or calls an item, what could be a file; ``source-failed`` where it cannot be
        listed to its end: nothing is taken for gone then.
    """
    name = describe(source)
    try:
        for found in source.list():
            if not str(found.path).startswith(f"{name}/") or ".." in found.path.parts:
                raise UsageError("bad-source", f"{name}: an item of this source is called otherwise than {name}/...")
            yield replace(found, source=source)
    except EmbedkitError:
        raise
    except Exception as error:  # a stranger's code: what was read before stays
        message = f"{name}: this source could not be listed to its end ({type(error).__name__}); what was read stays"
        raise UsageError("source-failed", message) from error


def open_item(found: FoundFile, max_bytes: int) -> FoundFile:
    """Open an item of a source here, for another process to read: with its content, or the reason why it has none."""
    if found.source is None or found.reason:
        return replace(found, source=None)
    try:
        content: object = found.source.open(found, max_bytes)
    except RejectedFile as rejection:
        return replace(found, source=None, reason=rejection.reason)
    except Exception:  # a stranger's code
        return replace(found, source=None, reason="unreadable")
    if not isinstance(content, bytes):
        return replace(found, source=None, reason="unreadable")
    return replace(found, source=None, content=content)


def describe(source: Source) -> str:
    """Return what names a source; raises UsageError ``bad-source`` for what could be a path, or holds a slash."""
    name = source.describe()
    if not _NAME.fullmatch(name) or str(PurePath(name)) != name:
        message = f"{name!r} cannot name a source: begin with a to z, 0 to 9 or -, then a colon, and no slash"
        raise UsageError("bad-source", message)
    return name
