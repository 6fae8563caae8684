"""Which grey scale transformation a header asks for: Modality LUT, VOI LUT, windows, polarity, padding, pixel shape."""

from __future__ import annotations

import re

import numpy as np
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian

from embedkit.dicom.grey import Floats, LookUpTable, Presentation, Window
from embedkit.dicom.header import Header, value_of
from embedkit.dicom.layout import PixelLayout

_X_RAY_MOVIES = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.12\.[123](\.1)?")
"""The SOP classes of X-ray angiography and radiofluoroscopy, enhanced ones and the retired biplane one among them."""
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")
_LEAST_ASPECT = 0.01
_FUNCTIONS = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})


def read_presentation(header: Header, layout: PixelLayout) -> Presentation:
    """Read what PS3.3 C.11.1, C.11.2 and C.11.6 define; damaged parts are taken as absent.

    Colours were turned into grey already, and are shown over their full range.
    """
    if layout.photometric == "PALETTE COLOR" or layout.samples > 1:
        bits = 8 if layout.photometric == "PALETTE COLOR" else layout.bits_stored
        return Presentation(windows=(Window((1 << bits) / 2, 1 << bits),))
    shape = header.text("PresentationLUTShape")
    is_displayed = _displays_modality_values(header)
    (slope,) = (is_displayed and header.numbers("RescaleSlope")[:1]) or (1.0,)
    (intercept,) = (is_displayed and header.numbers("RescaleIntercept")[:1]) or (0.0,)
    modality_items = header.items("ModalityLUTSequence") if is_displayed else []
    modality_luts = _look_up_tables(modality_items, header, signed=layout.signed)
    signed_values = not modality_luts and (layout.signed or intercept < 0)
    return Presentation(
        slope=slope or 1.0,
        intercept=intercept,
        modality_lut=modality_luts[0] if modality_luts else None,
        voi_luts=_look_up_tables(header.items("VOILUTSequence"), header, signed=signed_values),
        windows=_windows(header),
        inverted=layout.photometric == "MONOCHROME1" or shape == "INVERSE",
        padding=_padding(header, layout),
    )


def pixel_aspect(header: Header) -> float:
    """Height of a pixel over its width, 1/8 to 8; 1 where the header is silent, or says it within a hundredth.

    Each attribute is vertical, then horizontal (PS3.3 10.7.1.1, C.7.6.3.1.7). Pixel Aspect Ratio is for images without
    a spacing (C.7.6.3), so a spacing goes first.
    """
    for keyword in _SPACINGS:
        ratio = header.numbers(keyword)
        if len(ratio) == 2 and min(ratio) > 0:
            aspect = min(max(ratio[0] / ratio[1], 1 / 8), 8.0)
            return aspect if abs(aspect - 1) > _LEAST_ASPECT else 1.0
    return 1.0


def _displays_modality_values(header: Header) -> bool:
    """Whether the Modality LUT or rescale is a step of display: not in X-ray angiography and radiofluoroscopy.

    There it leads back to values linear to the X-ray intensity, and the windows are of the stored ones (PS3.3
    C.8.7.1.1.2, PS3.4 N.2.5; viewers such as Cornerstone and Weasis do the same).
    """
    is_movie = _X_RAY_MOVIES.fullmatch(header.uid("SOPClassUID"))
    return not is_movie and header.text("Modality").upper() not in {"XA", "RF", "XRF"}


def _windows(header: Header) -> tuple[Window, ...]:
    function = header.text("VOILUTFunction").upper()
    function = function if function in _FUNCTIONS else "LINEAR"
    pairs = zip(header.numbers_or_nan("WindowCenter"), header.numbers_or_nan("WindowWidth"), strict=False)
    return tuple(Window(center, width, function) for center, width in pairs)


def _look_up_tables(items: list[Dataset], header: Header, *, signed: bool) -> tuple[LookUpTable, ...]:
    big_endian = header.transfer_syntax == ExplicitVRBigEndian
    tables = (_look_up_table(item, signed=signed, big_endian=big_endian) for item in items)
    return tuple(table for table in tables if table is not None)


def _look_up_table(item: Dataset, *, signed: bool, big_endian: bool) -> LookUpTable | None:
    """One item of a Modality or VOI LUT Sequence (PS3.3 C.11.1.1.1): number of entries, first input, bits."""
    descriptor = value_of(item, "LUTDescriptor")
    if not isinstance(descriptor, list) or len(descriptor) != 3:
        return None
    count, first, _ = (int(number) & 0xFFFF for number in descriptor)
    entries = _entries(value_of(item, "LUTData"), count or 1 << 16, big_endian=big_endian)
    if entries is None:
        return None
    return LookUpTable(first - (1 << 16) if signed and first >= 1 << 15 else first, entries)


def _entries(data: object, count: int, *, big_endian: bool) -> Floats | None:
    """LUT Data as numbers: 16-bit values, or a byte each where there are only that many bytes."""
    if isinstance(data, list):  # values of VR US, in the order of this machine
        data, big_endian = np.array(data, np.int64).astype("<u2").tobytes(), False
    if not isinstance(data, bytes) or len(data) < count:
        return None
    word = ">u2" if big_endian else "<u2"
    return np.frombuffer(data, np.uint8 if len(data) < 2 * count else word, count).astype(np.float64)


def _padding(header: Header, layout: PixelLayout) -> tuple[int, int] | None:
    """The range of Pixel Padding Value and Pixel Padding Range Limit, as stored values (PS3.3 C.7.5.1.1.2)."""
    first = header.numbers("PixelPaddingValue")[:1]
    if not first:
        return None
    limit = header.numbers("PixelPaddingRangeLimit")[:1] or first
    bounds = sorted(_as_stored(int(value), layout) for value in (*first, *limit))
    return bounds[0], bounds[1]


def _as_stored(value: int, layout: PixelLayout) -> int:
    """What the pixel becomes that holds this value: of its bits, those that are stored, with the sign of the pixels.

    US and SS are mixed up in the field, and padding may use bits above those stored, which are lost.
    """
    bits = min(16, layout.bits_stored)
    value &= (1 << bits) - 1
    return value - (1 << bits) if layout.signed and value >> bits - 1 else value
