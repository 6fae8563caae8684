"""Vectors that are laid out in a file without a name, so that memory does not grow with their number."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embedkit.indexes.storage import plain_errors
from embedkit.indexes.vectors import Vectors

_AT_ONCE = 131_072
"""Vectors that are in memory while they are put into another order: 256 MB, where they have 512 numbers."""


class ScratchVectors:
    """Vectors, float32 (N, D), in an unnamed file in `folder`; gone when the block is left, however it is left.

    Whatever writes raises IndexFolderError ``index-full`` where there is no room, and the like.
    """

    def __init__(self, folder: Path, count: int, dimension: int) -> None:
        self._folder, self._shape = folder, (count, dimension)
        with plain_errors(folder):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by `__exit__`)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with plain_errors(self._folder):  # what could not be written is tried once more
            self._file.close()

    def write(self, start: int, vectors: Vectors) -> None:
        """Put vectors, (n, D), at the places from `start` on."""
        with plain_errors(self._folder):
            self._file.seek(4 * self._shape[1] * start)
            self._file.write(np.ascontiguousarray(vectors).data)

    def map(self) -> Vectors:
        """Map all vectors into memory, (N, D); what is written later shows in them too."""
        self._flush()
        return np.asarray(np.memmap(self._file, np.float32, "r", shape=self._shape))

    def read(self, start: int, count: int) -> Vectors:
        """Read up to `count` vectors from the place `start` on, (n, D)."""
        width = self._shape[1]
        with plain_errors(self._folder):
            self._file.seek(4 * width * start)
            return np.fromfile(self._file, np.float32, count * width).reshape(-1, width)

    def rearrange(self, order: NDArray[np.int64]) -> None:
        """Bring the vector at `order[place]` to each place.

        Through a second file, which takes sorted runs: so both are read and written in long stretches, for where memory
        is short a disk that has to look for every single vector takes far longer.
        """
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        starts, runs = range(0, len(order), _AT_ONCE), []
        with ScratchVectors(self._folder, *self._shape) as second:
            for start in starts:
                wanted = places[start : start + _AT_ONCE]
                by_place = np.argsort(wanted)
                second.write(start, self.read(start, _AT_ONCE)[by_place])
                runs.append(wanted[by_place])
            for start in starts:
                block = np.empty((min(_AT_ONCE, len(order) - start), self._shape[1]), np.float32)
                for base, run in zip(starts, runs, strict=True):
                    low, high = np.searchsorted(run, (start, start + _AT_ONCE)).tolist()
                    block[run[low:high] - start] = second.read(base + low, high - low)
                self.write(start, block)
        self._flush()

    def _flush(self) -> None:
        with plain_errors(self._folder):
            self._file.flush()
