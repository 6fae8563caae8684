"""Safetensors files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from embedkit.errors import EncoderError


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file by rename, so that a crash leaves the earlier file.

    Raises EncoderError ``encoder-unwritable`` where the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        save_file(tensors, temporary, metadata=metadata)
    except (SafetensorError, OSError) as error:
        temporary.unlink(missing_ok=True)
        message = f"{path}: it could not be written; what was there before is intact. Free space, or name another place"
        raise EncoderError("encoder-unwritable", message) from error
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
