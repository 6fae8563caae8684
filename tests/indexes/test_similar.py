"""`Index.similar` of what is in the index and of what is not: a file, a radiograph, an embedding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedkit.errors import EncoderError, UsageError
from embedkit.image import clean
from embedkit.indexes import Index
from embedkit.indexes.loose_images import read_image

from .conftest import Embed, TinyEncoder, write_dump, write_picture
from .test_counts import write_frames


@pytest.fixture
def index(tmp_path: Path, run: Embed) -> Index:
    write_dump(tmp_path / "dump", 9)
    run()
    return Index.open(tmp_path / "index")


def test_a_file_that_is_not_in_the_index_finds_what_its_copy_would(index: Index, tmp_path: Path) -> None:
    copied = tmp_path / "elsewhere.png"
    write_picture(copied, 4)
    row = index.find(tmp_path / "dump/study1/004.png")
    for query in (copied, str(copied)):
        found = index.similar(query, k=3, encoder=TinyEncoder())
        assert (found[0].row, found[0].distance) == (row, pytest.approx(0, abs=1e-6))
    assert index.similar(copied, k=3) == found  # the encoder is known by now


def test_a_radiograph_is_preprocessed_and_a_preprocessed_one_is_not(index: Index) -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 255, (300, 400), np.uint8)
    tiny = TinyEncoder()
    assert index.similar(grey, encoder=tiny) == index.similar(clean(grey), encoder=tiny)
    pictures = index.pictures(np.arange(9))
    assert [index.similar(picture, k=1, encoder=tiny)[0].row for picture in pictures] == list(range(9))
    assert index.similar(pictures[2], k=4, encoder=tiny) == index.similar(index.vectors()[2], k=4)


def test_the_result_is_a_table(index: Index) -> None:
    found = index.similar(index.vectors()[0], k=4)
    frame = found.to_pandas()
    assert list(frame.columns) == ["row", "image_id", "path", "region", "distance"]
    assert frame["distance"].is_monotonic_increasing
    assert frame["image_id"].tolist() == [neighbour.image_id for neighbour in found]
    assert [str(kind) for kind in index.similar(index.vectors()[0], k=0).to_arrow().schema.types] == [
        "int64",
        "string",
        "string",
        "string",
        "double",
    ]


def test_a_uid_of_several_frames_is_the_first_of_them(tmp_path: Path, run: Embed) -> None:
    write_picture(tmp_path / "dump/one.png", 1)
    write_frames(tmp_path / "dump/two.tif", 2)
    run()
    index = Index.open(tmp_path / "index")
    (first,) = [row for row, name in enumerate(index.images["image_id"].to_pylist()) if name.endswith("#1")]
    uid = index.images["sop_instance_uid"][first].as_py()
    assert index.find(uid) == first
    assert index.similar(uid, k=5) == index.similar(f"{uid}#1", k=5)


def test_what_is_no_radiograph_is_refused(index: Index, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a knee, honestly")
    tiny = TinyEncoder()
    for query, reason in (
        (tmp_path / "notes.txt", "not-an-image"),
        ("1.2.3", "unknown-image"),
        (np.zeros((3, 30, 30), np.uint8), "bad-image"),
    ):
        with pytest.raises(UsageError) as caught:
            index.similar(query, encoder=tiny)
        assert caught.value.reason == reason
    with pytest.raises(UsageError, match="uint8"):
        index.similar(np.zeros((30, 30), np.float32), encoder=tiny)


def test_another_encoder_than_that_of_the_space_is_refused(index: Index) -> None:
    picture = index.pictures([0])[0]
    for encoder in (None, TinyEncoder(seed=3)):
        with pytest.raises(EncoderError) as caught:
            index.similar(picture, encoder=encoder)
        assert caught.value.reason == "encoder-mismatch"


def test_read_image_says_why_a_file_has_none(tmp_path: Path) -> None:
    (tmp_path / "empty.dcm").write_bytes(b"")
    with pytest.raises(UsageError, match=r"empty\.dcm: "):
        read_image(tmp_path / "empty.dcm")
