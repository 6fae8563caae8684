"""What it costs that files are read in a worker process, under limits and a clock, instead of just read.

    python benchmarks/sandbox.py DUMP [--repeat 3] [--copies 1]

One worker beside a loop in one process, each a process of its own and in turns; both get glibc's settings for memory
that workers have. The time is that of the files: the first one, which waits until the worker is there, is not counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

from turns import Run, multiplied, run_command, take_turns

from embedkit.image import PreparationOptions
from embedkit.indexes.preparation import Prepared, prepare_rows
from embedkit.indexes.stored_paths import StoredPaths
from embedkit.labels import Vocabulary
from embedkit.sources import FoundFile, find_files
from embedkit.workers import WorkerPool
from embedkit.workers.fork_server import KEEP_MEMORY

Prepare = Callable[[FoundFile], Prepared]


def run_loop(folder: Path) -> tuple[float, int]:
    """Seconds and images of reading, cleaning and encoding as PNG, file by file."""
    import cv2

    cv2.setNumThreads(1)
    prepare = _prepare()
    return _time(prepare(found) for found in find_files([folder]))


def run_worker(folder: Path) -> tuple[float, int]:
    """The same by a worker."""
    with WorkerPool(_prepare(), workers=1) as pool:
        return _time(outcome for _, outcome in pool.map(find_files([folder])) if isinstance(outcome, tuple))


def _prepare() -> Prepare:
    return partial(prepare_rows, options=PreparationOptions(vocabulary=Vocabulary.load()), paths=StoredPaths())


def _time(outcomes: Iterator[Prepared]) -> tuple[float, int]:
    next(outcomes)
    start = time.perf_counter()
    images = sum(len(pictures) for _, pictures in outcomes)
    return time.perf_counter() - start, images


RUNS: dict[str, Run] = {"loop": run_loop, "worker": run_worker}


def compare(dump: Path, repeat: int = 3, copies: int = 1) -> str:
    """Time both in turns; the medians of their images a second as a Markdown table."""
    with multiplied(dump, copies) as folder, patch.dict(os.environ, KEEP_MEMORY):
        medians = take_turns(__file__, tuple(RUNS), folder, repeat)
    loop, worker = (medians[name]["job"] for name in RUNS)
    return "\n".join(
        [
            "| | images/s |",
            "|---|---|",
            f"| read in a loop | {loop:.1f} |",
            f"| read by one worker, under limits | {worker:.1f} |",
            f"| cost of the worker | {100 * (1 - worker / loop):.1f}% |",
        ]
    )


if __name__ == "__main__":
    run_command(__doc__, RUNS, compare)
