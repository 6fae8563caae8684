"""What numba compiles to decode JPEG-LS (ISO 14495-1, ITU-T T.87): one component, lossless, as `jpeg_ls` hands it over.

Every index is bounded whatever the stream says, and nothing checks it while a frame is decoded: each docstring says
what keeps those of its function inside ("Indices"), and the fuzz tests run with numba's checks on. What no encoder
writes ends the decoding with -1.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from embedkit.dicom.codecs.bit_stream import I, U, compiled, inlined, look_ahead, unstuff

__all__ = ["CONTEXTS", "decode", "unstuff"]

MOST_SEEN = 64  # RESET, C.2.4.1.1: a context's sums are halved when it has been met so often
CONTEXTS = 365  # and two of run interruptions behind them
A, B, N, C, K = (U(place) for place in range(5))
"""Of a context, eight numbers apart: sum of error sizes, sum of errors, count, correction, Golomb parameter. Of run
interruptions `B` is the count of negative errors. `C` is twice the correction, and 1 more where errors are turned."""


def _zeros_before(_context: Any, _word: Any) -> tuple[Any, Any]:
    """How many bits of a uint64 are 0 before the first that is 1; 64 where none is."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return numba.uint64(numba.uint64), generate


zeros_before: Any = intrinsic(_zeros_before)


@compiled
def _golomb(ahead: Any, k: Any, most: Any, depth: Any) -> tuple[Any, Any]:
    """A limited Golomb code (A.5.3): its value, or -1, and its length; `most` zeros announce `depth` plain bits."""
    zeros = zeros_before(ahead)
    if zeros < most:
        value = I((ahead << zeros) >> (~k & U(63))) + ((I(zeros) - 1) << I(k))
        return (value if value <= I(1) << I(depth) else -1), zeros + k + U(1)
    value = I(((ahead << (zeros & U(63))) << U(1)) >> (U(64) - depth)) + 1
    return (value if zeros == most else -1), zeros + depth + U(1)


@compiled
def _learn(contexts: Any, c: Any, error: int) -> None:
    """Update a context by an error (A.6), and work out its parameter for the next (A.5.1).

    Indices: `c` is 8 times the number of a context, of which there are 367; A to K are below 8.
    """
    size, total, count = I(contexts[c + A]) + abs(error), I(contexts[c + B]) + error, I(contexts[c + N])
    if count == MOST_SEEN:
        size, total, count = size >> 1, total >> 1, count >> 1
    count += 1
    low, high = (total + count - 1) >> 63, -total >> 63  # all ones, where it is -count or less, where it is above 0
    total = min(max(total + (count & low) - (count & high), 1 - count), 0)
    correction = min(max((I(contexts[c + C]) >> 1) + low - high, -128), 127)
    k = max(I(zeros_before(U(count))) - I(zeros_before(U(size))), 0)
    k += I((count << k) < size)
    turned = ((2 * total + count - 1) >> 63) & 1 if k == 0 else 0
    contexts[c + A], contexts[c + B], contexts[c + N] = size, total, count
    contexts[c + C], contexts[c + K] = (correction << 1) | turned, k


@compiled
def _run(stream: Any, end: Any, position: Any, left: int, state: Any, orders: Any) -> tuple[int, Any]:
    """The length of a run of at most `left` pixels (A.7.1); and the position behind it, the end where it is none.

    Indices: a look at the stream is before its `end`; `state[0]` is 0 to 31, in `_end_run` too; `orders` has 32.
    The length is `left` at most, so that the pixels of the run are those of its row.
    """
    length = 0
    while position < end:
        ahead = look_ahead(stream, position)
        order = U(orders[U(state[0])])
        position += U(1)
        if ahead >> U(63) == U(0):
            length += I(((ahead << U(1)) >> U(1)) >> (U(63) - order))
            return (length, position + order) if length < left else (0, end)
        if length + (1 << I(order)) <= left:
            length += 1 << I(order)
            state[0] = min(31, state[0] + 1)
        else:
            length = left
        if length == left:
            return length, position
    return 0, end


@compiled
def _interruption(contexts: Any, c: Any, value: int, k: int, kind: int) -> int:
    """The error of the pixel that ends a run (A.7.2); `kind` is 1 where it has the same value beside and above.

    Indices: as of `_learn`.
    """
    size, negative, count = I(contexts[c + A]), I(contexts[c + B]), I(contexts[c + N])
    odd = (value + kind) & 1
    error = (value + kind + odd) >> 1
    if odd == I(k != 0 or 2 * negative >= count):
        error = -error
    negative += I(error < 0)
    size += (value + 1 - kind) >> 1
    if count == MOST_SEEN:
        size, negative, count = size >> 1, negative >> 1, count >> 1
    contexts[c + A], contexts[c + B], contexts[c + N] = size, negative, count + 1
    return error


@compiled
def _end_run(
    stream: Any, position: Any, contexts: Any, state: Any, orders: Any, depth: Any, beside: int, above: int
) -> tuple[int, Any]:
    """The pixel that ends a run, or -1; and the position behind it.

    Indices: `kind` is 0 or 1, so `c` is of one of the last two contexts; `state[0]` never falls below 0. `decode` has
    seen that the position is before the end. The pixel is masked to its bits.
    """
    kind = I(beside == above)
    c = U(8 * (CONTEXTS + kind))
    k, mean = 0, I(contexts[c + A]) + (I(contexts[c + N]) >> 1) * kind
    while (I(contexts[c + N]) << k) < mean:
        k += 1
    limit = 2 * (I(depth) + max(8, I(depth))) - I(depth) - I(orders[U(state[0])]) - 2
    value, length = _golomb(look_ahead(stream, position), U(k), U(limit), depth)
    if value < 0:
        return -1, position
    error = _interruption(contexts, c, value, k, kind)
    state[0] = max(0, state[0] - 1)
    pixel = above + (error if kind or above > beside else -error)
    return pixel & ((1 << I(depth)) - 1), position + length


@inlined
def _regular(stream: Any, position: Any, contexts: Any, depth: Any, q: int, a: int, b: int, c: int) -> tuple[int, Any]:
    """A pixel in context `q` between others (A.4 to A.6), or -1; and the position behind it.

    Indices: `q` is of three gradients of -4 to 4, to the base of 9, so its size is at most 364. `decode` has seen that
    the position is before the end. The pixel is masked to its bits.
    """
    sign = q >> 63
    context = U((q ^ sign) - sign) << U(3)
    k, correction = U(contexts[context + K]), I(contexts[context + C])
    most = U(2 * (I(depth) + max(8, I(depth))) - I(depth) - 1)
    value, length = _golomb(look_ahead(stream, position), k, most, depth)
    if value < 0:
        return -1, position
    white = (1 << I(depth)) - 1
    guess = min(max(a + b - c, min(a, b)), max(a, b))
    guess = min(max(guess + (((correction >> 1) ^ sign) - sign), 0), white)
    error = (value >> 1) ^ -((value & 1) ^ (correction & 1))
    _learn(contexts, context, error)
    return (guess + ((error ^ sign) - sign)) & white, position + length


@compiled
def decode(
    stream: Any, bits: int, depth: int, columns: int, steps: Any, contexts: Any, orders: Any, padded: Any
) -> bool:
    """Decode `padded.size // (columns + 2) - 1` rows; whether all went well, to the end of the stream.

    Parameters
    ----------
    stream, bits
        As of `unstuff`.
    steps : int8 (2 * 2 ** depth + 1,)
        The quantised gradients (A.3.3), from -2 ** depth on.
    contexts : int32 (8 * 367,)
        As they are at the start; what they have become afterwards.
    orders : int64 (32,)
        The table J of A.2.1.
    padded : uint16 ((rows + 1) * (columns + 2),)
        Zeros; takes the pixels. Above the first row is another, before and after each row is another pixel.

    Notes
    -----
    Indices: `o` is a place of the row above, `last` at most, so o - 1, o + 1 and what is `below` them are places of
    `padded`. Pixels are of 0 to 2 ** depth - 1, masked where they are made, so a difference of two has its place in
    `steps`. After a run `o` has grown by no more than what `_run` was told is left.
    """
    zero, depth_, end, position = 1 << depth, U(depth), U(bits), U(0)
    below, state = U(columns + 2), np.zeros(1, np.int64)
    for row in range(padded.size // (columns + 2) - 1):
        o = U(row * (columns + 2) + 1)  # the place above the pixel
        last = o + U(columns - 1)
        padded[last + U(1)], padded[o + below - U(1)] = padded[last], padded[o]
        a, b, c = I(padded[o]), I(padded[o]), I(padded[o - U(1)])  # left, above, above left (figure A.1)
        step = I(steps[U(b - c + zero)])
        while o <= last:
            d = I(padded[o + U(1)])  # above right
            next_step = I(steps[U(d - b + zero)])
            q = 81 * next_step + 9 * step + I(steps[U(c - a + zero)])
            if q == 0:
                length, position = _run(stream, end, position, I(last - o) + 1, state, orders)
                for _ in range(length):
                    padded[o + below] = a
                    o += U(1)
                if o > last:
                    break
                b, d = I(padded[o]), I(padded[o + U(1)])
                next_step = I(steps[U(d - b + zero)])
            if position >= end:
                return False
            if q == 0:
                a, position = _end_run(stream, position, contexts, state, orders, depth_, a, b)
            else:
                a, position = _regular(stream, position, contexts, depth_, q, a, b, c)
            if a < 0:
                return False
            padded[o + below] = a
            b, c, step = d, b, next_step
            o += U(1)
    left = end - position
    return bool(
        position <= end and left < U(16) and (left == U(0) or look_ahead(stream, position) >> (U(64) - left) == U(0))
    )
