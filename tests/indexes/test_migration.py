"""Indexes of earlier formats: read as they are, brought to the newest one without originals, and then written to."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from embedkit.dicom.reading import FileContent
from embedkit.errors import IndexFolderError
from embedkit.indexes import Index, Space, embed, label_images, migrate, repair, verify
from embedkit.indexes.manifest import FORMAT_VERSION
from embedkit.indexes.manifest_files import read_newest_manifest
from embedkit.indexes.migration import _know_spaces
from embedkit.labels import Vocabulary, labels_from_csv
from embedkit.review import Decisions
from embedkit.review.originals import is_content

from ..cli.test_commands import run
from .conftest import TinyEncoder, write_picture

FORMATS = (1, 2)
REGIONS = {
    "0.png": "knee",
    "1.png": "knee",
    "2.png": "hand",
    "3.png": "",
    "d0.dcm": "knee",
    "d1.dcm": "hand",
    "d2.dcm": "elbow",
}


@pytest.fixture(params=FORMATS)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An index of seven images, a rejected file, three labels of a table and a decision, as its version wrote it."""
    with zipfile.ZipFile(Path(__file__).with_name("formats") / f"format-{request.param}.zip") as archive:
        archive.extractall(tmp_path / "index")
    assert read_newest_manifest(tmp_path / "index").format == request.param
    return tmp_path / "index"


def files_of(index: Path) -> dict[str, bytes]:
    """Every file of an index but for what readers note."""
    files = {str(path.relative_to(index)): path for path in index.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in ("checked.json", "lock")}


def regions_of(index: Index) -> dict[str, str]:
    names = [Path(path).name for path in index.images["path"].to_pylist()]
    return dict(zip(names, index.images["region"].to_pylist(), strict=True))


def test_an_earlier_format_is_read_with_a_note_and_left_as_it_is(index: Path) -> None:
    before = files_of(index)
    opened = Index.open(index)
    assert regions_of(opened) == REGIONS
    assert opened.rejected["reason"].to_pylist() == ["not-an-image"]
    assert any("embedkit migrate" in note for note in opened.notes)
    assert opened.pictures([0]).shape == (1, 256, 256)
    assert opened.similar(opened.vectors()[2], k=1)[0].row == 2
    assert files_of(index) == before


def test_an_earlier_format_is_not_written_to(index: Path, tmp_path: Path) -> None:
    before = files_of(index)
    write_picture(tmp_path / "dump" / "new.png", 77)
    (tmp_path / "labels.csv").write_text("path,region\n3.png,knee\n")
    vocabulary = Vocabulary.load()
    labels = labels_from_csv(tmp_path / "labels.csv", vocabulary)
    with pytest.raises(IndexFolderError, match="embedkit migrate") as error:
        embed([tmp_path / "dump"], index, encoders=[TinyEncoder()])
    assert error.value.reason == "index-earlier"
    with pytest.raises(IndexFolderError, match="embedkit migrate"):
        label_images(index, labels, vocabulary)
    assert files_of(index) == before


def test_migrated_it_is_the_same_and_can_be_written_to(index: Path, tmp_path: Path) -> None:
    earlier = Index.open(index)
    vectors, facts = earlier.vectors(), earlier.images
    report = migrate(index)
    assert (report.after, report.images, report.unknown) == (FORMAT_VERSION, 7, ("tiny",))
    assert verify(index) == []
    opened = Index.open(index)
    assert not opened.notes
    assert opened.images.equals(facts)
    assert np.array_equal(opened.vectors(), vectors)
    with Decisions.open(index, read_only=True) as decisions:
        assert [decision.region for decision in decisions.latest()] == ["hand"]
    write_picture(tmp_path / "dump" / "new.png", 77)
    (tmp_path / "labels.csv").write_text("path,region\n3.png,wrist\n")
    dimension = opened.spaces["tiny"].dimension
    labels = labels_from_csv(tmp_path / "labels.csv", Vocabulary.load())
    embed([tmp_path / "dump"], index, encoders=[TinyEncoder(dimension=dimension)])
    label_images(index, labels, Vocabulary.load())
    opened = Index.open(index)
    assert regions_of(opened) == REGIONS | {"3.png": "wrist", "new.png": ""}
    assert (opened.spaces["tiny"].method, opened.spaces["tiny"].labels_seen) == ("none", False)
    assert verify(index) == []
    assert migrate(index).before == FORMAT_VERSION


def test_repairing_makes_it_one_of_the_newest_format(index: Path) -> None:
    newest = max(index.glob("manifest-*.json"))
    newest.write_bytes(newest.read_bytes()[:-9])
    with pytest.raises(IndexFolderError) as error:
        migrate(index)
    assert error.value.reason == "index-damaged"
    repair(index)
    assert regions_of(Index.open(index)) == REGIONS
    assert read_newest_manifest(index).format == FORMAT_VERSION
    assert verify(index) == []


def test_the_command_says_what_it_did(index: Path) -> None:
    before = read_newest_manifest(index).format
    assert f"7 images in {index}, of format {before} before, 3 now" in run("migrate", "--index", index).stdout
    assert run("migrate", "--index", index).stdout == f"{index} has format 3 already\n"


def test_how_a_shipped_encoder_was_trained_is_filled_in() -> None:
    from embedkit.encoder.weights import read_encoder

    spaces = {name: Space(read_encoder(name).sha256, "1", "fp32", "openvino", 224, 512) for name in ("byol", "supcon")}
    known = _know_spaces(spaces)
    assert {name: (space.method, space.labels_seen) for name, space in known.items()} == {
        "byol": ("byol", False),
        "supcon": ("supcon", True),
    }


def test_a_file_is_known_by_the_digest_of_format_1_too() -> None:
    content = FileContent(b"x", "b" * 64)
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert is_content(content, f"sha256:{digest}")
    assert not is_content(content, f"sha256:{'0' * 64}")
    assert is_content(content, "b" * 64)
    assert not is_content(content, digest)
