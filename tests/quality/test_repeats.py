"""Repeats of real radiographs after what a viewer, a gateway or a person does to them, by fingerprints alone."""

import csv
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from embedkit.heads import Neighbours
from embedkit.image import clean, encode_picture
from embedkit.quality import candidates as candidates_module
from embedkit.quality.candidates import find_alike
from embedkit.quality.duplicates import find_duplicates
from embedkit.quality.fingerprints import turn
from embedkit.quality.pictures import THUMBNAIL, shrink, survey_pictures

from ..repeats import KINDS, ORIGINALS, read_plates
from .conftest import draw_exposure


def read_others(real_data):
    """Radiographs of other collections."""
    for name, column in (("chest", "image_id"), ("more", "file")):
        with (real_data / f"{name}.csv").open() as file:
            for row in csv.DictReader(file):
                yield cv2.imread(str(real_data / name / row[column]), cv2.IMREAD_GRAYSCALE)


def find_pairs(pictures):
    """No embedding is near to another."""
    nobody = Neighbours(np.full((len(pictures), 1), -1), np.full((len(pictures), 1), -1, np.float32))
    names = [str(row) for row in range(len(pictures))]
    seen = survey_pictures(len(pictures), lambda rows: [encode_picture(picture) for picture in pictures[rows]])
    found = find_duplicates(nobody, names, seen.thumbnails, lambda rows: pictures[rows], negatives=seen.negatives)
    return set(zip(found.first.tolist(), found.second.tolist(), strict=True))


@pytest.fixture(scope="module", params=[20, 1], ids=["an archive of 162", "an archive of 6,023"])
def archive(request, real_data):
    """Plates, those of them with a copy, which follow the plates in the archive, and the pairs found in it."""
    plates = read_plates(real_data, request.param)
    copied = [row for row, plate in enumerate(plates) if plate.kind]
    greys = [*(plate.grey for plate in plates), *(plates[row].copy for row in copied)]
    greys += read_others(real_data) if request.param == 1 else []
    with ThreadPoolExecutor() as pool:
        return plates, copied, find_pairs(np.stack(list(pool.map(clean, greys))))


@pytest.mark.parametrize("kind", KINDS)
def test_eleven_of_twelve_repeats_are_found_of_each_kind(kind, archive):
    plates, copied, pairs = archive
    made = [(row, len(plates) + place) for place, row in enumerate(copied) if plates[row].kind == kind]
    assert len(made) == ORIGINALS
    assert len(pairs & set(made)) >= 11


def test_no_other_exposure_is_taken_for_a_repeat(archive):
    plates, copied, pairs = archive
    exposures = [plate.exposure for plate in plates] + [plates[row].exposure for row in copied]
    known = [pair for pair in pairs if max(pair) < len(exposures)]
    wrong = [(one, other) for one, other in known if exposures[one] != exposures[other]]
    few = len(plates) < 1000  # the whole collection has repeats that its table does not know: by eye most of these are
    assert len(wrong) <= (0 if few else 0.1 * len(known)), wrong


@pytest.mark.parametrize("exact_below", [1000, 0], ids=["all compared", "those that meet"])
def test_every_pose_is_named_so_that_the_one_lies_on_the_other(exact_below, monkeypatch):
    monkeypatch.setattr(candidates_module, "EXACT_BELOW", exact_below)
    first = shrink(draw_exposure(3), THUMBNAIL)
    for pose in range(8):
        found = find_alike(np.stack([first, turn(first, pose), shrink(draw_exposure(4), THUMBNAIL)]))
        assert (found.first.tolist(), found.second.tolist()) == ([0], [1])
        assert np.array_equal(turn(turn(first, pose), int(found.pose[0])), first)


def test_pictures_that_show_nothing_are_no_candidates():
    assert len(find_alike(np.zeros((5, THUMBNAIL, THUMBNAIL), np.uint8)).first) == 0
    assert len(find_alike(np.zeros((0, THUMBNAIL, THUMBNAIL), np.uint8)).first) == 0
