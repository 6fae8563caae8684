"""What a command says: results on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.display import show_progress, shown
from embedkit.progress import Advance, OnProgress, ignore_progress

if TYPE_CHECKING:
    from embedkit.indexes import Index

_NO_LIMIT = 10_000
"""Columns of a table that goes to a file or a pipe: no value may be broken there."""


@dataclass(frozen=True)
class Console:
    """Where a command's words go, by its `--json` and `--quiet`."""

    as_json: bool = False
    quiet: bool = False
    index_notes: list[str] = field(default_factory=list)
    """What was found wrong with the index so far; `document` says it under this name too."""

    def open_index(self, path: Path) -> Index:
        """Open an index; what is found wrong with it is said when it comes up."""
        from embedkit.indexes import Index

        def tell(note: str) -> None:
            self.index_notes.append(note)
            self.note(note)

        return Index.open(path, on_note=tell)

    def document(self, document: dict[str, Any]) -> None:
        """With `--json`: the one document on stdout."""
        if self.as_json:
            document = document | ({"index_notes": self.index_notes} if self.index_notes else {})
            readable = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
            sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=not readable) + "\n")

    def line(self, text: str = "") -> None:
        """A line of the result, for people."""
        if not self.as_json:
            sys.stdout.write(f"{text}\n")

    def flush(self) -> None:
        """Hand over what was said so far, where the command will go on for long."""
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """A line beside the result."""
        if not self.quiet:
            sys.stderr.write(f"{text}\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
        """A table of the result, for people; numbers are set right."""
        if self.as_json:
            return
        from rich import box
        from rich.console import Console as Rich
        from rich.table import Table
        from rich.text import Text

        cells = [[_cell(value) for value in row] for row in rows]
        table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
        for number, column in enumerate(columns):
            right = bool(cells) and all(not row[number] or row[number][0].isdigit() for row in cells)
            table.add_column(column, justify="right" if right else "left", overflow="fold")
        for row in cells:
            table.add_row(*(Text(cell) for cell in row))
        Rich(file=sys.stdout, width=None if sys.stdout.isatty() else _NO_LIMIT).print(table)

    def progress(self, title: str) -> AbstractContextManager[Advance]:
        """A display with the time that is left: a bar on a terminal, else a line now and then."""
        return nullcontext(ignore_progress) if self.quiet else show_progress(title)

    def stages(self) -> AbstractContextManager[OnProgress]:
        """A display for work in several stages."""
        return shown(not self.quiet)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else "".join(c if c.isprintable() else "?" for c in str(value))
