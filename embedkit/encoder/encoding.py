"""`Encoder`: pictures in, vectors out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from embedkit.encoder.network import DIMENSION, normalise, resize, to_grey_batch
from embedkit.encoder.weights import STARTER, EncoderConfig, read_weights
from embedkit.errors import UsageError

BATCH_SIZE = 32
"""Every batch has this size, the last one padded: a vector must not depend on which pictures stood beside it."""


class Encoder:
    """A frozen backbone with the way pictures are brought to it.

    Attributes: `name` of the vector space, `sha256` of the weights, `runtime` (`torch-cpu`, `torch-cuda`), `precision`
    (`bf16`, `fp32`), `input_size` in pixels. Vectors of encoders that differ in any of these do not mix.
    """

    def __init__(self, backbone: nn.Module, config: EncoderConfig, sha256: str, precision: str) -> None:
        self.config = config
        self.name = config.name
        self.input_size = config.input_size
        self.sha256 = sha256
        self.precision = precision
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.runtime = f"torch-{self._device.type}"
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        network = _fuse(backbone).requires_grad_(False)
        network.to(memory_format=torch.channels_last)
        self._network = network.to(self._device, self._dtype)

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pictures uint8 (N, S, S) to vectors float32 (N, 512), not normalised."""
        vectors = np.empty((len(pictures), DIMENSION), np.float32)
        for start in range(0, len(pictures), BATCH_SIZE):
            batch = torch.from_numpy(np.array(pictures[start : start + BATCH_SIZE]))
            vectors[start : start + len(batch)] = self._encode_batch(batch)[: len(batch)].numpy()
        return vectors

    @torch.inference_mode()
    def _encode_batch(self, batch: Tensor) -> Tensor:
        padded = functional.pad(batch, (0, 0, 0, 0, 0, BATCH_SIZE - len(batch)))
        grey = resize(to_grey_batch(padded, self._device), self.input_size)
        grey = normalise(grey, self.config.mean, self.config.std)
        features: Tensor = self._network(grey.to(self._dtype, memory_format=torch.channels_last))
        return features.float().cpu()


def load_encoder(source: str = STARTER, precision: str = "auto") -> Encoder:
    """Load an encoder by name or path (see `read_weights`); `precision` is `auto`, `bf16` or `fp32`.

    `auto` takes bf16 where the processor or GPU computes in it, else fp32. Raises EncoderError, UsageError.
    """
    if precision not in ("auto", "bf16", "fp32"):
        raise UsageError("bad-precision", f"no precision '{precision}': choose auto, bf16 or fp32")
    if precision == "auto":
        precision = "bf16" if _has_fast_bf16() else "fp32"
    return Encoder(*read_weights(source), precision)


def _has_fast_bf16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


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
