"""A synthetic PACS dump with planted faults, to try everything on: DICOM files, and the truth about them.

folder/dump/     nested folders, several transfer syntaxes, labels spelt as in the field, two broken files
folder/truth.csv what is really in each file: never an input of anything but a score
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TypeVar

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    generate_uid,
)

from embedkit.demo.anatomy import REGIONS
from embedkit.demo.drawing import draw_radiograph
from embedkit.dicom.silence import silence
from embedkit.errors import UsageError
from embedkit.labels.vocabulary import Vocabulary

Grey = NDArray[np.uint8]
T = TypeVar("T")

_CR, _DX = UID("1.2.840.10008.5.1.4.1.1.1"), UID("1.2.840.10008.5.1.4.1.1.1.1")
_ENCODERS: dict[
    UID, Callable[[NDArray[np.uint16]], bytes | bytearray]
] = {  # of 12-bit pixels; the other syntaxes hold them as they are
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEG2000Lossless: lambda pixels: imagecodecs.jpeg2k_encode(
        pixels, codecformat="j2k", level=0, reversible=True, bitspersample=12
    ),
    JPEGLosslessSV1: lambda pixels: imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=12),
}
_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, *_ENCODERS)
_BODY_PARTS = {  # spellings of BodyPartExamined as they are met, the defined term first
    "clavicle": ("CLAVICLE", "Clavicula", "CLAV LT"),
    "shoulder": ("SHOULDER", "Schulter", "SHOULDER RT"),
    "skull": ("SKULL", "HEAD", "Schaedel"),
    "rib": ("RIB", "RIBS", "Rippen li"),
    "elbow": ("ELBOW", "elbow", "ELLENBOGEN RE"),
    "knee": ("KNEE", "knee_r", "KNIE LI"),
    "wrist": ("WRIST", "HANDGELENK", "Poignet"),
    "hand": ("HAND", "HAND LT", "hand_r"),
    "foot": ("FOOT", "FOOT_LT", "Fuss re"),
    "ankle": ("ANKLE", "OSG", "Ankle RT"),
    "pelvis/hip": ("PELVIS", "HIP", "BECKEN"),
    "cervical spine": ("CSPINE", "C SPINE", "HWS"),
    "thoracic spine": ("TSPINE", "T-SPINE", "BWS"),
    "lumbar spine": ("LSPINE", "L SPINE LAT", "LWS"),
}


@dataclass(frozen=True)
class DemoImage:
    """The truth about one file of the dump."""

    sop_instance_uid: str
    path: str
    """Relative to the dump."""
    true_region: str
    """A region, or "other" where the file shows no radiograph of one."""
    given_region: str
    """What the header says; "" where it says nothing."""
    issue: str
    """`none`, `mislabel`, `missing`, `out_of_domain`, `unusable` or `duplicate`."""
    group: str
    """The patient."""


def write_demo_dump(folder: Path, images: int = 280, seed: int = 0, noise: float = 0.06) -> list[DemoImage]:
    """Write a dump of `images` DICOM files and two broken ones into `folder`, and return the truth about them.

    A share `noise` of the files gets the label of another region; 4% have no label, 3% show something else, 1% are
    blank, and 2% repeat an earlier image under a new UID. Raises `UsageError` where the folder already holds a dump.
    """
    dump = folder / "dump"
    try:
        dump.mkdir(parents=True)
    except OSError as error:
        raise UsageError("demo-folder", f"a demo dump cannot be made in {folder}: {error.strerror}") from error
    writer = _DumpWriter(dump, seed, noise)
    truth = [writer.write_image(number) for number in range(images)]
    _write_broken_files(dump)
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(field.name for field in fields(DemoImage))
        table.writerows(astuple(image) for image in truth)
    return truth


class _DumpWriter:
    """Writes one image after the other; remembers the last good one, to repeat it."""

    def __init__(self, dump: Path, seed: int, noise: float) -> None:
        self._dump = dump
        self._seed = seed
        self._noise = noise
        self._rng = np.random.default_rng(seed)
        self._vocabulary = Vocabulary.load()
        self._last: tuple[Grey, str, str] | None = None

    def write_image(self, number: int) -> DemoImage:
        """Two images a patient, both of one region; the regions take turns."""
        region = given = tuple(REGIONS)[number // 2 % len(REGIONS)]
        group = f"demo-{number // 2:04d}"
        issue = self._pick_issue()
        if issue == "duplicate" and self._last is not None:
            grey, region, group = self._last
            given = region
        else:
            grey = draw_radiograph(region, self._rng)
        if issue == "mislabel":
            given = _pick(self._rng, [other for other in REGIONS if other != region])
        elif issue == "missing":
            given = ""
        elif issue == "out_of_domain":
            grey, region = _draw_phantom(grey.shape, self._rng), "other"
        elif issue == "unusable":
            grey = np.full_like(grey, _pick(self._rng, [2, 252]))
        elif issue == "none":
            self._last = (grey, region, group)
            grey = _scan(grey, self._rng) if self._rng.random() < 0.15 else grey
        uid = str(generate_uid(entropy_srcs=["embedkit demo", str(self._seed), str(number)]))
        path = Path(f"PAT{number // 8:04d}", f"ST{number % 8}", f"IM{number:05d}" + _pick(self._rng, ["", ".dcm"]))
        self._save(grey, uid, given, group, path)
        return DemoImage(uid, path.as_posix(), region, given, issue, group)

    def _pick_issue(self) -> str:
        shares = {"mislabel": self._noise, "missing": 0.04, "out_of_domain": 0.03, "duplicate": 0.02, "unusable": 0.01}
        roll = self._rng.random()
        for issue, share in shares.items():
            if roll < share and not (issue == "duplicate" and self._last is None):
                return issue
            roll -= share
        return "none"

    def _save(self, grey: Grey, uid: str, given: str, group: str, path: Path) -> None:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = _pick(self._rng, (_CR, _DX))
        meta.MediaStorageSOPInstanceUID = UID(uid)
        meta.TransferSyntaxUID = _pick(self._rng, _SYNTAXES)
        ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        with silence():  # misspelt labels are the point
            ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, uid
            ds.Modality = "CR" if meta.MediaStorageSOPClassUID == _CR else "DX"
            ds.PatientName, ds.PatientID, ds.PatientBirthDate = "DEMO^PATIENT", group, "19700101"
            ds.StudyInstanceUID = generate_uid(entropy_srcs=["embedkit demo study", group])
            ds.SeriesInstanceUID = generate_uid(entropy_srcs=["embedkit demo series", uid])
            ds.StudyDate, ds.StudyDescription, ds.InstanceNumber = "20240601", "XR", 1
            self._put_label(ds, given)
            self._put_pixels(ds, grey)
            target = self._dump / path
            target.parent.mkdir(parents=True, exist_ok=True)
            ds.save_as(target, enforce_file_format=True)

    def _put_label(self, ds: Dataset, given: str) -> None:
        """Most labels stand in BodyPartExamined, some in a code, some in a description."""
        roll = self._rng.random()
        if not given:
            return
        if roll < 0.8:
            ds.BodyPartExamined = _pick(self._rng, _BODY_PARTS[given])
        elif roll < 0.9:
            region = next(region for region in self._vocabulary.regions if region.name == given)
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = region.sct[0], "SCT", given.capitalize()
            ds.AnatomicRegionSequence = [item]
        else:
            ds.SeriesDescription = f"{_BODY_PARTS[given][0]} AP"

    def _put_pixels(self, ds: Dataset, grey: Grey) -> None:
        """Twelve bits, some of them MONOCHROME1, some with a window."""
        inverted = self._rng.random() < 0.15
        pixels = grey.astype(np.uint16) * 16 + self._rng.integers(0, 16, grey.shape, np.uint16)
        pixels = 4095 - pixels if inverted else pixels
        ds.Rows, ds.Columns = pixels.shape
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1" if inverted else "MONOCHROME2"
        if self._rng.random() < 0.5:
            ds.WindowCenter, ds.WindowWidth = 2048, 4096
        encode = _ENCODERS.get(ds.file_meta.TransferSyntaxUID)
        ds.PixelData = encapsulate([bytes(encode(pixels))]) if encode else pixels.tobytes()
        ds["PixelData"].VR = "OB" if encode else "OW"


def _pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _scan(grey: Grey, rng: np.random.Generator) -> Grey:
    """A film in a white frame, laid askew on the scanner."""
    pad = int(rng.integers(8, 30))
    framed = cv2.copyMakeBorder(grey, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=[245])
    height, width = framed.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-12, 12), 1.0)
    return np.asarray(cv2.warpAffine(framed, turn, (width, height), borderValue=[250]), np.uint8)


def _draw_phantom(shape: tuple[int, ...], rng: np.random.Generator) -> Grey:
    """A page of text, or the grid of a test phantom: no radiograph of a patient."""
    page = np.full(shape, _pick(rng, (15, 225)), np.uint8)
    ink = [240 - int(page[0, 0])]
    if rng.random() < 0.5:
        for y in range(30, shape[0], 26):
            text = "".join(_pick(rng, "abcdefghi mnop rstu") for _ in range(rng.integers(8, 30)))
            cv2.putText(page, text, (16, y), cv2.FONT_HERSHEY_SIMPLEX, 0.55, ink, 1, cv2.LINE_AA)
    else:
        step = int(rng.integers(22, 50))
        page[::step] = page[:, ::step] = ink
        for radius in range(step, min(shape) // 2, step):
            cv2.circle(page, (shape[1] // 2, shape[0] // 2), radius, ink, 1, cv2.LINE_AA)
    return page


def _write_broken_files(dump: Path) -> None:
    """What a walk over a real dump meets and must survive."""
    folder = dump / "MISC"
    folder.mkdir()
    whole = next(path for path in sorted(dump.rglob("IM*")) if path.is_file()).read_bytes()
    (folder / "truncated.dcm").write_bytes(whole[:200])
    (folder / "notes.txt").write_text("scanner log\n", encoding="utf-8")
