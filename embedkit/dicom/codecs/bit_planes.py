"""Leaving the lowest bit-planes of lossless JPEG 2000 undecoded: they are mostly noise, and most of the work.

A decoder takes from the header how many bit-planes a code-block has, reads them from the top, and stops after the last.
With the bit depth and the exponents of all subbands lowered by one number, it stops that many planes earlier, and every
coefficient, hence every pixel, comes out divided by that power of two. Measured on noisy radiographs of 12 bits, one
plane less saves a tenth of the time, two save a third.

Three quarters of the coefficients, and most of the noise, are those of the finest wavelet level. It may do with fewer
planes still: `join_scales` takes all other levels from a picture of half the size, which is decoded in a fifth of the
time and has them better. Beside a sharp edge both overshoot, and only together they stay within the values' bits: so
decoders are told of one bit more than is left, `HEADROOM`, or they would cut that off.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]

HEADROOM = 1

_SIZE, _QUANTISATION, _COMPONENT_QUANTISATION = 0xFF51, 0xFF5C, 0xFF5D  # ISO 15444-1 A.5.1, A.6.4, A.6.5
_REGION, _TILE_PART, _DATA = 0xFF5E, 0xFF90, 0xFF93  # A.6.3, A.4.2, A.4.3
_DEPTH = 40  # of the first component, from the marker
_ANALYSIS = np.array([-1, 2, 6, 2, -1], np.float32) / 8  # low-pass filters of the 5/3 wavelet, roundings left out
_SYNTHESIS = np.array([1, 2, 1], np.float32) / 2  # F.3.8.2.1, F.4.8.1


def drop_bit_planes(codestream: bytes, planes: int, finest_of: int = 0) -> bytes:
    """Return a codestream that decodes to the grey values of `codestream`, divided by 2 ** `planes`.

    It says that it has `HEADROOM` bits more than those values do.

    Parameters
    ----------
    codestream
        Begins with its SOC marker and has one component.
    finest_of
        Keep only the finest wavelet level of those that are decoded at 1 / `finest_of` of the size; 0 for all levels.

    Raises
    ------
    ValueError
        Where its header is damaged, where it is quantised (what was noise is gone already), where a region of interest
        has a scale of its own, or where there are not so many planes or levels.
    """
    lowered = bytearray(codestream)
    for marker, start, end in _segments(codestream):
        if marker == _SIZE:
            if codestream[start + _DEPTH] & 0x7F < planes:
                raise ValueError("there are not so many bit-planes")
            lowered[start + _DEPTH] -= planes - HEADROOM
        elif marker in {_QUANTISATION, _COMPONENT_QUANTISATION}:
            style = start + (4 if marker == _QUANTISATION else 5)  # one byte for the component, as there are few
            if codestream[style] & 0x1F:
                raise ValueError("it is quantised")
            lowered[style + 1 : end] = _lower_exponents(codestream[style + 1 : end], planes, finest_of)
        elif marker == _REGION:
            raise ValueError("a region of interest is scaled apart")
    return bytes(lowered)


def _lower_exponents(subbands: bytes, planes: int, finest_of: int) -> bytes:
    """Lower the exponent in the upper five bits of each subband (A.6.4): the coarsest one, then three a level."""
    finest = len(subbands) - 3 * finest_of.bit_length() if finest_of else 0
    if min(subbands) >> 3 < planes or finest < 0:
        raise ValueError("a subband has not so many bit-planes, or there are not so many levels")
    return bytes(value & 7 if place < finest else value - (planes << 3) for place, value in enumerate(subbands))


def join_scales(fine: Grey, coarse: Grey) -> Grey:
    """`fine`, float32 (H, W), with all but its finest wavelet level taken from `coarse`, float32 (H / 2, W / 2).

    Halves are rounded up. Raises ValueError where the sizes do not fit.
    """
    low = cv2.sepFilter2D(fine, -1, _ANALYSIS, _ANALYSIS, borderType=cv2.BORDER_REFLECT_101)[::2, ::2]
    if low.shape != coarse.shape:
        raise ValueError("the one is not half as large as the other")
    spread = np.zeros_like(fine)
    spread[::2, ::2] = coarse - low
    return fine + cv2.sepFilter2D(spread, -1, _SYNTHESIS, _SYNTHESIS, borderType=cv2.BORDER_REFLECT_101)


def _segments(codestream: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of every marker segment of the main header and of the headers of all tile-parts."""
    position, tile_part, tile_bytes = 2, 0, 0
    while position + 4 <= len(codestream):
        marker, length = struct.unpack_from(">HH", codestream, position)
        if marker == _DATA:
            if tile_part + tile_bytes <= position:  # 0 bytes: the last tile-part goes on to the end
                return
            position = tile_part + tile_bytes
            continue
        if marker < 0xFF00 or length < 2:
            raise ValueError("not a marker segment")
        if marker == _TILE_PART:
            tile_part, tile_bytes = position, struct.unpack_from(">L", codestream, position + 6)[0]
        yield marker, position, position + 2 + length
        position += 2 + length
