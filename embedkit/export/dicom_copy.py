"""One DICOM file again, with another region.

A copy differs from its original in AnatomicRegionSequence and BodyPartExamined, in what says so (Original Attributes
Sequence, PS3.3 C.12.1.1.9), and in its preamble and file meta information, which are written anew. The other elements,
the pixels among them, are taken over as the bytes that they are, in the same transfer syntax.
"""

from __future__ import annotations

import re
import struct
import zlib
from datetime import datetime

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.sr.coding import Code
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, generate_uid

from embedkit.dicom.header import Header
from embedkit.dicom.silence import silence
from embedkit.errors import RejectedFile
from embedkit.export.coding import code_region
from embedkit.labels import Vocabulary
from embedkit.reasons import reject

_REGION = ("AnatomicRegionSequence", "BodyPartExamined", "PrimaryAnatomicStructureSequence")
"""What says which region it is. The last names a part of the first (PS3.3 10.5): it goes where that changes."""
_SHAPES = {"CS": re.compile(rb"[A-Z0-9_ ]{0,16}"), "UI": re.compile(rb"[0-9.]{0,64}")}
"""What values of the kinds that are replaced may be (PS3.5 6.2)."""
_PIXEL_DATA = (0x7FE0, 0x0010)


def correct(
    header: Header, instance: str, region: str, vocabulary: Vocabulary, moment: datetime, *, new_uids: bool = False
) -> bytes:
    """The bytes of a file like that of `header`, which is changed, with the region `region`.

    `instance` is the SOP Instance UID that the index has, which stands in for one that the header lacks. `moment` (UTC)
    is when that was. With `new_uids` the copy is an instance of its own that refers to its source.
    Raises RejectedFile: ``no-code`` where the vocabulary has no SNOMED CT code for the region, ``header-unreadable``.
    """
    code, known = code_region(region, vocabulary), vocabulary.region(region)
    if code is None or known is None:
        raise RejectedFile("no-code")
    try:
        with silence():
            changes = _region_elements(code, known.body_part)
            if new_uids:
                changes.update(_own_uids(header, instance, code))
            elif not header.uid("SOPInstanceUID"):
                changes.SOPInstanceUID = instance
            _replace(header, changes, moment.strftime("%Y%m%d%H%M%S.%f+0000"))
            return _encode(header)
    except MemoryError:
        raise
    except Exception as error:  # a value is decoded when it is looked at, and a damaged one raises almost anything
        raise reject("header-unreadable") from error


def _region_elements(code: Code, body_part: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    elements = Dataset()
    elements.AnatomicRegionSequence = [item]
    elements.BodyPartExamined = body_part
    return elements


def _own_uids(header: Header, image: str, code: Code) -> Dataset:
    """UIDs made from those of the original, so that they are the same each time, and the reference to it."""
    series = header.uid("SeriesInstanceUID") or image
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = header.uid("SOPClassUID"), image
    elements = Dataset()
    elements.SOPInstanceUID = generate_uid(entropy_srcs=["embedkit corrected image", image, code.value])
    elements.SeriesInstanceUID = generate_uid(entropy_srcs=["embedkit corrected series", series])
    elements.SourceImageSequence = [*header.items("SourceImageSequence"), source]
    return elements


def _replace(header: Header, changes: Dataset, when: str) -> None:
    """Put `changes` into a header, and what they replace into an item of its Original Attributes Sequence."""
    dataset = header.dataset
    prior, item, misfits = Dataset(), Dataset(), []
    for keyword in {*_REGION, *changes.dir()}:
        tag = Tag(keyword)
        if tag not in dataset:
            if keyword in changes:
                prior.add_new(tag, changes[keyword].VR, None)
            continue
        element = dataset.get_item(tag)
        del dataset[tag]
        vr = dictionary_VR(tag)
        if vr in _SHAPES and not _SHAPES[vr].fullmatch(_value_of(element)):
            misfits.append(_misfit(tag, element))
            prior.add_new(tag, vr, None)
        else:
            prior[tag] = element
    item.ModifiedAttributesSequence = [prior]
    if misfits:
        item.NonconformingModifiedAttributesSequence = misfits
    item.SourceOfPreviousValues = ""
    item.AttributeModificationDateTime = when
    item.ModifyingSystem = "embedkit"
    item.ReasonForTheAttributeModification = "CORRECT"
    earlier = header.items("OriginalAttributesSequence")
    dataset.update(changes)
    dataset.OriginalAttributesSequence = [*earlier, item]
    dataset.InstanceCoercionDateTime = when


def _misfit(tag: BaseTag, element: DataElement | RawDataElement) -> Dataset:
    """A value that breaks the rules of its kind, "knee_r" for one: it is kept as bytes."""
    item = Dataset()
    item.SelectorAttribute = tag
    item.NonconformingDataElementValue = _value_of(element)
    return item


def _value_of(element: DataElement | RawDataElement) -> bytes:
    value = element.value
    return (value if isinstance(value, bytes) else str(value or "").encode()).rstrip(b" \0")


def _encode(header: Header) -> bytes:
    """The file: a preamble of zeros, new file meta information, the header, and the rest as it was (PS3.10 7.1)."""
    syntax = UID(header.transfer_syntax)
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    write_dataset(file, header.dataset)
    body = b"".join((file.getvalue(), _pixel_head(header, file), bytes(header.pixels.value if header.pixels else b"")))
    if syntax == DeflatedExplicitVRLittleEndian:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)  # without a header (PS3.5 A.5)
        body = deflater.compress(body) + deflater.flush()
        body += bytes(len(body) % 2)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(header.uid("SOPClassUID"))
    meta.MediaStorageSOPInstanceUID = UID(header.uid("SOPInstanceUID"))
    meta.TransferSyntaxUID = syntax
    start = DicomBytesIO()
    start.is_implicit_VR, start.is_little_endian = False, True
    write_file_meta_info(start, meta, enforce_standard=True)
    return b"".join((bytes(128), b"DICM", start.getvalue(), body))


def _pixel_head(header: Header, file: DicomBytesIO) -> bytes:
    """Tag, kind and length of the Pixel Data element (PS3.5 7.1), whose value begins where its bytes were kept."""
    if header.pixels is None:
        return b""
    order = "<" if file.is_little_endian else ">"
    if file.is_implicit_VR:
        return struct.pack(f"{order}HHL", *_PIXEL_DATA, header.pixels.length)
    return struct.pack(f"{order}HH2sHL", *_PIXEL_DATA, header.pixels.vr.encode(), 0, header.pixels.length)
