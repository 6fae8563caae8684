"""kill -9 at any moment, and what the next run makes of it."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedkit.indexes import Index, verify
from embedkit.indexes.manifest_files import read_newest_manifest

from .conftest import write_dump


class Embedder:
    """Runs `embed` in a process that can be killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, source: Path, index: Path, pool: str = "serial", seconds: float = 300, call: int = 0) -> int:
        """Embed, killed after so many seconds or before the nth write; return the exit status, negative if killed."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{source}\t{index}\t{pool}\t{seconds}\t{call}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    script = Path(__file__).with_name("embedding_process.py")
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Embedder(process)
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: the page cache outlives a killed process, so nothing waits for a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as name:
        yield Path(name)


def assert_whole(index: Path) -> int:
    """Check the state that a killed run left; return its rows, -1 where there is no index yet."""
    if not list(index.glob("manifest-*.json")):
        return -1
    opened = Index.open(index)
    assert verify(index) == []
    return len(opened) + opened.rejected.num_rows


def assert_same(index: Path, unbroken: Path) -> None:
    """Compare every column, picture and vector, in order; and the bytes of the shards."""
    one, other = Index.open(index), Index.open(unbroken)
    assert one.images.equals(other.images)
    assert one.rejected.equals(other.rejected)
    assert one.vectors().tobytes() == other.vectors().tobytes()
    assert one.pictures(range(len(one))).tobytes() == other.pictures(range(len(other))).tobytes()
    assert read_newest_manifest(index).shards == read_newest_manifest(unbroken).shards
    assert verify(index) == []


@pytest.mark.slow
@pytest.mark.parametrize(("pool", "kills_wanted", "pictures"), [("workers", 6, 9), ("serial", 50, 14)])
def test_killed_at_random_and_resumed_it_ends_with_the_same_bytes(
    folder: Path, embedder: Embedder, pool: str, kills_wanted: int, pictures: int
) -> None:
    dump, unbroken = write_dump(folder / "dump", pictures), folder / "unbroken"
    start = time.perf_counter()
    assert embedder.run(dump, unbroken, pool) == 0
    whole_run = time.perf_counter() - start
    rng, kills, finished = random.Random(2), 0, 0
    while kills < kills_wanted:
        index, rows, status = folder / f"index{finished}", -1, -9
        while status and kills < kills_wanted:
            status = embedder.run(dump, index, pool, rng.uniform(0, whole_run))
            assert status in (0, -9)
            kills += status == -9
            rows, before = assert_whole(index), rows
            assert rows >= before
        assert embedder.run(dump, index) == 0
        assert_same(index, unbroken)
        finished += 1


@pytest.mark.slow
def test_killed_before_every_single_write_it_ends_with_the_same_bytes(folder: Path, embedder: Embedder) -> None:
    dump, unbroken = write_dump(folder / "dump", 5), folder / "unbroken"
    assert embedder.run(dump, unbroken) == 0
    for call in itertools.count(1):
        index = folder / f"index{call}"
        if embedder.run(dump, index, call=call) == 0:
            break
        assert_whole(index)
        assert embedder.run(dump, index) == 0
        assert_same(index, unbroken)
    assert call > 30
