"""A source of bytes in memory: embedded, found again, changed, gone, and hostile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from embedkit.errors import UsageError
from embedkit.indexes import EmbedReport, EmbedSettings, Index, embed, verify
from embedkit.reasons import reject
from embedkit.sources import FolderSource, FoundFile, Source
from embedkit.workers import Executor, LocalExecutor, SerialExecutor

from ..indexes.conftest import TinyEncoder, write_dump, write_picture


@dataclass
class Memory:
    """Files by name, as bytes in memory, each with a version."""

    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)

    def describe(self) -> str:
        return "memory:archive"

    def list(self) -> Iterator[FoundFile]:
        for name, (data, version) in sorted(self.files.items()):
            yield FoundFile(Path(f"{self.describe()}/{name}"), len(data), version)

    def open(self, found: FoundFile, max_bytes: int, /) -> bytes:
        data, _ = self.files[str(found.path).removeprefix(f"{self.describe()}/")]
        if len(data) > max_bytes:
            raise reject("file-too-large")
        return data


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """What lies in a dump of six pictures and a text."""
    write_dump(tmp_path / "dump", 6)
    paths = [path for path in (tmp_path / "dump").rglob("*") if path.is_file()]
    return Memory({str(path.relative_to(tmp_path / "dump")): (path.read_bytes(), 1) for path in paths})


def run(index: Path, *sources: Source | Path, executor: Executor | None = None, **options: bool) -> EmbedReport:
    settings = EmbedSettings(workers=1, **options)  # type: ignore[arg-type]
    return embed(sources, index, encoders=[TinyEncoder()], settings=settings, executor=executor or SerialExecutor())


@pytest.mark.parametrize("executor", [SerialExecutor(), LocalExecutor(1)])
def test_it_gives_what_its_files_give(tmp_path: Path, memory: Memory, executor: Executor) -> None:
    report = run(tmp_path / "memory", memory, executor=executor)
    run(tmp_path / "files", tmp_path / "dump")
    assert (report.images, report.rejected) == (6, {"not-an-image": 1})
    one, two = (Index.open(tmp_path / name) for name in ("memory", "files"))
    assert one.images.drop_columns(["path", "mtime_ns"]).equals(two.images.drop_columns(["path", "mtime_ns"]))
    assert np.array_equal(one.vectors(), two.vectors())
    assert one.images["path"][0].as_py() == "memory:archive/study0/000.png"
    assert one.similar("memory:archive/study0/000.png", k=1)[0].path.startswith("memory:archive/")
    assert verify(tmp_path / "memory") == []


def test_what_is_the_same_is_not_opened_again_and_what_is_gone_can_be_forgotten(tmp_path: Path, memory: Memory) -> None:
    run(tmp_path / "index", memory)
    write_picture(tmp_path / "new.png", 70)
    memory.files["study1/001.png"] = ((tmp_path / "new.png").read_bytes(), 2)
    memory.files["moved/002.png"] = memory.files.pop("study2/002.png")
    del memory.files["study0/003.png"]
    report = run(tmp_path / "index", memory)
    assert (report.unchanged, report.changed, report.new) == (4, 1, 0)
    assert report.moved == {"memory:archive/study2/002.png": "memory:archive/moved/002.png"}
    assert report.vanished == ("memory:archive/study0/003.png",)
    assert run(tmp_path / "index", memory, forget_vanished=True).forgotten == 1
    assert len(Index.open(tmp_path / "index")) == 5


def test_it_stands_beside_files_and_its_names_are_hashed(tmp_path: Path, memory: Memory) -> None:
    write_picture(tmp_path / "more" / "a.png", 50)
    report = run(tmp_path / "index", tmp_path / "more", memory, hash_paths=True)
    assert (report.images, report.files) == (7, 8)
    assert run(tmp_path / "index", memory, tmp_path / "more").unchanged == 8
    assert not any("archive" in path for path in Index.open(tmp_path / "index").images["path"].to_pylist())


class Slow(Memory):
    """Raises half-way."""

    def list(self) -> Iterator[FoundFile]:
        for number, found in enumerate(super().list()):
            if number == 4:
                raise RuntimeError("CANARY^JANE")
            yield found


def test_a_list_that_fails_half_way_is_one_clear_error_and_nothing_is_lost(tmp_path: Path, memory: Memory) -> None:
    run(tmp_path / "index", memory)
    with pytest.raises(UsageError, match="could not be listed to its end") as error:
        run(tmp_path / "index", Slow(memory.files), forget_vanished=True, forget_most=True)
    assert error.value.reason == "source-failed"
    assert "CANARY" not in str(error.value)
    assert len(Index.open(tmp_path / "index")) == 6


class Hostile(Memory):
    """Opens each file otherwise."""

    def open(self, found: FoundFile, max_bytes: int, /) -> bytes:
        if found.path.name == "000.png":
            raise OSError("CANARY^JANE")
        if found.path.name == "001.png":
            raise reject("decode-failed")
        if found.path.name == "002.png":
            return "text"  # type: ignore[return-value]
        if found.path.name == "003.png":
            return b""
        return super().open(found, max_bytes)[:40] if found.path.name == "004.png" else super().open(found, max_bytes)


def test_what_cannot_be_opened_has_a_reason(tmp_path: Path, memory: Memory) -> None:
    report = run(tmp_path / "index", Hostile(memory.files))
    rejected = {path["path"][-7:]: path["reason"] for path in Index.open(tmp_path / "index").rejected_files.to_pylist()}
    assert rejected == {
        "000.png": "unreadable",
        "001.png": "decode-failed",
        "002.png": "unreadable",
        "003.png": "empty-file",
        "004.png": "decode-failed",
        "tes.txt": "not-an-image",
    }
    assert report.images == 1


class Named(Memory):
    def __init__(self, name: str, item: str = "") -> None:
        super().__init__({"a.png": (b"x", 1)})
        self._name, self._item = name, item

    def describe(self) -> str:
        return self._name

    def list(self) -> Iterator[FoundFile]:
        yield FoundFile(Path(self._item))


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("/etc", ""),
        ("memory", ""),
        ("memory:a/b", ""),
        ("memory:archive", "/etc/passwd"),
        ("memory:archive", "memory:archive/../x"),
        ("memory:archive", "memory:archived/x"),
    ],
)
def test_a_source_cannot_pass_for_files(tmp_path: Path, name: str, item: str) -> None:
    with pytest.raises(UsageError) as error:
        run(tmp_path / "index", Named(name, item))
    assert error.value.reason == "bad-source"


def test_a_folder_is_a_source(tmp_path: Path) -> None:
    write_dump(tmp_path / "dump", 2)
    source = FolderSource((tmp_path / "dump",))
    found = list(source.list())
    assert [source.open(item, 1 << 20) for item in found] == [item.path.read_bytes() for item in found]


def test_a_source_need_not_be_importable_nor_pickled(tmp_path: Path, memory: Memory) -> None:
    class Local(Memory):
        def __reduce__(self) -> str:
            raise TypeError("it holds a connection")

    assert run(tmp_path / "index", Local(memory.files), executor=LocalExecutor(1)).images == 6
