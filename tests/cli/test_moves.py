"""A dump that moved, and one that is gone, as users meet them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from embedkit.demo import write_demo_dump
from embedkit.indexes import Index

from .test_commands import run

pytestmark = pytest.mark.slow


def test_a_dump_moves_and_goes(tmp_path: Path) -> None:
    write_demo_dump(tmp_path, images=8, seed=32)
    index, moved = tmp_path / "index", tmp_path / "moved"
    run("embed", tmp_path / "dump", "--index", index)
    images = Index.open(index).images.drop_columns(["path", "mtime_ns"])
    (tmp_path / "dump").rename(moved)
    done = run("embed", moved, "--index", index)
    assert f"{len(images):,} images" in done.stdout
    assert " files moved: their images, labels and decisions are at the new paths" in done.stdout
    assert Index.open(index).images.drop_columns(["path", "mtime_ns"]).equals(images)
    shutil.rmtree(moved)
    assert "--forget-vanished takes them out" in run("embed", moved, "--index", index, code=2).stderr
    moved.mkdir()
    assert "Is a disk not mounted?" in run("embed", moved, "--forget-vanished", "--index", index, code=2).stderr
    assert len(Index.open(index)) == len(images)
    moved.rmdir()
    told = json.loads(run("embed", moved, "--forget-vanished", "--yes", "--index", index, "--json").stdout)
    assert (told["images"], told["forgotten"]) == (0, len(told["vanished"]))
