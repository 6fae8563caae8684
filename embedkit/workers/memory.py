"""Telling a file that is damaged from one that there was no memory for: codecs report both as the same failure."""

from __future__ import annotations

import mmap

_DECODING = 16
"""Bytes that a decoder may need for each byte of the decoded frame: OpenJPEG's planes are of 32 bits, and copied."""
_ALWAYS = 1 << 26


def check_memory(data_bytes: int) -> None:
    """Raise MemoryError where what decoding so many bytes needs cannot be had within the limit of this process.

    Called after a failure: what cannot be had now could not be had then. The memory is asked for, and never touched.
    """
    try:
        mmap.mmap(-1, _ALWAYS + _DECODING * data_bytes).close()
    except OSError as error:
        raise MemoryError from error
