"""The methods of pretraining: one small module each, with what it puts behind the backbone and its loss on two views.

All share one training loop (`embedkit.pretraining.training`), which needs three things of a method: `forward`, with a
gradient; `target`, without; and `loss`, which is given both for the whole batch, whichever process computed them.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from embedkit.encoder.network import DIMENSION
from embedkit.errors import UsageError
from embedkit.pretraining.losses import nt_xent, regression, sup_con

METHODS = ("simclr", "byol", "supcon", "supervised")
NEED_REGIONS = ("supcon", "supervised")
"""The methods that learn from the regions given with the images."""


class Method(nn.Module):
    """A backbone and what pretraining puts behind it."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, views: Tensor) -> Tensor:
        """Map views (V, 1, S, S) to what the loss compares, (V, D)."""
        outputs: Tensor = self.head(self.backbone(views))
        return outputs

    def target(self, views: Tensor) -> Tensor:
        """Map views to what the outputs of other views shall become, (V, D) without gradient; (V, 0) where nothing."""
        return views.new_empty(len(views), 0)

    def loss(self, outputs: Tensor, targets: Tensor, classes: Tensor) -> Tensor:
        """The loss of a batch: `outputs` and `targets` (2, B, D), `classes` (B,), -1 where a region is not known."""
        raise NotImplementedError

    def after_step(self, progress: float) -> None:
        """Follow the optimizer's step; `progress` is the share of the training that is done."""


class SimCLR(Method):
    """arXiv 2002.05709: a view shall find the other one of its picture among all views of the batch."""

    def __init__(self, backbone: nn.Module, temperature: float) -> None:
        super().__init__(backbone, _perceptron(DIMENSION, DIMENSION, 128))
        self.temperature = temperature

    def loss(self, outputs: Tensor, targets: Tensor, classes: Tensor) -> Tensor:  # noqa: ARG002, D102
        return nt_xent(outputs[0], outputs[1], self.temperature)


class SupCon(SimCLR):
    """arXiv 2004.11362: SimCLR with all views of a region as positives.

    A picture without a region has its own other view as its only positive.
    """

    def loss(self, outputs: Tensor, targets: Tensor, classes: Tensor) -> Tensor:  # noqa: ARG002, D102
        alone = -1 - torch.arange(len(classes), device=classes.device)
        own = torch.where(classes >= 0, classes, alone)
        return sup_con(outputs.flatten(0, 1), own.repeat(2), self.temperature)


class BYOL(Method):
    """arXiv 2006.07733: predict from a view how a slowly following copy of the network sees the other view.

    The copy, `target_network`, never gets a gradient: it is an exponential moving average whose decay rises from
    `decay` to 1 along a cosine.
    """

    def __init__(self, backbone: nn.Module, decay: float) -> None:
        projection = _perceptron(DIMENSION, 1024, 256)
        super().__init__(backbone, nn.Sequential(projection, _perceptron(256, 1024, 256)))
        self.target_network = nn.Sequential(copy.deepcopy(backbone), copy.deepcopy(projection)).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def target(self, views: Tensor) -> Tensor:  # noqa: D102
        seen: Tensor = self.target_network(views)
        return seen

    def loss(self, outputs: Tensor, targets: Tensor, classes: Tensor) -> Tensor:  # noqa: ARG002, D102
        return (regression(outputs[0], targets[1]) + regression(outputs[1], targets[0])) / 2

    @torch.no_grad()
    def after_step(self, progress: float) -> None:  # noqa: D102
        decay = 1 - (1 - self.decay) * (math.cos(math.pi * progress) + 1) / 2
        online = [*self.backbone.parameters(), *self.head[0].parameters()]  # type: ignore[index]
        for slow, fast in zip(self.target_network.parameters(), online, strict=True):
            slow.lerp_(fast, 1 - decay)


class Supervised(Method):
    """Cross-entropy of a linear layer on both views: the baseline that needs a region for every picture."""

    def __init__(self, backbone: nn.Module, classes: int) -> None:
        super().__init__(backbone, nn.Linear(DIMENSION, classes))

    def loss(self, outputs: Tensor, targets: Tensor, classes: Tensor) -> Tensor:  # noqa: ARG002, D102
        return functional.cross_entropy(outputs.flatten(0, 1).float(), classes.repeat(2))


def build_method(name: str, backbone: nn.Module, temperature: float, decay: float, classes: int) -> Method:
    """Put the method called `name` behind a backbone; `classes` is the number of regions.

    Raises UsageError for another name, or where the method learns from regions and there are fewer than two.
    """
    if name not in METHODS:
        raise UsageError("unknown-method", f"no method '{name}': choose one of {', '.join(METHODS)}")
    if name in NEED_REGIONS and classes < 2:
        message = f"{name} learns from the regions of the images, and there are not two: give labels to `embed`"
        raise UsageError("too-few-regions", message)
    match name:
        case "simclr":
            return SimCLR(backbone, temperature)
        case "supcon":
            return SupCon(backbone, temperature)
        case "byol":
            return BYOL(backbone, decay)
    return Supervised(backbone, classes)


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Module:
    """The two-layer MLP with BatchNorm that only pretraining sees."""
    return nn.Sequential(
        nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, outputs)
    )
