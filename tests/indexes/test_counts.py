"""Images, frames and files are three things: what `embed` and an index say of them adds up."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from embedkit.cli.console import Console
from embedkit.cli.embed import show_report
from embedkit.cli.info import info
from embedkit.demo import write_demo_dump
from embedkit.indexes import EmbedReport, Index
from embedkit.sources import find_files

from .conftest import Embed, TinyEncoder, write_dump


def write_frames(path: Path, frames: int, *, blank: int = 0) -> None:
    """Write a TIFF file of several pages, the last `blank` of them black."""
    rng = np.random.default_rng(frames + blank)
    pages = [cv2.resize(rng.integers(40, 255, (6, 6), np.uint8), (80, 80)) for _ in range(frames)]
    assert cv2.imwritemulti(str(path), [*pages, *[np.zeros((80, 80), np.uint8)] * blank])


@pytest.fixture
def report(tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch) -> EmbedReport:
    """Of 7 files: 3 of one frame, a text, two equal ones of 3 frames, and one of 2 frames and 2 without a vector."""
    dump = write_dump(tmp_path / "dump", 3)
    write_frames(dump / "frames.tif", 3)
    shutil.copy(dump / "frames.tif", dump / "frames_again.tif")
    write_frames(dump / "partly.tif", 2, blank=2)
    honest = TinyEncoder.encode

    def encode(self: TinyEncoder, pictures: np.ndarray) -> np.ndarray:
        return honest(self, pictures) * (pictures.max(axis=(1, 2)) > 0)[:, None]

    monkeypatch.setattr(TinyEncoder, "encode", encode)
    return run()


def test_files_are_those_of_images_and_rejected_ones(report: EmbedReport, tmp_path: Path) -> None:
    assert (report.files, report.images, report.image_files) == (7, 8, 5)
    assert report.rejected == {"not-an-image": 1, "duplicate-instance": 1}
    assert report.files == report.image_files + report.rejected.total()
    assert report.rejected_frames == {"duplicate-instance": 3, "bad-vector": 2}
    index = Index.open(tmp_path / "index")
    assert (index.image_files, index.rejected_files.num_rows, index.rejected.num_rows) == (5, 2, 6)
    assert [Path(path).name for path in index.rejected_files["path"].to_pylist()] == ["frames_again.tif", "notes.txt"]


def test_a_file_without_any_frame_that_counts_is_rejected_once(
    tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dump").mkdir()
    write_frames(tmp_path / "dump" / "a.tif", 3)
    monkeypatch.setattr(TinyEncoder, "encode", lambda _, pictures: np.zeros((len(pictures), 512), np.float32))
    report = run()
    assert (report.files, report.image_files, report.rejected) == (1, 0, {"bad-vector": 1})


def test_an_empty_index_has_no_file(tmp_path: Path, run: Embed) -> None:
    (tmp_path / "dump").mkdir()
    report = run()
    assert (report.files, report.image_files, report.rejected, report.rejected_frames) == (0, 0, {}, {})


def test_it_is_said_in_words(report: EmbedReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_report(Console(as_json=False, quiet=False), report, tmp_path / "index")
    embedded = capsys.readouterr().out
    info(tmp_path / "index", 40, only_rejected=False, as_json=False, quiet=False)
    for said in (embedded, capsys.readouterr().out):
        assert "8 images" in said
        assert "7 files in it: 5 with an image or several, 2 rejected" in said
        rows = [line.split()[:3] for line in said.splitlines()]
        for row in (["1", "3", "duplicate-instance"], ["1", "0", "not-an-image"], ["0", "2", "bad-vector"]):
            assert row in rows


@pytest.mark.slow
def test_what_is_noted_is_noted_of_images(tmp_path: Path, run: Embed) -> None:
    write_demo_dump(tmp_path / "demo", images=1)
    contents = [found.path.read_bytes() for found in find_files([tmp_path / "demo" / "dump"])]
    (tmp_path / "dump").mkdir()
    for name in ("a", "b"):
        (tmp_path / "dump" / name).write_bytes(max(contents, key=len)[132:])
    report = run()
    assert report.rejected == {"duplicate-instance": 1}
    notes = Index.open(tmp_path / "index").images["notes"].to_pylist()
    assert report.notes.total() == sum(map(len, notes)) == 1
