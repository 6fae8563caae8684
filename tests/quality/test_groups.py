import numpy as np

from embedkit.quality.duplicates import NO_DUPLICATES, Duplicates
from embedkit.quality.groups import choose_kept


def pairs(*rows):
    first, second = np.array(rows, np.int64).T
    return Duplicates(first, second, np.ones(len(rows)), np.zeros(len(rows), bool))


def choose(duplicates, *, pixels=(9, 9, 9, 9, 9), clipped=(), paths="abcde"):
    thumbnails = np.full((5, 32, 32), 100, np.uint8)
    for row in clipped:
        thumbnails[row, :16] = 255
    return choose_kept(duplicates, np.array(pixels, np.int64), thumbnails, paths)


def test_a_repeat_of_a_repeat_is_of_the_same_group():
    assert choose(pairs((1, 3), (0, 3), (2, 4))) == {0: 0, 1: 0, 3: 0, 2: 2, 4: 2}


def test_the_most_pixels_are_kept_then_the_least_clipped_then_the_first_path():
    assert set(choose(pairs((0, 1), (1, 2)), pixels=(9, 9, 12, 9, 9)).values()) == {2}
    assert set(choose(pairs((0, 1), (1, 2)), clipped=(0,)).values()) == {1}
    assert set(choose(pairs((0, 1), (1, 2)), paths="zya..").values()) == {2}


def test_without_pairs_there_is_no_group():
    assert choose(NO_DUPLICATES) == {}
