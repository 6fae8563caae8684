"""The region vocabulary: codes against pydicom's concept dictionary, spellings of the field, a site's own file."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sr import _concepts_dict, _snomed_dict

from embedkit.dicom.spelling import LONGEST_TEXT, fold
from embedkit.errors import UsageError
from embedkit.labels.vocabulary import SHIPPED, Vocabulary

VOCABULARY = Vocabulary.load()
PAPER = (
    *("clavicle", "shoulder", "skull", "rib", "elbow", "knee", "wrist", "hand", "foot", "ankle", "pelvis/hip"),
    *("cervical spine", "thoracic spine", "lumbar spine"),
)


def load(tmp_path: Path, text: str) -> Vocabulary:
    path = tmp_path / "regions.toml"
    path.write_text(text, encoding="utf-8")
    return Vocabulary.load(path)


def test_the_shipped_vocabulary_starts_with_the_fourteen_regions_of_the_paper() -> None:
    assert VOCABULARY.names[:14] == PAPER
    assert {"forearm", "upper arm", "femur", "lower leg", "chest", "abdomen"} < set(VOCABULARY.names)


def test_every_code_is_one_of_pydicoms_concept_dictionary() -> None:
    known = {code for concept in _concepts_dict.concepts["SCT"].values() for code in concept}
    for region in VOCABULARY.regions:
        assert set(region.sct) <= known, region.name
        translated = {_snomed_dict.mapping["SRT"].get(code) for code in region.srt}
        assert translated <= set(region.sct), region.name


@pytest.mark.parametrize(
    ("code", "scheme", "region"),
    [
        ("72696002", "SCT", "knee"),
        ("T-D9200", "SRT", "knee"),
        ("t-d9200 ", "SNM3", "knee"),
        ("51299004", "SCT", "clavicle"),
        ("T-D9200", "SCT", ""),
        ("72696002", "99LOCAL", ""),
        ("", "", ""),
    ],
)
def test_codes(code: str, scheme: str, region: str) -> None:
    assert VOCABULARY.region_of_code(code, scheme) == region


@pytest.mark.parametrize(
    ("text", "region"),
    [
        *[(text, "hand") for text in ("HAND", "Hand", "HAND LT", "hand_r", "MAIN GAUCHE", "Mano dx", "HAENDE BDS")],
        *[(text, "knee") for text in ("KNEE", "knee_r", "KNIE", "Kniegelenk re", "GENOU", "Rodilla", "KNEE JOINT")],
        *[(text, "foot") for text in ("FOOT_LT", "Foot", "FUSS", "Füße", "PIED", "voet")],
        *[(text, "pelvis/hip") for text in ("PELVIS", "PELVIS AP", "Hip", "BECKEN", "HÜFTE", "Hanche D")],
        *[(text, "elbow") for text in ("ELBOW RT", "elbow", "Ellenbogen")],
        *[(text, "lumbar spine") for text in ("LSPINE", "L SPINE", "L-Spine LAT", "LWS", "RACHIS LOMBAIRE")],
        *[(text, "thoracic spine") for text in ("TSPINE", "BWS", "T SPINE")],
        *[(text, "cervical spine") for text in ("CSPINE", "HWS seitlich", "C_SPINE")],
        *[(text, "ankle") for text in ("OSG", "ANKLE LT", "CHEVILLE")],
        *[(text, "wrist") for text in ("WRIST", "HANDGELENK", "Poignet")],
        *[(text, "lower leg") for text in ("LEG", "TIBIA/FIBULA", "Unterschenkel")],
        *[(text, "chest") for text in ("CHEST", "THORAX", "Torax")],
        *[(text, "shoulder") for text in ("SHOULDER", "SCHULTER LI", "Shoulder RT")],
        *[(text, "") for text in ("", "L", "SPINE", "ARM", "EXTREMITY", "HAND WRIST", "Besonderes", "12345")],
    ],
)
def test_spellings_of_the_field(text: str, region: str) -> None:
    assert VOCABULARY.region_of_spelling(text) == region


def test_every_spelling_of_the_file_maps_to_its_own_region_also_with_a_side() -> None:
    for region in VOCABULARY.regions:
        for text in (region.name, *region.spellings):
            assert VOCABULARY.region_of_spelling(text) == region.name
            assert VOCABULARY.region_of_spelling(f"{text.lower()}_LT AP") == region.name


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("XR LEFT KNEE 2 VIEWS", "knee"),
        ("Rö Handgelenk rechts 2 Ebenen", "wrist"),
        ("hand and wrist", ""),
        ("Hand mit Handgelenk", ""),
        ("index finger of right hand", "finger"),
        ("great toe, foot", "toe"),
        ("femoral neck", "pelvis/hip"),
        ("distal radius", "wrist"),
        ("genou de face", "knee"),
        ("kneeling", ""),
        ("XR", ""),
    ],
)
def test_descriptions(text: str, region: str) -> None:
    assert VOCABULARY.region_of_description(text) == region


def test_all_named_regions_are_listed_with_their_words() -> None:
    assert VOCABULARY.regions_in("Röntgen: Knie & Sprunggelenk") == {"knee": "knie", "ankle": "sprunggelenk"}


def test_it_travels_between_processes() -> None:
    VOCABULARY.region_of_spelling("KNEE")
    assert pickle.loads(pickle.dumps(VOCABULARY)) == VOCABULARY


@pytest.mark.slow
@given(st.text())
def test_any_text_maps_to_a_region_or_to_nothing(text: str) -> None:
    assert VOCABULARY.region_of_spelling(text) in {"", *VOCABULARY.names}
    assert fold(fold(text)) == fold(text) or len(text) > LONGEST_TEXT // 4  # a ligature may grow past the limit


@given(st.sampled_from(VOCABULARY.names), st.sampled_from(["{} lt", "R_{}", "{} AP", "  {}.", "{} 2 views"]))
def test_case_side_view_and_punctuation_change_nothing(name: str, form: str) -> None:
    assert VOCABULARY.region_of_spelling(form.format(name.upper())) == name


def test_a_site_brings_its_own(tmp_path: Path) -> None:
    own = load(tmp_path, '["paw"]\nspellings = ["PFOTE"]\npatterns = ["paws?"]\n')
    assert own.names == ("paw",)
    assert own.region_of_spelling("pfote") == own.region_of_description("both paws") == "paw"
    assert own.region_of_spelling("KNEE") == ""


def test_the_shipped_file_is_a_template_for_it(tmp_path: Path) -> None:
    assert load(tmp_path, SHIPPED.read_text(encoding="utf-8")) == VOCABULARY


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no region"),
        ("[knee", "cannot be used"),
        ("knee = 1", "must be a table"),
        ('["knee"]\nspelling = ["K"]', 'unknown key "spelling"; known are sct, srt, spellings, patterns, body_part'),
        ('["knee"]\nspellings = "K"', "spellings must be a list of texts"),
        ('["knee"]\nsct = [1]', "sct must be a list of texts"),
        ('["knee"]\npart_of = 1', "part_of must be a text"),
        ('["knee"]\npart_of = "leg"', "which is no region"),
        ('["knee"]\nspellings = ["--"]', "without a letter or digit"),
        (
            '["knee"]\nspellings = ["K 1"]\n["leg"]\nspellings = ["k1"]',
            'the spelling "k1" stands under "knee" and under "leg"',
        ),
        ('["knee"]\nsct = ["1"]\n["leg"]\nsct = ["1"]', 'the sct "1" stands under'),
        ('["knee"]\npatterns = ["(a"]', "no regular expression"),
        ('["knee"]\npatterns = ["' + "(" * 5000 + '"]', "no regular expression"),
        ("a = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ('["knee"]\npatterns = ["(a+)+b"]', "repeats"),
        ('["knee"]\npatterns = ["a{2,}"]', "repeats"),
        ('["knee"]\npatterns = ["k?"]', "matches nothing at all"),
        ("sides_and_views = 1", "sides_and_views must be a list of texts"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match="the region vocabulary cannot be used") as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert caught.value.reason == "vocabulary-invalid"


def test_a_missing_or_binary_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Vocabulary.load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(UsageError):
        Vocabulary.load(tmp_path / "binary.toml")


def test_the_example_of_the_documentation_is_a_vocabulary(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")
    section = page.partition("## Another vocabulary")[2]
    example = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    ") or not line)
    own = load(tmp_path, example)
    assert own.names == ("lower leg", "toe")
    assert own.region_of_spelling("Leg LT") == "lower leg"
    assert own.region_of_description("toes, tibia") == "toe"
