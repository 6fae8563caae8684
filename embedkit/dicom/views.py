"""The view that a code names (PS3.3 C.8.11.5), as a word of ViewPosition."""

from __future__ import annotations

import re
from collections.abc import Mapping

from embedkit.dicom.header import Header, value_of

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
_WORDS = re.compile(r"[^\W_]+")


def coded_view(header: Header) -> str:
    """The view of ViewCodeSequence (PS3.3 C.8.11.5) as a word of ViewPosition; "" for none or one that is not known."""
    for item in header.items("ViewCodeSequence"):
        code, meaning = str(value_of(item, "CodeValue")).strip(), str(value_of(item, "CodeMeaning"))
        return _VIEW_OF_CODE.get(code.upper()) or name_by_words(meaning.replace("-", ""), _VIEW_MEANINGS)
    return ""


def name_by_words(text: str, names: Mapping[str, str]) -> str:
    """What the words of a text name, "" where that is nothing or several things."""
    found = {names[word.upper()] for word in _WORDS.findall(text) if word.upper() in names}
    return found.pop() if len(found) == 1 else ""
