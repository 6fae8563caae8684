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

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from embedkit.encoder.checkpoint import write_tensors
from embedkit.encoder.network import build_backbone, fold_colour_channels
from embedkit.errors import EncoderError

STARTER = "simclr"
IMAGENET = "imagenet"
_METADATA_KEY = "embedkit.encoder"


@dataclass(frozen=True)
class EncoderConfig:
    """What is needed to use the weights as they were trained.

    `name` is the default name of the vector space, `input_size` the side in pixels that a picture is brought to, `mean`
    and `std` the grey level statistics in [0, 1] that it is normalised with.
    """

    name: str
    method: str
    input_size: int
    mean: float
    std: float


_IMAGENET_GREY = EncoderConfig(name=IMAGENET, method="supervised", input_size=224, mean=0.449, std=0.226)


def save_encoder(path: Path, backbone: nn.Module, config: EncoderConfig) -> None:
    """Write an encoder file by rename, so that a crash leaves the earlier file."""
    weights = {name: value.detach().cpu().contiguous() for name, value in backbone.state_dict().items()}
    write_tensors(path, weights, {_METADATA_KEY: json.dumps(asdict(config), sort_keys=True)})


def read_weights(source: str) -> tuple[nn.Module, EncoderConfig, str]:
    """The backbone, its config and the sha256 of its weights, for an encoder's name or path.

    `source` is the name of a shipped encoder (`simclr`), the path of an encoder file, the path of a safetensors file
    with torchvision's ResNet18 weights, or `imagenet`, which has torchvision fetch its own. Raises EncoderError.
    """
    if source == IMAGENET:
        return _from_state(_imagenet_state(), _IMAGENET_GREY)
    path = shipped_encoders().get(source, Path(source))
    if not path.is_file():
        known = ", ".join([*sorted(shipped_encoders()), IMAGENET])
        raise EncoderError("encoder-not-found", f"no encoder '{source}': give a .safetensors file, or one of {known}")
    state, metadata = _read_safetensors(path)
    if _METADATA_KEY in metadata:
        config = _parse_config(metadata[_METADATA_KEY], path)
    else:
        config = replace(_IMAGENET_GREY, name=path.stem, method="unknown")
    return _from_state(state, config)


def shipped_encoders() -> dict[str, Path]:
    """The encoders in the package, by name."""
    folder = resources.files("embedkit.encoder") / "starter"
    return {Path(file.name).stem: Path(str(file)) for file in folder.iterdir() if file.name.endswith(".safetensors")}


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        message = f"{path} is no safetensors file; pickled checkpoints (.pth) are not read, convert them first"
        raise EncoderError("encoder-unreadable", message) from error


def _parse_config(text: str, path: Path) -> EncoderConfig:
    try:
        return EncoderConfig(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise EncoderError("encoder-unreadable", f"{path}: its config is not one of this version") from error


def _from_state(state: dict[str, Tensor], config: EncoderConfig) -> tuple[nn.Module, EncoderConfig, str]:
    backbone = build_backbone()
    try:
        backbone.load_state_dict(fold_colour_channels({name: value.float() for name, value in state.items()}))
    except (RuntimeError, KeyError) as error:
        raise EncoderError("encoder-unreadable", "these weights are not of a ResNet18") from error
    return backbone.eval(), config, _digest(state)


def _digest(state: dict[str, Tensor]) -> str:
    """sha256 over names and values, so that the same weights have the same name in any file."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _imagenet_state() -> dict[str, Tensor]:
    from torchvision.models import ResNet18_Weights  # noqa: PLC0415 (a download, only on request)

    try:
        state: dict[str, Tensor] = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        message = (
            "torchvision could not fetch its ImageNet weights: put them into its cache, or name a safetensors file"
        )
        raise EncoderError("encoder-not-found", message) from error
    return state
