"""From stored values to what a reader sees: the grey scale transformations of PS3.3 C.11 as pure functions.

stored values -> Modality LUT or rescale (C.11.1) -> VOI LUT or window (C.11.2) -> inversion for MONOCHROME1 -> 8 bit.
Everything is computed once for each grey level that occurs, then looked up, so that a float never exists per pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PERCENTILES = (0.5, 99.5)
"""Black and white where no usable window is given, in percent of the pixels that are not padding."""

LEAST_SPREAD, LEAST_INSIDE = 0.05, 0.02
"""A window is usable if it spreads the middle 98% of the pixels over at least this share of the grey scale, and leaves
at least this share of the pixels neither black nor white. Other windows lie outside the data or flatten it."""

_WIDE_TABLES = int(cv2.__version__.partition(".")[0]) >= 5


@dataclass(frozen=True)
class LookUpTable:
    """A Modality or VOI LUT: `entries` (N,) for the inputs `first`, `first` + 1, ...; the ends hold beyond them."""

    first: int
    entries: Floats

    def __call__(self, values: Floats) -> Floats:
        """Look up values of any shape; fractions are rounded down (PS3.3 C.11.1.1, C.11.2.1.1)."""
        position = np.clip(np.floor(values) - self.first, 0, len(self.entries) - 1)
        return np.asarray(self.entries[position.astype(np.intp)])


@dataclass(frozen=True)
class Window:
    """A window of PS3.3 C.11.2.1.2 and C.11.2.1.3; `function` is LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"

    @property
    def valid(self) -> bool:
        """True if the formula can be evaluated: a width of at least 1 (LINEAR) or above 0 (the others)."""
        least = self.width >= 1 if self.function == "LINEAR" else self.width > 0
        return bool(np.isfinite(self.center) and np.isfinite(self.width) and least)

    @property
    def bounds(self) -> tuple[float, float]:
        """The values that become black and white; of a SIGMOID, those of its steepest line."""
        center, width = self._line
        return center - width / 2, center + width / 2

    def __call__(self, values: Floats) -> Floats:
        """Map values of any shape to 0 (black) .. 1 (white)."""
        if self.function == "SIGMOID":
            exponent = np.clip(-4 * (values - self.center) / self.width, -700, 700)  # exp must not overflow
            return np.asarray(1 / (1 + np.exp(exponent)))
        center, width = self._line
        if width == 0:
            return (values > center).astype(np.float64)
        return np.asarray(np.clip((values - center) / width + 0.5, 0, 1))

    @property
    def _line(self) -> tuple[float, float]:
        """Centre and width of the straight line between black and white."""
        return (self.center - 0.5, self.width - 1) if self.function == "LINEAR" else (self.center, self.width)


@dataclass(frozen=True)
class Presentation:
    """How stored values are to be shown; the default is the percentile window and nothing else."""

    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: LookUpTable | None = None
    """Takes the place of slope and intercept."""
    voi_luts: tuple[LookUpTable, ...] = ()
    windows: tuple[Window, ...] = ()
    """The first usable one of `voi_luts` and `windows`, in this order, is taken."""
    inverted: bool = False
    """True where low values are bright: MONOCHROME1, or a Presentation LUT Shape of INVERSE."""
    padding: tuple[int, int] | None = None
    """Stored values, both inclusive, that are no part of the picture (PS3.3 C.7.5.1.1.2): left out of the statistics
    and shown black."""

    @property
    def least_scale(self) -> float:
        """The fewest stored values that may lie between black and white; 0 where a table may tell any two apart."""
        if self.modality_lut is not None or self.voi_luts:
            return 0
        return min((window.width / abs(self.slope) for window in self.windows if window.valid), default=math.inf)


def to_display(stored: NDArray[np.integer], presentation: Presentation) -> NDArray[np.uint8]:
    """Show stored values (H, W), any integer type, as 8-bit grey (H, W), 255 for white."""
    levels, index, counts = count_levels(stored)
    hidden = find_padding(stored, presentation.padding)
    if hidden is not None:
        counts = counts - np.bincount(index[hidden], minlength=len(counts))
    shown = np.zeros(len(levels))
    if counts.any():
        values = apply_modality(levels.astype(np.float64), presentation)
        shown = pick_view(values, counts, presentation)(values)
    grey = np.rint(255 * (1 - shown if presentation.inverted else shown)).astype(np.uint8)
    picture = _look_up(grey, index)
    if hidden is not None:
        picture[hidden] = 0
    return picture


def find_padding(stored: NDArray[np.integer], padding: tuple[int, int] | None) -> NDArray[np.bool_] | None:
    """Tell the pixels (H, W) that pad the picture from those that only have the same value; None if there is none.

    Padding surrounds what was exposed (PS3.3 C.7.5.1.1.2): it is connected to a side. Where it is further from all
    other values than these are from each other, as no exposure would be, all of it is padding. A range that takes in a
    whole picture says nothing of it.

    Parameters
    ----------
    padding
        The lowest and the highest value of padding.
    """
    if padding is None:
        return None
    hidden = (stored >= padding[0]) & (stored <= padding[1])
    if not hidden.any():
        return None
    if hidden.all():
        return hidden if stored.min() == stored.max() else None
    visible = stored[~hidden]
    low, high = int(visible.min()), int(visible.max())
    if max(low - padding[1], padding[0] - high) > high - low:
        return hidden
    framed = cv2.copyMakeBorder(hidden.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(framed, None, (0, 0), 2, flags=8)  # the frame joins all that is at a side
    found = framed[1:-1, 1:-1] == 2
    return found if found.any() else None


def _look_up(table: NDArray[np.uint8], index: NDArray[np.integer]) -> NDArray[np.uint8]:
    """The entry (N,) of each index (H, W): OpenCV has it from version 5 on, and does not widen the indices first."""
    if not _WIDE_TABLES or index.dtype != np.uint16:
        return np.take(table, index)
    wide = np.zeros(1 << 16, np.uint8)
    wide[: len(table)] = table
    return np.asarray(cv2.LUT(index, wide), np.uint8)


def apply_modality(values: Floats, presentation: Presentation) -> Floats:
    """Stored values of any shape to the modality's units (PS3.3 C.11.1)."""
    if presentation.modality_lut is not None:
        return presentation.modality_lut(values)
    return values * presentation.slope + presentation.intercept


def percentile_window(values: Floats, counts: NDArray[np.integer]) -> Window:
    """The LINEAR_EXACT window between the `PERCENTILES` of values (N,) that occur `counts` (N,) times."""
    low, high = _percentiles(values, counts, PERCENTILES)
    if low == high:
        present = values[counts > 0]
        low, high = present.min(), present.max()
    return Window((low + high) / 2, high - low, "LINEAR_EXACT")


def count_levels(stored: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.integer], NDArray[np.integer]]:
    """(levels (N,) ascending, index of each pixel's level (H, W), count of each level (N,))."""
    low, high = int(stored.min()), int(stored.max())
    if high - low >= 1 << 16:
        levels, index, counts = np.unique(stored, return_inverse=True, return_counts=True)
        return levels.astype(np.int64), index.reshape(stored.shape), counts
    above = np.subtract(stored, low, dtype=stored.dtype if high - low <= np.iinfo(stored.dtype).max else np.int64)
    index = above.astype(np.uint16, copy=False)
    return np.arange(low, high + 1), index, _count(index, high - low + 1)


def _count(index: NDArray[np.uint16], levels: int) -> NDArray[np.int64]:
    """How often each of 0 .. `levels` - 1 occurs; OpenCV counts four times as fast, but in float32."""
    if index.size > 1 << 24:
        return np.bincount(index.ravel(), minlength=levels)
    counts = cv2.calcHist([index], [0], None, [levels], [0, levels])
    return np.asarray(counts.ravel().astype(np.int64))


def pick_view(values: Floats, counts: NDArray[np.integer], presentation: Presentation) -> Window | LookUpTable:
    """What maps modality values (N,) that occur `counts` (N,) times to 0 .. 1: the first usable table or window.

    Not inverted: see `Presentation.inverted`. There must be a value that occurs.
    """
    for table in presentation.voi_luts:
        # Headers often claim 16 bits for entries of 12: the entries themselves say what white is.
        white = max(1, (1 << int(table.entries.max()).bit_length()) - 1)
        scaled = LookUpTable(table.first, table.entries / white)
        if _is_usable(scaled(values), values, counts):
            return scaled
    for window in presentation.windows:
        if window.valid and _is_usable(window(values), values, counts):
            return window
    window = percentile_window(values, counts)
    return window if window.valid else Window(window.center + 1, 1, "LINEAR_EXACT")  # a constant picture is black


def _is_usable(shown: Floats, values: Floats, counts: NDArray[np.integer]) -> bool:
    present = values[counts > 0]
    if present.min() == present.max():
        return True  # a constant picture is flat in any window
    low, high = _percentiles(shown, counts, (1, 99))
    inside = counts[(shown > 0) & (shown < 1)].sum() / counts.sum()
    return bool(high - low >= LEAST_SPREAD and inside >= LEAST_INSIDE)


def _percentiles(values: Floats, counts: NDArray[np.integer], percents: tuple[float, float]) -> tuple[float, float]:
    """Lower percentiles of values (N,) that occur `counts` (N,) times."""
    order = np.argsort(values, kind="stable")
    running = np.cumsum(counts[order])
    low, high = np.searchsorted(running, np.multiply(percents, running[-1] / 100), side="left")
    return float(values[order[low]]), float(values[order[high]])
