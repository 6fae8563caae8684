"""Regions and verdicts as codes (PS3.3 section 8, PS3.16)."""

from __future__ import annotations

from functools import cache

from pydicom.sr.coding import Code

from embedkit.errors import UsageError
from embedkit.indexes import Index
from embedkit.labels import Vocabulary
from embedkit.labels.attribute import REGION

OWN_SCHEME = "99EMBEDKIT"
"""For what has no SNOMED CT code: verdicts, and regions of a site's own. "99" begins a local scheme (PS3.16 8.2)."""


def check_is_region(index: Index) -> None:
    """Raise UsageError ``not-the-region`` for an index whose labels are of another attribute: codes are of regions."""
    if index.attribute != REGION:
        raise UsageError("not-the-region", f"DICOM copies and reports are of regions, and not of {index.attribute}")


def code_region(name: str, vocabulary: Vocabulary) -> Code | None:
    """The first SNOMED CT code of a region, with the meaning that DICOM gives it; None where it has none."""
    region = vocabulary.region(name)
    if region is None or not region.sct:
        return None
    return Code(region.sct[0], "SCT", _meanings().get(region.sct[0], name.capitalize()))


@cache
def _meanings() -> dict[str, str]:
    """Meanings of the SNOMED CT codes in PS3.16, without the kind of concept behind them."""
    from pydicom.sr.codedict import codes  # noqa: PLC0415 (builds a large dictionary)

    found = (getattr(codes.SCT, word) for word in dir(codes.SCT))
    return {code.value: code.meaning.removesuffix(" (body structure)") for code in found if isinstance(code, Code)}
