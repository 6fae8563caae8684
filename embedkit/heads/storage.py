"""A head file: all of an `Ensemble` in one safetensors file, and nothing that can run code.

Metadata: `format`, and as JSON `regions`, `members` (space, encoder sha256, reach), `temperature`, `thresholds`,
`preprocessing`. Tensors of each space, float32: `SPACE.weight` (K, D), `SPACE.bias` (K,), `SPACE.centres` (C, D) and
`SPACE.whitening` (D, D). No vector of an image is in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from embedkit.errors import EncoderError
from embedkit.heads.confidence import NEVER, Threshold
from embedkit.heads.domain import Domain
from embedkit.heads.ensemble import Ensemble, Member
from embedkit.heads.linear import LinearHead
from embedkit.indexes.storage import write_bytes

_FORMAT = "embedkit-head-1"
_LARGEST = 256 << 20
"""Bytes; a head of 100 regions in ten spaces has a tenth of that."""


def save_head(path: Path, ensemble: Ensemble) -> None:
    """Write `ensemble` to `path`: the old file or the new one, nothing between, whatever happens.

    Raises IndexFolderError where the folder is full, read-only or cannot be written.
    """
    from safetensors.numpy import save  # noqa: PLC0415 (loaded only where heads are kept)

    about = {
        "regions": ensemble.regions,
        "members": [
            {"space": member.space, "encoder": member.head.encoder, "reach": member.domain.reach}
            for member in ensemble.members
        ],
        "temperature": ensemble.temperature,
        "thresholds": [threshold.facts() for threshold in ensemble.thresholds],
        "preprocessing": ensemble.preprocessing,
    }
    tensors = {
        f"{member.space}.{name}": np.ascontiguousarray(values, dtype=np.float32)
        for member in ensemble.members
        for name, values in _tensors(member).items()
    }
    metadata = {"format": _FORMAT, "head": json.dumps(about, allow_nan=False)}
    write_bytes(path, save(tensors, metadata=metadata))


def load_head(path: Path) -> Ensemble:
    """Read a head file.

    Raises EncoderError `head-unreadable` for a file that is absent or no head. Whether it fits the vectors at hand
    is what `Ensemble.check_encoders` tells.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    if not path.is_file():
        raise EncoderError("head-unreadable", f"{path}: no such head file; `evaluate --head-out` makes one")
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("too large")
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise ValueError("of another format")
            return _read(json.loads(metadata["head"]), file.get_tensor)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError, SafetensorError) as error:
        message = f"{path} is not a head of this version of embedkit: fit it again with `evaluate --head-out`"
        raise EncoderError("head-unreadable", message) from error


def _read(about: dict[str, Any], tensor: Callable[[str], Any]) -> Ensemble:
    """Rebuild an ensemble; raises ValueError, TypeError or KeyError where anything is not as it was written."""
    regions = tuple(about["regions"])
    members = tuple(_read_member(fact, regions, tensor) for fact in about["members"])
    thresholds = tuple(_from_json(fact) for fact in about["thresholds"])
    temperature, preprocessing = about["temperature"], about["preprocessing"]
    named = all(isinstance(text, str) and text.strip() for text in regions) and isinstance(preprocessing, str)
    distinct = len({*regions}) == len(regions) and len({member.space for member in members}) == len(members) > 0
    if not (named and distinct and len(thresholds) == len(regions) and _positive(temperature)):
        raise ValueError("the head is not whole")
    return Ensemble(members, float(temperature), thresholds, preprocessing)


def _read_member(fact: dict[str, Any], regions: tuple[str, ...], tensor: Callable[[str], Any]) -> Member:
    space, encoder, reach = fact["space"], fact["encoder"], fact["reach"]
    weight, bias, centres, whitening = (
        tensor(f"{space}.{name}") for name in ("weight", "bias", "centres", "whitening")
    )
    kinds = all(values.dtype == np.float32 for values in (weight, bias, centres, whitening))
    shapes = weight.ndim == 2 and bias.shape == (len(weight),) and len(weight) == len(regions) > 0
    inside = centres.ndim == 2 and len(centres) > 0 and whitening.shape == (weight.shape[-1], centres.shape[-1])
    finite = all(np.isfinite(values).all() for values in (weight, centres, whitening))
    if not (kinds and shapes and inside and finite and not np.isnan(bias).any() and (bias < np.inf).all()):
        raise ValueError("the tensors of a head do not fit")
    if not (isinstance(space, str) and isinstance(encoder, str) and _positive(reach)):
        raise ValueError("a space is not named")
    return Member(space, LinearHead(regions, weight, bias, encoder), Domain(centres, whitening, float(reach)))


def _tensors(member: Member) -> dict[str, np.ndarray]:
    head, domain = member.head, member.domain
    return {"weight": head.weight, "bias": head.bias, "centres": domain.centres, "whitening": domain.whitening}


def _from_json(fact: dict[str, Any]) -> Threshold:
    confidence = NEVER if fact["confidence"] is None else fact["confidence"]
    patients, errors, lower = fact["patients"], fact["errors"], fact["lower"]
    counts = type(patients) is int and type(errors) is int and 0 <= errors <= patients
    if not (counts and _is_share(lower) and (confidence == NEVER or _positive(confidence))):
        raise ValueError("a threshold that no held-out images can show")
    return Threshold(float(confidence), patients, errors, float(lower))


def _is_share(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= 1


def _positive(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < NEVER
