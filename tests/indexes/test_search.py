"""Nearest neighbours against plain numpy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from embedkit.errors import UsageError
from embedkit.indexes import Index
from embedkit.indexes.manifest import SearchFile, search_name
from embedkit.indexes.search import VectorSearch, fit, read_file
from embedkit.indexes.vectors import unit, usable

from .conftest import Embed, TinyEncoder, write_dump, write_picture


class Store:
    """Vectors that lie around some directions, as those of radiographs do, in batches of 100."""

    def __init__(self, count: int, dimension: int = 32, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        centres = rng.standard_normal((30, dimension))
        self.vectors = (centres[rng.integers(0, 30, count)] + 0.4 * rng.standard_normal((count, dimension))).astype(
            "f4"
        )
        self.asked: list[int] = []

    def read(self, ids: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        self.asked.append(len(ids))
        for start in range(0, len(ids), 100):
            positions = np.arange(start, min(start + 100, len(ids)))
            yield positions, self.vectors[ids[positions]]

    def exact(self, queries: NDArray[np.float32], ids: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        cosines = unit(queries) @ unit(self.vectors[ids]).T
        return ids[np.argsort(-cosines, axis=1, kind="stable")[:, :k]]


def test_exact_search_is_a_matrix_product() -> None:
    store, ids = Store(500), np.arange(0, 500, 3)
    found = fit(None, ids, 32, store.read)
    cosines, near = found.nearest(store.vectors[:20], 7)
    np.testing.assert_array_equal(near, store.exact(store.vectors[:20], ids, 7))
    expected = np.take_along_axis(unit(store.vectors[:20]) @ unit(store.vectors).T, near, axis=1)
    np.testing.assert_allclose(cosines, expected, atol=1e-5)


def test_fewer_vectors_than_asked_for_are_filled_up() -> None:
    store = Store(3)
    cosines, near = fit(None, np.arange(3), 32, store.read).nearest(store.vectors[:1], 5)
    assert sorted(near[0, :3]) == [0, 1, 2]
    assert near[0, 3:].tolist() == [-1, -1]
    assert cosines[0, 3:].tolist() == [-1, -1]


@pytest.mark.slow
@pytest.mark.parametrize("exact_below", [10_000, 100])
def test_fit_changes_an_earlier_index_by_what_came_and_went(exact_below: int) -> None:
    store = Store(3000)
    before, after = np.arange(0, 2400), np.sort(np.concatenate([np.arange(50, 2400), np.arange(2500, 3000)]))
    earlier = fit(None, before, 32, store.read, exact_below)
    store.asked.clear()
    changed = fit(earlier, after, 32, store.read, exact_below)
    assert store.asked == [500]
    assert changed is earlier
    np.testing.assert_array_equal(changed.ids, after)


@pytest.mark.slow
@pytest.mark.parametrize("count", [3000, 6000])
def test_inverted_lists_find_nearly_all(count: int) -> None:
    store, ids = Store(count), np.arange(count)
    found = fit(None, ids, 32, store.read, exact_below=1000)
    assert found.index.nlist == round(4 * np.sqrt(count))
    queries = store.vectors[1::17]
    near = found.nearest(queries, 10)[1]
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(near, store.exact(queries, ids, 10), strict=True)])
    assert recall >= 0.98


def test_an_index_that_has_outgrown_its_lists_is_trained_anew() -> None:
    store = Store(6000)
    small = fit(None, np.arange(2000), 32, store.read, exact_below=1000)
    assert fit(small, np.arange(6000), 32, store.read, exact_below=1000).index.nlist == round(4 * np.sqrt(6000))
    assert not hasattr(fit(small, np.arange(500), 32, store.read, exact_below=1000).index, "nlist")


def write_search(folder: Path, found: VectorSearch) -> SearchFile:
    (folder / "faiss").mkdir(exist_ok=True)
    return SearchFile(1, found.write(folder / search_name("tiny", 1)), found.ids_digest)


@given(st.binary(min_size=1, max_size=1), st.floats(0, 1, exclude_max=True), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_is_never_loaded(
    tmp_path_factory: pytest.TempPathFactory, byte: bytes, at: float, mapped: bool
) -> None:
    folder, store = tmp_path_factory.mktemp("faiss"), Store(50)
    entry = write_search(folder, fit(None, np.arange(50), 32, store.read))
    path = folder / search_name("tiny", 1)
    loaded = read_file(folder, "tiny", entry, 32, mapped=mapped)
    assert loaded is not None
    np.testing.assert_array_equal(loaded.nearest(store.vectors, 3)[1], store.exact(store.vectors, np.arange(50), 3))
    written, data = path.stat().st_mtime_ns, bytearray(path.read_bytes())
    data[int(at * len(data))] ^= byte[0] or 1
    path.write_bytes(data)
    os.utime(path, ns=(written, written))
    assert read_file(folder, "tiny", entry, 32, mapped=mapped) is None
    assert read_file(folder, "absent", entry, 32, mapped=mapped) is None


@pytest.mark.parametrize("exact_below", [10_000, 100])
def test_a_mapped_file_finds_the_same(tmp_path: Path, exact_below: int) -> None:
    store = Store(3000)
    found = fit(None, np.arange(3000), 32, store.read, exact_below)
    entry = write_search(tmp_path, found)
    cosines, near = found.nearest(store.vectors[::7], 10)
    for mapped in (False, True):
        loaded = read_file(tmp_path, "tiny", entry, 32, mapped=mapped)
        assert loaded is not None
        assert loaded.ids_digest == found.ids_digest
        np.testing.assert_array_equal(loaded.nearest(store.vectors[::7], 10)[1], near)
        np.testing.assert_array_equal(loaded.nearest(store.vectors[::7], 10)[0], cosines)


@given(arrays(np.float32, (4, 3), elements=st.floats(width=32)))
def test_what_is_usable_has_length_one_and_nothing_else_is(vectors: NDArray[np.float32]) -> None:
    good = usable(vectors)
    expected = np.isfinite(vectors).all(axis=1) & (np.abs(vectors).max(axis=1) > 0)
    assert (good == expected).all()
    np.testing.assert_allclose(np.linalg.norm(unit(vectors[good]), axis=1), 1, rtol=1e-5)


def assert_nearest(index: Index) -> None:
    """The nearest of every image, itself first, against all cosines."""
    found = index.nearest(index.vectors(), 4)[1]
    assert found[:, 0].tolist() == list(range(len(index)))
    np.testing.assert_array_equal(found[:, 1:], naive_neighbours(index, 3))


def naive_neighbours(index: Index, k: int) -> NDArray[np.int64]:
    units = unit(index.vectors())
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :k]


def test_similar_takes_an_id_a_path_or_a_vector(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 9)
    run()
    index = Index.open(tmp_path / "index")
    image_id, path = (index.images[name][4].as_py() for name in ("image_id", "path"))
    found = index.similar(image_id, k=3)
    assert found == index.similar(path, k=3) == index.similar(Path(path), k=3)
    assert [neighbour.row for neighbour in found] == naive_neighbours(index, 3)[4].tolist()
    assert [neighbour.path for neighbour in found] == [index.images["path"][n.row].as_py() for n in found]
    assert all(0 <= neighbour.distance <= 1 for neighbour in found)
    by_vector = index.similar(index.vectors()[4], k=3)
    assert (by_vector[0].image_id, by_vector[1:]) == (image_id, found[:2])
    assert by_vector[0].distance == pytest.approx(0, abs=1e-6)
    assert index.rows_of([image_id, "1.2.3"]).tolist() == [4, -1]


def test_nearest_gives_distances_and_indices_as_faiss_and_scikit_learn_do(tmp_path: Path, run: Embed) -> None:
    from sklearn.neighbors import NearestNeighbors

    write_dump(tmp_path / "dump", 9)
    run()
    index = Index.open(tmp_path / "index")
    queries = index.vectors()[:4] + np.float32(0.01)
    distances, indices = index.nearest(queries, 5)
    cosine, rows = NearestNeighbors(n_neighbors=5, metric="cosine").fit(index.vectors()).kneighbors(queries)
    np.testing.assert_array_equal(indices, rows)
    np.testing.assert_allclose(distances, cosine / 2, atol=1e-6)
    assert (distances.dtype, indices.dtype) == (np.float32, np.int64)
    assert index.nearest(queries, 12)[0][:, 9:].tolist() == [[np.inf] * 3] * 4
    assert index.nearest(queries, 12)[1][:, 9:].tolist() == [[-1] * 3] * 4
    one = index.similar(queries[0], k=5)
    assert [(found.distance, found.row) for found in one] == list(zip(distances[0].tolist(), rows[0], strict=True))


@pytest.mark.parametrize("query", [np.zeros(512, "f4"), np.full(512, np.nan, "f4"), np.ones(5, "f4")])
def test_a_query_without_a_direction_is_refused(tmp_path: Path, run: Embed, query: NDArray[np.float32]) -> None:
    write_dump(tmp_path / "dump", 2)
    run()
    with pytest.raises(UsageError) as caught:
        Index.open(tmp_path / "index").similar(query)
    assert caught.value.reason == "bad-vector"


def test_unknown_images_and_spaces_are_named(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 2)
    run(None, None, TinyEncoder(), TinyEncoder("other", 7))
    index = Index.open(tmp_path / "index")
    for reason, call in {
        "unknown-image": lambda: index.similar("1.2.3", space="tiny"),
        "unknown-space": lambda: index.vectors("simclr"),
        "several-spaces": index.vectors,
    }.items():
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.reason == reason


@pytest.mark.slow
def test_an_outdated_or_lost_faiss_file_is_made_good_when_the_index_is_opened(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 8)
    run()
    write_picture(dump / "late.png", 70)
    write_picture(dump / "study0/000.png", 71)

    def stop(_stage: str, done: int, *_: object) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(on_progress=stop)
    index = Index.open(tmp_path / "index")
    assert len(index) == 9
    assert_nearest(index)
    for path in (tmp_path / "index/faiss").iterdir():
        path.unlink()
    index = Index.open(tmp_path / "index")
    assert_nearest(index)
    run()
    assert len(list((tmp_path / "index/faiss").iterdir())) == 1


def test_the_blas_of_faiss_knows_the_processor() -> None:
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    if "avx2" not in flags:
        pytest.skip("it may well be an old one")
    code = (
        "import os; from embedkit.indexes.faiss_library import faiss; from threadpoolctl import threadpool_info; "
        "print('OPENBLAS_CORETYPE' in os.environ, *(one.get('architecture') for one in threadpool_info()))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.startswith("False")
    assert "Prescott" not in done.stdout


@pytest.mark.slow
def test_torch_and_faiss_compute_side_by_side() -> None:
    import torch

    store = Store(2000)
    found = fit(None, np.arange(2000), 32, store.read)
    before = found.nearest(store.vectors[:50], 5)[1]
    assert torch.ones(300, 300).matmul(torch.ones(300, 300))[0, 0] == 300
    np.testing.assert_array_equal(found.nearest(store.vectors[:50], 5)[1], before)
    assert isinstance(found, VectorSearch)
