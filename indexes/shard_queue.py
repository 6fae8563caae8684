"""Rows on their way into the index: cut into shards, encoded and committed by a thread of their own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.indexes.encoding import encode_rows
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.writer import IndexWriter

if TYPE_CHECKING:
    from embedkit.encoder import Encoder

_PICTURES_A_FILE = 4
"""A shard is cut early where its files have more pictures than this each, so that memory is bounded."""


class ShardQueue:
    """Collects the rows of files; at most one shard is being encoded and written while the next one is collected.

    Cuts depend only on the files that come in, in their order. On leaving the block what was collected is committed,
    after an interrupt too; after any other exception it is dropped.
    """

    def __init__(self, writer: IndexWriter, encoders: Sequence[Encoder], shard_files: int) -> None:
        self.seconds = {"encode": 0.0, "write": 0.0}
        self._writer, self._encoders, self._shard_files = writer, encoders, shard_files
        self._files: list[tuple[list[ImageRow], NDArray[np.uint8]]] = []
        self._pictures = 0
        self._thread = ThreadPoolExecutor(1, "commit")
        self._running: Future[None] | None = None

    def __enter__(self) -> ShardQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._thread:
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self._cut()
                self._wait()

    def add(self, rows: list[ImageRow], pictures: NDArray[np.uint8]) -> None:
        """Add the rows of one file, and the pictures (n, 256, 256) of those that have one, in the same order."""
        self._files.append((rows, pictures))
        self._pictures += len(pictures)
        if len(self._files) >= self._shard_files or self._pictures >= _PICTURES_A_FILE * self._shard_files:
            self._cut()

    def _cut(self) -> None:
        self._wait()
        files, self._files, self._pictures = self._files, [], 0
        if files:
            self._running = self._thread.submit(self._commit, files)

    def _wait(self) -> None:
        if self._running:
            self._running.result()

    def _commit(self, files: list[tuple[list[ImageRow], NDArray[np.uint8]]]) -> None:
        start = time.perf_counter()
        rows = [row for file_rows, _ in files for row in file_rows]
        pictures = np.concatenate([pictures for _, pictures in files])
        pictured = [bool(row.picture) for row in rows]
        vectors = {encoder.name: encode_rows(encoder, pictures, pictured) for encoder in self._encoders}
        encoded = time.perf_counter()
        self._writer.add_shard(rows, vectors)
        self.seconds["encode"] += encoded - start
        self.seconds["write"] += time.perf_counter() - encoded
