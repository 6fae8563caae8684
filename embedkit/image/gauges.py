"""Circular gauges in pictures: found with OpenCV, cut out, and kept as PNG files.

A gauge is the metal sphere or disc of known size that is laid beside the hip for surgical planning. What is found are
candidates: joints, screws and buttons are round, too, and a person chooses among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from embedkit.errors import UsageError

_RADII = (5, 26)
"""Pixels of a 256 px picture: gauges are 25 to 30 mm wide, on plates of 180 to 430 mm."""
_DIRECTIONS = 48
_LEAST_STEP = 24.0
"""Grey levels, of 255, by which a gauge is brighter than what surrounds it."""
_EDGE_ROOM = 1.08
"""A template's half side over the radius: the rim's own blur comes with it."""


@dataclass(frozen=True)
class GaugeCandidate:
    """A bright disc in a picture: centre and radius in pixels, and how clearly it stands out, 0 to 1."""

    x: float
    y: float
    radius: float
    score: float


def find_gauges(picture: NDArray[np.uint8]) -> list[GaugeCandidate]:
    """Find the bright, even discs of a picture, uint8 (256, 256), the clearest first; about 2 ms.

    Circles come from the Hough transform along gradients. One counts where its inside is even and brighter than its
    surroundings in nearly every direction; the score is the tenth percentile of that step, times the share of
    directions that show it.
    """
    smooth = np.asarray(cv2.GaussianBlur(picture, (3, 3), 0), np.uint8)
    circles = cv2.HoughCircles(smooth, cv2.HOUGH_GRADIENT_ALT, 1.5, 10, None, 120, 0.75, *_RADII)
    found = [] if circles is None else [_judge(smooth, *(float(v) for v in circle[:3])) for circle in circles[0]]
    return sorted((gauge for gauge in found if gauge.score > 0), key=lambda gauge: -gauge.score)


def cut_gauge(picture: NDArray[np.uint8], gauge: GaugeCandidate) -> NDArray[np.uint8]:
    """Cut a gauge out: grey and opacity, uint8 (S, S, 2); nothing of the picture beyond its rim is kept."""
    reach = gauge.radius * _EDGE_ROOM
    side = max(4, round(2 * reach))
    grey = cv2.getRectSubPix(picture, (side, side), (gauge.x, gauge.y))
    axis = np.arange(side) - (side - 1) / 2
    opacity = np.clip(reach - np.hypot(axis[:, None], axis[None, :]) + 0.5, 0, 1)
    return np.dstack([np.where(opacity > 0, grey, 0), np.round(255 * opacity)]).astype(np.uint8)


def encode_gauge(gauge: NDArray[np.uint8]) -> bytes:
    """PNG of a gauge, uint8 (S, S, 2); in colour, as OpenCV knows no grey with opacity."""
    grey, opacity = gauge[..., 0], gauge[..., 1]
    return cv2.imencode(".png", np.dstack([grey, grey, grey, opacity]))[1].tobytes()


def read_gauge(path: Path) -> NDArray[np.uint8]:
    """Read a gauge from its PNG, uint8 (S, S, 2); raises UsageError ``bad-gauge`` where the file is none."""
    image = cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4 or max(image.shape) > 256:
        raise UsageError("bad-gauge", f"{path}: it is no gauge, an 8-bit PNG with opacity of at most 256 px")
    side = max(image.shape[:2])
    square = np.zeros((side, side, 2), np.uint8)
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    square[top : top + image.shape[0], left : left + image.shape[1]] = image[..., [1, 3]]
    return square


def _judge(smooth: NDArray[np.uint8], x: float, y: float, radius: float) -> GaugeCandidate:
    """Score a circle by rays from its centre: inside, within and beyond the rim."""
    polar = cv2.warpPolar(smooth, (16, _DIRECTIONS), (x, y), 1.6 * radius, cv2.WARP_POLAR_LINEAR).astype(np.float32)
    inside, beyond = polar[:, 3:8], polar[:, 12:15]  # 0.3 to 0.8 and 1.2 to 1.5 of the radius
    step = inside.mean(axis=1) - beyond.mean(axis=1)
    share = float((step > _LEAST_STEP).mean())
    uneven = float(inside.mean(axis=1).std())
    if share < 0.9 or uneven > _LEAST_STEP / 2:
        return GaugeCandidate(x, y, radius, 0.0)
    return GaugeCandidate(x, y, radius, share * float(np.percentile(step, 10)) / 255)
