"""FAISS, its BLAS told what the processor can do.

The wheels bring an OpenBLAS of 2021, which takes every processor that it does not know for one of 2004: a product takes
four times as long then. It asks `OPENBLAS_CORETYPE` what to use when it is loaded.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

_CORE_TYPE = "OPENBLAS_CORETYPE"
_NEEDED = {"SkylakeX": {"avx512f", "avx512bw", "avx512dq", "avx512vl"}, "Haswell": {"avx2", "fma"}}
"""What kernels need of a processor, the fastest first."""


def _load() -> Any:
    core_type = _core_type()
    if _CORE_TYPE in os.environ or core_type is None:
        return import_module("faiss")
    os.environ[_CORE_TYPE] = core_type
    try:
        return import_module("faiss")
    finally:
        del os.environ[_CORE_TYPE]  # other libraries, and child processes, find out by themselves


def _core_type() -> str | None:
    """Name kernels that the processor can run; None where Linux does not tell what it is."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    return next((name for name, needed in _NEEDED.items() if needed <= flags), None)


faiss: Any = _load()  # its stubs know half of it
