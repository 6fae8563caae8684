"""The standard streams as they may be: closed, a pipe that nobody reads any more, or of an encoding that lacks letters.

A command does its job and says with its exit code how it went, whatever becomes of its words.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


class _Pipe(io.FileIO):
    """A stream's file. When the reader has gone (`| head`), what is written is dropped."""

    _lost = False

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
        """Write `data`; return its length also where nobody reads it. Another error is raised once."""
        if self._lost:
            return len(data)
        try:
            return super().write(data)
        except BrokenPipeError:
            self._lost = True
        except OSError as error:
            self._lost = True
            raise OSError(error.errno, error.strerror, "standard output or error") from error
        return len(data)


def prepare_streams() -> None:
    """Make standard output and error safe to write to; call it before any other file is opened.

    Closed ones become the null device: else the next file to be opened, a database say, would get their number, and
    what some library prints would be written into it. Characters that the encoding lacks are written as escapes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    sys.stdout, sys.stderr = _wrap(1, sys.stdout), _wrap(2, sys.stderr)


def _wrap(number: int, stream: TextIO | None) -> TextIO:
    """A text stream to a file descriptor, like `stream`, which is None where it was closed when Python started."""
    encoding = "utf-8" if stream is None else stream.encoding
    buffered = io.BufferedWriter(_Pipe(number, "w", closefd=False))  # type: ignore[type-var]
    live = number == 2 or buffered.isatty()
    return io.TextIOWrapper(buffered, encoding, "backslashreplace", line_buffering=live)
