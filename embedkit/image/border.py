"""The frame round an exposed film: bright where a scanner saw past the film, black where a collimator or a canvas is.

Only what is uniform along a whole side is cut away. Bright anatomy and air at the picture's edge stay.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

BRIGHT_FRAME = 220
"""Grey from which a pixel may belong to a bright frame: 235 to 255 in the field, less what compression does to it."""

BLACK_FRAME = 3
"""Grey up to which a pixel may belong to a black frame."""

DEEPEST = 0.4
"""Share of the picture that a frame may take from one side."""

SIDES = 4
"""Top, bottom, left, right: the order of everything that is told of each side."""


def frame_depths(frame: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """How many pixels deep the frame reaches into the picture, at every position along each side.

    Measured from the side inwards, from left to right or from top to bottom, and cut at `DEEPEST`.
    """
    depths = []
    for seen in (frame, frame[::-1], frame.T, frame.T[::-1]):
        depth = np.zeros(seen.shape[1], np.int64)
        framed = np.flatnonzero(seen[0])  # few or no positions of most radiographs
        band = seen[: deepest(seen.shape[0]), framed]
        depth[framed] = np.where(band.all(axis=0), len(band), np.argmin(band, axis=0))  # the first that is no frame
        depths.append(depth)
    return depths


def deepest(length: int) -> int:
    """Deepest frame, in pixels, of a picture that is `length` pixels long in that direction; at least 1."""
    return max(1, int(length * DEEPEST))


def trim_frame(grey: NDArray[np.uint8], depths: list[NDArray[np.int64]] | None = None) -> NDArray[np.uint8]:
    """Cut bright, then black frames off; `depths` are those of the bright one, where they are known already."""
    lengths = (grey.shape[0], grey.shape[0], grey.shape[1], grey.shape[1])
    depths = frame_depths(grey >= BRIGHT_FRAME) if depths is None else depths
    inner = _cut(grey, [_bright_margin(depth, n) for depth, n in zip(depths, lengths, strict=True)])
    black = cv2.inRange(inner, 0, BLACK_FRAME)
    rows, columns = (cv2.reduce(black, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel() / 255 for axis in (1, 0))
    return _cut(inner, [_black_margin(share) for share in (rows, rows[::-1], columns, columns[::-1])])


def _bright_margin(depth: NDArray[np.int64], length: int) -> int:
    """Pixels to cut where nine tenths of a side begin with a bright frame.

    An overexposed strip is seldom quite parallel to the side: it goes to three quarters of its depth, as long as that
    is hardly deeper than the depth it has almost everywhere.
    """
    ordered = np.sort(depth)
    everywhere, mostly = int(ordered[len(depth) // 10]), int(ordered[len(depth) * 3 // 4])
    margin = mostly if mostly - everywhere <= 0.06 * length else everywhere
    return margin + 1 if everywhere > 0 and margin < deepest(length) else 0  # one more: the film's own blurred edge


def _black_margin(share: NDArray[np.float64]) -> int:
    """Pixels to cut where rows are black and end at a step: half of the next row must be exposed.

    Air beside a limb is black too, but it gives way to the limb bit by bit.
    """
    margin = int(np.argmin(share[: deepest(len(share))] >= 0.995))
    ends_at_a_step = share[min(margin + 1, len(share) - 1)] <= 0.5
    return margin if ends_at_a_step else 0


def _cut(grey: NDArray[np.uint8], margins: list[int]) -> NDArray[np.uint8]:
    top, bottom, left, right = margins
    return grey[top : grey.shape[0] - bottom, left : grey.shape[1] - right]
