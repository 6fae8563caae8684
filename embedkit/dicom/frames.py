"""From the Pixel Data element to grey stored values, frame by frame, at the size that is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRBigEndian, RLELossless

from embedkit.dicom.codecs.choice import Codecs
from embedkit.dicom.codecs.codestreams import (
    CODINGS,
    LOSSY_2000,
    SYNTAXES,
    Codestream,
    complete_jpeg_2000,
    is_exact,
    read_codestream,
    unbox,
    with_end,
)
from embedkit.dicom.codecs.dispatch import decode_codestream, decode_slowly
from embedkit.dicom.codecs.jpeg_2000 import has_planes
from embedkit.dicom.codecs.missing_rows import check_rows
from embedkit.dicom.codecs.native import decode_native
from embedkit.dicom.codecs.rle import decode_rle
from embedkit.dicom.codecs.wanted import Wanted
from embedkit.dicom.colours import colours_to_grey, palette_to_grey
from embedkit.dicom.header import Header
from embedkit.dicom.layout import PixelLayout, take_stored_values
from embedkit.dicom.pixel_data import Encoding, PixelData, find_frames
from embedkit.dicom.reduction import reduce_size
from embedkit.errors import RejectedFile
from embedkit.reasons import reject
from embedkit.workers.memory import check_memory

Array = NDArray[np.integer]

MAX_REDUCTION = 32
"""JPEG 2000 usually has five decomposition levels."""

GREY_STEPS = 1024
"""Steps that must be left of a grey scale which is shown in 256."""

_COUNTED_BY_ROWS = frozenset({"jpeg", "jpeg-lossless"})


class FrameReader:
    """The frames of one file.

    While they are read, `notes` (codes of `reasons.NOTES`) fills, and `layout` becomes what a codestream says where the
    header contradicts it.
    """

    def __init__(
        self,
        header: Header,
        layout: PixelLayout,
        *,
        target_side: int | None = None,
        padding: tuple[int, int] | None = None,
        grey_scale: float = 0,
        max_frames: int = 1,
        max_pixel_bytes: int = 1 << 29,
        codecs: Codecs = "fast",
    ) -> None:
        self.notes: dict[str, None] = {}
        self.layout = layout
        self._header = header
        self._declared = CODINGS.get(header.transfer_syntax)
        self._target_side = target_side
        self._padding = padding
        self._grey_scale = grey_scale
        self._max_frames = max_frames
        self._max_pixel_bytes = max_pixel_bytes
        self._codecs = codecs
        self._count = layout.frames

    def __iter__(self) -> Iterator[Array]:
        """Yield each frame as integers (rows, columns), its longer side reduced to no less than `target_side`.

        A frame whose stream ends early has fewer rows than the others. Means are of stored values, never of palette
        indices, and none mixes pixels with padding.

        Raises
        ------
        RejectedFile
            ``truncated``, ``too-many-frames``, ``too-many-pixels``, ``unsupported-transfer-syntax``,
            ``unsupported-pixels`` or ``decode-failed``.
        """
        found = self._find()
        for frame in found.frames:
            decoded = self._decode(frame, found.encoding)
            self._count_rows(decoded)
            yield self._finish(decoded)

    def _find(self) -> PixelData:
        if self._header.pixels is None:
            raise reject("no-pixel-data")
        found = find_frames(self._header.pixels, self.layout, self._header.transfer_syntax)
        if not found.as_declared:
            self.notes["encoding-differs"] = None
        if len(found.frames) != self.layout.frames:
            self.notes["frame-count-differs"] = None
        if found.cut_short:
            self._check_cut(found.encoding)
        self._count = len(found.frames)
        self._check_limits()
        return found

    def _check_cut(self, encoding: Encoding) -> None:
        """Of a file that ends within a frame, only a JPEG's rows can be told from what is missing (`cut_short`)."""
        if encoding != "codestream" or self.layout.frames > 1:
            raise reject("truncated")
        self.notes["cut-short"] = None

    def _check_limits(self) -> None:
        if self._count > min(self._max_frames, self._max_pixel_bytes // self.layout.frame_bytes):
            raise reject("too-many-frames" if self._count > 1 else "too-many-pixels")

    def _decode(self, frame: bytes | memoryview, encoding: Encoding) -> Array:
        if encoding == "native":
            big_endian = self._header.transfer_syntax == ExplicitVRBigEndian
            return decode_native(memoryview(frame), self.layout, big_endian=big_endian)
        return self._decode_rle(frame) if encoding == "rle" else self._decode_codestream(unbox(bytes(frame)))

    def _decode_rle(self, frame: bytes | memoryview) -> Array:
        try:
            decoded = decode_rle(frame, self.layout)
        except (RejectedFile, MemoryError):
            raise
        except Exception:
            decoded = self._decode_again(bytes(frame), RLELossless)
        return take_stored_values(decoded, self.layout, self.layout.bits_allocated)

    def _decode_codestream(self, frame: bytes) -> Array:
        stream = read_codestream(frame)
        self._compare(stream)
        if "cut-short" in self.notes and stream.coding not in _COUNTED_BY_ROWS:
            raise reject("truncated")
        if stream.coding in {"jpeg-2000", "htj2k"}:
            frame = complete_jpeg_2000(frame)
        elif stream.coding == "jpeg-ls":
            frame = with_end(frame)
        reduction, planes = self._reduction(stream), self._spare_planes(stream)
        # A codestream may have fewer levels than usual, and a picture use a small part of its grey scale.
        for attempt in dict.fromkeys(((reduction, planes), (reduction, 0), (1, 0))):
            try:
                return self._decode_fast(frame, stream, *attempt)
            except (RejectedFile, MemoryError):
                raise
            except Exception:  # noqa: S112 (what a codec raises is its own affair: the next one tries)
                continue
        check_memory(self.layout.frame_bytes)
        if stream.coding == "jpeg-ls":  # other decoders than CharLS make up what is missing
            raise reject("decode-failed")
        syntax = self._header.transfer_syntax
        decoded = self._decode_again(frame, syntax if stream.coding == self._declared else SYNTAXES[stream.coding])
        return self._take_stored(decoded, frame, stream)

    def _compare(self, stream: Codestream) -> None:
        """Believe a codestream where the header contradicts it, within the limits: it is what a decoder allocates."""
        layout = self.layout
        if not stream.is_image:
            raise reject("decode-failed")
        if self._declared is not None and stream.coding != self._declared:
            self.notes["encoding-differs"] = None
        if (stream.rows, stream.columns) == (layout.rows, layout.columns) and stream.bits <= layout.bits_allocated:
            return
        self.notes["codestream-differs"] = None
        self.layout = replace(layout, rows=stream.rows, columns=stream.columns)
        if stream.bits > layout.bits_allocated:
            allocated, stored = 16 if stream.bits <= 16 else 32, stream.bits
            self.layout = replace(self.layout, bits_allocated=allocated, bits_stored=stored, high_bit=stored - 1)
        self._check_limits()

    def _decode_fast(self, frame: bytes, stream: Codestream, reduction: int, planes: int) -> Array:
        wanted = Wanted(reduction, planes, self.layout.photometric, self._codecs)
        decoded = decode_codestream(frame, stream, wanted)
        if planes and _middle_spread(decoded) < GREY_STEPS // 4 << planes:
            raise ValueError("too few greys would be left")
        return self._take_stored(decoded, frame, stream)

    def _take_stored(self, decoded: Array, frame: bytes, stream: Codestream) -> Array:
        layout = self.layout
        if stream.bits <= layout.bits_stored and (stream.signed or not layout.signed):
            return decoded
        exact = self._header.transfer_syntax not in LOSSY_2000 and is_exact(frame, stream)
        overshoots = not exact and stream.signed == layout.signed  # else the values are bit patterns, not numbers
        return take_stored_values(decoded, layout, stream.bits, overshoots=overshoots)

    def _decode_again(self, frame: bytes, syntax: str) -> Array:
        try:
            decoded = decode_slowly(frame, self.layout, syntax)
        except MemoryError:
            raise
        except Exception as error:
            check_memory(self.layout.frame_bytes)
            raise reject("decode-failed") from error
        self.notes["second-decoder"] = None
        return decoded

    def _count_rows(self, decoded: Array) -> None:
        """Note a frame, at full size or reduced, whose stream ends early; turn it away where most is missing."""
        rows = -(-self.layout.rows // round(self.layout.columns / decoded.shape[1]))
        check_rows(decoded.shape[0], rows)
        if decoded.shape[0] < rows:
            self.notes["cut-short"] = None

    def _reduction(self, stream: Codestream) -> int:
        """The power of two by which a codec may reduce; 1 where indices, padding or other bits would be mixed."""
        if self._target_side is None or self._padding is not None or self.layout.photometric == "PALETTE COLOR":
            return 1
        other_bits = stream.bits > self.layout.bits_stored or (self.layout.signed and not stream.signed)
        if other_bits and stream.coding != "jpeg":  # no cosine transform keeps them
            return 1
        longer, reduction = max(self.layout.rows, self.layout.columns), 1
        while reduction < MAX_REDUCTION and longer // (2 * reduction) >= self._target_side:
            reduction *= 2
        return reduction

    def _spare_planes(self, stream: Codestream) -> int:
        """The lowest bit-planes without which `GREY_STEPS` are left of the grey scale; 0 where each value counts."""
        if self._target_side is None or self._padding is not None or not has_planes(stream, self._codecs):
            return 0
        steps = min(self._grey_scale, 1 << min(self.layout.bits_stored, stream.bits)) / GREY_STEPS
        return int(math.log2(steps)) if steps >= 1 else 0

    def _finish(self, decoded: Array) -> Array:
        if self.layout.photometric == "PALETTE COLOR":
            decoded = palette_to_grey(decoded, self._header)
        elif decoded.ndim == 3:
            decoded = colours_to_grey(decoded, self.layout.photometric)
        return decoded if self._target_side is None else reduce_size(decoded, self._target_side, self._padding)


def _middle_spread(stored: Array) -> int:
    """The difference of the stored values between which the middle 99% of the pixels lie, by a sample of them."""
    sample = np.sort(stored.ravel()[:: max(1, stored.size >> 14)])
    return int(sample[-1 - len(sample) // 200]) - int(sample[len(sample) // 200])
