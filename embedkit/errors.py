"""Everything that embedkit raises on purpose.

    EmbedkitError
    ├── UsageError            what was asked for cannot be done: a wrong option, too little data
    ├── RejectedFile          one file that is not taken into an index, with its reason code
    ├── IndexFolderError      the index folder is absent, damaged, locked or cannot be written
    └── EncoderError          weights that cannot be loaded, or that do not fit the index

Each has a `reason`, a short code that programs can test, and a message that says what to do. No message holds a value
from a patient's header.
"""

from __future__ import annotations


class EmbedkitError(Exception):
    """The root: `reason` is a short code such as ``index-locked``, the message is for people."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason

    def __reduce__(self) -> tuple[type[EmbedkitError], tuple[str, str]]:
        """Keep `reason` when the error travels between processes."""
        return type(self), (self.reason, str(self))


class UsageError(EmbedkitError):
    """What was asked for cannot be done as asked."""


class RejectedFile(EmbedkitError):  # noqa: N818 (a verdict on the file, not a failure of the program)
    """One file that cannot become an image of the index."""


class IndexFolderError(EmbedkitError):
    """The index folder is absent, damaged, locked, or cannot be written."""


class EncoderError(EmbedkitError):
    """Encoder weights that cannot be loaded, or that do not fit the index."""
