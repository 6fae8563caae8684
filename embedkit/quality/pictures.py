"""What can be told from a picture alone: whether it shows anything, and whether two show the same.

A blank plate is not blank once its values are stretched over the full range: it is noise. What sets an exposure
apart from noise is structure: averaged over blocks of 8 x 8 pixels, noise all but vanishes and anatomy stays.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from embedkit.quality.fusion import sigmoid

Pictures = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]
_BLOCK = 8
_MARGIN = 4
"""Pixels cut off around the content, so that the edge of the plate does not count as structure."""
_SMALL = 64


def score_unusable(pictures: Pictures) -> Numbers:
    """How sure it is that each picture, uint8 (N, 256, 256), shows nothing: float64 (N,), 0..1.

    Measured on 4,236 real radiographs, structure is 0.78 or more and contrast 12 grey values or more; for blank
    plates with sensor noise structure is 0.15.
    """
    return np.array([_score_unusable(picture) for picture in pictures], dtype=np.float64)


def _score_unusable(picture: Pictures) -> float:
    content = _content(picture)
    if min(content.shape) < 4 * _BLOCK:
        return 1.0
    height, width = (side // _BLOCK * _BLOCK for side in content.shape)
    grey = content[:height, :width].astype(np.float64)
    blocks = grey.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).mean(axis=(1, 3))
    contrast = float(grey.std())
    structure = float(blocks.std()) / max(contrast, 1e-6)
    clipped = float(np.mean((grey < 4) | (grey > 251)))
    signs = np.array([(0.45 - structure) / 0.08, 4 - contrast, (clipped - 0.985) / 0.003])
    return float(sigmoid(signs).max())


def _content(picture: Pictures) -> Pictures:
    """The part of the picture that is not its black surround."""
    lit = picture > 12
    rows, columns = np.flatnonzero(lit.mean(axis=1) > 0.02), np.flatnonzero(lit.mean(axis=0) > 0.02)
    if len(rows) == 0 or len(columns) == 0:
        return picture[:0, :0]
    return picture[rows[0] + _MARGIN : rows[-1] + 1 - _MARGIN, columns[0] + _MARGIN : columns[-1] + 1 - _MARGIN]


def correlate(first: Pictures, second: Pictures) -> float:
    """The correlation of two pictures, uint8 (256, 256), at 64 pixels a side after the best small shift and turn.

    1 for the same exposure, also where window or contrast differ; 0 where there is nothing to compare.
    """
    one, two = (
        cv2.resize(p, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA).astype(np.float32) for p in (first, second)
    )
    plain = _correlation(one, two)
    if plain > 0.995 or one.std() < 2 or two.std() < 2:
        return plain
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    try:
        start, everywhere = np.eye(2, 3, dtype=np.float32), np.full(one.shape, 255, dtype=np.uint8)
        aligned, _ = cv2.findTransformECC(one, two, start, cv2.MOTION_EUCLIDEAN, stop, everywhere, 3)
    except cv2.error:  # it did not converge: the two have no common shape
        return plain
    return max(plain, float(aligned))


def _correlation(one: npt.NDArray[np.float32], two: npt.NDArray[np.float32]) -> float:
    a, b = one - one.mean(), two - two.mean()
    power = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / power if power > 1 else 0.0
