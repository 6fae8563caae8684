"""Streams that end too early, as broken downloads leave them: what is there is read, and what is missing is left out.

Decoders either refuse such a stream or fill the missing rows with mid-grey, which would count in the window and hide
the frame round a film. So nothing is filled in: what comes out is a picture of fewer rows.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.kinds import FileKind
from embedkit.dicom.reasons import reject

Array = NDArray[np.integer]

LEAST_SHARE = 0.5
"""Of a picture's rows, the share that must be there: less says too little of the whole."""

_END_OF_IMAGE, _START_OF_SCAN = b"\xff\xd9", b"\xff\xda"
_UNIT_ROWS = 16  # of a minimum coded unit, whose colours are halved
_ANY_BLOCKS = bytes(range(1, 255)) * 256
"""Data that is no marker, and codes something."""

_SIGNATURE_BYTES = 8
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_LENGTH, _COMPRESSION, _STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES = 257, 259, 273, 278, 279  # TIFF tags


def check_rows(present: int, declared: int) -> None:
    """Hold the rows that are there against those that should be.

    Raises
    ------
    RejectedFile
        ``truncated`` where most are missing.
    """
    if present < LEAST_SHARE * declared:
        raise reject("truncated")


def has_all_scans(jpeg: bytes) -> bool:
    """Whether a JPEG ends behind its last scan (ISO 10918-1 B.1.1.2): in a progressive one, scans add detail."""
    return jpeg.endswith(_END_OF_IMAGE) or jpeg.rfind(_END_OF_IMAGE) > jpeg.rfind(_START_OF_SCAN)


def decode_present_rows(
    jpeg: bytes, bits: int, decode: Callable[[bytes], Array | None], *, lossless: bool = False
) -> Array | None:
    """Decode a JPEG, lossless or not, to (rows, columns[, samples]), without the rows that its data does not reach.

    libjpeg makes those the middle of the grey scale, once there is an end to the stream. Where a picture ends so, or a
    lossless one had no end, more data is put in front of that end: what it changes was missing. `decode` may reduce,
    and gives None for what cannot be read.

    Raises
    ------
    RejectedFile
        ``truncated`` where most rows are missing.
    """
    has_end = jpeg.endswith((_END_OF_IMAGE, _END_OF_IMAGE + b"\0"))  # the byte of padding
    if not has_end:
        jpeg = jpeg.rstrip(b"\0").removesuffix(_END_OF_IMAGE).rstrip(b"\xff") + _END_OF_IMAGE
    decoded = decode(jpeg)
    is_suspect = lossless and not has_end
    if decoded is None or (not is_suspect and (decoded[-1, -1] != 1 << bits - 1).any()):
        return decoded
    exposed = np.flatnonzero((decoded[:, -1:] != 1 << bits - 1).reshape(len(decoded), -1).any(axis=1))
    continued = decode(jpeg[: jpeg.rfind(_END_OF_IMAGE)] + _ANY_BLOCKS + _END_OF_IMAGE)
    start = max(0, int(exposed[-1]) - _UNIT_ROWS) if len(exposed) else 0  # the last unit of them may be spoilt
    differs = continued is not None and (continued != decoded)[start:].reshape(len(decoded) - start, -1).any(axis=1)
    if not np.any(differs):
        return decoded
    present = start + int(np.argmax(differs))
    check_rows(present, len(decoded))
    return decoded[:present]


def shorten(content: bytes, kind: FileKind) -> bytes:
    """A PNG or TIFF that cannot be decoded as one of fewer rows, which can: those that its data reaches.

    Raises
    ------
    RejectedFile
        ``truncated`` where most rows are missing, ``decode-failed`` where it is something else.
    """
    try:
        return _shorten_png(content) if kind is FileKind.PNG else _shorten_tiff(content)
    except (KeyError, IndexError, ValueError, ZeroDivisionError, struct.error, zlib.error) as error:
        raise reject("decode-failed") from error


def _shorten_png(content: bytes) -> bytes:
    """Inflate what is there, and deflate whole lines of it again (ISO 15948 section 10); not of interlaced ones."""
    start, before, deflated = _SIGNATURE_BYTES, [], b""
    content = content.rstrip(b"\0")
    while start < len(content):
        (length,) = struct.unpack_from(">L", content, start)
        name, data = content[start + 4 : start + 8], content[start + 8 : start + 8 + length]
        start += 12 + length
        if name == b"IDAT":
            deflated += data
        elif not deflated:
            before.append((name, data))
    width, height, depth, colour, *_, interlaced = struct.unpack(">LLBBBBB", before[0][1])
    if interlaced:
        raise reject("decode-failed")
    line = 1 + (width * depth * _PNG_SAMPLES[colour] + 7) // 8
    lines = zlib.decompressobj().decompress(deflated.rstrip(b"\0"), line * height)
    rows = len(lines) // line
    check_rows(rows, height)
    before[0] = (b"IHDR", before[0][1][:4] + struct.pack(">L", rows) + before[0][1][8:])
    chunks = (*before, (b"IDAT", zlib.compress(lines[: rows * line], 1)), (b"IEND", b""))
    return content[:_SIGNATURE_BYTES] + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(data, zlib.crc32(name)))


def _shorten_tiff(content: bytes) -> bytes:
    """Lower ImageLength to the strips that are there (TIFF 6.0 section 8), or lines of one if it is not compressed."""
    order = "<" if content.startswith(b"II") else ">"
    places = _find_values(content, order)

    def read(tag: int) -> list[int]:
        return [int(struct.unpack_from(order + kind, content, place)[0]) for kind, place in places[tag]]

    (height,), offsets, sizes = read(_LENGTH), read(_STRIP_OFFSETS), read(_STRIP_BYTES)
    (strip_rows,) = read(_ROWS_PER_STRIP) if _ROWS_PER_STRIP in places else (height,)
    whole = [offset + size <= len(content) for offset, size in zip(offsets, sizes, strict=True)].index(False)
    rows, shortened = whole * strip_rows, bytearray(content)
    if read(_COMPRESSION) == [1]:
        line = sizes[whole] // min(strip_rows, height - rows)
        lines = max(0, len(content) - offsets[whole]) // line
        rows += lines
        struct.pack_into(
            order + places[_STRIP_BYTES][whole][0], shortened, places[_STRIP_BYTES][whole][1], lines * line
        )
    check_rows(rows, height)
    struct.pack_into(order + places[_LENGTH][0][0], shortened, places[_LENGTH][0][1], rows)
    return bytes(shortened)


def _find_values(content: bytes, order: str) -> dict[int, list[tuple[str, int]]]:
    """By tag, the format and place of each value of the first directory that is a short or long number."""
    (start,) = struct.unpack_from(order + "L", content, 4)
    (entries,) = struct.unpack_from(order + "H", content, start)
    places = {}
    for entry in range(start + 2, start + 2 + 12 * entries, 12):
        tag, kind, count = struct.unpack_from(order + "HHL", content, entry)
        if kind in {3, 4} and count < len(content):
            size = 2 if kind == 3 else 4
            first = entry + 8 if count * size <= 4 else struct.unpack_from(order + "L", content, entry + 8)[0]
            places[tag] = [("H" if kind == 3 else "L", first + size * number) for number in range(count)]
    return places
