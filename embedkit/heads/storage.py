"""A linear head as a safetensors file: weights, region list, and the encoder it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from embedkit.errors import EncoderError
from embedkit.heads.linear import LinearHead
from embedkit.indexes.storage import write_bytes

_FORMAT = "embedkit-linear-head-1"
_LARGEST = 256 << 20
"""Bytes; a head of 10,000 regions has a tenth of that."""


def save_head(path: Path, head: LinearHead) -> None:
    """Write `head` to `path`: the old file or the new one, nothing between, whatever happens.

    Raises IndexFolderError where the folder is full, read-only or cannot be written.
    """
    from safetensors.numpy import save  # noqa: PLC0415 (loaded only where heads are kept)

    metadata = {"format": _FORMAT, "regions": json.dumps(head.regions), "encoder": head.encoder}
    tensors = {"weight": np.ascontiguousarray(head.weight), "bias": np.ascontiguousarray(head.bias)}
    write_bytes(path, save(tensors, metadata=metadata))


def load_head(path: Path, *, encoder: str) -> LinearHead:
    """Read a head for vectors of `encoder` (sha256, hex).

    Raises EncoderError: `head-unreadable` for a file that is absent or no head, `head-of-another-encoder` where its
    weights were fitted to the vectors of another encoder.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    unreadable = EncoderError("head-unreadable", f"{path.name} is not a linear head: fit it again")
    try:
        if path.stat().st_size > _LARGEST:
            raise unreadable
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            regions = json.loads(metadata.get("regions", "null"))
            weight, bias = file.get_tensor("weight"), file.get_tensor("bias")
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise unreadable from error
    named = isinstance(regions, list) and all(isinstance(region, str) for region in regions)
    if metadata.get("format") != _FORMAT or not named or not _fits(regions, weight, bias):
        raise unreadable
    if metadata.get("encoder") != encoder:
        raise EncoderError(
            "head-of-another-encoder", f"{path.name} was fitted to another encoder's vectors: fit it again"
        )
    return LinearHead(tuple(regions), weight, bias, encoder)


def _fits(regions: list[str], weight: np.ndarray, bias: np.ndarray) -> bool:
    """Whether the arrays are float32 of matching shapes without NaN (a bias of -inf is a region never seen)."""
    shapes = weight.ndim == 2 and bias.shape == (len(weight),) and len(weight) == len(regions) > 0
    kinds = weight.dtype == np.float32 and bias.dtype == np.float32
    return bool(shapes and kinds and np.isfinite(weight).all() and not np.isnan(bias).any() and (bias < np.inf).all())
