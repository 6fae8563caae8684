"""Why a radiograph is taken for a region, as a figure: the picture, where the network looks, and at what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from embedkit.heads.moments import Floats
from embedkit.quality.pictures import Pictures
from embedkit.report.figure import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from embedkit.heads.attribution import Attribution

_BRIGHTEST = 0.998
"""The quantile of the guided map that is drawn brightest: a few pixels far above it would leave the rest dark."""


def draw_explanation(picture: Pictures, attribution: Attribution, file_format: str) -> bytes:
    """Draw the picture, uint8 (S, S), beside the maps of its `attribution` (N is 1), as ``svg`` or ``png``."""
    heat = attribution.heat[0] / max(float(attribution.heat[0].max()), 1e-12)
    guided = attribution.guided[0] / max(float(np.quantile(attribution.guided[0], _BRIGHTEST)), 1e-12)
    title = f"{attribution.regions[0]}, {attribution.probability[0]:.1%}"
    panels = (
        (title, np.stack([picture] * 3, axis=2)),
        ("Grad-CAM", _overlay(picture, heat)),
        ("Guided Grad-CAM", colour_heat(np.minimum(guided, 1))),
    )

    def draw(figure: Figure) -> None:
        for axes, (name, shown) in zip(figure.subplots(1, 3), panels, strict=True):
            axes.imshow(shown, interpolation="nearest")
            axes.set_title(name, loc="left")
            axes.set_axis_off()

    return render(draw, 12, 4.4, file_format, dark=True)


def _overlay(picture: Pictures, heat: Floats) -> Pictures:
    """Lay the heat, in 0..1, over the picture, the more opaque the hotter."""
    cover = 0.65 * heat[:, :, None]
    return np.asarray((1 - cover) * picture[:, :, None] + cover * colour_heat(heat), np.uint8)


def colour_heat(heat: Floats) -> Pictures:
    """Map 0..1, (S, S), to colours from black over red to bright yellow, uint8 (S, S, 3)."""
    level = np.asarray(np.rint(255 * heat), np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB), np.uint8)
