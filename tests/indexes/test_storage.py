"""Full disks, read-only folders, two writers, and folders that are no index."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from embedkit.errors import IndexFolderError
from embedkit.indexes import Index, verify
from embedkit.indexes.lock import hold_lock
from embedkit.indexes.storage import write_bytes

from ..conftest import Mount
from .conftest import Embed, write_dump, write_picture


def state(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(run: Embed, reason: str, index: Path) -> None:
    with pytest.raises(IndexFolderError) as caught:
        run(None, index)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)
    assert str(index) in str(caught.value)


@pytest.mark.slow
def test_a_full_disk_leaves_the_earlier_state(tmp_path: Path, run: Embed, mount: Mount) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=400k", "embedkit-test", disk)
    index, dump = disk / "index", write_dump(tmp_path / "dump", 3)
    run(None, index)
    rows = Index.open(index).images
    for number in range(40):
        write_picture(dump / f"more{number}.png", 100 + number)
    assert_refused(run, "index-full", index)
    assert verify(index) == []
    held = Index.open(index).images
    assert held.num_rows >= rows.num_rows
    assert set(rows["path"].to_pylist()) <= set(held["path"].to_pylist())
    assert not list(disk.rglob("*.tmp"))
    mount("-o", "remount,size=20m", disk)
    assert run(None, index).images == 43


def test_a_file_that_cannot_grow_leaves_the_earlier_state(tmp_path: Path, run: Embed) -> None:
    dump, index = write_dump(tmp_path / "dump", 3), tmp_path / "index"
    run(None, index)
    before, rows = state(index), Index.open(index).images
    write_picture(dump / "more.png", 100)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))  # EFBIG where a full disk gives ENOSPC
    try:
        assert_refused(run, "index-full", index)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert state(index) == before
    assert Index.open(index).images.equals(rows)


def test_a_read_only_file_system_leaves_the_earlier_state(tmp_path: Path, run: Embed, mount: Mount) -> None:
    dump, index = write_dump(tmp_path / "dump", 3), tmp_path / "index"
    run(None, index)
    mount("--bind", index, index)
    mount("-o", "remount,ro,bind", index)
    write_picture(dump / "more.png", 100)
    assert_refused(run, "index-read-only", index)
    opened = Index.open(index)
    assert (len(opened), len(opened.similar(opened.images["image_id"][0].as_py()))) == (3, 2)


@pytest.mark.skipif(os.geteuid() == 0, reason="modes do not bind root")
def test_a_folder_without_the_right_to_write_leaves_the_earlier_state(tmp_path: Path, run: Embed) -> None:
    index = tmp_path / "index"
    write_dump(tmp_path / "dump", 3)
    run(None, index)
    (index / "lock").unlink()
    index.chmod(0o500)
    assert_refused(run, "index-read-only", index)
    assert len(Index.open(index)) == 3


def test_a_second_writer_is_refused_and_a_reader_is_not(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 3)
    run()
    with hold_lock(tmp_path / "index"):
        assert_refused(run, "index-locked", tmp_path / "index")
        assert len(Index.open(tmp_path / "index")) == 3
    assert run().unchanged == 4


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    (ready, say_ready), (end, say_end) = os.pipe(), os.pipe()
    with hold_lock(tmp_path):
        child = os.fork()
        if child == 0:  # a worker that outlives its parent
            os.write(say_ready, b".")
            os.read(end, 1)
            os._exit(0)
        os.read(ready, 1)
    try:
        with hold_lock(tmp_path), pytest.raises(IndexFolderError), hold_lock(tmp_path):
            pass
    finally:
        os.write(say_end, b".")
        assert os.waitpid(child, 0)[1] == 0
        for descriptor in (ready, say_ready, end, say_end):
            os.close(descriptor)


def test_only_the_owner_may_look_inside(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 2)
    run()
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "index", *(tmp_path / "index").rglob("*")]}
    assert {path.name: mode for path, mode in modes.items() if mode & 0o077} == {}
    assert modes[tmp_path / "index" / "patient-key"] == 0o600


def test_a_folder_with_other_files_is_not_written_to(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 1)
    before = state(tmp_path / "dump")
    with pytest.raises(IndexFolderError) as caught:
        run(None, tmp_path / "dump")
    assert caught.value.reason == "index-foreign"
    assert state(tmp_path / "dump") == before
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexFolderError, match="not an index"):
        run(None, tmp_path / "file")


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, Path.touch])
def test_a_folder_without_an_index_cannot_be_opened(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "nothing")
    for read in (Index.open, verify):
        with pytest.raises(IndexFolderError) as caught:
            read(tmp_path / "nothing")
        assert caught.value.reason == "index-absent"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(TypeError):
        write_bytes(path, "no bytes")  # type: ignore[arg-type]
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"old")]


def test_what_a_killed_writer_left_is_cleared_by_the_next(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 2)
    run()
    index = tmp_path / "index"
    leftovers = ["shards/000009.images.parquet", "faiss/tiny-000099.faiss", "labels-000099.parquet", ".a.tmp"]
    leftovers += ["table-000099.arrow"]
    leftovers += ["shards/.000001.images.parquet.tmp"]
    for name in leftovers:
        (index / name).write_bytes(b"half")
    (index / "heads").mkdir()
    (index / "heads" / "kept.safetensors").write_bytes(b"a head")
    run()
    assert [name for name in leftovers if (index / name).exists()] == []
    assert (index / "heads" / "kept.safetensors").exists()


def test_another_patient_key_is_refused(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 1)
    run()
    (tmp_path / "index" / "patient-key").write_bytes(bytes(32))
    assert_refused(run, "index-damaged", tmp_path / "index")
