"""`--codecs` and EMBEDKIT_CODECS: which codecs a command reads with, and what an index says of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedkit.demo import write_demo_dump
from embedkit.indexes import Index
from embedkit.indexes.manifest_files import read_newest_manifest

pytestmark = pytest.mark.slow


def run(*arguments: str | Path, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", "from embedkit.cli import main; main()", *map(str, arguments)],
        env=os.environ | {"EMBEDKIT_CODECS": said},
        capture_output=True,
        text=True,
    )


def embed(folder: Path, name: str, *options: str, said: str = "") -> Index:
    index = folder / name
    done = run("embed", folder / "dump", "--index", index, "--workers", "1", "-q", *options, said=said)
    assert done.returncode == 0, done.stderr
    assert [shard.codecs for shard in read_newest_manifest(index).shards] == [name.split("-", maxsplit=1)[0]]
    return Index.open(index)


def test_an_index_is_read_by_the_codecs_that_were_chosen(tmp_path: Path) -> None:
    write_demo_dump(tmp_path, 24)
    fast = embed(tmp_path, "fast", "--codecs", "fast", said="library")
    library, again = embed(tmp_path, "library", "--codecs", "library"), embed(tmp_path, "library-2", said="library")
    pictures = [index.pictures(range(len(index))).astype(int) for index in (fast, library, again)]
    np.testing.assert_array_equal(pictures[1], pictures[2])
    lossless = np.array([not uid.endswith(".90") for uid in fast.images["transfer_syntax_uid"].to_pylist()])
    np.testing.assert_array_equal(pictures[0][lossless], pictures[1][lossless])
    assert np.abs(pictures[0] - pictures[1]).mean() < 1


@pytest.mark.parametrize("command", ["embed", "similar", "classify", "explain", "review"])
def test_other_names_are_a_usage_error(tmp_path: Path, command: str) -> None:
    arguments = [] if command == "review" else [tmp_path]
    done = run(command, *arguments, "--codecs", "quick")
    assert done.returncode == 2
    assert "quick" in done.stderr
    assert "library" in done.stderr


def test_other_names_in_the_environment_are_a_usage_error(tmp_path: Path) -> None:
    done = run("embed", tmp_path, "--index", tmp_path / "index", said="quick")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "EMBEDKIT_CODECS" in done.stderr
