"""The map as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.heads.neighbours import Flags
from embedkit.report.figure import render
from embedkit.report.map import CORRECTED, RegionMap, by_interest
from embedkit.report.palette import UNLABELLED, colour_regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TEXT = "#1c2126"
_VECTOR_POINTS = 5_000
"""More points than this go into an SVG as one picture: a viewer takes seconds for 50,000 circles."""


def draw_map(drawn: RegionMap, file_format: str) -> bytes:
    """Draw the map on white, as ``svg`` or ``png``; the same map gives the same bytes."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        _draw_points(axes, drawn)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_axis_off()
        axes.set_title(f"{drawn.title}, {len(drawn.regions):,} radiographs", loc="left", color=_TEXT)
        _draw_legend(axes, drawn)
        figure.draw_without_rendering()  # so that places on the page are known
        _name_regions(axes, drawn)

    return render(draw, 11, 8.5, file_format)


def _draw_points(axes: Axes, drawn: RegionMap) -> None:
    colours = colour_regions(drawn.regions)
    order = np.array(by_interest(drawn)[::-1], dtype=np.int64)  # stars on top
    starred = np.array([row in drawn.findings and drawn.findings[row].starred for row in order.tolist()], dtype=bool)
    shade = np.array([colours[drawn.regions[row]] for row in order.tolist()], dtype=object)
    size = float(np.clip(40_000 / max(len(order), 1), 2, 22))
    many = int((~starred).sum()) > _VECTOR_POINTS

    def scatter(chosen: Flags, **options: Any) -> None:
        across, up = drawn.points[order[chosen]].T
        axes.scatter(across, up, c=shade[chosen].tolist(), **options)

    scatter(~starred, s=size, linewidths=0, alpha=0.8, rasterized=many)
    scatter(starred, s=110, marker="*", edgecolors=_TEXT, linewidths=0.7, zorder=3)


def _draw_legend(axes: Axes, drawn: RegionMap) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    def entry(marker: str, label: str, **options: Any) -> Line2D:
        return Line2D([], [], linestyle="", marker=marker, label=label, **options)

    colours = colour_regions(drawn.regions)
    entries = [
        entry("o", f"{name or 'no label'}  {drawn.regions.count(name):,}", color=colours[name])
        for name in [*drawn.medians, *([""] if "" in drawn.regions else [])]
    ]
    kinds = [found.issue == CORRECTED for found in drawn.findings.values() if found.starred]
    for label, count in (("suspect", kinds.count(False)), ("corrected label", kinds.count(True))):
        if count:
            entries.append(
                entry("*", f"{label}  {count:,}", color=UNLABELLED, markersize=11, markeredgecolor=_TEXT, mew=0.7)
            )
    axes.legend(handles=entries, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, labelcolor=_TEXT)


def _name_regions(axes: Axes, drawn: RegionMap) -> None:
    """Write each region's name at its median; where two names would meet, the lower one moves down."""
    from matplotlib.patheffects import withStroke  # noqa: PLC0415

    height = 11.0
    taken: list[tuple[float, float, float]] = []  # x, y, half the width, in points of 1/72 inch
    places = {name: axes.transData.transform(middle) * 72 / axes.figure.dpi for name, middle in drawn.medians.items()}
    for name, (x, y) in sorted(places.items(), key=lambda item: -float(item[1][1])):
        half, moved = 3.2 * len(name), float(y)
        while any(abs(x - other) < half + width and abs(moved - level) < height for other, level, width in taken):
            moved -= 1
        taken.append((float(x), moved, half))
        axes.annotate(
            name,
            tuple(drawn.medians[name].tolist()),
            xytext=(0, moved - float(y)),
            textcoords="offset points",
            ha="center",
            va="center",
            color=_TEXT,
            fontsize=10,
            fontweight="bold",
            zorder=4,
            path_effects=[withStroke(linewidth=3, foreground="#ffffffd0")],
        )
