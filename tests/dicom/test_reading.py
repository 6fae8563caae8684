"""Every kind of file, by content; what is required of it; every reason."""

from __future__ import annotations

import io
import os
import random
import re
import struct
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from blake3 import blake3
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from embedkit.dicom import ReadingOptions, load_content, read_file
from embedkit.dicom.kinds import FileKind, kind_of
from embedkit.errors import RejectedFile
from embedkit.reasons import NOTES, REASONS
from embedkit.sources import FoundFile, find_files

pytestmark = pytest.mark.usefixtures("codecs")

DEFLATED, LITTLE, IMPLICIT = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
RLE, BIG = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.2"
CT = "1.2.840.10008.5.1.4.1.1.2"
REPOSITORY = Path(__file__).parents[2]


def test_reasons_and_notes_are_documented():
    text = (REPOSITORY / "docs" / "reading.md").read_text()
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
    assert documented == set(REASONS) | set(NOTES)


def test_the_code_uses_every_reason_and_no_other():
    rooms = (REPOSITORY / "embedkit" / room for room in ("workers", "sources", "dicom", "labels"))
    text = "".join(module.read_text() for room in rooms for module in room.rglob("*.py"))
    used = set(re.findall(r"reject\(\"([a-z-]+)\"", text))
    assert used <= set(REASONS)
    assert [code for code in REASONS | NOTES if f'"{code}"' not in text] == []
    assert all(sentence.endswith(".") for sentence in (REASONS | NOTES).values())


def test_a_good_file(tools, good):
    result = tools.read(good)
    assert result.content_blake3 == blake3(good).hexdigest()
    assert result.notes == ()
    (frame,) = result.frames
    assert frame.dtype == np.uint8
    assert frame.shape == (61, 84)
    assert frame.min() == 0
    assert frame.max() == 255


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\0" * 128 + b"DICM", FileKind.DICOM),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, FileKind.PNG),
        (b"\xff\xd8\xff\xe0" + b"\0" * 20, FileKind.JPEG),
        (b"II*\0" + b"\0" * 20, FileKind.TIFF),
        (b"MM\0*" + b"\0" * 20, FileKind.TIFF),
        (b"scanner log\n", FileKind.OTHER),
        (b"", FileKind.OTHER),
        (b"\x08\0\x05\0", FileKind.OTHER),
        (b"\x08\0\x05\0" + b"\xff" * 60, FileKind.OTHER),
    ],
)
def test_kinds_are_told_by_content(content, expected):
    assert kind_of(content) is expected


@pytest.mark.parametrize("syntax", [LITTLE, IMPLICIT])
@pytest.mark.parametrize("with_meta", [True, False])
def test_dicom_without_preamble(tools, syntax, with_meta):
    frame = tools.frame(12)
    content = tools.dicom(frame, syntax, 12)
    start = 132 if with_meta else 144 + struct.unpack_from("<L", content, 140)[0]
    bare = tools.read(content[start:])
    assert bare.notes == ("no-preamble",)
    np.testing.assert_array_equal(bare.frames[0], tools.read(content).frames[0])


@pytest.mark.parametrize("magic", [b"MZ", b"\x7fELF", b"#!/bin/sh\n"])
def test_a_program_in_the_preamble_is_noted(tools, good, magic):
    polyglot = tools.read(magic + good[len(magic) :])
    assert polyglot.notes == ("executable-preamble",)
    np.testing.assert_array_equal(polyglot.frames[0], tools.read(good).frames[0])


def test_a_tiff_in_the_preamble_does_not_hide_the_dicom_file(tools, good):
    assert tools.read(b"II*\0" + good[4:]).facts.modality == "DX"


def test_dicomdir_is_not_followed(tools, good):
    dataset = dcmread(io.BytesIO(good))
    dataset.SOPClassUID = "1.2.840.10008.1.3.10"
    assert tools.reason(tools.write(dataset)) == "dicomdir"


@pytest.mark.parametrize("missing", ["Rows", "Columns", "BitsAllocated"])
def test_required_values(tools, missing):
    assert tools.reason(tools.dicom(tools.frame(12), bits=12, **{missing: None})) == "header-incomplete"


NO_UIDS = ["", "1.2.three", "CANARY^JANE", "1" * 65, "1.2." * 17 + "1", "../../etc/passwd", "9a5094b2563a1ef3ff50", "7"]


@pytest.mark.parametrize("uid", [None, *NO_UIDS])
def test_an_instance_without_uid_gets_one_of_its_content(tools, uid):
    frames = [tools.frame(12, seed=seed) for seed in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, second = (tools.dicom(frame, bits=12, SOPInstanceUID=uid) for frame in frames)
        pages = tools.dicom(frames, bits=12, SOPInstanceUID=uid)
    read = tools.read(first)
    assert read.notes == ("made-uid",)
    assert read.facts.sop_instance_uid == f"2.25.{int(blake3(first).hexdigest()[:32], 16)}"
    assert UID(read.facts.sop_instance_uid).is_valid
    np.testing.assert_array_equal(read.frames[0], tools.read(tools.dicom(frames[0], bits=12)).frames[0])
    assert tools.read(second).facts.sop_instance_uid != read.facts.sop_instance_uid
    assert tools.read(pages).facts.image_id(2) == f"{tools.read(pages).facts.sop_instance_uid}#2"


@pytest.mark.parametrize("keyword", ["study_instance_uid", "series_instance_uid"])
@pytest.mark.parametrize("uid", NO_UIDS)
def test_uids_have_the_shape_of_uids(tools, uid, keyword):
    name = "".join(word.title() for word in keyword.split("_")[:2]) + "UID"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = tools.dicom(tools.frame(8), **{name: uid})
    assert getattr(tools.read(content).facts, keyword) == ""


@pytest.mark.parametrize("length", [0, 100, 133, 140, 160, 200, 330, 400, 500])
def test_a_header_cut_short(tools, good, length):
    assert len(good) > 2000
    assert tools.reason(good[:length]) in {"not-an-image", "header-incomplete", "header-unreadable"}


def test_a_header_cut_between_two_elements(tools, good):
    assert tools.reason(good[: good.index(b"\xe0\x7f\x10\x00")]) == "header-incomplete"


def test_noise_behind_the_prefix(tools):
    for seed in range(20):
        assert tools.reason(b"\0" * 128 + b"DICM" + random.Random(seed).randbytes(4000)).startswith("header-")


@pytest.mark.parametrize(
    ("sop_class", "modality"), [("1.2.840.10008.5.1.4.1.1.88.11", "SR"), ("1.2.840.10008.5.1.4.1.1.11.1", "PR")]
)
def test_objects_without_picture(tools, sop_class, modality):
    dataset = tools.dataset(tools.frame(8), 8, SOPClassUID=sop_class, Modality=modality, Rows=None, Columns=None)
    assert tools.reason(tools.write(dataset)) == "no-pixel-data"


def test_modalities(tools):
    frame = tools.frame(8)
    computed = tools.dicom(frame, SOPClassUID=CT, Modality="CT")
    assert tools.reason(computed) == "other-modality"
    assert tools.read(computed, modalities=frozenset({"CT"})).facts.modality == "CT"
    assert tools.read(tools.dicom(frame, Modality="RG")).facts.modality == "RG"
    assert tools.read(tools.dicom(frame, Modality="")).facts.modality == ""
    assert tools.reason(tools.dicom(frame, Modality="", SOPClassUID=CT)) == "other-modality"


def test_load_content(tmp_path, good):
    path = tmp_path / "file"
    path.write_bytes(good)
    (found,) = find_files([path])
    content = load_content(found, ReadingOptions())
    assert (content.data, content.blake3) == (good, blake3(good).hexdigest())
    assert read_file(found, ReadingOptions()).content_blake3 == content.blake3


def test_files_that_cannot_be_loaded(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(bytes(100))
    (tmp_path / "link").symlink_to(tmp_path / "large")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    expected = {
        "empty": "empty-file",
        "large": "file-too-large",
        "link": "unreadable",
        "folder": "not-a-regular-file",
        "pipe": "not-a-regular-file",
        "absent": "unreadable",
    }
    for name, code in expected.items():  # as if each had become that since the walk
        with pytest.raises(RejectedFile) as rejection:
            load_content(FoundFile(tmp_path / name), ReadingOptions(max_file_bytes=50))
        assert (name, rejection.value.reason) == (name, code)
    with pytest.raises(RejectedFile) as rejection:
        load_content(FoundFile(tmp_path / "large", reason="unreadable"), ReadingOptions())
    assert rejection.value.reason == "unreadable"


def look_up_table(entries: np.ndarray, first: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS", [len(entries), first, 16])
    item.add_new("LUTData", "US", entries.tolist())
    return item


@pytest.mark.parametrize("table", ["VOILUTSequence", "ModalityLUTSequence", ""])
def test_the_encoding_of_the_header_does_not_change_the_picture(tools, table):
    frame = tools.frame(12, signed=True)
    elements = {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": -2048, "RescaleIntercept": -3}
    elements |= {table: [look_up_table(np.arange(4000) ** 2 // 300, -2000)]} if table else {}
    shown = [
        tools.read(tools.dicom(frame, syntax, 12, **elements)) for syntax in (LITTLE, IMPLICIT, BIG, DEFLATED, RLE)
    ]
    for other in shown[1:]:
        np.testing.assert_array_equal(other.frames[0], shown[0].frames[0])
    assert len(np.unique(shown[0].frames[0])) > 200


def test_real_radiographs_are_the_same_in_every_lossless_syntax(tools, real_data):
    for path in sorted((real_data / "fracatlas").glob("*.jpg"))[:2]:
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 16
        noisy = picture + np.random.default_rng(0).integers(0, 16, picture.shape).astype(np.uint16)
        for number in ("1.99", "5", "4.57", "4.70", "4.80", "4.90", "4.201"):
            content = tools.dicom(noisy, f"1.2.840.10008.1.2.{number}", 12)
            np.testing.assert_array_equal(tools.stored(content)[0], noisy)
            assert tools.read(content).frames[0].shape == noisy.shape


def test_large_pictures_are_reduced(tools):
    frame = tools.frame(8, shape=(1300, 900))
    assert tools.read(tools.dicom(frame)).frames[0].shape == (650, 450)
    assert tools.read(tools.dicom(frame), target_side=None).frames[0].shape == (1300, 900)
