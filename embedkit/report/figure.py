"""Figures by matplotlib, without a window or a state of its own: SVG whose text is text, or PNG."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from embedkit.evaluation import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, _GREY = "#222222", "#666666"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "embedkit",
    "font.family": "sans-serif",
    "text.parse_math": False,
}
_DARK: Any = {"figure.facecolor": "#0b0d10", "text.color": "#dbe2ea", "axes.titlecolor": "#dbe2ea"}


def render(
    draw: Callable[[Figure], None], width: float, height: float, file_format: str, *, dark: bool = False
) -> bytes:
    """Let `draw` fill a figure of so many inches; return it as ``svg`` or ``png``, the same bytes every time."""
    from matplotlib import rc_context  # noqa: PLC0415 (takes half a second)
    from matplotlib.figure import Figure  # noqa: PLC0415

    file = io.BytesIO()
    with rc_context(_STYLE | (_DARK if dark else {})):
        figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
        draw(figure)
        figure.savefig(file, format=file_format, metadata={"Date": None} if file_format == "svg" else {})
    return file.getvalue()


def plain_axes(figure: Figure) -> Axes:
    """Plain axes: two spines, a quiet frame, dark labels."""
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[:].set_color(_GREY)
    axes.tick_params(color=_GREY, labelcolor=INK)
    axes.set_axisbelow(True)
    return axes


def error_bars(found: Sequence[Interval]) -> npt.NDArray[np.float64]:
    """How far N intervals reach down and up from their values, percent, float64 (2, N): error bars."""
    reach = np.array([[one.value - one.low, one.high - one.value] for one in found]).T
    return np.asarray(100 * np.maximum(reach, 0))
