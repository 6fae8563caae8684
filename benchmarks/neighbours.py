"""The nearest of all vectors, as the ranking needs them, beside FAISS's exact search and its HNSW, in one run.

    python benchmarks/neighbours.py [--sizes 50000 200000] [--index FOLDER [--space NAME]] [--without flat]

The vectors are those of an index, multiplied: each new one lies between an image and one of its neighbours, moved along
three differences of other neighbours, so that near ones are as near, and as many-sided, as real ones. Without an index,
they lie around random centres. 20 neighbours are searched for every vector. Recall is that of 1,000 vectors whose true
neighbours are found by a plain matrix product. Each method runs in a process of its own; memory is the most that
process held, vectors included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tables import draw_table

Vectors = NDArray[np.float32]
NEIGHBOURS, _WIDTH, _SAMPLE, _AT_ONCE, _NEAR = 20, 512, 1000, 20_000, 10


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--index", type=Path, help="an index whose vectors are multiplied")
    parser.add_argument("--space")
    parser.add_argument("--without", choices=METHODS, nargs="*", default=[], help="methods to leave out")
    parser.add_argument("--run", nargs=2, metavar=("METHOD", "FILE"), help="one run in this process; prints JSON")
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(_run(arguments.run[0], Path(arguments.run[1]))))
        return
    methods = [name for name in METHODS if name not in arguments.without]
    rows = measure(arguments.sizes, arguments.index, arguments.space, methods)
    print(draw_table(rows))


def measure(
    sizes: Sequence[int], index: Path | None = None, space: str | None = None, methods: Sequence[str] | None = None
) -> list[dict[str, str]]:
    """Measure every method at every size; a row each, ready for a table."""
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vectors.npy"
            np.save(path, make_vectors(size, index, space))
            for method in methods or METHODS:
                found = json.loads(subprocess.check_output([sys.executable, __file__, "--run", method, str(path)]))
                row = {"vectors": f"{size:,}", "method": method, "wall s": f"{found['wall']:.1f}"}
                row |= {"core-s": f"{found['cores']:.1f}", "recall at 20": f"{found['recall']:.4f}"}
                row |= {"said": f"{found['said']:.4f}" if found["said"] else "", "memory GB": f"{found['memory']:.2f}"}
                rows.append(row)
                print(row, file=sys.stderr)
    return rows


def make_vectors(count: int, index: Path | None = None, space: str | None = None, seed: int = 0) -> Vectors:
    """Make vectors, float32 (count, d), that lie together as those of `index` do."""
    from embedkit.indexes.vectors import unit

    rng = np.random.default_rng(seed)
    seeds = _read(index, space) if index else _cluster(rng)
    near = np.argsort(-(seeds @ seeds.T), axis=1)[:, 1 : _NEAR + 1]
    made = np.empty((count, seeds.shape[1]), np.float32)
    for start in range(0, count, _AT_ONCE):
        few = min(_AT_ONCE, count - start)
        own = rng.integers(0, len(seeds), few)
        other = near[own, rng.integers(0, _NEAR, few)]
        points = seeds[own] + rng.random((few, 1), np.float32) * (seeds[other] - seeds[own])
        for _ in range(3):
            one = rng.integers(0, len(seeds), few)
            two = near[one, rng.integers(0, _NEAR, few)]
            points += rng.normal(0, 0.5, (few, 1)).astype(np.float32) * (seeds[one] - seeds[two])
        made[start : start + few] = unit(points)
    return made


def _read(index: Path, space: str | None) -> Vectors:
    """Directions of at most 5,000 images of an index."""
    from embedkit.indexes import Index
    from embedkit.indexes.vectors import unit

    vectors = Index.open(index).vectors(space)
    return unit(vectors[:: len(vectors) // 5000 + 1])


def _cluster(rng: np.random.Generator) -> Vectors:
    """4,000 directions around 14 centres, with most of their spread in a few dimensions, as encoders have it."""
    from embedkit.indexes.vectors import unit

    spread = (1 / np.arange(1, _WIDTH + 1)).astype(np.float32)
    points = rng.standard_normal((14, _WIDTH))[rng.integers(0, 14, 4000)] + 0.8 * rng.standard_normal((4000, _WIDTH))
    return unit((points * spread + 0.3 * spread[0]).astype(np.float32))


def _run(method: str, path: Path) -> dict[str, float]:
    """Time one method in this process."""
    import resource

    vectors = np.load(path)
    sample = np.linspace(0, len(vectors) - 1, _SAMPLE).astype(np.int64)
    true = _true_neighbours(vectors, sample)
    start, cores = time.perf_counter(), time.process_time()
    rows, said = METHODS[method](vectors)
    wall, cores = time.perf_counter() - start, time.process_time() - cores
    met = [np.isin(one, two).mean() for one, two in zip(true, rows[sample], strict=True)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"wall": wall, "cores": cores, "recall": float(np.mean(met)), "said": said, "memory": memory}


def _true_neighbours(vectors: Vectors, sample: NDArray[np.int64]) -> NDArray[np.int64]:
    true = np.empty((len(sample), NEIGHBOURS), np.int64)
    for start in range(0, len(sample), 50):
        own = sample[start : start + 50]
        cosines = vectors[own] @ vectors.T
        cosines[np.arange(len(own)), own] = -2
        true[start : start + 50] = np.argpartition(-cosines, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return true


def _search_graph(vectors: Vectors) -> tuple[NDArray[np.int64], float]:
    from embedkit.indexes.nearest import NearestOfAll

    search = NearestOfAll(vectors, NEIGHBOURS + 1)
    found = np.empty((len(vectors), NEIGHBOURS + 1), np.int64)
    for part in search.walk():
        found[part.queries] = part.rows
    return _without_itself(found), search.recall


def _search_flat(vectors: Vectors) -> tuple[NDArray[np.int64], float]:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return _search(index, vectors), 0.0


def _search_hnsw(vectors: Vectors) -> tuple[NDArray[np.int64], float]:
    import faiss

    index: Any = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 40, 64
    index.add(vectors)
    return _search(index, vectors), 0.0


def _search(index: Any, vectors: Vectors) -> NDArray[np.int64]:
    return _without_itself(index.search(vectors, NEIGHBOURS + 1)[1])


def _without_itself(found: NDArray[np.int64]) -> NDArray[np.int64]:
    other = np.argsort(found == np.arange(len(found))[:, None], axis=1, kind="stable")[:, :-1]
    return np.take_along_axis(found, other, axis=1)


METHODS: dict[str, Callable[[Vectors], tuple[NDArray[np.int64], float]]] = {
    "embedkit": _search_graph,
    "flat": _search_flat,
    "hnsw": _search_hnsw,
}

if __name__ == "__main__":
    main()
