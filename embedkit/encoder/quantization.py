"""How large activations get, so that they can be rounded to 8 bits: read from the weights, without any picture.

BatchNorm keeps each channel at a mean and a deviation that it has as parameters, so they bound what comes out of it
(Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019, section 4.2). The
stem and the first block, whose activations have the longest tails, are not rounded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedkit.encoder.architecture import blocks
from embedkit.encoder.weights import State

Floats = NDArray[np.float32]

LEVELS = 256
_DEVIATIONS = 8
"""What lies further out is cut off. 7 to 9 give the same vectors to a cosine of 0.9999; 6 and 14 are worse."""


class BlockMaxima(NamedTuple):
    """The greatest activations that a residual block has to tell apart."""

    inputs: float
    between: float
    """Behind its first convolution and ReLU."""


def activation_maxima(state: State) -> dict[str, BlockMaxima]:
    """The greatest activations of each block that is quantized, by its name: all but the first."""
    maxima: dict[str, BlockMaxima] = {}
    means, variances = _moments(state, "bn1")
    for number, block in enumerate(blocks()):
        if number:
            maxima[block.name] = BlockMaxima(_most(means, variances), _most(*_moments(state, f"{block.name}.bn1")))
        shortcut = np.maximum(means, 0), variances
        if block.projected:
            shortcut = _moments(state, f"{block.name}.downsample.1")
        added = _moments(state, f"{block.name}.bn2")
        means, variances = shortcut[0] + added[0], shortcut[1] + added[1]
    return maxima


def _moments(state: State, norm: str) -> tuple[Floats, Floats]:
    """Mean and variance of each channel behind a BatchNorm."""
    return state[f"{norm}.bias"], state[f"{norm}.weight"] ** 2


def _most(means: Floats, variances: Floats) -> float:
    return float((means + _DEVIATIONS * np.sqrt(variances)).max())
