"""From display grey to the picture that the index keeps: frame removed, upright, 256 px."""

from embedkit.image.border import trim_frame
from embedkit.image.picture import PICTURE_SIDE, PREPROCESSING_VERSION, clean, decode_picture, encode_picture
from embedkit.image.preparation import PreparedFile, prepare_file
from embedkit.image.rotation import tilt_of, upright

__all__ = [
    "PICTURE_SIDE",
    "PREPROCESSING_VERSION",
    "PreparedFile",
    "clean",
    "decode_picture",
    "encode_picture",
    "prepare_file",
    "tilt_of",
    "trim_frame",
    "upright",
]
