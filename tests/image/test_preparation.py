"""What a worker hands back of one file."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
from blake3 import blake3

from embedkit.image import PICTURE_SIDE, PreparationOptions, PreparedFile, clean, prepare_file
from embedkit.sources.folder import FoundFile


def found(path: Path) -> FoundFile:
    return FoundFile(path, path.stat().st_size, path.stat().st_mtime_ns)


def test_a_radiograph_comes_back_with_facts_and_picture(tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(30, 200, (90, 120), np.uint8)
    path = tmp_path / "one.png"
    cv2.imwrite(str(path), grey)
    prepared = prepare_file(found(path), PreparationOptions())
    assert prepared.reason == ""
    assert prepared.facts is not None
    assert (prepared.facts.rows, prepared.facts.columns) == grey.shape
    assert prepared.content_blake3 == blake3(path.read_bytes()).hexdigest()
    assert [picture.shape for picture in prepared.pictures] == [(PICTURE_SIDE, PICTURE_SIDE)]
    assert np.array_equal(prepared.pictures[0], clean(grey))
    travelled = pickle.loads(pickle.dumps(prepared))
    assert np.array_equal(travelled.pictures[0], prepared.pictures[0])


def test_a_file_that_is_no_image_comes_back_with_the_reason_and_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("scanner log")
    digest = blake3(b"scanner log").hexdigest()
    assert prepare_file(found(path), PreparationOptions()) == PreparedFile(digest, None, reason="not-an-image")


def test_what_cannot_be_read_has_no_hash(tmp_path: Path) -> None:
    assert prepare_file(FoundFile(tmp_path / "gone"), PreparationOptions()) == PreparedFile(
        "", None, reason="unreadable"
    )
    link = FoundFile(tmp_path, reason="not-a-regular-file")
    assert prepare_file(link, PreparationOptions()) == PreparedFile("", None, reason="not-a-regular-file")
