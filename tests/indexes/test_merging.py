"""Several indexes made into one."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embedkit.errors import EmbedkitError, IndexFolderError, UsageError
from embedkit.indexes import EmbedSettings, Index, add_labels, embed, merge, remove, verify
from embedkit.indexes.manifest import images_name
from embedkit.labels import Label
from embedkit.workers import SerialExecutor

from .conftest import TinyEncoder, write_dump, write_picture

KEY = bytes(range(32))


@pytest.fixture
def one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_bytes", lambda count: KEY[:count])


def make(index: Path, *dumps: Path, encoder: TinyEncoder | None = None) -> Index:
    for dump in dumps:
        settings = EmbedSettings(shard_files=4)
        embed([dump], index, encoders=[encoder or TinyEncoder()], settings=settings, executor=SerialExecutor())
    return Index.open(index)


def content(index: Index) -> tuple[object, ...]:
    near = [array.tolist() for array in index.nearest(index.vectors() + 0.01, 3)]
    pictures = index.pictures(range(len(index))).tobytes()
    return index.images.to_pydict(), index.rejected.to_pydict(), index.vectors().tolist(), near, pictures


@pytest.fixture
def dumps(tmp_path: Path) -> list[Path]:
    """Two dumps; one picture stands in both, and each has a file that is none."""
    one, two = (write_dump(tmp_path / name, 7, first) for name, first in (("one", 0), ("two", 20)))
    write_picture(two / "again.png", 3)
    return [one, two]


@pytest.mark.usefixtures("one_key")
def test_it_equals_embedding_all_dumps_into_one(dumps: list[Path], tmp_path: Path) -> None:
    parts = [make(tmp_path / f"index{number}", dump) for number, dump in enumerate(dumps)]
    add_labels(parts[1].path, {parts[1].images["image_id"][2].as_py(): Label("foot", "Foot", "annotator")})
    whole = make(tmp_path / "whole", *dumps)
    add_labels(whole.path, {parts[1].images["image_id"][2].as_py(): Label("foot", "Foot", "annotator")})
    report = merge([part.path for part in parts], tmp_path / "merged")
    assert (report.images, report.of_each, report.met_again, report.rejected) == (14, (7, 8), 1, 3)
    assert report.notes == ()
    assert content(Index.open(tmp_path / "merged")) == content(Index.open(tmp_path / "whole"))
    assert verify(tmp_path / "merged") == []
    assert [path.name for path in tmp_path.glob(".*")] == []


@pytest.mark.usefixtures("one_key")
@pytest.mark.parametrize("one", [True, False])
def test_what_was_removed_from_one_of_them_is_not_in_it(
    dumps: list[Path], tmp_path: Path, request: pytest.FixtureRequest, one: bool
) -> None:
    if one:
        request.getfixturevalue("one_key")
    parts = [make(tmp_path / f"index{number}", dump) for number, dump in enumerate(dumps)]
    shared = parts[0].images["image_id"][parts[0].images["path"].to_pylist().index(str(dumps[0] / "study0/003.png"))]
    assert remove(parts[1].path, [shared.as_py()]).images == 1
    report = merge([part.path for part in parts], tmp_path / "merged")
    merged = make(tmp_path / "merged", *dumps)
    assert (report.images, merged.rows_of([shared.as_py()]).tolist()) == (13, [-1])
    assert merged.rejected["reason"].to_pylist().count("removed") == 2


def test_it_goes_on_as_any_other_index(dumps: list[Path], tmp_path: Path) -> None:
    parts = [make(tmp_path / f"index{number}", dump) for number, dump in enumerate(dumps)]
    merge([part.path for part in parts], tmp_path / "merged")
    write_picture(dumps[0] / "late.png", 90)
    settings = EmbedSettings(shard_files=4)
    how = {"encoders": [TinyEncoder()], "settings": settings, "executor": SerialExecutor()}
    report = embed(dumps, tmp_path / "merged", **how)  # type: ignore[arg-type]
    assert (report.new, report.unchanged, report.images) == (1, 17, 15)


def test_a_path_of_several_indexes_counts_as_the_last_has_it(dumps: list[Path], tmp_path: Path) -> None:
    make(tmp_path / "earlier", dumps[0])
    write_picture(dumps[0] / "study0" / "000.png", 77)
    later = make(tmp_path / "later", dumps[0])
    report = merge([tmp_path / "earlier", tmp_path / "later"], tmp_path / "merged")
    assert (report.images, report.met_again) == (7, 7)
    assert np.array_equal(Index.open(tmp_path / "merged").vectors(), later.vectors())
    assert ["another patient key" in note for note in report.notes] == [True]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (TinyEncoder(seed=1), "another encoder"),
        (TinyEncoder("byol"), "has no space"),
        (replace(TinyEncoder(), precision="bf16"), "precision"),
    ],
)
def test_spaces_that_do_not_mix_are_refused(dumps: list[Path], tmp_path: Path, other: TinyEncoder, reason: str) -> None:
    make(tmp_path / "one-index", dumps[0])
    make(tmp_path / "two-index", dumps[1], encoder=other)
    with pytest.raises(UsageError, match=reason) as error:
        merge([tmp_path / "one-index", tmp_path / "two-index"], tmp_path / "merged")
    assert error.value.reason == "spaces-differ"
    assert not (tmp_path / "merged").exists()


def test_nothing_is_replaced_and_no_index_is_taken_twice(dumps: list[Path], tmp_path: Path) -> None:
    one = make(tmp_path / "one-index", dumps[0]).path
    two = make(tmp_path / "two-index", dumps[1]).path
    for indexes, out, reason in (
        ([one, two], two, "output-exists"),
        ([one, one], tmp_path / "merged", "one-index"),
        ([one], tmp_path / "merged", "one-index"),
        ([one, tmp_path / "nowhere"], tmp_path / "merged", "index-absent"),
    ):
        with pytest.raises(EmbedkitError) as error:
            merge(indexes, out)
        assert error.value.reason == reason
    assert not (tmp_path / "merged").exists()


def test_a_damaged_shard_is_not_copied(dumps: list[Path], tmp_path: Path) -> None:
    parts = [make(tmp_path / f"index{number}", dump).path for number, dump in enumerate(dumps)]
    path = parts[1] / images_name(1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(IndexFolderError) as error:
        merge(parts, tmp_path / "merged")
    assert error.value.reason == "index-damaged"
    assert [path for path in tmp_path.iterdir() if "merged" in path.name] == []


def test_what_a_killed_run_left_is_removed(dumps: list[Path], tmp_path: Path) -> None:
    parts = [make(tmp_path / f"index{number}", dump).path for number, dump in enumerate(dumps)]
    shutil.copytree(parts[0], tmp_path / ".merged.tmp")
    assert merge(parts, tmp_path / "merged").images == 14
    assert [path for path in tmp_path.iterdir() if "merged" in path.name] == [tmp_path / "merged"]
