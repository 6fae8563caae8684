"""What the tests let worker processes do; imported there by name."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from embedkit.errors import RejectedFile


def double(item: int) -> int:
    return 2 * item


def process_id(item: int) -> int:
    return os.getpid()


def parent_id(item: int) -> int:
    return os.getppid()


def page_faults_of(size: int) -> int:
    """How many pages the kernel has to find for three arrays of that many bytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    _ = [bytearray(b"1") * size for _ in range(3)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def misbehave(item: str) -> object:
    """Do what the first word of the item says."""
    name, _, argument = item.partition(" ")
    return MISDEEDS[name](argument) if name in MISDEEDS else item


def crash_once(flag: str) -> str:
    if not Path(flag).exists():
        Path(flag).touch()
        os.abort()
    return f"crash-once {flag}"


def reject(_: str) -> None:
    raise RejectedFile("truncated", "short")


def fail(_: str) -> None:
    raise ValueError("CANARY^JANE")


def talk(_: str) -> str:
    print("CANARY^JANE")  # noqa: T201
    print("CANARY^JANE", file=sys.stderr)  # noqa: T201
    warnings.warn("CANARY^JANE", stacklevel=1)
    os.write(2, b"CANARY^JANE")
    return "talk"


def hold_the_interpreter(_: str) -> None:
    """A codec that never returns and never gives up the interpreter's lock."""
    ctypes.PyDLL(None).pause()


MISDEEDS: dict[str, Callable[[str], object]] = {
    "crash": lambda _: os.kill(os.getpid(), signal.SIGSEGV),
    "crash-once": crash_once,
    "exit": lambda _: os._exit(0),
    "killed": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda _: time.sleep(600),
    "hang-in-c": hold_the_interpreter,
    "bomb": lambda _: np.ones(1 << 33, np.uint8).sum(),
    "reject": reject,
    "bug": fail,
    "unpicklable": lambda _: lambda: None,
    "talk": talk,
}


def announce_and_hang(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)
