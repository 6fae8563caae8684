"""The table that is mapped into memory is the table made from the shards, and finds what a plain search finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.dicom import InstanceFacts
from embedkit.indexes import Index, add_labels, image_table, verify
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.image_table import ImageTable
from embedkit.indexes.manifest import Space
from embedkit.indexes.manifest_files import read_newest_manifest
from embedkit.indexes.overlay import OVERLAY_SCHEMA
from embedkit.indexes.writer import IndexWriter, open_writer
from embedkit.labels.header import Label

from .conftest import Embed, write_dump, write_picture
from .test_labels import label_by_path

FILES = st.lists(
    st.tuples(
        st.sampled_from(["/a", "/a/1", "/b", "/z", "/é", "/\U0001f9b4"]),
        st.sampled_from(["1.2", "1.20", "1.3", "1.10"]),  # SOP Instance UID
        st.sampled_from("xy"),  # content
        st.integers(1, 3),  # frames
        st.sampled_from(["image", "image", "truncated", "vanished", "bad vector"]),
    ),
    min_size=1,
    max_size=6,
)


def rows_of(path: str, uid: str, content: str, frames: int, kind: str) -> list[ImageRow]:
    facts = InstanceFacts(uid, frames=frames, region="knee" if content == "x" else "")
    if kind in {"truncated", "vanished"}:
        return [ImageRow(path, 1, 2, content, facts, reason=kind)]
    notes = ("odd",) if content == "y" else ()
    return [ImageRow(path, 1, 2, content, facts, frame, notes=notes, picture=b"png") for frame in range(1, frames + 1)]


def add_shard(writer: IndexWriter, files: list[tuple[str, str, str, int, str]]) -> None:
    """Write a shard of files; of one path, the last."""
    last = {file[0]: file for file in files}
    rows = [(row, file[4]) for file in last.values() for row in rows_of(*file)]
    vectors = np.array([[0.0 if kind == "bad vector" else 1.0, 0] for _, kind in rows], np.float32)
    writer.add_shard([row for row, _ in rows], {"tiny": vectors})


@contextmanager
def without_table(index: Path) -> Iterator[None]:
    """Hide the table, so that it has to be made."""
    (path,) = index.glob(f"table-{read_newest_manifest(index).table.number:06d}.arrow")  # type: ignore[union-attr]
    hidden = path.rename(index / "hidden")
    yield
    hidden.rename(path)


def assert_same(one: Index, other: Index) -> None:
    assert one.images.equals(other.images)
    assert one.rejected.equals(other.rejected)
    assert one.header_regions.equals(other.header_regions)


def assert_found(index: Index) -> None:
    """Compare with a plain search for every image, and for what is not there."""
    ids, paths = index.images["image_id"].to_pylist(), index.images["path"].to_pylist()
    for image_id in [*ids, "", "1", "1.2.3", "9"]:
        assert index.find(image_id) == (ids.index(image_id) if image_id in ids else None)
    assert index.rows_of([*ids, "9"]).tolist() == [*range(len(ids)), -1]
    for path in [*paths, "/", "/b/1", "/zz"]:
        assert index.find(Path(path)) == (paths.index(path) if path in paths else None)


@pytest.mark.slow
@given(st.lists(FILES, min_size=1, max_size=4), st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_mapped_table_is_the_one_that_is_made(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[tuple[str, str, str, int, str]]], labelled: bool
) -> None:
    folder = tmp_path_factory.mktemp("table") / "index"
    with open_writer(folder) as writer:
        writer.add_space("tiny", Space("0" * 64, "1", "fp32", "numpy", 256, 2))
        for shard in shards:
            add_shard(writer, shard)
        if labelled:
            label = {"region": "hand", "given": "Hand", "source": "csv", "patient": ""}
            overlay = {"image_id": "1.2", "attribute": "region"} | label
            writer.set_labels(pa.Table.from_pylist([overlay], schema=OVERLAY_SCHEMA))
        made, as_stored = image_table.load(folder, writer.manifest)
        assert not as_stored
        writer.set_table(made)
        mapped, as_stored = image_table.load(folder, writer.manifest)
    assert as_stored
    assert mapped.stored.equals(made.stored)
    index = Index.open(folder)
    assert_found(index)
    with without_table(folder):
        assert_same(index, Index.open(folder))
        assert_found(Index.open(folder))
    regions = dict(zip(index.images["image_id"].to_pylist(), index.images["region"].to_pylist(), strict=True))
    assert not labelled or regions.get("1.2", "hand") == "hand"
    assert "hand" not in index.header_regions.to_pylist()


@pytest.mark.slow
def test_the_table_follows_every_change(tmp_path: Path, run: Embed) -> None:
    dump, folder = write_dump(tmp_path / "dump", 7), tmp_path / "index"

    def assert_fits() -> None:
        index = Index.open(folder)
        assert read_newest_manifest(folder).table is not None
        with without_table(folder):
            assert_same(index, Index.open(folder))
        assert_found(index)
        assert verify(folder) == []

    run(labels=label_by_path)
    assert_fits()
    write_picture(dump / "late.png", 50)
    write_picture(dump / "study1/001.png", 51)
    (dump / "study2/002.png").unlink()
    run(forget_vanished=True)
    assert_fits()
    assert len(Index.open(folder)) == 7
    image_id = Index.open(folder).images["image_id"][0].as_py()
    add_labels(folder, {image_id: Label("hand", "Hand", "annotator")})
    assert_fits()
    assert Index.open(folder).images["region"][0].as_py() == "hand"
    run()
    assert_fits()
    assert len(list(folder.glob("table-*.arrow"))) == 1, "that of the last two manifests is kept, and no other"


def test_a_table_that_is_whole_is_not_made_again(tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dump(tmp_path / "dump", 3)
    run()
    images = Index.open(tmp_path / "index").images
    monkeypatch.setattr(image_table, "read_live_rows", None)
    assert Index.open(tmp_path / "index").images.equals(images)
    assert run().unchanged == 4


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_table_is_made_good(tmp_path: Path, run: Embed, damage: str) -> None:
    write_dump(tmp_path / "dump", 5)
    run()
    index = tmp_path / "index"
    (path,) = index.glob("table-*.arrow")
    whole, written = Index.open(index), path.stat().st_mtime_ns
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()  # what is mapped stays as it was
    if damage != "gone":
        path.write_bytes(data if damage == "flipped" else data[:-8])
        os.utime(path, ns=(0, written + 1))
    assert_same(Index.open(index), whole)
    run()
    assert verify(index) == []
    assert_same(Index.open(index), whole)


def test_a_copied_table_is_mapped_though_its_time_is_another(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 3)
    run()
    (path,) = (tmp_path / "index").glob("table-*.arrow")
    os.utime(path, ns=(0, 1))
    assert image_table.load(tmp_path / "index", read_newest_manifest(tmp_path / "index"))[1]


def test_a_table_of_several_batches_is_one(tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_table, "_ROWS_A_BATCH", 3)
    write_dump(tmp_path / "dump", 8)
    run()
    index = Index.open(tmp_path / "index")
    table: ImageTable = image_table.load(index.path, read_newest_manifest(index.path))[0]
    assert table.stored["path"].num_chunks == 4  # of the images 3, 3 and 2, and the rejected file
    assert_found(index)
    with without_table(index.path):
        assert_same(index, Index.open(index.path))
