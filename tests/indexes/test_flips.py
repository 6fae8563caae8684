"""No flipped byte of any file ends a process, or changes an answer without a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from embedkit.errors import IndexFolderError
from embedkit.indexes import Index, checked_files, repair, verify
from embedkit.indexes.checked_files import NOTE_NAME, open_checked
from embedkit.indexes.image_table import TABLE_SCHEMA
from embedkit.indexes.manifest import search_name, table_name
from embedkit.indexes.manifest_files import read_newest_manifest, write_manifest
from embedkit.indexes.shards import read_table, write_table
from embedkit.indexes.storage import sha256_of

from ..conftest import REPOSITORY
from .conftest import Embed, write_dump
from .test_labels import label_by_path

_STEP = int(os.environ.get("EMBEDKIT_FLIP_STEP", "16000"))
"""50 takes hours."""


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """All derived files are mapped, as large ones are, and noted at once."""
    monkeypatch.setattr(checked_files, "SMALL", 0)
    monkeypatch.setattr(checked_files, "SETTLED_NS", 0)


def flip(path: Path, place: int) -> None:
    """Change a byte in place, and keep the time of change."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[place] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.slow
def test_no_flipped_byte_crashes_or_changes_an_answer(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 6)
    run(labels=label_by_path)
    arguments = [str(tmp_path / "dump"), str(tmp_path / "index"), str(_STEP)]
    command = [sys.executable, "-m", "tests.indexes.flipping", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert len(found["counts"]) == 7, "every kind of file"
    assert sum(counts["found"] for counts in found["counts"].values()) >= 16


@pytest.mark.usefixtures("mapped")
def test_a_file_is_checked_once_a_boot_and_again_when_anything_of_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, checked = tmp_path / "file", []
    path.write_bytes(bytes(5000))
    sha256 = sha256_of(path)

    def opened(name: str = "file") -> bool:
        checked.clear()
        return open_checked(tmp_path, name, sha256, lambda data: not checked.append(len(data))) is not None

    assert (opened(), checked) == (True, [5000])
    assert (opened(), checked) == (True, [])
    noted = (tmp_path / NOTE_NAME).read_bytes()
    time.sleep(0.02)  # the clock of a file system ticks every few milliseconds
    flip(path, 70)
    assert (opened(), checked) == (False, [])
    flip(path, 70)
    assert (opened(), checked) == (True, [5000])
    for damage in (b"", b"{}", b"[]", b'{"file": 3}', noted[:-4], noted):
        (tmp_path / NOTE_NAME).write_bytes(damage)
        assert (opened(), checked) == (True, [5000])
        assert (opened(), checked) == (True, [])
    boot = tmp_path / "boot"
    boot.write_text("another boot")
    monkeypatch.setattr(checked_files, "_BOOT_ID", boot)
    assert (opened(), checked) == (True, [5000])
    assert (opened(), checked) == (True, [])
    boot.unlink()
    assert [(opened(), list(checked)) for _ in range(2)] == [(True, [5000])] * 2, "no note where boots look alike"
    os.mkfifo(tmp_path / "fifo")
    assert not opened("fifo")
    assert not opened("absent")
    assert not opened(".")


@pytest.mark.usefixtures("mapped")
def test_a_file_that_is_cut_or_written_to_while_it_is_open_is_refused(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 5)
    run()
    folder = tmp_path / "index"
    index, manifest = Index.open(folder), read_newest_manifest(folder)
    vectors, image_id = index.vectors(), index.images["image_id"][1].as_py()
    near = index.nearest(vectors, 2)[1]
    uses: list[Callable[[], object]] = [
        lambda: index.images,
        lambda: index.rejected,
        lambda: index.header_regions,
        lambda: index.find(image_id),
    ]
    searches = [lambda: index.nearest(vectors, 2)]
    assert manifest.table is not None
    for name, through in (
        (table_name(manifest.table.number), uses),
        (search_name("tiny", manifest.search["tiny"].number), searches),
    ):
        path = folder / name
        whole = path.read_bytes()
        for size in (0, len(whole) - 1, len(whole) + 1):
            os.truncate(path, size)
            for use in through:
                with pytest.raises(IndexFolderError, match="while it was open") as caught:
                    use()
                assert caught.value.reason == "index-damaged"
        mended = Index.open(folder)
        np.testing.assert_array_equal(mended.nearest(vectors, 2)[1], near)
        assert [path.name in note for note in mended.notes] == [True]
        path.unlink()
        path.write_bytes(whole)
        index = Index.open(folder)
        index.nearest(vectors, 2)


@pytest.mark.usefixtures("mapped")
def test_verify_finds_what_readers_cannot_and_repair_makes_it_good(tmp_path: Path, run: Embed) -> None:
    """A bit that a disk loses changes no time: as if the note had been made after it."""
    write_dump(tmp_path / "dump", 5)
    run()
    folder = tmp_path / "index"
    truth = Index.open(folder).images.to_pydict()
    (path,) = folder.glob("table-*.arrow")
    flip(path, path.read_bytes().index(b"study0"))
    notes, status = json.loads((folder / NOTE_NAME).read_bytes()), path.stat()
    notes[path.name][2:] = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    (folder / NOTE_NAME).write_text(json.dumps(notes))
    assert Index.open(folder).images.to_pydict() != truth
    assert [path.name in problem for problem in verify(folder)] == [True]
    assert Index.open(folder).images.to_pydict() == truth
    assert len(repair(folder)) == 1
    assert verify(folder) == []
    assert Index.open(folder).notes == []


@pytest.mark.parametrize("rows", [0, 1, 200])
def test_columns_that_lie_elsewhere_are_refused(tmp_path: Path, rows: int) -> None:
    """What says where a column lies is read as it was written, or not at all: it has no checksum."""
    path, schema = tmp_path / "file", pa.schema([("one", pa.binary()), ("two", pa.binary())])
    values = [bytes([row]) * 9000 for row in range(rows)]
    table = pa.table([pa.array(values, pa.binary()), pa.array(values[::-1], pa.binary())], schema)
    write_table(path, table, 64)
    assert read_table(path, schema, rows).equals(table)
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little")
    for place in range(len(whole) - 8 - footer, len(whole), 7):
        for bit in (1, 2, 16):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            with suppress(IndexFolderError):
                assert read_table(path, schema, rows).equals(table), (place, bit)


def _table(index: Index) -> pa.Table:
    return index._table.stored


def _with_offsets(table: pa.Table) -> pa.Table:
    """A column of text with an offset that leads far out of its bytes."""
    path = table["path"].combine_chunks()
    offsets = np.frombuffer(path.buffers()[1], np.int32).copy()
    offsets[1] = 1 << 30
    hostile = pa.Array.from_buffers(pa.string(), len(path), [None, pa.py_buffer(offsets), path.buffers()[2]])
    return table.set_column(table.schema.get_field_index("path"), TABLE_SCHEMA.field("path"), hostile)


def _with_numbers(name: str, value: int) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        column = pa.array([value] * len(table), pa.int64())
        return table.set_column(table.schema.get_field_index(name), TABLE_SCHEMA.field(name), column)

    return change


@pytest.mark.parametrize(
    "harm",
    [
        _with_offsets,
        _with_numbers("id", 1 << 40),
        _with_numbers("id", -2),
        _with_numbers("by_image_id", 1 << 40),
        lambda table: table.slice(0, 2),
        lambda table: table.drop_columns(["path"]),
    ],
)
@pytest.mark.usefixtures("mapped")
def test_a_table_of_somebody_else_does_no_harm(
    tmp_path: Path, run: Embed, harm: Callable[[pa.Table], pa.Table]
) -> None:
    write_dump(tmp_path / "dump", 5)
    run()
    folder = tmp_path / "index"
    index, manifest = Index.open(folder), read_newest_manifest(folder)
    entry = manifest.table
    assert entry is not None
    path = folder / table_name(entry.number)
    hostile, truth = harm(_table(index)), index.images.to_pydict()
    path.unlink()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, hostile.schema) as writer:
        writer.write_table(hostile)
    write_manifest(folder, replace(manifest, table=replace(entry, sha256=sha256_of(path))))
    opened = Index.open(folder)
    assert opened.images.to_pydict() == truth
    assert len(opened.notes) == 1
    assert opened.find(truth["image_id"][2]) == 2


@pytest.mark.slow
def test_a_faiss_file_of_somebody_else_does_no_harm(tmp_path: Path, run: Embed) -> None:
    """Every byte of its head is set to several values, and the manifest's checksum with it."""
    write_dump(tmp_path / "dump", 5)
    run()
    folder = tmp_path / "index"
    manifest = read_newest_manifest(folder)
    entry, vectors = manifest.search["tiny"], Index.open(folder).vectors()
    path = folder / search_name("tiny", entry.number)
    whole = path.read_bytes()
    truth = Index.open(folder).nearest(vectors, 2)[1]
    tail = len(whole) - 8 * len(vectors) - 8
    for place in (*range(82), *range(tail, tail + 8)):
        for value in {1, 255} - {whole[place]}:
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            changed = replace(entry, sha256=sha256_of(path))
            write_manifest(folder, replace(manifest, search={"tiny": changed}))
            np.testing.assert_array_equal(Index.open(folder).nearest(vectors, 2)[1], truth, str((place, value)))
    for short in (b"", whole[:68], whole[:-1]):
        path.write_bytes(short)
        write_manifest(folder, replace(manifest, search={"tiny": replace(entry, sha256=sha256_of(path))}))
        np.testing.assert_array_equal(Index.open(folder).nearest(vectors, 2)[1], truth)
    path.write_bytes(whole[: tail + 8] + np.full(len(vectors), 1 << 40, np.int64).tobytes())
    write_manifest(folder, replace(manifest, search={"tiny": replace(entry, sha256=sha256_of(path))}))
    with pytest.raises(IndexFolderError, match="of another index"):
        Index.open(folder).nearest(vectors, 2)
