"""What can be told from a picture alone: whether it can be read, and whether two show the same.

A blank plate is not blank once its values are stretched over the full range: it is noise. What sets an exposure
apart from noise is structure: averaged over blocks of 8 x 8 pixels, noise all but vanishes and anatomy stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from embedkit.quality.fusion import sigmoid

Pictures = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]
_AT_ONCE = 512
_BLOCK = 8
_THUMBNAIL = 16
_MARGIN = 4
"""Pixels cut off around the content, so that the edge of the plate does not count as structure."""


def score_unusable(pictures: Pictures) -> Numbers:
    """How sure it is that each picture, uint8 (N, 256, 256), cannot be read: float64 (N,), 0..1."""
    return np.array([max(_measure_faults(picture).values()) for picture in pictures], dtype=np.float64)


def name_fault(picture: Pictures) -> str:
    """Say in words what is wrong with a picture, uint8 (256, 256), that `score_unusable` holds to be unusable."""
    faults = _measure_faults(picture)
    return next((fault for fault, sure in faults.items() if sure > 0.5), max(faults, key=lambda fault: faults[fault]))


@dataclass(frozen=True)
class Survey:
    """What one look at N pictures leaves behind."""

    unusable: Numbers
    """float64 (N,): as `score_unusable`."""
    thumbnails: Pictures
    """uint8 (N, 16, 16)."""

    @property
    def shows_nothing(self) -> npt.NDArray[np.bool_]:
        """Which pictures are unusable, more likely than not, bool (N,)."""
        return np.asarray(self.unusable > 0.5)


def survey_pictures(
    count: int,
    read_pictures: Callable[[npt.NDArray[np.int64]], Pictures],
    on_progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Look at rows 0..count-1 once, read some hundred at a time by rows -> uint8 (n, 256, 256), on all cores.

    `on_progress` is told how many of how many have been looked at.
    """
    survey = Survey(np.zeros(count), np.zeros((count, _THUMBNAIL, _THUMBNAIL), np.uint8))

    def look(start: int) -> None:
        rows = np.arange(start, min(start + _AT_ONCE, count))
        pictures = read_pictures(rows)
        survey.unusable[rows] = score_unusable(pictures)
        for row, picture in zip(rows.tolist(), pictures, strict=True):
            survey.thumbnails[row] = cv2.resize(picture, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # decoding and OpenCV let go of the interpreter
        for part, _ in enumerate(pool.map(look, range(0, count, _AT_ONCE)), 1):
            if on_progress:
                on_progress(min(part * _AT_ONCE, count), count)
    return survey


def _measure_faults(picture: Pictures) -> dict[str, float]:
    """How sure each fault is, 0..1.

    The limits leave room to 4,236 real radiographs: their structure is 0.78 or more (blank plates with sensor noise
    0.15), contrast 12 or more, at most 3% of the pixels are white and 73% black, and detail is 0.18 to 1.07 of what is
    four times coarser, but for one (a blur of 3 pixels makes it 0.19 in the middle, quantum noise 1.2 and more).
    """
    content = _content(picture)
    if min(content.shape) < 4 * _BLOCK:
        return {"empty": 1.0}
    height, width = (side // _BLOCK * _BLOCK for side in content.shape)
    grey = content[:height, :width]
    contrast, fine = _deviation(grey), _fine_share(grey)
    blocks = cv2.resize(grey, (width // _BLOCK, height // _BLOCK), interpolation=cv2.INTER_AREA)
    signs = {
        "nothing but noise": (0.45 - _deviation(blocks) / max(contrast, 1e-6)) / 0.08,
        "blank": 4 - contrast,
        "over-exposed: white where anatomy should be": (float(np.mean(grey > 250)) - 0.15) / 0.03,
        "under-exposed: black where anatomy should be": (float(np.mean(grey < 5)) - 0.87) / 0.02,
        "under-exposed: noise drowns the detail": (fine - 1.4) / 0.05,
        "blurred: moved, or out of focus": (0.155 - fine) / 0.012,
    }
    return dict(zip(signs, sigmoid(np.array(list(signs.values()), dtype=np.float64)).tolist(), strict=True))


def _fine_share(grey: Pictures) -> float:
    """The deviation of what a blur of 1.5 pixels takes away, over that of the same four times coarser."""
    smooth = cv2.GaussianBlur(grey, (7, 7), 1.5)
    coarse = cv2.resize(smooth, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    here, there = (
        cv2.subtract(one, two, dtype=cv2.CV_16S)
        for one, two in ((grey, smooth), (coarse, cv2.GaussianBlur(coarse, (7, 7), 1.5)))
    )
    return _deviation(here) / max(_deviation(there), 1e-3)


def _deviation(values: npt.NDArray[Any]) -> float:
    return float(cv2.meanStdDev(values)[1].item())


def _content(picture: Pictures) -> Pictures:
    """The part of the picture that is not its black surround."""
    lit = picture > 12
    rows, columns = (np.flatnonzero(np.count_nonzero(lit, axis=axis) > 0.02 * lit.shape[axis]) for axis in (1, 0))
    if len(rows) == 0 or len(columns) == 0:
        return picture[:0, :0]
    return picture[rows[0] + _MARGIN : rows[-1] + 1 - _MARGIN, columns[0] + _MARGIN : columns[-1] + 1 - _MARGIN]


def match_detail(first: Pictures, second: Pictures) -> float:
    """How well the fine detail of two pictures, uint8 (256, 256), agrees once one is laid on the other: -1..1.

    Two exposures of one joint have the same shape but not the same trabeculae and skin folds. Measured: the same
    exposure after another window, a film border or a turn 0.92 or more, others of the same region 0.75 or less.
    """
    if _match_at(first, second, 64) < 0.6:
        return 0.0
    return _match_at(first, second, 128)


def _match_at(first: Pictures, second: Pictures, side: int) -> float:
    """The correlation of what a blur takes away, at `side` pixels, after the best small shift and turn (ECC).

    Evangelidis and Psarakis, "Parametric image alignment using enhanced correlation coefficient maximization", 2008.
    """
    one, two = (cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) for p in (first, second))
    everywhere = np.full(one.shape, 255, dtype=np.uint8)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
    try:
        _, motion = cv2.findTransformECC(
            one, two, np.eye(2, 3, dtype=np.float32), cv2.MOTION_EUCLIDEAN, stop, everywhere, 5
        )
    except cv2.error:  # it did not converge: the two have no common shape
        return 0.0
    laid = cv2.warpAffine(two, motion, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    common = cv2.erode(((one > 0) & (laid > 0)).astype(np.uint8), np.ones((5, 5), dtype=np.uint8)) > 0
    if np.mean(common) < 0.1:
        return 0.0
    return _correlation(_detail(one)[common], _detail(np.asarray(laid, dtype=np.float32))[common])


def _detail(grey: Grey) -> Grey:
    """What a blur of 2 pixels takes away, strong edges (markers, the border of the film) cut down."""
    return np.asarray(np.clip(grey - cv2.GaussianBlur(grey, (0, 0), 2), -8, 8), dtype=np.float32)


def _correlation(one: Grey, two: Grey) -> float:
    a, b = one - one.mean(), two - two.mean()
    power = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / power if power > 1 else 0.0
