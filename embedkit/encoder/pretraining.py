"""SimCLR pretraining (arXiv 2002.05709) of the backbone on an index's own pictures, without labels.

    embedkit pretrain --epochs 100 --out my-encoder

Every epoch draws from its own seed, and a checkpoint holds everything that the next epoch needs: a run that was
killed goes on with the same views and ends with the same weights on the same machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embedkit.encoder.augmentation import Augmentation, random_views
from embedkit.encoder.checkpoint import load_checkpoint, save_checkpoint
from embedkit.encoder.losses import nt_xent
from embedkit.encoder.network import DIMENSION, build_backbone, normalise, to_grey_batch
from embedkit.errors import UsageError

Pictures = NDArray[np.uint8]


@dataclass(frozen=True)
class PretrainingSettings:
    """The paper's settings (section 3.3), except for `batch_size` and `epochs`, which a CPU could not reach."""

    epochs: int = 100
    batch_size: int = 256
    view_size: int = 96
    learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    temperature: float = 0.5
    projection_dimension: int = 128
    augmentation: Augmentation = field(default_factory=Augmentation)
    mean: float = 0.25
    std: float = 0.25
    seed: int = 0

    @property
    def encoder_input_size(self) -> int:
        """The side of pictures for the encoder: random crops magnify, so whole pictures are shown larger (FixRes)."""
        return 4 * self.view_size // 3


@dataclass(frozen=True)
class PretrainingStep:
    """What a progress display needs: `done` of `total` steps, and the loss of the last one."""

    epoch: int
    done: int
    total: int
    loss: float


def pretrain_simclr(
    pictures: Pictures,
    settings: PretrainingSettings,
    checkpoint: Path,
    on_step: Callable[[PretrainingStep], None] = lambda _: None,
) -> nn.Module:
    """Train a backbone on `pictures`, uint8 (N, S, S), and return it in evaluation mode.

    After each epoch the state goes to `checkpoint`; where that file exists and holds the same settings, training
    goes on from it. bf16 autocast; the loss is computed in float32. Raises UsageError for less than a batch.
    """
    steps = len(pictures) // settings.batch_size
    if steps == 0:
        message = f"{len(pictures)} pictures are less than one batch: embed more, or choose a batch size below"
        raise UsageError("too-few-pictures", f"{message} {settings.batch_size}")
    torch.manual_seed(settings.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = nn.ModuleDict({"backbone": build_backbone(), "projection": _build_projection(settings)}).to(device)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    first_epoch = load_checkpoint(checkpoint, model, optimizer, asdict(settings))
    for epoch in range(first_epoch, settings.epochs):
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
        for step, batch in enumerate(_batches(pictures, settings.batch_size, generator)):
            done = epoch * steps + step
            _set_learning_rate(optimizer, settings, done / (settings.epochs * steps))
            loss = _train_step(model, optimizer, batch.to(device), settings, generator)
            on_step(PretrainingStep(epoch, done + 1, settings.epochs * steps, loss))
        save_checkpoint(checkpoint, model, optimizer, epoch + 1, asdict(settings))
    return model["backbone"].eval()


def _build_projection(settings: PretrainingSettings) -> nn.Module:
    """The two-layer MLP with BatchNorm that only pretraining sees."""
    return nn.Sequential(
        nn.Linear(DIMENSION, DIMENSION, bias=False),
        nn.BatchNorm1d(DIMENSION),
        nn.ReLU(inplace=True),
        nn.Linear(DIMENSION, settings.projection_dimension),
    )


def _batches(pictures: Pictures, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Whole batches in a random order; the remainder waits for another epoch's order."""
    order = torch.randperm(len(pictures), generator=generator).numpy()
    for start in range(0, len(order) - size + 1, size):
        yield torch.from_numpy(pictures[np.sort(order[start : start + size])])


def _set_learning_rate(optimizer: torch.optim.Optimizer, settings: PretrainingSettings, progress: float) -> None:
    """Cosine annealing to zero (arXiv 1608.03983), after a linear warm-up over the first 3%."""
    warm_up = min(1.0, progress / 0.03 + 1e-3)
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * progress))


def _train_step(
    model: nn.ModuleDict,
    optimizer: torch.optim.Optimizer,
    batch: Tensor,
    settings: PretrainingSettings,
    generator: torch.Generator,
) -> float:
    grey = to_grey_batch(batch, batch.device)
    views = torch.cat([random_views(grey, settings.view_size, settings.augmentation, generator) for _ in range(2)])
    views = normalise(views, settings.mean, settings.std).contiguous(memory_format=torch.channels_last)
    with torch.autocast(views.device.type, dtype=torch.bfloat16):
        projections = model["projection"](model["backbone"](views))
    first, second = projections.chunk(2)
    loss = nt_xent(first, second, settings.temperature)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach())
