"""Seconds and memory of finding label errors against the number of images: ours, cleanlab's, and SelfClean's method.

    python benchmarks/label_scale.py INDEX [--space simclr] [--sizes 5000 20000] [--ours 48434] [--classes 14]

The vectors are those of an index, multiplied as in `neighbours.py`; 6% of the labels are wrong. Ours is all of
`find_label_issues`: pictures decoded and looked at (300 of the index, over and over), neighbours, labels, repeats and
table. cleanlab is five-fold logistic regression and `find_label_issues`; SelfClean's is its formula, which compares all
pairs. Each runs in a process of its own; memory is the most that it held, worker processes included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from neighbours import make_vectors
from scale import watch_memory
from tables import draw_table

_PICTURES, _PATIENT = 300, 3


class MultipliedIndex:
    """What `find_label_issues` asks of an index."""

    def __init__(self, file: Path) -> None:
        import pyarrow as pa

        data = np.load(file, allow_pickle=False)
        self._vectors, labels = np.load(file.with_name("vectors.npy")), data["labels"]
        self._pictures = [bytes(png) for png in np.split(data["pictures"], np.cumsum(data["lengths"])[:-1])]
        count = len(labels)
        uids = [f"1.2.3.{row}" for row in range(count)]
        patients = [f"{row // _PATIENT}" for row in range(count)]
        text = {"image_id": uids, "sop_instance_uid": uids, "path": uids, "patient": patients}
        text |= {"study_instance_uid": patients, "laterality": [""] * count, "view": [""] * count}
        text |= {"rows": [2000] * count, "columns": [1500] * count}
        self.images = pa.table(text | {"region": [f"region {label}" for label in labels], "notes": [[""]] * count})
        self.spaces = {"simclr": SimpleNamespace(encoder="", preprocessing=1)}

    def __len__(self) -> int:
        return len(self._vectors)

    def space_name(self, name: str | None = None) -> str:
        """Its only space."""
        return name or "simclr"

    def vectors(self, space: str | None = None) -> np.ndarray:  # noqa: ARG002
        """All vectors, float32 (N, D)."""
        return self._vectors

    def stored_pictures(self, rows: Any) -> list[bytes]:
        """PNG files."""
        return [self._pictures[int(row) % len(self._pictures)] for row in rows]

    def pictures(self, rows: Any) -> np.ndarray:
        """Decode pictures, uint8 (n, 256, 256)."""
        from embedkit.image import decode_picture

        shown = [decode_picture(png) for png in self.stored_pictures(rows)]
        return np.array(shown, np.uint8).reshape(-1, 256, 256)


def run_ours(file: Path) -> int:
    """All of `find_label_issues`."""
    from embedkit.quality import find_label_issues

    return len(find_label_issues(MultipliedIndex(file)))  # type: ignore[arg-type]


def run_cleanlab(file: Path) -> int:
    """Logistic regression in five folds by patient, then `find_label_issues`."""
    from label_rankers import rank_by_cleanlab, regress

    space, labels = _read(file)
    return len(rank_by_cleanlab(regress(space, labels, 0, int(labels.max()) + 1), labels, "self_confidence"))


def run_selfclean(file: Path) -> int:
    """The formula on the matrix of all distances."""
    from label_rankers import compare_all, rank_by_selfclean

    space, labels = _read(file)
    return len(rank_by_selfclean(compare_all(space.vectors), labels))


def _read(file: Path) -> tuple[Any, np.ndarray]:
    labels = np.load(file)["labels"].astype(np.int64)
    groups = np.arange(len(labels)) // _PATIENT
    return SimpleNamespace(vectors=np.load(file.with_name("vectors.npy")), groups=groups), labels


METHODS: dict[str, Callable[[Path], int]] = {"embedkit": run_ours, "cleanlab": run_cleanlab, "SelfClean": run_selfclean}


def measure(index: Path, space: str | None, size: int, classes: int, methods: list[str]) -> list[dict[str, str]]:
    """Run each method once at one size."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "labels.npz"
        _write(file, index, space, size, classes)
        for method in methods:
            command = [sys.executable, __file__, str(index), "--run", method, str(file)]
            found = json.loads(subprocess.check_output(command))
            numbers = {key: f"{found[key]:.1f}" for key in ("seconds", "core-seconds", "GB")}
            rows.append({"images": f"{size:,}", "method": method, **numbers})
            print(rows[-1], file=sys.stderr)
    return rows


def _write(file: Path, index: Path, space: str | None, size: int, classes: int) -> None:
    """Vectors, labels by the nearest of some of them, 6% of them wrong, and pictures."""
    from embedkit.image import encode_picture
    from embedkit.indexes import Index

    vectors, rng = make_vectors(size, index, space), np.random.default_rng(0)
    labels = (vectors @ vectors[rng.choice(size, classes, replace=False)].T).argmax(axis=1)
    wrong = rng.random(size) < 0.06
    labels[wrong] = (labels[wrong] + rng.integers(1, classes, wrong.sum())) % classes
    pictures = [encode_picture(picture) for picture in Index.open(index).pictures(range(_PICTURES))]
    lengths = [len(png) for png in pictures]
    np.save(file.with_name("vectors.npy"), vectors)
    np.savez(file, labels=labels, pictures=np.frombuffer(b"".join(pictures), np.uint8), lengths=lengths)


def run(method: str, file: Path) -> dict[str, float]:
    """Time one method in this process, and look once a second at what it and its workers hold."""
    import resource

    with watch_memory(os.getpid(), pause=1) as memory:
        start = time.perf_counter()
        METHODS[method](file)
        seconds = time.perf_counter() - start
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cores = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
    return {"seconds": seconds, "core-seconds": cores, "GB": max(memory.most / 1024, own.ru_maxrss / 2**20)}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("--space")
    parser.add_argument("--sizes", type=int, nargs="*", default=[5000, 20_000], help="images, for all methods")
    parser.add_argument("--ours", type=int, nargs="*", default=[48_434], help="images, for ours alone")
    parser.add_argument("--classes", type=int, default=14)
    parser.add_argument("--run", nargs=2, metavar=("METHOD", "FILE"), help="one run in this process; prints JSON")
    given = parser.parse_args()
    if given.run:
        print(json.dumps(run(given.run[0], Path(given.run[1]))))
        return
    plan = [(size, list(METHODS)) for size in given.sizes] + [(size, ["embedkit"]) for size in given.ours]
    rows = [row for size, methods in plan for row in measure(given.index, given.space, size, given.classes, methods)]
    print(draw_table(rows))


if __name__ == "__main__":
    main()
