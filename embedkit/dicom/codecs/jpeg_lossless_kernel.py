"""What numba compiles to decode JPEG Lossless (ITU-T T.81 Annex H): one component, as `jpeg_lossless` hands it over.

Where a code begins is known when the one before has been looked up, so code by code a processor mostly waits for the
table. Therefore four stretches of the stream are decoded at once, three of them from a bit at which perhaps no code
begins. Such a guess soon falls into step with the true codes, and what it made before is made again (`_join`).

Every index is bounded whatever the stream says, and nothing checks it while a frame is decoded: each docstring says
what keeps those of its function inside ("Indices"), and the fuzz tests run with numba's checks on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from embedkit.dicom.codecs.bit_stream import I, U, compiled, inlined, look_ahead, unstuff

__all__ = ["LONG", "decode", "predict", "unstuff"]

STRETCH = 65520
"""Bits: a multiple of 1 to 10, so that in a flat area, where codes are of one length, all stretches are in step."""
LOOKS = STRETCH // 4 + 2
"""The most that a stretch takes, of four codes each, and the place where they end."""
LONG = 1 << 15
"""Marks what the table of short codes leaves to the other."""


@compiled
def _decode_one(bits: Any, codes: Any) -> tuple[Any, Any]:
    """The length of the code that comes first, or 0 where none is, and the difference (H.1.2.2, F.2.2.3).

    Indices: 16 bits look up a table of 65,536.
    """
    code = U(codes[bits >> U(48)])
    length, size = code & U(31), code >> U(5)
    if size == U(16) or length == U(0):
        return length, U(32768)
    extra = ((bits << length) >> U(1)) >> (U(63) - size)
    negative = U(((extra << U(1)) >> size) == U(0))
    return length + size, extra - ((U(1) << size) - U(1)) * negative


@inlined
def _decode_long(stream: Any, stop: Any, position: Any, codes: Any, values: Any, place: Any, faults: Any) -> Any:
    """As `_decode_four`, whatever their lengths; where there is no code, go on at the next bit.

    Indices: as there; `place` is below 16 * LOOKS, so there is one of four `faults`.
    """
    for index in range(4):
        length, values[place + U(index)] = _decode_one(look_ahead(stream, min(position, stop)), codes)
        if length == U(0) and position < stop:
            faults[place // U(4 * LOOKS)] = place % U(4 * LOOKS) + U(4)
        position += max(length, U(1))
    return position


@inlined
def _decode_four(
    stream: Any, stop: Any, position: Any, codes: Any, short: Any, shift: Any, values: Any, place: Any, faults: Any
) -> Any:
    """Four differences, to `values` from `place` on; the position behind them.

    Indices: the stream is looked at no farther than `stop`; 64 - `shift` bits look up `short`, which has 2 to the power
    of those. Four codes take four bits at least, which is what bounds `place` (`_decode_stretches`).
    """
    bits = look_ahead(stream, min(position, stop))
    a = U(short[bits >> shift])
    bits <<= a & U(63)
    b = U(short[bits >> shift])
    bits <<= b & U(63)
    c = U(short[bits >> shift])
    bits <<= c & U(63)
    d = U(short[bits >> shift])
    values[place], values[place + U(1)] = a >> U(16), b >> U(16)
    values[place + U(2)], values[place + U(3)] = c >> U(16), d >> U(16)
    if (a | b | c | d) & U(LONG) == U(0):
        return position + ((a + b + c + d) & U(255))
    return _decode_long(stream, stop, position, codes, values, place, faults)


@compiled
def _decode_stretches(
    stream: Any, stop: Any, start: Any, codes: Any, short: Any, shift: Any, values: Any, starts: Any, faults: Any
) -> Any:
    """Decode four stretches from bit `start` on until all have come to their end, or beyond; how many looks that took.

    What begins at bit `stop` or behind it is of no use: a stretch comes so far only where another one has more codes.
    Of each stretch `values` takes 4 * LOOKS differences, `starts` LOOKS positions, of each look and behind the last,
    and `faults` how many differences there were when last there was no code.

    Indices: all stretches go on for as long as one of them has not come to its end, and the slowest does after
    STRETCH / 4 looks, for each takes four bits at least. So `look` is at most LOOKS - 3 in the loop, LOOKS - 2 behind.
    """
    a, b, c, d = start, start + U(STRETCH), start + U(2 * STRETCH), start + U(3 * STRETCH)
    after_a, after_b, after_c, after_d = b, c, d, d + U(STRETCH)
    faults[0] = faults[1] = faults[2] = faults[3] = 0
    look = U(0)
    while a < after_a or b < after_b or c < after_c or d < after_d:
        starts[look], starts[look + U(LOOKS)] = a, b
        starts[look + U(2 * LOOKS)], starts[look + U(3 * LOOKS)] = c, d
        place = U(4) * look
        a = _decode_four(stream, stop, a, codes, short, shift, values, place, faults)
        b = _decode_four(stream, stop, b, codes, short, shift, values, place + U(4 * LOOKS), faults)
        c = _decode_four(stream, stop, c, codes, short, shift, values, place + U(8 * LOOKS), faults)
        d = _decode_four(stream, stop, d, codes, short, shift, values, place + U(12 * LOOKS), faults)
        look += U(1)
    starts[look], starts[look + U(LOOKS)] = a, b
    starts[look + U(2 * LOOKS)], starts[look + U(3 * LOOKS)] = c, d
    return look


@compiled
def _join(
    stream: Any, position: Any, limit: Any, codes: Any, values: Any, starts: Any, fault: Any, joined: Any, filled: Any
) -> tuple[Any, Any]:
    """Decode from a true position code by code, until a stretch is in step: the rest is taken from there.

    `values`, `starts` and `fault` are those of the stretch, `limit` is its end, `joined` takes the differences. Returns
    the position and how many there are; or position 0 where there is no code, or no room.

    Indices: `limit` is before the `stop` of the stretches, and the stream goes on behind it. `look` is at most `last`,
    the place of the last of `starts`, and `values` has four for each before it. `filled` is held against the size of
    `joined` before anything is stored, for all that is taken over at once.
    """
    look, last = U(0), U(starts.size - 1)
    while position < limit:
        while look < last and starts[look] < position:
            look += U(1)
        if look < last and starts[look] == position:
            count = U(4) * (last - look)
            if fault > U(4) * look or filled + count > U(joined.size):
                return U(0), filled
            for index in range(I(count)):
                joined[filled + U(index)] = values[U(4) * look + U(index)]
            return starts[last], filled + count
        length, value = _decode_one(look_ahead(stream, position), codes)
        if length == U(0) or filled == U(joined.size):
            return U(0), filled
        joined[filled] = value
        filled += U(1)
        position += length
    return position, filled


@compiled
def _finish(stream: Any, end: Any, position: Any, codes: Any, joined: Any, filled: Any) -> bool:
    """Decode the rest code by code; whether it ends with the stream, but for what fills its last byte (B.1.1.5).

    Indices: before each code, `filled` is held against the size of `joined`, and the position against the `end`.
    """
    while filled < U(joined.size) and position < end:
        length, joined[filled] = _decode_one(look_ahead(stream, position), codes)
        if length == U(0):
            return False
        filled += U(1)
        position += length
    return bool(filled == U(joined.size) and position <= end and end - position < U(8))


@compiled
def decode(stream: Any, bits: int, codes: Any, short: Any, shift: int, differences: Any) -> bool:
    """Decode the differences; whether they were as many as there is room for, and the stream at its end.

    Parameters
    ----------
    stream, bits
        As of `unstuff`.
    codes : uint16 (65536,)
        What the next 16 bits begin with: length of the code + 32 * SSSS, or 0 where it is no code.
    short : uint32 (2 ** (64 - shift),)
        The same of fewer bits: length with the extra bits + 65536 * difference, or LONG where it takes more bits.
    differences : uint16 (n,)
        Modulo 65536.

    Notes
    -----
    Indices: stretches are decoded while `stop` and eight bits more are there. `last` goes back from the end of the last
    look to the first one that begins behind `stop` no longer, at the latest to that of the stretch's own beginning.
    """
    values, starts, faults = np.empty(16 * LOOKS, np.uint16), np.empty(4 * LOOKS, np.uint64), np.zeros(4, np.uint64)
    position, end, filled = U(0), U(bits), U(0)
    while position + U(5 * STRETCH + 8) <= end:
        start, stop = position, position + U(5 * STRETCH)
        looks = _decode_stretches(stream, stop, start, codes, short, U(shift), values, starts, faults)
        for stretch in range(4):
            first = U(stretch * LOOKS)
            last = first + looks
            while starts[last] > stop:
                last -= U(1)
            limit = start + U((stretch + 1) * STRETCH)
            guessed = values[U(4) * first : U(4) * last], starts[first : last + U(1)], faults[stretch]
            position, filled = _join(stream, position, limit, codes, *guessed, differences, filled)
            if position == U(0):
                return False
    return _finish(stream, end, position, codes, differences, filled)


@compiled
def predict(pixels: Any, selection: int, middle: int) -> None:
    """Make pixels of the differences (rows, columns), in place (H.1.2.1, table H.1); `middle` is before the first.

    Indices: rows and columns are those of the array, here and in the two functions below, and there is one of each.
    """
    _predict_from_left(pixels[0], middle)
    for row in range(1, pixels.shape[0]):
        if selection == 1:
            _predict_from_left(pixels[row], I(pixels[row - 1, 0]))
        else:
            _predict_from_above(pixels[row], pixels[row - 1], selection)


@compiled
def _predict_from_left(line: Any, before: int) -> None:
    for column in range(line.size):
        before = (before + I(line[column])) & 0xFFFF
        line[column] = before


@compiled
def _predict_from_above(line: Any, above: Any, selection: int) -> None:
    c = I(above[0])
    a = (c + I(line[0])) & 0xFFFF
    line[0] = a
    for column in range(1, line.size):
        b = I(above[column])
        if selection == 2:
            guess = b
        elif selection == 3:
            guess = c
        elif selection == 4:
            guess = a + b - c
        elif selection == 5:
            guess = a + ((b - c) >> 1)
        elif selection == 6:
            guess = b + ((a - c) >> 1)
        else:
            guess = (a + b) >> 1
        a = (guess + I(line[column])) & 0xFFFF
        line[column] = a
        c = b
