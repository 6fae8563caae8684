"""Vectors by OpenVINO: several times as fast as torch on a processor, and imported in a tenth of the time."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.encoder.architecture import DIMENSION, blocks
from embedkit.encoder.quantization import LEVELS, activation_maxima
from embedkit.encoder.weights import EncoderWeights, State
from embedkit.image import PICTURE_SIDE
from embedkit.workers.pool import usable_cores

# When it is imported, OpenVINO sends an event to an analytics host and writes an id into the home folder. Where this
# package of its own cannot be imported, it uses a stub that does neither.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

_EPSILON = 1e-5  # of torch's BatchNorm2d
_BANDS = 4
"""Of the resizing: half the time of one product. More take longer to compile than most runs would save."""


class OpenVinoRuntime:
    """Runs the network on the processor, a batch on each core; see `encoding.Runtime`.

    A batch never spreads over cores, so that a vector does not depend on how many there are.
    """

    def __init__(self, weights: EncoderWeights, precision: str, batch_size: int) -> None:
        self._weights, self._precision, self._batch_size = weights, precision, batch_size

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pictures uint8 (N, 256, 256) to vectors float32 (N, `DIMENSION`)."""
        vectors = np.empty((len(pictures), DIMENSION), np.float32)

        def encode_batch(start: int) -> None:
            batch = np.zeros((self._batch_size, PICTURE_SIDE, PICTURE_SIDE), np.uint8)
            batch[: len(pictures) - start] = pictures[start : start + self._batch_size]
            resizing, network = requests.get()
            place = vectors[start : start + self._batch_size]
            place[:] = network.infer([resizing.infer([batch])[0]])[0][: len(place)]
            requests.put((resizing, network))

        requests = self._requests
        with ThreadPoolExecutor(usable_cores(), "openvino") as threads:
            list(threads.map(encode_batch, range(0, len(pictures), self._batch_size)))
        return vectors

    @cached_property
    def _requests(self) -> SimpleQueue[Any]:
        """A pair of compiled models for each core; made on first use, for that takes a while."""
        resizing = _compile(build_resizing(self._weights, self._batch_size), "fp32")
        quantized = self._precision.startswith("int8")
        network = _compile(build_network(self._weights, self._batch_size, quantized=quantized), self._precision)
        requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(usable_cores()):
            requests.put((resizing.create_infer_request(), network.create_infer_request()))
        return requests


def _compile(model: Any, precision: str) -> Any:
    from openvino import Core  # noqa: PLC0415

    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision.endswith("bf16") else "f32",
        "NUM_STREAMS": usable_cores(),
        "INFERENCE_NUM_THREADS": usable_cores(),
        "ENABLE_CPU_PINNING": False,  # the workers that read files have the same cores
    }
    return Core().compile_model(model, "CPU", options)


def build_resizing(weights: EncoderWeights, batch_size: int) -> Any:
    """An OpenVINO model from pictures uint8 (B, 256, 256) to normalised float32 (B, 1, side, side).

    Always in fp32: in bf16 it costs more than all the layers behind it.
    """
    from openvino import Model, opset13  # noqa: PLC0415

    config = weights.config
    pictures = opset13.parameter([batch_size, PICTURE_SIDE, PICTURE_SIDE], np.uint8)
    matrix = resizing_matrix(PICTURE_SIDE, config.input_size)
    grey = _resize_side(_resize_side(opset13.convert(pictures, "f32"), matrix, axis=1), matrix, axis=2)
    centred = opset13.subtract(grey, np.float32(255 * config.mean))
    normal = opset13.multiply(centred, np.float32(1 / (255 * config.std)))
    return Model([opset13.unsqueeze(normal, np.array([1]))], [pictures])


def _resize_side(pictures: Any, matrix: NDArray[np.float32], axis: int) -> Any:
    """Multiply rows (axis 1) or columns (axis 2) by a matrix (side, source): in bands, as most of it is zeros."""
    from openvino import opset13  # noqa: PLC0415

    parts = []
    for band in np.array_split(matrix, _BANDS):
        used = np.flatnonzero(band.any(axis=0))
        first, stop = used[0], used[-1] + 1
        part = opset13.slice(pictures, *(np.array([v]) for v in (first, stop, 1, axis)))
        weights = opset13.constant(band[:, first:stop])
        factors = (weights, part) if axis == 1 else (part, weights)
        parts.append(opset13.matmul(*factors, transpose_a=False, transpose_b=axis == 2))
    return opset13.concat(parts, axis)


def build_network(weights: EncoderWeights, batch_size: int, *, quantized: bool = False) -> Any:
    """The network as an OpenVINO model, from float32 (B, 1, side, side) to (B, `DIMENSION`).

    Quantized, it multiplies whole numbers of 8 bits from the second block on; see `quantization`.
    """
    from openvino import Model, opset13  # noqa: PLC0415

    state, side = weights.state, weights.config.input_size
    maxima = activation_maxima(state) if quantized else {}
    grey = opset13.parameter([batch_size, 1, side, side], np.float32)
    x = opset13.relu(_convolve(state, grey, "conv1", "bn1", 2))
    x = opset13.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    for block in blocks():
        name, stride, whole = block.name, block.stride, block.name in maxima
        inputs = _quantize(x, maxima[name].inputs) if whole else x
        y = opset13.relu(_convolve(state, inputs, f"{name}.conv1", f"{name}.bn1", stride, quantized=whole))
        y = _quantize(y, maxima[name].between) if whole else y
        y = _convolve(state, y, f"{name}.conv2", f"{name}.bn2", 1, quantized=whole)
        if block.projected:
            x = _convolve(state, inputs, f"{name}.downsample.0", f"{name}.downsample.1", stride, quantized=whole)
        x = opset13.relu(opset13.add(x, y))
    return Model([opset13.reduce_mean(x, np.array([2, 3]))], [grey])


def _convolve(state: State, x: Any, name: str, norm: str, stride: int, *, quantized: bool = False) -> Any:
    """A convolution with the BatchNorm behind it folded in; quantized, each kernel has a step of its own."""
    from openvino import opset13  # noqa: PLC0415

    kernel, scale = state[f"{name}.weight"], state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + _EPSILON)
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    kernel = kernel * scale[:, None, None, None]
    margin = [kernel.shape[-1] // 2] * 2
    # Constants by name: an array alone would go through Python's lists.
    weights, offsets = (opset13.constant(v) for v in (kernel, bias.reshape(1, -1, 1, 1)))
    if quantized:
        most = np.maximum(np.abs(kernel).max(axis=(1, 2, 3), keepdims=True), _EPSILON)
        weights = opset13.fake_quantize(weights, -most, most, -most, most, LEVELS - 1)
    return opset13.add(opset13.convolution(x, weights, [stride] * 2, margin, margin, [1, 1]), offsets)


def _quantize(x: Any, most: float) -> Any:
    """Round what is between 0 and `most` to 8 bits; OpenVINO makes the next convolution one of whole numbers."""
    from openvino import opset13  # noqa: PLC0415

    return opset13.fake_quantize(x, *(np.float32(v) for v in (0, most, 0, most)), LEVELS)


def resizing_matrix(source: int, side: int) -> NDArray[np.float32]:
    """The matrix (side, source) that resizes as `torch_runtime` does.

    Means over blocks for whole steps, else bilinear with antialiasing: a triangle as wide as two pixels of the result.
    """
    step = source / side
    if source % side == 0:
        return np.repeat(np.eye(side, dtype=np.float32), source // side, axis=1) / np.float32(step)
    centres = (np.arange(side)[:, None] + 0.5) * step
    distances = np.abs(np.arange(source) + 0.5 - centres) / max(step, 1)
    triangle = np.maximum(0, 1 - distances)
    triangle /= triangle.sum(axis=1, keepdims=True)
    return np.asarray(triangle, np.float32)
