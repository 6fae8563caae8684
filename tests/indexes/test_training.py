"""An index as a training set: which images, in which order, and nothing left on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from embedkit.errors import UsageError
from embedkit.indexes import Index, read_image_ids, training_set

from .conftest import Embed, write_dump


@pytest.fixture
def index(tmp_path: Path, run: Embed) -> Index:
    """Ten pictures in three shards."""
    write_dump(tmp_path / "dump", 10)
    run()
    return Index.open(tmp_path / "index")


def _with_regions(index: Index, regions: list[str], patients: list[str]) -> Index:
    images = index.images
    for name, values in (("region", regions), ("patient", patients)):
        images = images.set_column(images.schema.get_field_index(name), name, pa.array(values))
    index._table = replace(index._table, images=images)
    return index


REGIONS = ["hand", "", "knee", "hand", "", "foot", "knee", "hand", "", "hand"]
PATIENTS = ["b", "a", "", "b", "a", "c", "", "", "c", "a"]


def test_pictures_regions_and_patients_are_those_of_the_index(index: Index, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    data = training_set(_with_regions(index, REGIONS, PATIENTS), tmp_path, on_progress=lambda *at: seen.append(at))
    assert np.array_equal(data.pictures, index.pictures(range(10)))
    assert data.regions == ("foot", "hand", "knee")
    assert ["" if code < 0 else data.regions[code] for code in data.codes] == REGIONS
    same = data.groups[:, None] == data.groups
    expected = [[a == b and (a != "" or i == j) for j, b in enumerate(PATIENTS)] for i, a in enumerate(PATIENTS)]
    assert np.array_equal(same, expected)
    assert seen == [(number, 10) for number in range(1, 11)]


def test_images_without_a_region_and_suspects_are_left_out(index: Index, tmp_path: Path) -> None:
    _with_regions(index, REGIONS, PATIENTS)
    ids = index.images["image_id"].to_pylist()
    data = training_set(index, tmp_path, labelled=True, without={ids[0], ids[1], "unknown"})
    kept = [2, 3, 5, 6, 7, 9]
    assert np.array_equal(data.pictures, index.pictures(kept))
    assert [data.regions[code] for code in data.codes] == [REGIONS[row] for row in kept]
    with pytest.raises(UsageError, match="no image"):
        training_set(index, tmp_path, without=set(ids))


def test_the_pictures_are_mapped_and_their_file_has_no_name(index: Index, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    data = training_set(index, scratch)
    assert isinstance(data.pictures, np.memmap)
    assert list(scratch.iterdir()) == []
    assert np.array_equal(data.pictures[[3, 1]], index.pictures([3, 1]))


def test_a_training_set_is_known_by_its_images_and_labels(index: Index, tmp_path: Path) -> None:
    unlabelled = training_set(index, tmp_path).sha256
    assert training_set(index, tmp_path).sha256 == unlabelled
    first = index.images["image_id"][0].as_py()
    assert training_set(index, tmp_path, without={first}).sha256 != unlabelled
    assert training_set(_with_regions(index, REGIONS, PATIENTS), tmp_path).sha256 != unlabelled


def test_a_table_names_the_images_to_leave_out(tmp_path: Path) -> None:
    table = tmp_path / "issues.csv"
    table.write_text("rank,sop_instance_uid\n1,1.2.3\n2,1.2.4#2\n", encoding="utf-8-sig")
    assert read_image_ids(table) == {"1.2.3", "1.2.4#2"}
    for content in (b"rank\n1\n", b"\xff\xfe\x00"):
        table.write_bytes(content)
        with pytest.raises(UsageError, match=r"sop_instance_uid|not UTF-8"):
            read_image_ids(table)
