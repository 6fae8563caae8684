"""The tilt of a scanned film in its bright frame: read off the frame's inner edges, and undone.

A film that lay askew on the scanner shows as a tilted rectangle in a bright frame. Its edges are straight and tilted by
one angle, which neither bright anatomy nor an overexposed strip is: only where at least three edges agree is a picture
rotated, so that an ordinary radiograph never is.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, degrees, radians, tan

import cv2
import numpy as np
from numpy.typing import NDArray

from embedkit.image.border import BRIGHT_FRAME, SIDES, frame_depths, trim_frame

LARGEST_TILT = 16.0
"""Degrees; nobody lays a film down more askew than that and means it to be upright."""

SMALLEST_TILT = 0.3
"""Degrees; less shifts no pixel of a 256 px picture by more than one."""

_LAG = 48  # pixels over which the slope of an edge is looked at
_AGREEMENT = 0.012  # slopes of two edges of one film differ by less: 0.7 degrees
_SUPPORT = 0.25  # share of a side along which its edge must be seen
_AGREEING = 3  # edges of which the tilt must be that of a film
_INSET = 2.0  # pixels of the film's own blurred edge
_SIGNS = (1, -1, -1, 1)  # top, bottom, left, right: how a turn of the film changes the slope of the frame's depth


@dataclass(frozen=True)
class FilmEdge:
    """One edge of the film as depth of the frame in front of it: offset + slope * position along the side, in px."""

    slope: float
    offset: float
    support: float
    """Share of the side along which the frame's depth follows this line."""


def upright(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Radiograph without its frame, and turned upright where a bright frame shows that the film lay askew."""
    depths = frame_depths(grey >= BRIGHT_FRAME)
    edges = film_edges(depths)
    slope = _common_slope(edges)
    if abs(slope) < tan(radians(SMALLEST_TILT)):
        return trim_frame(grey, depths)
    film, outside = _cut_out(grey, edges, slope)
    return trim_frame(film, frame_depths((film >= BRIGHT_FRAME) | outside))


def tilt_of(grey: NDArray[np.uint8]) -> float:
    """Angle of the film in degrees, positive where it lies turned clockwise; 0 where there is no clear evidence."""
    slope = _common_slope(film_edges(frame_depths(grey >= BRIGHT_FRAME)))
    return degrees(atan(slope)) if abs(slope) >= tan(radians(SMALLEST_TILT)) else 0.0


def film_edges(depths: list[NDArray[np.int64]]) -> tuple[FilmEdge | None, ...]:
    """Edges of the film, by how deep its bright frame is along each side; None where a side shows no straight one."""
    if sum(np.count_nonzero(depth) >= _SUPPORT * len(depth) for depth in depths) < _AGREEING:
        return (None,) * SIDES  # most radiographs: no need to look for lines
    slope = _most_voted_slope(depths)
    return tuple(_fit_edge(depth, sign * slope) for depth, sign in zip(depths, _SIGNS, strict=True))


def _most_voted_slope(depths: list[NDArray[np.int64]]) -> float:
    """Slope that most short stretches of all four edges have."""
    reach = int(tan(radians(LARGEST_TILT)) * _LAG) + 1
    votes = np.zeros(2 * reach + 1)
    for depth, sign in zip(depths, _SIGNS, strict=True):
        here, there = depth[:-_LAG], depth[_LAG:]
        rise = sign * (there - here)[(here > 0) & (there > 0)]
        votes += np.bincount(rise[np.abs(rise) <= reach] + reach, minlength=len(votes))
    return float(np.argmax(np.convolve(votes, np.ones(3), "same")) - reach) / _LAG


def _fit_edge(depth: NDArray[np.int64], slope: float) -> FilmEdge | None:
    """Line through the depths that lie along `slope`: least squares, three times over ever closer points."""
    position = np.flatnonzero(depth > 0)
    if len(position) < _SUPPORT * len(depth):
        return None
    deep = depth[position]
    above = np.rint(deep - slope * position).astype(np.int64)
    lowest = above.min()
    offset = float(np.argmax(np.convolve(np.bincount(above - lowest), np.ones(5), "same")) + lowest)
    near = np.abs(deep - slope * position - offset) <= 5
    for tolerance in (3.0, 1.5, 1.2):
        x, y = position[near], deep[near]
        if len(x) < _SUPPORT * len(depth) / 2:
            return None
        slope = float(((x - x.mean()) * (y - y.mean())).sum() / max(((x - x.mean()) ** 2).sum(), 1.0))
        offset = float(y.mean() - slope * x.mean())
        near = np.abs(deep - slope * position - offset) <= tolerance
    return FilmEdge(slope, offset, float(near.sum() / len(depth)))


def _common_slope(edges: tuple[FilmEdge | None, ...]) -> float:
    """Slope on which at least three edges agree, in the top edge's sense; 0 where fewer do."""
    seen = [
        (sign * edge.slope, edge.support)
        for edge, sign in zip(edges, _SIGNS, strict=True)
        if edge is not None and edge.support >= _SUPPORT
    ]
    middle = np.median([slope for slope, _ in seen]) if seen else 0.0
    agreeing = [(slope, support) for slope, support in seen if abs(slope - middle) <= _AGREEMENT]
    if len(agreeing) < _AGREEING:
        return 0.0
    return float(np.average([slope for slope, _ in agreeing], weights=[support for _, support in agreeing]))


def _cut_out(
    grey: NDArray[np.uint8], edges: tuple[FilmEdge | None, ...], slope: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The film turned upright and cut at its edges, and which of its pixels the scan does not cover."""
    height, width = grey.shape
    turn = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees(atan(slope)), 1.0), np.float64)
    depths = [
        edge.offset + edge.slope * (width, height)[side // 2] / 2 if edge and _agrees(edge, side, slope) else 0.0
        for side, edge in enumerate(edges)
    ]  # of the frame in the middle of each side
    middles = [
        (width / 2, depths[0]),
        (width / 2, height - 1 - depths[1]),
        (depths[2], height / 2),
        (width - 1 - depths[3], height / 2),
    ]
    turned = cv2.transform(np.array([middles]), turn)[0]
    top, bottom, left, right = (
        turned[0, 1] + _INSET,
        turned[1, 1] - _INSET,
        turned[2, 0] + _INSET,
        turned[3, 0] - _INSET,
    )
    turn[:, 2] -= (left, top)
    size = (max(1, round(right - left) + 1), max(1, round(bottom - top) + 1))
    film = cv2.warpAffine(grey, turn, size, flags=cv2.INTER_LINEAR, borderValue=0)
    return np.asarray(film, np.uint8), _outside(grey.shape, turn, size)


def _agrees(edge: FilmEdge, side: int, slope: float) -> bool:
    return edge.support >= _SUPPORT and abs(_SIGNS[side] * edge.slope - slope) <= _AGREEMENT


def _outside(shape: tuple[int, ...], turn: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels of the turned picture that lie beyond the scan, or on its edge, where black was mixed in."""
    height, width = shape
    corners = cv2.transform(np.array([[(0, 0), (width, 0), (width, height), (0, height)]], np.float64), turn)
    polygon = np.rint(corners[0]).astype(np.int32)
    outside = np.full((size[1], size[0]), 255, np.uint8)
    cv2.fillPoly(outside, [polygon], [0])
    cv2.polylines(outside, [polygon], isClosed=True, color=[255], thickness=3)
    return outside > 0
