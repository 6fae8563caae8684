"""What a compressed frame says of itself: its first markers decide the decoder, and bound it before it allocates.

JPEG, JPEG Lossless: ISO 10918-1 B.2.2; JPEG-LS: ISO 14495-1 C.2.2; JPEG 2000: ISO 15444-1 A.5.1; HTJ2K: ISO 15444-15.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from embedkit.dicom.reasons import reject

Coding = Literal["jpeg", "jpeg-lossless", "jpeg-ls", "jpeg-2000", "htj2k"]

_FRAME_MARKERS: dict[int, Coding] = {
    0xC0: "jpeg",
    0xC1: "jpeg",
    0xC2: "jpeg",
    0xC3: "jpeg-lossless",
    0xF7: "jpeg-ls",
}
_JPEG = b"\xff\xd8\xff"
JPEG_2000 = b"\xff\x4f\xff\x51"
_JP2 = b"\0\0\0\x0cjP  "
_HIGH_THROUGHPUT = 0x4000  # bit 14 of Rsiz: part 15 capabilities


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


def begins_codestream(data: bytes) -> bool:
    """True if `data` begins with the first marker of a JPEG, JPEG-LS or JPEG 2000 codestream."""
    return data.startswith((_JPEG, JPEG_2000, _JP2))


def read_codestream(data: bytes) -> Codestream:
    """Read the frame header.

    Raises
    ------
    RejectedFile
        ``decode-failed`` if there is none.
    """
    try:
        return _read_jpeg(data) if data.startswith(_JPEG) else _read_jpeg_2000(data)
    except (struct.error, IndexError) as error:
        raise reject("decode-failed") from error


def _read_jpeg(data: bytes) -> Codestream:
    position, named = 2, False
    while True:
        marker, length = struct.unpack_from(">xBH", data, position)
        if data[position] != 0xFF or marker == 0xDA:
            raise reject("decode-failed")
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker in _FRAME_MARKERS:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", data, position + 4)
            return Codestream(_FRAME_MARKERS[marker], rows, columns, samples, bits, names_colours=named)
        named = named or data[position + 4 : position + 9] in {b"JFIF\0", b"Adobe"}
        position += 2 + length


def _read_jpeg_2000(data: bytes) -> Codestream:
    start = data.find(JPEG_2000, 0, 4096)  # a JP2 file has boxes before it
    if start < 0:
        raise reject("decode-failed")
    capabilities, right, bottom, left, top = struct.unpack_from(">HLLLL", data, start + 6)
    samples, depth = struct.unpack_from(">HB", data, start + 40)
    coding: Coding = "htj2k" if capabilities & _HIGH_THROUGHPUT else "jpeg-2000"
    return Codestream(coding, bottom - top, right - left, samples, (depth & 0x7F) + 1, signed=bool(depth & 0x80))
