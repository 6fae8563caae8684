"""What a compressed frame says of itself: its first markers decide the decoder, and bound it before it allocates.

JPEG, JPEG Lossless: ISO 10918-1 B.2.2; JPEG-LS: ISO 14495-1 C.2.2; JPEG 2000: ISO 15444-1 A.5.1; HTJ2K: ISO 15444-15.
Decoders take the size from the same place as is read here: where two of them could differ on which header is the
first, the stream is refused.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from embedkit.reasons import reject

Coding = Literal["jpeg", "jpeg-lossless", "jpeg-ls", "jpeg-2000", "htj2k"]

_JPEG_SYNTAX = "1.2.840.10008.1.2.4."
_NUMBERS: dict[Coding, tuple[int, ...]] = {
    "jpeg": (*range(50, 57), *range(59, 65)),
    "jpeg-lossless": (57, 58, 65, 66, 70),
    "jpeg-ls": (80, 81),
    "jpeg-2000": (90, 91, 92, 93),
    "htj2k": (201, 202, 203),
}
CODINGS: dict[str, Coding] = {f"{_JPEG_SYNTAX}{n}": coding for coding, numbers in _NUMBERS.items() for n in numbers}
"""What the codestreams of a transfer syntax are, JPEG with its retired processes (PS3.6 table A-1)."""
SYNTAXES: dict[Coding, str] = {coding: f"{_JPEG_SYNTAX}{numbers[0]}" for coding, numbers in _NUMBERS.items()}
"""One for each, that any decoder knows."""
LOSSY_2000 = frozenset(f"{_JPEG_SYNTAX}{number}" for number in (91, 93, 203))
"""Those whose codestreams may be lossy even where the wavelet is reversible: the last bit-planes were left out."""


_FRAME_MARKERS: dict[int, Coding] = {
    0xC0: "jpeg",
    0xC1: "jpeg",
    0xC2: "jpeg",
    0xC3: "jpeg-lossless",
    0xF7: "jpeg-ls",
}
_NO_SEGMENTS = frozenset({0x00, 0x01, *range(0xC5, 0xCC), *range(0xCD, 0xDB)})
"""Markers that no length follows, and those of frames that are not read (ISO 10918-1 table B.1)."""
_SCAN, _FILL = 0xDA, 0xFF

_JPEG = b"\xff\xd8\xff"
JPEG_2000 = b"\xff\x4f\xff\x51"
_JP2 = b"\0\0\0\x0cjP  "
_HIGH_THROUGHPUT = 0x4000  # bit 14 of Rsiz: part 15 capabilities
_CODING_STYLE, _TILE_PART = 0xFF52, 0xFF90  # ISO 15444-1 A.6.1, A.4.2
_TILE_PART_HEAD = b"\xff\x90\0\x0a"
_MOST_TILES = 65535
_HOLE = bytes(16)  # what a broken copy leaves, where the file had its full size from the beginning
_END = b"\xff\xd9"  # EOI of JPEG, EOC of JPEG 2000


@dataclass(frozen=True)
class Codestream:
    """The frame header of a codestream."""

    coding: Coding
    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool = False
    names_colours: bool = False
    """True if a JFIF or Adobe segment says what the components are (JPEG)."""

    @property
    def is_image(self) -> bool:
        """True if it has pixels, of up to three samples; a JPEG that leaves the rows to a later marker has none."""
        return min(self.rows, self.columns, self.bits) > 0 and 1 <= self.samples <= 3

    @property
    def value_range(self) -> tuple[int, int]:
        """The least and the greatest value of its bits."""
        low = -(1 << (self.bits - 1)) if self.signed else 0
        return low, low + (1 << self.bits) - 1


def begins_codestream(data: bytes) -> bool:
    """True if `data` begins with the first marker of a JPEG, JPEG-LS or JPEG 2000 codestream."""
    return data.startswith((_JPEG, JPEG_2000, _JP2))


def read_codestream(data: bytes) -> Codestream:
    """Read the frame header of a codestream that is not boxed.

    Raises
    ------
    RejectedFile
        ``decode-failed`` if there is none.
    """
    try:
        return _read_jpeg(data) if data.startswith(_JPEG) else _read_jpeg_2000(data)
    except (struct.error, IndexError) as error:
        raise reject("decode-failed") from error


def unbox(data: bytes) -> bytes:
    """The codestream in a JP2 file, the first one that has a box (ISO 15444-1 I.4, I.5.4); others as they are.

    Decoders look for it in the boxes, and what looks like one elsewhere, in a comment, they pass over.
    """
    if not data.startswith(_JP2):
        return data
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, position)
        head = 8
        if length == 1 and position + 16 <= len(data):
            head, (length,) = 16, struct.unpack_from(">Q", data, position + 8)
        end = len(data) if length == 0 else position + length
        if kind == b"jp2c":
            return data[position + head : end]
        if end < position + head:
            break
        position = end
    raise reject("decode-failed")


def with_end(data: bytes) -> bytes:
    """The codestream with an end marker, which some lack: without it CharLS and OpenJPEG refuse it, or take seconds."""
    return data if _END in data[-3:] else data + _END


def without_padding(data: bytes) -> bytes:
    """The codestream without zeros, or half an end marker, before its end marker."""
    return data.removesuffix(_END).rstrip(b"\0").removesuffix(b"\xff") + _END


def _read_jpeg(data: bytes) -> Codestream:
    named = False
    for marker, start in _segments(data):
        if marker in _FRAME_MARKERS:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", data, start + 4)
            return Codestream(_FRAME_MARKERS[marker], rows, columns, samples, bits, names_colours=named)
        if marker in _NO_SEGMENTS:
            break
        named = named or data[start + 4 : start + 9] in {b"JFIF\0", b"Adobe"}
    raise reject("decode-failed")


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Each marker of a JPEG or JPEG-LS codestream behind the first, and where it is."""
    position = 2
    while True:
        marker, length = struct.unpack_from(">xBH", data, position)
        if marker == _FILL:
            position += 1
            continue
        if data[position] != 0xFF or length < 2:
            raise reject("decode-failed")
        yield marker, position
        position += 2 + length


def _read_jpeg_2000(data: bytes) -> Codestream:
    if not data.startswith(JPEG_2000):
        raise reject("decode-failed")
    capabilities, right, bottom, left, top = struct.unpack_from(">HLLLL", data, 6)
    samples, depth = struct.unpack_from(">HB", data, 40)
    coding: Coding = "htj2k" if capabilities & _HIGH_THROUGHPUT else "jpeg-2000"
    return Codestream(coding, bottom - top, right - left, samples, (depth & 0x7F) + 1, signed=bool(depth & 0x80))


def is_exact(data: bytes, stream: Codestream) -> bool:
    """Whether nothing in a decoded codestream can be off: of JPEG 2000, its last bit-planes may be missing even so."""
    if stream.coding == "jpeg-ls":  # NEAR in the header of its first scan (ISO 14495-1 C.2.3)
        start = next(start for marker, start in _segments(data) if marker == _SCAN)
        (length,) = struct.unpack_from(">H", data, start + 2)
        return bool(data[start + length - 1] == 0)
    if stream.coding in {"jpeg-2000", "htj2k"}:  # the wavelet, last of the fixed values of the coding style (A.6.1)
        return any(marker == _CODING_STYLE and data[start + 13] == 1 for marker, start in _main_header(data))
    return stream.coding == "jpeg-lossless"


def _main_header(data: bytes) -> Iterator[tuple[int, int]]:
    """Each marker of a JPEG 2000 codestream, and where it is, up to the first tile-part."""
    position, marker = 2, 0
    while marker != _TILE_PART:
        marker, length = struct.unpack_from(">HH", data, position)
        if marker < 0xFF00 or length < 2:
            raise reject("decode-failed")
        yield marker, position
        position += 2 + length


def complete_jpeg_2000(data: bytes) -> bytes:
    """The codestream with an end marker (EOC) behind its tile-parts, which are held against what it announces.

    Decoders differ in what they do where a tile-part is missing or cut short: some fill in without a word (A.4.2, B.3).

    Raises
    ------
    RejectedFile
        ``truncated`` where a tile-part reaches beyond the end or is missing, or where zeros stand in for the end.
    """
    try:
        end = _end_of_tile_parts(data)
    except struct.error:
        raise reject("truncated") from None
    return data if data.startswith(_END, end) else data[:end] + _END


def _end_of_tile_parts(data: bytes) -> int:
    right, bottom, _, _, width, height, left, top = struct.unpack_from(">8L", data, 8)
    tiles = -(-(right - left) // width) * -(-(bottom - top) // height) if width and height else 0
    if not 0 < tiles <= _MOST_TILES:
        raise reject("decode-failed")
    announced, found = dict.fromkeys(range(tiles), 1), Counter[int]()
    *_, (_, position) = _main_header(data)
    while data.startswith(_TILE_PART_HEAD, position):
        tile, length, _, parts = struct.unpack_from(">HLBB", data, position + 4)
        announced[tile] = max(announced.get(tile, 1), parts)
        found[tile] += 1
        position += length or _last_length(data, position)
    if position > len(data) or data.endswith(_HOLE) or any(found[tile] < parts for tile, parts in announced.items()):
        raise reject("truncated")
    return position


def _last_length(data: bytes, start: int) -> int:
    """The bytes of a tile-part that goes on to the end."""
    end = data.rfind(_END, max(start, len(data) - 3))
    return (len(data.removesuffix(b"\xff")) if end < 0 else end) - start
