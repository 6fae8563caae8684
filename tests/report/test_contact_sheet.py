import cv2
import numpy as np
import pytest

from embedkit.indexes import Neighbour
from embedkit.report import contact_sheet, draw_neighbours
from embedkit.report.contact_sheet import picture_rows


def pictures(count):
    return np.repeat(np.arange(20, 20 + count, dtype=np.uint8), 256 * 256).reshape(count, 256, 256)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 10, 23])
def test_every_picture_is_on_the_sheet_once(count):
    sheet = contact_sheet(np.full((256, 256), 250, np.uint8), pictures(count), ["query"] + ["hand 0.1"] * count)
    assert (sheet == 250).sum() > 500 * 500
    for number in range(count):
        assert (sheet == 20 + number).sum() >= 256 * 256 - 4


def test_captions_are_cut_to_their_picture():
    plain = contact_sheet(pictures(1)[0], pictures(2), ["query", "hand", "hand"])
    long = contact_sheet(pictures(1)[0], pictures(2), ["query", "hand " * 100, "hand"])
    left = 12 + 512 + 12 + 256
    assert (plain[:, left + 6 :] == long[:, left + 6 :]).all()
    assert (plain != long).any()


def test_any_text_can_be_a_caption():
    assert contact_sheet(pictures(1)[0], pictures(1), ["", "Ellenbogen größe 手 \x00\n%s"]).dtype == np.uint8


def test_neighbours_are_drawn_as_png():
    class PicturesOnly:
        def pictures(self, rows):
            return pictures(9)[rows]

    near = [Neighbour(row, f"1.2.{row}", f"/CANARY/{row}.dcm", "knee", 0.1) for row in (3, 5)]
    drawn = draw_neighbours(PicturesOnly(), pictures(1)[0], "knee", near)
    sheet = cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (sheet == 23).sum() >= 256 * 256 - 4
    assert (sheet == 25).sum() >= 256 * 256 - 4
    assert b"CANARY" not in drawn


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_every_picture_is_in_a_row_once(count):
    rows = picture_rows(pictures(count) + np.uint8(110), [str(number) for number in range(count)])
    sizes = [(rows == 130 + number).sum() for number in range(count)]
    assert min(sizes) > 200 * 200
    assert max(sizes) < 220 * 220
    assert rows.shape[1] <= 8 * 220 + 12


def test_captions_of_rows_are_below_their_picture():
    one, other = (picture_rows(pictures(2), captions) for captions in (["1", "2"], ["1", "3"]))
    assert (one[:, :220] == other[:, :220]).all()
    assert (one != other).any()
