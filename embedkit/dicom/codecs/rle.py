"""RLE pixel data (PS3.5 annex G): one segment for each byte of the pixels, decoded apart and put together at once.

Decoded by imagecodecs in one call, every second byte of a radiograph is written at a time, which takes as long as the
decoding itself.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from operator import lt
from typing import cast

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.layout import PixelLayout
from embedkit.reasons import reject

_HEADER = struct.Struct("<16L")  # G.5: the number of segments, and where each of up to 15 begins
_MOST_FROM_A_BYTE = 64  # two bytes give 128 at best


def begins_rle(data: bytes | memoryview, layout: PixelLayout) -> bool:
    """True if `data` begins with the header of an RLE frame of this layout (G.5)."""
    if len(data) < _HEADER.size:
        return False
    count, *offsets = _HEADER.unpack_from(data)
    expected = layout.samples * layout.dtype.itemsize
    bounds = offsets[:expected]
    return bool(count == expected and bounds[0] == _HEADER.size and all(map(lt, bounds, bounds[1:])))


def decode_rle(frame: bytes | memoryview, layout: PixelLayout) -> NDArray[np.integer]:
    """Decode one frame to unsigned integers (rows, columns) or (rows, columns, samples).

    Raises
    ------
    RejectedFile
        ``truncated`` where the header claims more pixels than the frame could hold.
    Exception
        Where the frame is damaged, from here or from imagecodecs.
    """
    if layout.frame_bytes > _MOST_FROM_A_BYTE * len(frame):
        raise reject("truncated")
    size = layout.dtype.itemsize
    segments = _split_segments(frame, layout.samples * size)
    planes = [_decode_segment(segment, layout.rows, layout.columns) for segment in segments]
    # Of each sample the most significant byte comes first (G.2), and here the least one does.
    ordered = [planes[start + size - 1 - byte] for start in range(0, len(planes), size) for byte in range(size)]
    whole = cv2.merge(ordered) if len(ordered) > 1 else ordered[0]
    shape = (layout.rows, layout.columns, layout.samples)
    return whole.view(layout.dtype).reshape(shape if layout.samples > 1 else shape[:2])


def _split_segments(frame: bytes | memoryview, expected: int) -> list[memoryview]:
    count, *offsets = _HEADER.unpack_from(frame)
    bounds = [*offsets[:expected], len(frame)]
    if count != expected or bounds[0] < _HEADER.size or bounds != sorted(bounds):
        raise ValueError("not the segments of such a frame")
    return [memoryview(frame)[start:end] for start, end in pairwise(bounds)]


def _decode_segment(segment: memoryview, rows: int, columns: int) -> NDArray[np.uint8]:
    """One byte of every pixel (rows, columns)."""
    plane = np.empty((rows, columns), np.uint8)
    readable = cast("bytes", segment)  # any buffer is, whatever its type hints say
    if len(imagecodecs.packbits_decode(readable, out=plane.reshape(-1).data)) != plane.size:
        raise ValueError("the segment is too short")
    return plane
