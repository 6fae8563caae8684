"""What a person sees of a training: whether the nearest neighbours of a picture come to show the same region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from embedkit.encoder.network import normalise, to_grey_batch
from embedkit.encoder.weights import EncoderConfig
from embedkit.pretraining.training_set import Ints, TrainingSet

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_IMAGES = 4096
"""Images that the online accuracy is measured on, at most; a fixed draw."""
_CHUNK = 256


@dataclass(frozen=True)
class PretrainingStep:
    """What a progress display needs: `done` of `total` steps, and what came of the last one."""

    epoch: int
    done: int
    total: int
    loss: float
    learning_rate: float
    accuracy: float | None
    """Of the neighbours (see `knn_accuracy`), measured at the end of this step; None where it was not measured."""


@torch.no_grad()
def knn_accuracy(vectors: Tensor, codes: Tensor, groups: Tensor, k: int = 20, temperature: float = 0.07) -> float:
    """The share of images whose `k` nearest by cosine, each weighing exp(cos / temperature), vote for their own class.

    `vectors` float (N, D), `codes` and `groups` int64 (N,). Images of the same group have no vote (arXiv 1805.01978,
    with patients kept apart). An image without any other group's neighbour counts as wrong.
    """
    unit = functional.normalize(vectors.float(), dim=1)
    classes = int(codes.max()) + 1
    right = 0
    for start in range(0, len(unit), 1024):
        part = slice(start, start + 1024)
        cosine = (unit[part] @ unit.T).masked_fill(groups[part, None] == groups, -torch.inf)
        nearest, rows = cosine.topk(min(k, len(unit)), dim=1)
        ballots = torch.zeros(len(rows), classes, device=unit.device)
        ballots.scatter_add_(1, codes[rows], torch.exp((nearest - 1) / temperature))
        share, winner = ballots.max(dim=1)
        right += int(((winner == codes[part]) & (share > 0)).sum())
    return right / len(unit)


class OnlineAccuracy:
    """The accuracy of neighbours among a fixed draw of a training set's labelled images, in the encoder's own size."""

    def __init__(self, data: TrainingSet, config: EncoderConfig) -> None:
        rows = np.flatnonzero(data.codes >= 0)
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:_IMAGES])
        self._data, self._config, self._rows = data, config, rows
        self.possible = len(np.unique(data.codes[rows])) > 1

    @torch.no_grad()
    def measure(self, backbone: nn.Module, device: torch.device, dtype: torch.dtype) -> float:
        """Encode the draw with the backbone as it is now, and count; nothing of the training changes."""
        was_training = backbone.training
        backbone.eval()
        vectors = torch.cat([self._encode(backbone, rows, device, dtype) for rows in self._chunks()])
        backbone.train(was_training)
        codes, groups = (torch.from_numpy(of[self._rows]).to(device) for of in (self._data.codes, self._data.groups))
        return knn_accuracy(vectors, codes, groups)

    def _chunks(self) -> Iterator[Ints]:
        for start in range(0, len(self._rows), _CHUNK):
            yield self._rows[start : start + _CHUNK]

    def _encode(self, backbone: nn.Module, rows: Ints, device: torch.device, dtype: torch.dtype) -> Tensor:
        grey = to_grey_batch(torch.from_numpy(np.asarray(self._data.pictures[rows])), device)
        grey = functional.interpolate(grey, size=(self._config.input_size,) * 2, mode="bilinear", antialias=True)
        grey = normalise(grey, self._config.mean, self._config.std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            vectors: Tensor = backbone(grey)
        return vectors.float()


class TensorBoardLog:
    """Writes every step to TensorBoard files in a folder, from the first step it is given.

    What a killed run has left there of later steps is dropped.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def __call__(self, step: PretrainingStep) -> None:
        """Write one step."""
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (slow to import)

        if self._writer is None:
            self._writer = SummaryWriter(str(self._folder), purge_step=step.done)
            for file in self._folder.glob("events.*"):
                file.chmod(0o600)  # their names hold that of the machine, and losses tell of the archive
        self._writer.add_scalar("loss", step.loss, step.done)
        self._writer.add_scalar("learning_rate", step.learning_rate, step.done)
        if step.accuracy is not None:
            self._writer.add_scalar("knn_accuracy", step.accuracy, step.done)
        if step.done == step.total:
            self._writer.close()
