"""The inside of a worker process: `work` is all it runs (see `fork_server`, which forks it).

A worker has a memory limit, leaves no core dump, and is killed by its own alarm when one item takes too long: the
kernel does that even where a codec hangs in C and holds the interpreter's lock.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from embedkit.errors import RejectedFile
from embedkit.reasons import REASONS, reject
from embedkit.workers.memory import check_memory

_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True)
class Limits:
    """What one worker may use."""

    memory_bytes: int
    """Address space beyond what the worker has once it is ready."""
    timeout_s: float
    """Wall time of one item."""


def work(connection: Connection, function: Callable[[Any], object], timeout_s: float) -> None:
    """Answer the batches that come over the connection, item by item, until the parent closes it."""
    try:
        while True:
            for item in connection.recv():
                connection.send_bytes(_attempt(function, item, timeout_s))
    except (EOFError, OSError):
        return


def _attempt(function: Callable[[Any], object], item: object, timeout_s: float) -> bytes:
    """The pickled result of the function, or the pickled `RejectedFile` that says why there is none."""
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        return pickle.dumps(function(item), protocol=5)
    except RejectedFile as rejected:
        return pickle.dumps(rejected)
    except MemoryError:
        return pickle.dumps(reject("out-of-memory"))
    except Exception as error:  # a bug, but it must not cost the other files; its text may hold a header's values
        return pickle.dumps(_explain(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _explain(error: Exception) -> RejectedFile:
    try:
        check_memory(0)
    except MemoryError:
        return reject("out-of-memory")
    return RejectedFile("unexpected-error", f"{REASONS['unexpected-error']} {_where(error)}")


def _where(error: BaseException) -> str:
    """Type of an error, and the line of code that raised it."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"({type(error).__name__}, {Path(last.filename).name}:{last.lineno})"


def limit(limits: Limits) -> None:
    """Hold this process, and those that it forks, to the limits."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold pixels and names
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _address_space() + limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _address_space() -> int:
    """Bytes of address space in use; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123
            return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def die_with(parent: int) -> None:
    """Have the kernel end this process when the parent ends, kill -9 included (Linux; elsewhere the alarm does)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


@contextmanager
def unhurried(seconds: float = 600.0) -> Iterator[None]:
    """Stop the clock of an item, but for `seconds`: for what this process does once, and is no item's fault."""
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    if left:
        signal.setitimer(signal.ITIMER_REAL, left + seconds)
    try:
        yield
    finally:
        if left:
            signal.setitimer(signal.ITIMER_REAL, left)
