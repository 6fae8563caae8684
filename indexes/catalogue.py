"""The files that an index knows: what the walk may pass over, what has vanished, and what has moved."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embedkit.indexes.attempts import is_limited
from embedkit.indexes.columns import numbers, texts, to_flags, to_numbers, whole
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.stored_paths import StoredPaths
from embedkit.sources import FoundFile

COLUMNS = ("path", "size", "mtime_ns", "content_blake3", "reason", "id")
_SHOWN = {"", "duplicate-instance", "conflicting-instance"}
"""Reasons of files that are an image, or would be one if they were alone."""
_PASSING = {"unreadable", "out-of-memory", "decoder-timeout", "decoder-crashed", "unexpected-error"}
"""Reasons that may be gone at the next run though the file is the same, unless it is settled (`find_settled`)."""


class Catalogue:
    """The files of an index as they were before a run; it notes which of them the run meets."""

    def __init__(
        self,
        table: pa.Table,
        paths: StoredPaths,
        *,
        more_modalities: bool = False,
        settled: NDArray[np.bool_] | None = None,
        retry: bool = False,
    ) -> None:
        """Take the files of a table, whose paths are kept as `paths` says.

        Those `settled` (n,) are known to fail again, and only read again to `retry`.
        """
        self.paths = paths
        self._first_row = {path: row for row, path in reversed(list(enumerate(table["path"].to_pylist())))}
        self._sizes, self._times = (to_numbers(table[name], np.int64) for name in ("size", "mtime_ns"))
        self._contents, self._reasons = table["content_blake3"], table["reason"]
        retried = _PASSING | {"other-modality"} if more_modalities else _PASSING
        self._read_again = to_flags(pc.is_in(self._reasons, value_set=texts([*retried])))
        self._settled = np.zeros(table.num_rows, bool) if settled is None else settled
        self._passed_over = np.zeros(table.num_rows, bool) if retry else self._settled
        self._shown = to_flags(pc.is_in(self._reasons, value_set=texts([*_SHOWN])))
        self._paths = table["path"]
        self._seen, self._stays = np.zeros(table.num_rows, bool), np.zeros(table.num_rows, bool)

    def meet(self, found: FoundFile) -> bool:
        """Note that a file is there; tell whether it has to be read: size or time differ, or it may be taken now."""
        row = self._first_row.get(self.paths.text(found.path), -1)
        if row < 0:
            return True
        self._seen[row] = True
        same = self._sizes[row] == found.size and self._times[row] == found.mtime_ns
        self._stays[row] = same and (not self._read_again[row] or self._passed_over[row])
        return not self._stays[row]

    def kind_of(self, row: ImageRow) -> str:
        """Tell of a file that was read whether it is `new`, `changed` or `unchanged`."""
        known = self._first_row.get(row.path, -1)
        if known < 0:
            return "new"
        return "unchanged" if self._contents[known].as_py() == row.content_blake3 else "changed"

    @property
    def given_up(self) -> int:
        """How many files were passed over that an earlier run tried with no less time and memory."""
        return int((self._stays & self._read_again).sum())

    def holds(self, row: ImageRow) -> bool:
        """Tell whether a rejected file stands in the index just like this, so that a new row would say nothing new."""
        known = self._first_row.get(row.path, -1)
        return bool(
            known >= 0
            and row.reason
            and self._reasons[known].as_py() == row.reason
            and (self._sizes[known], self._times[known]) == (row.size, row.mtime_ns)
            and (self._settled[known] or not is_limited(row))
        )

    def has_content(self, content: str) -> bool:
        """Tell whether some file had this content; with one in 10^19 wrong, where there is none."""
        place = np.searchsorted(self._content_heads, _head(content))
        return bool(place < len(self._content_heads) and self._content_heads[place] == _head(content))

    @cached_property
    def _content_heads(self) -> NDArray[np.uint64]:
        """The first 64 bits of the contents, ascending: 8 MB for a million files, and only where there are new ones."""
        return np.unique(np.array([_head(content) for content in self._contents.to_pylist()], np.uint64))

    def moved(
        self, arrived: Mapping[str, tuple[str, str]], roots: Sequence[str], unreadable: Collection[str]
    ) -> dict[str, str]:
        """Return where files are now that are gone from their paths: by old path the new one, with the same content.

        Parameters
        ----------
        arrived
            Path and reason of files that the walk read, by content. Images that it passed over are where they were.
        roots, unreadable
            As of `vanished`: what the walk did not meet is gone. A file elsewhere is looked for.
        """
        first = np.array([*self._first_row.values()], np.int64)
        unseen, stay = first[~self._seen[first]], first[self._stays[first] & self._shown[first]]
        if not len(unseen):
            return {}
        here = pa.chunked_array([texts([*arrived]), *self._contents.take(numbers(stay)).chunks])
        unseen = self._with_contents(unseen, whole(here))
        stay = self._with_contents(stay, whole(self._contents.take(numbers(unseen))))
        places = {self._contents[row].as_py(): self._place(row) for row in reversed(stay.tolist())} | dict(arrived)
        places.pop("", None)  # of files whose content could not be read
        moved = {}
        for row in unseen.tolist():
            (path, was), (now, reason) = self._place(row), places.get(self._contents[row].as_py(), ("", ""))
            gone = not is_under(path, unreadable) and (is_under(path, roots) or self.paths.is_gone(path, now))
            if now and gone and (reason in _SHOWN or was not in _SHOWN):
                moved[path] = now
        return moved

    def _with_contents(self, rows: NDArray[np.int64], contents: pa.Array) -> NDArray[np.int64]:
        """Return those of `rows` whose content is among `contents`."""
        return rows[to_flags(pc.is_in(self._contents.take(numbers(rows)), value_set=contents))]

    def _place(self, row: int) -> tuple[str, str]:
        """Return the path and the reason of a row."""
        return self._paths[row].as_py(), self._reasons[row].as_py()

    def is_new(self, path: str) -> bool:
        """Tell whether the index did not know a path."""
        return path not in self._first_row

    def count_under(self, roots: Sequence[str]) -> int:
        """Count the files under `roots`."""
        return sum(is_under(path, roots) for path in self._first_row)

    def vanished(self, roots: Sequence[str], unreadable: Collection[str]) -> tuple[str, ...]:
        """Return the paths under `roots` that the walk did not meet, but for those in `unreadable` folders."""
        unseen = [path for path, row in self._first_row.items() if not self._seen[row] and is_under(path, roots)]
        return tuple(sorted(path for path in unseen if not is_under(path, unreadable)))


def _head(content: str) -> np.uint64:
    return np.uint64(int(content[-16:] or "0", 16))


def is_under(path: str, folders: Collection[str]) -> bool:
    """Tell whether a path is one of `folders`, or lies in one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
