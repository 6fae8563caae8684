"""DICOM files made to measure: any transfer syntax, depth, sign and photometric interpretation."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from blake3 import blake3
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from embedkit.dicom import FileContent, ReadFile, ReadingOptions, read_content
from embedkit.dicom.codecs.choice import CODECS, VARIABLE, Codecs
from embedkit.dicom.codecs.compiled import CompiledDecoder
from embedkit.dicom.frames import FrameReader
from embedkit.dicom.header import read_header
from embedkit.dicom.image_pixel import read_layout
from embedkit.dicom.pixel_data import NATIVE
from embedkit.dicom.silence import silence
from embedkit.errors import RejectedFile
from embedkit.labels import Vocabulary, read_labels
from embedkit.reasons import REASONS

Array = NDArray[Any]


def encode_frame(frame: Array, syntax: str, bits: int, **options: Any) -> bytes:
    """One frame (rows, columns[, 3]) in a compressed transfer syntax; signed frames as their two's complement bits."""
    number = syntax.rpartition(".")[2]
    unsigned = frame if frame.dtype.kind == "u" else (frame.view(f"u{frame.itemsize}") & ((1 << bits) - 1))
    if syntax == RLELossless:
        return encode_rle(frame)
    if number in {"57", "70"}:
        return bytes(
            imagecodecs.jpeg8_encode(unsigned, lossless=True, bitspersample=bits, **{"predictor": 1, **options})
        )
    if number in {"50", "51"}:
        return bytes(imagecodecs.jpeg8_encode(unsigned, bitspersample=bits, **{"level": 95, **options}))
    if number in {"80", "81"}:
        return bytes(imagecodecs.jpegls_encode(unsigned, **options))
    if number in {"90", "91"}:
        options = {"level": 0, "reversible": True, **options}
        return bytes(imagecodecs.jpeg2k_encode(frame, codecformat="j2k", bitspersample=bits, **options))
    return encode_htj2k(frame, bits, **options)


def encode_htj2k(frame: Array, bits: int, **options: Any) -> bytes:
    """HTJ2K of the true depth: the encoder knows 8 and 16 bits only, but signed values have no level shift.

    So values are encoded as signed, and then the depth and sign in the header (Ssiz) are put right.
    """
    offset = 0 if frame.dtype.kind == "i" else 1 << (bits - 1)
    levelled = (frame.astype(np.int32) - offset).astype(f"i{frame.itemsize}")
    encoded = bytearray(imagecodecs.htj2k_encode(levelled, **{"reversible": True, **options}))
    encoded[encoded.index(b"\xff\x4f\xff\x51") + 42] = (0x80 if frame.dtype.kind == "i" else 0) | (bits - 1)
    return bytes(encoded)


def encode_rle(frame: Array) -> bytes:
    samples = 1 if frame.ndim == 2 else frame.shape[2]
    encoded: bytes = RLELosslessEncoder.encode(
        frame.tobytes(),
        rows=frame.shape[0],
        columns=frame.shape[1],
        samples_per_pixel=samples,
        bits_allocated=8 * frame.itemsize,
        bits_stored=8 * frame.itemsize,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2" if samples == 1 else "RGB",
        planar_configuration=0,
        number_of_frames=1,
        encoding_plugin="pydicom",
    )
    return encoded


def make_dataset(frame: Array, bits: int, **attributes: Any) -> Dataset:
    """A DX header that fits one frame; `attributes` replace elements, None removes them."""
    dataset = Dataset()
    dataset.set_original_encoding(False, True)
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4", "1.2.3", "1.2.3.1"
    dataset.Modality, dataset.PatientName, dataset.PatientID = "DX", "CANARY^JANE", "CANARY-1"
    dataset.Rows, dataset.Columns = frame.shape[:2]
    dataset.SamplesPerPixel = 1 if frame.ndim == 2 else frame.shape[2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * frame.itemsize, bits, bits - 1
    dataset.PixelRepresentation = int(frame.dtype.kind == "i")
    dataset.PhotometricInterpretation = "MONOCHROME2" if frame.ndim == 2 else "RGB"
    for keyword, value in attributes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    return dataset


def make_dicom(
    frames: Array | list[Array],
    syntax: str = ExplicitVRLittleEndian,
    bits: int | None = None,
    *,
    encoded: list[bytes] | None = None,
    encode_options: dict[str, Any] | None = None,
    pixel_data: bytes | None = None,
    **attributes: Any,
) -> bytes:
    """A whole DICOM file; `encoded` and `pixel_data` replace what would be made of the frames."""
    frames = [frames] if isinstance(frames, np.ndarray) else frames
    bits = bits or 8 * frames[0].itemsize
    if len(frames) > 1:
        attributes = {"NumberOfFrames": len(frames), **attributes}
    dataset = make_dataset(frames[0], bits, **attributes)
    if pixel_data is None and syntax in NATIVE:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        pixel_data = b"".join(frame.astype(frame.dtype.newbyteorder(order)).tobytes() for frame in frames)
        pixel_data += b"\0" * (len(pixel_data) % 2)
    elif pixel_data is None:
        options = encode_options or {}
        pixel_data = encapsulate(encoded or [encode_frame(frame, syntax, bits, **options) for frame in frames])
    dataset.add_new("PixelData", "OB" if syntax not in NATIVE or frames[0].itemsize == 1 else "OW", pixel_data)
    dataset["PixelData"].is_undefined_length = syntax not in NATIVE
    return write_dicom(dataset, syntax)


def write_dicom(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID") or "1.2.3"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID") or "1.2.3"
    buffer = io.BytesIO()
    dcmwrite(
        buffer,
        dataset,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return buffer.getvalue()


def make_frame(bits: int, *, signed: bool = False, shape: tuple[int, int] = (61, 84), seed: int = 0) -> Array:
    """A smooth picture with noise that uses all `bits` bits, its extremes included."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    noise = np.random.default_rng(seed).normal(0, 0.01, shape)
    values = (np.sin(columns / 9) + np.cos(rows / 7) + 2) / 4 + noise
    whole = np.clip(np.rint(values * ((1 << bits) - 1)), 0, (1 << bits) - 1).astype(np.int64)
    whole[0, :2] = 0, (1 << bits) - 1
    size = 1 if bits <= 8 else 2 if bits <= 16 else 4
    return (whole - (1 << (bits - 1))).astype(f"i{size}") if signed else whole.astype(f"u{size}")


def read_stored(content: bytes, target_side: int | None = None) -> list[Array]:
    """The stored values of every frame of a file."""
    with silence():
        header = read_header(content, bare=False, max_inflated_bytes=1 << 28)
        layout = read_layout(header, max_pixel_bytes=1 << 28, max_frames=64)
        codecs = ReadingOptions().codecs
        return list(FrameReader(header, layout, target_side=target_side, max_frames=64, codecs=codecs))


def read_bytes(content: bytes, vocabulary: Vocabulary | None = None, **options: Any) -> ReadFile:
    """What `read_content` and `read_labels` make of a file; `options` are those of `ReadingOptions`."""
    read = read_content(FileContent(content, blake3(content).hexdigest()), ReadingOptions(**options))
    return read_labels(read, vocabulary)


def reason_of(content: bytes, **options: Any) -> str:
    """Why a file is rejected."""
    with pytest.raises(RejectedFile) as rejection:
        read_bytes(content, **options)
    assert rejection.value.reason in REASONS
    return rejection.value.reason


@pytest.fixture
def good() -> bytes:
    """A file without fault."""
    return make_dicom(make_frame(12), bits=12)


@pytest.fixture(params=CODECS)
def codecs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Codecs:
    """Read by ``fast`` codecs, our own from the first frame on, and again by ``library``."""
    monkeypatch.setenv(VARIABLE, request.param)
    monkeypatch.setattr(CompiledDecoder, "numba_is_there", True)
    chosen: Codecs = request.param
    return chosen


@pytest.fixture
def tools() -> Tools:
    return Tools()


class Tools:
    """What the tests of this room make files with."""

    dataset: Callable[..., Dataset] = staticmethod(make_dataset)
    dicom: Callable[..., bytes] = staticmethod(make_dicom)
    encode: Callable[..., bytes] = staticmethod(encode_frame)
    frame: Callable[..., Array] = staticmethod(make_frame)
    stored: Callable[..., list[Array]] = staticmethod(read_stored)
    write: Callable[..., bytes] = staticmethod(write_dicom)
    read: Callable[..., ReadFile] = staticmethod(read_bytes)
    reason: Callable[..., str] = staticmethod(reason_of)
