"""What an encoder is trained on: pictures that are read when they are needed, their regions and patients."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]
Ints = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True)
class TrainingSet:
    """N pictures, with what is known of them."""

    pictures: Pictures
    """uint8 (N, S, S): an array, or a memory map where they are many."""
    codes: Ints
    """int64 (N,): the number of the region in `regions`; -1 where none is given."""
    groups: Ints
    """int64 (N,): the patient. The online accuracy never lets images of one patient vote for each other."""
    regions: Sequence[str] = ()
    sha256: str = field(default="")
    """Of the identity and order of the images, by which a run knows its own checkpoint."""

    @classmethod
    def unlabelled(cls, pictures: Pictures) -> TrainingSet:
        """Pictures uint8 (N, S, S) alone, known by their content."""
        digest = hashlib.sha256(np.ascontiguousarray(pictures).data).hexdigest()
        return cls(pictures, np.full(len(pictures), -1, np.int64), np.arange(len(pictures)), (), digest)

    def __len__(self) -> int:
        return len(self.pictures)


def read_ahead(read: Callable[[int], T], first: int, end: int) -> Iterator[T]:
    """Yield ``read(first)`` to ``read(end - 1)``; the next is read in a thread while the one before is worked on."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = [thread.submit(read, number) for number in range(first, min(first + 1, end))]
        for number in range(first, end):
            ready = coming.pop()
            if number + 1 < end:
                coming.append(thread.submit(read, number + 1))
            yield ready.result()
