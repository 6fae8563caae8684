"""What pixel values mean (Photometric Interpretation, PS3.3 C.7.6.3.1.2) where headers spell or state it wrong.

How many samples a pixel has is seen in the pixel data; the name only counts as far as it fits them.
"""

from __future__ import annotations

import re
import struct

from embedkit.dicom.codecs.codestreams import Codestream, begins_codestream, read_codestream
from embedkit.dicom.encapsulation import ITEM
from embedkit.dicom.header import UNDEFINED_LENGTH, Header, PixelElement
from embedkit.errors import RejectedFile

_SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
    "HSV": 3,
    "ARGB": 4,
    "CMYK": 4,
}
"""Samples a pixel by defined term; the last three are retired, and not read."""

_SPELLINGS = {re.sub("[ _]", "", name): name for name in _SAMPLES} | {
    "MONOCHROME": "MONOCHROME2",
    "MONO": "MONOCHROME2",
    "MONO1": "MONOCHROME1",
    "MONO2": "MONOCHROME2",
    "GRAYSCALE": "MONOCHROME2",
    "GREYSCALE": "MONOCHROME2",
    "GRAY": "MONOCHROME2",
    "GREY": "MONOCHROME2",
    "PALETTE": "PALETTE COLOR",
    "PALETTECOLOUR": "PALETTE COLOR",
    "YBR": "YBR_FULL",
    "YCBCR": "YBR_FULL",
    "YBRPARTIAL422": "YBR_FULL_422",  # retired; files that still say so hold the full range of values
    "YBRPARTIAL420": "YBR_FULL_422",
    "YBRFULL420": "YBR_FULL_422",
}
_NOT_A_NAME = re.compile(r"[^A-Z0-9]")
_RLE_HEADER = 64  # bytes, behind which the first segment begins
_FIRST_BYTES = 1 << 16
"""Of a fragment: more than what stands in front of a codestream's frame header."""


def read_photometric(header: Header, *, pixels: int, bits_allocated: int) -> tuple[str, int]:
    """The defined term and the samples a pixel, of a header whose frames have so many `pixels` together.

    Names that nobody knows mean grey or RGB. Uncompressed data that is too long for a header without contradiction may
    have more frames than it says, and is left to whoever counts them.
    """
    samples = header.integer("SamplesPerPixel", 1)
    name = _SPELLINGS.get(_NOT_A_NAME.sub("", header.text("PhotometricInterpretation").upper()), "")
    fragment = _first_fragment(header.pixels)
    stream = _read_codestream(fragment)
    found = stream.samples if stream else _count_samples(header.pixels, fragment, pixels, bits_allocated)
    fits = _SAMPLES.get(name) == samples
    if found == 2 and (not fits or name == "YBR_FULL"):  # two pixels share two samples of chroma
        return "YBR_FULL_422", 3
    if name == "YBR_FULL_422" and found == 3 and not stream:
        return "YBR_FULL", 3
    is_certain = found in {1, 3} if fragment else found == 1 and header.integer("NumberOfFrames", 1) <= 1
    if fits and not is_certain:
        return name, samples
    found = found or samples
    if _SAMPLES.get(name) == found:
        return name, found
    if found == 1:
        return "MONOCHROME2", 1
    return ("YBR_FULL" if stream and stream.coding == "jpeg" else "RGB"), found


def contradicts_pixels(header: Header, photometric: str, samples: int) -> bool:
    """Whether the header says otherwise than what `read_photometric` found."""
    named = header.text("PhotometricInterpretation")
    return named != photometric or header.integer("SamplesPerPixel", 1) != samples


def _read_codestream(fragment: bytes) -> Codestream | None:
    """The frame header; None of what is uncompressed, RLE, or damaged."""
    if not begins_codestream(fragment):
        return None
    try:
        return read_codestream(fragment)
    except RejectedFile:
        return None


def _first_fragment(pixels: PixelElement | None) -> bytes:
    """The beginning of what follows the Basic Offset Table (PS3.5 A.4); b"" where nothing is encapsulated."""
    if pixels is None or bytes(pixels.value[:4]) != ITEM or len(pixels.value) < 8:
        return b""
    start = 16 + struct.unpack_from("<L", pixels.value, 4)[0]
    return bytes(pixels.value[start : start + _FIRST_BYTES])


def _count_samples(pixels: PixelElement | None, fragment: bytes, count: int, bits_allocated: int) -> int:
    """Samples for each of `count` pixels, uncompressed or in RLE (PS3.5 annex G: a segment a byte); 0 if unknown."""
    if pixels is None or (not fragment and pixels.length == UNDEFINED_LENGTH):
        return 0
    if fragment:
        segments, first = struct.unpack_from("<2L", fragment.ljust(8, b"\0"))
        return segments * 8 // max(8, bits_allocated) if first == _RLE_HEADER else 0
    samples, rest = divmod(8 * pixels.length, max(1, count * bits_allocated))
    return samples if rest <= 8 else 0  # the byte of padding
