"""Encapsulated pixel data: items, fragments and frames (PS3.5 A.4).

Offset tables are not used: they are optional, and wrong in the field. A fragment that begins with the first marker of
a codestream, or with the header of an RLE frame, begins a frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

_ITEM = 0xE000
ITEM = b"\xfe\xff\x00\xe0"
DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"


@dataclass(frozen=True)
class Items:
    """The items of an encapsulated value, the Basic Offset Table among them, if it is there."""

    values: list[memoryview]
    cut_short: bool
    """True if the last one reaches beyond the end of the file, by more than a padding byte."""


def split_items(value: memoryview) -> Items:
    """Split the value of an encapsulated Pixel Data element, up to its delimiter."""
    items: list[memoryview] = []
    position = 0
    while position + 8 <= len(value):
        group, element, length = struct.unpack_from("<HHL", value, position)
        if group != 0xFFFE or element != _ITEM:
            break  # the delimiter; or, where it was forgotten, the next element
        items.append(value[position + 8 : position + 8 + length])
        position += 8 + length
    return Items(items, position > len(value) + 1)


def join_fragments(
    fragments: list[memoryview], begins_frame: Callable[[memoryview], bool]
) -> list[memoryview] | list[bytes]:
    """The frames, in order; not copied where each is one fragment."""
    if all(map(begins_frame, fragments)):
        return fragments
    frames: list[list[memoryview]] = []
    for fragment in fragments:
        if not frames or begins_frame(fragment):
            frames.append([])
        frames[-1].append(fragment)
    return [b"".join(frame) for frame in frames]
