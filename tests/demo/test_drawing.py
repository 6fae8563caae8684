"""The synthetic radiographs: varied, repeatable, and clearly one region each."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from embedkit.demo import REGIONS, draw_radiograph
from embedkit.image import clean
from embedkit.labels.vocabulary import Vocabulary


def test_the_regions_are_the_first_fourteen_of_the_vocabulary() -> None:
    assert tuple(REGIONS) == Vocabulary.load().names[:14]


@pytest.mark.parametrize("region", REGIONS)
def test_a_drawing_is_grey_and_neither_blank_nor_burnt_out(region: str) -> None:
    for seed in range(4):
        grey = draw_radiograph(region, np.random.default_rng(seed), side=256)
        assert grey.dtype == np.uint8
        assert max(grey.shape) == 256
        assert min(grey.shape) > 180
        assert np.ptp(np.percentile(grey, [2, 98])) > 60
        assert (grey == 255).mean() < 0.2


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    one, same, other = (draw_radiograph("knee", np.random.default_rng(seed), side=200) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_an_unknown_region_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        draw_radiograph("wing", np.random.default_rng(0))


@pytest.mark.slow
def test_regions_can_be_told_apart() -> None:
    """The drawing with the most similar edges, mirrored or not, is one of the same region."""
    rng = np.random.default_rng(0)
    regions = [region for region in REGIONS for _ in range(12)]
    pictures = [clean(draw_radiograph(region, rng, side=256)).astype(np.float32) for region in regions]
    edges = [[np.abs(cv2.Sobel(picture, cv2.CV_32F, *axis)) for axis in ((1, 0), (0, 1))] for picture in pictures]
    coarse = np.array([[cv2.GaussianBlur(edge, (0, 0), 10)[4::8, 4::8] for edge in pair] for pair in edges])
    coarse -= coarse.mean(axis=(1, 2, 3), keepdims=True)
    vectors, mirrored = coarse.reshape(len(regions), -1), coarse[..., ::-1].reshape(len(regions), -1)
    lengths = np.linalg.norm(vectors, axis=1)
    alike = np.maximum(vectors @ vectors.T, vectors @ mirrored.T) / np.outer(lengths, lengths)
    np.fill_diagonal(alike, -1)
    assert np.mean([regions[i] == regions[j] for i, j in enumerate(alike.argmax(axis=1))]) > 0.95
