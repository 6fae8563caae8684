"""The side and the view that a header claims in several places, and whether these agree (PS3.3 C.7.3.1, C.8.11.5).

Only words that cannot mean anything else are taken: an L before a spine is no side, and a description that names two
views is that of a series with both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from embedkit.dicom.header import Header

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
    *_, last = ("", *_WORDS.findall(body_part))  # KNEE L: a letter alone is a side at the end only
    sides = [_name(side, _SIDE_CODES), _name(body_part, _SIDES) or _name(last, _SIDE_CODES)]
    sides += [_name(text, _SIDES) for text in described]
    views = [_name(header.text("ViewPosition"), _VIEW_CODES), *(_name(text, _VIEWS) for text in described)]
    notes = {"laterality-differs": sides, "view-differs": views}
    return [note for note, claims in notes.items() if len({*claims} - {""}) > 1]


def _name(text: str, names: Mapping[str, str]) -> str:
    """What the words of a text name, "" where that is nothing or several things."""
    found = {names[word.upper()] for word in _WORDS.findall(text) if word.upper() in names}
    return found.pop() if len(found) == 1 else ""
