"""Vectors by torch, on a processor or a GPU."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from embedkit.encoder.architecture import DIMENSION
from embedkit.encoder.network import load_backbone, normalise, resize, to_grey_batch
from embedkit.encoder.weights import EncoderWeights


class TorchRuntime:
    """Runs the network on `device`, `cpu` or `cuda`; see `encoding.Runtime`."""

    def __init__(self, weights: EncoderWeights, device: str, precision: str, batch_size: int) -> None:
        self._config, self._batch_size = weights.config, batch_size
        self._device = torch.device(device)
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        network = _fuse(load_backbone(weights.state)).requires_grad_(False)
        network.to(memory_format=torch.channels_last)
        self._network = network.to(self._device, self._dtype)

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pictures uint8 (N, S, S) to vectors float32 (N, `DIMENSION`), in padded batches of one size."""
        vectors = np.empty((len(pictures), DIMENSION), np.float32)
        for start in range(0, len(pictures), self._batch_size):
            batch = torch.from_numpy(np.array(pictures[start : start + self._batch_size]))
            vectors[start : start + len(batch)] = self._encode_batch(batch)[: len(batch)].numpy()
        return vectors

    @torch.inference_mode()
    def _encode_batch(self, batch: Tensor) -> Tensor:
        padded = functional.pad(batch, (0, 0, 0, 0, 0, self._batch_size - len(batch)))
        grey = resize(to_grey_batch(padded, self._device), self._config.input_size)
        grey = normalise(grey, self._config.mean, self._config.std)
        features: Tensor = self._network(grey.to(self._dtype, memory_format=torch.channels_last))
        return features.float().cpu()


def _fuse(network: nn.Module) -> nn.Module:
    """Fold each BatchNorm into the convolution before it: the same function in fewer passes over memory."""
    previous: tuple[nn.Module, str, nn.Conv2d] | None = None
    for name, child in list(network.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous is not None:
            parent, conv_name, conv = previous
            setattr(parent, conv_name, fuse_conv_bn_eval(conv, child))
            setattr(network, name, nn.Identity())
        elif isinstance(child, nn.Conv2d):
            previous = (network, name, child)
        else:
            _fuse(child)
    return network
