"""Encoders: from pictures to 512-d vectors, and their pretraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedkit.encoder.augmentation import Augmentation
    from embedkit.encoder.encoding import Encoder, load_encoder
    from embedkit.encoder.pretraining import PretrainingSettings, PretrainingStep, pretrain_simclr
    from embedkit.encoder.weights import STARTER, EncoderConfig, save_encoder, shipped_encoders

_MODULES = {
    "STARTER": "weights",
    "Augmentation": "augmentation",
    "Encoder": "encoding",
    "EncoderConfig": "weights",
    "PretrainingSettings": "pretraining",
    "PretrainingStep": "pretraining",
    "load_encoder": "encoding",
    "pretrain_simclr": "pretraining",
    "save_encoder": "weights",
    "shipped_encoders": "weights",
}

__all__ = [
    "STARTER",
    "Augmentation",
    "Encoder",
    "EncoderConfig",
    "PretrainingSettings",
    "PretrainingStep",
    "load_encoder",
    "pretrain_simclr",
    "save_encoder",
    "shipped_encoders",
]


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes 1.5 s."""
    if name not in _MODULES:
        raise AttributeError(name)
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"embedkit.encoder.{_MODULES[name]}"), name)
