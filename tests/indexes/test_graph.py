"""The graph of the nearest images: against plain numpy, and however it came about."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedkit.errors import IndexFolderError
from embedkit.indexes import Index, graph, nearest, scratch_vectors
from embedkit.indexes.graph import Graph
from embedkit.indexes.nearest import NearestOfAll, nearest_among
from embedkit.indexes.scratch_vectors import ScratchVectors
from embedkit.indexes.vectors import unit

from .conftest import Embed, write_dump
from .test_search import Store


def assert_true(found: Graph, vectors: NDArray[np.float32], k: int) -> None:
    """Compare with all cosines; which of two level neighbours comes first, or comes last of all, is left open."""
    directions = unit(vectors[found.ids])
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -2)
    expected = -np.sort(-cosines, axis=1)[:, :k]
    held = min(k, len(found.ids) - 1)
    np.testing.assert_allclose(found.cosines[:, :held], expected[:, :held], atol=1e-6)
    place = np.searchsorted(found.ids, found.near[:, :held])
    np.testing.assert_array_equal(found.ids[place], found.near[:, :held])
    np.testing.assert_allclose(np.take_along_axis(cosines, place, axis=1), found.cosines[:, :held], atol=1e-6)
    assert (found.near[:, held:] == -1).all()
    assert all(len(set(row)) == held for row in place.tolist())


@given(
    st.lists(st.sets(st.integers(0, 59)), min_size=1, max_size=4),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_graph_that_was_changed_is_the_graph_made_from_scratch(history: list[set[int]], copies: bool) -> None:
    store = Store(60, dimension=8, seed=1)
    if copies:
        store.vectors[20:40] = store.vectors[:20]
    grown = None
    for held in history:
        ids = np.array(sorted(held), np.int64)
        grown = graph.fit(grown, ids, 8, store.read, k=5)
    assert grown is not None
    fresh = graph.fit(None, ids, 8, store.read, k=5)
    np.testing.assert_array_equal(grown.ids, ids)
    np.testing.assert_array_equal(grown.cosines, fresh.cosines)
    last = fresh.cosines[:, -1:]
    np.testing.assert_array_equal(
        np.where(fresh.cosines > last, grown.near, -1), np.where(fresh.cosines > last, fresh.near, -1)
    )
    if len(ids) > 1:
        assert_true(grown, store.vectors, 5)


def test_vectors_laid_out_in_a_file_make_the_same_graph_and_leave_nothing(tmp_path: Path) -> None:
    store, ids = Store(700), np.arange(0, 700, 2)
    kept, laid = graph.fit(None, ids, 32, store.read), graph.fit(None, ids, 32, store.read, scratch=tmp_path)
    np.testing.assert_array_equal(laid.near, kept.near)
    np.testing.assert_array_equal(laid.cosines, kept.cosines)
    changed = graph.fit(laid, ids[1:], 32, store.read, scratch=tmp_path)
    assert_true(changed, store.vectors, 20)
    assert list(tmp_path.iterdir()) == []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        with pytest.raises(IndexFolderError, match="disk is full"):
            graph.fit(None, ids, 32, store.read, scratch=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@given(count=st.integers(0, 40), at_once=st.integers(1, 50), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_vectors_in_a_file_are_rearranged(tmp_path: Path, count: int, at_once: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, order = rng.random((count, 3), np.float32), rng.permutation(count)
    with pytest.MonkeyPatch.context() as patch, ScratchVectors(tmp_path, count, 3) as file:
        patch.setattr(scratch_vectors, "_AT_ONCE", at_once)
        file.write(0, vectors)
        file.rearrange(order)
        np.testing.assert_array_equal(file.read(0, count), vectors[order])
        if count:
            np.testing.assert_array_equal(file.map(), vectors[order])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dimension", [32, 100])  # compared by all that they are, and by principal components
def test_tiles_of_vectors_in_a_file_are_those_in_memory(tmp_path: Path, dimension: int) -> None:
    store, ids = Store(3000, dimension=dimension), np.arange(3000)
    kept = graph.fit(None, ids, dimension, store.read, exact_below=1000)
    laid = graph.fit(None, ids, dimension, store.read, exact_below=1000, scratch=tmp_path)
    np.testing.assert_array_equal(laid.near, kept.near)
    np.testing.assert_array_equal(laid.cosines, kept.cosines)
    assert laid.recall == kept.recall


def test_only_what_a_change_touches_is_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(400)
    earlier = graph.fit(None, np.arange(390), 32, store.read)
    asked: list[tuple[int, int]] = []

    def watched(
        queries: NDArray[np.float32], among: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        asked.append((len(queries), len(among)))
        return nearest_among(queries, among, k)

    monkeypatch.setattr(graph, "nearest_among", watched)
    changed = graph.fit(earlier, np.arange(400), 32, store.read)
    assert asked == [(10, 400), (390, 10)]
    assert_true(changed, store.vectors, 20)
    asked.clear()
    fewer = graph.fit(changed, np.arange(1, 400), 32, store.read)
    assert len(asked) == 1
    assert 0 < asked[0][0] < 100
    assert_true(fewer, store.vectors, 20)


@pytest.mark.slow
def test_tiles_find_nearly_all_and_say_how_much() -> None:
    store = Store(6000, dimension=16)
    search, told = NearestOfAll(unit(store.vectors), 10, exact_below=1000), []
    rows, cosines = np.full((6000, 10), -1), np.zeros((6000, 10), np.float32)
    for found in search.walk(lambda done, total: told.append((done, total))):
        rows[found.queries], cosines[found.queries] = found.rows, found.cosines
    assert told[-1] == (6000, 6000)
    true = store.exact(store.vectors, np.arange(6000), 10)
    recall = float(np.mean([len(np.intersect1d(one, two)) / 10 for one, two in zip(rows, true, strict=True)]))
    assert recall >= 0.97
    assert abs(search.recall - recall) < 0.02
    assert (np.diff(cosines, axis=1) <= 0).all()
    assert (rows[:, 0] == np.arange(6000)).mean() > 0.99


def test_a_tiled_graph_is_changed_by_exact_searches() -> None:
    store = Store(3000)
    earlier = graph.fit(None, np.arange(2990), 32, store.read, exact_below=1000)
    assert 0.97 <= earlier.recall <= 1
    changed = graph.fit(earlier, np.arange(3000), 32, store.read, exact_below=1000)
    true = store.exact(store.vectors[2990:], np.arange(3000), 21)[:, 1:]
    assert (changed.near[2990:] == true).mean() > 0.95
    assert (graph.fit(earlier, np.arange(2000), 32, store.read, exact_below=1000).near < 2000).all()


@pytest.mark.parametrize("width", [40, 1000, 1003])
def test_the_largest_are_the_largest(width: int) -> None:
    rng = np.random.default_rng(0)
    queries, among = (unit(rng.standard_normal((count, 6)).astype("f4")) for count in (30, width))
    cosines, rows = nearest_among(queries, among, 12)
    np.testing.assert_array_equal(rows, np.argsort(-(queries @ among.T), axis=1)[:, :12])
    np.testing.assert_allclose(cosines, np.take_along_axis(queries @ among.T, rows, axis=1), atol=1e-6)


def test_a_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def knn_gpu(
        resources: str, queries: NDArray[np.float32], among: NDArray[np.float32], k: int, metric: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        assert (resources, metric) == ("gpu", nearest.faiss.METRIC_INNER_PRODUCT)
        rows = np.argsort(-(queries @ among.T), axis=1)[:, :k]
        return np.take_along_axis(queries @ among.T, rows, axis=1), rows

    monkeypatch.setattr(nearest, "_gpu", lambda: "gpu")
    monkeypatch.setattr(nearest.faiss, "knn_gpu", knn_gpu, raising=False)
    store = Store(3000)
    found = graph.fit(None, np.arange(3000), 32, store.read, exact_below=1000)
    assert found.recall == 1
    assert_true(found, store.vectors, 20)


@pytest.mark.slow
def test_the_graph_of_an_index_is_kept_and_made_good(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 30)
    run()
    kept = Index.open(tmp_path / "index").neighbour_graph()
    (path,) = (tmp_path / "index/faiss").glob("tiny-*.graph.parquet")
    for damage in (path.read_bytes()[:-9], path.read_bytes().replace(b"cosine", b"Cosine"), None):
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)
        mended = Index.open(tmp_path / "index").neighbour_graph()
        np.testing.assert_array_equal(mended.rows, kept.rows)
        np.testing.assert_array_equal(mended.cosines, kept.cosines)
        path.touch()
    path.unlink()
    run()
    (path,) = (tmp_path / "index/faiss").glob("tiny-*.graph.parquet")
    np.testing.assert_array_equal(Index.open(tmp_path / "index").neighbour_graph(k=3).rows, kept.rows[:, :3])


@pytest.mark.slow
def test_the_graph_is_read_and_not_made_where_it_fits(
    tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dump(tmp_path / "dump", 9)
    run()
    monkeypatch.setattr(graph, "fit", None)
    assert Index.open(tmp_path / "index").neighbour_graph(k=4).rows.shape == (9, 4)
