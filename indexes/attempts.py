"""Files that a run gave up for want of time or memory: with which limits, so that no later run tries the same again."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embedkit.indexes.columns import texts, to_flags, to_numbers

if TYPE_CHECKING:
    from embedkit.dicom.codecs.choice import Codecs
    from embedkit.indexes.image_rows import ImageRow
    from embedkit.indexes.manifest import Shard

_ENDED = ("decoder-timeout", "decoder-crashed")
_SCARCE = "out-of-memory"


@dataclass(frozen=True)
class Attempt:
    """What a run gave to each file."""

    memory_bytes: int
    timeout_s: float
    version: str
    """Of embedkit: another one may read what this one cannot."""

    @classmethod
    def now(cls, memory_bytes: int, timeout_s: float) -> Attempt:
        """What this process can give: no more memory than the system lets a process have (ulimit -v)."""
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        return cls(memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard), timeout_s, _version())

    def covers(self, other: Attempt) -> bool:
        """Tell whether what failed in this attempt fails in the other too."""
        enough = self.memory_bytes >= other.memory_bytes and self.timeout_s >= other.timeout_s
        return enough and self.version == other.version


def is_limited(row: ImageRow) -> bool:
    """Tell whether a file was rejected by the limits of its run.

    One that the machine had no memory for was not: the kernel has killed its worker, and nothing is known of it.
    """
    return row.reason in _ENDED or (row.reason == _SCARCE and bool(row.content_blake3))


def find_settled(files: pa.Table, shards: Sequence[Shard], attempt: Attempt, codecs: Codecs) -> NDArray[np.bool_]:
    """Tell of which files (n,), by `id`, `reason` and `content_blake3`, an attempt by these codecs is known to fail."""
    import pyarrow.compute as pc  # noqa: PLC0415 (every reader imports this module, and it takes long)

    covered = np.array(
        [shard.tried is not None and shard.codecs == codecs and shard.tried.covers(attempt) for shard in shards],
        bool,
    )
    ended = pc.is_in(files["reason"], value_set=texts(_ENDED))
    unread = pc.is_in(files["content_blake3"], value_set=texts([""]))
    scarce = pc.and_not(pc.is_in(files["reason"], value_set=texts([_SCARCE])), unread)
    ends = np.cumsum([shard.rows for shard in shards], dtype=np.int64)
    limited = np.flatnonzero(to_flags(pc.or_(ended, scarce)))
    settled = np.zeros(len(files), bool)
    settled[limited] = covered[np.searchsorted(ends, to_numbers(files["id"], np.int64)[limited], side="right")]
    return settled


@lru_cache(maxsize=1)
def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 (only a run of `embed` needs it)

    return version("embedkit")
