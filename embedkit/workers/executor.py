"""How one function is carried out over many items: in worker processes, or one after the other in this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from embedkit.errors import RejectedFile
from embedkit.workers.pool import WorkerPool

Item = TypeVar("Item")
Result = TypeVar("Result")
Outcome_co = TypeVar("Outcome_co", covariant=True)


class Pool(Protocol[Item, Outcome_co]):
    """Maps the function that it was opened for."""

    def map(self, items: Iterable[Item], /) -> Iterator[tuple[Item, Outcome_co | RejectedFile]]:
        """Yield (item, outcome) in the order of the items, taking these only as fast as outcomes are consumed.

        An item that the function refuses, or that exceeds a limit, has the `RejectedFile` for its outcome.
        """


class Executor(Protocol):
    """Opens pools. One's own may carry items to other machines: function, items and results can be pickled."""

    def open(
        self, function: Callable[[Item], Result], *, memory_bytes: int, timeout_s: float
    ) -> AbstractContextManager[Pool[Item, Result]]:
        """Open a pool whose items may take so much memory and wall time each; leaving it ends what is still running."""


@dataclass(frozen=True)
class LocalExecutor:
    """Worker processes on this machine: `WorkerPool`."""

    workers: int | None = None
    """None for one a core."""

    def open(
        self, function: Callable[[Item], Result], *, memory_bytes: int, timeout_s: float
    ) -> WorkerPool[Item, Result]:
        """See `Executor`."""
        return WorkerPool(function, workers=self.workers, memory_bytes=memory_bytes, timeout_s=timeout_s)


class SerialExecutor:
    """In this process, one item after the other, without limits: to debug, and where no process can be started."""

    def open(
        self, function: Callable[[Item], Result], *, memory_bytes: int, timeout_s: float
    ) -> _SerialPool[Item, Result]:
        """See `Executor`; nothing is limited here."""
        del memory_bytes, timeout_s
        return _SerialPool(function)


class _SerialPool(Generic[Item, Result]):
    def __init__(self, function: Callable[[Item], Result]) -> None:
        self._function = function

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result | RejectedFile]]:
        for item in items:
            try:
                yield item, self._function(item)
            except RejectedFile as rejection:
                yield item, rejection
