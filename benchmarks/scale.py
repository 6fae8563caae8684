"""What `embedkit embed` takes as a dump grows: seconds, memory of all its processes, and seconds to find nothing new.

    python benchmarks/scale.py [--files 1000 10000]

The dump is made here: uncompressed DICOM files of 64 x 64 pixels, each another picture of another patient, so that what
is measured is the work that every file costs whatever its size: walking, headers, pictures, vectors, shards, manifest.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Growth:
    """A dump of so many files."""

    files: int
    seconds: float
    core_seconds: float
    megabytes: float
    """The most that all processes had in memory together; what they share counts once."""
    again: float
    """Seconds of a second `embed` of the same files."""


def measure(files: int) -> Growth:
    """Embed a dump of so many files, and embed it again."""
    with tempfile.TemporaryDirectory() as place:
        dump, index = Path(place) / "dump", Path(place) / "index"
        make_dump(dump, files)
        embed = [sys.executable, "-c", "from embedkit.cli import main; main()", "embed"]
        command = [*embed, str(dump), "--index", str(index), "--quiet"]
        seconds, core_seconds, megabytes = _watch(command)
        again, *_ = _watch(command)
    print(f"{files:,} files: {seconds:.1f} s, {megabytes:.0f} MB, again {again:.1f} s", file=sys.stderr)
    return Growth(files, seconds, core_seconds, megabytes, again)


def make_dump(folder: Path, files: int) -> None:
    """Write `files` radiographs of noise in folders of 1,000."""
    import numpy as np
    from pydicom import Dataset, FileMetaDataset, dcmwrite
    from pydicom.uid import ExplicitVRLittleEndian

    rng, dataset = np.random.default_rng(0), Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality, dataset.BodyPartExamined = "1.2.840.10008.5.1.4.1.1.1.1", "DX", "KNEE"
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 16, 12, 11
    dataset.PixelRepresentation, dataset.PhotometricInterpretation = 0, "MONOCHROME2"
    for number in range(files):
        file = folder / f"{number // 1000:05}" / f"{number}.dcm"
        file.parent.mkdir(parents=True, exist_ok=True)
        dataset.SOPInstanceUID = f"1.2.3.{number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"1.2.4.{number}", f"1.2.5.{number}"
        dataset.PatientID = f"patient {number}"
        dataset.PixelData = rng.integers(0, 4096, (64, 64), dtype=np.uint16).tobytes()
        dcmwrite(file, dataset, enforce_file_format=True)


def _watch(command: list[str]) -> tuple[float, float, float]:
    """Seconds and core-seconds of a command, and the most megabytes that it and its children had."""
    start, used = time.perf_counter(), _core_seconds()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process, watch_memory(process.pid) as memory:
        status = process.wait()
        seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds, _core_seconds() - used, memory.most


@dataclass
class Memory:
    """What a process and all that descend from it have held together."""

    most: float = 0.0
    """Megabytes."""


@contextmanager
def watch_memory(root: int, pause: float = 0.2) -> Iterator[Memory]:
    """Look at what a process and its descendants hold, every `pause` seconds until the end of the block."""
    memory, done = Memory(), threading.Event()

    def look() -> None:
        while not done.wait(pause):
            memory.most = max(memory.most, sum(map(_megabytes, _family(root))))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield memory
    finally:
        done.set()
        watcher.join()


def _core_seconds() -> float:
    """Those of all commands that have ended, and of the processes that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _family(root: int) -> list[int]:
    """A process and all that descend from it, as Linux tells."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
    family, found = [root], 1
    while found:
        children = [process for process, parent in parents.items() if parent in family and process not in family]
        family, found = family + children, len(children)
    return family


def _megabytes(process: int) -> float:
    """Proportional set size: pages that several processes share are divided among them."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def draw_table(measured: list[Growth]) -> str:
    """As Markdown."""
    lines = ["| files | seconds | files/s | core-s | MB, all processes | seconds again |", "|---|---|---|---|---|---|"]
    for row in measured:
        speed = row.files / row.seconds
        figures = f"{speed:.0f} | {row.core_seconds:.0f} | {row.megabytes:.0f} | {row.again:.1f}"
        lines.append(f"| {row.files:,} | {row.seconds:.1f} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    """Measure dumps of several sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000])
    print(draw_table([measure(files) for files in parser.parse_args().files]))


if __name__ == "__main__":
    main()
