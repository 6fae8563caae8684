"""The Image Pixel module of a header (PS3.3 C.7.6.3), checked against the limits before anything is allocated."""

from __future__ import annotations

from embedkit.dicom.header import Header
from embedkit.dicom.layout import PixelLayout
from embedkit.dicom.photometric import read_photometric
from embedkit.reasons import reject

_UNREAD = frozenset({"HSV", "ARGB", "CMYK"})


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
