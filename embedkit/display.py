"""How far long work is, shown on stderr: a bar in a terminal or a notebook, else a line now and then for a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from embedkit.progress import Advance, OnProgress, ignore_progress

_LINE_EVERY_S = 10.0
_DRAW_EVERY_S = 0.2
_WIDTH = 24
"""Characters of the bar in a notebook."""


def shown(on_progress: OnProgress | bool) -> AbstractContextManager[OnProgress]:
    """Return what to tell how far the work is: `on_progress` itself, or a display for True, or nobody for False."""
    if on_progress is True:
        return show_stages()
    return nullcontext(on_progress or ignore_progress)


@contextmanager
def show_stages() -> Iterator[OnProgress]:
    """Show work in several stages, one after the other."""
    with ExitStack() as display:
        current: list[tuple[str, Advance]] = []

        def tell(stage: str, done: int, total: int | None, detail: str = "") -> None:
            if not current or current[0][0] != stage:
                display.close()
                current[:] = [(stage, display.enter_context(show_progress(stage)))]
            current[0][1](done, total, detail)

        yield tell


def show_progress(title: str) -> AbstractContextManager[Advance]:
    """Show work in one stage, with the time that is left."""
    if sys.stderr.isatty():
        return _show_in_terminal(title)
    return _show_in_notebook(title) if _in_notebook() else nullcontext(_Lines(title))


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which shows what is written over a line."""
    ipython = sys.modules.get("IPython")
    return hasattr(ipython.get_ipython(), "kernel") if ipython else False


@contextmanager
def _show_in_terminal(title: str) -> Iterator[Advance]:
    from rich.console import Console  # noqa: PLC0415 (takes a tenth of a second)
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[detail]}"))
    with Progress(*columns, *times, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None, detail="")

        def advance(done: int, total: int | None, detail: str = "") -> None:
            bars.update(task, completed=done, total=total, detail=detail)

        yield advance


@contextmanager
def _show_in_notebook(title: str) -> Iterator[Advance]:
    """Draw a bar of characters: those of rich and tqdm need ipywidgets in a notebook."""
    start, drawn, length = time.monotonic(), 0.0, 0
    latest: tuple[int, int | None, str] = (0, None, "")

    def draw() -> None:
        nonlocal length
        done, total, detail = latest
        filled = min(_WIDTH, _WIDTH * done // total) if total else 0
        share = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {done:,}/{total:,}" if total else f"{done:,}"
        text = f"{title} {share} {time.monotonic() - start:.0f} s {detail}".rstrip()
        sys.stderr.write(f"\r{text.ljust(length)}")
        sys.stderr.flush()
        length = len(text)

    def advance(done: int, total: int | None, detail: str = "") -> None:
        nonlocal drawn, latest
        latest = (done, total, detail)
        if time.monotonic() - drawn >= _DRAW_EVERY_S:
            draw()
            drawn = time.monotonic()

    try:
        yield advance
    finally:
        draw()
        sys.stderr.write("\n")


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
