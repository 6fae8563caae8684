"""Another vocabulary on an index: labels are mapped again from what it keeps of headers, without the files."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from embedkit.image import PreparationOptions
from embedkit.indexes import EmbedSettings, Index, add_labels, embed, verify
from embedkit.indexes.labelling import LabelChange
from embedkit.indexes.manifest_files import read_newest_manifest
from embedkit.indexes.remapping import map_labels_again
from embedkit.indexes.writer import open_existing
from embedkit.labels import Label, Vocabulary
from embedkit.labels.vocabulary import SHIPPED

from ..cli.test_commands import run as command
from ..dicom.conftest import make_dicom
from .conftest import TinyEncoder, write_picture

PARTS = (
    {"BodyPartExamined": "KNEE"},
    {"BodyPartExamined": "ZAUBERBEIN"},
    {"StudyDescription": "Zauberbein links"},
    {"StudyDescription": "CANARY zauberbein"},
    {"BodyPartExamined": "HAND"},
    {},
)
OWN = """
sides_and_views = ["links"]
[leg]
spellings = ["ZAUBERBEIN", "KNEE"]
patterns = ["zauberbein"]
[hand]
spellings = ["HAND"]
"""


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    folder = tmp_path / "dump"
    folder.mkdir()
    for number, elements in enumerate(PARTS):
        frame = np.random.default_rng(number).integers(0, 255, (64, 64), np.uint8)
        (folder / f"{number}.dcm").write_bytes(make_dicom(frame, SOPInstanceUID=f"1.2.{number + 1}", **elements))
    write_picture(folder / "9.png", 9)
    (folder / "no.txt").write_text("none")
    (tmp_path / "own.toml").write_text(OWN)
    return folder


def update(index: Path, *sources: Path, own: Path | None = None) -> tuple[LabelChange, ...] | None:
    vocabulary = Vocabulary.load(own)
    settings = EmbedSettings(workers=1, shard_files=3, map_labels_again=own is not None)
    reading = PreparationOptions(vocabulary=vocabulary)
    return embed(sources, index, encoders=[TinyEncoder()], settings=settings, reading=reading).mapped


def labels(index: Path) -> list[tuple[str, ...]]:
    images = Index.open(index).images
    return list(zip(*(images[name].to_pylist() for name in ("region", "given", "region_source")), strict=True))


def test_labels_are_those_of_an_index_made_with_it(tmp_path: Path, dump: Path) -> None:
    assert update(tmp_path / "index", dump) is None
    before = Index.open(tmp_path / "index")
    vectors, pictures = before.vectors(), before.stored_pictures(range(7))
    update(tmp_path / "fresh", dump, own=tmp_path / "own.toml")
    elsewhere = tmp_path / "empty"
    elsewhere.mkdir()
    shutil.move(dump, tmp_path / "away")
    changed = update(tmp_path / "index", elsewhere, own=tmp_path / "own.toml")
    assert changed is not None
    assert {(one.before, one.after): one.images for one in changed} == {("", "leg"): 2, ("knee", "leg"): 1}
    regions = [region for region, *_ in labels(tmp_path / "index")]
    assert regions == ["leg", "leg", "leg", "", "hand", "", ""]
    fresh = labels(tmp_path / "fresh")
    assert [row for n, row in enumerate(labels(tmp_path / "index")) if n != 3] == [
        row for n, row in enumerate(fresh) if n != 3
    ]
    assert fresh[3][0] == "leg"  # its text names the patient: nothing of it was kept by a vocabulary that knew no word
    index = Index.open(tmp_path / "index")
    assert np.array_equal(index.vectors(), vectors)
    assert index.stored_pictures(range(7)) == pictures
    assert verify(tmp_path / "index") == []
    numbers = [shard.number for shard in read_newest_manifest(tmp_path / "index").shards]
    assert update(tmp_path / "index", elsewhere, own=tmp_path / "own.toml") == ()
    assert [shard.number for shard in read_newest_manifest(tmp_path / "index").shards] == numbers


def test_labels_of_people_and_tables_stay(tmp_path: Path, dump: Path) -> None:
    update(tmp_path / "index", dump)
    add_labels(tmp_path / "index", {"1.2.1": Label("elbow", "Elbow", "annotator")}, replace_labels=True)
    update(tmp_path / "index", dump, own=tmp_path / "own.toml")
    index = Index.open(tmp_path / "index")
    assert labels(tmp_path / "index")[0] == ("elbow", "Elbow", "annotator")
    assert index.header_regions[0].as_py() == "leg"


def test_what_an_earlier_format_gave_is_mapped_again(tmp_path: Path) -> None:
    with zipfile.ZipFile(Path(__file__).with_name("formats") / "format-2.zip") as archive:
        archive.extractall(tmp_path / "index")
    (tmp_path / "own.toml").write_text('[leg]\nspellings = ["KNEE"]\n')
    with open_existing(tmp_path / "index", upgrade=True) as writer:
        changed = map_labels_again(writer, Vocabulary.load(tmp_path / "own.toml"))
    assert {(one.before, one.after) for one in changed} == {("knee", "leg"), ("hand", ""), ("elbow", "")}
    assert [(row[0], row[2]) for row in labels(tmp_path / "index")[-3:]] == [
        ("leg", "body-part-examined"),
        ("", "body-part-examined"),
        ("", "body-part-examined"),
    ]


def test_the_command_maps_again_and_says_when_another_vocabulary_did(tmp_path: Path, dump: Path) -> None:
    words = ["embed", dump, "--index", tmp_path / "index", "--workers", "1"]
    command(*words, "-q")
    told = json.loads(command(*words, "--vocabulary", tmp_path / "own.toml", "--json", "-q").stdout)
    assert {(one["before"], one["after"]) for one in told["mapped"]} == {("", "leg"), ("knee", "leg")}
    done = command(*words)
    assert "another vocabulary: name one by --vocabulary" in done.stderr
    told = command(*words, "--vocabulary", SHIPPED)
    assert "3 images have another region" in told.stdout
    assert "another vocabulary" not in command(*words).stderr


def test_what_a_vocabulary_says_tells_it_from_another(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    shutil.copy(SHIPPED, tmp_path / "copy.toml")
    shipped, own, copy = (Vocabulary.load(path) for path in (None, tmp_path / "own.toml", tmp_path / "copy.toml"))
    assert shipped.digest == copy.digest != own.digest
