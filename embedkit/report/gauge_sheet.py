"""A contact sheet of the gauges that were found, each with the number to keep it by."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from embedkit.image.gauges import GaugeCandidate
from embedkit.report.contact_sheet import encode_png

_CELL, _GAP, _CAPTION, _COLUMNS = 160, 12, 26, 8
_GROUND, _TEXT, _RING = 14, 214, 255


def draw_gauge_sheet(pictures: Sequence[NDArray[np.uint8]], gauges: Sequence[GaugeCandidate]) -> bytes:
    """Draw each gauge with what surrounds it, magnified, as PNG; `pictures` uint8 (256, 256), one a gauge."""
    lines = -(-len(gauges) // _COLUMNS)
    height, width = lines * (_CELL + _CAPTION + _GAP) + _GAP, min(_COLUMNS, len(gauges)) * (_CELL + _GAP) + _GAP
    sheet = np.full((height, width), _GROUND, np.uint8)
    for number, (picture, gauge) in enumerate(zip(pictures, gauges, strict=True)):
        top = _GAP + number // _COLUMNS * (_CELL + _CAPTION + _GAP)
        left = _GAP + number % _COLUMNS * (_CELL + _GAP)
        sheet[top : top + _CELL, left : left + _CELL] = _magnify(picture, gauge)
        place = (left, top + _CELL + 20)
        cv2.putText(sheet, f"{number + 1}", place, cv2.FONT_HERSHEY_DUPLEX, 0.6, _TEXT, 1, cv2.LINE_AA)
    return encode_png(sheet)


def _magnify(picture: NDArray[np.uint8], gauge: GaugeCandidate) -> NDArray[np.uint8]:
    """The gauge in the middle third of a cell, with ticks at its rim."""
    scale = _CELL / (6 * gauge.radius)
    shift = np.array([[scale, 0, _CELL / 2 - scale * gauge.x], [0, scale, _CELL / 2 - scale * gauge.y]])
    cell = cv2.warpAffine(picture, shift, (_CELL, _CELL), flags=cv2.INTER_CUBIC)
    rim = round(scale * gauge.radius)
    for quarter in range(4):
        axes = (rim + 4, rim + 4)
        cv2.ellipse(cell, (_CELL // 2, _CELL // 2), axes, 0, 90 * quarter + 35, 90 * quarter + 55, _RING, 1)
    return np.asarray(cell, np.uint8)
