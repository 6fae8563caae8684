"""A small archive with decisions: a file of each kind of transfer syntax and label, and the index of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from embedkit.dicom.silence import silence
from embedkit.indexes import EmbedSettings, Index, embed
from embedkit.review import Decisions

from ..dicom.conftest import make_dicom
from ..indexes.conftest import TinyEncoder

CANARY = "CANARY^JANE"
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
)
LABELS: tuple[dict[str, Any], ...] = (
    {"BodyPartExamined": "KNEE"},
    {"BodyPartExamined": "knee_r"},
    {"SeriesDescription": "Knee AP"},
    {},
)


@dataclass(frozen=True)
class Archive:
    """Where it all is."""

    folder: Path

    @property
    def dump(self) -> Path:
        return self.folder / "dump"

    @property
    def index(self) -> Index:
        return Index.open(self.folder / "index")

    def decide(self, uid: str, verdict: str, region: str = "", reviewer: str = "anna", note: str = "") -> None:
        index = self.index
        row = index.find(uid)
        prior = "" if row is None else index.images["region"][row].as_py()
        with Decisions.open(index.path) as decisions:
            decisions.record(uid, reviewer, verdict, region=region, prior=prior, note=note)


def coded(code: str, scheme: str = "SRT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, scheme, "Knee"
    return item


def write_file(
    path: Path, number: int, syntax: str = ExplicitVRLittleEndian, frames: int = 1, **attributes: Any
) -> str:
    """Write a DICOM file of a study of its own, and return its UID."""
    uid = f"1.2.3.{number}"
    pictures = [_picture(10 * number + frame) for frame in range(frames)]
    identity = {"SOPInstanceUID": uid, "StudyInstanceUID": f"1.2.4.{number}", "SeriesInstanceUID": f"1.2.5.{number}"}
    attributes = {"DataSetTrailingPadding": b"\0\0after pixels", "PatientBirthDate": "19700101"} | attributes
    path.parent.mkdir(parents=True, exist_ok=True)
    with silence():  # misspelt labels are the point
        path.write_bytes(make_dicom(pictures, syntax, 12, **(identity | attributes)))
    return uid


def write_archive(folder: Path) -> Archive:
    """A file 1.2.3.N of each syntax, N from 1, with the labels in turns; then those of a special kind."""
    archive = Archive(folder)
    for number, syntax in enumerate(SYNTAXES, start=1):
        write_file(archive.dump / f"IM{number}", number, syntax, **LABELS[(number - 1) % len(LABELS)])
    write_file(archive.dump / "coded", 20, AnatomicRegionSequence=[coded("T-D9200")])
    for number in (30, 31):
        write_file(archive.dump / f"frames{number}", number, frames=2, BodyPartExamined="KNEE")
    polyglot = archive.dump / "polyglot"
    write_file(polyglot, 40, BodyPartExamined="KNEE")
    polyglot.write_bytes(b"MZ" + polyglot.read_bytes()[2:])
    cv2.imwrite(str(archive.dump / "plain.png"), _picture(50).astype(np.uint8))
    embed([archive.dump], folder / "index", encoders=[TinyEncoder()], settings=EmbedSettings(workers=1))
    return archive


def _picture(seed: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    rng = np.random.default_rng(seed)
    grey = cv2.resize(rng.integers(100, 4000, (6, 6), np.uint16), (64, 48), interpolation=cv2.INTER_CUBIC)
    return np.clip(grey, 0, 4095).astype(np.uint16)
