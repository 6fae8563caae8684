"""What a command says: results on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.progress import Advance, OnProgress, ignore_progress

if TYPE_CHECKING:
    from embedkit.indexes import Index

_LINE_EVERY_S = 10.0
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

    @contextmanager
    def progress(self, title: str) -> Iterator[Advance]:
        """A display with the time that is left: a bar on a terminal, else a line now and then."""
        if self.quiet:
            yield ignore_progress
        elif sys.stderr.isatty():
            with _bar(title) as advance:
                yield advance
        else:
            yield _Lines(title)

    @contextmanager
    def stages(self) -> Iterator[OnProgress]:
        """A display for work in several stages."""
        with ExitStack() as shown:
            current: list[tuple[str, Advance]] = []

            def tell(stage: str, done: int, total: int | None, detail: str = "") -> None:
                if not current or current[0][0] != stage:
                    shown.close()
                    current[:] = [(stage, shown.enter_context(self.progress(stage)))]
                current[0][1](done, total, detail)

            yield tell


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else "".join(c if c.isprintable() else "?" for c in str(value))


@contextmanager
def _bar(title: str) -> Iterator[Advance]:
    from rich.console import Console as Rich
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[detail]}"))
    with Progress(*columns, *times, console=Rich(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None, detail="")

        def advance(done: int, total: int | None, detail: str = "") -> None:
            bars.update(task, completed=done, total=total, detail=detail)

        yield advance


class _Lines:
    """Progress where there is no terminal: a line every ten seconds, for a log."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = self._last = time.monotonic()
        self._done_before: int | None = None

    def __call__(self, done: int, total: int | None, detail: str = "") -> None:
        now = time.monotonic()
        if self._done_before is None:
            self._done_before = done - 1  # by an earlier run, which this one goes on from
        if now - self._last < _LINE_EVERY_S:
            return
        self._last = now
        rate = (done - self._done_before) / (now - self._start)
        left = f" of {total:,}, {(total - done) / rate / 60:.1f} min left" if total and rate else ""
        sys.stderr.write(f"{self._title}: {done:,}{left}, {rate:.1f}/s {detail}\n")
