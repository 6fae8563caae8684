"""The header facts that an index keeps (see `instance.InstanceFacts`); what names the patient is withheld."""

from __future__ import annotations

import hmac
import re

from embedkit.dicom.header import Header
from embedkit.dicom.identifiers import WITHHELD, Identifiers
from embedkit.dicom.instance import InstanceFacts
from embedkit.dicom.layout import PixelLayout
from embedkit.dicom.spelling import fold
from embedkit.dicom.views import coded_view

_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_SIDES = {
    *("l", "r", "b", "u", "lt", "rt", "lft", "rgt", "left", "right", "both", "bilateral", "bilat", "unpaired", "none"),
    *("li", "re", "links", "rechts", "beide", "beidseits", "bds", "gauche", "droit", "droite", "bilaterale", "g", "d"),
    *("izq", "der", "izquierda", "izquierdo", "derecha", "derecho", "sx", "dx", "sin", "sinistra", "sinistro"),
    *("destra", "destro", "esq", "dir", "esquerda", "esquerdo", "direita", "direito"),
    *("左", "右", "双侧", "両側", "좌측", "우측"),
}
"""Words that a side is named by, folded; the standard has L, R, B and U (PS3.3 C.7.3.1, C.8.11.5)."""


def read_facts(header: Header, layout: PixelLayout, *, patient_key: bytes) -> InstanceFacts:
    """Read the facts of one SOP instance, all but its label (`embedkit.labels`)."""
    identifiers = Identifiers(header.dataset)

    def kept(keyword: str, longest: int = 64) -> str:
        text = header.text(keyword, longest=1024)
        return WITHHELD if identifiers.occur_in(text) else text[:longest].strip()

    year = _YEAR.match(header.text("StudyDate"))
    return InstanceFacts(
        sop_instance_uid=header.uid("SOPInstanceUID"),
        study_instance_uid=header.uid("StudyInstanceUID"),
        series_instance_uid=header.uid("SeriesInstanceUID"),
        sop_class_uid=header.uid("SOPClassUID"),
        transfer_syntax_uid=header.transfer_syntax,
        modality=header.text("Modality", longest=16),
        patient=patient_hash(header, patient_key),
        view=kept("ViewPosition", 16) or coded_view(header),
        laterality=_side(kept("ImageLaterality", 16) or kept("Laterality", 16)),
        rows=layout.rows,
        columns=layout.columns,
        bits_stored=layout.bits_stored,
        frames=layout.frames,
        photometric=layout.photometric,
        device=" ".join(filter(None, (kept("Manufacturer"), kept("ManufacturerModelName")))),
        station=kept("StationName"),
        year=int(year[0]) if year else 0,
    )


def _side(text: str) -> str:
    """A side as it stands in the header; what names none is no side, and may be anybody's name."""
    return text if _SIDES.issuperset(fold(text).split()) else WITHHELD


def patient_hash(header: Header, key: bytes) -> str:
    """32 hex digits of HMAC-SHA256 under `key` of issuer, a zero byte, and Patient ID; "" where there is no id."""
    patient_id = header.identifier("PatientID")
    return hash_patient(header.identifier("IssuerOfPatientID"), patient_id, key) if patient_id else ""


def hash_patient(issuer: str, patient_id: str, key: bytes) -> str:
    """32 hex digits that stand for a patient, and tell nothing about them without the key."""
    return hmac.digest(key, f"{issuer}\0{patient_id}".encode(), "sha256").hex()[:32]
