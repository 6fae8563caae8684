"""The switch between codecs of our own and those of the libraries."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from embedkit.dicom import FileContent, ReadingOptions, read_content
from embedkit.dicom.codecs import jpeg_2000
from embedkit.dicom.codecs.choice import VARIABLE, codecs_of_environment
from embedkit.dicom.codecs.compiled import CompiledDecoder
from embedkit.errors import UsageError
from embedkit.workers import WorkerPool

JPEG = "1.2.840.10008.1.2.4."
ADAPTED = {"WindowCenter": 2048, "WindowWidth": 4096}


@pytest.mark.parametrize(("said", "codecs"), [(None, "fast"), ("", "fast"), ("fast", "fast"), ("library", "library")])
def test_the_environment_says_which(monkeypatch, said, codecs):
    monkeypatch.delenv(VARIABLE, raising=False)
    if said is not None:
        monkeypatch.setenv(VARIABLE, said)
    assert ReadingOptions().codecs == codecs_of_environment() == codecs
    assert ReadingOptions(codecs="library").codecs == "library"


def test_others_are_an_error(monkeypatch):
    with pytest.raises(UsageError, match="fast or library"):
        ReadingOptions(codecs="quick")  # type: ignore[arg-type]
    monkeypatch.setenv(VARIABLE, "Library")
    with pytest.raises(UsageError, match=VARIABLE):
        ReadingOptions()


@pytest.mark.parametrize("number", ["50", "51", "57", "70", "80", "90", "201"])
def test_library_means_nothing_of_our_own(tools, monkeypatch, number):
    bits = 8 if number == "50" else 12
    frame = tools.frame(bits, shape=(300, 280))
    content = tools.dicom(frame, JPEG + number, bits, **ADAPTED)

    def refuse(*_: object) -> None:
        raise AssertionError("a codec of our own")

    monkeypatch.setattr(CompiledDecoder, "numba_is_there", True)
    monkeypatch.setattr(CompiledDecoder, "decode", refuse)
    monkeypatch.setattr(jpeg_2000, "_decode_upper_planes", refuse)
    monkeypatch.setattr(jpeg_2000, "_decode_reduced", refuse)
    monkeypatch.setattr("cv2.imdecode", refuse)
    monkeypatch.setenv(VARIABLE, "library")
    read = tools.read(content, target_side=150)
    assert read.notes == ()
    assert read.frames[0].shape == (150, 140)


@pytest.mark.slow
def test_library_loads_no_compiler(tools, tmp_path):
    file = tmp_path / "a.dcm"
    file.write_bytes(tools.dicom(np.random.default_rng(0).integers(0, 4096, (3000, 2500), np.uint16), JPEG + "80", 12))
    program = (
        "import sys; from pathlib import Path; from embedkit.dicom import *; from embedkit.sources import FoundFile; "
        "from embedkit.dicom.codecs.compiled import CompiledDecoder; CompiledDecoder.numba_is_there = True; "
        f"read_file(FoundFile(Path({str(file)!r})), ReadingOptions(codecs=sys.argv[1])); print('numba' in sys.modules)"
    )
    said = [
        subprocess.run([sys.executable, "-c", program, codecs], capture_output=True, text=True, check=True).stdout
        for codecs in ("library", "fast")
    ]
    assert said == ["False\n", "True\n"]


def test_it_reaches_worker_processes_and_keeps_every_value(tools, monkeypatch):
    frame = tools.frame(12, shape=(300, 260))
    content = FileContent(tools.dicom(frame, JPEG + "90", 12, **ADAPTED), "")
    plain = FileContent(tools.dicom(frame, bits=12, **ADAPTED), "")
    shown = {}
    for codecs in ("library", "fast"):
        options = ReadingOptions(codecs=codecs)
        with WorkerPool(partial(read_content, options=options), workers=1) as pool:
            (one, other) = (outcome.frames[0] for _, outcome in pool.map([content, plain]))
        shown[codecs] = one
        assert np.array_equal(one, other) == (codecs == "library")
    assert 0 < np.abs(shown["fast"].astype(int) - shown["library"]).max() <= 6
