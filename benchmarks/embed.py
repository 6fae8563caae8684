"""`embedkit embed` beside the pipeline that one would write in an afternoon, in turns, on the same files.

    python benchmarks/embed.py DUMP [--repeat 3] [--copies 1]

The peer: pydicom's `pixel_array`, a resize to 224 pixels, torchvision's ResNet18 in fp32, a DataLoader with two
workers. It has no limits, no clean pictures, no index; files that it cannot read are skipped.

Each run is a process of its own. "Job" is the time from the start of the walk to the last vector, worker processes
included and, for ours, the finished index. What comes before is told apart: both networks are loaded then and all
libraries imported, in the process that workers are forked from as well, which is the peer's own. "Cold" is the time of
the whole process: imports, weights, (ours) compiling and the job.
Core-seconds count all its processes. Files are read once before, so that neither is timed with an empty file cache.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path

from turns import Rates, Run, draw_rates, multiplied, run_command, take_turns


def run_naive(folder: Path) -> tuple[float, int]:
    """Seconds and images of the peer."""
    import cv2
    import numpy as np
    import pydicom
    import torch
    from torch.utils.data import DataLoader, Dataset
    from torchvision.models import resnet18

    class NaiveDump(Dataset[torch.Tensor]):
        """Every file of a dump as a float picture (3, 224, 224)."""

        def __init__(self) -> None:
            self.files = sorted(path for path in folder.rglob("*") if path.is_file())

        def __len__(self) -> int:
            return len(self.files)

        def __getitem__(self, number: int) -> torch.Tensor | None:
            warnings.simplefilter("ignore")
            try:
                pixels = pydicom.dcmread(self.files[number]).pixel_array.astype(np.float32)
            except Exception:
                return None
            grey = cv2.resize((pixels - pixels.min()) / max(float(np.ptp(pixels)), 1.0), (224, 224))
            return torch.from_numpy(grey).expand(3, -1, -1).clone()

    def collate(items: list[torch.Tensor | None]) -> torch.Tensor:
        pictures = [item for item in items if item is not None]
        return torch.stack(pictures) if pictures else torch.empty(0, 3, 224, 224)

    network = resnet18(weights=None).eval()
    start, images = time.perf_counter(), 0
    loader = DataLoader(NaiveDump(), batch_size=32, num_workers=2, collate_fn=collate)
    with torch.inference_mode():
        for batch in loader:
            images += len(network(batch)) if len(batch) else 0
    return time.perf_counter() - start, images


def run_ours(folder: Path) -> tuple[float, int]:
    """Seconds and images of `embed` into a fresh index; copies of a file count as images."""
    from embedkit.workers import start_ahead

    start_ahead("embedkit.indexes.preparation")  # as the command line does
    import numpy as np

    import embedkit.indexes.graph
    import embedkit.indexes.search  # noqa: F401
    from embedkit.encoder import load_encoder
    from embedkit.indexes import embed

    encoder = load_encoder()
    encoder.encode(np.zeros((1, 256, 256), np.uint8))  # importing and compiling take long
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        report = embed([folder], Path(place) / "index", encoders=[encoder])
        return time.perf_counter() - start, report.images + report.rejected["duplicate-instance"]


def run_stages(folder: Path) -> tuple[dict[str, float], int]:
    """Core-seconds of what the workers and the encoder do, one after the other in one thread, and images."""
    import cv2
    import numpy as np

    from embedkit.dicom import load_content, read_content
    from embedkit.encoder import load_encoder
    from embedkit.errors import RejectedFile
    from embedkit.image import PreparationOptions, clean, encode_picture
    from embedkit.labels import Vocabulary
    from embedkit.sources import find_files

    cv2.setNumThreads(1)
    options, seconds, pictures = PreparationOptions(vocabulary=Vocabulary.load()), defaultdict[str, float](float), []

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        start = time.process_time()
        try:
            yield
        finally:
            seconds[name] += time.process_time() - start

    for found in find_files([folder]):
        try:
            with stage("load and hash"):
                content = load_content(found, options)
            with stage("parse, decode, show"):
                read = read_content(content, options)
        except RejectedFile:
            continue
        with stage("clean"):
            cleaned = [clean(frame) for frame in read.frames]
        with stage("PNG"):
            for picture in cleaned:
                encode_picture(picture)
        pictures += cleaned
    encoder = load_encoder()
    encoder.encode(np.array(pictures[:1]))
    with stage("encode"):
        encoder.encode(np.array(pictures))
    return dict(seconds), len(pictures)


def profile_reading(folder: Path, functions: int = 12) -> str:
    """The functions that take most of what a worker does with the files, one after the other, as text."""
    import cv2

    from embedkit.dicom import read_file
    from embedkit.errors import RejectedFile
    from embedkit.image import PreparationOptions, clean, encode_picture
    from embedkit.labels import Vocabulary
    from embedkit.sources import find_files

    cv2.setNumThreads(1)
    options, profile = PreparationOptions(vocabulary=Vocabulary.load()), cProfile.Profile(time.process_time)
    profile.enable()
    for found in find_files([folder]):
        with suppress(RejectedFile):
            for frame in read_file(found, options).frames:
                encode_picture(clean(frame))
    profile.disable()
    written = StringIO()
    pstats.Stats(profile, stream=written).strip_dirs().sort_stats("tottime").print_stats(functions)
    return "\n".join(line for line in written.getvalue().splitlines() if line.strip())


RUNS: dict[str, Run] = {
    "naive": run_naive,
    "embedkit": run_ours,
    "stages": run_stages,
}


def draw_tables(medians: dict[str, Rates], stages: dict[str, float], images: int) -> str:
    """The medians and the stages as Markdown."""
    lines = [draw_rates(medians), "", "| stage | core-seconds | core-ms an image |", "|---|---|---|"]
    rows = [*stages.items(), ("sum of stages", sum(stages.values()))]
    rows.append(("whole process", medians["embedkit"]["core-ms"] * images / 1000))
    lines += [f"| {name} | {seconds:.2f} | {1000 * seconds / images:.2f} |" for name, seconds in rows]
    return "\n".join(lines)


def compare(dump: Path, repeat: int = 3, copies: int = 1) -> str:
    """Time both in turns, and the stages of ours, as Markdown tables with the ratio of the medians."""
    with multiplied(dump, copies) as folder:
        stages, images = json.loads(
            subprocess.check_output([sys.executable, __file__, str(folder), "--run", "stages"])  # fills the file cache
        )
        medians = take_turns(__file__, ("naive", "embedkit"), folder, repeat)
    return draw_tables(medians, stages, images)


if __name__ == "__main__":
    run_command(__doc__, RUNS, compare)
