"""How the pixels of a file are laid out (PS3.3 C.7.6.3), and which bits of them are stored values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
