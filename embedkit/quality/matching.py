"""Whether two pictures show the same exposure: by fine detail, once the one is laid on the other.

Two exposures of one joint have the same shape but not the same trabeculae and skin folds. The shift and turn are found
on thumbnails first. What detail these have tells two of three pairs that are no repeats, at 64 pixels nine of ten are
told; from there few steps are left at 128.
"""

from __future__ import annotations

from dataclasses import dataclass

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
"""Of `match_posed`. Of 6,023 real radiographs 144 pairs come so far, 127 of them neighbours in their archive; of the
other 17 three are doubtful by eye. Below, from 0.65 on, lie 20 more of those, nearly all exposures of two limbs
alike."""
_BLACK, _WHITE = 3, 252
_LEAST_STRENGTH, _LEAST_COMMON, _LEAST_SHOWN = 3.0, 0.03, 0.1
_LEAST_POSED_AT_32, _LEAST_POSED_AT_64 = 0.65, 0.7
"""Of 1,351 repeats of 123 images and 11 kinds 10 are lost that agree in the end; most other candidates end here."""
_PLAIN = 0.9
"""So well only repeats agree: no other way of comparing is tried."""
_OUTLINES = 0.08
_LITTLE = 1e-3
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

    Detail is divided by its local strength, so that a contrast curve does not count, and the last motion is an affine
    one, so that a crop does not count. 0 where nothing agrees on the way.
    """
    other = np.ascontiguousarray(turn(second, pose))
    if pose & INVERTED:
        other = _invert(other)
    motion, kind, strength = _NO_MOTION, cv2.MOTION_EUCLIDEAN, 3 * _LEAST_STRENGTH
    for side, least in ((THUMBNAIL, _LEAST_POSED_AT_32), (FINE // 2, _LEAST_POSED_AT_64)):
        one, two = shrink(first, side), shrink(other, side)
        motion = _align_levelled(one, two, motion, kind, strength=strength)
        if _agree(one, two, motion, blur=side // THUMBNAIL) < least:
            return 0.0
        motion, kind, strength = _enlarge(motion, 2), cv2.MOTION_AFFINE, _LEAST_STRENGTH
    one, two = shrink(first, FINE), shrink(other, FINE)
    agreement = _agree(one, two, _align_levelled(one, two, motion, kind), blur=2)
    if agreement >= _PLAIN:
        return agreement
    # The outline of what a window has driven to white leads a motion that the grey parts alone cannot find, and
    # misleads where it lies elsewhere in the other picture.
    by_grey = _align_levelled(one, two, motion, kind, grey_only=True)
    return max(agreement, _agree(one, two, by_grey, blur=2))


def _align_levelled(
    one: Pictures,
    two: Pictures,
    motion: Grey,
    model: int,
    *,
    strength: float = _LEAST_STRENGTH,
    grey_only: bool = False,
) -> Grey:
    first, second = (
        _level(
            picture.astype(np.float32), _weigh(_find_grey(picture) if grey_only else np.ones_like(picture), 3), strength
        )
        for picture in (one, two)
    )
    return _align(first, second, motion, model)


def _invert(picture: Pictures) -> Pictures:
    """Invert what is not black surround."""
    lit = picture > _BLACK
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    inverted = np.zeros_like(picture)
    if len(rows):
        inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        inverted[inside] = 255 - picture[inside]
    return inverted


def _find_grey(picture: Pictures) -> Pictures:
    """1 where a picture is neither black nor white, else 0."""
    return np.asarray((picture > _BLACK) & (picture < _WHITE), np.uint8)


@dataclass(frozen=True)
class _Weights:
    """What is known of a picture, 1 or 0, and what share of it a blur of `blur` pixels sees, and one of twice that."""

    known: Grey
    blur: float
    seen: Grey
    seen_twice: Grey


def _weigh(known: Pictures, blur: float) -> _Weights:
    weight = known.astype(np.float32)
    seen, twice = (np.maximum(_smooth(weight, times * blur), _LITTLE) for times in (1, 2))
    return _Weights(weight, blur, seen, twice)


def _level(grey: Grey, weights: _Weights, strength: float) -> Grey:
    """What a blur takes away of what is known, in units of its local strength and one more; 0 elsewhere.

    Knutsson and Westin, "Normalized and differential convolution", 1993.
    """
    detail = (grey - _smooth(grey * weights.known, weights.blur) / weights.seen) * weights.known
    power = _smooth(detail * detail, 2 * weights.blur) / weights.seen_twice
    return np.asarray(detail / (np.sqrt(power) + strength), np.float32)


def _smooth(grey: Grey, blur: float) -> Grey:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), blur), np.float32)


def _agree(one: Pictures, two: Pictures, motion: Grey, *, blur: float) -> float:
    """The correlation of levelled detail, once the second is moved: where both are grey, or all over.

    All over, the one that shows more is first seen through the grey map that brings it nearest to the other, so that
    what a window has cut off agrees with what it was cut from. Two exposures of limbs alike agree by their outlines
    there, and have to by `_OUTLINES` more.
    """
    first, second = one.astype(np.float32), _move(two, motion)
    grey_too = _find_grey(one), (_move(_find_grey(two), motion) > 1 - _LITTLE).astype(np.uint8)
    both, agreement = grey_too[0] & grey_too[1], 0.0
    if both.mean() >= _LEAST_COMMON:
        agreement = _correlate_levelled(first, second, _weigh(both, blur))
        if agreement >= _PLAIN:
            return agreement
    lit = cv2.dilate(np.asarray((first > _BLACK) | (second > _BLACK), np.uint8), np.ones((5, 5), np.uint8)) > 0
    shown = lit & (_move(np.ones_like(one), motion) > 1 - _LITTLE)
    if shown.mean() < _LEAST_SHOWN:
        return agreement
    more, less = (first, second) if grey_too[0].sum() > grey_too[1].sum() else (second, first)
    mapped = _map_grey(more, less, shown)
    return max(agreement, _correlate_levelled(mapped, less, _weigh(shown.astype(np.uint8), blur)) - _OUTLINES)


def _correlate_levelled(one: Grey, two: Grey, weights: _Weights) -> float:
    levels = [np.clip(_level(grey, weights, _LEAST_STRENGTH), -3, 3)[weights.known > 0] for grey in (one, two)]
    return _correlate(*levels)


def _map_grey(grey: Grey, other: Grey, shown: npt.NDArray[np.bool_]) -> Grey:
    """A picture through the mean of another one at each of its grey values, in steps of 4."""
    step = grey[shown].astype(np.int64) // 4
    count, total = np.bincount(step, minlength=64), np.bincount(step, other[shown], minlength=64)
    met = np.flatnonzero(count)
    return np.interp(grey / 4 - 0.375, met, total[met] / count[met]).astype(np.float32)


def _move(picture: Pictures, motion: Grey) -> Grey:
    grey = picture.astype(np.float32)
    moved = cv2.warpAffine(grey, motion, grey.shape, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(moved, np.float32)


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
