"""`embedkit embed` beside the pipeline that one would write in an afternoon, in one run, on the same files.

    python benchmarks/embed.py DUMP [--repeat 3]

The peer: pydicom's `pixel_array`, a resize to 224 pixels, torchvision's ResNet18 in fp32, a DataLoader with two
workers. It has no limits, no clean pictures, no index; files that it cannot read are skipped. Both are timed from the
start of their walk to their last vector, after imports and loading of weights; ours includes writing the index.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
import pydicom
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.models import resnet18

from embedkit.encoder import load_encoder
from embedkit.indexes import embed


class NaiveDump(Dataset[torch.Tensor]):
    """Every file of a dump as a float picture (3, 224, 224)."""

    def __init__(self, folder: Path) -> None:
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


def _collate(items: list[torch.Tensor | None]) -> torch.Tensor:
    pictures = [item for item in items if item is not None]
    return torch.stack(pictures) if pictures else torch.empty(0, 3, 224, 224)


def run_naive(folder: Path) -> tuple[float, int]:
    """Seconds and images of the peer."""
    network = resnet18(weights=None).eval()
    loader = DataLoader(NaiveDump(folder), batch_size=32, num_workers=2, collate_fn=_collate)
    start, images = time.perf_counter(), 0
    with torch.inference_mode():
        for batch in loader:
            images += len(network(batch)) if len(batch) else 0
    return time.perf_counter() - start, images


def run_ours(folder: Path) -> tuple[float, int]:
    """Seconds and images of `embed` into a fresh index."""
    encoder = load_encoder()
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        report = embed([folder], Path(place) / "index", encoders=[encoder])
        return time.perf_counter() - start, report.images


def main() -> None:
    """Time both in turns and print the ratio of their medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    rates: dict[str, list[float]] = {"naive": [], "embedkit": []}
    for _ in range(arguments.repeat):
        for name, run in (("naive", run_naive), ("embedkit", run_ours)):
            seconds, images = run(arguments.dump)
            rates[name].append(images / seconds)
            print(f"{name:9} {images:6,} images {seconds:7.1f} s {images / seconds:7.1f} images/s", flush=True)
    naive, ours = (statistics.median(rates[name]) for name in ("naive", "embedkit"))
    print(f"{os.cpu_count()} cores: embedkit {ours:.1f} images/s, naive {naive:.1f}, ratio {ours / naive:.2f}")


if __name__ == "__main__":
    main()
