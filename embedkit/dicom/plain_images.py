"""PNG, JPEG and TIFF files that are no DICOM: pictures as they are, in grey, upright, a TIFF's pages as frames.

Pillow reads the headers, for the limits; OpenCV decodes, because it keeps 16 bits, follows the orientation and turns
colours into grey by itself. Only a JPEG is turned here, because the rows that may be missing are those of the file.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from embedkit.dicom.codecs.missing_rows import decode_present_rows, has_all_scans
from embedkit.dicom.cut_short import shorten
from embedkit.dicom.grey import Presentation, to_display
from embedkit.dicom.kinds import FileKind
from embedkit.dicom.reduction import reduce_size
from embedkit.reasons import reject

Page = NDArray[np.number]

_FLAGS = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH
_BYTES_PER_PIXEL = 8  # four samples of 16 bits: what a decoder may hold at worst
_ORIENTATION = 274  # EXIF tag
_PHOTOMETRIC = 262  # TIFF tag PhotometricInterpretation: 0 is WhiteIsZero


@dataclass(frozen=True)
class PlainImage:
    """The frames of a plain picture file as display grey, and the size and depth of the first before reduction."""

    frames: tuple[NDArray[np.uint8], ...]
    rows: int
    columns: int
    bits: int
    cut_short: bool = False
    """True if rows or scans at the end are missing; `rows` are those that are there."""


def read_plain_image(
    content: bytes, kind: FileKind, *, target_side: int | None, max_pixel_bytes: int, max_frames: int
) -> PlainImage:
    """Decode a PNG, JPEG or TIFF. Pictures of 8 bits are taken as they are, deeper ones windowed by percentiles.

    Raises
    ------
    RejectedFile
        ``decode-failed``, ``truncated``, ``too-many-pixels``, ``too-many-frames`` or ``unsupported-pixels``.
    """
    try:
        image = _check_header(content, kind, max_pixel_bytes, max_frames)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, EOFError, OverflowError) as error:
        raise reject("decode-failed") from error
    decoded, cut_short = _decode(content, kind, image.height)
    pages = [page.astype(f"u{page.itemsize}", copy=False) for page in decoded if page.dtype.kind == "u"]
    if not decoded or len(pages) < len(decoded):
        raise reject("unsupported-pixels" if decoded else "decode-failed")
    bits = 8 * pages[0].itemsize
    if bits == 16 and _white_is_zero(image):  # OpenCV turns only 8-bit pictures around
        pages = [~page for page in pages]
    if kind is FileKind.JPEG:
        pages = [_turn_upright(page, _orientation_of(image)) for page in pages]
    rows, columns = pages[0].shape
    reduced = pages if target_side is None else [reduce_size(page, target_side) for page in pages]
    return PlainImage(tuple(map(_show, reduced)), rows, columns, bits, cut_short)


def _check_header(content: bytes, kind: FileKind, max_pixel_bytes: int, max_frames: int) -> ImageFile:
    """Hold every page against the limits before any is decoded; gives the last, as its header describes it."""
    left = max_pixel_bytes
    for page, image in enumerate(_pages(content, kind)):
        left -= image.width * image.height * _BYTES_PER_PIXEL
        if left < 0:
            raise reject("too-many-pixels")
        if page >= max_frames:
            raise reject("too-many-frames")
    return image


def _white_is_zero(image: ImageFile) -> bool:
    return isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0


def _orientation_of(image: ImageFile) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1)) if "exif" in image.info else 1
    except Exception:  # a damaged EXIF segment raises almost anything, and says nothing
        return 1


def _turn_upright(page: Page, orientation: int) -> Page:
    """Undo an EXIF orientation (Exif 2.32 table 6): from 5 on rows are columns; then both axes may be reversed."""
    page = page.T if orientation in {5, 6, 7, 8} else page
    page = page[::-1] if orientation in {3, 4, 7, 8} else page
    return np.ascontiguousarray(page[:, ::-1] if orientation in {2, 3, 6, 7} else page)


def _pages(content: bytes, kind: FileKind) -> Iterator[ImageFile]:
    """The image, set to one page after the other."""
    openers: dict[FileKind, Callable[[io.BytesIO], ImageFile]] = {
        FileKind.PNG: PngImageFile,
        FileKind.JPEG: JpegImageFile,
        FileKind.TIFF: TiffImageFile,
    }
    image = openers[kind](io.BytesIO(content))
    yield image
    for page in count(1) if kind is FileKind.TIFF else ():
        try:
            image.seek(page)
        except EOFError:
            return
        yield image


def _decode(content: bytes, kind: FileKind, rows: int) -> tuple[list[Page], bool]:
    """The pages of what can be decoded, a JPEG's not yet upright, and whether rows or scans are missing."""
    if kind is FileKind.JPEG:
        page = decode_present_rows(content, 8, _decode_jpeg)
        return ([], False) if page is None else ([page], len(page) < rows or not has_all_scans(content))
    pages = _decode_pages(content, kind)
    return (pages, False) if pages else (_decode_pages(shorten(content, kind), kind), True)


def _decode_jpeg(content: bytes) -> NDArray[np.uint8] | None:
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if decoded is None else decoded.astype(np.uint8, copy=False)


def _decode_pages(content: bytes, kind: FileKind) -> list[Page]:
    data = np.frombuffer(content, np.uint8)
    try:
        pages = cv2.imdecodemulti(data, _FLAGS)[1] if kind is FileKind.TIFF else [cv2.imdecode(data, _FLAGS)]
    except cv2.error as error:
        raise reject("decode-failed") from error
    return [page for page in pages if page is not None]


def _show(page: NDArray[np.integer]) -> NDArray[np.uint8]:
    return page.astype(np.uint8, copy=False) if page.dtype.itemsize == 1 else to_display(page, Presentation())
