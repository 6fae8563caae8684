"""The side and the view that a header claims in several places, and whether these agree (PS3.3 C.7.3.1, C.8.11.5).

Only words that cannot mean anything else are taken: an L before a spine is no side, and a description that names two
views is that of a series with both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from embedkit.dicom.header import Header, value_of

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
_CODED_VIEWS = {  # codes of ViewCodeSequence, SNOMED CT and the SNOMED RT of older files (PS3.16 CID 4010)
    "AP": ("399348003", "R-10206"),
    "PA": ("272479007", "R-40888"),
    "LL": ("399173006", "R-10236"),
    "RL": ("399198007", "R-10232"),
    "LATERAL": ("399067008", "R-102CD", "399352003", "R-10228", "399260004", "R-10224"),
    "AXIAL": ("399061009", "R-10241"),
    "OBLIQUE": (
        *("399182000", "R-102C1", "399312000", "R-10208", "399059000", "R-10216", "260427002", "R-40783", "260426006"),
        *("R-40782", "399099002", "R-10230", "399368009", "R-10226", "399184004", "R-10238", "399236003", "R-10234"),
        *("399006002", "R-10212", "399038007", "R-10210", "399135007", "R-10220", "399356000", "R-40985"),
    ),
}
_VIEW_OF_CODE = {code: view for view, codes in _CODED_VIEWS.items() for code in codes}
_VIEW_MEANINGS = {
    "AP": "AP",
    "ANTEROPOSTERIOR": "AP",
    "PA": "PA",
    "POSTEROANTERIOR": "PA",
    "LAT": "LATERAL",
    "LATERAL": "LATERAL",
    "OBLIQUE": "OBLIQUE",
}
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName")
_WORDS = re.compile(r"[^\W_]+")


def coded_view(header: Header) -> str:
    """The view of ViewCodeSequence (PS3.3 C.8.11.5) as a word of ViewPosition; "" for none or one that is not known."""
    for item in header.items("ViewCodeSequence"):
        code, meaning = str(value_of(item, "CodeValue")).strip(), str(value_of(item, "CodeMeaning"))
        return _VIEW_OF_CODE.get(code.upper()) or _name(meaning.replace("-", ""), _VIEW_MEANINGS)
    return ""


def find_disagreements(header: Header) -> list[str]:
    """Codes of `reasons.NOTES` for what a header claims once so and once otherwise."""
    described = [header.text(keyword) for keyword in _DESCRIPTIONS]
    body_part, side = header.text("BodyPartExamined"), header.text("ImageLaterality") or header.text("Laterality")
    *_, before, last = ("", "", *_WORDS.findall(body_part.upper()))  # KNEE L: a letter alone is a side at the end only
    last = "" if len(before) == 1 or before.endswith("SPINE") else last  # T-L, SPINE L: there it is a level
    sides = [_name(side, _SIDE_CODES), _name(body_part, _SIDES) or _name(last, _SIDE_CODES)]
    sides += [_name(text, _SIDES) for text in described]
    views = [_name(text, _VIEW_CODES) for text in (header.text("ViewPosition"), coded_view(header))]
    views += [_name(text, _VIEWS) for text in described]
    notes = {"laterality-differs": sides, "view-differs": views}
    return [note for note, claims in notes.items() if len({*claims} - {""}) > 1]


def _name(text: str, names: Mapping[str, str]) -> str:
    """What the words of a text name, "" where that is nothing or several things."""
    found = {names[word.upper()] for word in _WORDS.findall(text) if word.upper() in names}
    return found.pop() if len(found) == 1 else ""
