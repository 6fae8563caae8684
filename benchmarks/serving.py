"""An index of many images: bringing what is derived up to date, opening it, and the images that look like one.

    python benchmarks/serving.py [--sizes 20000 1000000] [--index FOLDER [--space NAME]] [--keep FOLDER]

Shards are written with the store's own functions, with vectors multiplied as in `neighbours.py` and a few pictures over
and over. `embed` of an empty folder then makes table and FAISS file, and again finds nothing to do.
Every measurement has a process of its own; `shell` is the whole command `embedkit similar UID`, imports included.
Memory that is mapped from files can be given back at any time and is told apart.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from neighbours import make_vectors
from tables import draw_table

_SHARD, _PATIENT, _PICTURES, _QUERIES = 512, 3, 5, 300
_ENCODER = SimpleNamespace(
    name="made", digest="0" * 64, dimension=512, precision="fp32", runtime="numpy", input_size=256, encode=None
)


def measure(
    sizes: Sequence[int], index: Path | None = None, space: str | None = None, keep: Path | None = None
) -> list[dict[str, str]]:
    """Measure every size; a row each, ready for a table."""
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            folder = (keep or Path(place)) / f"{size}"
            if not folder.exists():
                _run("write", folder, str(size), str(index or ""), space or "")
            rows.append({"images": f"{size:,}"} | _measure(folder))
            print(rows[-1], file=sys.stderr)
    return rows


def _measure(folder: Path) -> dict[str, str]:
    derived, again = _run("derive", folder), _run("derive", folder)
    served = _run("serve", folder)
    shell = []
    for image_id in served["image_ids"]:
        start = time.perf_counter()
        command = [sys.executable, "-c", "from embedkit.cli import main; main()", "similar", image_id]
        subprocess.run([*command, "--index", str(folder)], check=True, stdout=subprocess.DEVNULL)
        shell.append(time.perf_counter() - start)
    return {
        "derive s": f"{derived['seconds']:.0f}",
        "derive GB": f"{derived['own']:.1f} + {derived['mapped']:.1f}",
        "again s": f"{again['seconds']:.1f}",
        "open ms": f"{1000 * served['open']:.0f}",
        "open MB": f"{1000 * served['own']:.0f} + {1000 * served['mapped']:.0f}",
        "similar ms, p50": f"{1000 * served['p50']:.1f}",
        "p95": f"{1000 * served['p95']:.1f}",
        "shell s": f"{float(np.median(shell)):.2f}",
    }


def _run(task: str, folder: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--run", task, str(folder), *arguments]
    found: dict[str, Any] = json.loads(subprocess.check_output(command))
    return found


def write_index(folder: Path, size: str, index: str, space: str) -> dict[str, Any]:
    """Write the shards of an index."""
    from embedkit.image import encode_picture
    from embedkit.indexes.encoding import space_of
    from embedkit.indexes.writer import open_writer

    vectors = make_vectors(int(size), Path(index) if index else None, space or None)
    noise = np.random.default_rng(0).integers(0, 256, (_PICTURES, 64, 64), np.uint8)
    pictures = [encode_picture(np.kron(small, np.ones((4, 4), np.uint8))) for small in noise]
    with open_writer(folder) as writer:
        writer.add_space(_ENCODER.name, space_of(_ENCODER))  # type: ignore[arg-type]
        for start in range(0, len(vectors), _SHARD):
            part = vectors[start : start + _SHARD]
            rows = [_row(start + number, pictures) for number in range(len(part))]
            writer.add_shard(rows, {_ENCODER.name: part})
    return {}


def _row(number: int, pictures: Sequence[bytes]) -> Any:
    """An image with facts as long as real ones."""
    from embedkit.dicom import InstanceFacts
    from embedkit.indexes.image_rows import ImageRow

    chance = random.Random(number)
    root = f"1.2.826.0.1.3680043.8.498.{chance.getrandbits(100)}"
    patient = f"{number // _PATIENT:032x}"
    facts = InstanceFacts(
        root,
        f"{root[:40]}.{number // _PATIENT}",
        f"{root[:44]}.1",
        "1.2.840.10008.5.1.4.1.1.1.1",
        "1.2.840.10008.1.2.4.70",
        "DX",
        patient,
        f"region {number % 14}",
    )
    path = f"/archive/{number // 1000:05}/study{number // _PATIENT:08}/{number:09}.dcm"
    picture = pictures[number % len(pictures)]
    return ImageRow(path, 500_000, number, f"{chance.getrandbits(256):064x}", facts, 1, picture=picture)


def derive(folder: Path) -> dict[str, Any]:
    """Embed an empty folder into the index."""
    from embedkit.indexes import EmbedSettings, embed

    start, most, done = time.perf_counter(), {"own": 0.0, "mapped": 0.0}, threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            most.update({key: max(most[key], held) for key, held in _memory().items()})

    threading.Thread(target=look, daemon=True).start()
    with tempfile.TemporaryDirectory() as empty:
        embed([Path(empty)], folder, encoders=[_ENCODER], settings=EmbedSettings(workers=1))  # type: ignore[list-item]
    done.set()
    return {"seconds": time.perf_counter() - start} | most


def serve(folder: Path) -> dict[str, Any]:
    """Open the index, and ask for the neighbours of some images."""
    from embedkit.indexes import Index

    start = time.perf_counter()
    index = Index.open(folder)
    found = {"open": time.perf_counter() - start} | _memory()
    rows = np.random.default_rng(1).choice(len(index), min(_QUERIES, len(index)), replace=False)
    image_ids = [index.images["image_id"][row].as_py() for row in rows.tolist()]
    seconds = []
    for image_id in image_ids:
        start = time.perf_counter()
        index.similar(image_id)
        seconds.append(time.perf_counter() - start)
    p50, p95 = np.quantile(seconds[1:], [0.5, 0.95])
    return found | {"first": seconds[0], "p50": p50, "p95": p95, "image_ids": image_ids[:5]}


def _memory() -> dict[str, float]:
    """Gigabytes that this process has in memory: its own, and those mapped from files."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    kinds = {"own": "RssAnon", "mapped": "RssFile"}
    return {kind: int(lines[key].split()[0]) / 1e6 for kind, key in kinds.items()}


TASKS: dict[str, Callable[..., dict[str, Any]]] = {"write": write_index, "derive": derive, "serve": serve}


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000])
    parser.add_argument("--index", type=Path, help="an index whose vectors are multiplied")
    parser.add_argument("--space")
    parser.add_argument("--keep", type=Path, help="make the indexes in this folder, and leave them there")
    parser.add_argument("--run", nargs="+", metavar="TASK", help="one task in this process; prints JSON")
    given = parser.parse_args()
    if given.run:
        task, folder, *rest = given.run
        print(json.dumps(TASKS[task](Path(folder), *rest)))
        return
    print(draw_table(measure(given.sizes, given.index, given.space, given.keep)))


if __name__ == "__main__":
    main()
