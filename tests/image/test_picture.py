"""The picture: its format, its lossless storage, and what cleaning does to films that lay askew."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from embedkit.image import PICTURE_SIDE, clean, decode_picture, encode_picture, tilt_of

Grey = NDArray[np.uint8]


def film(height: int = 400, width: int = 320) -> Grey:
    """Radiograph of one oblique bone on a grey film, with texture so that every place looks different."""
    rng = np.random.default_rng(3)
    grey = np.full((height, width), 40, np.uint8)
    cv2.line(grey, (width // 3, 0), (width // 2, height), (170,), width // 6)
    texture = cv2.resize(rng.integers(0, 40, (20, 16), np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(grey, texture), np.uint8)


def scanned(grey: Grey, pad: int, frame: int, angle: float, fill: int) -> Grey:
    """The film with a bright frame, laid askew on the scanner; `angle` is anti-clockwise, in degrees."""
    framed = cv2.copyMakeBorder(grey, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=[frame])
    height, width = framed.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    return np.asarray(cv2.warpAffine(framed, turn, (width, height), borderValue=[fill]), np.uint8)


def difference(one: Grey, other: Grey) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(one.astype(int) - other).mean())


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 70), st.integers(1, 70))))
def test_every_radiograph_gives_a_picture(grey: Grey) -> None:
    picture = clean(grey)
    assert picture.shape == (PICTURE_SIDE, PICTURE_SIDE)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3), (3000, 40), (1025, 1030)])
@pytest.mark.parametrize("value", [0, 3, 100, 220, 255])
def test_a_blank_exposure_gives_a_blank_picture(shape: tuple[int, int], value: int) -> None:
    picture = clean(np.full(shape, value, np.uint8))
    assert set(np.unique(picture)) <= {0, value}
    assert picture.max() == value


@pytest.mark.parametrize(
    "wrong", [np.zeros((0, 5), np.uint8), np.zeros((5, 5), np.uint16), np.zeros((5, 5, 3), np.uint8)]
)
def test_anything_else_is_refused(wrong: Grey) -> None:
    with pytest.raises(ValueError, match="uint8"):
        clean(wrong)


def test_aspect_is_kept_and_the_radiograph_centred_on_black() -> None:
    picture = clean(film(400, 200))
    assert not picture[:, :63].any()
    assert not picture[:, -63:].any()
    assert (picture[:, 66:-66] > 0).all()


def test_the_input_is_left_as_it_was() -> None:
    grey = scanned(film(), 20, 245, 5, 250)
    before = grey.copy()
    clean(grey)
    assert np.array_equal(grey, before)


@pytest.mark.parametrize("size", [(400, 320), (900, 720), (2304, 2880)])
@pytest.mark.parametrize(("pad", "frame", "fill"), [(8, 235, 255), (20, 245, 250), (30, 255, 235)])
@pytest.mark.parametrize("angle", [-12.0, -4.0, 0.0, 1.0, 9.0])
def test_a_film_in_a_bright_frame_comes_out_as_without(
    size: tuple[int, int], pad: int, frame: int, fill: int, angle: float
) -> None:
    grey = film(*size)
    scan = scanned(grey, pad * max(size) // 400, frame, angle, fill)
    assert tilt_of(cv2.resize(scan, None, fx=400 / max(size), fy=400 / max(size))) == pytest.approx(-angle, abs=0.3)
    ours, plain = clean(scan), clean(grey)
    seen = ours > 0  # a turned film lost its corners on the scanner
    assert seen.mean() > 0.9 * (plain > 0).mean()
    assert np.abs(ours.astype(int) - plain)[seen].mean() < 6


@pytest.mark.parametrize("angle", [0.0, 8.0])
def test_an_overexposed_strip_at_one_side_neither_turns_nor_stays(angle: float) -> None:
    grey = film()
    grey[-20:] = 250
    scan = scanned(grey, 15, 240, angle, 250) if angle else grey
    assert tilt_of(scan) == pytest.approx(-angle, abs=0.3)
    assert (clean(scan) > 240).mean() < 0.01


def test_bright_anatomy_at_an_edge_stays() -> None:
    grey = film()
    cv2.fillPoly(grey, [np.array([(0, 399), (0, 150), (319, 399)])], [255])  # as straight as a film's edge
    assert tilt_of(grey) == 0
    assert (clean(grey) > 240).mean() > 0.2


def test_a_black_canvas_round_the_film_goes() -> None:
    grey = film()
    canvas = cv2.copyMakeBorder(grey, 30, 60, 10, 200, cv2.BORDER_CONSTANT, value=[1])
    assert difference(clean(canvas), clean(grey)) < 1


def test_air_beside_a_limb_stays() -> None:
    grey = np.zeros((400, 320), np.uint8)
    cv2.line(grey, (60, 60), (250, 330), (150,), 60)
    assert np.flatnonzero(clean(grey).any(axis=1)).min() > 10


def test_cleaning_twice_changes_next_to_nothing() -> None:
    once = clean(scanned(film(), 15, 245, 6, 250))
    assert difference(clean(once), once) < 2


@given(arrays.arrays(np.uint8, (PICTURE_SIDE, PICTURE_SIDE), elements=st.integers(0, 255)))
@settings(max_examples=10, deadline=None)
def test_storage_is_lossless(picture: Grey) -> None:
    assert np.array_equal(decode_picture(encode_picture(picture)), picture)


@pytest.mark.parametrize("level", [0, 9])
def test_a_picture_of_another_writer_is_read_too(level: int) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (256, 256), dtype=np.uint8)
    written = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes()
    assert np.array_equal(decode_picture(written), picture)
    assert np.array_equal(cv2.imdecode(np.frombuffer(encode_picture(picture), np.uint8), -1), picture)


def test_a_flipped_byte_never_gives_another_picture() -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (256, 256), dtype=np.uint8), (0, 0), 9)
    png = encode_picture(picture)
    for place in np.random.default_rng(4).integers(0, len(png), 200).tolist():
        damaged = bytearray(png)
        damaged[place] ^= 0x55
        try:
            read = decode_picture(bytes(damaged))
        except ValueError:
            continue
        assert np.array_equal(read, picture), place


@pytest.mark.parametrize("damage", [b"", b"no png", encode_picture(np.zeros((256, 256), np.uint8))[:60]])
def test_bytes_that_are_no_picture_are_refused(damage: bytes) -> None:
    with pytest.raises(ValueError, match="no PNG"):
        decode_picture(damage)


def test_a_png_of_another_size_or_depth_is_refused() -> None:
    for array in (np.zeros((8, 8), np.uint8), np.zeros((256, 256), np.uint16), np.zeros((256, 256, 3), np.uint8)):
        with pytest.raises(ValueError, match="no PNG"):
            decode_picture(cv2.imencode(".png", array)[1].tobytes())
