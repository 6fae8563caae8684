"""A process that runs `embed` in children of its own, as often as it is told to: they can be killed, and start at once.

Reads lines `SOURCE INDEX POOL SECONDS CALL`, with tabs between, and answers with the child's exit status. POOL is
`workers`, or `serial` for reading in the child itself, which takes no time to start. The child is killed after so many
seconds, or before that one of its calls that make something durable (fsync and rename; 0: none).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import TinyEncoder

from embedkit.indexes import EmbedSettings, embed, search  # noqa: F401 (FAISS is imported once)
from embedkit.workers import LocalExecutor, SerialExecutor


def die_at(call: int) -> None:
    """Have this process killed just before its nth fsync or rename."""
    calls = iter(range(1, sys.maxsize))

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def count(*arguments: Any) -> Any:
            if next(calls) == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return count

    os.fsync = counted(os.fsync)
    Path.rename = counted(Path.rename)  # type: ignore[method-assign]


def run(source: str, index: str, pool: str, call: int) -> None:
    """Embed in this process."""
    die_at(call)
    executor = SerialExecutor() if pool == "serial" else LocalExecutor(1)
    embed(
        [Path(source)], Path(index), encoders=[TinyEncoder()], settings=EmbedSettings(shard_files=3), executor=executor
    )


if __name__ == "__main__":
    for line in sys.stdin:
        source, index, pool, seconds, call = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            run(source, index, pool, int(call))
            os._exit(0)
        alarm = threading.Timer(float(seconds), os.kill, (child, signal.SIGKILL))
        alarm.start()
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it keeps its id until the alarm is off
        alarm.cancel()
        alarm.join()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
