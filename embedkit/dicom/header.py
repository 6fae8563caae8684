"""The header of a DICOM file that nobody vouches for: bounded in size and effort, silent, tolerant value by value.

pydicom does the parsing. What is added: limits (PS3.10 file meta first, then a bounded inflate), a stop at the pixel
data, silence (pydicom's warnings quote values of the header), and access that takes a damaged value as absent.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Callable, MutableSequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from embedkit.dicom.characters import guess_characters, read_characters
from embedkit.dicom.deflate import inflate
from embedkit.errors import RejectedFile
from embedkit.reasons import reject

MAX_READS = 100_000
"""Reads of the parser, about two an element, some hundred elements in a real radiograph."""

UNDEFINED_LENGTH = 0xFFFF_FFFF
_PIXEL_DATA = 0x7FE0_0010
_FLOAT_PIXEL_DATA = {0x7FE0_0008, 0x7FE0_0009}
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


@dataclass(frozen=True)
class PixelElement:
    """The Pixel Data element, its value not yet looked at."""

    value: memoryview
    """From the first byte of the value to the end of the file, or of what it inflates to."""
    length: int
    """As declared; `UNDEFINED_LENGTH` where the value is encapsulated."""
    vr: str


@dataclass(frozen=True)
class Header:
    """A parsed header. Its methods give "", 0 or () for what is absent or damaged."""

    dataset: Dataset
    transfer_syntax: str
    pixels: PixelElement | None
    cut_short: bool
    """True if the file ends in the middle of an element."""

    def text(self, keyword: str, longest: int = 64) -> str:
        """A value as one line of printable characters."""
        value = self._value(keyword)
        text = "\\".join(map(str, value)) if isinstance(value, list) else str(value)
        if not text.isprintable():
            text = "".join(c if c.isprintable() else " " for c in text)
        return " ".join(text.split())[:longest]

    def identifier(self, keyword: str) -> str:
        """A value that tells one from another, even where no character set tells what it says."""
        guesses = [] if (text := self.text(keyword, longest=1024)) else guesses_of(self.dataset, keyword)
        return " ".join(guesses[0].split())[:1024] if guesses else text

    def uid(self, keyword: str) -> str:
        """A value that has the shape of a UID (PS3.5 9.1)."""
        text = self.text(keyword, longest=128)
        return text if len(text) <= 64 and _UID.fullmatch(text) else ""

    def integer(self, keyword: str, default: int = 0) -> int:
        """The first value, if it is a whole number."""
        first = self.numbers(keyword)[:1]
        return int(first[0]) if first and first[0].is_integer() else default

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """All values, if each is a finite number."""
        numbers = self.numbers_or_nan(keyword)
        return numbers if all(map(math.isfinite, numbers)) else ()

    def numbers_or_nan(self, keyword: str) -> tuple[float, ...]:
        """All values, NaN in the place of each that is empty or no number, so that lists still go together."""
        value: Any = self._value(keyword)
        if value == "":
            return ()
        return tuple(_to_number(number) for number in (value if isinstance(value, list) else [value]))

    def items(self, keyword: str) -> list[Dataset]:
        """The items of a sequence."""
        value = self._value(keyword)
        return [item for item in value if isinstance(item, Dataset)] if isinstance(value, list) else []

    def _value(self, keyword: str) -> object:
        return value_of(self.dataset, keyword)


def _to_number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def value_of(dataset: Dataset, keyword: str) -> object:
    """A value of a data set: a list where there are several, "" where it is absent or damaged."""
    tag = _tag_of(keyword)
    if tag not in dataset.keys():  # noqa: SIM118 (`in` a data set makes the tag anew, and most are not there)
        return ""
    try:
        element: Any = dataset.get_item(tag)
        if isinstance(element, RawDataElement):
            if _is_text(element):
                return _split(read_characters(element.value or b"", _declared_sets(dataset)))
            plain = _PLAIN.get(element.VR or _vr_of(tag))
            value = plain(element) if plain else dataset[tag].value
        else:
            value = element.value
        if value is None or isinstance(value, str | bytes | int | float):
            return "" if value is None else value
        return list(value) if isinstance(value, MutableSequence) else value  # a PersonName iterates over letters
    except Exception:  # a value is decoded on first access, and a damaged one raises almost anything
        return ""


def guesses_of(dataset: Dataset, keyword: str) -> list[str]:
    """What a text may say that no character set could be told of (see `characters`); [] where one could."""
    element: Any = dataset.get_item(_tag_of(keyword)) if _tag_of(keyword) in dataset.keys() else None  # noqa: SIM118
    if not isinstance(element, RawDataElement) or not _is_text(element):
        return []
    content = element.value or b""
    return [] if read_characters(content, _declared_sets(dataset)) else list(guess_characters(content))


def _is_text(element: RawDataElement) -> bool:
    """Whether it holds text; what a foreign program wrote as UN (PS3.5 6.2.2) is what the dictionary says."""
    return (element.VR if element.VR not in {None, "UN"} else _vr_of(element.tag)) in _TEXTS


def _declared_sets(dataset: Dataset) -> list[str]:
    """Python's names of the character sets of a data set or of what it is an item of, as pydicom translates them."""
    sets = dataset.original_character_set or "iso8859"
    return [sets] if isinstance(sets, str) else list(sets)


def _split(text: str) -> str | list[str]:
    return [part.rstrip(" \0") for part in text.split("\\")] if "\\" in text else text.rstrip(" \0")


def _read_text(element: RawDataElement) -> str | list[str]:
    return _split((element.value or b"").decode("iso8859"))


def _read_numbers(element: RawDataElement) -> str | int | list[int]:
    content = element.value or b""
    numbers = struct.unpack(f"{'<' if element.is_little_endian else '>'}{len(content) // 2}H", content)
    return (numbers[0] if len(numbers) == 1 else list(numbers)) if numbers else ""


_PLAIN: dict[str, Callable[[RawDataElement], object]] = {
    "DS": _read_text,
    "UI": _read_text,
    "US": _read_numbers,
}
"""Values without a character set (PS3.5 6.2): pydicom's objects for them took a third of the time of a header."""

_TEXTS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Text; CS and AE should have no letters beyond ASCII (PS3.5 6.2), and do."""


@cache
def _tag_of(keyword: str) -> BaseTag:
    """The tag, kept: pydicom finds it by the keyword again each time, which costs as much as parsing the header."""
    return BaseTag(tag_for_keyword(keyword) or 0)


@cache
def _vr_of(tag: BaseTag) -> str:
    """What an implicit VR is (PS3.6 section 6), several where that depends."""
    return dictionary_VR(tag)


def read_header(content: bytes, *, bare: bool, max_inflated_bytes: int) -> Header:
    """Parse a DICOM file up to its pixel data; `bare` is one without preamble.

    Raises
    ------
    RejectedFile
        ``header-unreadable``, ``header-too-large``, ``unsupported-pixels`` or ``dicomdir``.
    """
    try:
        return _read_header(content, bare, max_inflated_bytes)
    except (RejectedFile, MemoryError):
        raise
    except Exception as error:  # pydicom raises almost anything on damaged input, RecursionError among it
        raise reject("header-unreadable") from error


def _read_header(content: bytes, bare: bool, max_inflated_bytes: int) -> Header:
    file = _BoundedReader(content)
    file.seek(0 if bare else 132)
    meta = read_dataset(file, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
    if value_of(meta, "MediaStorageSOPClassUID") == "1.2.840.10008.1.3.10":
        raise reject("dicomdir")
    syntax = str(value_of(meta, "TransferSyntaxUID")) or _guess_syntax(content, file.tell())
    if syntax == DeflatedExplicitVRLittleEndian:
        content = inflate(content[file.tell() :], max_inflated_bytes)
        file = _BoundedReader(content)
    pixels: list[PixelElement] = []

    def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        number = int(tag)  # a BaseTag compares itself in Python
        if number in _FLOAT_PIXEL_DATA:
            raise reject("unsupported-pixels")
        if number == _PIXEL_DATA:
            pixels.append(PixelElement(memoryview(content)[file.tell() :], length, vr or "OW"))
        return number == _PIXEL_DATA

    little_endian = syntax != ExplicitVRBigEndian
    dataset = read_dataset(file, syntax == ImplicitVRLittleEndian, little_endian, stop_when=at_pixels)
    return Header(dataset, syntax, pixels[0] if pixels else None, file.fell_short)


class _BoundedReader(io.BytesIO):
    """A file in memory that counts reads, and knows whether one asked for more than there was."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.reads = 0
        self.fell_short = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > MAX_READS:
            raise reject("header-too-large")
        found = super().read(size)
        if size and len(found) < size and (found or size != 8):  # 8 bytes begin an element; none are the regular end
            self.fell_short = True
        return found


def _guess_syntax(content: bytes, start: int) -> str:
    vr = content[start + 4 : start + 6]
    return ExplicitVRLittleEndian if vr.isalpha() and vr.isupper() else ImplicitVRLittleEndian
