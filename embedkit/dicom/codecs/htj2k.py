"""High-throughput JPEG 2000 (ISO 15444-15): by OpenJPH where its values can be had, else as JPEG 2000."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.codecs import jpeg_2000
from embedkit.dicom.codecs.codestreams import Codestream
from embedkit.dicom.codecs.wanted import Wanted

Array = NDArray[np.integer]


def decode(frame: bytes, stream: Codestream, wanted: Wanted) -> Array:
    """OpenJPH is twice as fast as OpenJPEG, but what overshoots wraps around: undone here, as 9 to 15 bits allow."""
    if stream.samples > 1 or not 8 < stream.bits < 16:
        return jpeg_2000.decode(frame, stream, wanted)
    with _raised_after_all():
        wrapped = np.asarray(imagecodecs.htj2k_decode(frame, skipres=wanted.reduction.bit_length() - 1))
    return np.clip(wrapped.view(np.int16), *stream.value_range)


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
