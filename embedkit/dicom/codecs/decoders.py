"""One compressed frame to an array: the fastest decoder for its codestream, and others where that one refuses.

The codestream decides, not the transfer syntax: files whose header names the wrong one of two JPEG processes are read
all the same. Where a codec can decode at reduced resolution for less, `reduction` asks for 1 / `reduction` of the size.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from embedkit.dicom.codecs import jpeg_lossless, jpeg_ls
from embedkit.dicom.codecs.bit_planes import HEADROOM, drop_bit_planes, join_scales
from embedkit.dicom.codecs.codestreams import Codestream, without_padding
from embedkit.dicom.cut_short import decode_present_rows
from embedkit.dicom.layout import PixelLayout, to_stored_values

Array = NDArray[np.integer]

_CV2_FLAGS = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_COMPILED = {"jpeg-lossless": jpeg_lossless.DECODER, "jpeg-ls": jpeg_ls.DECODER}
_FINEST_PLANES = 3
"""More planes that the finest wavelet level does without: its steps are then two of the grey that is shown."""
_ROUNDED_DOWN = 1.0
"""What dividing and the wavelet's own steps leave out on average, whatever the scale."""


def decode_codestream(frame: bytes, stream: Codestream, reduction: int, photometric: str, planes: int = 0) -> Array:
    """Decode with the first choice; a failure is any exception.

    Parameters
    ----------
    reduction : int
        A power of two up to 32, the most that the caller can use; what cannot be had cheaply is decoded whole.
    photometric : str
        Says what the colours of a JPEG are where the codestream does not.
    planes : int
        The lowest bit-planes, which the caller does not need; only where the codestream `has_planes`.

    Returns
    -------
    ndarray
        Integers (rows, columns) or, for colours that are left to the caller, (rows, columns, samples). Rows that are
        missing at the end of a stream are not filled in.
    """
    if stream.coding == "jpeg" and stream.bits == 8:
        return _decode_jpeg(frame, stream, reduction, photometric)
    if stream.coding in {"jpeg", "jpeg-lossless", "jpeg-ls"}:
        return _decode_at_full_size(frame, stream)
    if stream.coding == "htj2k" and stream.samples == 1 and 8 < stream.bits < 16:
        return _decode_htj2k(frame, stream, reduction)
    if planes:
        return _decode_upper_planes(frame, stream, reduction, planes)
    return _decode_jpeg_2000(frame, stream, reduction)


def has_planes(stream: Codestream) -> bool:
    """Whether the lowest bit-planes of the codestream may be left undecoded."""
    return stream.coding == "jpeg-2000" and stream.samples == 1 and 8 < stream.bits <= 16


def decode_slowly(frame: bytes, layout: PixelLayout, transfer_syntax: str) -> Array:
    """Decode with pydicom and whatever plugins are installed: what `decode_codestream` gives, never reduced."""
    options: dict[str, Any] = {
        "transfer_syntax_uid": UID(transfer_syntax),
        "rows": layout.rows,
        "columns": layout.columns,
        "samples_per_pixel": layout.samples,
        "planar_configuration": int(layout.planar),
        "number_of_frames": 1,
        "bits_allocated": layout.bits_allocated,
        "bits_stored": layout.bits_stored,
        "pixel_representation": int(layout.signed),
        "photometric_interpretation": layout.photometric,
        "pixel_keyword": "PixelData",
    }
    decoded, _ = get_decoder(transfer_syntax).as_array(encapsulate([frame]), raw=True, **options)
    return np.asarray(decoded)


def _decode_jpeg(frame: bytes, stream: Codestream, reduction: int, photometric: str) -> Array:
    """8-bit DCT. OpenCV gives the luminance of YCbCr, but takes unnamed components for YCbCr even if they are RGB."""
    flag = _CV2_FLAGS[min(8, reduction)] | cv2.IMREAD_IGNORE_ORIENTATION
    colours = stream.samples == 3 and photometric == "RGB" and not stream.names_colours

    def decode(jpeg: bytes) -> Array | None:
        if colours:
            return np.asarray(imagecodecs.jpeg8_decode(jpeg, colorspace="RGB", outcolorspace="RGB"))
        decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag)
        return None if decoded is None else decoded.astype(np.uint8, copy=False)

    present = decode_present_rows(frame, stream.bits, decode)
    if present is None:
        raise ValueError("not a JPEG that OpenCV can read")
    return present


def _decode_at_full_size(frame: bytes, stream: Codestream) -> Array:
    """JPEG-LS, lossless JPEG, and what has other than 8 bits: plain grey frames by a decoder of our own."""
    plain = _COMPILED[stream.coding].decode(frame, stream) if stream.coding in _COMPILED else None
    if plain is not None:
        return plain
    if stream.coding == "jpeg-ls":
        return _decode_jpeg_ls(frame, stream)
    lossless = stream.coding == "jpeg-lossless"
    return np.asarray(decode_present_rows(frame, stream.bits, imagecodecs.jpeg8_decode, lossless=lossless))


def _decode_jpeg_ls(frame: bytes, stream: Codestream) -> Array:
    """By CharLS, which lets nothing stand before the end marker that is no data, be it only a padding byte."""
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


def _decode_htj2k(frame: bytes, stream: Codestream, reduction: int) -> Array:
    """OpenJPH is twice as fast as OpenJPEG, but what overshoots wraps around: undone here, as 9 to 15 bits allow."""
    with _raised_after_all():
        wrapped = np.asarray(imagecodecs.htj2k_decode(frame, skipres=reduction.bit_length() - 1))
    low, high = _value_range(stream)
    return np.clip(wrapped.view(np.int16), low, high)


@contextmanager
def _raised_after_all() -> Iterator[None]:
    """Raise what imagecodecs tells `sys.unraisablehook` only: that a HTJ2K frame is damaged, and garbage from there."""
    unraised: list[object] = []
    hook, sys.unraisablehook = sys.unraisablehook, unraised.append
    try:
        yield
    finally:
        sys.unraisablehook = hook
    if unraised:
        raise ValueError("damaged HTJ2K")


def _decode_upper_planes(frame: bytes, stream: Codestream, reduction: int, planes: int) -> Array:
    """Two scales joined, the finer one from still fewer planes; see `bit_planes`."""
    fine = _decode_lowered(frame, stream, reduction, planes + _FINEST_PLANES, finest_of=reduction)
    coarse = _decode_lowered(frame, stream, 2 * reduction, planes)
    values = np.clip(np.rint(join_scales(fine, coarse)), *_value_range(stream))
    return np.asarray(values, np.int16 if stream.signed else np.uint16)


def _decode_lowered(
    codestream: bytes, stream: Codestream, reduction: int, planes: int, *, finest_of: int = 0
) -> NDArray[np.float32]:
    """Undo the division of the values, and that each step of the reversible wavelet rounds down."""
    upper = replace(stream, bits=stream.bits - planes + HEADROOM)
    decoded = _decode_jpeg_2000(drop_bit_planes(codestream, planes, finest_of), upper, reduction)
    values = to_stored_values(decoded, upper.bits, signed=stream.signed).astype(np.float32)
    raised = 0 if stream.signed else (1 << upper.bits - 1) - (1 << upper.bits - 1 - HEADROOM)  # the middle of the greys
    return (values + np.float32(_ROUNDED_DOWN - raised)) * np.float32(1 << planes)


def _decode_jpeg_2000(frame: bytes, stream: Codestream, reduction: int) -> Array:
    if reduction > 1 and stream.samples == 1 and stream.bits <= 16:
        return _decode_reduced_jpeg_2000(frame, stream, reduction)
    return np.asarray(imagecodecs.jpeg2k_decode(frame))


class _ReducedImage(Jpeg2KImageFile):
    """A JPEG 2000 image at 1 / 2 ** `halvings` of its size, rounded up (ISO 15444-1 B.5): Pillow rounds to the nearest.

    So it finds what is decoded too large by a line, and calls the data broken, unless the size is a multiple.
    """

    def __init__(self, frame: bytes, halvings: int) -> None:
        super().__init__(io.BytesIO(frame))
        self.reduce = halvings
        self._size = (-(-self.width >> halvings) << halvings, -(-self.height >> halvings) << halvings)


def _decode_reduced_jpeg_2000(frame: bytes, stream: Codestream, reduction: int) -> Array:
    """Pillow shifts values to the top of 8 or 16 bits, and makes signed ones positive: both are undone."""
    decoded: Array = np.asarray(_ReducedImage(frame, reduction.bit_length() - 1))
    decoded = decoded >> (8 * decoded.dtype.itemsize - stream.bits)
    low, _ = _value_range(stream)
    return (decoded.astype(np.int32) + low).astype(np.int16) if low else decoded


def _value_range(stream: Codestream) -> tuple[int, int]:
    low = -(1 << (stream.bits - 1)) if stream.signed else 0
    return low, low + (1 << stream.bits) - 1
