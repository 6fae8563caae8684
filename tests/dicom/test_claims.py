"""What a header says of side and view in several places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embedkit.dicom import NOTES

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
