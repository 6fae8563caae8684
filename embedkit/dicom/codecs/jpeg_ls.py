"""JPEG-LS (ISO 14495-1): by a decoder of our own that takes little over half of CharLS's time, or by CharLS.

Ours is compiled (`compiled`, `jpeg_ls_kernel`), and for lossless frames. Whatever is out of the ordinary (colours,
near-lossless, restarts, damage) is CharLS's, and so is all of ``library``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from types import ModuleType

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.codecs.codestreams import Codestream, without_padding
from embedkit.dicom.codecs.compiled import CompiledDecoder, unstuff
from embedkit.dicom.codecs.wanted import Wanted

_FRAME_HEADER, _PRESETS, _SCAN, _COMMENT, _FILL = 0xFFF7, 0xFFF8, 0xFFDA, 0xFFFE, 0xFFFF  # C.1
_APPLICATIONS = range(0xFFE0, 0xFFF0)
_RUN_ORDERS = np.array([*np.repeat(range(4), 4), *np.repeat(range(4, 8), 2), *range(8, 16)], np.int64)  # J of A.2.1
_LEAST = b"\xff\xd9"  # a scan without a bit


@dataclass(frozen=True)
class Scan:
    """What the markers before a scan say."""

    rows: int
    columns: int
    depth: int
    thresholds: tuple[int, int, int]
    start: int
    """The first byte of the scan's bits."""


def decode(frame: bytes, stream: Codestream, wanted: Wanted) -> NDArray[np.integer]:
    """Decode whole: plain grey frames by our own decoder, if `wanted` lets it."""
    plain = DECODER.decode(frame, stream) if wanted.codecs == "fast" else None
    return _decode_by_charls(frame, stream) if plain is None else plain


def _decode_by_charls(frame: bytes, stream: Codestream) -> NDArray[np.integer]:
    """CharLS lets nothing stand before the end marker that is no data, be it only a padding byte."""
    try:
        decoded = np.asarray(imagecodecs.jpegls_decode(frame))
    except imagecodecs.JpeglsError:
        decoded = np.asarray(imagecodecs.jpegls_decode(without_padding(frame)))
    planar = decoded.shape == (stream.samples, stream.rows, stream.columns)
    interleaved = decoded.shape == (
        stream.rows,
        stream.columns,
        stream.samples,
    )  # by new releases of imagecodecs always
    return decoded.transpose(1, 2, 0) if planar and not interleaved else decoded


def read_scan(frame: bytes, stream: Codestream) -> Scan | None:
    """Read the markers (C.2); None where they ask for more than one plain lossless scan of one component."""
    white = (1 << stream.bits) - 1
    position, thresholds, headers = 2, default_thresholds(white), 0
    while position + 12 <= len(frame):
        marker, length = struct.unpack_from(">HH", frame, position)
        if marker == _FILL:
            position += 1
            continue
        if marker == _SCAN:
            # one component, no mapping table, NEAR = 0, no interleaving, no point transform (C.2.3)
            plain = (length, frame[position + 4], frame[position + 6 : position + 10]) == (8, 1, bytes(4))
            start = position + 2 + length
            return Scan(stream.rows, stream.columns, stream.bits, thresholds, start) if plain and headers == 1 else None
        if marker == _PRESETS:
            presets = _read_presets(frame[position + 2 : position + 2 + length], white)
            if not presets:
                return None
            thresholds = presets
        elif marker == _FRAME_HEADER:
            if frame[position + 9] != 1 or frame[position + 11] != 0x11:  # one component, not subsampled (C.2.2)
                return None
        elif marker != _COMMENT and marker not in _APPLICATIONS:
            return None
        headers += marker == _FRAME_HEADER
        position += 2 + length
    return None


def _read_presets(segment: bytes, white: int) -> tuple[int, int, int] | None:
    """The thresholds of preset coding parameters (C.2.4.1.1); None where something else is out of the ordinary."""
    if len(segment) != 13 or segment[2] != 1:
        return None
    most, *given, reset = struct.unpack_from(">5H", segment, 3)
    one, two, three = (value or default for value, default in zip(given, default_thresholds(white), strict=True))
    usual = most in {0, white} and reset in {0, 64} and 1 <= one <= two <= three <= white
    return (one, two, three) if usual else None


def default_thresholds(white: int) -> tuple[int, int, int]:
    """The gradients from which on a step is the second, third and fourth (C.2.4.1.1.1, for NEAR = 0)."""
    if white >= 128:
        factor = (min(white, 4095) + 128) // 256
        wanted = (factor + 2, 4 * factor + 3, 17 * factor + 4)
    else:
        factor = 256 // (white + 1)
        wanted = (max(2, 3 // factor), max(3, 7 // factor), max(4, 21 // factor))
    thresholds: list[int] = []
    for value in wanted:
        least = thresholds[-1] if thresholds else 1
        thresholds.append(value if least <= value <= white else least)
    return thresholds[0], thresholds[1], thresholds[2]


def decode_scan(kernel: ModuleType, frame: bytes, scan: Scan) -> NDArray[np.integer] | None:
    """Decode; None where the stream is none that an encoder writes."""
    stream, bits = unstuff(kernel, frame, scan.start, least=0x80, kept=7)  # A.1
    if bits < 0:
        return None
    span = 1 << scan.depth
    gradients = np.arange(-span, span + 1)
    steps = np.sign(gradients) * np.searchsorted((1, *scan.thresholds), np.abs(gradients), side="right")
    contexts = np.zeros((kernel.CONTEXTS + 2, 8), np.int32)
    contexts[:, kernel.A] = first = max(2, (span + 32) >> 6)  # A.2.1
    contexts[:, kernel.N] = 1
    contexts[:, kernel.K] = (first - 1).bit_length()
    padded = np.zeros((scan.rows + 1, scan.columns + 2), np.uint16)
    state = (steps.astype(np.int8), contexts.ravel(), _RUN_ORDERS, padded.ravel())
    if not kernel.decode(stream, bits, scan.depth, scan.columns, *state):
        return None
    pixels = padded[1:, 1:-1]
    return pixels.astype(np.uint8) if scan.depth <= 8 else pixels


def _load() -> ModuleType:
    from embedkit.dicom.codecs import jpeg_ls_kernel  # noqa: PLC0415 (numba is heavy)

    decode_scan(jpeg_ls_kernel, _LEAST, Scan(1, 1, 2, (1, 2, 3), 0))
    return jpeg_ls_kernel


DECODER = CompiledDecoder(read_scan, decode_scan, _load)
