import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.heads import assign_folds, assign_parts, number_groups


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 12)), min_size=1, max_size=80), st.integers(2, 6))
def test_no_group_is_split_and_every_image_has_a_fold(images, folds):
    codes, groups = np.array(images).T
    dealt = assign_folds(codes, groups, folds)
    assert dealt.shape == codes.shape
    assert set(dealt) <= set(range(folds))
    assert all(len(set(dealt[groups == group])) == 1 for group in set(groups))


@settings(deadline=None)
@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 1000))
def test_equal_groups_are_spread_evenly_within_each_class(folds, share, seed):
    codes = np.repeat([0, 1, 2], folds * share)
    dealt = assign_folds(codes, np.arange(len(codes)), folds, seed)
    for code in range(3):
        assert np.bincount(dealt[codes == code], minlength=folds).tolist() == [share] * folds


def test_the_seed_decides():
    codes, groups = np.zeros(100, dtype=np.int64), np.arange(100)
    assert (assign_folds(codes, groups, seed=1) == assign_folds(codes, groups, seed=1)).all()
    assert (assign_folds(codes, groups, seed=1) != assign_folds(codes, groups, seed=2)).any()


def test_images_without_a_group_are_groups_of_their_own():
    assert number_groups(["a", "", "b", None, "a", ""], 6).tolist() == [0, 1, 2, 3, 0, 4]
    assert number_groups(["z", "", "b", None, "z", ""], 6).tolist() == [0, 1, 2, 3, 0, 4], "whatever they are called"
    assert number_groups(None, 3).tolist() == [0, 1, 2]


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(10, 60), st.integers(0, 100))
def test_parts_are_as_large_as_their_shares_in_every_class(images, patients, seed):
    codes = np.repeat([0, 1, 2], [patients * images, 2 * patients * images, 3 * patients * images])
    groups = np.arange(len(codes)) // images
    part = assign_parts(codes, groups, (0.64, 0.16, 0.2), seed)
    for code in range(3):
        held = np.bincount(part[codes == code], minlength=3) / images
        expected = np.array([0.64, 0.16, 0.2]) * (code + 1) * patients
        assert (np.abs(held - expected) <= 1).all()
