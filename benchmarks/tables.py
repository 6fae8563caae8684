"""Rows of text as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def draw_table(rows: Sequence[Mapping[str, str]]) -> str:
    """The columns are those of the first row; all rows have them."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (rows[0], *(row.values() for row in rows))]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
