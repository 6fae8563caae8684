"""Worker processes for code that reads what nobody vouches for: a crash, a hang or a bomb costs one item.

    with WorkerPool(function, workers=2) as pool:
        for item, outcome in pool.map(items):
            ...                                 # the function's result, or a RejectedFile

Workers are forked by a process of their own that has imported all they need (see `fork_server`): starting the pool, and
replacing a worker that crashed, costs next to nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Event
from types import TracebackType
from typing import Generic, Self, TypeVar

from embedkit.errors import RejectedFile, UsageError
from embedkit.reasons import reject
from embedkit.workers.fork_server import ForkServer, take_server
from embedkit.workers.sandbox import Limits

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCH = 4
"""Items sent to a worker at a time: it never waits for the parent between them."""


class WorkerPool(Generic[Item, Result]):
    """Run a function over items in worker processes.

    Parameters
    ----------
    function
        Picklable and importable; takes one picklable item. `RejectedFile` is its way to refuse one.
    workers
        Number of processes; by default one for each core that this process may use.
    memory_bytes
        What a worker may allocate beyond its idle size. An item that needs more is rejected ``out-of-memory`` (or
        ``decoder-crashed``, where a codec takes it badly).
    timeout_s
        Wall time of one item, after which it is rejected ``decoder-timeout``.
    ahead
        How many items may be in work or wait for their turn, so that a slow consumer bounds the memory.
    """

    def __init__(
        self,
        function: Callable[[Item], Result],
        *,
        workers: int | None = None,
        memory_bytes: int = 3 << 30,
        timeout_s: float = 60.0,
        ahead: int = 256,
    ) -> None:
        self._function = function
        self._count = workers or usable_cores()
        self._limits = Limits(memory_bytes, timeout_s)
        self._batches_ahead = max(2 * self._count, ahead // BATCH)
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._workers: set[_Worker] = set()
        self._closed = Event()
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="embedkit-worker")

    def __enter__(self) -> Self:
        """Begin to start the workers; where they cannot start, `map` raises UsageError ``workers-cannot-start``."""
        self._server = take_server()
        try:
            self._server.prepare(self._function, self._limits)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def map(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result | RejectedFile]]:
        """Yield (item, outcome) in the order of the items, which are taken only as fast as outcomes are consumed."""
        source = iter(items)
        pending: deque[Future[list[tuple[Item, Result | RejectedFile]]]] = deque()
        while True:
            while len(pending) < self._batches_ahead and (batch := list(islice(source, BATCH))):
                pending.append(self._threads.submit(self._run, batch))
            if not pending:
                return
            yield from pending.popleft().result()

    def close(self) -> None:
        """End all workers at once, whatever they are doing."""
        self._closed.set()
        for worker in list(self._workers):
            worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.connection.close()
        self._workers.clear()
        self._server.close()

    def _run(self, batch: list[Item]) -> list[tuple[Item, Result | RejectedFile]]:
        """Outcomes of a batch; where a worker ends, a new one goes on.

        A crash counts against an item only if a fresh worker repeats it: an item before may have damaged the first.
        """
        outcomes: list[tuple[Item, Result | RejectedFile]] = []
        suspect = -1
        worker = self._take()
        try:
            while (done := len(outcomes)) < len(batch):
                try:
                    worker.connection.send(batch[done:])
                    for item in batch[done:]:
                        outcomes.append((item, worker.connection.recv()))  # noqa: PERF401 (kept when recv raises)
                except (EOFError, OSError):
                    failed, reason = len(outcomes), worker.reason_of_end()
                    worker = self._replace(worker)
                    if reason != "decoder-crashed" or failed == suspect:
                        outcomes.append((batch[failed], reject(reason)))
                    suspect = failed
        finally:
            self._idle.put(worker)
        return outcomes

    def _take(self) -> _Worker:
        try:
            return self._idle.get_nowait()
        except Empty:  # there are never more takers than workers wanted
            return self._start()

    def _replace(self, worker: _Worker) -> _Worker:
        self._workers.discard(worker)
        worker.connection.close()
        return self._start()

    def _start(self) -> _Worker:
        if self._closed.is_set():
            raise UsageError("pool-closed", "the worker pool was closed")
        worker = _Worker(self._server)
        self._workers.add(worker)
        if self._closed.is_set():  # closed meanwhile, by another thread that did not know of this worker yet
            worker.kill()
        return worker


def usable_cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class _Worker:
    """One process and the connection that it is spoken to through."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._process_id, self.connection = server.fork()

    def reason_of_end(self) -> str:
        """Why the process ended, as a code of `reasons.REASONS`."""
        ended = self._server.wait(self._process_id)
        if ended == -signal.SIGALRM:
            return "decoder-timeout"
        return "out-of-memory" if ended == -signal.SIGKILL else "decoder-crashed"  # the kernel kills for memory

    def kill(self) -> None:
        """End the process; `connection` then reads as closed."""
        self._server.wait(self._process_id, kill=True)
