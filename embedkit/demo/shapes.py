"""Bones as simple shapes: bands of changing width, flat areas, and what is built from them.

Coordinates are shares of half the picture: x from -1 (left) to 1 (right), y from -1 (top) to 1 (bottom).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import cos, pi, sin

Point = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """A rounded band along points with a radius at each, or, without radii, the flat area between the points."""

    points: tuple[Point, ...]
    radii: tuple[float, ...] = ()
    density: float = 1.0


def band(*points: Point, radius: float, density: float = 1.0) -> Shape:
    """A rounded band of one width."""
    return Shape(points, (radius,) * len(points), density)


def long_bone(start: Point, end: Point, shaft: float, knob: float | tuple[float, float], density: float = 1.0) -> Shape:
    """A shaft that widens to a knob at each end."""
    first, last = knob if isinstance(knob, tuple) else (knob, knob)
    along = [(start[0] + (end[0] - start[0]) * t, start[1] + (end[1] - start[1]) * t) for t in (0, 0.18, 0.5, 0.82, 1)]
    return Shape(tuple(along), (first, (first + shaft) / 2, shaft, (last + shaft) / 2, last), density)


def arc(centre: Point, axes: Point, turns: Point, radius: float, density: float) -> Shape:
    """Part of an ellipse with half-axes `axes`, between two `turns` in half circles: 0 is right, 0.5 is down."""
    (across, down), (start, end) = axes, turns
    steps = max(5, round(abs(end - start) * 12))
    angles = [pi * (start + (end - start) * step / steps) for step in range(steps + 1)]
    points = tuple((centre[0] + across * cos(angle), centre[1] + down * sin(angle)) for angle in angles)
    return Shape(points, (radius,) * len(points), density)


def vertebrae(start: Point, end: Point, count: int, size: Point, bow: float = 0.0) -> tuple[Shape, ...]:
    """A column of bodies, each a flat block with its end plates; `bow` bends the column sideways."""
    blocks: list[Shape] = []
    for step in range(count):
        t = (step + 0.5) / count
        x = start[0] + (end[0] - start[0]) * t + bow * sin(pi * t)
        y = start[1] + (end[1] - start[1]) * t
        across, down = size[0] * (0.8 + 0.4 * t), size[1]
        corners = ((x - across, y - down), (x + across, y - down), (x + across, y + down), (x - across, y + down))
        blocks += [Shape(corners, density=0.7), band(*corners, corners[0], radius=0.012, density=0.7)]
    return tuple(blocks)


def mirrored(*shapes: Shape) -> tuple[Shape, ...]:
    """The shapes, and the same on the other side of the body."""
    return shapes + tuple(Shape(tuple((-x, y) for x, y in s.points), s.radii, s.density) for s in shapes)


def ray(root: Point, tip: Point, joints: tuple[float, ...], width: float) -> tuple[Shape, ...]:
    """One finger or toe: a bone between every two joints, given as shares of its length."""
    at = [(root[0] + (tip[0] - root[0]) * t, root[1] + (tip[1] - root[1]) * t) for t in joints]
    return tuple(
        long_bone(first, last, width * 0.6 * 0.9**step, width * 0.9**step, 0.9)
        for step, (first, last) in enumerate(pairwise(at))
    )


def carpals(centre: Point, spread: float, size: float) -> tuple[Shape, ...]:
    """Two rows of small round bones."""
    rows = (
        (-0.95, 0.3),
        (-0.3, 0.42),
        (0.35, 0.42),
        (0.95, 0.25),
        (-0.8, -0.4),
        (-0.25, -0.3),
        (0.4, -0.3),
        (0.95, -0.4),
    )
    at = [(centre[0] + x * spread, centre[1] + y * spread) for x, y in rows]
    return tuple(band((x - size * 0.2, y), (x + size * 0.2, y), radius=size, density=0.8) for x, y in at)
