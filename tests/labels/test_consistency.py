"""What a header says of side and view in several places."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sr import _concepts_dict, _snomed_dict

from embedkit.dicom import views
from embedkit.reasons import NOTES

FRAME = np.arange(64, dtype=np.uint16).reshape(8, 8)
SIDES, VIEWS = "laterality-differs", "view-differs"


@pytest.mark.parametrize(
    ("header", "notes"),
    [
        ({}, ()),
        ({"ImageLaterality": "L", "BodyPartExamined": "KNEE LT"}, ()),
        ({"ImageLaterality": "L", "BodyPartExamined": "KNEE RT"}, (SIDES,)),
        ({"ImageLaterality": "R", "BodyPartExamined": "KNEE_L"}, (SIDES,)),
        ({"Laterality": "R", "SeriesDescription": "Left knee, AP"}, (SIDES,)),
        ({"ImageLaterality": "R", "Laterality": "L"}, ()),  # the image knows better than its series
        ({"ImageLaterality": "R", "SeriesDescription": "L spine"}, ()),
        ({"ImageLaterality": "R", "BodyPartExamined": "T L"}, ()),
        ({"ImageLaterality": "R", "BodyPartExamined": "SPINE L"}, ()),
        ({"ImageLaterality": "B", "SeriesDescription": "knee left"}, ()),
        ({"ImageLaterality": "R", "SeriesDescription": "knees left and right"}, ()),
        ({"SeriesDescription": "hand left", "ProtocolName": "HAND RIGHT"}, (SIDES,)),
        ({"ViewPosition": "LL", "SeriesDescription": "ankle lateral"}, ()),
        ({"ViewPosition": "LL", "SeriesDescription": "ankle AP"}, (VIEWS,)),
        ({"ViewPosition": "PA", "SeriesDescription": "hand ap"}, ()),
        ({"ViewPosition": "AP", "SeriesDescription": "ankle ap + lat"}, ()),
        ({"ViewPosition": "AP", "ImageLaterality": "L", "ProtocolName": "RT WRIST LAT"}, (SIDES, VIEWS)),
        ({"ViewPosition": "CANARY JANE", "SeriesDescription": "AP"}, ()),
    ],
)
def test_disagreements_become_notes(tools: Any, header: dict[str, str], notes: tuple[str, ...]) -> None:
    read = tools.read(tools.dicom(FRAME, bits=12, **header))
    assert read.notes == notes
    assert set(notes) <= NOTES.keys()


def code(value: str = "", meaning: str = "", scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


@pytest.mark.parametrize(
    ("position", "item", "view", "notes"),
    [
        ("", code("399348003"), "AP", ()),
        ("", code("R-10236", scheme="SRT"), "LL", ()),
        ("", code("X1", "Postero-anterior", "99SITE"), "PA", ()),
        ("", code("X1", "Lateral of CANARY^JANE", "99SITE"), "LATERAL", ()),
        ("", code("X1", "CANARY^JANE", "99SITE"), "", ()),
        ("PA", code("399348003"), "PA", ()),
        ("LL", code("399348003"), "LL", (VIEWS,)),
    ],
)
def test_the_view_code_is_a_claim_too(
    tools: Any, position: str, item: Dataset, view: str, notes: tuple[str, ...]
) -> None:
    read = tools.read(tools.dicom(FRAME, bits=12, ViewPosition=position, ViewCodeSequence=[item]))
    assert (read.facts.view, read.notes) == (view, notes)


def test_view_codes_are_those_of_the_standard() -> None:
    meanings = {
        value: meaning for concept in _concepts_dict.concepts["SCT"].values() for value, (meaning, _) in concept.items()
    }
    words = {"AP": "antero", "PA": "postero", "LL": "left lateral", "RL": "right lateral", "LATERAL": "later"}
    for view, values in views._CODED_VIEWS.items():
        for value in values:
            meaning = meanings[_snomed_dict.mapping["SRT"].get(value, value)]
            assert re.search(words.get(view, view), meaning.replace("Left-right", "right"), re.IGNORECASE), (
                view,
                meaning,
            )
