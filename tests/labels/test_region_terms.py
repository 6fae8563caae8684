"""Labels and descriptions as hospitals write them, in several languages, and the codes of the standard for regions."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydicom.sr import _concepts_dict, _snomed_dict

from embedkit.labels.vocabulary import Vocabulary

VOCABULARY = Vocabulary.load()
TERMS = {
    region: [" ".join(term.split()) for term in terms.split("|")]
    for region, terms in tomllib.loads(
        Path(__file__).with_name("region_terms.toml").read_text(encoding="utf-8")
    ).items()
}


@pytest.mark.parametrize("region", TERMS)
def test_what_hospitals_write_is_read_as_the_region_that_they_mean_and_as_no_other(region: str) -> None:
    read = {term: VOCABULARY.region_of_spelling(term) for term in TERMS[region]}
    assert read == dict.fromkeys(read, region)


def test_the_terms_are_many_and_of_every_region() -> None:
    assert set(TERMS) - {""} == set(VOCABULARY.names) - {"soft tissue neck"}
    assert sum(map(len, TERMS.values())) - len(TERMS[""]) >= 600
    assert len(TERMS[""]) >= 100


MEANINGS: dict[str, list[str]] = {}
for _concept in _concepts_dict.concepts["SCT"].values():
    for _code, (_meaning, *_) in _concept.items():
        MEANINGS.setdefault(_code, []).append(_meaning)

STRUCTURES = {  # meanings without a word of the region that the structure lies in
    "51185008": "Thoracic structure (body structure)",
    "69536005": "Head",
    "314796009": "Malleolar structure of tibia",
    "80891009": "Heart",
    "72410000": "Mediastinum",
    "371398005": "Eye region",
    "45048000": "Neck",
}


def test_every_code_has_a_meaning_in_the_standard_that_names_its_region() -> None:
    for region in VOCABULARY.regions:
        for code in (*region.sct, *(_snomed_dict.mapping["SRT"][code] for code in region.srt)):
            assert code in region.sct
            named = {VOCABULARY.region_of_spelling(meaning) for meaning in MEANINGS[code]}
            assert region.name in named or STRUCTURES.get(code) in MEANINGS[code], (region.name, MEANINGS[code])


ONE_REGION = {
    "Radius and ulna": "forearm",
    "Tibia and fibula": "lower leg",
    "Trachea and bronchus": "",
    "Pharynx and larynx": "",
}


@pytest.mark.parametrize("scheme", ["SCT", "SRT"])
def test_a_code_for_several_regions_names_none(scheme: str) -> None:
    older = {new: old for old, new in _snomed_dict.mapping["SRT"].items()}
    joined = {
        code: meaning
        for concept in _concepts_dict.concepts["SCT"].values()
        for code, (meaning, groups) in concept.items()
        if {4, 4009, 4028, 4030, 4031, 7482, 7483} & set(groups) and (" and " in meaning or "," in meaning)
    }
    assert {"110517009", "416550000", "818982008", "1231522001"} < joined.keys()
    for code, meaning in joined.items():
        value = code if scheme == "SCT" else older.get(code, "")
        assert VOCABULARY.region_of_code(value, scheme) == (ONE_REGION.get(meaning, "") if value else ""), meaning
        if meaning not in {"Trachea and bronchus", "Pharynx and larynx"}:
            assert VOCABULARY.region_of_spelling(meaning) == ONE_REGION.get(meaning, ""), meaning


@pytest.mark.parametrize(
    "text",
    [
        "hip and pelvis",
        "Radius und Ulna",
        "tibia and fibula",
        "sacrum and coccyx",
        "hand and finger",
        "toes and foot",
        "knee and patella",
    ],
)
def test_two_names_of_one_region_are_that_region(text: str) -> None:
    assert VOCABULARY.region_of_spelling(text) != ""


def test_a_wider_area_leaves_its_part_alone() -> None:
    assert VOCABULARY.region_of_spelling("Upper extremity: wrist") == "wrist"
    assert VOCABULARY.regions_in("spine") == {"spine": "spine"}
    assert VOCABULARY.names_several(VOCABULARY.regions_of_code("818982008", "SCT"))
    assert not VOCABULARY.names_several(VOCABULARY.regions_of_code("421060004", "SCT"))
