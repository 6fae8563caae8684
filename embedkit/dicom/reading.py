"""One file to header facts and display grey: `read_file` is what a worker does for each file of a dump."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from embedkit.dicom.codecs.choice import Codecs, check_codecs, codecs_of_environment
from embedkit.dicom.facts import read_facts
from embedkit.dicom.frames import FrameReader
from embedkit.dicom.grey import Presentation, to_display
from embedkit.dicom.header import Header, read_header
from embedkit.dicom.image_pixel import read_layout
from embedkit.dicom.instance import InstanceFacts, make_uid
from embedkit.dicom.kinds import FileKind, kind_of
from embedkit.dicom.layout import PixelLayout
from embedkit.dicom.photometric import contradicts_pixels
from embedkit.dicom.plain_images import read_plain_image
from embedkit.dicom.presentation import pixel_aspect, read_presentation
from embedkit.dicom.silence import silence
from embedkit.errors import RejectedFile
from embedkit.reasons import reject
from embedkit.sources.folder import FILES, FoundFile

_MODALITIES = {  # of SOP classes that allow no other (PS3.3 A.2, A.26); some files leave Modality empty
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DX",
}
_EXECUTABLE = (b"MZ", b"\x7fELF", b"#!", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


@dataclass(frozen=True)
class ReadingOptions:
    """What is taken, and the limits within which it is read."""

    modalities: frozenset[str] = frozenset({"CR", "DX", "RG"})
    patient_key: bytes = b""
    """The key of the patient hashes; it stays with the index."""
    target_side: int | None = 512
    """Frames are reduced to no less than this on their longer side; None gives them whole."""
    max_file_bytes: int = 1 << 30
    max_pixel_bytes: int = 1 << 29
    """Bytes of all frames of a file, uncompressed."""
    max_frames: int = 256
    codecs: Codecs = field(default_factory=codecs_of_environment)
    """Which ones decode. Without a word, what the environment variable ``EMBEDKIT_CODECS`` says, else ``fast``."""

    def __post_init__(self) -> None:
        check_codecs(self.codecs)


@dataclass(frozen=True)
class FileContent:
    """The bytes of a file, read once, and their BLAKE3 in hex (SHA-256 takes four times as long: most of reading)."""

    data: bytes
    blake3: str


@dataclass(frozen=True)
class ReadFile:
    """What was read of one file."""

    facts: InstanceFacts
    content_blake3: str
    frames: tuple[NDArray[np.uint8], ...]
    """Display grey (height, width), 255 is white, one array a frame."""
    notes: tuple[str, ...] = ()
    """Codes of `reasons.NOTES`: what was odd."""
    header: Header | None = field(default=None, repr=False)
    """What labels are read from; None for a file that is no DICOM, and in another process than that which read it."""

    def __getstate__(self) -> dict[str, Any]:
        """Leave the header behind: it is large, and holds what may not go further."""
        return self.__dict__ | {"header": None}


def read_file(found: FoundFile, options: ReadingOptions) -> ReadFile:
    """Read one file: `read_content` of its `load_content`.

    Raises
    ------
    RejectedFile
        With a reason of `reasons.REASONS`.
    """
    return read_content(load_content(found, options), options)


def load_content(found: FoundFile, options: ReadingOptions) -> FileContent:
    """Read the bytes of what was found, by its source. A caller that wants the hash of a rejected file begins here.

    Raises
    ------
    RejectedFile
        ``not-a-regular-file``, ``unreadable``, ``file-too-large``, ``empty-file``.
    """
    if found.reason:
        raise reject(found.reason)
    try:
        held = found.content
        data = (found.source or FILES).open(found, options.max_file_bytes) if held is None else held
    except (RejectedFile, MemoryError):
        raise
    except Exception as error:  # what a stranger's source raises
        raise reject("unreadable") from error
    if not isinstance(data, bytes) or len(data) > options.max_file_bytes:
        raise reject("file-too-large" if isinstance(data, bytes) else "unreadable")
    if not data:
        raise reject("empty-file")
    return FileContent(data, blake3(data).hexdigest())


def read_content(content: FileContent, options: ReadingOptions) -> ReadFile:
    """Read a file that is in memory, by what it contains.

    Raises
    ------
    RejectedFile
        With a reason of `reasons.REASONS`.
    """
    kind = kind_of(content.data)
    if kind is FileKind.OTHER:
        raise reject("not-an-image")
    with silence():
        if kind in {FileKind.DICOM, FileKind.BARE_DICOM}:
            return _read_dicom(content, kind, options)
        return _read_plain(content, kind, options)


@dataclass(frozen=True)
class OpenedDicom:
    """A DICOM file whose header was read and found fit, and whose frames can be."""

    header: Header
    layout: PixelLayout
    presentation: Presentation
    frames: FrameReader


def open_dicom(content: FileContent, kind: FileKind, options: ReadingOptions) -> OpenedDicom:
    """Read the header of a file in memory; raises as `read_content` does."""
    bare = kind is FileKind.BARE_DICOM
    header = read_header(content.data, bare=bare, max_inflated_bytes=options.max_pixel_bytes)
    _check_object(header, options.modalities)
    layout = read_layout(header, max_pixel_bytes=options.max_pixel_bytes, max_frames=options.max_frames)
    presentation = read_presentation(header, layout)
    reader = FrameReader(
        header,
        layout,
        target_side=options.target_side,
        padding=presentation.padding,
        grey_scale=presentation.least_scale,
        max_frames=options.max_frames,
        max_pixel_bytes=options.max_pixel_bytes,
        codecs=options.codecs,
    )
    return OpenedDicom(header, layout, presentation, reader)


def _read_dicom(content: FileContent, kind: FileKind, options: ReadingOptions) -> ReadFile:
    opened = open_dicom(content, kind, options)
    aspect = pixel_aspect(opened.header)
    frames = tuple(_make_square(to_display(frame, opened.presentation), aspect) for frame in opened.frames)
    facts = read_facts(opened.header, opened.frames.layout, patient_key=options.patient_key)
    bare = kind is FileKind.BARE_DICOM
    notes = ["no-preamble"] if bare else []
    notes += ["executable-preamble"] if not bare and content.data.startswith(_EXECUTABLE) else []
    if contradicts_pixels(opened.header, opened.layout.photometric, opened.layout.samples):
        notes.append("photometric-differs")
    notes += [*opened.frames.notes]
    if opened.header.text("BurnedInAnnotation").upper() == "YES":
        notes.append("burned-in-annotation")
    facts = replace(facts, frames=len(frames))
    if not facts.sop_instance_uid:
        facts = replace(facts, sop_instance_uid=make_uid(content.blake3))
        notes.append("made-uid")
    return ReadFile(facts, content.blake3, frames, tuple(notes), opened.header)


def _make_square(grey: NDArray[np.uint8], aspect: float) -> NDArray[np.uint8]:
    """Stretch a frame (H, W) whose pixels are `aspect` times as high as wide until they are square."""
    if aspect == 1:
        return grey
    rows, columns = grey.shape
    size = (columns, round(rows * aspect)) if aspect > 1 else (round(columns / aspect), rows)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _check_object(header: Header, modalities: frozenset[str]) -> None:
    """Turn away what is no picture, or none of the kind that was asked for."""
    sop_class = header.uid("SOPClassUID")
    implied = _MODALITIES.get(sop_class, "")
    if header.pixels is None:
        raise reject("header-incomplete" if header.cut_short or implied or not sop_class else "no-pixel-data")
    modality = header.text("Modality").upper() or implied
    if modality not in modalities:
        raise reject("other-modality")


def _read_plain(content: FileContent, kind: FileKind, options: ReadingOptions) -> ReadFile:
    image = read_plain_image(
        content.data,
        kind,
        target_side=options.target_side,
        max_pixel_bytes=options.max_pixel_bytes,
        max_frames=options.max_frames,
    )
    facts = InstanceFacts(
        sop_instance_uid=make_uid(content.blake3),
        rows=image.rows,
        columns=image.columns,
        bits_stored=image.bits,
        frames=len(image.frames),
        photometric="MONOCHROME2",
    )
    return ReadFile(facts, content.blake3, image.frames, ("cut-short",) if image.cut_short else ())
