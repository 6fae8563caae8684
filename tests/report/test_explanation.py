import cv2
import numpy as np

from embedkit.heads.attribution import Attribution
from embedkit.report import draw_explanation


def attribution(heat, guided):
    return Attribution(("pelvis/hip",), np.array([0.875], np.float32), heat[None], guided[None])


def test_the_picture_and_both_maps_are_drawn_where_they_are():
    picture = np.full((256, 256), 77, np.uint8)
    heat, guided = np.zeros((2, 256, 256), np.float32)
    heat[:128, :128] = guided[128:, 128:] = 1
    drawn = draw_explanation(picture, attribution(heat, guided), "png")
    image = cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR)
    third = image.shape[1] // 3
    assert (image[:, :third] == 77).all(axis=2).mean() > 0.5
    for panel, below in ((image[:, third : 2 * third], False), (image[:, 2 * third :], True)):
        rows, columns = np.nonzero(np.ptp(panel.astype(int), axis=2) > 40)  # coloured: the hot quarter
        assert (np.median(rows) > panel.shape[0] / 2) == below
        assert (np.median(columns) > panel.shape[1] / 2) == below


def test_the_svg_names_the_region_and_its_probability_and_is_the_same_every_time():
    heat = np.random.default_rng(0).random((256, 256), np.float32)
    found = attribution(heat, heat)
    svg = draw_explanation(np.zeros((256, 256), np.uint8), found, "svg")
    assert b"pelvis/hip, 87.5%" in svg
    assert draw_explanation(np.zeros((256, 256), np.uint8), found, "svg") == svg


def test_maps_of_zeros_are_drawn():
    nothing = np.zeros((256, 256), np.float32)
    assert draw_explanation(np.zeros((256, 256), np.uint8), attribution(nothing, nothing), "png")
