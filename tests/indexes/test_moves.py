"""Files that moved or vanished since they were embedded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from embedkit.errors import UsageError
from embedkit.indexes import EmbedReport, EmbedSettings, Index, embed, verify
from embedkit.indexes.catalogue import COLUMNS, Catalogue
from embedkit.indexes.image_table import read_columns
from embedkit.indexes.manifest_files import read_newest_manifest
from embedkit.indexes.stored_paths import StoredPaths
from embedkit.labels.header import Label

from .conftest import Embed, TinyEncoder, write_dump, write_picture


def knee(image_id: str, path: Path) -> Label:
    return Label("knee", "Knie", "csv")


def by_id(index: Path) -> dict[str, tuple[str, str, bytes]]:
    """By image id: the file's name, the region and the vector."""
    opened = Index.open(index)
    columns = (opened.images[name].to_pylist() for name in ("image_id", "path", "region"))
    vectors = opened.vectors()
    return {
        image_id: (Path(path).name, region, vectors[row].tobytes())
        for row, (image_id, path, region) in enumerate(zip(*columns, strict=True))
    }


def paths(index: Path) -> list[str]:
    opened = Index.open(index)
    return sorted({*opened.images["path"].to_pylist(), *opened.rejected["path"].to_pylist()})


def files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a_dump", "z_dump", "dump/study0/deeper"])
def test_a_dump_that_moved_takes_its_rows_along(tmp_path: Path, run: Embed, name: str) -> None:
    dump = write_dump(tmp_path / "dump", 6)
    run(labels=knee)
    before = by_id(tmp_path / "index")
    aside = dump.rename(tmp_path / "aside")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    aside.rename(tmp_path / name)
    report = run([tmp_path / name])
    assert (report.new, report.vanished, report.images, dict(report.rejected)) == (0, (), 6, {"not-an-image": 1})
    assert sorted(report.moved.values()) == paths(tmp_path / "index") == files(tmp_path / name)
    assert by_id(tmp_path / "index") == before
    assert verify(tmp_path / "index") == []
    again = run([tmp_path / name])
    assert (again.moved, again.unchanged, again.images) == ({}, 7, 6)


def test_a_file_that_was_renamed_within_its_source_moved(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 3)
    run(labels=knee)
    before = by_id(tmp_path / "index")
    (dump / "study1/001.png").rename(dump / "study0/a.png")
    write_picture(dump / "study2/new.png", 70)
    report = run()
    assert report.moved == {str(dump / "study1/001.png"): str(dump / "study0/a.png")}
    assert (report.new, report.unchanged, report.vanished, report.images) == (1, 3, (), 4)
    assert {key: found[1:] for key, found in by_id(tmp_path / "index").items() if key in before} == {
        key: found[1:] for key, found in before.items()
    }


def test_a_move_that_an_earlier_run_took_for_copies_is_followed(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 4)
    run()
    copy = shutil.copytree(dump, tmp_path / "z_copy")
    assert run([copy]).rejected["duplicate-instance"] == 4
    shutil.rmtree(dump)
    report = run([copy])
    assert (len(report.moved), report.images, dict(report.rejected)) == (4, 4, {"not-an-image": 2})
    assert sorted(Index.open(tmp_path / "index").images["path"].to_pylist()) == sorted(map(str, copy.rglob("*.png")))


def test_a_copy_is_no_move(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 3)
    run()
    copy = shutil.copytree(dump, tmp_path / "copy")
    report = run([copy])
    assert (report.moved, report.new, report.rejected["duplicate-instance"]) == ({}, 4, 3)
    assert paths(tmp_path / "index") == sorted(files(dump) + files(copy))


def test_a_folder_that_cannot_be_looked_into_may_hold_the_file(
    tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = write_dump(tmp_path / "dump", 3)
    run()
    copy = shutil.copytree(dump, tmp_path / "copy")

    def refuse(name: bytes) -> None:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr("embedkit.indexes.stored_paths.os", SimpleNamespace(lstat=refuse, fsencode=os.fsencode))
    shutil.rmtree(dump)
    assert run([copy]).moved == {}


@pytest.mark.slow
def test_a_move_is_undone_by_moving_back(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 3)
    run(labels=knee)
    before = by_id(tmp_path / "index")
    dump.rename(tmp_path / "elsewhere")
    run([tmp_path / "elsewhere"])
    (tmp_path / "elsewhere").rename(dump)
    assert len(run().moved) == 4
    assert by_id(tmp_path / "index") == before
    assert paths(tmp_path / "index") == files(dump)


def test_a_file_that_cannot_be_read_at_its_new_path_has_not_moved(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 2)
    run()
    table = read_columns(tmp_path / "index", read_newest_manifest(tmp_path / "index"), COLUMNS)
    known = Catalogue(table, StoredPaths(), more_modalities=False)
    contents = Index.open(tmp_path / "index").images["content_blake3"].to_pylist()
    for reason, moved in (("", 2), ("duplicate-instance", 2), ("decoder-timeout", 0)):
        arrived = {content: (f"/new/{content}", reason) for content in contents}
        assert len(known.moved(arrived, [str(tmp_path / "dump")], ())) == moved, reason


def forget(tmp_path: Path, *sources: Path, most: bool = False) -> EmbedReport:
    settings = EmbedSettings(workers=1, forget_vanished=True, forget_most=most)
    return embed(sources, tmp_path / "index", encoders=[TinyEncoder()], settings=settings)


def test_more_than_half_is_forgotten_only_when_that_is_said(tmp_path: Path, run: Embed) -> None:
    dump, other = write_dump(tmp_path / "dump", 5), write_dump(tmp_path / "other", 9, first_seed=50)
    run([dump, other])
    shutil.rmtree(dump)
    dump.mkdir()  # what a mount point looks like
    report = forget(tmp_path, dump)
    assert (len(report.vanished), report.forgotten, report.images) == (6, 0, 14)
    assert forget(tmp_path, dump, other).images == 9, "six of sixteen files are no most of them"
    assert np.isfinite(Index.open(tmp_path / "index").vectors()).all()
    shutil.rmtree(other)
    other.mkdir()
    report = forget(tmp_path, other, most=True)
    assert (report.forgotten, report.images) == (10, 0)


def test_a_source_that_is_gone_can_be_forgotten_by_its_name(tmp_path: Path, run: Embed) -> None:
    dump, other = write_dump(tmp_path / "dump", 3), write_dump(tmp_path / "other", 2, first_seed=50)
    run([dump, other])
    shutil.rmtree(dump)
    with pytest.raises(UsageError, match="its 4 files stay in the index") as caught:
        run([dump])
    assert caught.value.reason == "source-not-found"
    with pytest.raises(UsageError, match="no such file"):
        forget(tmp_path, tmp_path / "never", most=True)
    assert forget(tmp_path, dump).forgotten == 0
    report = forget(tmp_path, dump, other, most=True)
    assert (report.forgotten, report.images, report.unchanged) == (4, 2, 3)
