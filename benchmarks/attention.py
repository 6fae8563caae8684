"""What an encoder looks at that was trained with or without cleaning, and with or without gauges: the paper's figure 3.

    python benchmarks/attention.py INDEX --work FOLDER [--epochs 12] [--view-size 64] [--batch-size 128] [--seed 0]

Of the index, paths, regions and patients are taken; the radiographs are read again from their files. One half of them,
by lot, gets what a scanned film has, a bright frame and a tilt. All become pictures in two ways, cleaned or merely
fitted on the square. On each, SimCLR starts twice from the same random weights, with gauges laid into the views and
without.

A fifth of the patients is held out from encoders and heads. A head learns from the pictures that its encoder learnt
from. What they look at is measured on the same pictures for all: the held-out radiographs, cleaned, without frame or
tilt, with a gauge or a border planted. The second table has how often each is right on pictures made as it is used to.
FOLDER keeps encoders and checkpoints: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tables import draw_table

from embedkit.dicom import ReadingOptions, read_file
from embedkit.encoder import load_encoder, save_encoder
from embedkit.evaluation.attention import compare_attention
from embedkit.evaluation.intervals import Interval, mean_interval
from embedkit.heads import LinearHead, assign_folds, fit_head, number_groups
from embedkit.heads.attribution import Explainer
from embedkit.image import clean
from embedkit.image.picture import fit_on_square
from embedkit.indexes import Index
from embedkit.pretraining import PRETRAINING, PretrainingSettings, PretrainingStep, TrainingSet, pretrain
from embedkit.report.attention import attention_markdown
from embedkit.sources import FoundFile

Grey = NDArray[np.uint8]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

LEARNING_RATE = 7e-4  # as the shipped encoders at their start: there are few epochs
MAKE = {"cleaned": clean, "uncleaned": fit_on_square}
"""The ways from a radiograph to its picture."""


@dataclass(frozen=True)
class Archive:
    """N images; the pictures are uint8 (N, 256, 256)."""

    pictures: dict[str, Grey]
    """By key of `MAKE`, of radiographs half of which are framed."""
    plain: Grey
    """Cleaned, of the radiographs as they are."""
    framed: Flags
    regions: tuple[str, ...]
    codes: Ints
    """-1 without a region."""
    groups: Ints
    held_out: Flags

    @classmethod
    def read(cls, path: str, seed: int) -> Archive:
        """Read the radiographs of an index, and draw frames and held-out patients."""
        images = Index.open(path).images
        given = np.array(images["region"].to_pylist(), dtype=str)
        regions, codes = np.unique(np.append(given, ""), return_inverse=True)  # "" comes first
        codes = codes[:-1].astype(np.int64) - 1
        groups = number_groups(images["patient"].to_pylist(), len(given))
        rng = np.random.default_rng(seed)
        framed = rng.random(len(given)) < 0.5
        options = ReadingOptions(modalities=frozenset(images["modality"].to_pylist()) | {"CR", "DX", "RG"})
        pictures: dict[str, list[Grey]] = {name: [] for name in MAKE}
        plain = []
        for name, frame, scan in zip(images["path"].to_pylist(), images["frame"].to_pylist(), framed, strict=True):
            grey = read_file(FoundFile(Path(name)), options).frames[max(frame - 1, 0)]
            plain.append(clean(grey))
            film = scan_film(grey, rng) if scan else grey
            for kind, make in MAKE.items():
                pictures[kind].append(make(film))
        stacked = {kind: np.stack(made) for kind, made in pictures.items()}
        held_out = assign_folds(codes, groups, 5, seed) == 0
        return cls(stacked, np.stack(plain), framed, tuple(regions[1:].tolist()), codes, groups, held_out)

    def judged(self) -> Ints:
        """The rows of held-out images with a region."""
        return np.flatnonzero(self.held_out & (self.codes >= 0))


def scan_film(grey: Grey, rng: np.random.Generator) -> Grey:
    """The radiograph as a scanner sees its film: in a bright frame, and askew."""
    pad = round(max(grey.shape) * rng.uniform(0.02, 0.07))
    frame, beside = rng.integers(235, 256, 2).tolist()
    film = cv2.copyMakeBorder(grey, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=[frame])
    height, width = film.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-12, 12), 1.0)
    return np.asarray(cv2.warpAffine(film, turn, (width, height), borderValue=[beside]), np.uint8)


def train_encoder(path: Path, pictures: Grey, settings: PretrainingSettings) -> None:
    """Train an encoder on pictures and write it to `path`, unless it is there."""
    if path.exists():
        return
    start = time.perf_counter()

    def show(step: PretrainingStep) -> None:
        if step.done * settings.epochs % step.total == 0:
            seconds = time.perf_counter() - start
            print(f"{path.stem}: epoch {step.epoch + 1}, loss {step.loss:.3f}, {seconds:.0f} s", file=sys.stderr)

    done = pretrain(TrainingSet.unlabelled(pictures), settings, path.with_suffix(".checkpoint"), on_step=show)
    save_encoder(path, done.method.backbone, replace(done.config, name=path.stem))


def learn_head(path: Path, kind: str, archive: Archive) -> tuple[LinearHead, Flags]:
    """A head on the pictures of its encoder, and whether it is right on each held-out image with a region, (M,)."""
    encoder = load_encoder(str(path))
    seen, judged = np.flatnonzero(~archive.held_out & (archive.codes >= 0)), archive.judged()
    pictures = archive.pictures[kind]
    vectors = encoder.encode(pictures[seen])
    head = fit_head(vectors, archive.codes[seen], archive.groups[seen], archive.regions, encoder=encoder.digest)
    return head, head.logits(encoder.encode(pictures[judged])).argmax(axis=1) == archive.codes[judged]


def describe_accuracy(name: str, right: Flags, archive: Archive) -> dict[str, str]:
    """A row of the second table."""
    rows = archive.judged()
    groups, framed = archive.groups[rows], archive.framed[rows]
    scores = {"framed films": framed, "other radiographs": ~framed}
    shown = {column: show(mean_interval(right[which], groups[which])) for column, which in scores.items()}
    return {"encoder": name, **shown}


def show(found: Interval) -> str:
    """In percent."""
    return f"{found.value:.1%} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def settle(arguments: argparse.Namespace, *, gauges: bool) -> PretrainingSettings:
    """The settings of all trainings, which differ in the gauges alone."""
    return PretrainingSettings(
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        view_size=arguments.view_size,
        learning_rate=LEARNING_RATE,
        augmentation=PRETRAINING if gauges else replace(PRETRAINING, gauges=(0, 0)),
        seed=arguments.seed,
    )


def main() -> None:
    """Train what is not there yet, and print both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index")
    parser.add_argument("--work", type=Path, required=True)
    for name, value in {"epochs": 12, "view-size": 64, "batch-size": 128, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    archive = Archive.read(arguments.index, arguments.seed)
    rows = archive.judged()
    explainers, accuracy = {}, []
    for kind, gauges in itertools.product(MAKE, (True, False)):
        name = f"{kind}, {'with' if gauges else 'without'} gauges"
        path = arguments.work / f"{kind}-{'gauges' if gauges else 'none'}.safetensors"
        train_encoder(path, archive.pictures[kind][~archive.held_out], settle(arguments, gauges=gauges))
        head, right = learn_head(path, kind, archive)
        explainers[name] = Explainer.load(str(path), head)
        accuracy.append(describe_accuracy(name, right, archive))
    print(attention_markdown(compare_attention(explainers, archive.plain[rows], archive.groups[rows])))
    print(draw_table(accuracy))


if __name__ == "__main__":
    main()
