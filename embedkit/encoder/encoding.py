"""`ResNetEncoder`: pictures in, vectors out, by the runtime that is fastest here or that is asked for.

A vector does not depend on the pictures beside it, and is the same bit for bit whenever the same machine encodes the
same picture. Runtimes and precisions differ in the last digits: cosines of 0.999 and more.
"""

from __future__ import annotations

import platform
import sys
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedkit.encoder.architecture import DIMENSION
from embedkit.encoder.views import encode_views
from embedkit.encoder.weights import STARTER, EncoderWeights, labels_seen, read_encoder
from embedkit.errors import UsageError

BATCH_SIZE = 16
"""Every batch has this size, the last one padded: a vector must not depend on which pictures stood beside it."""
GPU_BATCH_SIZE = 32

RUNTIMES = ("openvino", "torch-cpu", "torch-cuda")
PRECISIONS = ("bf16", "int8", "int8-bf16", "fp32")
"""In `int8` the stem and the first block are in fp32, in `int8-bf16` in bf16."""


class Runtime(Protocol):
    """What runs a network."""

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pictures uint8 (N, 256, 256) to vectors float32 (N, `DIMENSION`), in padded batches of one size."""
        ...


class ResNetEncoder:
    """A frozen ResNet18 with the way pictures are brought to it.

    Attributes: `name` of the vector space, `digest` of the weights, `runtime` (one of `RUNTIMES`), `precision` (one of
    `PRECISIONS`), `input_size` in pixels. Vectors of encoders that differ in any of these do not mix. `method` and
    `labels_seen` tell of its training.
    """

    def __init__(self, weights: EncoderWeights, runtime: str, precision: str) -> None:
        self.config = weights.config
        self.name = weights.config.name
        self.input_size = weights.config.input_size
        self.digest = weights.sha256
        self.dimension = DIMENSION
        self.method = weights.config.method
        self.labels_seen = labels_seen(weights.config.method)
        self.runtime = runtime
        self.precision = precision
        self._runtime = _start(weights, runtime, precision)

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pictures uint8 (N, 256, 256) to vectors float32 (N, `DIMENSION`), not normalised."""
        if self.config.views:
            return encode_views(self._runtime.encode, pictures)
        return self._runtime.encode(pictures)


def load_encoder(
    source: str | EncoderWeights = STARTER, precision: str = "auto", runtime: str = "auto"
) -> ResNetEncoder:
    """Load an encoder by name or path (see `read_encoder`), or start one whose weights have been read.

    Parameters
    ----------
    precision
        `bf16`, `int8` and `int8-bf16` (OpenVINO only), `fp32`, or `auto`: the one that is fastest here, which is bf16
        on GPUs and processors with AMX, else int8 on those that multiply whole numbers (VNNI), or int8-bf16 where they
        are AMD's and have bf16 too, else fp32.
    runtime
        `openvino`, `torch-cpu`, `torch-cuda`, or `auto`: a GPU where there is one, else OpenVINO where it is installed
        and fast, which is on x86-64 Linux, else torch.

    Raises
    ------
    EncoderError
        As `read_encoder`.
    UsageError
        ``bad-precision`` or ``bad-runtime``, where there is none of that name, or not on this machine.
    """
    _check("runtime", runtime, RUNTIMES)
    _check("precision", precision, PRECISIONS)
    if runtime == "auto":
        runtime = _best_runtime()
    if runtime == "torch-cuda" and not _has_gpu():
        raise UsageError("bad-runtime", "torch finds no GPU here: choose openvino or torch-cpu")
    if runtime == "openvino" and not _runs_openvino():
        raise UsageError("bad-runtime", "OpenVINO is used on x86-64 Linux only: choose torch-cpu")
    if precision == "auto":
        precision = fastest_precision(runtime)
    if not _computes(runtime, precision):
        raise UsageError("bad-precision", f"{runtime} does not compute in {precision} here: choose fp32")
    weights = source if isinstance(source, EncoderWeights) else read_encoder(source)
    return ResNetEncoder(weights, runtime, precision)


def _check(kind: str, wanted: str, known: tuple[str, ...]) -> None:
    if wanted not in ("auto", *known):
        raise UsageError(f"bad-{kind}", f"no {kind} '{wanted}': choose auto, {', '.join(known)}")


def _start(weights: EncoderWeights, runtime: str, precision: str) -> Runtime:
    if runtime == "openvino":
        from embedkit.encoder.openvino_runtime import OpenVinoRuntime  # noqa: PLC0415

        return OpenVinoRuntime(weights, precision, BATCH_SIZE)
    from embedkit.encoder.torch_runtime import TorchRuntime  # noqa: PLC0415 (torch takes over a second to import)

    batch_size = GPU_BATCH_SIZE if runtime == "torch-cuda" else BATCH_SIZE
    return TorchRuntime(weights, runtime.removeprefix("torch-"), precision, batch_size)


def _best_runtime() -> str:
    if _has_gpu():
        return "torch-cuda"
    return "openvino" if _runs_openvino() else "torch-cpu"


def _runs_openvino() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64"


@cache
def _has_gpu() -> bool:
    """Whether torch can use a GPU; torch is asked only where a driver is there."""
    drivers = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # CUDA, CUDA under Windows, ROCm
    if sys.platform == "linux" and not any(Path(driver).exists() for driver in drivers):
        return False
    import torch  # noqa: PLC0415

    return torch.cuda.is_available()


def fastest_precision(runtime: str) -> str:
    """Name the fastest precision of a runtime on this machine.

    Without AMX, Intel's processors take half as long again in bf16 as in fp32, and a third in int8. On AMD's, int8
    takes three quarters of the time of bf16, and both together take three fifths.
    """
    if runtime == "torch-cuda":
        import torch  # noqa: PLC0415

        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    flags, vendor = _processor()["flags"], _processor()["vendor_id"]
    good_at_bf16 = "amx_bf16" in flags or ("avx512_bf16" in flags and "AuthenticAMD" in vendor)
    if _computes(runtime, "int8") and "amx_bf16" not in flags:
        return "int8-bf16" if good_at_bf16 else "int8"
    return "bf16" if good_at_bf16 else "fp32"


def _computes(runtime: str, precision: str) -> bool:
    """Whether a runtime has this precision on this processor."""
    flags = _processor()["flags"]
    if precision.startswith("int8") and (runtime != "openvino" or flags.isdisjoint({"avx512_vnni", "avx_vnni"})):
        return False  # without VNNI, sums of products overflow
    return runtime != "openvino" or not precision.endswith("bf16") or "avx512_bf16" in flags


@cache
def _processor() -> dict[str, frozenset[str]]:
    """The words that Linux has for the first processor's `vendor_id` and `flags`."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = dict.fromkeys(("vendor_id", "flags"), frozenset[str]())
    for line in text.partition("\n\n")[0].splitlines():
        name, _, words = line.partition(":")
        if name.strip() in found:
            found[name.strip()] = frozenset(words.split())
    return found
