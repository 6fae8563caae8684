"""Tables of a report: one value, three forms. CSV for programs, Markdown and HTML for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from math import isnan

from embedkit.evaluation.intervals import Interval


@dataclass(frozen=True)
class Table:
    """Rows under `columns`, the first of which names the row; `name` is that of its file.

    A cell is a text, a count, a share of 1 (a float), or a share with its 95% interval.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def flat(self) -> tuple[list[str], list[list[object]]]:
        """Columns and rows for programs: an interval is three cells, shares are 0..1, "" stands for no number."""
        spread = [any(isinstance(row[place], Interval) for row in self.rows) for place in range(len(self.columns))]
        columns = [
            name
            for column, wide in zip(self.columns, spread, strict=True)
            for name in ((column, f"{column} low", f"{column} high") if wide else (column,))
        ]
        rows = [
            [value for cell, wide in zip(row, spread, strict=True) for value in _flatten(cell, wide)]
            for row in self.rows
        ]
        return columns, rows

    def records(self) -> list[dict[str, object]]:
        """The rows of `flat`, each by column."""
        columns, rows = self.flat()
        return [dict(zip(columns, row, strict=True)) for row in rows]


def as_text(cell: object) -> str:
    """A cell for people: 1,234; 97.7%; 97.7% (96.1 to 98.8)."""
    if isinstance(cell, Interval):
        return as_text(cell.value) + ("" if isnan(cell.value) else f" ({100 * cell.low:.1f} to {100 * cell.high:.1f})")
    if isinstance(cell, float):
        return "" if isnan(cell) else f"{cell:.1%}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def to_markdown(tables: Iterable[Table]) -> str:
    """Tables one after the other, each under its title."""
    return "\n".join(_draw_markdown(table) for table in tables)


def to_html(table: Table) -> str:
    """A table with its caption; every text is escaped."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "".join(f"<tr>{''.join(map(_draw_cell, row, range(len(row))))}</tr>" for row in table.rows)
    body = f'<div class="scroll" role="region" aria-label="{escape(table.title)}" tabindex="0"><table>'
    return (
        f"{body}<caption>{escape(table.title)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
        "</table></div>"
    )


def _flatten(cell: object, wide: bool) -> list[object]:
    values: list[object] = [cell.value, cell.low, cell.high] if isinstance(cell, Interval) else [cell]
    values += [""] * (2 if wide and len(values) == 1 else 0)
    return ["" if isinstance(value, float) and isnan(value) else value for value in values]


def _draw_markdown(table: Table) -> str:
    numeric = [all(not isinstance(row[place], str) for row in table.rows) for place in range(len(table.columns))]
    lines = [table.columns, ["---:" if right else "---" for right in numeric]]
    lines += [[as_text(cell) for cell in row] for row in table.rows]
    drawn = "\n".join(f"| {' | '.join(_plain(text) for text in line)} |" for line in lines)
    return f"## {_plain(table.title)}\n\n{drawn}\n"


def _plain(text: str) -> str:
    """A text that Markdown shows as it is."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#&" else char for char in " ".join(text.split()))


def _draw_cell(cell: object, place: int) -> str:
    text = escape(as_text(cell))
    if place == 0:
        return f'<th scope="row">{text}</th>'
    if isinstance(cell, str):
        return f"<td>{text}</td>"
    bar = _draw_bar(cell) if isinstance(cell, float) and not isnan(cell) else ""
    return f'<td class="n">{bar}{text}</td>'


def _draw_bar(share: float) -> str:
    """A bar beside a share; it says nothing that the number does not."""
    width = f"{60 * min(max(share, 0.0), 1.0):.1f}"
    return (
        '<svg class="bar" width="60" height="8" aria-hidden="true"><rect class="all" width="60" height="8"/>'
        f'<rect class="part" width="{width}" height="8"/></svg>'
    )
