import cv2
import numpy as np
import pytest

from embedkit.indexes import Neighbour
from embedkit.report import contact_sheet, draw_neighbours


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
