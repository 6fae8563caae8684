"""Encoders: from pictures to vectors, their files and what runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.lazy import import_on_use

if TYPE_CHECKING:
    from embedkit.encoder.encoding import ResNetEncoder, load_encoder
    from embedkit.encoder.protocol import Encoder
    from embedkit.encoder.weights import STARTER, EncoderConfig, save_encoder, shipped_encoders

_MODULES = {
    "Encoder": "protocol",
    "EncoderConfig": "weights",
    "ResNetEncoder": "encoding",
    "STARTER": "weights",
    "load_encoder": "encoding",
    "save_encoder": "weights",
    "shipped_encoders": "weights",
}

__all__ = [
    "STARTER",
    "Encoder",
    "EncoderConfig",
    "ResNetEncoder",
    "load_encoder",
    "save_encoder",
    "shipped_encoders",
]

__getattr__ = import_on_use(__name__, _MODULES)  # torch takes 1.5 s
