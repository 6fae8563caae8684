"""JPEG by the cosine transform: baseline, extended and progressive (ISO 10918-1), of 8 bits or 12.

8 bits are OpenCV's, which decodes at a part of the size for less; all else, and all of ``library``, is imagecodecs'.
Both are libjpeg-turbo.
"""

from __future__ import annotations

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.codecs.codestreams import Codestream
from embedkit.dicom.codecs.missing_rows import decode_present_rows
from embedkit.dicom.codecs.wanted import Wanted

Array = NDArray[np.integer]

_CV2_FLAGS = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def decode(frame: bytes, stream: Codestream, wanted: Wanted) -> Array:
    """Decode to grey; to colours where they are RGB and the codestream does not say it."""
    if stream.bits != 8:
        return np.asarray(decode_present_rows(frame, stream.bits, imagecodecs.jpeg8_decode))
    colours = stream.samples == 3 and wanted.photometric == "RGB" and not stream.names_colours
    flag = _CV2_FLAGS[min(8, wanted.reduction)] | cv2.IMREAD_IGNORE_ORIENTATION

    def decode_frame(jpeg: bytes) -> Array | None:
        if colours:  # libjpeg takes unnamed components for YCbCr even if they are RGB
            return np.asarray(imagecodecs.jpeg8_decode(jpeg, colorspace="RGB", outcolorspace="RGB"))
        if wanted.codecs == "library":
            return np.asarray(imagecodecs.jpeg8_decode(jpeg, outcolorspace="GRAYSCALE"))
        decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag)
        return None if decoded is None else decoded.astype(np.uint8, copy=False)

    present = decode_present_rows(frame, stream.bits, decode_frame)
    if present is None:
        raise ValueError("not a JPEG that OpenCV can read")
    return present
