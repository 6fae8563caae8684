"""How many threads the matrix products of this process get: as many as there are idle cores.

BLAS and OpenMP threads wait for each other by spinning. On a core that another process wants too, each wait costs a
whole time slice: with both cores of two busy, fitting a head takes one thread 0.9 s and two threads 8.5 s, and 12
times the processor time. So each piece of work looks at the machine when it begins, and takes one thread where no
core is idle.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

_LOAD = Path("/proc/loadavg")
_WITH_POOLS = frozenset({"faiss", "torch", "cv2", "scipy.linalg", "sklearn"})
"""Modules that bring libraries with thread pools of their own."""


@contextmanager
def limit_threads(count: int | None = None) -> Iterator[None]:
    """Give BLAS and OpenMP `count` threads, or one for each idle core, until the work is done; also a decorator."""
    pools = _find_pools(frozenset(sys.modules) & _WITH_POOLS)
    with pools.limit(limits=count or count_idle_cores()):
        yield


def count_idle_cores() -> int:
    """Cores that this process may use and that nothing else runs on now, at least 1; all where Linux does not tell."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        running = int(_LOAD.read_text(encoding="ascii").split()[3].partition("/")[0])  # proc(5): runnable now
    except (OSError, ValueError, IndexError):
        return cores
    return max(1, min(cores, cores - (running - 1)))  # the one that asks is running too


@lru_cache(maxsize=8)
def _find_pools(_loaded: frozenset[str]) -> Any:
    """The thread pools of all libraries loaded, looked for again whenever one has come."""
    return import_module("threadpoolctl").ThreadpoolController()
