"""Pretraining of the backbone on an archive's own pictures: one loop for all methods.

    embedkit pretrain --method simclr --out site.safetensors

Every step draws from its own seed, and a checkpoint holds everything that the next step needs: a run that was killed
goes on with the same views and ends with the same weights on the same machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from embedkit.encoder.encoding import fastest_precision
from embedkit.encoder.network import build_backbone, normalise, to_grey_batch
from embedkit.encoder.weights import EncoderConfig, read_weights
from embedkit.errors import UsageError
from embedkit.pretraining.augmentation import Augmentation, DrawnViews, draw_views, render_views
from embedkit.pretraining.checkpoint import load_checkpoint, save_checkpoint
from embedkit.pretraining.gauges import Gauges, draw_gauges
from embedkit.pretraining.gradient_cache import backpropagate
from embedkit.pretraining.methods import Method, build_method
from embedkit.pretraining.monitoring import OnlineAccuracy, PretrainingStep
from embedkit.pretraining.processes import Processes, training_device
from embedkit.pretraining.training_set import TrainingSet, read_ahead

_MEAN = _STD = 0.25
"""Of the grey levels of radiographs, in [0, 1]; an encoder to start from brings its own."""
_SAVE_EVERY_S = 600.0
_MEASUREMENTS = 20
"""Times that the online accuracy is measured in a run."""


@dataclass(frozen=True)
class PretrainingSettings:
    """All that decides what the weights become; the defaults are the paper's (section 3.3), for SimCLR on a GPU."""

    method: str = "simclr"
    epochs: int = 1000
    batch_size: int = 1024
    """Pictures a step. The paper's BYOL has 896."""
    chunk: int | None = None
    """Pictures whose activations are in memory at a time, and over which BatchNorm takes its statistics; None: all."""
    view_size: int = 96
    learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    temperature: float = 0.5
    decay: float = 0.9995
    """Of BYOL's moving average, at the start; it rises to 1."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: str = "auto"
    """`bf16` autocast, with the loss in float32, `fp32`, or `auto`: the faster one on this machine."""
    start: str | None = None
    """The encoder to start from, by name or path; None: random weights."""
    seed: int = 0

    @property
    def encoder_input_size(self) -> int:
        """The side of pictures for the encoder: random crops magnify, so whole pictures are shown larger (FixRes)."""
        return 4 * self.view_size // 3


@dataclass(frozen=True)
class Pretrained:
    """What came of a pretraining: `save_encoder` takes its backbone and config."""

    method: Method
    """In evaluation mode: `backbone` is the encoder, `head` what pretraining put behind it."""
    config: EncoderConfig


def pretrain(
    data: TrainingSet,
    settings: PretrainingSettings,
    checkpoint: Path,
    *,
    gauges: Gauges | None = None,
    on_step: Callable[[PretrainingStep], None] = lambda _: None,
    processes: Processes | None = None,
) -> Pretrained:
    """Train a backbone on the pictures of `data`.

    Parameters
    ----------
    data
        For `supervised`, all with a region.
    checkpoint
        Holds the state after each epoch, or ten minutes; where the file exists, training goes on from it.
    gauges
        Those that the augmentation lays in; drawn ones where none are given.
    processes
        Those that train together (`join_processes`). Only the first writes the checkpoint and measures accuracy.

    Raises
    ------
    UsageError
        ``too-few-pictures`` for less than a batch; ``too-few-regions`` or ``missing-regions`` for a method that learns
        from them; ``unknown-method``, ``bad-precision``, ``bad-batch-size``.
    EncoderError
        For a start that cannot be loaded, or a checkpoint of other settings, pictures, start or gauges.
    """
    return _Training(data, settings, checkpoint, gauges or draw_gauges(), processes or Processes()).run(on_step)


@dataclass(frozen=True)
class _Batch:
    """The views of one step that fall to this process."""

    pictures: Tensor
    """uint8 (V, S, S): the picture of each view."""
    drawn: DrawnViews
    order: Tensor
    """int64 (2B,): which view of the batch stands where among the outputs of all processes."""
    codes: Tensor
    """int64 (B,): of the whole batch."""


class _Training:
    """A run: everything that its steps share."""

    def __init__(
        self, data: TrainingSet, settings: PretrainingSettings, checkpoint: Path, gauges: Gauges, processes: Processes
    ) -> None:
        _check(data, settings, processes)
        self.device = training_device()
        if settings.precision == "auto":
            settings = replace(settings, precision=fastest_precision(f"torch-{self.device.type}"))
        self.data, self.settings, self.checkpoint, self.processes = data, settings, checkpoint, processes
        self.steps = len(data) // settings.batch_size
        self.total = settings.epochs * self.steps
        self.dtype = torch.bfloat16 if settings.precision == "bf16" else torch.float32
        self.gauges = gauges.to(self.device)
        backbone, self.config, start = _start(settings)
        method = _build(backbone, settings, len(data.regions))
        self.method = _lay_out(method.to(self.device), self.device)
        trained = [parameter for parameter in self.method.parameters() if parameter.requires_grad]
        decay = settings.weight_decay
        self.optimizer = torch.optim.Adam(trained, lr=settings.learning_rate, weight_decay=decay, fused=True)
        self.identity = {**asdict(settings), "start": start, "pictures": data.sha256, "gauges": gauges.sha256}
        self.accuracy = OnlineAccuracy(data, self.config)

    def run(self, on_step: Callable[[PretrainingStep], None]) -> Pretrained:
        """Go on from the checkpoint to the last step."""
        done = load_checkpoint(self.checkpoint, self.method, self.optimizer, self.identity)
        saved = time.monotonic()
        self.method.train()
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            for batch in read_ahead(self.read, done, self.total):
                loss = self.train(batch, done / self.total)
                done += 1
                if done % self.steps == 0 or time.monotonic() - saved > _SAVE_EVERY_S:
                    self.save(done)
                    saved = time.monotonic()
                rate = float(self.optimizer.param_groups[0]["lr"])
                on_step(PretrainingStep((done - 1) // self.steps, done, self.total, loss, rate, self.measure(done)))
        return Pretrained(self.method.eval(), self.config)

    def read(self, step: int) -> _Batch:
        """Draw the views of a step, and read the pictures of those that fall to this process.

        Views are dealt to processes and chunks at random: where the two of a picture were always dealt together, the
        statistics of BatchNorm would betray them (arXiv 1911.05722, section 3.3).
        """
        epoch, place = divmod(step, self.steps)
        size = self.settings.batch_size
        shuffled = torch.randperm(len(self.data), generator=_generator(self.settings.seed, 0, epoch))
        rows = shuffled[place * size : (place + 1) * size].numpy()
        generator = _generator(self.settings.seed, 1, step)
        drawn = draw_views(2 * size, self.settings.augmentation, generator, len(self.gauges))
        order = torch.randperm(2 * size, generator=generator)
        own = order.chunk(self.processes.count)[self.processes.rank]
        pictures = torch.from_numpy(np.asarray(self.data.pictures[rows[own.numpy() % size]]))
        return _Batch(pictures, drawn[own], order, torch.from_numpy(self.data.codes[rows]))

    def train(self, batch: _Batch, progress: float) -> float:
        """One step of the optimizer; returns the loss."""
        parts = -(-len(batch.pictures) // (2 * (self.settings.chunk or self.settings.batch_size)))
        chunks = torch.arange(len(batch.pictures)).tensor_split(parts)  # of even size: none is too small for BatchNorm
        views = [self.render(batch, chunk) for chunk in chunks]
        targets = self.in_batch_order(torch.cat([self.compute(self.method.target, chunk) for chunk in views]), batch)
        codes = batch.codes.to(self.device)

        def loss_of(outputs: Tensor) -> Tensor:
            return self.method.loss(self.in_batch_order(outputs, batch), targets, codes)

        self.optimizer.zero_grad(set_to_none=True)
        loss = backpropagate(self.method, lambda chunk: self.compute(self.method, chunk), views, loss_of)
        self.processes.add_gradients(self.method.parameters())
        _set_learning_rate(self.optimizer, self.settings, progress)
        self.optimizer.step()
        self.method.after_step(progress)
        return float(loss)

    def render(self, batch: _Batch, chunk: Tensor) -> Tensor:
        """The views (V, 1, S, S) of a chunk, normalised, on the device."""
        grey = to_grey_batch(batch.pictures[chunk], self.device)
        views = render_views(grey, self.settings.view_size, batch.drawn[chunk], self.gauges)
        views = normalise(views, self.config.mean, self.config.std)
        return views.contiguous(memory_format=torch.channels_last)

    def compute(self, forward: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
        """Outputs in float32, computed in the precision of the settings."""
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            outputs = forward(views)
        return outputs.float()

    def in_batch_order(self, own: Tensor, batch: _Batch) -> Tensor:
        """Gather outputs (V, D) of all processes and lay them out by view and picture, (2, B, D)."""
        gathered = self.processes.gather(own)
        ordered = gathered[batch.order.argsort().to(self.device)]
        return ordered.view(2, len(batch.codes), ordered.shape[1])

    def measure(self, done: int) -> float | None:
        """The online accuracy, at the end of some epochs and of the last."""
        every = max(1, self.settings.epochs // _MEASUREMENTS) * self.steps
        due = done % every == 0 or done == self.total
        if not (due and self.accuracy.possible and self.processes.rank == 0):
            return None
        return self.accuracy.measure(self.method.backbone, self.device, self.dtype)

    def save(self, done: int) -> None:
        """Write the checkpoint, once for all processes."""
        if self.processes.rank == 0:
            save_checkpoint(self.checkpoint, self.method, self.optimizer, done, self.identity)


def _check(data: TrainingSet, settings: PretrainingSettings, processes: Processes) -> None:
    if len(data) < settings.batch_size:
        message = f"{len(data)} pictures are less than one batch: embed more, or choose a batch size below"
        raise UsageError("too-few-pictures", f"{message} {settings.batch_size}")
    if settings.batch_size % processes.count:
        raise UsageError("bad-batch-size", f"choose a batch size that {processes.count} processes can share evenly")
    if settings.precision not in ("auto", "bf16", "fp32"):
        raise UsageError("bad-precision", f"no precision '{settings.precision}': choose auto, bf16 or fp32")
    if settings.method == "supervised" and (data.codes < 0).any():
        raise UsageError("missing-regions", "supervised training takes only pictures with a region: leave others out")


def _start(settings: PretrainingSettings) -> tuple[nn.Module, EncoderConfig, str]:
    """The backbone at the start, the config it ends with, and the sha256 of its weights; "" for random ones."""
    name, size = settings.method, settings.encoder_input_size
    if settings.start is not None:
        backbone, config, sha256 = read_weights(settings.start)
        return backbone, replace(config, name=name, method=name, input_size=size, views=False), sha256
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return build_backbone(), EncoderConfig(name, name, size, _MEAN, _STD), ""


def _build(backbone: nn.Module, settings: PretrainingSettings, regions: int) -> Method:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + 1)
        return build_method(settings.method, backbone, settings.temperature, settings.decay, regions)


def _lay_out(method: Method, device: torch.device) -> Method:
    """Channels last; on a processor, the last stage as it was.

    For its 512 channels of a few pixels each, oneDNN takes two thirds of the time so.
    """
    method.to(memory_format=torch.channels_last)
    stages = [module for name, module in method.named_modules() if name.endswith("layer4")]
    for stage in stages if device.type == "cpu" else []:
        stage.to(memory_format=torch.contiguous_format)
        stage.register_forward_pre_hook(lambda _, inputs: inputs[0].contiguous())
    return method


def _generator(*seeds: int) -> torch.Generator:
    """A generator of its own for each tuple of seeds."""
    mixed = int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(mixed >> 1)  # what fits a signed number


def _set_learning_rate(optimizer: torch.optim.Optimizer, settings: PretrainingSettings, progress: float) -> None:
    """Cosine annealing to zero (arXiv 1608.03983), after a linear warm-up over the first 3%."""
    warm_up = min(1.0, progress / 0.03 + 1e-3)
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * progress))
