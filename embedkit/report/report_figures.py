"""The report's matrices and accuracies as figures, for slides and papers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from embedkit.report.confusion import Confusion
from embedkit.report.correction import Accuracy
from embedkit.report.figure import INK, error_bars, plain_axes, render
from embedkit.report.map import RegionMap
from embedkit.report.map_figure import draw_map
from embedkit.report.summary import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

_FAINT = "#eef1f4"
_RIGHT, _MORE, _LESS = "#188054", "#c4342d", "#2465bc"
_STAGE_COLOURS = ("#D55E00", "#E69F00", "#0072B2", "#009E73")


def draw_report(report: Report, drawn: RegionMap | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield file name and SVG of each figure; those without data are left out."""
    found = report.correction
    if found.relabelled is not None:
        yield "relabelled.svg", _draw_matrix(found.relabelled, "reviewed", "given", signed=False)
    if found.change is not None and found.change.counts.any():
        yield "model-change.svg", _draw_matrix(found.change.without_zeros(), "label", "model", signed=True)
    if found.accuracy:
        last = [one for one in found.accuracy if one.method == found.accuracy[-1].method]
        yield "accuracy.svg", render(partial(_draw_accuracy, last), 7, 1.6 + 0.42 * len(_regions_of(last)), "svg")
    if drawn is not None:
        yield "map.svg", draw_map(drawn, "svg")


def _draw_matrix(confusion: Confusion, rows: str, columns: str, *, signed: bool) -> bytes:
    """Shaded counts: green on the diagonal, red beside it; of a change, what became less is blue."""

    def draw(figure: Figure) -> None:
        axes = plain_axes(figure)
        same = np.equal.outer(np.array(confusion.rows), np.array(confusion.columns))
        most = [max(int(np.abs(confusion.counts[chosen]).max(initial=0)), 1) for chosen in (~same, same)]
        for (row, column), count in np.ndenumerate(confusion.counts):
            on = bool(same[row, column])
            colour = _RIGHT if on and count > 0 else _MORE if on or count > 0 else _LESS
            shade = 0.1 + 0.5 * abs(count) / most[on]
            axes.add_patch(_square(column, row, colour if count else _FAINT, shade if count else 1))
            if count:
                text = f"{count:+,}" if signed else f"{count:,}"
                axes.text(column, row, text, ha="center", va="center", color=INK, fontsize=9)
        axes.set_xlim(-0.5, len(confusion.columns) - 0.5)
        axes.set_ylim(len(confusion.rows) - 0.5, -0.5)
        axes.set_xticks(range(len(confusion.columns)), confusion.columns, color=INK)
        axes.tick_params(axis="x", labelrotation=90)
        axes.set_yticks(range(len(confusion.rows)), confusion.rows, color=INK)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(columns)
        axes.set_ylabel(rows)

    return render(draw, 2.4 + 0.5 * len(confusion.columns), 1.8 + 0.42 * len(confusion.rows), "svg")


def _square(x: float, y: float, colour: str, shade: float) -> Patch:
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    return Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, facecolor=colour, alpha=shade, linewidth=0)


def _draw_accuracy(stages: list[Accuracy], figure: Figure) -> None:
    """Accuracy by region and stage, each with its interval; the hardest region below."""
    axes = plain_axes(figure)
    names = _regions_of(stages)
    for number, (stage, colour) in enumerate(zip(stages, _STAGE_COLOURS, strict=False)):
        found = {"all images": stage.overall, **stage.regions}
        shown = [(place, found[name]) for place, name in enumerate(names) if name in found]
        height = [-place + 0.17 * ((len(stages) - 1) / 2 - number) for place, _ in shown]
        axes.errorbar(
            [100 * one.value for _, one in shown],
            height,
            xerr=error_bars([one for _, one in shown]),
            fmt="o",
            markersize=4.5,
            color=colour,
            elinewidth=1.3,
            label=stage.stage,
        )
    axes.set_yticks([-place for place in range(len(names))], names, color=INK)
    axes.grid(axis="x", color=_FAINT)
    axes.set_xlim(right=100.5)
    axes.set_xlabel(f"out-of-fold accuracy of {stages[0].method}, % with 95% interval over patients")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False)


def _regions_of(stages: list[Accuracy]) -> list[str]:
    """All images, then the regions, the best of the last stage first."""
    last = stages[-1].regions
    rest = sorted({name for stage in stages for name in stage.regions} - {*last})
    return ["all images", *sorted(last, key=lambda name: -last[name].value), *rest]
