"""Synthetic radiographs of the fourteen regions: bones with cortical edges in soft tissue, no two alike.

>>> import numpy as np
>>> draw_radiograph("knee", np.random.default_rng(0)).dtype
dtype('uint8')
"""

from __future__ import annotations

from math import cos, radians, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from embedkit.demo.anatomy import REGIONS
from embedkit.demo.shapes import Shape

Grey = NDArray[np.uint8]
_SHIFT = 4  # cv2 draws in sixteenths of a pixel


def draw_radiograph(region: str, rng: np.random.Generator, side: int = 400) -> Grey:
    """One radiograph of a region of `REGIONS`: uint8 (H, W), bright bone, `side` px on the longer side.

    Pose, size, build, exposure, collimation and noise are drawn from `rng`.
    """
    anatomy = REGIONS[region]
    short = round(side * rng.uniform(0.78, 0.95))
    size = (side, short) if rng.random() < 0.8 else (short, side)
    pose = _Pose(rng, size)
    tissue = _tissue(anatomy.tissue, pose, size)
    bone = np.zeros(size, np.float32)
    for shape in anatomy.bones:
        _add_bone(bone, shape, pose, rng)
    dose = rng.uniform(0.8, 1.25)
    absorbed = rng.uniform(0.35, 0.6) * tissue + rng.uniform(0.55, 0.85) * cv2.GaussianBlur(bone, (0, 0), 0.9)
    grey = 1 - np.exp(-dose * absorbed)
    grey = rng.uniform(0.01, 0.12) + rng.uniform(0.85, 1.1) * grey ** rng.uniform(0.85, 1.2)
    grey += rng.normal(0, rng.uniform(0.004, 0.015), size).astype(np.float32)
    return _collimate(np.clip(grey * 255, 0, 255).astype(np.uint8), rng)


class _Pose:
    """Where the anatomy's coordinates come to lie in the picture: turned, scaled, shifted, mirrored and bent."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int]) -> None:
        turn, zoom = radians(rng.uniform(-9, 9)), min(size) / 2 * rng.uniform(0.85, 1.1)
        across = zoom * rng.uniform(0.92, 1.08) * rng.choice([-1, 1])
        self._matrix = np.array([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]]) @ np.diag([across, zoom])
        self._centre = np.array([size[1], size[0]]) / 2 + rng.uniform(-0.06, 0.06, 2) * min(size)
        self._bend = rng.uniform(-0.05, 0.05, 2)
        self.scale = zoom

    def place(self, points: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
        """Pixel coordinates (n, 2) of the points."""
        at = np.array(points, np.float64)
        at = at + self._bend * np.sin(2.5 * at[:, ::-1])
        return np.asarray(at @ self._matrix.T + self._centre, np.float64)


def _tissue(shapes: tuple[Shape, ...], pose: _Pose, size: tuple[int, int]) -> NDArray[np.float32]:
    """Soft tissue: smooth, so drawn at a quarter of the size; thick in the middle and thin at the skin."""
    small = (size[0] // 4, size[1] // 4)
    tissue = np.zeros(small, np.float32)
    for shape in shapes:
        mask = np.zeros(small, np.uint8)
        _fill(mask, pose.place(shape.points) / 4, [radius * pose.scale / 4 for radius in shape.radii])
        depth = cv2.distanceTransform(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 3)
        reach = max(2.0, 0.5 * max(shape.radii) * pose.scale / 4)
        tissue = np.maximum(tissue, shape.density * np.sqrt(np.minimum(depth[1:-1, 1:-1] / reach, 1)))
    full = cv2.resize(cv2.GaussianBlur(tissue, (0, 0), 1.0), size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(full, np.float32)


def _add_bone(bone: NDArray[np.float32], shape: Shape, pose: _Pose, rng: np.random.Generator) -> None:
    """Add one bone: a dense shell, and less of it inside."""
    points = pose.place(shape.points) + rng.normal(0, 0.006 * pose.scale, 2)
    radii = [radius * pose.scale * rng.uniform(0.93, 1.07) for radius in shape.radii]
    margin = max(radii, default=0.0) + 2
    left, top = np.maximum(np.floor(points.min(axis=0) - margin), 0).astype(int)
    right, bottom = np.minimum(np.ceil(points.max(axis=0) + margin), bone.shape[::-1]).astype(int)
    if right <= left or bottom <= top:
        return  # beyond the picture
    patch = np.zeros((bottom - top, right - left), np.uint8)
    _fill(patch, points - (left, top), radii, 255)
    if radii:
        shell = [max(radius - max(1.3, 0.2 * radius), 0.0) for radius in radii]
        _fill(patch, points - (left, top), shell, 150)
    bone[top:bottom, left:right] += patch * np.float32(shape.density * rng.uniform(0.9, 1.1) / 255)


def _fill(mask: Grey, points: NDArray[np.float64], radii: list[float], value: int = 255) -> None:
    """Fill a band of changing width with round ends, or the polygon where there are no radii."""
    if not radii:
        cv2.fillPoly(mask, [_fixed(points)], [value], cv2.LINE_AA, _SHIFT)
        return
    for point, radius in zip(points, radii, strict=True):
        x, y = _fixed(point)
        cv2.circle(mask, (int(x), int(y)), int(radius * 2**_SHIFT), [value], cv2.FILLED, cv2.LINE_AA, _SHIFT)
    for here, there, first, last in zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True):
        along = there - here
        normal = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
        quad = np.array([here + normal * first, there + normal * last, there - normal * last, here - normal * first])
        cv2.fillConvexPoly(mask, _fixed(quad), [value], cv2.LINE_AA, _SHIFT)


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.asarray(np.rint(points * 2**_SHIFT), np.int32)


def _collimate(grey: Grey, rng: np.random.Generator) -> Grey:
    """Black out what lies beyond the collimator, in a third of the pictures; a side marker in half of them."""
    height, width = grey.shape
    if rng.random() < 0.5:
        corner = (round(width * rng.uniform(0.05, 0.85)), round(height * rng.uniform(0.08, 0.2)))
        cv2.putText(
            grey, str(rng.choice(["L", "R"])), corner, cv2.FONT_HERSHEY_SIMPLEX, height / 450, [235], 2, cv2.LINE_AA
        )
    if rng.random() < 0.33:
        top, left = round(height * rng.uniform(0, 0.06)), round(width * rng.uniform(0, 0.06))
        grey[:top], grey[:, :left], grey[height - top :], grey[:, width - left :] = 0, 0, 0, 0
    return grey
