"""The process that forks the workers: it imports what they need once, so that each is ready in milliseconds.

`ForkServer` is the parent's side of it, `serve` the other. The server is a fresh interpreter with one thread, for it
is not safe to fork a process with several, such as one that has used torch. It runs in a session of its own, so that
Ctrl-C reaches the parent only, has nothing to write to but its socket, and dies with its parent, as workers do with it.
It may be started ahead of its use, so that both import at the same time.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from threading import Lock
from typing import Any

from embedkit.errors import UsageError
from embedkit.workers.sandbox import Limits, die_with, limit, work

_PROGRAM = (  # what is importable here shall be importable there, before anything of ours is imported
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from embedkit.workers.fork_server import serve; serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[4])"
)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # the pool has a process for each core already
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(64 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}
"""Bytes, of glibc (mallopt(3)). By itself it gives large arrays back to the system after each file, and pages that the
system has to find and clear anew cost more than to read a file into them."""


class ForkServer:
    """Forks processes that answer with a function. Starting it takes no time; the first `fork` waits until it is ready.

    Threads may share it. It imports `module`, if one is named, before it knows the function.
    """

    def __init__(self, module: str = "") -> None:
        ours, theirs = socket.socketpair()
        arguments = (str(theirs.fileno()), str(os.getpid()), json.dumps(sys.path), module)
        self._control = Connection(ours.detach())
        with theirs:
            self._process = subprocess.Popen(
                # -P: the current folder, which may be the dump, is no place to import from
                [sys.executable, "-P", "-c", _PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=KEEP_MEMORY | os.environ | _ONE_THREAD,
            )
        self._lock = Lock()
        self._ready = False

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process.poll() is None

    def prepare(self, function: Callable[..., object], limits: Limits) -> None:
        """Say, once, what workers answer with. Raises what pickling `function` raises."""
        with suppress(OSError):  # it has ended: `fork` says so
            self._control.send((function, limits))

    def fork(self) -> tuple[int, Connection]:
        """Process id of a new worker, and the connection on which it answers items.

        Raises
        ------
        UsageError
            ``workers-cannot-start``, where the function cannot be imported there, say.
        """
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                answer = "ready" if self._ready else self._control.recv()
                if answer == "ready":
                    self._ready = True
                    self._control.send(("fork", 0))
                    send_handle(self._control, theirs.fileno(), self._process.pid)
                    return self._control.recv(), Connection(ours.detach())
            except (EOFError, OSError):
                answer = "it ended unexpectedly"
        ours.close()
        raise UsageError("workers-cannot-start", f"a worker process cannot start: {answer}")

    def wait(self, process_id: int, *, kill: bool = False) -> int:
        """How a worker ended: its exit code, or the negated signal. `kill` ends it first, if it still runs."""
        with self._lock:
            try:
                self._control.send(("kill" if kill else "wait", process_id))
                status: int = self._control.recv()
            except (EOFError, OSError):  # the server is gone, and took the worker with it
                return 0
        return status

    def close(self) -> None:
        """End the server; its workers must have ended."""
        self._process.kill()
        self._process.wait()
        self._control.close()


_ahead: list[ForkServer] = []  # one at most


def start_ahead(module: str) -> None:
    """Start the server that the next `WorkerPool` takes, and have it import `module`, where its function is.

    For a program that knows that it will read files before it has imported what it needs itself.
    """
    if not _ahead:
        _ahead.append(ForkServer(module))


def take_server() -> ForkServer:
    """Return the server that was started ahead, if it runs, or a new one."""
    with suppress(IndexError):  # none, or another thread has it
        server = _ahead.pop()
        if server.is_running:
            return server
        server.close()
    return ForkServer()


@atexit.register
def _close_ahead() -> None:
    while _ahead:
        _ahead.pop().close()


def serve(descriptor: int, parent: int, module: str) -> None:
    """Fork and bury workers as the `ForkServer` in process `parent` asks over the socket `descriptor`."""
    die_with(parent)
    with Connection(descriptor) as control:
        if module:
            with suppress(Exception):  # met again, and told, with the function
                import_module(module)
        try:
            function, limits = control.recv()
            import cv2  # noqa: PLC0415 (not the parent, which may have no use for it)

            cv2.setNumThreads(1)
            limit(limits)
        except Exception as error:  # told to the parent, which raises
            control.send(f"{type(error).__name__} while it started")
            return
        gc.freeze()  # what is here by now is no garbage; to look for some would only copy memory that is shared
        control.send("ready")
        _answer_requests(control, function, limits.timeout_s)


def _answer_requests(control: Connection, function: Callable[[Any], object], timeout_s: float) -> None:
    ended: dict[int, int] = {}
    while True:
        try:
            request, worker = control.recv()
        except (EOFError, OSError):
            return
        if request == "fork":
            worker = _fork(control, recv_handle(control), function, timeout_s)
            ended.pop(worker, None)
            control.send(worker)
            continue
        if worker not in ended:  # else the id may be another process's by now
            if request == "kill":
                os.kill(worker, signal.SIGKILL)
            ended[worker] = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        control.send(ended[worker])


def _fork(control: Connection, descriptor: int, function: Callable[[Any], object], timeout_s: float) -> int:
    server = os.getpid()
    worker = os.fork()
    if worker:
        os.close(descriptor)
        return worker
    try:  # the worker never returns from here
        control.close()
        die_with(server)
        work(Connection(descriptor), function, timeout_s)
    finally:
        os._exit(0)
