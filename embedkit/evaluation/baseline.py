"""The baseline of the label fractions (paper, section 4.1): a ResNet18 that learns from scratch, by labels alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedkit.heads.folds import Ints
from embedkit.indexes import Index
from embedkit.indexes.storage import make_folder, write_bytes

if TYPE_CHECKING:
    from embedkit.pretraining import Pretrained, PretrainingStep
    from embedkit.pretraining.training_set import Pictures

SUPERVISED = "supervised from scratch"
_JUDGED_AT_ONCE = 512


@dataclass(frozen=True)
class BaselineSettings:
    """How long and how large; small enough for a CPU, and the more of each, the better the baseline."""

    steps: int = 300
    batch_size: int = 64
    """Pictures a step, each seen twice; fewer where a draw has fewer."""
    picture_size: int = 96
    seed: int = 0


@dataclass(frozen=True)
class SupervisedBaseline:
    """A `Learner` on the pictures of an index.

    What it says of each draw is kept in `folder`, with a checkpoint of the draw at work: a run that was stopped goes
    on, and one with more draws repeats none.
    """

    index: Index
    folder: Path
    settings: BaselineSettings = BaselineSettings()
    on_step: Callable[[PretrainingStep], None] = lambda _: None

    def __call__(self, rows: Ints, codes: Ints, others: Ints) -> Ints:
        """Learn from images `rows` of classes `codes`, and name the classes of the `others`, int64."""
        name = self._name(rows, codes, others)
        known = self.folder / f"{name}.json"
        named = _read_answer(known, len(others))
        if named is None:
            make_folder(self.folder)
            checkpoint = self.folder / f"{name}.checkpoint"
            named = self._learn(rows, codes, others, checkpoint)
            write_bytes(known, json.dumps(named.tolist()).encode())
            checkpoint.unlink(missing_ok=True)
        return named

    def _name(self, rows: Ints, codes: Ints, others: Ints) -> str:
        """Tell this draw from every other one by its images, labels and settings."""
        ids = self.index.images["image_id"].to_pylist()
        told = [[ids[row] for row in rows], codes.tolist(), [ids[row] for row in others], asdict(self.settings)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    def _learn(self, rows: Ints, codes: Ints, others: Ints, checkpoint: Path) -> Ints:
        from embedkit.pretraining import (  # noqa: PLC0415 (torch takes over a second to import)
            HEAD_TRAINING,
            PretrainingSettings,
            TrainingSet,
            pretrain,
        )

        batch = min(self.settings.batch_size, len(rows))
        settings = PretrainingSettings(
            method="supervised",
            epochs=-(-self.settings.steps // (len(rows) // batch)),
            batch_size=batch,
            view_size=self.settings.picture_size,
            augmentation=HEAD_TRAINING,
            seed=self.settings.seed,
        )
        classes: Sequence[str] = [str(code) for code in range(int(codes.max()) + 1)]
        data = TrainingSet(self.index.pictures(rows), codes, np.arange(len(rows)), classes, checkpoint.stem)
        trained = pretrain(data, settings, checkpoint, on_step=self.on_step)
        size, parts = self.settings.picture_size, range(0, len(others), _JUDGED_AT_ONCE)
        read = (self.index.pictures(others[start : start + _JUDGED_AT_ONCE]) for start in parts)
        return np.concatenate([_name_classes(trained, size, pictures) for pictures in read])


def _read_answer(path: Path, count: int) -> Ints | None:
    """Classes that an earlier run named, int64 (count,); None where there is no such file, or it is damaged."""
    try:
        named = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(named, list) and len(named) == count and all(type(code) is int for code in named)
    return np.array(named, dtype=np.int64) if whole and all(0 <= code < 1 << 31 for code in named) else None


def _name_classes(trained: Pretrained, size: int, pictures: Pictures) -> Ints:
    """The likeliest class of whole pictures, uint8 (N, S, S), at `size`: the views of head training magnify nothing."""
    import torch  # noqa: PLC0415 (takes over a second to import)

    from embedkit.encoder.network import normalise, resize, to_grey_batch  # noqa: PLC0415

    device = next(trained.method.parameters()).device
    with torch.inference_mode():
        grey = resize(to_grey_batch(torch.from_numpy(pictures), device), size)
        scores = trained.method(normalise(grey, trained.config.mean, trained.config.std))
    return np.asarray(scores.argmax(dim=1).cpu().numpy(), dtype=np.int64)
