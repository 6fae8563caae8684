"""A file that cost its time or memory in vain costs it once; with more of either it is tried again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from embedkit.dicom import InstanceFacts
from embedkit.image import PreparationOptions
from embedkit.indexes import EmbedReport, EmbedSettings, Index, embed
from embedkit.indexes.attempts import Attempt
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.manifest import Manifest, Shard
from embedkit.indexes.manifest_files import _from_json, _to_json, read_newest_manifest
from embedkit.indexes.writer import open_writer
from embedkit.labels import Vocabulary
from embedkit.sources import find_files

from .conftest import TinyEncoder, write_picture

ENOUGH = EmbedSettings(workers=1)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A small picture, and a large one that no machine reads in 20 ms."""
    write_picture(tmp_path / "dump" / "a.png", 1)
    large = cv2.resize(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8), (4000, 4000))
    assert cv2.imwrite(str(tmp_path / "dump" / "b.png"), large)
    return tmp_path / "dump"


def run(dump: Path, settings: EmbedSettings = ENOUGH, **changes: object) -> EmbedReport:
    changed = dataclasses.replace(settings, **changes)  # type: ignore[arg-type]
    return embed([dump], dump.parent / "index", encoders=[TinyEncoder()], settings=changed)


def shards(dump: Path) -> int:
    return len(read_newest_manifest(dump.parent / "index").shards)


@pytest.mark.slow
def test_a_file_that_timed_out_is_tried_again_only_with_more_time(dump: Path) -> None:
    (dump / "a.png").unlink()
    report = run(dump, timeout_s=0.01)
    assert (dict(report.rejected), report.given_up) == ({"decoder-timeout": 1}, 0)
    for same in ({"timeout_s": 0.01}, {"timeout_s": 0.005}, {"timeout_s": 0.01, "memory_bytes": 2 << 30}):
        report = run(dump, **same)
        assert (dict(report.rejected), report.given_up, report.unchanged) == ({"decoder-timeout": 1}, 1, 1)
    assert shards(dump) == 1
    assert run(dump, timeout_s=0.01, retry_failed=True).given_up == 0
    assert shards(dump) == 1  # it stands there just like this
    assert run(dump, timeout_s=0.02).given_up == 0
    assert run(dump, timeout_s=0.02).given_up == 1  # the higher limit is remembered
    report = run(dump)
    assert (report.images, dict(report.rejected), report.given_up) == (1, {}, 0)


@pytest.mark.slow
def test_a_file_that_timed_out_is_tried_again_when_it_changes(dump: Path) -> None:
    (dump / "a.png").unlink()
    assert run(dump, timeout_s=0.01).rejected == {"decoder-timeout": 1}
    write_picture(dump / "b.png", 2)
    assert run(dump, timeout_s=5).images == 1


@pytest.mark.slow
def test_a_file_without_memory_is_tried_again_only_with_more_of_it(dump: Path) -> None:
    for given_up in (0, 1):
        report = run(dump, memory_bytes=1 << 23)
        assert (report.images, dict(report.rejected), report.given_up) == (1, {"out-of-memory": 1}, given_up)
    assert (run(dump).images, shards(dump)) == (2, 2)


def write_rejected(dump: Path, reason: str, content_blake3: str, attempt: Attempt) -> None:
    """An index whose last run rejected every file of the dump."""
    with open_writer(dump.parent / "index") as writer:
        rows = [
            ImageRow(str(found.path), found.size, found.mtime_ns, content_blake3, InstanceFacts(""), reason=reason)
            for found in find_files([dump])
        ]
        writer.add_shard(rows, {}, attempt)


@pytest.mark.parametrize(
    ("reason", "content", "images"),
    [
        ("decoder-timeout", "", 0),
        ("decoder-crashed", "", 0),
        ("out-of-memory", "0" * 64, 0),
        ("out-of-memory", "", 2),  # the kernel killed the worker: the machine was short of memory
        ("unreadable", "", 2),
        ("unexpected-error", "0" * 64, 2),
    ],
)
def test_what_the_machine_and_not_the_limit_was_short_of_is_tried_again(
    dump: Path, reason: str, content: str, images: int
) -> None:
    write_rejected(dump, reason, content, ENOUGH.attempt)
    report = run(dump)
    assert (report.images, report.given_up) == (images, 2 - images)


def test_another_version_tries_again(dump: Path) -> None:
    write_rejected(dump, "decoder-crashed", "", dataclasses.replace(ENOUGH.attempt, version="0.0"))
    assert run(dump).images == 2


def test_an_index_of_an_earlier_version_says_nothing_of_attempts(dump: Path) -> None:
    with open_writer(dump.parent / "index") as writer:
        writer.add_shard([ImageRow("/a", 1, 1, "", InstanceFacts(""), reason="decoder-timeout")], {})
        writer.add_shard([ImageRow("/b", 1, 1, "", InstanceFacts(""), reason="not-an-image")], {}, ENOUGH.attempt)
        assert b"tried" not in _to_json(writer.manifest)
    report = run(dump, memory_bytes=1 << 23)
    assert report.given_up == 0
    manifest = read_newest_manifest(dump.parent / "index")
    assert [shard.tried is not None for shard in manifest.shards] == [False, False, True]
    assert len(Index.open(dump.parent / "index").rejected) == 3


SHARDS = (Shard(0, 1, "a", tried=Attempt(1, 0.5, "1.0")), Shard(1, 1, "b", codecs="library"))


def test_a_manifest_keeps_attempts() -> None:
    manifest = Manifest(1, "key", shards=SHARDS, next_shard=2)
    assert _from_json(1, json.loads(_to_json(manifest))) == manifest


def test_other_codecs_try_again_and_are_recorded(dump: Path) -> None:
    write_rejected(dump, "decoder-crashed", "", ENOUGH.attempt)
    by_libraries = PreparationOptions(vocabulary=Vocabulary.load(), codecs="library")
    index = dump.parent / "index"
    report = embed([dump], index, encoders=[TinyEncoder()], settings=ENOUGH, reading=by_libraries)
    assert (report.images, report.given_up) == (2, 0)
    assert [shard.codecs for shard in read_newest_manifest(index).shards] == ["fast", "library"]
    assert b'"codecs":"fast"' not in _to_json(read_newest_manifest(index))
