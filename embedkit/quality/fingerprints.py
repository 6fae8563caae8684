"""Fingerprints of thumbnails: what stays the same when an exposure is stored again with other grey values.

Embeddings move with the window, a contrast curve, an inversion or a quarter turn; a fingerprint does not. Grey values
are divided by their local contrast, which takes out any smooth grey map but for its sign, and 164 low-frequency
coefficients of the cosine transform are kept (Zauner, "Implementation and benchmarking of perceptual image hash
functions", 2010). A quarter turn or a mirror image only permutes them and changes signs, an inversion changes all: the
fingerprint of each of the 16 poses follows from that of one.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.quality.pictures import THUMBNAIL, Pictures
from embedkit.threads import single_thread

COARSE = 86
"""So many coefficients, the first ones, have a wavelength of 6 pixels or more."""
_SIGMA, _LEAST_CONTRAST = 3.0, 20.0
_AT_ONCE = 8192

Pose = int
"""How the second picture of a pair is laid on the first: 1 columns reversed, 2 rows reversed, 4 transposed before,
8 inverted."""
INVERTED = 8


def turn(picture: Pictures, pose: Pose) -> Pictures:
    """Turn a picture, (..., S, S), as the pose says; its grey values stay."""
    turned = picture.swapaxes(-1, -2) if pose & 4 else picture
    return turned[..., :: -1 if pose & 2 else 1, :: -1 if pose & 1 else 1]


def transform_thumbnails(thumbnails: Pictures, count: int) -> tuple[Ints, Floats]:
    """Take the first `count` coefficients of thumbnails, uint8 (N, 32, 32), that show something.

    Returns
    -------
    tuple
        The rows that do, int64 (n,), and their coefficients, float32 (n, `count`).
    """
    coefficients = np.concatenate(
        [_transform(thumbnails[start : start + _AT_ONCE])[:, :count] for start in range(0, len(thumbnails), _AT_ONCE)]
        or [np.empty((0, count), np.float32)]
    )
    rows = np.flatnonzero(np.abs(coefficients).max(axis=1, initial=0) > 1)
    return rows, coefficients[rows]


def _frequencies() -> tuple[Ints, Ints]:
    row, column = np.mgrid[:16, :16]
    far = np.hypot(row, column)
    order = np.argsort(far, axis=None, kind="stable")
    order = order[(far.flat[order] >= 2) & (far.flat[order] <= 14)]
    return row.flat[order], column.flat[order]


_ROW, _COLUMN = _frequencies()
_COSINES = np.cos(np.pi * np.outer(np.arange(16), 2 * np.arange(THUMBNAIL) + 1) / (2 * THUMBNAIL)).astype(np.float32)


def _permute(pose: Pose) -> tuple[Ints, Floats]:
    """Where the coefficients of a turned picture come from, and the signs that they take, (164,) each."""
    place = np.full((16, 16), -1)
    place[_ROW, _COLUMN] = np.arange(len(_ROW))
    source = place[_COLUMN, _ROW] if pose & 4 else place[_ROW, _COLUMN]
    sign = (-1.0) ** (_ROW * bool(pose & 2) + _COLUMN * bool(pose & 1) + bool(pose & INVERTED))
    return source, sign.astype(np.float32)


POSES = [_permute(pose) for pose in range(16)]


def _combine() -> Ints:
    """The pose that lays a picture on another one, where the pose `i` of this one looks as the pose `j` of that."""
    probe = np.arange(4, dtype=np.uint8).reshape(2, 2)
    seen = {turn(probe, pose).tobytes(): pose for pose in range(8)}
    table = np.empty((16, 16), np.int64)
    for one in range(16):
        for other in range(16):
            back = next(pose for pose in range(8) if np.array_equal(turn(turn(probe, one & 7), pose), probe))
            table[one, other] = seen[turn(turn(probe, other & 7), back).tobytes()] | ((one ^ other) & INVERTED)
    return table


LAY = _combine()
"""`_combine`: (16, 16)."""


@single_thread()
def _transform(thumbnails: Pictures) -> Floats:
    """The coefficients of thumbnails after division by the local contrast, float32 (n, 164), low frequencies first."""
    grey = thumbnails.astype(np.float32)
    inside = _inside(grey.max(axis=2) > 4), _inside(grey.max(axis=1) > 4)
    weight = inside[0][:, :, None] * inside[1][:, None, :]
    known = np.maximum(_blur(weight), 1e-3)
    detail = (grey - _blur(grey * weight) / known) * weight
    detail /= np.sqrt(_blur(detail * detail) / known) + _LEAST_CONTRAST
    return np.asarray((_COSINES @ detail @ _COSINES.T)[:, _ROW, _COLUMN], np.float32)


def _inside(lit: npt.NDArray[np.bool_]) -> Floats:
    """From the first to the last lit line, float32 (n, 32): the black surround says nothing of the exposure."""
    return (np.maximum.accumulate(lit, 1) & np.maximum.accumulate(lit[:, ::-1], 1)[:, ::-1]).astype(np.float32)


def _smoothing() -> Floats:
    kernel = cv2.getGaussianKernel(2 * THUMBNAIL + 1, _SIGMA).ravel()
    away = np.subtract.outer(np.arange(THUMBNAIL), np.arange(THUMBNAIL))
    return np.asarray(kernel[away + THUMBNAIL], np.float32)


_BLUR = _smoothing()


def _blur(images: Floats) -> Floats:
    return np.asarray(_BLUR @ images @ _BLUR)
