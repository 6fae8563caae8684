"""Fingerprints of thumbnails: candidates for repeats that an encoder does not see as such.

Embeddings move with the window, a contrast curve, an inversion or a quarter turn; a fingerprint does not. Grey values
are divided by their local contrast, which takes out any smooth grey map but for its sign, and the signs of the 86
low-frequency coefficients of the cosine transform are kept (Zauner, "Implementation and benchmarking of perceptual
image hash functions", 2010). A quarter turn or a mirror image only permutes them and changes signs, an inversion
changes all: the fingerprint of each of the 16 poses follows from that of one.

Up to `EXACT_BELOW` images all are compared by one matrix product a turn. Above, images meet where six of the eight
coefficients that stand out most are the same in any pose: entries are sorted by a hash of them (Zobrist's sum of random
numbers, the least over all poses), and only the next few of the same hash are compared, so time grows as N log N.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.quality.pictures import THUMBNAIL, Pictures
from embedkit.threads import single_thread

EXACT_BELOW = 10_000
_NEAR = 17
"""Signs of 86 that may differ. Of 6,023 real radiographs 3 pairs of 10,000 are so alike; repeats with a strong window
differ in 13 at the median, after a crop of 4% in 6."""
_MOST_EACH = 3
"""Candidates an image."""
_LEAST_BUDGET, _SHARE = 6_000, 100
"""Of more candidates the nearest are kept: so many, or one for every 100 images."""
_STANDING_OUT, _MEETING, _WINDOW = 8, 6, 8
_SIGMA, _LEAST_CONTRAST = 3.0, 20.0
_UNLIT = 3
_AT_ONCE = 8192
_ROW_BITS, _POSE_BITS = 24, 4

Pose = int
"""How the second picture of a pair is laid on the first: 1 columns reversed, 2 rows reversed, 4 transposed before,
8 inverted."""
INVERTED = 8
_Signs = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Candidates:
    """Pairs of rows that may show one exposure: `first` < `second`, and the pose of the second, int64 (P,) each."""

    first: Ints
    second: Ints
    pose: Ints
    framed: Ints
    """int64 (P,): 1 or 2 where the first or the second is to be seen as `image.frame_negative`, else 0."""


def turn(picture: Pictures, pose: Pose) -> Pictures:
    """Turn a picture, (..., S, S), as the pose says; its grey values stay."""
    turned = picture.swapaxes(-1, -2) if pose & 4 else picture
    return turned[..., :: -1 if pose & 2 else 1, :: -1 if pose & 1 else 1]


def find_alike(thumbnails: Pictures, negatives: Pictures | None = None) -> Candidates:
    """Pairs of thumbnails, uint8 (N, 32, 32), that look alike in any pose, in order.

    With `negatives` (`Survey.negatives`), these are compared with all thumbnails, too, and so is what hard windows make
    of each thumbnail: what a window has cut off has no fingerprint any more, but can be cut off here as well.
    """
    rows, coefficients = _transform_all(thumbnails)
    if len(rows) >= EXACT_BELOW:
        first, second, *facts = _compare_met(coefficients)
        return _choose(len(thumbnails), [(rows[first], rows[second], *facts)])
    found = [_compare_all(coefficients, rows, coefficients, rows)]
    if negatives is not None and len(negatives):
        for changed, framed in ((negatives, 2), *((windowed, 0) for windowed in _apply_windows(thumbnails))):
            of, queries = _transform_all(changed)
            found.append(_compare_all(queries, of, coefficients, rows, framed=framed))
    return _choose(len(thumbnails), found)


def _apply_windows(thumbnails: Pictures) -> list[Pictures]:
    """Thumbnails under the middle half of the grey scale, and under the 30th to 90th percentile of what is lit."""
    grey = np.where(thumbnails > _UNLIT, thumbnails, np.nan).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of thumbnails that are black all over
        low, high = np.nanpercentile(grey, (30, 90), axis=(1, 2), keepdims=True)
    bounds = ((np.float32(64), np.float32(192)), (low, np.maximum(high, low + 1)))
    windowed = [np.clip((grey - low) * (255 / (high - low)), 0, 255) for low, high in bounds]
    return [np.nan_to_num(picture).astype(np.uint8) for picture in windowed]


def _transform_all(thumbnails: Pictures) -> tuple[Ints, Floats]:
    """The rows of thumbnails that show something, int64 (n,), and their coefficients, float32 (n, 86)."""
    coefficients = np.concatenate(
        [_transform(thumbnails[start : start + _AT_ONCE]) for start in range(0, len(thumbnails), _AT_ONCE)]
        or [np.empty((0, len(_ROW)), np.float32)]
    )
    rows = np.flatnonzero(np.abs(coefficients).max(axis=1, initial=0) > 1)
    return rows, coefficients[rows]


def _frequencies() -> tuple[Ints, Ints]:
    row, column = np.mgrid[:16, :16]
    far = np.hypot(row, column)
    chosen = (far >= 2) & (far <= 10)
    return row[chosen], column[chosen]


_ROW, _COLUMN = _frequencies()
_COSINES = np.cos(np.pi * np.outer(np.arange(16), 2 * np.arange(THUMBNAIL) + 1) / (2 * THUMBNAIL)).astype(np.float32)


def _permute(pose: Pose) -> tuple[Ints, Floats]:
    """Where the coefficients of a turned picture come from, and the signs that they take, (86,) each."""
    place = np.full((16, 16), -1)
    place[_ROW, _COLUMN] = np.arange(len(_ROW))
    source = place[_COLUMN, _ROW] if pose & 4 else place[_ROW, _COLUMN]
    sign = (-1.0) ** (_ROW * bool(pose & 2) + _COLUMN * bool(pose & 1) + bool(pose & INVERTED))
    return source, sign.astype(np.float32)


_POSES = [_permute(pose) for pose in range(16)]


def _combine() -> Ints:
    """The pose that lays a picture on another one, where the pose `i` of this one looks as the pose `j` of that."""
    probe = np.arange(4, dtype=np.uint8).reshape(2, 2)
    seen = {turn(probe, pose).tobytes(): pose for pose in range(8)}
    table = np.empty((16, 16), np.int64)
    for one in range(16):
        for other in range(16):
            back = next(pose for pose in range(8) if np.array_equal(turn(turn(probe, one & 7), pose), probe))
            table[one, other] = seen[turn(turn(probe, other & 7), back).tobytes()] | ((one ^ other) & INVERTED)
    return table


_LAY = _combine()


@single_thread()
def _transform(thumbnails: Pictures) -> Floats:
    """The 86 coefficients of thumbnails after division by the local contrast, float32 (n, 86)."""
    grey = thumbnails.astype(np.float32)
    inside = _inside(grey.max(axis=2) > 4), _inside(grey.max(axis=1) > 4)
    weight = inside[0][:, :, None] * inside[1][:, None, :]
    known = np.maximum(_blur(weight), 1e-3)
    detail = (grey - _blur(grey * weight) / known) * weight
    detail /= np.sqrt(_blur(detail * detail) / known) + _LEAST_CONTRAST
    return np.asarray((_COSINES @ detail @ _COSINES.T)[:, _ROW, _COLUMN], np.float32)


def _inside(lit: npt.NDArray[np.bool_]) -> Floats:
    """From the first to the last lit line, float32 (n, 32): the black surround says nothing of the exposure."""
    return (np.maximum.accumulate(lit, 1) & np.maximum.accumulate(lit[:, ::-1], 1)[:, ::-1]).astype(np.float32)


def _smoothing() -> Floats:
    kernel = cv2.getGaussianKernel(2 * THUMBNAIL + 1, _SIGMA).ravel()
    away = np.subtract.outer(np.arange(THUMBNAIL), np.arange(THUMBNAIL))
    return np.asarray(kernel[away + THUMBNAIL], np.float32)


_BLUR = _smoothing()


def _blur(images: Floats) -> Floats:
    return np.asarray(_BLUR @ images @ _BLUR)


def _signs(coefficients: Floats) -> _Signs:
    return np.where(coefficients > 0, np.float32(1), np.float32(-1))


@single_thread()
def _compare_all(queries: Floats, rows: Ints, among: Floats, others: Ints, *, framed: int = 0) -> tuple[Ints, ...]:
    """The nearest others of each query, but itself: first, second, pose, how many signs differ, and framed, (P,) each.

    `rows` and `others` number the images of the queries, (M, 86), and of those that they are compared with, (N, 86).
    """
    asked, signs, found = _signs(queries), _signs(among), list[tuple[Ints, ...]]()
    most = min(_MOST_EACH, max(len(signs) - 1, 0))
    own = np.searchsorted(others, rows)
    for start in range(0, len(asked) if most else 0, 1024):
        part = slice(start, start + 1024)
        turned = [asked[part][:, source] * sign for source, sign in _POSES[:8]]
        best = np.zeros((len(turned[0]), len(signs)), np.float32)
        for one in turned:
            np.maximum(best, np.abs(one @ signs.T), out=best)
        known = np.flatnonzero(
            (own[part] < len(others)) & (others[np.minimum(own[part], len(others) - 1)] == rows[part])
        )
        best[known, own[part][known]] = -1
        near = np.argpartition(-best, most - 1, axis=1)[:, :most]
        held = np.take_along_axis(best, near, 1) >= len(_ROW) - 2 * _NEAR
        asking, other = (places[held] for places in (np.broadcast_to(np.arange(len(near))[:, None], near.shape), near))
        agree = np.stack([np.einsum("pd,pd->p", one[asking], signs[other]) for one in turned])
        pose = np.abs(agree).argmax(axis=0)
        agree = agree[pose, np.arange(len(pose))]
        apart = ((len(_ROW) - np.abs(agree)) / 2).astype(np.int64)
        seen = np.full(len(pose), framed)
        found.append((others[other], rows[part][asking], pose + INVERTED * (agree < 0), apart, seen))
    return _order(found)


def _compare_met(coefficients: Floats) -> tuple[Ints, ...]:
    """As `_compare_all`, of the pairs that meet."""
    entries, codes = _list_entries(coefficients), _pack(_signs(coefficients) > 0)
    row, pose = (entries >> np.uint64(_POSE_BITS)) & np.uint64((1 << _ROW_BITS) - 1), entries & np.uint64(15)
    row, pose, key = row.astype(np.int64), pose.astype(np.int64), entries >> np.uint64(_ROW_BITS + _POSE_BITS)
    found = list[tuple[Ints, ...]]()
    for step in range(1, _WINDOW + 1):
        for start in range(0, len(key) - step, 1 << 20):
            one = np.arange(start, min(start + (1 << 20), len(key) - step))
            one = one[(key[one] == key[one + step]) & (row[one] != row[one + step])]
            other = one + step
            differ = codes[pose[one] & 7, row[one]] ^ codes[pose[other] & 7, row[other]]
            apart = np.bitwise_count(differ).sum(axis=1).astype(np.int64)
            apart = np.where((pose[one] ^ pose[other]) & INVERTED, len(_ROW) - apart, apart)
            held = apart <= _NEAR
            one, other = one[held], other[held]
            plain = np.zeros(len(one), np.int64)
            found.append((row[one], row[other], _LAY[pose[one], pose[other]], apart[held], plain))
    return _order(found)


def _list_entries(coefficients: Floats) -> npt.NDArray[np.uint64]:
    """An entry for each image and each six of its eight coefficients that stand out: hash, row, pose; sorted."""
    power = np.square(coefficients).mean(axis=0) + 1e-9
    power = (power + power[_POSES[4][0]]) / 2  # the same for a quarter turn
    number = np.random.default_rng(0).integers(0, 1 << 63, (2, len(_ROW)), dtype=np.uint64)
    left_out = list(combinations(range(_STANDING_OUT), _STANDING_OUT - _MEETING))
    entries = np.empty((len(coefficients), len(left_out)), np.uint64)
    for start in range(0, len(coefficients), _AT_ONCE):
        part = coefficients[start : start + _AT_ONCE]
        chosen = np.argpartition(-np.square(part) / power, _STANDING_OUT, axis=1)[:, :_STANDING_OUT]
        positive = np.take_along_axis(part, chosen, 1) > 0
        least = np.full((len(part), len(left_out)), np.iinfo(np.uint64).max, np.uint64)
        for pose, (source, sign) in enumerate(_POSES):
            goes = np.argsort(source)
            said = number[(positive ^ (sign[goes] < 0)[chosen]).astype(np.int64), goes[chosen]]
            total = said.sum(axis=1)
            hashed = np.stack([total - said[:, one] - said[:, two] for one, two in left_out], axis=1)
            np.minimum(least, (hashed & ~np.uint64(15)) | np.uint64(pose), out=least)
        rows = np.arange(start, start + len(part), dtype=np.uint64)[:, None]
        kept = least >> np.uint64(_ROW_BITS + _POSE_BITS) << np.uint64(_ROW_BITS + _POSE_BITS)
        entries[start : start + len(part)] = kept | (rows << np.uint64(_POSE_BITS)) | (least & np.uint64(15))
    return np.sort(entries.ravel())


def _pack(positive: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """The signs in each of the 8 turns, uint64 (8, N, 2)."""
    codes = np.zeros((8, len(positive), 16), np.uint8)
    for pose in range(8):
        source, sign = _POSES[pose]
        bits = np.packbits(positive[:, source] ^ (sign < 0), axis=1)
        codes[pose, :, : bits.shape[1]] = bits
    return codes.view(np.uint64)


def _order(found: list[tuple[Ints, ...]]) -> tuple[Ints, ...]:
    """Put the lower row first, and turn the pose round where they change places."""
    if not found:
        return (np.empty(0, np.int64),) * 5
    first, second, pose, apart, framed = (np.concatenate(part) for part in zip(*found, strict=True))
    back = first > second
    pose = np.where(back, _LAY[pose, 0], pose)
    framed = np.where(back & (framed > 0), 3 - framed, framed)
    return np.where(back, second, first), np.where(back, first, second), pose, apart, framed


def _choose(count: int, found: list[tuple[Ints, ...]]) -> Candidates:
    """The nearest of each image, no pair twice, within the budget."""
    first, second, pose, apart, framed = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((framed, pose, apart, first * count + second))
    pair = (first * count + second)[order]
    order = order[np.flatnonzero(np.diff(pair, prepend=-1))]
    order = order[np.argsort(apart[order], kind="stable")]
    wanted = np.minimum(_rank(first[order]), _rank(second[order])) < _MOST_EACH
    order = order[wanted][: max(_LEAST_BUDGET, count // _SHARE)]
    order = order[np.lexsort((second[order], first[order]))]
    return Candidates(first[order], second[order], pose[order], framed[order])


def _rank(rows: Ints) -> Ints:
    """The how manieth time each row comes, (P,)."""
    order = np.argsort(rows, kind="stable")
    starts = np.flatnonzero(np.diff(rows[order], prepend=-1))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    return rank
