"""Results that are tables: a sequence of rows, and what Arrow and pandas make of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_type_hints

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Row = TypeVar("Row")


class Table(list[Row]):
    """Rows in order, each a dataclass of `row_type`, whose fields are the columns."""

    __slots__ = ()
    row_type: ClassVar[type]

    def to_arrow(self) -> pa.Table:
        """Return the same as an Arrow table; the columns are there where there is no row, too."""
        import pyarrow as pa  # noqa: PLC0415 (takes long to import, and few rows need none)

        arrow = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
        columns: dict[str, list[Any]] = {field.name: [] for field in dataclasses.fields(self.row_type)}
        for row in self:
            for name, values in columns.items():
                values.append(getattr(row, name))
        kinds = get_type_hints(self.row_type)
        return pa.table({name: pa.array(values, arrow[kinds[name]]) for name, values in columns.items()})

    def to_pandas(self) -> pd.DataFrame:
        """Return the same as a pandas data frame."""
        return self.to_arrow().to_pandas()
