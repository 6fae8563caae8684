"""Repeats of real radiographs after what a viewer, a gateway or a person does to them.

Copies of all kinds stand together and may link each other; docs/label-quality.md has the counts of each kind alone.
"""

import csv

import cv2
import numpy as np
import pytest

from embedkit.heads import Neighbours
from embedkit.image import clean, encode_picture
from embedkit.quality import fingerprints as fingerprints_module
from embedkit.quality.duplicates import find_duplicates
from embedkit.quality.fingerprints import find_alike, turn
from embedkit.quality.pictures import THUMBNAIL, shrink, survey_pictures

from .conftest import draw_exposure


def window(low, high):
    return lambda grey: np.clip((grey.astype(np.float32) - low) * 255 / (high - low), 0, 255).astype(np.uint8)


def crop(grey):
    rows, columns = (round(0.01 * side) for side in grey.shape)
    return np.ascontiguousarray(grey[rows:-rows, columns:-columns])


KINDS = {
    "strong window": window(64, 192),
    "milder window": window(20, 235),
    "gamma": lambda grey: (255 * (grey / 255) ** 0.5).astype(np.uint8),
    "CLAHE": cv2.createCLAHE(2, (8, 8)).apply,
    "crop": crop,
    "quarter turn": lambda grey: np.ascontiguousarray(np.rot90(grey)),
    "mirrored": lambda grey: np.ascontiguousarray(grey[:, ::-1]),
    "inverted": lambda grey: 255 - grey,
}


@pytest.fixture(scope="module")
def archive(real_data):
    """12 originals, 12 of each kind, and 150 others: pictures, and what group each is known to be of."""
    with (real_data / "fracatlas.csv").open() as file:
        rows = list(csv.DictReader(file))[::20][:162]
    greys = [cv2.imread(str(real_data / "fracatlas" / row["image_id"]), cv2.IMREAD_GRAYSCALE) for row in rows]
    originals, others = greys[:12], greys[12:]
    made = [change(grey) for change in KINDS.values() for grey in originals]
    pictures = np.stack([clean(grey) for grey in (*originals, *made, *others)])
    groups = [row["leakage_group"] for row in rows]
    return pictures, [*groups[:12] * (1 + len(KINDS)), *groups[12:]]


@pytest.fixture(scope="module")
def pairs(archive):
    """Found by fingerprints alone: no embedding is near to another."""
    pictures, _ = archive
    thumbnails = np.stack([shrink(picture, THUMBNAIL) for picture in pictures])
    nobody = Neighbours(np.full((len(pictures), 1), -1), np.full((len(pictures), 1), -1, np.float32))
    names = [str(row) for row in range(len(pictures))]
    seen = survey_pictures(len(pictures), lambda rows: [encode_picture(picture) for picture in pictures[rows]])
    assert np.array_equal(seen.thumbnails, thumbnails)
    found = find_duplicates(nobody, names, thumbnails, lambda rows: pictures[rows], negatives=seen.negatives)
    return list(zip(found.first.tolist(), found.second.tolist(), strict=True))


def gather(pairs, row):
    """All that are found to be of one group with a row."""
    group, more = set(), {row}
    while more:
        group |= more
        more = {other for pair in pairs for other in pair if group & set(pair)} - group
    return group


@pytest.mark.parametrize("kind", KINDS)
def test_eleven_of_twelve_repeats_are_found_of_each_kind(kind, pairs):
    start = 12 * (1 + list(KINDS).index(kind))
    assert sum(start + row in gather(pairs, row) for row in range(12)) >= 11


def test_no_other_exposure_is_taken_for_a_repeat(archive, pairs):
    groups = archive[1]
    assert [(one, other) for one, other in pairs if groups[one] != groups[other]] == []


@pytest.mark.parametrize("exact_below", [1000, 0], ids=["all compared", "those that meet"])
def test_every_pose_is_named_so_that_the_one_lies_on_the_other(exact_below, monkeypatch):
    monkeypatch.setattr(fingerprints_module, "EXACT_BELOW", exact_below)
    first = shrink(draw_exposure(3), THUMBNAIL)
    for pose in range(8):
        found = find_alike(np.stack([first, turn(first, pose), shrink(draw_exposure(4), THUMBNAIL)]))
        assert (found.first.tolist(), found.second.tolist()) == ([0], [1])
        assert np.array_equal(turn(turn(first, pose), int(found.pose[0])), first)


def test_pictures_that_show_nothing_are_no_candidates():
    assert len(find_alike(np.zeros((5, THUMBNAIL, THUMBNAIL), np.uint8)).first) == 0
    assert len(find_alike(np.zeros((0, THUMBNAIL, THUMBNAIL), np.uint8)).first) == 0
