"""Values of a header: those that are read without pydicom's objects are the same as with them."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.filereader import read_dataset

from embedkit.dicom.header import Header
from embedkit.dicom.silence import silence

KEYWORDS = {"CS": "Modality", "DS": "WindowCenter", "UI": "SOPInstanceUID", "US": "Rows"}
LIKELY = st.sampled_from(
    [b"CR", b"1.2.840", b"12", b" 1.5e3 ", b"\\", b"\0", b" ", b"-7", b"\x01\x02", b"nan", b"\xe9"]
)


def read_element(keyword: str, value: bytes, *, implicit: bool, little: bool) -> Header:
    order, tag = "<" if little else ">", tag_for_keyword(keyword)
    assert tag
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    vr = dictionary_VR(tag).encode()
    head += struct.pack("<L", len(value)) if implicit else vr + struct.pack(f"{order}H", len(value))
    return Header(read_dataset(io.BytesIO(head + value), implicit, little), "", None, cut_short=False)


@pytest.mark.parametrize("vr", KEYWORDS)
@settings(max_examples=200, deadline=None)
@given(value=st.one_of(st.lists(LIKELY, max_size=4).map(b"".join), st.binary(max_size=9)), order=st.integers(0, 2))
def test_plain_values_are_those_of_pydicom(vr: str, value: bytes, order: int) -> None:
    value += b" " * (len(value) % 2 if vr != "US" else 0)
    if vr == "CS" and (not value.isascii() or b"\x1b" in value):
        return  # read in the likeliest character set, see test_characters
    keyword = KEYWORDS[vr]
    with silence():
        quick, slow = (read_element(keyword, value, implicit=order == 0, little=order < 2) for _ in range(2))
        try:
            expected = slow.dataset[keyword].value  # from now on it is no raw element
        except Exception:
            expected = ""
        if vr == "DS":  # pydicom refuses what it cannot take for a number, and infinite ones at the end
            assert quick.numbers(keyword) == slow.numbers(keyword)
            return
        if vr not in {"CS", "UI"} or b"\\" not in value:  # of several values pydicom strips each or the last
            assert quick.text(keyword) == (slow.text(keyword) if expected != "" else "")
        if vr != "UI":  # pydicom strips control characters, too
            assert quick.numbers(keyword) == slow.numbers(keyword)
            assert quick.integer(keyword, 7) == slow.integer(keyword, 7)
        assert quick.uid(keyword) == slow.uid(keyword)
