"""What a caller wants of a frame."""

from __future__ import annotations

from dataclasses import dataclass

from embedkit.dicom.codecs.choice import Codecs


@dataclass(frozen=True)
class Wanted:
    """How much of a frame, and by whose codecs."""

    reduction: int = 1
    """A power of two up to 32, the most by which the size may be divided; what cannot be had cheaply comes whole."""
    planes: int = 0
    """The lowest bit-planes, which the caller does not need; only where the codestream `has_planes`."""
    photometric: str = "MONOCHROME2"
    """What the colours of a JPEG are where the codestream does not say it."""
    codecs: Codecs = "fast"
