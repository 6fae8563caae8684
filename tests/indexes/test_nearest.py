"""The nearest of all vectors: against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit.indexes import nearest
from embedkit.indexes.nearest import NearestOfAll, nearest_among
from embedkit.indexes.vectors import unit

from .test_search import Store


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [16, 100])  # compared by all that they are, and by principal components
def test_tiles_find_nearly_all_and_say_how_much(dimension: int) -> None:
    store = Store(6000, dimension=dimension)
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
    search = NearestOfAll(unit(store.vectors), 20, exact_below=1000)
    rows = np.concatenate([found.rows for found in search.walk()])
    assert search.recall == 1
    assert (rows == store.exact(store.vectors, np.arange(3000), 20)).mean() > 0.999
