"""The network: torchvision's ResNet18 without its last layer, for grey pictures.

A radiograph has one channel. Instead of feeding it three times, the first convolution takes one channel (see
`weights.fold_colour_channels`).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18

from embedkit.encoder.architecture import DIMENSION

__all__ = ["DIMENSION", "build_backbone", "load_backbone", "normalise", "resize", "to_grey_batch"]


class _MeanPool(nn.Module):
    """Global average pooling in float32, whatever the precision before it: its result is what an index stores."""

    def forward(self, features: Tensor) -> Tensor:
        return features.float().mean(dim=(2, 3), keepdim=True)


def build_backbone() -> nn.Module:
    """A randomly initialised ResNet18 from one grey channel to `DIMENSION` features.

    Maps float tensors (B, 1, H, W) to (B, `DIMENSION`) by global average pooling (paper, section 3.3).
    """
    network: nn.Module = resnet18(weights=None)
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.avgpool = _MeanPool()
    network.fc = nn.Identity()
    return network


def load_backbone(state: dict[str, NDArray[np.float32]]) -> nn.Module:
    """The network with the weights of `EncoderWeights.state`, in evaluation mode."""
    network = build_backbone()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()}, strict=False)
    return network.eval()


def normalise(pictures: Tensor, mean: float, std: float) -> Tensor:
    """Bring pictures in [0, 1], any shape, to zero mean and unit variance of the training data."""
    return (pictures - mean) / std


def to_grey_batch(pictures: Tensor, device: torch.device) -> Tensor:
    """uint8 (B, H, W) to float (B, 1, H, W) in [0, 1] on `device`."""
    return pictures.to(device, non_blocking=True).unsqueeze(1).float().div_(255.0)


def resize(grey: Tensor, side: int) -> Tensor:
    """Bring (B, 1, S, S) to (B, 1, side, side): area mean for whole steps, else bilinear with antialiasing."""
    source = grey.shape[-1]
    if source == side:
        return grey
    if source % side == 0:
        return functional.avg_pool2d(grey, source // side)
    return functional.interpolate(grey, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
