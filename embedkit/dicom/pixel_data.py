"""What the Pixel Data element holds, by its bytes: native pixels, RLE frames or codestreams, in items or without.

The transfer syntax says the same in most files. Where it does not, the bytes are believed: converters decompress and
leave the old transfer syntax, compress and leave it, or lose the item tags on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from embedkit.dicom.codecs.codestreams import CODINGS, begins_codestream, read_codestream, unbox
from embedkit.dicom.codecs.rle import begins_rle
from embedkit.dicom.encapsulation import DELIMITER, ITEM, join_fragments, split_items
from embedkit.dicom.header import UNDEFINED_LENGTH, PixelElement
from embedkit.dicom.layout import PixelLayout
from embedkit.errors import RejectedFile
from embedkit.reasons import reject

Encoding = Literal["native", "rle", "codestream"]

NATIVE = frozenset(
    {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian}
)
_MARKERS = 16  # bytes, more than the longest beginning of a codestream
_SEARCHED = 4096
_BEGINNING = re.compile(rb"\xff\xd8\xff|\xff\x4f\xff\x51")
_BETWEEN = re.compile(rb"(?<=\xff\xd9)\0?(?=\xff\xd8\xff|\xff\x4f\xff\x51)")


@dataclass(frozen=True)
class PixelData:
    """The frames of a file, encoded as they are."""

    encoding: Encoding
    frames: list[memoryview] | list[bytes]
    as_declared: bool = True
    """False if the transfer syntax says otherwise."""
    cut_short: bool = False
    """True if the file ends within the last frame."""


def find_frames(pixels: PixelElement, layout: PixelLayout, syntax: str) -> PixelData:
    """Find the frames.

    Raises
    ------
    RejectedFile
        ``unsupported-transfer-syntax``; ``truncated`` if native pixels end before the first whole frame, or nothing is
        there; ``decode-failed`` where the bytes are nothing that can be an image.
    """
    declared = _declared_by(syntax)
    if pixels.value[:4] == ITEM:
        found = _find_in_items(pixels, layout, declared)
    else:
        found = _find_without_items(pixels, layout)
    if found is not None:
        return found
    if declared == "native" or _is_native_size(pixels, layout):
        big_endian = syntax == ExplicitVRBigEndian
        return PixelData("native", _split_native(pixels, layout, big_endian=big_endian), declared == "native")
    raise reject("truncated" if len(pixels.value) <= _MARKERS else "decode-failed")


def _declared_by(syntax: str) -> Encoding:
    if syntax in NATIVE:
        return "native"
    if syntax == RLELossless:
        return "rle"
    if syntax in CODINGS:
        return "codestream"
    raise reject("unsupported-transfer-syntax")


def _find_in_items(pixels: PixelElement, layout: PixelLayout, declared: Encoding) -> PixelData | None:
    items = split_items(pixels.value)
    values = [item for item in items.values if len(item)]
    encodings = [_tell(value, layout, declared) for value in values[:2]]  # the first may be the Basic Offset Table
    encoding = next((encoding for encoding in encodings if encoding is not None), None)
    if encoding is not None:
        has_table = encodings[0] is None or not len(items.values[0])
        frames = join_fragments(values[encodings.index(encoding) :], partial(_begins_frame, layout, encoding))
        return PixelData(encoding, frames, encoding == declared and has_table, items.cut_short)
    if declared == "native" and pixels.length != UNDEFINED_LENGTH:
        return None  # pixels that look like an item
    if not values or items.cut_short:
        raise reject("truncated")
    fragments = items.values[1:] or items.values
    joined = PixelElement(memoryview(b"".join(fragments)), sum(map(len, fragments)), pixels.vr)
    if _is_native_size(joined, layout):
        return PixelData("native", _split_native(joined, layout, big_endian=False), as_declared=False)
    return None


def _find_without_items(pixels: PixelElement, layout: PixelLayout) -> PixelData | None:
    encoding, value = _tell(pixels.value, layout, "native"), pixels.value
    if encoding is None and not _is_native_size(pixels, layout):
        start = _search(value, layout)
        encoding, value = ("codestream", value[start:]) if start else (None, value)
    if encoding is None:
        return None
    end = pixels.length if pixels.length != UNDEFINED_LENGTH else bytes(value).find(DELIMITER)
    whole = bytes(value[:end]) if end >= 0 else bytes(value)
    frames = [whole] if encoding == "rle" else _BETWEEN.split(whole)
    missing = pixels.length != UNDEFINED_LENGTH and pixels.length > len(pixels.value) + 1
    return PixelData(encoding, frames, as_declared=False, cut_short=missing)


def _tell(data: memoryview, layout: PixelLayout, declared: Encoding) -> Encoding | None:
    """What a frame is that begins so, if it is compressed; where that is a surprise, by more than its first bytes."""
    if begins_codestream(bytes(data[:_MARKERS])):
        return "codestream" if declared == "codestream" or _is_codestream(bytes(data)) else None
    return "rle" if begins_rle(data, layout) else None


def _is_codestream(data: bytes) -> bool:
    try:
        return read_codestream(unbox(data)).is_image
    except RejectedFile:
        return False


def _begins_frame(layout: PixelLayout, encoding: Encoding, fragment: memoryview) -> bool:
    if encoding == "rle":
        return begins_rle(fragment, layout)
    return begins_codestream(bytes(fragment[:_MARKERS]))


def _search(value: memoryview, layout: PixelLayout) -> int:
    """Where a codestream of the header's size begins, behind something else; 0 where none does."""
    for match in _BEGINNING.finditer(bytes(value[:_SEARCHED])):
        try:
            stream = read_codestream(bytes(value[match.start() :]))
        except RejectedFile:
            continue
        if (stream.rows, stream.columns) == (layout.rows, layout.columns):
            return match.start()
    return 0


def _is_native_size(pixels: PixelElement, layout: PixelLayout) -> bool:
    """Whether the value is as long as the native pixels of the header, give or take a padding byte."""
    size = layout.frames * layout.frame_bytes
    if pixels.length != UNDEFINED_LENGTH:
        return abs(pixels.length - size) <= 1
    behind = pixels.value[size : size + 2 + len(DELIMITER)]
    return len(pixels.value) >= size and (len(behind) <= 1 or DELIMITER in bytes(behind))


def _split_native(pixels: PixelElement, layout: PixelLayout, *, big_endian: bool) -> list[memoryview]:
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


def _swap_bytes(data: memoryview) -> memoryview:
    """Undo the byte order of 8-bit samples that were stored as big endian 16-bit words (PS3.5 annex A.3)."""
    words = np.frombuffer(bytes(data) + b"\0" * (len(data) % 2), np.uint16)
    return memoryview(words.byteswap().tobytes())
