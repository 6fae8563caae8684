"""The bits of a codestream, and how numba compiles what reads them: what the compiled decoders share.

Signed and unsigned numbers are never mixed, for numba would make floating point of them; indices are unsigned, for it
would make room for negative ones. What numba keeps of a decoder holds a copy of this, and is compiled anew only where
the decoder's own file changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])
U: Any = np.uint64
I: Any = np.int64  # noqa: E741


def compiled(function: Function) -> Function:
    """Compile for the types of the first call, and keep that where numba keeps it.

    Raises
    ------
    RuntimeError
        Where there is no place to keep it, or where numba is told not to compile.
    """
    if getattr(numba.config, "DISABLE_JIT", 0):
        raise RuntimeError("uncompiled, it would take minutes")
    return cast("Function", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """Compile as a part of whatever calls it: a call for each pixel takes long, and counts references to arrays."""
    return cast("Function", numba.njit(inline="always")(function))


@compiled
def unstuff(data: Any, words: Any, start: int, stream: Any, least: int, kept: int) -> int:
    """Take out what follows each byte of ones to tell it from a marker, from byte `start` up to the End of Image.

    Parameters
    ----------
    data, words : uint8 (n,), uint64 (n // 8,)
        The bytes, and the same as little-endian words.
    stream : uint64 (n // 8 + 4,)
        Takes the bits, the first one highest, and a word of zeros behind them.
    least, kept : int
        After a byte of ones: the least byte that makes a marker of it, and how many bits count of others, the lowest.

    Returns
    -------
    int
        The number of bits, or -1 where another marker comes first, or none.

    Notes
    -----
    Indices: `position` is held against `data.size` before each look at `data`, and for a word of `words` so is its last
    byte. A byte adds 8 bits at most, so `place` is at most n // 8, and `stream` has room for three words more.
    """
    filled, rest, place, position = U(0), U(0), U(0), U(start)
    after_ones = False
    while True:
        if not after_ones and position & U(7) == U(0) and position + U(8) <= U(data.size):
            word = words[position >> U(3)]
            if (~word - U(0x0101010101010101)) & word & U(0x8080808080808080) == U(0):  # none is 0xFF
                word = _swapped(word)
                stream[place] = rest | (word >> filled)
                rest = (word << U(1)) << (U(63) - filled)
                place += U(1)
                position += U(8)
                continue
        if position >= U(data.size):
            return -1
        byte = U(data[position])
        position += U(1)
        if after_ones and byte >= U(least):
            while byte == U(0xFF) and position < U(data.size):  # fill bytes, T.81 B.1.1.2
                byte = U(data[position])
                position += U(1)
            stream[place], stream[place + U(1)] = rest, U(0)
            return I(place * U(64) + filled) - 8 if byte == U(0xD9) else -1
        bits = U(kept) if after_ones else U(8)
        after_ones = byte == U(0xFF)
        rest |= ((byte << U(56)) << (U(8) - bits)) >> filled
        filled += bits
        if filled >= U(64):
            filled -= U(64)
            stream[place] = rest
            rest = (byte << U(1)) << (U(63) - filled)
            place += U(1)


@compiled
def _swapped(word: Any) -> Any:
    word = ((word & U(0x00FF00FF00FF00FF)) << U(8)) | ((word >> U(8)) & U(0x00FF00FF00FF00FF))
    word = ((word & U(0x0000FFFF0000FFFF)) << U(16)) | ((word >> U(16)) & U(0x0000FFFF0000FFFF))
    return (word << U(32)) | (word >> U(32))


@compiled
def look_ahead(stream: Any, position: Any) -> Any:
    """The 64 bits from bit `position` on.

    Indices: every caller sees to it that `position` is no greater than the number of bits; behind the word that holds
    the last of them, `unstuff` has left one more.
    """
    word, bit = position >> U(6), position & U(63)
    return (stream[word] << bit) | ((stream[word + U(1)] >> U(1)) >> (U(63) - bit))
