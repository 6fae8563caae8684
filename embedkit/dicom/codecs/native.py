"""Uncompressed pixel data (PS3.5 section 8 and annex A): views of the file's bytes, not copies, wherever they fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.header import UNDEFINED_LENGTH, PixelElement
from embedkit.dicom.layout import PixelLayout, take_stored_values
from embedkit.dicom.reasons import reject

Array = NDArray[np.integer]


def split_native(pixels: PixelElement, layout: PixelLayout, *, big_endian: bool) -> list[memoryview]:
    """The bytes of each frame; as many frames as are there, whatever the header says.

    Raises
    ------
    RejectedFile
        ``truncated`` if the file ends within a frame that the element declares, or there is not one whole frame.
    """
    size, value = layout.frame_bytes, pixels.value
    length = len(value) if pixels.length == UNDEFINED_LENGTH else pixels.length
    count = length // size if abs(length - layout.frames * size) > 1 else layout.frames  # 1: the padding byte
    if not 0 < count * size <= len(value):
        raise reject("truncated")
    if big_endian and layout.bits_allocated == 8 and pixels.vr == "OW":
        value = _swap_bytes(value[: count * size + count * size % 2])
    return [value[start : start + size] for start in range(0, count * size, size)]


def decode_native(data: memoryview, layout: PixelLayout, *, big_endian: bool) -> Array:
    """Stored values (rows, columns) or (rows, columns, samples) of one frame."""
    raw = np.frombuffer(data, layout.dtype.newbyteorder(">" if big_endian else "<"))
    raw = raw.astype(layout.dtype) if big_endian else raw
    if layout.photometric == "YBR_FULL_422":  # Y Y Cb Cr: the luminance is all that is needed (PS3.3 C.7.6.3.1.2)
        if layout.columns % 2:
            raise reject("unsupported-pixels")
        return raw.reshape(-1, 4)[:, :2].reshape(layout.rows, layout.columns)
    values = take_stored_values(raw, layout, layout.bits_allocated)
    if layout.samples == 1:
        return values.reshape(layout.rows, layout.columns)
    if layout.planar:
        return values.reshape(layout.samples, layout.rows, layout.columns).transpose(1, 2, 0)
    return values.reshape(layout.rows, layout.columns, layout.samples)


def _swap_bytes(data: memoryview) -> memoryview:
    """Undo the byte order of 8-bit samples that were stored as big endian 16-bit words (PS3.5 annex A.3)."""
    words = np.frombuffer(bytes(data) + b"\0" * (len(data) % 2), np.uint16)
    return memoryview(words.byteswap().tobytes())
