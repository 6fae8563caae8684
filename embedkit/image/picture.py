"""The picture: what the index keeps of a radiograph, and everything later starts from.

Always ``uint8 (256, 256)``: bright bone, frame removed, upright, aspect kept, centred on black; stored as PNG.
"""

from __future__ import annotations

import struct
import zlib

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from embedkit.image.rotation import upright

PICTURE_SIDE = 256
"""Rows and columns of a picture."""

PREPROCESSING_VERSION = 1
"""Raised whenever `clean` gives another picture for the same radiograph: vectors of two versions never mix."""

_UP = 2  # the filter type of every row: the difference to the one above it
_WORKING_SIDE = 2 * PICTURE_SIDE  # finer than the picture, so that a turn costs no sharpness


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(data, zlib.crc32(kind)))


_BEGIN = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">LLBBBBB", PICTURE_SIDE, PICTURE_SIDE, 8, 0, 0, 0, 0))


def clean(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Picture of a radiograph of any size, ``uint8 (H, W)`` with bright bone; about 2 ms at 512 px.

    A blank radiograph gives a blank picture. Raises `ValueError` for anything but a non-empty 2-d uint8 array.
    """
    if grey.ndim != 2 or grey.dtype != np.uint8 or not grey.size:
        raise ValueError(f"a radiograph is a non-empty uint8 (H, W) array, not {grey.dtype} {grey.shape}")
    return fit_on_square(upright(_shrink(grey)))


def fit_on_square(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Centre on a black square, aspect kept."""
    scale = PICTURE_SIDE / max(grey.shape)
    height, width = (max(1, round(length * scale)) for length in grey.shape)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = np.zeros((PICTURE_SIDE, PICTURE_SIDE), np.uint8)
    top, left = (PICTURE_SIDE - height) // 2, (PICTURE_SIDE - width) // 2
    picture[top : top + height, left : left + width] = cv2.resize(grey, (width, height), interpolation=method)
    return picture


def encode_picture(picture: NDArray[np.uint8]) -> bytes:
    """PNG (ISO 15948) of a picture, lossless; about 20 kB.

    Each row as the difference to the one above it, deflated by libdeflate: half the time of libpng's fastest setting.
    """
    if picture.shape != (PICTURE_SIDE, PICTURE_SIDE) or picture.dtype != np.uint8:
        raise ValueError(f"a picture is uint8 ({PICTURE_SIDE}, {PICTURE_SIDE}), not {picture.dtype} {picture.shape}")
    lines = np.full((PICTURE_SIDE, 1 + PICTURE_SIDE), _UP, np.uint8)
    lines[0, 1:] = picture[0]
    np.subtract(picture[1:], picture[:-1], out=lines[1:, 1:])
    pixels = bytes(imagecodecs.deflate_encode(lines.tobytes(), 1))
    return _BEGIN + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def decode_picture(png: bytes) -> NDArray[np.uint8]:
    """Picture from its PNG; `ValueError` where the bytes are none.

    What `encode_picture` wrote is inflated by libdeflate and added up: in less than half the time of libpng.
    """
    own = _decode_own(png)
    if own is not None:
        return own
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED) if png else None
    if picture is None or picture.shape != (PICTURE_SIDE, PICTURE_SIDE) or picture.dtype != np.uint8:
        raise ValueError(f"these bytes are no PNG of a {PICTURE_SIDE} px grey picture")
    return np.asarray(picture, np.uint8)


def _decode_own(png: bytes) -> NDArray[np.uint8] | None:
    """The picture of bytes that `encode_picture` wrote, undamaged; None of others."""
    start = len(_BEGIN)
    end = start + 8 + int.from_bytes(png[start : start + 4], "big")
    if not png.startswith(_BEGIN) or png[end : end + 4] != zlib.crc32(png[start + 4 : end]).to_bytes(4, "big"):
        return None
    size = PICTURE_SIDE * (1 + PICTURE_SIDE)
    try:
        lines = np.frombuffer(imagecodecs.deflate_decode(png[start + 8 : end], out=size), np.uint8)
    except imagecodecs.DeflateError:
        return None
    if lines.size != size or (lines[:: 1 + PICTURE_SIDE] != _UP).any():
        return None
    rows = np.ascontiguousarray(lines.reshape(PICTURE_SIDE, -1)[:, 1:])
    for step in (1, 2, 4, 8, 16, 32, 64, 128):  # running sums; `np.add.accumulate` takes three times as long
        rows[step:] += rows[:-step]
    return rows


def _shrink(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mean over whole blocks down to one or two times the working size: four times as fast as one free resize."""
    factor = max(grey.shape) // _WORKING_SIDE
    if factor < 2:
        return grey
    height, width = (max(1, length // factor) for length in grey.shape)
    whole = grey[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
