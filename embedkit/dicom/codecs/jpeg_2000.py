"""JPEG 2000 (ISO 15444-1), by OpenJPEG: whole by imagecodecs, at a part of the size by Pillow.

Of lossless grey frames the lowest bit-planes may be left out (`bit_planes`). ``library`` decodes all of all frames.
"""

from __future__ import annotations

import io
from dataclasses import replace

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from embedkit.dicom.codecs.bit_planes import HEADROOM, drop_bit_planes, join_scales
from embedkit.dicom.codecs.choice import Codecs
from embedkit.dicom.codecs.codestreams import Codestream
from embedkit.dicom.codecs.wanted import Wanted
from embedkit.dicom.layout import to_stored_values

Array = NDArray[np.integer]

_FINEST_PLANES = 3
"""More planes that the finest wavelet level does without: its steps are then two of the grey that is shown."""
_ROUNDED_DOWN = 1.0
"""What dividing and the wavelet's own steps leave out on average, whatever the scale."""


def has_planes(stream: Codestream, codecs: Codecs) -> bool:
    """Whether the lowest bit-planes of the codestream may be left undecoded."""
    return codecs == "fast" and stream.coding == "jpeg-2000" and stream.samples == 1 and 8 < stream.bits <= 16


def decode(frame: bytes, stream: Codestream, wanted: Wanted) -> Array:
    """Decode to (rows, columns), rounded up where the size is reduced, or (rows, columns, samples)."""
    if wanted.planes:
        return _decode_upper_planes(frame, stream, wanted.reduction, wanted.planes)
    if wanted.codecs == "library":
        return np.asarray(imagecodecs.jpeg2k_decode(frame))
    return _decode_all_planes(frame, stream, wanted.reduction)


def _decode_upper_planes(frame: bytes, stream: Codestream, reduction: int, planes: int) -> Array:
    """Two scales joined, the finer one from still fewer planes; see `bit_planes`."""
    fine = _decode_lowered(frame, stream, reduction, planes + _FINEST_PLANES, finest_of=reduction)
    coarse = _decode_lowered(frame, stream, 2 * reduction, planes)
    values = np.clip(np.rint(join_scales(fine, coarse)), *stream.value_range)
    return np.asarray(values, np.int16 if stream.signed else np.uint16)


def _decode_lowered(
    codestream: bytes, stream: Codestream, reduction: int, planes: int, *, finest_of: int = 0
) -> NDArray[np.float32]:
    """Undo the division of the values, and that each step of the reversible wavelet rounds down."""
    upper = replace(stream, bits=stream.bits - planes + HEADROOM)
    decoded = _decode_all_planes(drop_bit_planes(codestream, planes, finest_of), upper, reduction)
    values = to_stored_values(decoded, upper.bits, signed=stream.signed).astype(np.float32)
    raised = 0 if stream.signed else (1 << upper.bits - 1) - (1 << upper.bits - 1 - HEADROOM)  # the middle of the greys
    return (values + np.float32(_ROUNDED_DOWN - raised)) * np.float32(1 << planes)


def _decode_all_planes(frame: bytes, stream: Codestream, reduction: int) -> Array:
    if reduction > 1 and stream.samples == 1 and stream.bits <= 16:
        return _decode_reduced(frame, stream, reduction)
    return np.asarray(imagecodecs.jpeg2k_decode(frame))


class _ReducedImage(Jpeg2KImageFile):
    """A JPEG 2000 image at 1 / 2 ** `halvings` of its size, rounded up (ISO 15444-1 B.5): Pillow rounds to the nearest.

    So it finds what is decoded too large by a line, and calls the data broken, unless the size is a multiple.
    """

    def __init__(self, frame: bytes, halvings: int) -> None:
        super().__init__(io.BytesIO(frame))
        self.reduce = halvings
        self._size = (-(-self.width >> halvings) << halvings, -(-self.height >> halvings) << halvings)


def _decode_reduced(frame: bytes, stream: Codestream, reduction: int) -> Array:
    """Pillow shifts values to the top of 8 or 16 bits, and makes signed ones positive: both are undone."""
    decoded: Array = np.asarray(_ReducedImage(frame, reduction.bit_length() - 1))
    decoded = decoded >> (8 * decoded.dtype.itemsize - stream.bits)
    low, _ = stream.value_range
    return (decoded.astype(np.int32) + low).astype(np.int16) if low else decoded
