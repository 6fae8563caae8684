"""One frame of a file at full size and depth, as a viewer needs it: every grey level, and the window to begin with.

Levels are put in the order of brightness, so that a viewer needs to know nothing of MONOCHROME1, signs, rescaling or
padding. A VOI LUT, a Modality LUT or a sigmoid window (PS3.3 C.11.1, C.11.2) comes along as a curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.grey import Presentation, Window, apply_modality, find_padding, pick_view
from embedkit.dicom.kinds import FileKind, kind_of
from embedkit.dicom.presentation import pixel_aspect
from embedkit.dicom.reading import FileContent, ReadingOptions, open_dicom, read_content
from embedkit.dicom.silence import silence
from embedkit.reasons import reject

MOST_LEVELS = (1 << 16) - 1
"""Levels beside 0, which stands for padding."""


@dataclass(frozen=True)
class Radiograph:
    """A frame as levels of brightness."""

    levels: NDArray[np.uint16]
    """(H, W); 0 is padding and always black, from 1 on higher is brighter."""
    low: float
    """The level up to which all is black in the window to begin with."""
    high: float
    """The level from which on all is white; above `low`. Between them grey rises in a line, or along the `curve`."""
    curve: NDArray[np.uint8] | None = None
    """(N + 1,): the grey of each level, where it is no straight line."""
    aspect: float = 1.0
    """Height of a pixel over its width."""


def read_radiograph(content: FileContent, frame: int, options: ReadingOptions) -> Radiograph:
    """Read frame `frame`, from 1, of a file in memory, at the size that `options` ask for.

    Raises
    ------
    RejectedFile
        With a reason of `reasons.REASONS`.
    """
    kind = kind_of(content.data)
    if kind in {FileKind.DICOM, FileKind.BARE_DICOM}:
        with silence():
            return _read_dicom(content, kind, frame, options)
    frames = read_content(content, options).frames
    if not 0 < frame <= len(frames):
        raise reject("truncated")
    return stored_levels(frames[frame - 1])


def stored_levels(grey: NDArray[np.uint8]) -> Radiograph:
    """A picture that is 8-bit display grey already, (H, W)."""
    return Radiograph(grey.astype(np.uint16) + 1, 1, 256)


def _read_dicom(content: FileContent, kind: FileKind, frame: int, options: ReadingOptions) -> Radiograph:
    opened = open_dicom(content, kind, options)
    stored = next(islice(opened.frames, frame - 1, None), None)
    if stored is None:
        raise reject("truncated")
    return to_levels(stored, opened.presentation, pixel_aspect(opened.header))


def to_levels(stored: NDArray[np.integer], presentation: Presentation, aspect: float = 1.0) -> Radiograph:
    """Stored values (H, W), any integer type, as levels; where there are more than 65,535, the lowest bits go."""
    first, last = int(stored.min()), int(stored.max())
    shift = max(0, (last - first).bit_length() - MOST_LEVELS.bit_length())
    shift += (last - first) >> shift == MOST_LEVELS
    steps = (stored - stored.dtype.type(first) if first >= 0 else stored.astype(np.int64) - first) >> shift
    counts = np.bincount(steps.ravel(), minlength=2)
    values = first + (np.arange(len(counts)) << shift)
    hidden = find_padding(stored, presentation.padding)
    if hidden is not None:
        counts = counts - np.bincount(steps[hidden], minlength=len(counts))
    if not counts.any():
        return Radiograph(np.zeros(stored.shape, np.uint16), 0, 1, aspect=aspect)
    black, white, curve = _scale(values, counts, presentation)
    number = np.arange(1, len(counts) + 1)
    if black > white:
        number, curve = number[::-1], None if curve is None else curve[::-1]
        black, white = len(counts) - 1 - black, len(counts) - 1 - white
    if curve is not None:
        curve = np.concatenate([np.zeros(1, np.uint8), curve])
    levels = np.take(number.astype(np.uint16), steps)
    if hidden is not None:
        levels[hidden] = 0
    return Radiograph(levels, black + 1, max(white, black + 1) + 1, curve, aspect)


def _scale(
    values: NDArray[np.int64], counts: NDArray[np.integer], presentation: Presentation
) -> tuple[float, float, NDArray[np.uint8] | None]:
    """Where black and white are among stored values (N,), as places from 0, and the curve between, if it is none."""
    shown_in = apply_modality(values.astype(np.float64), presentation)
    view = pick_view(shown_in, counts, presentation)
    if isinstance(view, Window) and view.function != "SIGMOID" and presentation.modality_lut is None:
        per_place = (values[1] - values[0]) * presentation.slope
        black, white = ((bound - shown_in[0]) / per_place for bound in view.bounds)
        return (white, black, None) if presentation.inverted else (black, white, None)
    shown = 1 - view(shown_in) if presentation.inverted else view(shown_in)
    curve = np.rint(255 * shown).astype(np.uint8)
    changes = np.flatnonzero(np.diff(curve))
    black, white = (float(changes[0]), float(changes[-1] + 1)) if len(changes) else (0.0, float(len(curve) - 1))
    return (white, black, curve) if curve[0] > curve[-1] else (black, white, curve)
