"""Uncompressed pixel data (PS3.5 section 8 and annex A): views of the file's bytes, not copies, wherever they fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.layout import PixelLayout, take_stored_values
from embedkit.reasons import reject

Array = NDArray[np.integer]


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
