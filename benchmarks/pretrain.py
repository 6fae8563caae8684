"""`pretrain`'s SimCLR step beside lightly's SimCLR example, in one run, on the same pictures.

    pip install lightly
    python benchmarks/pretrain.py INDEX [--batch-size 64] [--view-size 96] [--steps 4] [--repeat 3] [--workers 2]

The peer is lightly's own example (examples/pytorch/simclr.py): torchvision's ResNet18 in fp32 on three channels, its
projection head, its transform of torchvision operations on PIL images, a DataLoader, NT-Xent, SGD. It is spared the
decoding of files. Rates are of pictures, two views each, from the second step on. Where neighbours share the machine,
`--workers 0` keeps the peer in one process, and the rates by CPU time are comparable.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms.simclr_transform import SimCLRTransform
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.models import resnet18

from embedkit.indexes import Index
from embedkit.pretraining import PretrainingSettings, PretrainingStep, TrainingSet, pretrain

Times = tuple[float, float]
"""Wall and CPU seconds."""


class LightlyPictures(Dataset[list[torch.Tensor]]):
    """Pictures as PIL images with three channels, through lightly's transform."""

    def __init__(self, pictures: np.ndarray, size: int) -> None:
        self.images = [Image.fromarray(picture).convert("RGB") for picture in pictures]
        self.transform = SimCLRTransform(input_size=size, gaussian_blur=0.0)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> list[torch.Tensor]:
        views: list[torch.Tensor] = self.transform(self.images[number])
        return views


def _now() -> Times:
    return time.perf_counter(), time.process_time()


def run_lightly(pictures: np.ndarray, arguments: argparse.Namespace) -> Iterator[Times]:
    """The moment after each step of the peer."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = resnet18(weights=None)
    backbone.fc = torch.nn.Identity()
    model = torch.nn.Sequential(backbone, SimCLRProjectionHead(512, 512, 128)).to(device)
    dataset = LightlyPictures(pictures, arguments.view_size)
    loader = DataLoader(
        dataset, batch_size=arguments.batch_size, shuffle=True, drop_last=True, num_workers=arguments.workers
    )
    criterion, optimizer = NTXentLoss(), torch.optim.SGD(model.parameters(), lr=0.06)
    for first, second in loader:
        loss = criterion(model(first.to(device)), model(second.to(device)))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        yield _now()


def run_embedkit(pictures: np.ndarray, arguments: argparse.Namespace) -> list[Times]:
    """The moment after each of our steps."""
    moments: list[Times] = []

    def note(_: PretrainingStep) -> None:
        moments.append(_now())

    settings = PretrainingSettings(epochs=1, batch_size=arguments.batch_size, view_size=arguments.view_size)
    with tempfile.TemporaryDirectory() as place:
        pretrain(TrainingSet.unlabelled(pictures), settings, Path(place) / "checkpoint", on_step=note)
    return moments[:-1]  # the last step writes the checkpoint


def main() -> None:
    """Time both in turns and print the ratios of their medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    for name, value in {"batch-size": 64, "view-size": 96, "steps": 4, "repeat": 3, "workers": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    index = Index.open(arguments.index)
    rows = np.arange(arguments.batch_size * (arguments.steps + 2)) % len(index)
    pictures = index.pictures(rows)
    rates: dict[str, list[Times]] = {"lightly": [], "embedkit": []}
    for _ in range(arguments.repeat):
        for name, run in (("lightly", run_lightly), ("embedkit", run_embedkit)):
            moments = np.array(list(run(pictures, arguments)))[: arguments.steps + 1]
            wall, cpu = arguments.batch_size * (len(moments) - 1) / (moments[-1] - moments[0])
            rates[name].append((wall, cpu))
            print(f"{name:9} {wall:7.1f} pictures/s {cpu:7.1f} per CPU second", flush=True)
    medians = {name: [statistics.median(column) for column in zip(*of, strict=True)] for name, of in rates.items()}
    by_wall, by_cpu = (ours / peer for ours, peer in zip(medians["embedkit"], medians["lightly"], strict=True))
    print(f"{os.cpu_count()} cores: embedkit over lightly {by_wall:.2f} by wall time, {by_cpu:.2f} by CPU time")


if __name__ == "__main__":
    main()
