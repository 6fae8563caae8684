"""JPEG 2000 without its lowest bit-planes: the same picture to a quarter of a grey level, and whole where it counts.

That is a way of our own: `library` codecs leave nothing out, and these tests are of `fast` ones alone.
"""

from __future__ import annotations

import contextlib
import io
import struct
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from embedkit.dicom.codecs.bit_planes import HEADROOM, drop_bit_planes, join_scales
from embedkit.dicom.codecs.codestreams import read_codestream
from embedkit.dicom.codecs.dispatch import decode_codestream
from embedkit.dicom.codecs.wanted import Wanted

from ..conftest import encode_frame

JPEG_2000 = "1.2.840.10008.1.2.4.90"
ADAPTED = {"WindowCenter": 2048, "WindowWidth": 4096}


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """By our own codecs, whatever the environment says."""
    monkeypatch.setenv("EMBEDKIT_CODECS", "fast")


def make_film(seed: int = 0, shape: tuple[int, int] = (300, 260), bits: int = 12, noise: float = 2.0) -> NDArray[Any]:
    """Soft shadows over the middle of the grey scale, and a sensor's noise."""
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(rng.random(shape).astype(np.float32), (0, 0), 15)
    soft = (soft - soft.min()) / np.ptp(soft)
    film = ((1 << bits) - 1) * (0.05 + 0.9 * soft) + rng.normal(0, noise, shape)
    return np.clip(np.rint(film), 0, (1 << bits) - 1).astype(np.uint16)


def decode_divided(encoded: bytes, bits: int, planes: int, *, signed: bool = False) -> NDArray[np.int64]:
    """The grey values of `bits` that are left; with the headroom, the middle of unsigned ones is raised."""
    divided = imagecodecs.jpeg2k_decode(drop_bit_planes(encoded, planes)).astype(np.int64)
    if not signed:
        return divided + (1 << bits - 1) - (1 << bits + HEADROOM - 1)
    span = 1 << bits + HEADROOM  # what comes back are the bits of two's complement
    return (divided + span // 2) % span - span // 2


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 99),
    bits=st.sampled_from([10, 12, 14, 16]),
    planes=st.integers(1, 2),
    signed=st.booleans(),
)
def test_values_are_divided(seed: int, bits: int, planes: int, *, signed: bool) -> None:
    film = make_film(seed, bits=bits)
    whole = (film.astype(np.int32) - (1 << (bits - 1))).astype(np.int16) if signed else film
    encoded = encode_frame(whole, JPEG_2000, bits)
    divided = decode_divided(encoded, bits - planes, planes, signed=signed)
    error = divided - whole / (1 << planes)
    assert np.abs(error + 1.2).mean() < 1.5
    assert -2.5 < error.mean() < -0.3
    assert np.abs(error).max() < 10


def test_every_tile_is_divided() -> None:
    film, file = make_film(bits=16), io.BytesIO()
    Image.fromarray(film).save(file, "JPEG2000", no_jp2=True, tile_size=(96, 96))
    whole = imagecodecs.jpeg2k_decode(file.getvalue())
    divided = decode_divided(file.getvalue(), 12, 4)
    assert np.abs(divided - whole / 16).max() < 10


@pytest.mark.parametrize("frame", [np.zeros((64, 64)), np.full((64, 64), 4095), np.full((64, 64), 2048)])
def test_a_flat_picture_is_divided_too(frame: NDArray[Any]) -> None:
    encoded = encode_frame(frame.astype(np.uint16), JPEG_2000, 12)
    divided = decode_divided(encoded, 10, 2)
    assert np.abs(divided - frame / 4).max() <= 2


def analyse(line: list[float]) -> tuple[list[float], list[float]]:
    """Low and high band of a line by lifting (ISO 15444-1 F.4.8.1), mirrored at its ends, roundings left out."""
    last = len(line) - 1

    def at(place: int) -> float:
        return line[last - abs(last - abs(place))] if last else line[0]

    def detail(place: int) -> float:
        return at(place) - (at(place - 1) + at(place + 1)) / 2

    low = [at(place) + (detail(place - 1) + detail(place + 1)) / 4 for place in range(0, len(line), 2)]
    return low, [detail(place) for place in range(1, len(line), 2)]


def analyse_picture(picture: NDArray[np.float32]) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    """The picture of half the size, and the three bands of the finest level."""
    low, high = (np.array(band).T for band in zip(*map(analyse, picture.T.tolist()), strict=True))
    (ll, hl), (lh, hh) = ([np.array(b) for b in zip(*map(analyse, part.tolist()), strict=True)] for part in (low, high))
    return ll, [hl, lh, hh]


@pytest.mark.parametrize("shape", [(8, 8), (9, 12), (12, 9), (33, 7), (2, 3)])
def test_joined_scales_have_the_levels_of_the_one_and_the_finest_of_the_other(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    fine, other = rng.normal(0, 100, (2, *shape)).astype(np.float32)
    coarse, _ = analyse_picture(other)
    low, details = analyse_picture(join_scales(fine, coarse.astype(np.float32)))
    assert np.allclose(low, coarse, atol=1e-3)
    for joined, own in zip(details, analyse_picture(fine)[1], strict=True):
        assert np.allclose(joined, own, atol=1e-3)


def test_scales_that_do_not_fit_are_not_joined() -> None:
    with pytest.raises(ValueError, match="half as large"):
        join_scales(np.zeros((8, 8), np.float32), np.zeros((4, 5), np.float32))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(130, 170),
    columns=st.integers(130, 170),
    reduction=st.sampled_from([1, 2, 4, 8]),
    planes=st.integers(0, 2),
)
def test_any_size_is_reduced(rows: int, columns: int, reduction: int, planes: int) -> None:
    film = make_film(11, (rows, columns))
    encoded = encode_frame(film, JPEG_2000, 12)
    reduced = decode_codestream(encoded, read_codestream(encoded), Wanted(reduction, planes))
    low = film.astype(np.float32)
    for _ in range(reduction.bit_length() - 1):
        low, _ = analyse_picture(low)
    assert reduced.shape == low.shape
    assert np.abs(reduced - np.clip(low, 0, 4095)).mean() < 8 << planes


@pytest.mark.parametrize("side", [300, 1300])
@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("signed", [False, True])
def test_a_radiograph_looks_the_same(tools: Any, monkeypatch: Any, side: int, polarity: str, signed: bool) -> None:
    film = make_film(1, (side, side - 60))
    window: dict[str, Any] = {"WindowCenter": 0 if signed else 2048, "WindowWidth": 4096}
    frame = (film.astype(np.int32) - 2048).astype(np.int16) if signed else film
    content = tools.dicom(frame, JPEG_2000, 12, PhotometricInterpretation=polarity, **window)
    (fast,) = tools.read(content, target_side=512).frames
    monkeypatch.setattr("embedkit.dicom.frames.GREY_STEPS", 1 << 20)
    (whole,) = tools.read(content, target_side=512).frames
    difference = fast.astype(int) - whole
    assert difference.any()  # or bit-planes were not left out
    assert np.abs(difference).max() <= 2
    assert abs(difference.mean()) < 0.15


@pytest.mark.parametrize("reduction", [1, 2])
def test_only_the_finest_level_is_kept(reduction: int) -> None:
    film = make_film(8, (128, 96), noise=40)
    encoded = encode_frame(film, JPEG_2000, 12)
    details = decode_reduced(drop_bit_planes(encoded, 1, finest_of=reduction), reduction) * 2
    low, bands = analyse_picture(details.astype(np.float32))
    assert np.abs(low - low.mean()).max() < 8  # roundings
    for own, true in zip(bands, analyse_picture(decode_reduced(encoded, reduction))[1], strict=True):
        assert np.abs(own - true).max() < 16


def decode_reduced(encoded: bytes, reduction: int) -> NDArray[np.float32]:
    image = Jpeg2KImageFile(io.BytesIO(encoded))
    image.reduce = reduction - 1
    return (np.asarray(image) >> 4).astype(np.float32)  # of 12 bits, as 16


def test_a_level_that_is_not_there_is_refused() -> None:
    encoded = encode_frame(make_film(9, (64, 64)), JPEG_2000, 12)
    with pytest.raises(ValueError, match="levels"):
        drop_bit_planes(encoded, 1, finest_of=64)


@pytest.mark.parametrize("signed", [False, True])
def test_beside_a_hard_edge_nothing_is_cut_off(tools: Any, monkeypatch: Any, signed: bool) -> None:
    film = make_film(10, (400, 360), noise=6)
    film[:, :41], film[:33], film[100:103, 200:260], film[:, 320:] = 0, 0, 4095, 4095
    frame = (film.astype(np.int32) - 2048).astype(np.int16) if signed else film
    content = tools.dicom(frame, JPEG_2000, 12, **(ADAPTED | ({"WindowCenter": 0} if signed else {})))
    (fast,) = tools.read(content, target_side=512).frames
    monkeypatch.setattr("embedkit.dicom.frames.GREY_STEPS", 1 << 20)
    (whole,) = tools.read(content, target_side=512).frames
    difference = np.abs(fast.astype(int) - whole)
    assert 0 < difference.max() <= 6


def test_a_narrow_window_keeps_every_value(tools: Any) -> None:
    film = make_film(2)
    content = tools.dicom(film, JPEG_2000, 12, WindowCenter=2000, WindowWidth=500)
    (fast,) = tools.read(content, target_side=512).frames
    (exact,) = tools.read(tools.dicom(film, bits=12, WindowCenter=2000, WindowWidth=500), target_side=512).frames
    assert np.array_equal(fast, exact)


@pytest.mark.parametrize("attributes", [{}, ADAPTED])
def test_a_picture_of_few_greys_keeps_every_value(tools: Any, attributes: dict[str, Any]) -> None:
    film = (1000 + (make_film(3) >> 4)).astype(np.uint16)
    (fast,) = tools.read(tools.dicom(film, JPEG_2000, 12, **attributes), target_side=512).frames
    (exact,) = tools.read(tools.dicom(film, bits=12, **attributes), target_side=512).frames
    assert np.array_equal(fast, exact)


def test_the_whole_radiograph_keeps_every_value(tools: Any) -> None:
    film = make_film(4)
    (whole,) = tools.read(tools.dicom(film, JPEG_2000, 12, **ADAPTED), target_side=None).frames
    (exact,) = tools.read(tools.dicom(film, bits=12, **ADAPTED), target_side=None).frames
    assert np.array_equal(whole, exact)


def test_what_is_quantised_or_damaged_is_refused() -> None:
    film = make_film(5)
    lossy = encode_frame(film, JPEG_2000, 12, level=60, reversible=False)
    with pytest.raises(ValueError, match="quantised"):
        drop_bit_planes(lossy, 2)
    encoded = encode_frame(film, JPEG_2000, 12)
    with pytest.raises(ValueError, match="bit-planes"):
        drop_bit_planes(encoded, 13)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_header_makes_it_hang_or_crash(data: st.DataObject) -> None:
    encoded = bytearray(encode_frame(make_film(6, (40, 40)), JPEG_2000, 12))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(2, 130))] = data.draw(st.integers(0, 255))
    damaged = bytes(encoded[: data.draw(st.integers(50, len(encoded)))])
    with contextlib.suppress(ValueError, IndexError, struct.error):  # any failure sends the file to the next decoder
        assert len(drop_bit_planes(damaged, 2)) == len(damaged)


def test_tile_parts_that_lead_back_end() -> None:
    encoded = bytearray(encode_frame(make_film(7, (40, 40)), JPEG_2000, 12))
    tile_part = encoded.index(b"\xff\x90")
    encoded[tile_part + 6 : tile_part + 10] = (12).to_bytes(4, "big")
    assert drop_bit_planes(bytes(encoded), 2)
