"""What tells one state of an index from another, for what is worked out from it and kept."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from embedkit.indexes.columns import numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedkit.indexes.manifest import Manifest


def digest_state(
    manifest: Manifest, images: pa.Table, ids: NDArray[np.int64], columns: Sequence[str], spaces: Sequence[str]
) -> str:
    """SHA-256 in hex of some columns of `images`, with labels as they are laid over, of pictures and of vectors."""
    hashed = hashlib.sha256()
    for shard in manifest.shards:
        vectors = (shard.vectors[space].sha256 if space in shard.vectors else "" for space in spaces)
        hashed.update(f"{shard.rows} {shard.sha256} {' '.join(vectors)}\n".encode())
    table = images.select(list(columns)).append_column("id", numbers(ids)).combine_chunks()
    with pa.PythonFile(_Hash(hashed), "w") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return hashed.hexdigest()


class _Hash(io.RawIOBase):
    """What Arrow writes to."""

    def __init__(self, hashed: Any) -> None:
        self._hashed = hashed

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hashed.update(data)
        return len(data)
