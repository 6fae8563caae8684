"""From display grey to the picture that the index keeps: frame removed, upright, 256 px."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.lazy import import_on_use

if TYPE_CHECKING:
    from embedkit.image.border import trim_frame
    from embedkit.image.negative import frame_negative
    from embedkit.image.picture import PICTURE_SIDE, PREPROCESSING_VERSION, clean, decode_picture, encode_picture
    from embedkit.image.preparation import PreparationOptions, PreparedFile, prepare_file
    from embedkit.image.rotation import tilt_of, upright

_MODULES = {
    "PICTURE_SIDE": "picture",
    "PREPROCESSING_VERSION": "picture",
    "PreparationOptions": "preparation",
    "PreparedFile": "preparation",
    "clean": "picture",
    "decode_picture": "picture",
    "encode_picture": "picture",
    "frame_negative": "negative",
    "prepare_file": "preparation",
    "tilt_of": "rotation",
    "trim_frame": "border",
    "upright": "rotation",
}

__all__ = [
    "PICTURE_SIDE",
    "PREPROCESSING_VERSION",
    "PreparationOptions",
    "PreparedFile",
    "clean",
    "decode_picture",
    "encode_picture",
    "frame_negative",
    "prepare_file",
    "tilt_of",
    "trim_frame",
    "upright",
]

__getattr__ = import_on_use(__name__, _MODULES)  # decoders take long to import, and who opens an index needs none
