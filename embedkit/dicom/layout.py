"""How the pixels of a file are laid out (PS3.3 C.7.6.3), checked against the limits before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.header import Header
from embedkit.dicom.photometric import read_photometric
from embedkit.dicom.reasons import reject

_UNREAD = frozenset({"HSV", "ARGB", "CMYK"})


@dataclass(frozen=True)
class PixelLayout:
    """The attributes of the Image Pixel module that decoding needs, with the header's slips put right."""

    rows: int
    columns: int
    samples: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar: bool
    """True if each colour has a plane of its own."""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame; YBR_FULL_422 shares its two chroma samples between two pixels."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.bits_allocated // 8

    @property
    def shift(self) -> int:
        """The bits below the stored ones, where all that are allocated are there."""
        return self.high_bit + 1 - self.bits_stored

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Unsigned, little endian, of the allocated size."""
        return np.dtype(f"<u{self.bits_allocated // 8}")


def read_layout(header: Header, *, max_pixel_bytes: int, max_frames: int) -> PixelLayout:
    """Read the layout.

    Raises
    ------
    RejectedFile
        ``header-incomplete``, ``unsupported-pixels``, ``too-many-pixels`` or ``too-many-frames``.
    """
    rows, columns, frames = (header.integer(keyword) for keyword in ("Rows", "Columns", "NumberOfFrames"))
    allocated = header.integer("BitsAllocated")
    stored = header.integer("BitsStored", allocated)
    stored = stored if 0 < stored <= allocated else allocated
    high_bit = header.integer("HighBit", stored - 1)
    frames = max(1, frames)
    photometric, samples = read_photometric(header, pixels=rows * columns * frames, bits_allocated=allocated)
    layout = PixelLayout(
        rows=rows,
        columns=columns,
        samples=samples,
        frames=frames,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high_bit if stored - 1 <= high_bit < allocated else stored - 1,
        signed=header.integer("PixelRepresentation") == 1,
        photometric=photometric,
        planar=header.integer("PlanarConfiguration") == 1,
    )
    _check(layout, max_pixel_bytes, max_frames)
    return layout


def _check(layout: PixelLayout, max_pixel_bytes: int, max_frames: int) -> None:
    if layout.rows < 1 or layout.columns < 1 or layout.bits_allocated < 1:
        raise reject("header-incomplete")
    if layout.samples not in {1, 3} or layout.photometric in _UNREAD or layout.bits_allocated not in {8, 16, 32}:
        raise reject("unsupported-pixels")
    if layout.frames > max_frames:
        raise reject("too-many-frames")
    if layout.rows * layout.columns * layout.samples * layout.frames * layout.bits_allocated // 8 > max_pixel_bytes:
        raise reject("too-many-pixels")


def take_stored_values(
    raw: NDArray[np.integer], layout: PixelLayout, bits: int, *, overshoots: bool = False
) -> NDArray[np.integer]:
    """Take the stored bits of decoded pixels of any shape, whatever they were encoded in.

    Parameters
    ----------
    bits : int
        Of how many bits the decoded values are: those allocated, or the precision of a codestream. Where they do not
        reach to the high bit of the header, the lowest are the stored ones.
    overshoots : bool
        True where lossy coding may have left values a little beyond the stored bits: they become the greatest or least.
    """
    stored = min(layout.bits_stored, bits)
    shift = layout.shift if bits > layout.high_bit else 0
    if bits > stored and overshoots and not shift:
        raw = _clip_overshoot(raw, stored, signed=layout.signed)
    return to_stored_values(raw, stored, signed=layout.signed, shift=shift)


def _clip_overshoot(raw: NDArray[np.integer], bits: int, *, signed: bool) -> NDArray[np.integer]:
    """Clip values that lie up to an eighth of the range of `bits` bits beyond it; what lies farther is no overshoot."""
    values = raw.view(f"i{raw.dtype.itemsize}") if signed else raw
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    reach = 1 << max(0, bits - 3)
    clipped = np.where((values > high) & (values <= high + reach), values.dtype.type(high), values)
    return np.where((values < low) & (values >= low - reach), values.dtype.type(low), clipped) if signed else clipped


def to_stored_values(raw: NDArray[np.integer], bits: int, *, signed: bool, shift: int = 0) -> NDArray[np.integer]:
    """Take `bits` bits of each raw value, the lowest one at bit `shift`, and extend the sign if `signed`.

    The bits above may hold anything, overlays of old files among them (PS3.5 8.1.1). Works on any shape; gives the
    raw type with or without sign.
    """
    size = raw.dtype.itemsize
    unsigned = raw.view(f"u{size}") >> shift if shift else raw.view(f"u{size}")
    unused = 8 * size - bits
    if signed:
        values = unsigned.view(f"i{size}")
        return (values << unused) >> unused if unused else values
    if unused and int(unsigned.max()) >> bits:
        return unsigned & ((1 << bits) - 1)
    return unsigned
