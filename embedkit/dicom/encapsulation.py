"""Encapsulated pixel data: items, fragments and frames (PS3.5 A.4).

Offset tables are not used: they are optional, and wrong in the field. A fragment that begins with the first marker of
a codestream begins a frame, and an RLE frame is one fragment by definition.
"""

from __future__ import annotations

import struct

from embedkit.dicom.codestreams import begins_codestream
from embedkit.dicom.reasons import reject

_ITEM = 0xE000
_MARKERS = 16  # bytes, more than the longest beginning of a codestream


def split_encapsulated(value: memoryview, *, rle: bool) -> list[memoryview] | list[bytes]:
    """The compressed frames in the value of an encapsulated Pixel Data element, in order; RLE is not copied.

    Raises
    ------
    RejectedFile
        ``truncated`` if an item reaches beyond the end of the file, or there is no fragment.
    """
    fragments = _read_fragments(value)
    if rle:
        return fragments
    frames: list[list[memoryview]] = []
    for fragment in fragments:
        if not frames or begins_codestream(bytes(fragment[:_MARKERS])):
            frames.append([])
        frames[-1].append(fragment)
    return [b"".join(frame) for frame in frames]


def _read_fragments(value: memoryview) -> list[memoryview]:
    items: list[memoryview] = []
    position = 0
    while position + 8 <= len(value):
        group, element, length = struct.unpack_from("<HHL", value, position)
        if group != 0xFFFE or element != _ITEM:
            break  # the delimiter; or, where it was forgotten, the next element
        position += 8 + length
        if position > len(value):
            raise reject("truncated")
        items.append(value[position - length : position])
    fragments = [item for item in items[1:] if len(item)]  # the first item is the Basic Offset Table
    if not fragments:
        raise reject("truncated")
    return fragments
