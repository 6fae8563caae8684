"""Encoder files: safetensors that describe themselves, and where encoders come from.

A file holds the backbone's weights and, in its metadata, an `EncoderConfig` as JSON. Only safetensors are read: pickled
checkpoints can run code (`torch.load` was bypassed twice even with ``weights_only=True``).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from embedkit.encoder.architecture import weight_shapes
from embedkit.encoder.names import SPACE_NAME
from embedkit.errors import EncoderError

if TYPE_CHECKING:
    from torch import nn

State = dict[str, NDArray[Any]]
STARTER = "simclr"
IMAGENET = "imagenet"
VIEWS = "-views"
"""Behind the name of a shipped encoder: the same weights, for the mean over views of a picture (see `views`)."""
_VIEWS_INPUT_SIZE = 208
_METADATA_KEY = "embedkit.encoder"
_COUNTS = ".num_batches_tracked"
_INPUT_SIZES = range(32, 1025)
"""A ResNet18 halves a picture five times; one of more pixels than these has no use for pictures of 256."""
_LEAST_STD = 1e-3
"""A quarter of a grey level of 8 bits: no pictures are so much alike."""


@dataclass(frozen=True)
class EncoderConfig:
    """What is needed to use the weights as they were trained.

    `name` is the default name of the vector space, `input_size` the side in pixels that a picture is brought to, `mean`
    and `std` the grey level statistics in [0, 1] that it is normalised with, `views` whether a vector is the mean over
    views of the picture.
    """

    name: str
    method: str
    input_size: int
    mean: float
    std: float
    views: bool = False


def labels_seen(method: str) -> bool | None:
    """Whether a method of training uses labels; None for one that is not known here."""
    return {"simclr": False, "byol": False, "supcon": True, "supervised": True}.get(method)


_IMAGENET_GREY = EncoderConfig(name=IMAGENET, method="supervised", input_size=224, mean=0.449, std=0.226)


@dataclass(frozen=True)
class EncoderWeights:
    """What an encoder file holds. `state` has the float32 arrays of `architecture.weight_shapes`, by name."""

    state: dict[str, NDArray[np.float32]]
    config: EncoderConfig
    sha256: str
    """Of names and values, so that the same weights have the same name in any file; for views, another one."""


def save_encoder(path: Path, backbone: nn.Module, config: EncoderConfig) -> None:
    """Write an encoder file by rename, so that a crash leaves the earlier file."""
    from embedkit.encoder.tensor_files import write_tensors  # noqa: PLC0415 (imports torch)

    weights = {name: value.detach().cpu().contiguous() for name, value in backbone.state_dict().items()}
    write_tensors(path, weights, {_METADATA_KEY: json.dumps(asdict(config), sort_keys=True)})


def read_weights(source: str) -> tuple[nn.Module, EncoderConfig, str]:
    """The backbone, its config and the sha256 of its weights; `source` and errors as of `read_encoder`."""
    from embedkit.encoder.network import load_backbone  # noqa: PLC0415 (imports torch)

    weights = read_encoder(source)
    return load_backbone(weights.state), weights.config, weights.sha256


def read_encoder(source: str) -> EncoderWeights:
    """Read an encoder by its name or path.

    `source` is the name of a shipped encoder (`simclr`, or `simclr-views` for the mean over views), the path of an
    encoder file, the path of a safetensors file with torchvision's ResNet18 weights, or `imagenet`, which has
    torchvision fetch its own. Raises EncoderError.
    """
    if source == IMAGENET:
        return _from_state(_imagenet_state(), _IMAGENET_GREY, IMAGENET)
    shipped = shipped_encoders()
    if source in shipped and source.endswith(VIEWS):
        return _in_views(read_encoder(source.removesuffix(VIEWS)))
    path = shipped.get(source, Path(source))
    if not path.is_file():
        known = ", ".join([*sorted(shipped), IMAGENET])
        raise EncoderError("encoder-not-found", f"no encoder '{source}': give a .safetensors file, or one of {known}")
    state, metadata = _read_safetensors(path)
    if _METADATA_KEY in metadata:
        config = _parse_config(metadata[_METADATA_KEY], path)
    else:
        config = replace(_IMAGENET_GREY, name=path.stem, method="unknown")
    return _from_state(state, config, path)


def shipped_encoders() -> dict[str, Path]:
    """The encoders in the package, by name, each for one view of a picture and for several."""
    folder = resources.files("embedkit.encoder") / "starter"
    paths = [Path(str(file)) for file in folder.iterdir() if file.name.endswith(".safetensors")]
    return {path.stem + suffix: path for path in paths for suffix in ("", VIEWS)}


def _in_views(weights: EncoderWeights) -> EncoderWeights:
    config = replace(weights.config, name=weights.config.name + VIEWS, input_size=_VIEWS_INPUT_SIZE, views=True)
    other = hashlib.sha256(f"{weights.sha256}{VIEWS}".encode()).hexdigest()  # vectors of the two must not mix
    return EncoderWeights(weights.state, config, other)


def _read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    try:
        with safe_open(path, framework="np") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        message = f"{path} is no safetensors file; pickled checkpoints (.pth) are not read, convert them first"
        raise EncoderError("encoder-unreadable", message) from error
    except (TypeError, AttributeError) as error:  # bfloat16, which numpy does not have
        raise EncoderError("encoder-unreadable", f"{path}: its weights must be float32 or float16") from error


def _parse_config(text: str, path: Path) -> EncoderConfig:
    """Read the metadata of a file that may come from anybody; raises EncoderError that names what is wrong."""
    try:
        config = EncoderConfig(**json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise EncoderError("encoder-unreadable", f"{path}: its config is not one of this version") from error
    right = {
        "name": isinstance(config.name, str) and SPACE_NAME.fullmatch(config.name),
        "method": isinstance(config.method, str),
        "input_size": type(config.input_size) is int and config.input_size in _INPUT_SIZES,
        "mean": _is_level(config.mean),
        "std": _is_level(config.std) and config.std >= _LEAST_STD,
        "views": isinstance(config.views, bool),
    }
    wrong = ", ".join(key for key, holds in right.items() if not holds)
    if wrong:
        raise EncoderError("encoder-unreadable", f"{path}: its config has a value that none can have: {wrong}")
    return config


def _is_level(value: object) -> bool:
    """Whether this is a grey level in [0, 1], or a difference of two."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _from_state(state: State, config: EncoderConfig, source: object) -> EncoderWeights:
    used = {name: value for name, value in state.items() if not name.startswith("fc.") and not name.endswith(_COUNTS)}
    if not all(np.issubdtype(value.dtype, np.floating) for value in used.values()):
        raise EncoderError("encoder-unreadable", f"{source}: its weights must be float32 or float16")
    with np.errstate(over="ignore", invalid="ignore"):  # it shows in the values
        folded = {name: np.asarray(value, np.float32) for name, value in fold_colour_channels(used).items()}
    if {name: value.shape for name, value in folded.items()} != weight_shapes():
        raise EncoderError("encoder-unreadable", f"{source}: these weights are not of a ResNet18")
    for name, value in folded.items():
        if not np.isfinite(value).all() or (name.endswith("running_var") and (value < 0).any()):
            message = (
                f"{source}: {name} has values that no weights can have; was its training cut off, or did it diverge?"
            )
            raise EncoderError("encoder-unreadable", message)
    return EncoderWeights(folded, config, _digest(state))


def fold_colour_channels(state: State) -> State:
    """Turn the weights of a colour ResNet18 (torchvision's ImageNet checkpoint, say) into those for one grey channel.

    The planes of `conv1.weight` (64, 3, 7, 7) are summed to (64, 1, 7, 7): a linear layer gives the same answer for
    three equal channels. The classifier `fc` is dropped.
    """
    folded = {name: value for name, value in state.items() if not name.startswith("fc.")}
    stem = folded.get("conv1.weight")
    if stem is not None and stem.ndim == 4:
        folded["conv1.weight"] = np.asarray(stem, np.float32).sum(axis=1, keepdims=True)
    return folded


def _digest(state: State) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].tobytes())
    return digest.hexdigest()


def _imagenet_state() -> State:
    from torchvision.models import ResNet18_Weights  # noqa: PLC0415 (a download, only on request)

    try:
        state = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        message = (
            "torchvision could not fetch its ImageNet weights: put them into its cache, or name a safetensors file"
        )
        raise EncoderError("encoder-not-found", message) from error
    return {name: value.numpy() for name, value in state.items()}
