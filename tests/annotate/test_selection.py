"""Which images to label: coverage against a naive loop, and what must not waste a budget."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.annotate import choose_to_label, select_images
from embedkit.annotate.coverage import choose_by_coverage
from embedkit.errors import UsageError
from embedkit.indexes.vectors import unit

from ..quality.conftest import Archive, MemoryIndex, draw_blank


def gain_naively(near, row, weights, reached):
    """What a point adds, in a loop."""
    return sum(max(float(c) - float(r), 0) * float(w) for c, r, w in zip(near[row], reached, weights, strict=True))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 90))
def test_each_choice_adds_as_much_as_any_could(seed, count):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, 5)).astype(np.float32)
    near = unit(points) @ unit(points).T
    weights, reached = (rng.random(count).astype(np.float32) / 2 for _ in range(2))
    chosen = choose_by_coverage(points, 6, weights, reached)
    assert len(set(chosen.tolist())) == len(chosen)
    assert choose_by_coverage(points, 3, weights, reached).tolist() == chosen.tolist()[:3], "a start of the longer one"
    for row in chosen.tolist():
        gains = [gain_naively(near, other, weights, reached) for other in range(count)]
        assert gains[row] >= max(gains) - 1e-3
        reached = np.maximum(reached, near[row])


def test_copies_are_chosen_once():
    rng = np.random.default_rng(3)
    points = np.repeat(rng.normal(size=(20, 8)).astype(np.float32), 5, axis=0)
    chosen = choose_by_coverage(points, 100, np.ones(100, np.float32), np.zeros(100, np.float32))
    assert len(chosen) <= 20
    assert len(set((chosen // 5).tolist())) == len(chosen)


def test_images_that_repeat_another_one_come_last(archive: Archive):
    found = select_images(_without_labels(archive, keep=0), 160)
    place = {row: number for number, row in enumerate(found.rows.tolist())}
    for copy, original in zip(archive.twin.tolist(), archive.original.tolist(), strict=True):
        assert max(place.get(copy, 160), place.get(original, 160)) >= 0.75 * len(place)


def test_nothing_is_chosen_from_nothing():
    none = np.empty((0, 4), np.float32)
    assert choose_by_coverage(none, 3, np.empty(0, np.float32), np.empty(0, np.float32)).tolist() == []


def test_every_region_is_met_before_any_is_met_often():
    rng = np.random.default_rng(0)
    region = np.repeat(np.arange(6), [200, 60, 30, 12, 6, 6])
    vectors = (rng.normal(size=(6, 16))[region] + rng.normal(0, 0.1, (len(region), 16))).astype(np.float32)
    none = np.full(len(region), "", dtype=object)
    chosen = choose_to_label(vectors, 6, none, None, covered=np.arange(0), among=np.arange(len(region)))
    assert sorted(region[chosen].tolist()) == [0, 1, 2, 3, 4, 5]


def test_what_is_labelled_covers_its_surroundings():
    rng = np.random.default_rng(1)
    region = np.repeat(np.arange(4), 30)
    vectors = (rng.normal(size=(4, 16))[region] + rng.normal(0, 0.1, (120, 16))).astype(np.float32)
    labels = np.full(120, "", dtype=object)
    labels[:10], labels[30:40] = "hand", "knee"
    sure = labels != ""
    chosen = choose_to_label(vectors, 2, labels, None, covered=np.flatnonzero(sure), among=np.flatnonzero(~sure))
    assert sorted(region[chosen].tolist()) == [2, 3]


def test_where_the_head_is_unsure_images_count_more():
    """Two crowds of like size, each an island; the one between two labelled regions is asked about first."""
    rng = np.random.default_rng(2)
    axes = np.eye(8)
    middle = axes[0] + axes[1]
    centres = np.stack([axes[0], axes[1], 0.9 * axes[0] + 0.35 * axes[2], middle + 0.2 * axes[3]])
    region = np.repeat(np.arange(4), 40)
    vectors = (centres[region] + rng.normal(0, 0.05, (160, 8))).astype(np.float32)
    labels = np.full(160, "", dtype=object)
    labels[:40], labels[40:80] = "hand", "knee"
    sure = labels != ""
    chosen = choose_to_label(vectors, 1, labels, None, covered=np.flatnonzero(sure), among=np.flatnonzero(~sure))
    assert region[chosen].tolist() == [3]


def test_blank_pictures_labelled_images_and_settled_ones_are_not_chosen(archive: Archive):
    index = _without_labels(archive, keep=60)
    settled = int(np.flatnonzero(np.arange(160) >= 60)[0])
    found = select_images(index, 160, reviewed={settled: ""})
    rows = set(found.rows.tolist())
    assert not rows & set(archive.blank.tolist())
    assert not any(index.images["region"][row].as_py() for row in rows)
    assert settled not in rows
    assert found.labelled == sum(bool(region) for region in archive.index.images["region"].to_pylist()[:60])
    given = index.images["region"].to_pylist()
    assert found.unusable == sum(not given[row] and row != settled for row in archive.blank)


def test_labels_of_clusters_are_no_labels_of_persons(archive: Archive):
    index = _without_labels(archive, keep=160, source="cluster")
    assert len(select_images(index, 10).rows) == 10
    with pytest.raises(UsageError, match="every image has a label"):
        select_images(_named(archive, ["hand"] * 160, ["csv"] * 160), 10)


def test_the_same_index_gives_the_same_choice(archive: Archive):
    one, two = (select_images(_without_labels(archive, keep=20), 30) for _ in range(2))
    assert one.rows.tolist() == two.rows.tolist()


def test_of_many_images_some_stand_for_all(archive: Archive, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("embedkit.annotate.selection.MOST_IMAGES", 40)
    index = _without_labels(archive, keep=60)
    found = select_images(index, 160)
    assert found.candidates + found.unusable == 40
    assert len(found.rows) <= 40
    assert (
        found.rows.tolist()
        == select_images(index, 160).rows.tolist()
        != select_images(index, 160, seed=1).rows.tolist()
    )


def test_an_empty_index_is_an_error():
    empty = MemoryIndex([], np.empty((0, 4), np.float32), [], np.empty((0, 256, 256), np.uint8))
    with pytest.raises(UsageError, match="no image"):
        select_images(empty, 3)


def test_a_blank_archive_gives_nothing():
    pictures = np.stack([draw_blank(seed) for seed in range(6)])
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    index = MemoryIndex([""] * 6, vectors, [""] * 6, pictures)
    assert select_images(index, 3).rows.tolist() == []


def _without_labels(archive, keep, source="csv"):
    given = archive.index.images["region"].to_pylist()
    regions = [region if row < keep else "" for row, region in enumerate(given)]
    return _named(archive, regions, [source if region else "" for region in regions])


def _named(archive, regions, sources):
    return MemoryIndex(
        regions, archive.index.vectors(), archive.index.images["patient"].to_pylist(), archive.pictures, sources
    )
