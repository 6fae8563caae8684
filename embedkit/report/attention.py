"""The attention on what must not be a reason, as a table and as a picture like the paper's figure 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.heads.neighbours import Flags
from embedkit.quality.pictures import Pictures
from embedkit.report.explanation import colour_heat
from embedkit.report.figure import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from embedkit.evaluation.attention import AttentionReport
    from embedkit.evaluation.intervals import Interval

ATTENTION_COLUMNS = (
    *("space", "planted", "images", "patients", "area", "attention", "low", "high", "before", "changed"),
    *("difference", "difference_low", "difference_high"),
)
_OUTLINE = "#5fd0b5"


def attention_rows(report: AttentionReport) -> list[tuple[object, ...]]:
    """The rows under `ATTENTION_COLUMNS`, shares between 0 and 1; no difference ("") for the first space."""
    return [
        (row.space, row.planted, row.share.images, row.share.patients)
        + (row.area, row.share.value, row.share.low, row.share.high, row.before, row.changed)
        + ((row.difference.value, row.difference.low, row.difference.high) if row.difference else ("", "", ""))
        for row in report.rows
    ]


def attention_markdown(report: AttentionReport) -> str:
    """A table for people: percent, with 95% intervals."""
    first = report.rows[0].space
    lines = [
        f"| space | planted | share of the area | share of the attention | before it was there | region changed "
        f"| attention against {first} |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report.rows:
        difference = _percent(row.difference, signed=True) if row.difference else ""
        lines.append(
            f"| {row.space} | {row.planted} | {row.area:.1%} | {_percent(row.share)} | {row.before:.1%} "
            f"| {row.changed:.1%} | {difference} |"
        )
    held = report.rows[0].share
    note = f"{held.images:,} held-out images of {held.patients:,} patients; 95% intervals by bootstrap over patients."
    return "\n".join(["# Attention", "", note, "", *lines, ""])


def draw_attention(report: AttentionReport, file_format: str) -> bytes:
    """Draw the examples, a row each: the picture, then what each space looks at, as ``svg`` or ``png``."""
    spaces = report.examples[0].spaces

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(report.examples), 1 + len(spaces), squeeze=False)
        for line, example in zip(grid, report.examples, strict=True):
            _show(line[0], np.stack([example.picture] * 3, axis=2), example.place, f"planted: {example.planted}")
            for axes, space, share, guided in zip(line[1:], spaces, example.shares, example.guided, strict=True):
                bright = np.minimum(guided / max(float(np.quantile(guided, 0.998)), 1e-12), 1)
                _show(axes, colour_heat(bright), example.place, f"{space}: {share:.0%} on the {example.planted}")

    return render(draw, 3.4 * (1 + len(spaces)), 3.7 * len(report.examples), file_format, dark=True)


def _show(axes: Axes, shown: Pictures, place: Flags, title: str) -> None:
    axes.imshow(shown, interpolation="nearest")
    axes.contour(place, levels=[0.5], colors=_OUTLINE, linewidths=0.8)
    axes.set_title(title, loc="left")
    axes.set_axis_off()


def _percent(found: Interval, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{100 * found.value:{sign}.1f}% ({100 * found.low:{sign}.1f} to {100 * found.high:{sign}.1f})"
