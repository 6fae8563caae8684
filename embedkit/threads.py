"""Matrix products run in one thread each; work that is worth it is cut into blocks for all cores (`indexes.nearest`).

BLAS's threads wait for each other by spinning. On a core that another process wants too, each wait costs a whole time
slice: with both cores of two busy, fitting a head takes one thread 0.9 s, and two threads 8.5 s and 12 times the
processor time. Nor is the sum of a product the same to the last bit in one thread and in two, so a number of threads
that follows the load would give another ranking each time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

_WITH_POOLS = frozenset({"faiss", "torch", "cv2", "scipy.linalg", "sklearn"})
"""Modules that bring libraries with thread pools of their own."""


@contextmanager
def single_thread() -> Iterator[None]:
    """Give BLAS and OpenMP one thread until the work is done; also a decorator."""
    with _find_pools(frozenset(sys.modules) & _WITH_POOLS).limit(limits=1):
        yield


@lru_cache(maxsize=8)
def _find_pools(_loaded: frozenset[str]) -> Any:
    """The thread pools of all libraries loaded, looked for again whenever one has come."""
    return import_module("threadpoolctl").ThreadpoolController()
