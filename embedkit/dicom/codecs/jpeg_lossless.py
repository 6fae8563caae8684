"""JPEG Lossless (ITU-T T.81, process 14): by a decoder of our own that takes a third of libjpeg's time, or by libjpeg.

Ours is compiled (`compiled`, `jpeg_lossless_kernel`). Whatever is out of the ordinary (colours, restarts, a point
transform, damage) is libjpeg's, and so is all of ``library``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.codecs.codestreams import Codestream
from embedkit.dicom.codecs.compiled import CompiledDecoder, unstuff
from embedkit.dicom.codecs.missing_rows import decode_present_rows
from embedkit.dicom.codecs.wanted import Wanted

Integer = TypeVar("Integer", np.int32, np.int64)

_FRAME_HEADER, _TABLES, _SCAN, _COMMENT, _FILL = 0xFFC3, 0xFFC4, 0xFFDA, 0xFFFE, 0xFFFF  # table B.1
_APPLICATIONS = range(0xFFE0, 0xFFF0)
_MOST_SHORT = range(12, 17)
"""Bits that one look at the table of short codes may take: the fewer, the sooner it is in the cache."""
_ENOUGH_SHORT = 0.98
"""Of all codes."""


@dataclass(frozen=True)
class HuffmanTable:
    """Codes of differences (B.2.4.2, C.2)."""

    counts: bytes
    """How many codes have 1 to 16 bits."""
    sizes: bytes
    """Of each code, how many bits the difference has (SSSS)."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Bits of each code."""
        return np.repeat(np.arange(1, 17), np.frombuffer(self.counts, np.uint8))

    @property
    def extra(self) -> NDArray[np.int64]:
        """Bits that follow each code."""
        return _extra_bits(np.frombuffer(self.sizes, np.uint8).astype(np.int64))


@dataclass(frozen=True)
class Scan:
    """What the markers before a scan say."""

    rows: int
    columns: int
    depth: int
    selection: int
    """The predictor (table H.1)."""
    table: HuffmanTable
    start: int
    """The first byte of the scan's bits."""


def decode(frame: bytes, stream: Codestream, wanted: Wanted) -> NDArray[np.integer]:
    """Decode whole: plain grey frames by our own decoder, if `wanted` lets it."""
    plain = DECODER.decode(frame, stream) if wanted.codecs == "fast" else None
    if plain is None:
        return np.asarray(decode_present_rows(frame, stream.bits, imagecodecs.jpeg8_decode, lossless=True))
    return plain


def read_scan(frame: bytes, stream: Codestream) -> Scan | None:
    """Read the markers (B.2); None where they ask for more than one plain scan of one component."""
    position, component, tables = 2, -1, dict[int, HuffmanTable]()
    while position + 10 <= len(frame):
        marker, length = struct.unpack_from(">HH", frame, position)
        segment = frame[position + 4 : position + 2 + length]
        if marker == _FILL:
            position += 1
            continue
        if marker == _SCAN:
            selection, destination = _read_scan_header(segment, component)
            shape, table = (stream.rows, stream.columns, stream.bits), tables.get(destination)
            return Scan(*shape, selection, table, position + 2 + length) if selection and table else None
        if marker == _FRAME_HEADER and component < 0 and segment[5:6] + segment[7:] == b"\1\x11\0":
            component = segment[6]
        elif marker == _TABLES:
            try:
                tables.update(_read_tables(segment))
            except ValueError:
                return None
        elif marker != _COMMENT and marker not in _APPLICATIONS:
            return None
        position += 2 + length
    return None


def _read_scan_header(segment: bytes, component: int) -> tuple[int, int]:
    """The predictor of a scan and its table (B.2.3); predictor 0 where it is of others, or has a point transform."""
    plain = len(segment) == 6 and (segment[0], segment[1]) == (1, component) and segment[4:] == b"\0\0"
    return (segment[3], segment[2] >> 4) if plain and segment[3] <= 7 else (0, 0)


def _read_tables(segment: bytes) -> Iterator[tuple[int, HuffmanTable]]:
    """The tables of a segment, by their destination; those of AC coefficients, which no scan of this kind has, as well.

    Raises
    ------
    ValueError
        Where a table is cut off, has a code that is all ones (C.2), or a size that no difference has.
    """
    position = 0
    while position < len(segment):
        counts = segment[position + 1 : position + 17]
        sizes = segment[position + 17 : position + 17 + sum(counts)]
        span = sum(count << (15 - index) for index, count in enumerate(counts))
        if len(counts) != 16 or len(sizes) != sum(counts) or span >= 1 << 16 or max(sizes, default=0) > 16:
            raise ValueError("not a table of differences")
        yield segment[position], HuffmanTable(counts, sizes)
        position += 17 + len(sizes)


def decode_scan(kernel: ModuleType, frame: bytes, scan: Scan) -> NDArray[np.integer] | None:
    """Decode; None where the stream is none that an encoder writes."""
    stream, bits = unstuff(kernel, frame, scan.start, least=1, kept=0)  # F.1.2.3
    if not 0 < scan.rows * scan.columns <= bits:  # a pixel takes a bit at least
        return None
    codes, most = _list_codes(scan.table), _choose_most(scan.table)
    short = _list_short_codes(codes, most, kernel.LONG)
    pixels = np.empty((scan.rows, scan.columns), np.uint16)
    if not kernel.decode(stream, bits, codes, short, 64 - most, pixels.ravel()):
        return None
    kernel.predict(pixels, scan.selection, 1 << (scan.depth - 1))
    return pixels.astype(np.uint8) if scan.depth <= 8 else pixels


def _list_codes(table: HuffmanTable) -> NDArray[np.uint16]:
    """Of any 16 bits, the code that they begin with: its length + 32 * SSSS, or 0."""
    listed = np.zeros(1 << 16, np.uint16)
    spans = 1 << (16 - table.lengths)
    known = np.repeat(table.lengths + 32 * np.frombuffer(table.sizes, np.uint8).astype(np.int64), spans)
    listed[: known.size] = known
    return listed


def _choose_most(table: HuffmanTable) -> int:
    """How many bits to look at, so that most codes are short; those of n bits are 1 in 2 ** n."""
    for most in _MOST_SHORT:
        if np.sum(0.5 ** table.lengths[table.lengths + table.extra <= most]) >= _ENOUGH_SHORT:
            return most
    return _MOST_SHORT[-1]


def _extra_bits(sizes: NDArray[Integer]) -> NDArray[Integer]:
    """Bits that follow codes of these SSSS (table H.2: none after 16)."""
    return np.where(sizes == 16, sizes.dtype.type(0), sizes)


def _list_short_codes(codes: NDArray[np.uint16], most: int, long: int) -> NDArray[np.uint32]:
    """Of any `most` bits, the difference that they begin with: length + 65536 * difference, or `long`."""
    ahead = np.arange(1 << most, dtype=np.int32)
    code = codes[ahead << (16 - most)].astype(np.int32)
    size = code >> 5
    extra = _extra_bits(size)
    length = (code & 31) + extra
    short = (code > 0) & (length <= most)
    value = (ahead >> np.where(short, most - length, 0)) & ((1 << extra) - 1)
    value -= np.where(value < (1 << extra) >> 1, (1 << extra) - 1, 0)  # EXTEND, figure F.12
    value = np.where(size == 16, 32768, value & 0xFFFF)
    entries = (value << 16) | length
    return np.where(short, entries.astype(np.uint32), np.uint32(long))


def _load() -> ModuleType:
    from embedkit.dicom.codecs import jpeg_lossless_kernel  # noqa: PLC0415 (numba is heavy)

    one_pixel = Scan(1, 1, 2, 1, HuffmanTable(b"\1" + bytes(15), b"\0"), 0)
    decode_scan(jpeg_lossless_kernel, b"\x7f\xff\xd9", one_pixel)
    return jpeg_lossless_kernel


DECODER = CompiledDecoder(read_scan, decode_scan, _load)
