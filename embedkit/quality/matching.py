"""Whether two pictures show the same exposure: by fine detail, once the one is laid on the other.

Two exposures of one joint have the same shape but not the same trabeculae and skin folds. The shift and turn are found
on thumbnails first. What detail these have tells two of three pairs that are no repeats, at 64 pixels nine of ten are
told; from there few steps are left at 128.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from embedkit.quality.fingerprints import INVERTED, Pose, turn
from embedkit.quality.pictures import THUMBNAIL, Pictures, shrink

Grey = npt.NDArray[np.float32]
FINE = 128
"""Pixels a side of what is compared in the end."""
_LEAST_AT_32, _LEAST_AT_64 = 0.5, 0.6
"""Of 1,175 repeats whose detail agrees by 0.82 in the end the least was 0.56 and 0.72; of 2,687 other candidates a
third and a tenth come so far."""
SAME_LOCAL_DETAIL = 0.72
"""Of `match_posed`. Of 6,023 real radiographs 132 pairs come so far, 116 of them neighbours in their archive; of the
other 16 two are doubtful by eye. From 0.62 to 0.72 lie 30 more of those, nearly all exposures of two limbs alike."""
_STEPS = (
    (THUMBNAIL, cv2.MOTION_EUCLIDEAN, 0.45),
    (FINE // 2, cv2.MOTION_AFFINE, 0.5),
    (FINE, cv2.MOTION_AFFINE, 0.0),
)
"""Pixels a side, the kind of motion, and how well detail has to agree to go on."""
_BLACK, _WHITE = 3, 252
_LEAST_STRENGTH, _LEAST_COMMON = 3.0, 0.03
_NO_MOTION = np.eye(2, 3, dtype=np.float32)
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-4)


def match_detail(first: Pictures, second: Pictures) -> float:
    """How well the fine detail of two pictures, uint8 (256, 256), agrees once one is laid on the other: -1..1.

    Measured: the same exposure after another window, a film border or a turn 0.92 or more, others of the same region
    0.75 or less.
    """
    motion = lay_thumbnail(shrink(first, THUMBNAIL), shrink(second, THUMBNAIL))
    return 0.0 if motion is None else match_laid(shrink(first, FINE), shrink(second, FINE), motion)


def lay_thumbnail(first: Pictures, second: Pictures) -> Grey | None:
    """The motion, float32 (2, 3), that lays the second thumbnail, uint8 (32, 32), on the first.

    None where what detail they have disagrees.
    """
    one, two = first.astype(np.float32), second.astype(np.float32)
    motion = _align(one, two, _NO_MOTION)
    return motion if _compare(one, two, motion, blur=1) >= _LEAST_AT_32 else None


def match_laid(first: Pictures, second: Pictures, motion: Grey) -> float:
    """`match_detail` of pictures shrunk to uint8 (128, 128), by the motion of their thumbnails."""
    half, other_half = (shrink(picture, FINE // 2).astype(np.float32) for picture in (first, second))
    if _compare(half, other_half, _enlarge(motion, FINE // 2 // THUMBNAIL), blur=2) < _LEAST_AT_64:
        return 0.0
    one, two = first.astype(np.float32), second.astype(np.float32)
    return _compare(one, two, _align(one, two, _enlarge(motion, FINE // THUMBNAIL)), blur=2)


def match_posed(first: Pictures, second: Pictures, pose: Pose) -> float:
    """How well the detail of two pictures shrunk to uint8 (128, 128) agrees where a fingerprint says how they lie.

    Detail is divided by its local strength, so that a contrast curve does not count, and what a window has driven to
    black or white is left out; the last motion is an affine one, so that a crop does not count. 0 where nothing agrees
    on the way.
    """
    other = np.ascontiguousarray(turn(second, pose))
    if pose & INVERTED:
        other = _invert(other)
    motion, agreement = _NO_MOTION, 0.0
    for side, model, least in _STEPS:
        one, two = shrink(first, side), shrink(other, side)
        if side > THUMBNAIL:
            motion = _enlarge(motion, 2)
        coarse = _LEAST_STRENGTH * (1 if side > THUMBNAIL else 3)
        motion = _align(_level(one, 3, coarse), _level(two, 3, coarse), motion, model)
        agreement = _compare_level(one, two, motion, blur=min(side // THUMBNAIL, 2))
        if agreement < least:
            return 0.0
    return agreement


def _invert(picture: Pictures) -> Pictures:
    """Invert what is not black surround."""
    lit = picture > _BLACK
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    inverted = np.zeros_like(picture)
    if len(rows):
        inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        inverted[inside] = 255 - picture[inside]
    return inverted


def _level(picture: Pictures, blur: float, least: float) -> Grey:
    """What a blur takes away, in units of its local strength."""
    grey = picture.astype(np.float32)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), blur)
    return np.asarray(detail / (np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 2 * blur)) + least), np.float32)


def _compare_level(one: Pictures, two: Pictures, motion: Grey, *, blur: float) -> float:
    """The correlation of levelled detail where neither picture is black or white, once the second is moved."""
    laid = np.asarray(cv2.warpAffine(two, motion, two.shape, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.uint8)
    shown = [((grey > _BLACK) & (grey < _WHITE)).astype(np.uint8) for grey in (one, laid)]
    common = cv2.erode(shown[0] & shown[1], np.ones((3, 3), dtype=np.uint8)) > 0
    if np.mean(common) < _LEAST_COMMON:
        return 0.0
    detail = [np.clip(_level(grey, blur, _LEAST_STRENGTH), -3, 3)[common] for grey in (one, laid)]
    return _correlate(*detail)


def _align(one: Grey, two: Grey, motion: Grey, model: int = cv2.MOTION_EUCLIDEAN) -> Grey:
    """The small shift and turn, or what `model` says, float32 (2, 3), that lays the second on the first (ECC).

    It is sought from `motion` on.

    Evangelidis and Psarakis, "Parametric image alignment using enhanced correlation coefficient maximization", 2008.
    """
    everywhere = np.full(one.shape, 255, dtype=np.uint8)
    try:
        found = cv2.findTransformECC(one, two, motion.copy(), model, _STOP, everywhere, 5)[1]
    except cv2.error:  # it did not converge: the two have no common shape
        return motion
    return np.asarray(found, dtype=np.float32)


def _enlarge(motion: Grey, factor: int) -> Grey:
    """The same motion at `factor` times as many pixels a side; 0 is the middle of the first pixel."""
    turn, middle = motion[:, :2], (factor - 1) / 2
    return np.column_stack([turn, factor * motion[:, 2] + middle - turn @ np.full(2, middle)]).astype(np.float32)


def _compare(one: Grey, two: Grey, motion: Grey, *, blur: float) -> float:
    """The correlation of what a blur of so many pixels takes away, once the second is moved."""
    laid = np.asarray(cv2.warpAffine(two, motion, two.shape, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.float32)
    common = cv2.erode(((one > 0) & (laid > 0)).astype(np.uint8), np.ones((5, 5), dtype=np.uint8)) > 0
    if np.mean(common) < 0.1:
        return 0.0
    return _correlate(_detail(one, blur)[common], _detail(laid, blur)[common])


def _detail(grey: Grey, blur: float) -> Grey:
    """What a blur takes away, strong edges (markers, the border of the film) cut down."""
    return np.asarray(np.clip(grey - cv2.GaussianBlur(grey, (0, 0), blur), -8, 8), dtype=np.float32)


def _correlate(one: Grey, two: Grey) -> float:
    a, b = one - one.mean(), two - two.mean()
    power = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / power if power > 1 else 0.0
