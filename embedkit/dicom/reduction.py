"""Smaller frames, by means of whole blocks of stored values."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.integer]
_BAND = 64  # rows of means that are worked out at a time, so that all of it stays in the cache


def reduce_size(stored: Array, target_side: int, padding: tuple[int, int] | None = None) -> Array:
    """Shrink (H, W) by the largest whole factor that leaves `target_side` pixels on the longer side, by area means.

    Where at least half of what a mean is of is padding (a range of values, both inclusive), it becomes padding; else
    padding is left out of it. Up to a factor less one rows and columns are lost at the lower and right edge.
    """
    step = min(max(stored.shape) // target_side, *stored.shape)
    if step < 2:
        return stored
    rows, columns = stored.shape[0] // step, stored.shape[1] // step
    whole = stored[: rows * step, : columns * step]
    fast = step > 2 and _sums_fit(stored, step)  # by 2 OpenCV is faster, and rounds halves up
    means = _means_of_sums(whole, rows, columns, step) if fast else _area_means(whole, rows, columns)
    return means if padding is None else _keep_padding_out(means, whole, padding)


def _keep_padding_out(means: Array, values: Array, padding: tuple[int, int]) -> Array:
    """Put right the `means` (H, W) of blocks of `values` that hold some padding."""
    hidden = (values >= padding[0]) & (values <= padding[1])
    if not hidden.any():
        return means
    step = len(values) // len(means)
    share = cv2.resize(hidden.astype(np.float32), means.shape[::-1], interpolation=cv2.INTER_AREA)
    rows, columns = np.nonzero((share > 0) & (share < 0.5))
    blocks, spoilt = (part.reshape(len(means), step, -1, step)[rows, :, columns] for part in (values, hidden))
    visible = np.where(spoilt, 0, blocks).sum(axis=(1, 2), dtype=np.float64)
    means[rows, columns] = np.rint(visible / (step**2 * (1 - share[rows, columns])))
    limits = np.iinfo(values.dtype)
    beside = padding[1] + 1 if padding[1] < limits.max else max(padding[0] - 1, limits.min)
    means[(means >= padding[0]) & (means <= padding[1])] = beside  # by chance
    means[share >= 0.5] = np.clip(padding[0], limits.min, limits.max)
    return means


def _area_means(values: Array, rows: int, columns: int) -> Array:
    if values.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int16)}:  # OpenCV has means of these
        means = cv2.resize(values.astype(np.float64), (columns, rows), interpolation=cv2.INTER_AREA)
        return np.rint(means).astype(values.dtype)
    return cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA).astype(values.dtype, copy=False)


def _sums_fit(values: Array, step: int) -> bool:
    """Whether `step` of the 16-bit values always have a sum of 16 bits."""
    limits = np.iinfo(values.dtype)
    if limits.bits != 16 or step * int(values.max()) > limits.max:
        return False
    return limits.min == 0 or step * int(values.min()) >= limits.min


def _means_of_sums(values: Array, rows: int, columns: int, step: int) -> Array:
    """What `_area_means` gives, where `_sums_fit`, in two thirds of the time: numpy adds whole rows very fast."""
    means = np.empty((rows, columns), values.dtype)
    for start in range(0, rows, _BAND):
        band = values[start * step : (start + _BAND) * step].reshape(-1, step, step * columns)
        sums = np.add.reduce(band, axis=1, dtype=values.dtype)
        turned = cv2.transpose(sums).reshape(columns, step, len(sums))
        totals = np.add.reduce(turned, axis=1, dtype=np.int32).T
        means[start : start + _BAND] = np.rint(totals.astype(np.float32) * np.float32(1 / step**2))
    return means
