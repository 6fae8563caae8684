"""What must not be a reason: gauges and white borders, laid into pictures at known places.

A gauge is the metal sphere or disc of known size beside the hip; a border is what a scanner saw past the film. Each is
drawn anew by chance, so that an encoder trained with gauges has not met just these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags

Pictures = npt.NDArray[np.uint8]
_RIM = 2
"""Pixels of 256 round what was planted that count as its place: its edge is seen there too."""
_DARK = 8
"""Grey up to which a picture's surround counts as no film."""


@dataclass(frozen=True)
class Planted:
    """N pictures with something in them that was not there."""

    pictures: Pictures
    """uint8 (N, S, S)."""
    place: Flags
    """bool (N, S, S), where it is."""


def plant(pictures: Pictures, what: str, seed: int = 0) -> Planted:
    """Plant one ``gauge`` or a ``border`` in each picture, uint8 (N, S, S)."""
    cover_of = _COVERS[what]
    planted, place = np.empty_like(pictures), np.empty(pictures.shape, bool)
    ring = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _RIM + 1, 2 * _RIM + 1))
    for number, picture in enumerate(pictures):
        cover = cover_of(picture, np.random.default_rng([seed, number]))
        planted[number] = np.rint(picture * (1 - cover) + 255 * cover)
        place[number] = cv2.dilate(np.asarray(cover > 0.1, np.uint8), ring) > 0
    return Planted(planted, place)


def _cover_gauge(picture: Pictures, rng: np.random.Generator) -> Floats:
    """How far a gauge covers each pixel with white: a sphere by the chord of a ray in it, a disc evenly.

    By the law of Beer and Lambert, as the grey that is shown is 1 less the share of rays that arrive.
    """
    side = len(picture)
    radius = side * rng.uniform(0.035, 0.06)
    across, down = rng.uniform(radius + 1, side - radius - 1, 2)
    rows, columns = np.mgrid[:side, :side]
    away = np.hypot(columns - across, rows - down) / radius
    inside = np.clip((1 - away) * radius + 0.5, 0, 1)
    chord = np.sqrt(np.maximum(1 - away**2, 0)) if rng.random() < 0.5 else inside
    return np.asarray(inside * (1 - np.exp(-rng.uniform(1, 5) * chord)), np.float32)


def _cover_border(picture: Pictures, rng: np.random.Generator) -> Floats:
    """White along the sides of the film, each as wide as chance will have it, 1.5 to 5% of the picture."""
    cover = np.zeros(picture.shape, np.float32)
    film = picture > _DARK
    rows, columns = (np.flatnonzero(film.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return cover
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    white = rng.uniform(0.85, 1)
    up, down, near, far = np.rint(len(picture) * rng.uniform(0.015, 0.05, 4)).astype(int)
    cover[top:bottom, left:right] = white
    cover[top + up : bottom - down, left + near : right - far] = 0
    return cover


_COVERS: dict[str, Callable[[Pictures, np.random.Generator], Floats]] = {
    "gauge": _cover_gauge,
    "border": _cover_border,
}
PLANTED = tuple(_COVERS)
