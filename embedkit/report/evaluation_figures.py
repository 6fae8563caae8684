"""An evaluation as figures: every point with its interval, lines named where they end, colours of Okabe and Ito."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from embedkit.evaluation import Evaluation
from embedkit.report.figure import INK, error_bars, plain_axes, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_FAINT = "#e8e8e8"


def draw_evaluation(evaluation: Evaluation) -> Iterator[tuple[str, bytes]]:
    """Yield the file name and the content of each figure, as SVG and as PNG; one without data is left out."""
    regions = len(evaluation.regions)
    figures: dict[str, tuple[Callable[[Evaluation, Figure], None], float, float]] = {
        "accuracy": (_draw_accuracy, 7, 1.6 + 0.42 * regions),
        "reliability": (_draw_reliability, 5, 5.2),
        "confusion": (_draw_confusion, 2.6 + 0.5 * regions, 2 + 0.42 * regions),
    }
    if evaluation.fractions:
        figures["label-fractions"] = (_draw_fractions, 8, 4.6)
    for name, (draw, width, height) in figures.items():
        for kind in ("svg", "png"):
            yield f"{name}.{kind}", render(partial(draw, evaluation), width, height, kind)


def _draw_accuracy(evaluation: Evaluation, figure: Figure) -> None:
    """Accuracy by region of the linear heads and their ensemble (table 1 and 2 of the paper), the hardest below."""
    scores = [score for score in evaluation.scores if not score.method.endswith("kNN")]
    order = np.argsort([-score.value for score in scores[-1].regions], kind="stable")
    names = ["all images", *(evaluation.regions[place] for place in order)]
    axes = plain_axes(figure)
    height = np.arange(len(names), 0, -1.0)
    for number, (score, colour) in enumerate(zip(scores, cycle(_COLOURS), strict=False)):
        found = [score.overall, *(score.regions[place] for place in order)]
        shift = 0.16 * ((len(scores) - 1) / 2 - number)
        x = [100 * one.value for one in found]
        axes.errorbar(x, height + shift, xerr=error_bars(found), fmt="o", markersize=5, color=colour, elinewidth=1.4)
        axes.annotate(
            score.method,
            (1, 1),
            xytext=(0, 4 + 13 * (len(scores) - 1 - number)),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            color=colour,
        )
    axes.axhline(len(names) - 0.5, color="#cccccc", linewidth=0.8)
    axes.set_yticks(height, names, color=INK)
    axes.set_ylim(0.4, len(names) + 0.6)
    axes.set_xlim(right=100.5)
    axes.locator_params(axis="x", integer=True, steps=[1, 2, 5, 10])
    axes.grid(axis="x", color=_FAINT)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("top-1 accuracy, % with 95% interval over patients")


def _draw_fractions(evaluation: Evaluation, figure: Figure) -> None:
    """Accuracy by fraction of the labels on a log axis (figure 2 of the paper)."""
    axes = plain_axes(figure)
    methods = list(dict.fromkeys(score.method for score in evaluation.fractions))
    ends = []
    for number, (method, colour) in enumerate(zip(methods, cycle(_COLOURS), strict=False)):
        scores = [score for score in evaluation.fractions if score.method == method]
        x = np.array([100 * score.fraction for score in scores]) * 1.03 ** (number - (len(methods) - 1) / 2)
        mean = np.array([score.mean for score in scores])
        spread = np.array([[score.mean - score.low, score.high - score.mean] for score in scores]).T
        axes.errorbar(
            x, 100 * mean, yerr=100 * np.maximum(spread, 0), fmt="o-", markersize=4, color=colour, elinewidth=1.1
        )
        ends.append((100 * float(mean[-1]), method, colour))
    shares = sorted({score.fraction for score in evaluation.fractions})
    labels = {score.fraction: score.labels for score in evaluation.fractions}
    axes.set_xscale("log")
    axes.set_xticks([100 * share for share in shares], [f"{100 * share:g}%\n{labels[share]:,}" for share in shares])
    axes.minorticks_off()
    axes.grid(axis="y", color=_FAINT)
    axes.set_xlabel("fraction and number of labels learnt from")
    axes.set_ylabel("top-1 accuracy, %")
    low, high = axes.get_ylim()
    axes.set_ylim(low, min(high, 101))
    _name_lines(axes, ends)


def _name_lines(axes: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Write each line's name at its right end, no two on top of each other."""
    low, high = axes.get_ylim()
    gap, last = 0.055 * (high - low), np.inf
    for value, name, colour in sorted(ends, reverse=True):
        last = min(value, last - gap)
        axes.annotate(
            name, (1.02, last), xycoords=("axes fraction", "data"), va="center", color=colour, annotation_clip=False
        )


def _draw_reliability(evaluation: Evaluation, figure: Figure) -> None:
    """Confidence against accuracy of the best method, before and after temperature scaling; the diagonal is honest.

    Bins of fewer than ten images say nothing, and are left out.
    """
    found = evaluation.calibration[-1]
    axes = plain_axes(figure)
    axes.plot([0, 100], [0, 100], color="#bbbbbb", linewidth=1)
    axes.annotate("means what it says", (30, 31), rotation=45, rotation_mode="anchor", color="#888888", fontsize=9)
    stages = (("before scaling", found.before, found.bins_before), ("after", found.after, found.bins_after))
    for number, ((stage, error, bins), colour) in enumerate(zip(stages, _COLOURS[1::-1], strict=False)):
        shown = [one for one in bins if one.accuracy.images >= 10]
        x, y = [100 * one.confidence for one in shown], [100 * one.accuracy.value for one in shown]
        axes.errorbar(x, y, yerr=error_bars([one.accuracy for one in shown]), fmt="o", color=colour, elinewidth=1.2)
        text = f"{stage}: calibration error {100 * error.value:.1f}% ({100 * error.low:.1f} to {100 * error.high:.1f})"
        axes.annotate(text, (0, 1.03 + 0.055 * number), xycoords="axes fraction", color=colour)
    axes.set_xlim(0, 101)
    axes.set_ylim(0, 101)
    axes.set_aspect("equal")
    axes.set_xlabel("confidence, %")
    axes.set_ylabel(f"accuracy of {found.method}, %")


def _draw_confusion(evaluation: Evaluation, figure: Figure) -> None:
    """Given against named regions: counts, shaded by their share of the row."""
    size = len(evaluation.regions)
    counts = evaluation.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes = plain_axes(figure)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.55 else INK
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(size), evaluation.regions, rotation=40, ha="right", rotation_mode="anchor", color=INK)
    axes.set_yticks(range(size), evaluation.regions, color=INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"named by {evaluation.calibration[-1].method}")
    axes.set_ylabel("given")
