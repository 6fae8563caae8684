"""JPEG streams that end too early, as broken downloads leave them: what is there is read, what is missing left out.

libjpeg fills the missing rows with mid-grey, which would count in the window and hide the frame round a film. So
nothing is filled in: what comes out is a picture of fewer rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from embedkit.reasons import reject

Array = NDArray[np.integer]

LEAST_SHARE = 0.5
"""Of a picture's rows, the share that must be there: less says too little of the whole."""

_END_OF_IMAGE, _START_OF_SCAN = b"\xff\xd9", b"\xff\xda"
_UNIT_ROWS = 16  # of a minimum coded unit, whose colours are halved
_ANY_BLOCKS = bytes(range(1, 255)) * 256
"""Data that is no marker, and codes something."""


def check_rows(present: int, declared: int) -> None:
    """Hold the rows that are there against those that should be.

    Raises
    ------
    RejectedFile
        ``truncated`` where most are missing.
    """
    if present < LEAST_SHARE * declared:
        raise reject("truncated")


def has_all_scans(jpeg: bytes) -> bool:
    """Whether a JPEG ends behind its last scan (ISO 10918-1 B.1.1.2): in a progressive one, scans add detail."""
    return jpeg.endswith(_END_OF_IMAGE) or jpeg.rfind(_END_OF_IMAGE) > jpeg.rfind(_START_OF_SCAN)


def decode_present_rows(
    jpeg: bytes, bits: int, decode: Callable[[bytes], Array | None], *, lossless: bool = False
) -> Array | None:
    """Decode a JPEG, lossless or not, to (rows, columns[, samples]), without the rows that its data does not reach.

    libjpeg makes those the middle of the grey scale, once there is an end to the stream. Where a picture ends so, or a
    lossless one had no end, more data is put in front of that end: what it changes was missing. `decode` may reduce,
    and gives None for what cannot be read.

    Raises
    ------
    RejectedFile
        ``truncated`` where most rows are missing.
    """
    has_end = jpeg.endswith((_END_OF_IMAGE, _END_OF_IMAGE + b"\0"))  # the byte of padding
    if not has_end:
        jpeg = jpeg.rstrip(b"\0").removesuffix(_END_OF_IMAGE).rstrip(b"\xff") + _END_OF_IMAGE
    decoded = decode(jpeg)
    is_suspect = lossless and not has_end
    if decoded is None or (not is_suspect and (decoded[-1, -1] != 1 << bits - 1).any()):
        return decoded
    exposed = np.flatnonzero((decoded[:, -1:] != 1 << bits - 1).reshape(len(decoded), -1).any(axis=1))
    continued = decode(jpeg[: jpeg.rfind(_END_OF_IMAGE)] + _ANY_BLOCKS + _END_OF_IMAGE)
    start = max(0, int(exposed[-1]) - _UNIT_ROWS) if len(exposed) else 0  # the last unit of them may be spoilt
    differs = continued is not None and (continued != decoded)[start:].reshape(len(decoded) - start, -1).any(axis=1)
    if not np.any(differs):
        return decoded
    present = start + int(np.argmax(differs))
    check_rows(present, len(decoded))
    return decoded[:present]
