"""Negatives: how the picture of an inverted copy is framed.

`trim_frame` takes the white surround of a negative for the frame of a film and cuts it off, where it leaves the
black surround of the original as it is. So the stored picture of an inverted copy shows less of the plate, and larger.
To compare the two, the original's picture is inverted and framed in the same way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embedkit.image.border import BLACK_FRAME, trim_frame
from embedkit.image.picture import fit_on_square


def frame_negative(picture: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the picture, uint8 (256, 256), that an inverted copy of the plate of `picture` has.

    None where it is only this one inverted, as nothing of it is cut off.
    """
    lit = picture > BLACK_FRAME
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    if not len(rows):
        return None
    inverse = 255 - picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    framed = trim_frame(inverse)
    return None if framed.shape == inverse.shape or not framed.size else fit_on_square(framed)
