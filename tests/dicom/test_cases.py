"""Files as users reported them (the folder `cases/dicom` beside the real radiographs), and what is right of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import RejectedFile

pytestmark = pytest.mark.usefixtures("codecs")


@pytest.fixture
def cases(real_data: Path) -> Path:
    folder = real_data.parent / "cases" / "dicom"
    if not (folder / "cases.csv").is_file():
        pytest.skip(f"no reported cases at {folder}")
    return folder


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("01_overlay_bit15_jpegll16", None),
        ("01_overlay_bit15_jpegls16", None),
        ("02_highbit15_stored12_jpegll16", None),
        ("02_highbit15_stored12_rle", None),
        ("03_native_pixels_TS_jpegll", "encoding-differs"),
        ("04_j2k_TS_explicit_LE", "encoding-differs"),
        ("06_raw_j2k_without_items", "encoding-differs"),
        ("08_rle_1024_byte_fragments", None),
        ("11_rows_columns_swapped", "codestream-differs"),
    ],
)
def test_shows_what_the_reference_shows(tools: Any, cases: Path, name: str, note: str | None) -> None:
    content = (cases / f"{name}.dcm").read_bytes()
    (reference,) = tools.stored((cases / "00_reference.dcm").read_bytes())
    np.testing.assert_array_equal(tools.stored(content)[0], reference)
    assert tools.read(content).notes == ((note,) if note else ())


def test_noise_is_that_of_the_codestream(tools: Any, cases: Path) -> None:
    content = (cases / "07_jpegll_longer_than_native_TS_explicit_LE.dcm").read_bytes()
    (noise,) = tools.stored(content)
    assert tools.read(content).notes == ("encoding-differs",)
    assert noise.shape == (300, 300)
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.02
    assert noise.tobytes() not in content


@pytest.mark.parametrize("name", ["09_big_endian_8bit_OW_odd", "13_jpeg50_without_EOI", "14_pad_byte_missing"])
def test_is_read(tools: Any, cases: Path, name: str) -> None:
    result = tools.read((cases / f"{name}.dcm").read_bytes(), target_side=None)
    reference = tools.read((cases / "00_reference.dcm").read_bytes(), target_side=None).frames[0]
    (shown,) = result.frames
    assert result.notes == ()
    assert np.abs(shown.shape - np.array([900, 700])).max() <= 1
    common = shown[:900, :700], reference
    assert np.corrcoef(common[0].ravel(), common[1].ravel())[0, 1] > 0.99


def test_a_stream_cut_short_shows_no_made_up_rows(tools: Any, cases: Path) -> None:
    content = (cases / "12_jpegll_stream_cut_60.dcm").read_bytes()
    try:
        result = tools.read(content)
    except RejectedFile as rejection:
        assert rejection.reason == "truncated"  # noqa: PT017
        return
    assert result.notes == ("cut-short",)
    (rows,) = tools.stored(content)
    (reference,) = tools.stored((cases / "00_reference.dcm").read_bytes())
    np.testing.assert_array_equal(rows, reference[: len(rows)])
