import csv
from itertools import pairwise

import cv2
import numpy as np
import pytest

from embedkit.errors import IndexFolderError
from embedkit.heads import Neighbours
from embedkit.image import encode_picture
from embedkit.quality import pictures as pictures_module
from embedkit.quality.duplicates import find_duplicates
from embedkit.quality.matching import match_detail
from embedkit.quality.pictures import THUMBNAIL, name_fault, score_unusable, shrink, survey_pictures

from .conftest import draw_blank, draw_exposure


def small(pictures):
    return np.stack([shrink(picture, THUMBNAIL) for picture in pictures])


@pytest.mark.slow
@pytest.mark.parametrize("few", [1000, 0], ids=["alone", "in worker processes"])
def test_a_survey_looks_at_every_picture_once(few, monkeypatch):
    monkeypatch.setattr(pictures_module, "_FEW", few)
    pictures = np.stack([draw_blank(seed) if seed % 7 == 0 else draw_exposure(seed) for seed in range(300)])
    stored, told = [encode_picture(picture) for picture in pictures], []
    survey = survey_pictures(300, lambda rows: [stored[row] for row in rows], lambda *done: told.append(done))
    assert survey.unusable.tolist() == score_unusable(pictures).tolist()
    assert np.array_equal(survey.thumbnails, small(pictures))
    assert np.flatnonzero(survey.shows_nothing).tolist() == list(range(0, 300, 7))
    assert (told[0], told[-1]) == ((128, 300), (300, 300))


@pytest.mark.parametrize("few", [1000, 0], ids=["alone", "in worker processes"])
def test_a_damaged_picture_is_an_error_of_the_index(few, monkeypatch):
    monkeypatch.setattr(pictures_module, "_FEW", few)
    stored = [encode_picture(draw_exposure(0)), b"no PNG", b""]
    with pytest.raises(IndexFolderError, match="damaged picture"):
        survey_pictures(3, lambda rows: [stored[row] for row in rows])


def test_nothing_to_look_at():
    assert len(survey_pictures(0, lambda rows: []).unusable) == 0


def test_exposures_are_usable():
    assert score_unusable(np.stack([draw_exposure(seed) for seed in range(10)])).max() < 0.2


@pytest.mark.parametrize("level", [0, 2, 128, 251, 255])
@pytest.mark.parametrize("noise", [0, 0.4, 2])
def test_blank_plates_are_not(level, noise):
    plate = np.zeros((256, 256), np.uint8)
    plate[:, 30:226] = np.clip(np.random.default_rng(0).normal(level, noise + 1e-9, (256, 196)), 0, 255)
    assert score_unusable(plate[None]) > 0.8


def test_a_blank_plate_stretched_to_noise_is_not():
    assert score_unusable(np.stack([draw_blank(seed) for seed in range(5)])).min() > 0.9
    assert {name_fault(draw_blank(seed)) for seed in range(5)} == {"nothing but noise"}


def test_the_same_exposure_matches_after_a_turn_and_another_window():
    for seed in range(5):
        first = draw_exposure(seed)
        turned = cv2.warpAffine(first, cv2.getRotationMatrix2D((128, 128), 4, 1), (256, 256))
        assert match_detail(first, cv2.convertScaleAbs(turned, alpha=0.85, beta=0)) > 0.9
        assert match_detail(first, draw_exposure(seed + 100)) < 0.6


def test_pictures_without_common_shape_do_not_match():
    blank = np.zeros((256, 256), np.uint8)
    assert match_detail(blank, blank) == 0
    assert match_detail(blank, draw_exposure(0)) == 0


def test_frames_of_one_instance_are_no_duplicates():
    candidates = Neighbours(np.array([[1], [0]]), np.array([[1.0], [1.0]], np.float32))
    pictures = np.stack([draw_exposure(0)] * 2)
    assert len(find_duplicates(candidates, ["1.2", "1.2"], small(pictures), lambda rows: pictures[rows]).first) == 0
    found = find_duplicates(candidates, ["1.2", "1.3"], small(pictures), lambda rows: pictures[rows])
    assert (found.first.tolist(), found.second.tolist()) == ([0], [1])
    assert found.score[0] > 0.95


def read_real(folder, names, count):
    pictures = []
    for name in names[:: max(1, len(names) // count)]:
        grey = cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE)
        scale = 256 / max(grey.shape)
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = np.zeros((256, 256), np.uint8)
        picture[: small.shape[0], : small.shape[1]] = small
        pictures.append(picture)
    return np.stack(pictures)


def test_no_real_radiograph_is_unusable_or_another_one(real_data):
    with (real_data / "fracatlas.csv").open() as file:
        names = [row["image_id"] for row in csv.DictReader(file)]
    pictures = read_real(real_data / "fracatlas", names, 120)
    assert score_unusable(pictures).max() < 0.3
    assert max(match_detail(one, two) for one, two in pairwise(pictures)) < 0.8


def spoil(picture, fault):
    content, rng = picture.astype(np.float32), np.random.default_rng(0)
    spoilt = {
        "over-exposed": lambda: content * 3 + 60 * (content > 0),
        "black where": lambda: np.where(cv2.resize(rng.random((8, 8)), (256, 256)) > 0.8, content, 2 * (content > 0)),
        "noise drowns": lambda: content / 12 + rng.normal(0, 3, content.shape) + 20 * (content > 0),
        "blurred": lambda: cv2.GaussianBlur(content, (0, 0), 8),
    }
    return np.clip(spoilt[fault](), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("fault", ["over-exposed", "black where", "noise drowns", "blurred"])
def test_spoilt_exposures_are_unusable_and_the_fault_is_named(fault):
    for seed in range(4):
        picture = spoil(draw_exposure(seed), fault)
        assert score_unusable(picture[None]) > 0.5
        assert fault in name_fault(picture)


def test_a_mirrored_exposure_is_a_duplicate_and_said_to_be_mirrored():
    pictures = np.stack([draw_exposure(0), draw_exposure(0)[:, ::-1], draw_exposure(1)])
    candidates = Neighbours(np.array([[1, 2], [0, 2], [0, 1]]), np.full((3, 2), 0.99, np.float32))
    found = find_duplicates(candidates, ["1.2", "1.3", "1.4"], small(pictures), lambda rows: pictures[rows])
    assert (found.first.tolist(), found.second.tolist(), found.mirrored.tolist()) == ([0], [1], [True])


def test_the_same_exposure_with_another_contrast_curve_matches():
    for seed in range(5):
        first = draw_exposure(seed)
        second = (255 * (first / 255) ** 0.7).astype(np.uint8)
        assert match_detail(first, second) > 0.9
