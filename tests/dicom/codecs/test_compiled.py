"""The compiled decoders: when a process loads one, and that all is read without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import imagecodecs
import jpeg_ls as charls
import numpy as np
import pytest

from embedkit.dicom.codecs import jpeg_lossless, jpeg_ls
from embedkit.dicom.codecs.codestreams import read_codestream
from embedkit.dicom.codecs.compiled import WORTH_LOADING, CompiledDecoder
from embedkit.dicom.codecs.dispatch import decode_codestream
from embedkit.dicom.codecs.wanted import Wanted
from embedkit.workers.sandbox import unhurried

REPOSITORY = Path(__file__).parents[3]
TELL = """
from embedkit.dicom.codecs.codestreams import Codestream
from embedkit.dicom.codecs.{} import DECODER
print(DECODER.find(Codestream("jpeg-ls", 9999, 9999, 1, 8)) is not None)
"""
NAMES = ["jpeg_ls", "jpeg_lossless"]


def encode(module: ModuleType, picture: np.ndarray) -> bytes:
    if module is jpeg_ls:
        return bytes(charls.encode_array(picture))
    return bytes(imagecodecs.jpeg8_encode(picture, lossless=True))


@pytest.fixture
def fresh(monkeypatch):
    """The decoders of a process that has loaded none."""
    monkeypatch.setattr(CompiledDecoder, "numba_is_there", False)
    for module in (jpeg_ls, jpeg_lossless):
        monkeypatch.setattr(module, "DECODER", replace(module.DECODER))


@pytest.mark.slow
@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("module", [jpeg_ls, jpeg_lossless])
@pytest.mark.parametrize("side", [300, 3000])
def test_one_is_loaded_when_a_process_has_met_some_frames(module, side):
    picture = np.random.default_rng(0).integers(0, 200, (side, side), np.uint8)
    encoded = encode(module, picture)
    stream = read_codestream(encoded)
    assert all(module.DECODER.decode(encoded, stream) is None for _ in range(WORTH_LOADING // picture.size))
    assert not module.DECODER.tried
    for _ in range(2):
        np.testing.assert_array_equal(module.DECODER.decode(encoded, stream), picture)
    assert module.DECODER.decode(encoded, replace(stream, samples=3)) is None


@pytest.mark.usefixtures("fresh")
def test_where_one_is_there_the_other_is_loaded_for_its_first_frame():
    picture = np.random.default_rng(0).integers(0, 200, (1500, 1500), np.uint8)
    jpeg_ls.DECODER.pixels = WORTH_LOADING
    for module in (jpeg_ls, jpeg_lossless):
        encoded = encode(module, picture)
        np.testing.assert_array_equal(module.DECODER.decode(encoded, read_codestream(encoded)), picture)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("module", [jpeg_ls, jpeg_lossless])
def test_the_frames_of_files_come_to_it(module, monkeypatch):
    picture = np.random.default_rng(0).integers(0, 200, (1500, 1500), np.uint8)
    encoded = encode(module, picture)
    monkeypatch.setattr(CompiledDecoder, "numba_is_there", True)
    monkeypatch.setattr(imagecodecs, "jpeg8_decode", None)
    monkeypatch.setattr(imagecodecs, "jpegls_decode", None)
    decoded = decode_codestream(encoded, read_codestream(encoded), Wanted(reduction=4))
    np.testing.assert_array_equal(decoded, picture)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("module", [jpeg_ls, jpeg_lossless])
def test_where_it_cannot_be_had_the_other_decoder_goes_on(module, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no place to keep it")

    monkeypatch.setattr(module, "decode_scan", fail)
    picture = np.full((1500, 1500), 9, np.uint8)
    encoded = encode(module, picture)
    module.DECODER.pixels = WORTH_LOADING
    for _ in range(3):
        assert module.DECODER.decode(encoded, read_codestream(encoded)) is None
    assert module.DECODER.tried
    assert not CompiledDecoder.numba_is_there
    np.testing.assert_array_equal(decode_codestream(encoded, read_codestream(encoded), Wanted()), picture)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_two_processes_may_compile_it_at_once_and_neither_says_a_word(name, tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", TELL.format(name)]
    running = [
        subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [process.communicate() for process in running] == [(b"True\n", b"")] * 2
    assert list(Path(tmp_path).rglob("*.nbc"))


@pytest.mark.parametrize("name", NAMES)
def test_with_no_place_to_keep_it_or_no_compiler_there_is_none(name):
    nowhere = "import numba.core.caching; numba.core.caching.CacheImpl._locator_classes = []; "
    for before, setting in ((nowhere, {}), ("", {"NUMBA_DISABLE_JIT": "1"})):
        command = [sys.executable, "-W", "error", "-c", before + TELL.format(name)]
        done = subprocess.run(command, env=os.environ | setting, cwd=REPOSITORY, capture_output=True)
        assert (done.stdout, done.stderr) == (b"False\n", b""), setting


def test_the_clock_of_an_item_stands_still_meanwhile():
    signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        with unhurried(1000):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 1000
        assert 40 < signal.getitimer(signal.ITIMER_REAL)[0] <= 50
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    with unhurried():
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
