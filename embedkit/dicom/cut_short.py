"""PNG and TIFF files that end too early, as broken downloads leave them, made into files of fewer rows.

Decoders either refuse such a file or fill the missing rows with a grey, which would count in the window. So nothing is
filled in. Of JPEG, `codecs.missing_rows` does the same.
"""

from __future__ import annotations

import struct
import zlib

from embedkit.dicom.codecs.missing_rows import check_rows
from embedkit.dicom.kinds import FileKind
from embedkit.reasons import reject

_SIGNATURE_BYTES = 8
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_LENGTH, _COMPRESSION, _STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES = 257, 259, 273, 278, 279  # TIFF tags


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
