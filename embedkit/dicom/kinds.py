"""What kind of file it is, by its content: names and extensions of a dump mean nothing."""

from __future__ import annotations

import struct
from enum import StrEnum

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
_LONG_VRS = {b"OB", b"OW", b"SQ", b"UN", b"UT"}  # of the few that groups 0002 and 0008 hold


class FileKind(StrEnum):
    """The kinds that are told apart."""

    DICOM = "dicom"
    """PS3.10: a preamble of 128 bytes, then ``DICM``."""
    BARE_DICOM = "bare-dicom"
    """A data set without preamble, little endian, implicit or explicit VR."""
    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"
    OTHER = "not-an-image"


def kind_of(content: bytes) -> FileKind:
    """Tell the kind of a file from its first bytes."""
    if content[128:132] == b"DICM":
        return FileKind.DICOM
    for magic, kind in _MAGIC:
        if content.startswith(magic):
            return FileKind(kind)
    return FileKind.BARE_DICOM if _begins_like_data_set(content) else FileKind.OTHER


def _begins_like_data_set(content: bytes) -> bool:
    """True if two elements of group 0002 or 0008 follow each other in ascending order, as in every data set.

    One element alone would let any file pass that happens to begin with these four bytes.
    """
    first = _element(content, 0)
    if first is None or first[0] >> 16 not in {0x0002, 0x0008}:
        return False
    second = _element(content, first[1])
    return second is not None and first[0] < second[0] < 0x0020_0000 and second[1] <= len(content)


def _element(content: bytes, start: int) -> tuple[int, int] | None:
    """(tag, where the next element starts) of a little endian element of either VR encoding (PS3.5 7.1)."""
    if start + 12 > len(content):
        return None
    group, number, length = struct.unpack_from("<HHL", content, start)
    value = start + 8
    vr = content[start + 4 : value - 2]
    if vr in _LONG_VRS:
        value = start + 12
        (length,) = struct.unpack_from("<L", content, start + 8)
    elif vr.isalpha() and vr.isupper():
        (length,) = struct.unpack_from("<H", content, start + 6)
    return group << 16 | number, value + length
