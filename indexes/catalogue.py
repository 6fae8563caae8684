"""The files that an index knows: what the walk may pass over, and what has vanished."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embedkit.dicom import FoundFile
from embedkit.indexes.columns import texts, to_flags, to_numbers
from embedkit.indexes.image_rows import ImageRow, path_text

COLUMNS = ("path", "size", "mtime_ns", "content_blake3", "reason")
_PASSING = {"unreadable", "out-of-memory", "decoder-timeout", "decoder-crashed", "unexpected-error"}
"""Reasons that may be gone at the next run though the file is the same."""


class Catalogue:
    """The files of an index as they were before a run; it notes which of them the run meets."""

    def __init__(self, table: pa.Table, *, more_modalities: bool) -> None:
        self._first_row = {path: row for row, path in reversed(list(enumerate(table["path"].to_pylist())))}
        self._sizes, self._times = (to_numbers(table[name], np.int64) for name in ("size", "mtime_ns"))
        self._contents, self._reasons = table["content_blake3"], table["reason"]
        retried = _PASSING | {"other-modality"} if more_modalities else _PASSING
        self._read_again = to_flags(pc.is_in(self._reasons, value_set=texts([*retried])))
        self._seen = np.zeros(table.num_rows, bool)

    def meet(self, found: FoundFile) -> bool:
        """Note that a file is there; tell whether it has to be read: size or time differ, or it may be taken now."""
        row = self._first_row.get(path_text(found.path), -1)
        if row < 0:
            return True
        self._seen[row] = True
        same = self._sizes[row] == found.size and self._times[row] == found.mtime_ns
        return bool(not same or self._read_again[row])

    def kind_of(self, row: ImageRow) -> str:
        """Tell of a file that was read whether it is `new`, `changed` or `unchanged`."""
        known = self._first_row.get(row.path, -1)
        if known < 0:
            return "new"
        return "unchanged" if self._contents[known].as_py() == row.content_blake3 else "changed"

    def holds(self, row: ImageRow) -> bool:
        """Tell whether a rejected file stands in the index just like this, so that a new row would say nothing new."""
        known = self._first_row.get(row.path, -1)
        return bool(
            known >= 0
            and row.reason
            and self._reasons[known].as_py() == row.reason
            and (self._sizes[known], self._times[known]) == (row.size, row.mtime_ns)
        )

    def vanished(self, roots: Sequence[str], unreadable: Collection[str]) -> tuple[str, ...]:
        """Return the paths under `roots` that the walk did not meet, but for those in `unreadable` folders."""
        unseen = [path for path, row in self._first_row.items() if not self._seen[row] and is_under(path, roots)]
        return tuple(sorted(path for path in unseen if not is_under(path, unreadable)))


def is_under(path: str, folders: Collection[str]) -> bool:
    """Tell whether a path is one of `folders`, or lies in one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
