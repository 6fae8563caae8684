"""Which weights a ResNet18 for grey pictures has, without importing torch: names and shapes as torchvision's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

DIMENSION = 512
"""Features after global average pooling (paper, section 3.3)."""


class Block(NamedTuple):
    """One residual block: two 3 x 3 convolutions, and a shortcut that is projected where the shape changes."""

    name: str
    inputs: int
    outputs: int
    stride: int

    @property
    def projected(self) -> bool:
        """Whether the shortcut has a convolution of its own."""
        return self.stride > 1


def blocks() -> Iterator[Block]:
    """The eight residual blocks, in their order."""
    inputs = 64
    for layer, outputs in enumerate((64, 128, 256, 512), start=1):
        yield Block(f"layer{layer}.0", inputs, outputs, 1 if layer == 1 else 2)
        yield Block(f"layer{layer}.1", outputs, outputs, 1)
        inputs = outputs


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Shape of every weight by its name in torchvision's ResNet18, but for the stem's one input channel."""
    shapes = _convolution("conv1", "bn1", 1, 64, 7)
    for block in blocks():
        shapes |= _convolution(f"{block.name}.conv1", f"{block.name}.bn1", block.inputs, block.outputs, 3)
        shapes |= _convolution(f"{block.name}.conv2", f"{block.name}.bn2", block.outputs, block.outputs, 3)
        if block.projected:
            shortcut = f"{block.name}.downsample"
            shapes |= _convolution(f"{shortcut}.0", f"{shortcut}.1", block.inputs, block.outputs, 1)
    return shapes


def _convolution(name: str, norm: str, inputs: int, outputs: int, side: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": (outputs, inputs, side, side)}
    return shapes | {f"{norm}.{part}": (outputs,) for part in ("weight", "bias", "running_mean", "running_var")}
