"""Cleaning on real radiographs: framed and tilted ones find their originals, and ordinary ones are left alone."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit.encoder import load_encoder
from embedkit.image import clean, tilt_of, upright

Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def originals(real_data: Path) -> list[Grey]:
    paths = sorted((real_data / "fracatlas").glob("*.jpg"))
    chosen = random.Random(5).sample(paths, 300)
    return [np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8) for path in chosen]


def scanned(grey: Grey, rng: random.Random) -> tuple[Grey, float]:
    """The film with a bright frame and a tilt, as `build_pacs_dump.py` makes them but of any grey."""
    pad, angle = rng.randrange(8, 31), rng.uniform(-12, 12)
    framed = cv2.copyMakeBorder(grey, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=[rng.randrange(235, 256)])
    height, width = framed.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    fill = [rng.randrange(235, 256)]
    return np.asarray(cv2.warpAffine(framed, turn, (width, height), borderValue=fill), np.uint8), angle


def thumbnails(pictures: list[Grey]) -> NDArray[np.float32]:
    """Unit vectors of the pictures at 32 px, mean removed: their inner product is the correlation."""
    small = np.stack([cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA) for picture in pictures])
    flat = small.reshape(len(pictures), -1).astype(np.float32)
    return unit_vectors(flat - flat.mean(axis=1, keepdims=True))


def unit_vectors(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def vectors(pictures: list[Grey]) -> NDArray[np.float32]:
    """Unit vectors of the pictures by the shipped encoder: what an index searches."""
    return unit_vectors(load_encoder().encode(np.stack(pictures)))


def test_framed_and_tilted_films_find_their_own_original(originals: list[Grey]) -> None:
    rng = random.Random(7)
    scans, angles = zip(*(scanned(grey, rng) for grey in originals), strict=True)
    plain, cleaned = [clean(grey) for grey in originals], [clean(scan) for scan in scans]
    for vectors_of in (thumbnails, vectors):
        nearest = (vectors_of(cleaned) @ vectors_of(plain).T).argmax(axis=1)
        assert (nearest == np.arange(len(originals))).mean() >= 0.98, vectors_of.__name__
    error = np.abs([tilt_of(scan) + angle for scan, angle in zip(scans, angles, strict=True)])
    assert (error < 0.5).mean() >= 0.98
    differences = [np.abs(one.astype(int) - other).mean() for one, other in zip(plain, cleaned, strict=True)]
    assert np.median(differences) < 3


def test_ordinary_radiographs_are_not_turned_and_hardly_cut(originals: list[Grey]) -> None:
    assert [tilt_of(grey) for grey in originals] == [0] * len(originals)
    cut = [1 - upright(grey).size / grey.size for grey in originals]
    assert np.mean([share > 0.01 for share in cut]) < 0.2  # overexposed strips
    assert max(cut) < 0.3


def test_cleaning_twice_changes_next_to_nothing(originals: list[Grey]) -> None:
    pictures = [clean(grey) for grey in originals[:100]]
    differences = [np.abs(clean(picture).astype(int) - picture).mean() for picture in pictures]
    assert np.mean([difference < 1 for difference in differences]) >= 0.95
