"""Colours to grey. A radiograph in colour is a secondary capture: its luminance is the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_color_lut

from embedkit.dicom.header import Header
from embedkit.reasons import reject

Array = NDArray[np.integer]


def colours_to_grey(colours: Array, photometric: str) -> Array:
    """Luminance (H, W) of (H, W, 3), 8 or 16 bit: the first sample of YBR_FULL, else R, G, B by ITU-R BT.601."""
    if photometric.startswith("YBR_FULL"):
        return np.ascontiguousarray(colours[:, :, 0])
    if colours.shape[2] != 3 or colours.dtype.itemsize > 2:
        raise reject("unsupported-pixels")
    grey = cv2.cvtColor(np.ascontiguousarray(colours), cv2.COLOR_RGB2GRAY)
    return grey.astype(colours.dtype, copy=False)


def palette_to_grey(indices: Array, header: Header) -> NDArray[np.uint8]:
    """8-bit luminance of palette indices (H, W) (PS3.3 C.7.6.3.1.5); the table is applied to each index once.

    Raises
    ------
    RejectedFile
        ``header-incomplete`` if the table is absent or damaged.
    """
    low, high = int(indices.min()), int(indices.max())
    try:
        present = np.arange(low, high + 1).astype(indices.dtype)[np.newaxis]
        colours = apply_color_lut(present, header.dataset)
    except MemoryError:
        raise
    except Exception as error:  # the table is part of the header: pydicom raises almost anything
        raise reject("header-incomplete") from error
    eight_bit = (colours >> 8 if colours.dtype.itemsize == 2 else colours).astype(np.uint8)
    table = colours_to_grey(eight_bit, "RGB")[0].astype(np.uint8)
    return np.take(table, indices.astype(np.int64) - low)
