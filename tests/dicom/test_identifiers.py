"""Names, ids and dates are found however they are written; what devices and rooms are called is left alone."""

from __future__ import annotations

import pydicom
import pytest
from pydicom import Dataset

from embedkit.dicom.identifiers import Identifiers


@pytest.fixture(autouse=True)
def any_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)


def occurs(text: str, **elements: object) -> bool:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return Identifiers(dataset).occur_in(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Øster^Anna", "OSTER"),
        ("Øster^Anna", "oester 2"),
        ("Oster", "Øster gizmo"),
        ("Müller", "MUELLER"),
        ("Müller", "MULLER"),
        ("MUELLER", "Müller"),
        ("Ågård", "AAGAARD"),
        ("Ågård", "Agard"),
        ("Weiß", "WEISS"),
        ("Sæther", "SATHER"),
        ("Sæther", "saether"),
        ("Łukasz", "gizmo-lukasz"),
        ("Đorđe", "Djordje"),
        ("Þór", "Thor"),
        ("I\u015f\u0131k", "ISIK"),
        ("Lea^Eva", "LEAEVA x"),
        ("van der Berg", "VANDERBERG"),
        ("O'Brien", "OBRIEN"),
        ("Li^X", "gizmo LI"),
        ("山田^太郎", "山田太郎"),
        ("山田太郎", "山田"),
        ("王^芳", "王 x"),
        ("김철수", "x김철수"),
    ],
)
def test_a_name_is_found_however_it_is_written(name: str, text: str) -> None:
    assert occurs(text, PatientName=name)
    assert occurs(text, OperatorsName=name)
    assert not occurs(text, PatientName="Zzyzx")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "13.07.1944",
            "13/07/1944",
            "13-07-1944",
            "1944-07-13",
            "13 Jul 1944",
            "13.7.1944 x",
            "Jul 13, 1944",
            "13.07.44",
        ),
        *(
            "July 13th 1944",
            "13-JUL-44",
            "19440713",
            "13071944",
            "07131944",
            "1944年7月13日",
            "1944 JUL 13",
            "born 13. Juli 1944",
        ),
        *("13 de julio de 1944", "13 août 1944", "x_13.07.1944_y", "7 / 13 / 1944"),
    ],
)
def test_a_date_is_found_whosever_it_is(text: str) -> None:
    assert occurs(text)


@pytest.mark.parametrize("text", ["130744", "ROOM 440713", "071344"])
def test_a_short_date_is_found_where_it_is_the_birth_date(text: str) -> None:
    assert occurs(text, PatientBirthDate="19440713")
    assert not occurs(text, PatientBirthDate="19440714")


def test_an_id_is_found_in_every_place_that_has_one() -> None:
    other = Dataset()
    other.PatientID = "A-4711"
    for elements in ({"PatientID": "A-4711"}, {"AccessionNumber": "A4711"}, {"OtherPatientIDsSequence": [other]}):
        assert occurs("x4711" if elements.get("AccessionNumber") is None else "xA4711", **elements)


@pytest.mark.parametrize(
    "text",
    [
        *("V 1.2.34", "DR 3500", "Definium 8000", "AXIAL 30", "DRX-1", "ROOM 12", "2.4.1", "MAR 3", "10 12 14"),
        *("Siemens Ysio Max", "L-SPINE 2 VIEWS", "hand 3 views 2021", "12 MAX 20", "AP", "L", "FDR D-EVO II"),
    ],
)
def test_what_devices_and_views_are_called_is_left_alone(text: str) -> None:
    assert not occurs(text, PatientName="CANARY^JANE^Q", PatientID="PID7788", PatientBirthDate="19440713")


@pytest.mark.parametrize("piece", ["1.", "1 ", "1jan", "jan.", "1944-", "12/12/", "1st de "])
def test_no_text_makes_it_slow(piece: str) -> None:
    occurs(piece * 100_000, PatientName="x")
