"""Columns of Arrow: the same as pyarrow's own, whatever is in them and however they are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.indexes import columns

TEXT = st.text(st.characters(codec="utf-8"), max_size=5)


@given(st.lists(TEXT), st.lists(st.binary(max_size=5)), st.lists(st.lists(TEXT, max_size=3)), st.lists(st.booleans()))
def test_columns_are_those_of_pyarrow(
    texts: list[str], binaries: list[bytes], lists: list[list[str]], flags: list[bool]
) -> None:
    for column, own in (
        (columns.texts(texts), pa.array(texts, pa.string())),
        (columns.binaries(binaries), pa.array(binaries, pa.binary())),
        (columns.text_lists(lists), pa.array(lists, pa.list_(pa.string()))),
        (columns.flags(np.array(flags, bool)), pa.array(flags, pa.bool_())),
    ):
        column.validate(full=True)
        assert column.equals(own)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.float32])
def test_numbers_are_those_of_pyarrow(kind: Any) -> None:
    values = np.arange(24).astype(kind).reshape(6, 4)
    assert columns.numbers(values[:, 1]).equals(pa.array(values[:, 1].copy()))
    assert columns.number_lists(values).equals(pa.array(values.tolist(), pa.list_(pa.from_numpy_dtype(kind), 4)))
    assert columns.numbers(values[:0, 0]).equals(pa.array(values[:0, 0]))


@given(st.lists(st.lists(st.integers(-9, 9)), max_size=4), st.integers(0, 9), st.integers(0, 9))
def test_values_come_back_from_any_pieces(pieces: list[list[int]], start: int, length: int) -> None:
    values = pa.chunked_array([pa.array(piece, pa.int64()) for piece in pieces], pa.int64()).slice(start, length)
    positive = pa.chunked_array([pa.array([v > 0 for v in piece], pa.bool_()) for piece in pieces], pa.bool_())
    expected = [value for piece in pieces for value in piece][start : start + length]
    assert columns.to_numbers(values, np.int64).tolist() == expected
    assert columns.to_flags(positive.slice(start, length)).tolist() == [value > 0 for value in expected]
    assert columns.whole(values).to_pylist() == expected


def test_text_that_arrow_cannot_hold_is_refused() -> None:
    class Long(bytes):
        def __len__(self) -> int:
            return 1 << 30

    with pytest.raises(OverflowError):
        columns.binaries([Long(), Long()])
    with pytest.raises(UnicodeEncodeError):
        columns.texts(["\ud800"])
