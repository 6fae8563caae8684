"""The side and the view that a header claims in several places, and whether these agree (PS3.3 C.7.3.1, C.8.11.5).

Only words that cannot mean anything else are taken: an L before a spine is no side, and a description that names two
views is that of a series with both.
"""

from __future__ import annotations

import re

from embedkit.dicom.header import Header
from embedkit.dicom.views import coded_view, name_by_words

_SIDES = {"LEFT": "left", "LT": "left", "RIGHT": "right", "RT": "right"}
_SIDE_CODES = {**_SIDES, "L": "left", "R": "right"}
_VIEWS = {
    "AP": "frontal",
    "PA": "frontal",
    "LAT": "lateral",
    "LATERAL": "lateral",
    "OBL": "oblique",
    "OBLIQUE": "oblique",
}
_VIEW_CODES = {**_VIEWS, "LL": "lateral", "RL": "lateral", "LLD": "decubitus", "RLD": "decubitus"}
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName")
_WORDS = re.compile(r"[^\W_]+")


def find_disagreements(header: Header) -> list[str]:
    """Codes of `reasons.NOTES` for what a header claims once so and once otherwise."""
    described = [header.text(keyword) for keyword in _DESCRIPTIONS]
    body_part, side = header.text("BodyPartExamined"), header.text("ImageLaterality") or header.text("Laterality")
    *_, before, last = ("", "", *_WORDS.findall(body_part.upper()))  # KNEE L: a letter alone is a side at the end only
    last = "" if len(before) == 1 or before.endswith("SPINE") else last  # T-L, SPINE L: there it is a level
    sides = [name_by_words(side, _SIDE_CODES), name_by_words(body_part, _SIDES) or name_by_words(last, _SIDE_CODES)]
    sides += [name_by_words(text, _SIDES) for text in described]
    views = [name_by_words(text, _VIEW_CODES) for text in (header.text("ViewPosition"), coded_view(header))]
    views += [name_by_words(text, _VIEWS) for text in described]
    notes = {"laterality-differs": sides, "view-differs": views}
    return [note for note, claims in notes.items() if len({*claims} - {""}) > 1]
