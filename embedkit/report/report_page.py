"""The report as one HTML page that needs nothing else: to be read, printed and handed around.

Of the patients there are numbers only; no id, UID, path or note of a reviewer. Pictures only on request.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import date
from html import escape
from math import ceil

import numpy as np

from embedkit.indexes import Index
from embedkit.quality.estimate import ErrorEstimate
from embedkit.report.confusion import NO_LABEL, Confusion
from embedkit.report.correction import GIVEN, REVIEWED
from embedkit.report.map import RegionMap
from embedkit.report.map_figure import draw_map
from embedkit.report.page import encode_webp, fill_page
from embedkit.report.summary import CHANGE, RELABELLED, Report, pick_pictures
from embedkit.report.table import Table, as_text, to_html

PICTURED = 120
_SIDE = 160
_SHADES = 5


def report_page(
    report: Report, drawn: RegionMap | None = None, *, made: date | None = None, pictures_of: Index | None = None
) -> str:
    """Write the page.

    Parameters
    ----------
    drawn
        A map of the archive (`make_map`), to be shown as a figure.
    made
        The date on the page, today where it is None.
    pictures_of
        The index that the report is of, to show the radiographs of changed and of doubted labels (the first 120).
    """
    sections = [
        ("archive", "What is in the archive", _draw_archive(report)),
        ("suspects", "What is suspected", _draw_suspects(report)),
        ("review", "What the review changed", _draw_review(report)),
        ("accuracy", "How often a model agrees with the labels", _draw_accuracy(report)),
        ("quality", "Where the labels are worst", _draw_quality(report)),
        ("map", "Map of the archive", _draw_map(drawn)),
        ("pictures", "Radiographs", _draw_pictures(report, pictures_of)),
    ]
    shown = [section for section in sections if section[2]]
    return fill_page(
        "report",
        scripted=False,
        made=(made or date.today()).isoformat(),
        lead=_lead(report),
        notice=_PICTURES_INSIDE if pictures_of is not None else "",
        tiles="".join(_draw_tile(*tile) for tile in _list_tiles(report)),
        contents="".join(f'<li><a href="#{name}">{title}</a></li>' for name, title, _ in shown),
        sections="".join(
            f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{body}</section>'
            for name, title, body in shown
        ),
        notes="".join(f"<li>{escape(note)}</li>" for note in report.notes),
    )


_PICTURES_INSIDE = '<p class="notice">This file holds radiographs of patients: treat it as you treat the images.</p>'


def _lead(report: Report) -> str:
    """The whole in two or three sentences."""
    archive, labels = report.archive, report.correction.labels
    said = [f"Of {archive.labelled:,} labels {_name_errors(report)}."]
    if labels.read.any():
        wrong = int(labels.wrong.sum())
        said.append(
            f"Reviewers have read {int(labels.read.sum()):,} images and found {wrong:,} wrong labels; among the "
            f"others {_number(report.left)} more are expected."
        )
    before, after = (_find_accuracy(report, stage) for stage in (GIVEN, REVIEWED))
    if before and after:
        said.append(
            f"A model that never saw the patient agrees with {before} of the labels as given and with {after} of the "
            "labels as reviewed."
        )
    return " ".join(said)


def _name_errors(report: Report) -> str:
    """How many labels are expected to be wrong, and how many could not be checked."""
    if not report.checked:
        return "none could be checked"
    unchecked = int(report.suspicion.unchecked.sum())
    left = f"; {unchecked:,} could not be checked" if unchecked else ""
    return f"{_number(report.expected)} are expected to be wrong{left}"


def _number(expected: ErrorEstimate) -> str:
    return f"about {expected.expected:,.0f} ({expected.low:,.0f} to {expected.high:,.0f})"


def _find_accuracy(report: Report, stage: str) -> str:
    """The accuracy of the last method, the ensemble where there is one, as a text; "" where there is none."""
    found = [one.overall.value for one in report.correction.accuracy if one.stage == stage]
    return as_text(found[-1]) if found else ""


def _list_tiles(report: Report) -> Iterable[tuple[str, str, str]]:
    """What, how many, and a word on it."""
    archive, labels, expected = report.archive, report.correction.labels, report.expected
    missing = archive.images - archive.labelled
    yield "radiographs", f"{archive.images:,}", f"{archive.patients:,} patients, {archive.studies:,} studies"
    yield "regions", f"{archive.regions:,}", f"{missing:,} images without a label"
    yield "files rejected", f"{archive.rejected:,}", "each with its reason"
    yield "suspects", f"{int(report.suspicion.suspected.sum()):,}", "labels held to be wrong"
    if report.checked:
        yield "errors expected", f"{expected.expected:,.0f}", f"{expected.low:,.0f} to {expected.high:,.0f}"
    else:
        yield "errors expected", "not known", "no label could be checked"
    yield "labels corrected", f"{int(labels.wrong.sum()):,}", f"of {int(labels.read.sum()):,} images reviewed"


def _draw_tile(what: str, value: str, detail: str) -> str:
    return f"<div><dt>{what}</dt><dd><b>{value}</b><span>{detail}</span></dd></div>"


def _draw_archive(report: Report) -> str:
    archive = report.archive
    words = f"{archive.images:,} radiographs of {archive.patients:,} patients in {archive.studies:,} studies."
    if archive.without_patient:
        words += f" {archive.without_patient:,} images name no patient; each counts as a patient of its own."
    return _say(words) + _lay_out(archive.tables)


def _draw_suspects(report: Report) -> str:
    expected = (
        f"To be expected are {_number(report.expected)} wrong labels: the sum of each image's chance. The range "
        "says where the number lies in 19 of 20 cases, as far as the scores mean what they say. "
    )
    words = "A suspect is a question to a radiologist, not an answer."
    return to_html(report.suspects) + _say((expected if report.checked else "") + words)


def _draw_review(report: Report) -> str:
    correction = report.correction
    if correction.relabelled is None:
        return _say("Nobody has reviewed suspects yet: `embedkit review` is the page to do so.")
    read, wrong = int(correction.labels.read.sum()), int(correction.labels.wrong.sum())
    words = f"{read:,} images were reviewed; {wrong:,} of their labels were wrong. On the diagonal: labels confirmed."
    if report.disputed:
        words += f" On {report.disputed:,} images the reviewers disagree; their labels count as given."
    matrices = _draw_confusion(correction.relabelled, RELABELLED, "reviewed \\ given")
    if correction.change is not None:
        words += f" {_CHANGE_EXPLAINED}"
        matrices += _draw_confusion(correction.change.without_zeros(), CHANGE, "label \\ model", signed=True)
    agreement = to_html(report.agreement) if report.agreement.rows else ""
    return f'{_say(words)}<div class="tables">{matrices}</div>{agreement}'


_CHANGE_EXPLAINED = (
    "The second matrix judges the same answers of the model by the reviewed labels instead of the given ones. Green: "
    "answers that were right all along. Blue: errors that were none. Red: errors that had been hidden."
)


def _draw_accuracy(report: Report) -> str:
    if not report.accuracy.rows:
        return _say("Labelled images of two patients and two regions at least are needed to say.")
    return _say(_ACCURACY_EXPLAINED) + to_html(report.accuracy) + to_html(report.accuracy_by_region)


_ACCURACY_EXPLAINED = (
    "Each image is judged by linear heads that saw no image of its patient. Images that were found to be of no region, "
    "or unusable, are left out of the reviewed labels. Leaving out suspects flatters: a suspect is what the model "
    "disagrees with. Images that were not reviewed keep their label, so that errors among them still count."
)


def _draw_quality(report: Report) -> str:
    words = (
        "Labels wrong, estimated: what reviewers found, and what is to be expected of the images that nobody read. "
        "Small groups vary by chance."
    )
    return _say(words) + _lay_out(report.quality)


def _draw_map(drawn: RegionMap | None) -> str:
    if drawn is None:
        return ""
    stars = sum(found.starred for found in drawn.findings.values())
    svg = base64.b64encode(draw_map(drawn, "svg")).decode()
    words = f"{escape(drawn.title)} of {len(drawn.regions):,} radiographs, {stars:,} of them with a star"
    return (
        _say(
            "Radiographs that look alike lie side by side; the colour is the region. A star is a corrected label or "
            "one in doubt. Distances between clusters mean little."
        )
        + f'<figure class="map"><img src="data:image/svg+xml;base64,{svg}" alt="{words}"></figure>'
    )


def _draw_pictures(report: Report, index: Index | None) -> str:
    if index is None:
        return ""
    rows, labels = pick_pictures(report, PICTURED), report.correction.labels
    figures = []
    for row, picture in zip(rows, index.pictures(np.array(rows, dtype=np.int64)), strict=True):
        given, changed = labels.given[row] or NO_LABEL, bool(labels.changed[row])
        said = f"{given} → {labels.reviewed[row]}" if changed else f"{given}?"
        figures.append(
            f'<figure><img src="data:image/webp;base64,{encode_webp(picture, _SIDE)}" width="{_SIDE}" '
            f'height="{_SIDE}" alt=""><figcaption>{escape(said)}</figcaption></figure>'
        )
    words = f"Corrected labels first (given → reviewed), then suspects that nobody has read: {len(rows):,} images."
    return _say(words) + f'<div class="pictures">{"".join(figures)}</div>'


def _draw_confusion(confusion: Confusion, title: str, axes: str, *, signed: bool = False) -> str:
    """A matrix as a table, shaded by the size of its numbers."""
    same = np.equal.outer(np.array(confusion.rows), np.array(confusion.columns))
    most = [max(int(np.abs(confusion.counts[chosen]).max(initial=0)), 1) for chosen in (~same, same)]
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in confusion.columns)
    rows = []
    for row, name in enumerate(confusion.rows):
        cells = []
        for column, other in enumerate(confusion.columns):
            on, count = name == other, int(confusion.counts[row, column])
            kind = "gave" if count and other == NO_LABEL else _kind(count, same=on)
            shade = ceil(_SHADES * abs(count) / most[on])
            text = f"{count:+,}".replace("-", "\u2212") if signed and count else f"{count:,}"
            cells.append(f'<td class="{kind} shade{shade}">{text}</td>')
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="scroll" role="region" aria-label="{title}" tabindex="0"><table class="matrix">'
        f'<caption>{title}</caption><thead><tr><td class="corner">{axes}</td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _kind(count: int, *, same: bool) -> str:
    """What a number in a matrix tells."""
    if not count:
        return "zero same" if same else "zero"
    return ("right" if same else "more") if count > 0 else "more" if same else "less"


def _lay_out(tables: Iterable[Table]) -> str:
    """Tables side by side, where there is room."""
    return f'<div class="tables">{"".join(map(to_html, tables))}</div>'


def _say(text: str) -> str:
    """A paragraph; what is between backticks is code."""
    parts = escape(text).split("`")
    return "<p>" + "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts)) + "</p>"
