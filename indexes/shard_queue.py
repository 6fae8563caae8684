"""Rows on their way into the index: encoded, cut into shards and committed by a thread of their own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.codecs.choice import Codecs
from embedkit.image import PICTURE_SIDE
from embedkit.indexes.attempts import Attempt
from embedkit.indexes.encoding import encode, spread_rows
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.writer import IndexWriter

if TYPE_CHECKING:
    from embedkit.encoder import Encoder

_PICTURES_A_FILE = 4
"""A shard is cut early where its files have more pictures than this each, so that memory is bounded."""

_PICTURES_A_JOB = 128
"""Pictures that are encoded at a time, while the files after them are read."""

_JOBS_AHEAD = 3
"""Jobs that may wait for the thread before `add` waits for them."""

Vectors = dict[str, NDArray[np.float32]]
Result = TypeVar("Result")


class ShardQueue:
    """Collects the rows of files; they are encoded and written while the next ones are collected.

    Cuts depend only on the files that come in, in their order. On leaving the block what was collected is committed,
    after an interrupt too; after any other exception it is dropped.
    """

    def __init__(
        self,
        writer: IndexWriter,
        encoders: Sequence[Encoder],
        shard_files: int,
        attempt: Attempt | None = None,
        codecs: Codecs = "fast",
    ) -> None:
        self.seconds = {"encode": 0.0, "write": 0.0}
        self._writer, self._encoders, self._shard_files = writer, encoders, shard_files
        self._attempt, self._codecs = attempt, codecs
        self._files: list[list[ImageRow]] = []
        self._pictures: list[NDArray[np.uint8]] = []
        self._waiting, self._counted = 0, 0  # pictures that are yet to be encoded, and of the whole shard
        self._encoded: list[Future[Vectors]] = []
        self._committed: Future[None] | None = None  # the last shard that was cut
        self._thread = ThreadPoolExecutor(1, "commit")
        self._running: deque[Future[Any]] = deque()

    def __enter__(self) -> ShardQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._thread:
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self._cut()
                self._wait(0)
            else:
                self._thread.shutdown(cancel_futures=True)

    def warm_up(self) -> None:
        """Begin with what takes long the first time, before there is any row."""
        self._submit(self._warm_up)

    def add(self, rows: list[ImageRow], pictures: NDArray[np.uint8]) -> None:
        """Add the rows of one file, and the pictures (n, 256, 256) of those that have one, in the same order."""
        self._files.append(rows)
        self._pictures.append(pictures)
        self._waiting += len(pictures)
        self._counted += len(pictures)
        if len(self._files) >= self._shard_files or self._counted >= _PICTURES_A_FILE * self._shard_files:
            self._cut()
        elif self._waiting >= _PICTURES_A_JOB:
            self._encode()

    def _encode(self) -> None:
        if not self._waiting:
            return
        pictures = np.concatenate(self._pictures)
        self._encoded.append(self._submit(lambda: self._encode_job(pictures)))
        self._pictures, self._waiting = [], 0

    def _cut(self) -> None:
        if self._files:
            self._encode()
            rows, encoded = [row for file_rows in self._files for row in file_rows], self._encoded
            before = self._committed
            self._committed = self._submit(lambda: self._commit_job(rows, encoded, before))
            self._files, self._encoded, self._counted = [], [], 0

    def _submit(self, job: Callable[[], Result]) -> Future[Result]:
        self._wait(_JOBS_AHEAD)
        future = self._thread.submit(job)
        self._running.append(future)
        return future

    def _wait(self, jobs: int) -> None:
        """Wait until no more than so many jobs are left; raises what they raised."""
        while len(self._running) > jobs or (self._running and self._running[0].done()):
            self._running[0].result()
            self._running.popleft()

    def _warm_up(self) -> None:
        blank = np.zeros((1, PICTURE_SIDE, PICTURE_SIDE), np.uint8)
        for encoder in self._encoders:
            encoder.encode(blank)  # importing and compiling take long, the first time
        from embedkit.indexes import search  # noqa: F401, PLC0415 (FAISS takes long to import)

    def _encode_job(self, pictures: NDArray[np.uint8]) -> Vectors:
        start = time.perf_counter()
        vectors = {encoder.name: encode(encoder, pictures) for encoder in self._encoders}
        self.seconds["encode"] += time.perf_counter() - start
        return vectors

    def _commit_job(self, rows: list[ImageRow], encoded: list[Future[Vectors]], before: Future[None] | None) -> None:
        """Write a shard; the futures are done, for the thread does one job after the other, or raise what they met."""
        start = time.perf_counter()
        if before is not None:
            before.result()  # no shard without the one before it
        pictured = [bool(row.picture) for row in rows]
        parts = [future.result() for future in encoded]
        vectors = {e.name: spread_rows([part[e.name] for part in parts], pictured, e.dimension) for e in self._encoders}
        self._writer.add_shard(rows, vectors, self._attempt, self._codecs)
        self.seconds["write"] += time.perf_counter() - start
