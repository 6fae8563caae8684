"""Columns as people have them: lists, and arrays, columns and tables of NumPy, pandas, polars or Arrow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError

Names = list[str | int]
"""One value an image: its text, or a whole number as int; "" where it is missing."""

WRITTEN_MISSING = frozenset({"nan", "NaN", "NaT", "None", "<NA>"})
"""What NumPy and pandas write for a missing value where they make a column text."""
_CONVERSIONS = ("to_pylist", "to_list", "tolist")
"""How columns of Arrow, of pandas and polars, and of NumPy hand over their values."""


def read_names(column: object, argument: str, missing: Collection[str] = WRITTEN_MISSING) -> Names:
    """Read text or whole numbers, one an image.

    Missing are None, NaN, NaT, NA, masked values, blank text, and the words of `missing`. Raises UsageError
    ``bad-ARGUMENT`` for values of another kind, and for what is not flat: a single value, a table, a ragged list.
    """
    return [_read_name(value, argument, missing) for value in _list_values(column, argument)]


def read_name(value: object, argument: str) -> str | int:
    """Read a single value as `read_names` does; no word means that it is missing."""
    return _read_name(value, argument, ())


def _list_values(column: object, argument: str) -> list[Any]:
    """The values of a flat column; which of them are text is not looked at."""
    convert = next((getattr(column, how) for how in _CONVERSIONS if hasattr(column, how)), None)
    if convert is not None and not isinstance(column, np.generic):
        values = convert()
    elif isinstance(column, Sequence) and not isinstance(column, str | bytes):
        values = list(column)
    else:
        values = None
    if not isinstance(values, list) or (isinstance(column, np.ndarray) and column.dtype.kind in "mM"):
        raise UsageError(
            f"bad-{argument}", f"{argument} must be a flat sequence of text or whole numbers, one an image"
        )
    return values


def _read_name(value: object, argument: str, missing: Collection[str]) -> str | int:
    if isinstance(value, str):
        return "" if value in missing or not value.strip() else str(value)
    if _is_missing(value):
        return ""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    raise UsageError(f"bad-{argument}", f"{argument} must be text or whole numbers, one an image")


def _is_missing(value: object) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 (NaN and NaT are not themselves)
    except TypeError:  # pandas.NA is neither equal to itself nor not
        return True
    except ValueError:  # an array among the values
        return False


def name_columns(table: object) -> list[str] | None:
    """The names of a table's columns; None where there are none: arrays, and the numbers that pandas puts in."""
    columns = getattr(table, "column_names", None)  # of Arrow, whose `columns` are the values
    columns = getattr(table, "columns", None) if columns is None else columns
    if columns is None or type(columns).__name__ == "RangeIndex":
        return None
    return [str(read_name(name, "probabilities")) for name in columns]


def read_table(table: object) -> npt.NDArray[Any]:
    """Read numbers, (N, D), from a table, an array, or a column of vectors; raises ValueError where they are none.

    Shape and dtype are those of the input; of objects the dtype is float64.
    """
    try:
        numbers = np.asarray(table)
        if numbers.dtype == object and numbers.ndim == 1:
            numbers = np.array([np.asarray(row, dtype=np.float64) for row in numbers])
        elif numbers.dtype == object:
            numbers = numbers.astype(np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError("not a table of numbers") from None
    if numbers.dtype.kind not in "fiu":
        raise ValueError("not a table of numbers")
    return numbers
