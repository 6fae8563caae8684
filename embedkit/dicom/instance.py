"""What is known of one file after it was read: facts that may be stored, or the reason why it was rejected."""

from __future__ import annotations

from dataclasses import dataclass


def make_uid(content_blake3: str) -> str:
    """The SOP Instance UID of an image that has none, from its content: one made of a UUID (PS3.5 B.2)."""
    return f"2.25.{int(content_blake3[:32], 16)}"


@dataclass(frozen=True)
class InstanceFacts:
    """The header facts of one SOP instance (or plain picture) that an index keeps.

    Nothing here names a patient: `patient` is a keyed hash. Text is "" and numbers are 0 where a header is silent.
    """

    sop_instance_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_class_uid: str = ""
    transfer_syntax_uid: str = ""
    modality: str = ""
    patient: str = ""
    """HMAC-SHA256 of issuer and PatientID under the index's key, 32 hex digits; "" where the file has no id."""
    region: str = ""
    """The region of the vocabulary that the label maps to; "" where there is no label or it cannot be mapped."""
    given: str = ""
    """The label as it stands in the file, verbatim (a code's meaning, BodyPartExamined, a matched pattern)."""
    region_source: str = ""
    """Where the label stands, see `labels.Label.source`."""
    view: str = ""
    laterality: str = ""
    rows: int = 0
    columns: int = 0
    bits_stored: int = 0
    frames: int = 1
    photometric: str = ""
    device: str = ""
    station: str = ""
    year: int = 0
    header_texts: str = ""
    """What labels are read from, as JSON (see `labels.texts`)."""

    def image_id(self, frame: int) -> str:
        """The name of one frame, from 1: the SOP Instance UID, with the frame behind it where there are several."""
        return f"{self.sop_instance_uid}#{frame}" if frame and self.frames > 1 else self.sop_instance_uid
