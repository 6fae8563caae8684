"""Which codecs read: those of our own beside the libraries', or the libraries' alone. The one place that decides."""

from __future__ import annotations

import os
from typing import Literal, get_args

from embedkit.errors import UsageError

Codecs = Literal["fast", "library"]
"""``fast``: JPEG-LS and JPEG Lossless by decoders of our own, JPEG and JPEG 2000 at a part of the size, and lossless
JPEG 2000 without its lowest bit-planes. ``library``: every codestream by imagecodecs alone, or where that refuses, by
what pydicom finds (pylibjpeg, GDCM)."""

CODECS: tuple[Codecs, ...] = get_args(Codecs)
VARIABLE = "EMBEDKIT_CODECS"


def check_codecs(name: str) -> None:
    """Raise UsageError ``unknown-codecs`` where `name` is none of `CODECS`."""
    if name not in CODECS:
        raise UsageError("unknown-codecs", f"codecs are {' or '.join(CODECS)}, not {name!r} (--codecs, {VARIABLE})")


def codecs_of_environment() -> Codecs:
    """What the environment variable `VARIABLE` says, ``fast`` where it says nothing; raises as `check_codecs`."""
    name = os.environ.get(VARIABLE) or CODECS[0]
    check_codecs(name)
    return CODECS[CODECS.index(name)]
