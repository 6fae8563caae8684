"""Which part of a picture speaks for a region: Guided Grad-CAM (Selvaraju et al., arXiv 1610.02391), by captum.

Grad-CAM says where: the last feature maps, weighted by how they raise the region's score. Guided backpropagation says
which pixels: the gradient, with what lowers an activation left out at every ReLU. Guided Grad-CAM is their product.
Encoder and head are put together to one network in float32, so that the score of a region has a gradient.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import GuidedBackprop, LayerAttribution, LayerGradCam
from torch import Tensor, nn
from torch.nn import functional

from embedkit.encoder.network import normalise, resize, to_grey_batch
from embedkit.encoder.weights import EncoderConfig, read_weights
from embedkit.errors import EncoderError, UsageError
from embedkit.heads.folds import Ints
from embedkit.heads.linear import LinearHead
from embedkit.heads.moments import Floats

_AT_ONCE = 32


@dataclass(frozen=True)
class Attribution:
    """Why N pictures are taken for a region each."""

    regions: tuple[str, ...]
    """N, the regions explained."""
    probability: Floats
    """float32 (N,), of that region."""
    heat: Floats
    """float32 (N, S, S), not negative: Grad-CAM in the size of the pictures."""
    guided: Floats
    """float32 (N, S, S), not negative: the size of Guided Grad-CAM, for the region or against it."""


class RegionNetwork(nn.Module):
    """A backbone and a linear head as one network: normalised grey (B, 1, H, W) to logits (B, K).

    The head's weights are for vectors of length 1, so the vector is brought to that length in between.
    """

    def __init__(self, backbone: nn.Module, head: LinearHead) -> None:
        super().__init__()
        self.backbone = deepcopy(backbone).float().eval()
        for module in self.backbone.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # a gradient cannot be guided through a value that was overwritten
        self.head = nn.Linear(head.weight.shape[1], len(head.regions))
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(head.weight))
            self.head.bias.copy_(torch.from_numpy(head.bias))
        self.requires_grad_(requires_grad=False)

    def forward(self, grey: Tensor) -> Tensor:
        """Score each region."""
        scores: Tensor = self.head(functional.normalize(self.backbone(grey)))
        return scores


class Explainer:
    """Explains what a linear head on an encoder's vectors says of pictures; the same picture, the same maps."""

    def __init__(self, backbone: nn.Module, config: EncoderConfig, head: LinearHead) -> None:
        self.head, self.config = head, config
        self.network = RegionNetwork(backbone, head)

    @classmethod
    def load(cls, source: str, head: LinearHead) -> Explainer:
        """Load the encoder `source` (as `load_encoder`) of a head.

        Raises EncoderError as `read_weights`, and ``head-of-another-encoder`` where it did not make the head's vectors.
        """
        backbone, config, sha256 = read_weights(source)
        if sha256 != head.encoder:
            raise EncoderError("head-of-another-encoder", f"the encoder {source} did not make the vectors of this head")
        return cls(backbone, config, head)

    def explain(self, pictures: npt.NDArray[np.uint8], region: str | None = None) -> Attribution:
        """Explain the likeliest region of each picture, uint8 (N, S, S), or `region`.

        Raises UsageError ``unknown-region`` for a region that the head was not fitted to.
        """
        wanted = None if region is None else self._number(region)
        parts = list(self._explain_parts(pictures, wanted))
        targets, probability, heat, guided = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Attribution(tuple(self.head.regions[target] for target in targets), probability, heat, guided)

    def _number(self, region: str) -> int:
        fitted = [name for name, bias in zip(self.head.regions, self.head.bias, strict=True) if np.isfinite(bias)]
        if region not in fitted:
            raise UsageError("unknown-region", f"no image of the index has the region '{region}': {', '.join(fitted)}")
        return self.head.regions.index(region)

    def _explain_parts(
        self, pictures: npt.NDArray[np.uint8], wanted: int | None
    ) -> Iterator[tuple[Ints, Floats, Floats, Floats]]:
        for start in range(0, len(pictures), _AT_ONCE):
            part = pictures[start : start + _AT_ONCE]
            grey = self.prepare(part)
            with torch.no_grad():
                probabilities = self.network(grey).softmax(dim=1)
            target = probabilities.argmax(dim=1) if wanted is None else torch.full((len(part),), wanted)
            heat, guided = (_enlarge(maps, part.shape[1]) for maps in self._attribute(grey, target))
            chosen = probabilities.gather(1, target[:, None])[:, 0]
            yield target.numpy(), chosen.numpy(), heat, guided

    def prepare(self, pictures: npt.NDArray[np.uint8]) -> Tensor:
        """Bring pictures, uint8 (B, S, S), to what the network takes, float (B, 1, H, W)."""
        grey = resize(to_grey_batch(torch.from_numpy(np.array(pictures)), torch.device("cpu")), self.config.input_size)
        return normalise(grey, self.config.mean, self.config.std)

    def _attribute(self, grey: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Grad-CAM on the last feature maps, and the size of its product with guided backpropagation, (B, 1, H, W)."""
        size = (grey.shape[2], grey.shape[3])
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.filterwarnings("ignore", "Setting backward hooks on ReLU")  # and takes them off again
            layer = LayerGradCam(self.network, self.network.backbone.layer4)
            coarse = layer.attribute(grey.requires_grad_(), target=target, relu_attributions=True)
            pixels = GuidedBackprop(self.network).attribute(grey, target=target)
        heat = LayerAttribution.interpolate(coarse, size, interpolate_mode="bilinear")
        return heat.detach(), (heat * pixels).abs().detach()


def _enlarge(maps: Tensor, side: int) -> Floats:
    """Bring maps (B, 1, H, W) to (B, side, side)."""
    large = functional.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)
    return np.asarray(large[:, 0].numpy(), np.float32)
