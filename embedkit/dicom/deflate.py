"""Deflated data sets (PS3.5 A.5), inflated no further than a limit."""

from __future__ import annotations

import imagecodecs

from embedkit.reasons import reject


def inflate(deflated: bytes, limit: int) -> bytes:
    """Inflate a raw deflate stream (PS3.5 A.5), or one in a zlib wrapper, into at most `limit` bytes."""
    if _has_zlib_wrapper(deflated):
        try:
            return _inflate_stream(deflated, limit, raw=False)
        except imagecodecs.DeflateError:
            pass  # the first two bytes were like that by chance
    return _inflate_stream(deflated, limit, raw=True)


def _has_zlib_wrapper(deflated: bytes) -> bool:
    """Whether two bytes are there as RFC 1950 2.2 has them: method 8, and a check."""
    return deflated[:1] != b"" and deflated[0] & 15 == 8 and int.from_bytes(deflated[:2]) % 31 == 0


def _inflate_stream(deflated: bytes, limit: int, *, raw: bool) -> bytes:
    size = min(limit, 4 * len(deflated) + 65536)
    while True:
        try:
            return bytes(imagecodecs.deflate_decode(deflated, raw=raw, out=size))
        except imagecodecs.DeflateError as error:
            if "INSUFFICIENT_SPACE" not in str(error):
                raise
            if size == limit:
                raise reject("header-too-large") from error
        size = min(limit, 4 * size)
