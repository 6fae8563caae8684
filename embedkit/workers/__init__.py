"""The room where work is carried out: worker processes that no file can take down with it (docs/reading.md)."""

from __future__ import annotations

from embedkit.workers.executor import Executor, LocalExecutor, Pool, SerialExecutor
from embedkit.workers.fork_server import start_ahead
from embedkit.workers.pool import WorkerPool

__all__ = ["Executor", "LocalExecutor", "Pool", "SerialExecutor", "WorkerPool", "start_ahead"]
