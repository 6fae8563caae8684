"""Decoders of our own that numba compiles: when a process loads one, and when it does without.

To load the first takes a process 0.4 s, nearly all of it for numba; to compile one takes 2 s, once for an installation
(and for each worker that begins before the first has kept the result). So one is loaded only where a process has met
some frames for it, for where some are, more will be; and it is used only where the result can be kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.codecs.codestreams import Codestream
from embedkit.workers.sandbox import unhurried

WORTH_LOADING = 32 << 20
"""Pixels that a process leaves to the other decoder of a coding first: five full-size frames, two hundred small ones.
One of JPEG-LS gains 7 ns by ours, one of JPEG Lossless 2 to 3."""


@dataclass
class CompiledDecoder:
    """The compiled decoder of this process for one coding: not wanted yet, there, or not to be had."""

    numba_is_there: ClassVar[bool] = False
    """True once the process has loaded one: another then takes 0.01 s to load, and is worth it at once."""
    read_scan: Callable[[bytes, Codestream], Any]
    """Reads the markers before the bits; None where they ask for more than the kernel can."""
    decode_scan: Callable[[ModuleType, bytes, Any], NDArray[np.integer] | None]
    """Decodes what `read_scan` found; None where the stream is none that an encoder writes."""
    load: Callable[[], ModuleType]
    """Imports the kernel and has all of it compiled, or found where numba keeps it."""
    pixels: int = field(default=0, init=False)
    kernel: ModuleType | None = field(default=None, init=False)
    tried: bool = field(default=False, init=False)

    def decode(self, frame: bytes, stream: Codestream) -> NDArray[np.integer] | None:
        """Decode a frame to unsigned integers (rows, columns), as the other decoder does; None where that one shall."""
        scan = self.read_scan(frame, stream) if _is_grey(stream) else None
        kernel = self.find(stream) if scan else None
        return self.decode_scan(kernel, frame, scan) if kernel and scan else None

    def find(self, stream: Codestream) -> ModuleType | None:
        """The kernel for a frame; None where the other decoder takes it."""
        self.pixels += stream.rows * stream.columns
        if not self.tried and (self.numba_is_there or self.pixels > WORTH_LOADING):
            self.tried = True
            self.kernel = self._try()
            CompiledDecoder.numba_is_there |= self.kernel is not None
        return self.kernel

    def _try(self) -> ModuleType | None:
        if sys.byteorder != "little":
            return None
        try:
            with unhurried():
                return self.load()
        except Exception:  # no place to keep it, a full disk, a numba that is too old or too new: all is read without
            return None


def _is_grey(stream: Codestream) -> bool:
    """True for frames that a compiled decoder may take: of one component of 2 to 16 bits."""
    return stream.samples == 1 and 2 <= stream.bits <= 16


def unstuff(kernel: ModuleType, frame: bytes, start: int, *, least: int, kept: int) -> tuple[NDArray[np.uint64], int]:
    """The bits of a scan from byte `start` on, and how many they are: see `bit_stream.unstuff`."""
    data, words = np.frombuffer(frame, np.uint8), np.frombuffer(frame, np.uint64, len(frame) // 8)
    stream = np.empty(len(frame) // 8 + 4, np.uint64)
    return stream, kernel.unstuff(data, words, start, stream, least, kept)
