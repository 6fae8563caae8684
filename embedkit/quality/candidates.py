"""Pairs of thumbnails that look alike: candidates for repeats that an encoder does not see as such.

Up to `EXACT_BELOW` images all fingerprints are compared, by one matrix product a turn, and so are those of what a copy
may show instead: the negative, and what hard windows leave. Above, images meet where six of the eight coefficients that
stand out most have the same signs in any pose: entries are sorted by a hash of them (Zobrist's sum of random numbers,
the least over all poses), and only the next few of the same hash are compared, so time grows as N log N.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.quality.fingerprints import COARSE, INVERTED, LAY, POSES, transform_thumbnails
from embedkit.quality.pictures import EXACT_BELOW, Pictures
from embedkit.threads import single_thread

_LEAST_COSINE = 0.62
"""Of two fingerprints. Of 6,023 real radiographs 2 pairs of 10,000 are so alike; of repeats with a hard window nine of
ten, of others nearly all."""
_NEAR = 17
"""Signs of 86 that may differ where images meet. Of 6,023 real radiographs 3 pairs of 10,000 are so alike."""
_MOST_EACH = 3
"""Candidates an image."""
_LEAST_BUDGET, _SHARE = 6_000, 100
"""Of more candidates the likeliest are kept: so many, or one for every 100 images."""
_STANDING_OUT, _MEETING, _WINDOW = 8, 6, 8
_UNLIT = 3
_SOFTENED = 0.35
_AT_ONCE = 8192
_COARSE_POSES = [(source[:COARSE], sign[:COARSE]) for source, sign in POSES]
_ROW_BITS, _POSE_BITS = 24, 4


@dataclass(frozen=True)
class Candidates:
    """Pairs of rows that may show one exposure: `first` < `second`, and the pose of the second, int64 (P,) each."""

    first: Ints
    second: Ints
    pose: Ints
    framed: Ints
    """int64 (P,): 1 or 2 where the first or the second is to be seen as `image.frame_negative`, else 0."""


@dataclass(frozen=True)
class _Found:
    """Pairs before the choice: as `Candidates`, and how alike they are, float64 (P,)."""

    first: Ints
    second: Ints
    pose: Ints
    framed: Ints
    likeness: npt.NDArray[np.float64]


def find_alike(thumbnails: Pictures, negatives: Pictures | None = None) -> Candidates:
    """Pairs of thumbnails, uint8 (N, 32, 32), that look alike in any pose, in order.

    Below `EXACT_BELOW` thumbnails `negatives` (`Survey.negatives`) are compared with all of them, too, and so is what
    hard windows make of each: what a window has cut off has no fingerprint any more, but can be cut off here as well.
    """
    if len(thumbnails) >= EXACT_BELOW:
        rows, coefficients = transform_thumbnails(thumbnails, COARSE)
        return _unite([_choose(_compare_met(coefficients, rows), len(thumbnails))])
    rows, marks = _fingerprint(thumbnails)
    if not len(rows):
        return _unite([_order([])])
    found = [_compare_all(marks, rows, marks, rows, turns=8)]
    others = [(picture, 0) for picture in _apply_windows(thumbnails)] + ([] if negatives is None else [(negatives, 2)])
    for changed, framed in others:
        of, queries = _fingerprint(changed)
        found.append(_compare_all(queries, of, marks, rows, turns=1, framed=framed))
    return _unite([_choose(part, len(thumbnails)) for part in found])


def _apply_windows(thumbnails: Pictures) -> list[Pictures]:
    """Thumbnails under the middle half of the grey scale, and under the 30th to 90th percentile of what is lit."""
    grey = np.where(thumbnails > _UNLIT, thumbnails, np.nan).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of thumbnails that are black all over
        low, high = np.nanpercentile(grey, (30, 90), axis=(1, 2), keepdims=True)
    bounds = ((np.float32(64), np.float32(192)), (low, np.maximum(high, low + 1)))
    windowed = [np.clip((grey - low) * (255 / (high - low)), 0, 255) for low, high in bounds]
    return [np.nan_to_num(picture).astype(np.uint8) for picture in windowed]


def _fingerprint(thumbnails: Pictures) -> tuple[Ints, Floats]:
    """The rows of thumbnails that show something, int64 (n,), and their fingerprints, unit float32 (n, 164).

    Coefficients are softened: signs alone forget which ones are near nought, sizes move with the grey map.
    """
    rows, coefficients = transform_thumbnails(thumbnails, len(POSES[0][0]))
    softened = np.tanh(coefficients / (_SOFTENED * np.sqrt(np.square(coefficients).mean(axis=1, keepdims=True))))
    return rows, softened / np.linalg.norm(softened, axis=1, keepdims=True)


@single_thread()
def _compare_all(queries: Floats, rows: Ints, among: Floats, others: Ints, *, turns: int, framed: int = 0) -> _Found:
    """The nearest others of each query, but itself, in the first so many poses, each as it is and inverted.

    `rows` and `others` number the images of the queries, (M, 164), and of those that they are compared with, (N, 164).
    """
    found, own = list[_Found](), np.searchsorted(others, rows)
    most = min(_MOST_EACH, max(len(among) - 1, 0))
    for start in range(0, len(queries) if most else 0, 1024):
        part = slice(start, start + 1024)
        turned = [queries[part][:, source] * sign for source, sign in POSES[:turns]]
        best = np.zeros((len(turned[0]), len(among)), np.float32)
        for one in turned:
            np.maximum(best, np.abs(one @ among.T), out=best)
        itself = np.minimum(own[part], len(others) - 1)
        best[np.flatnonzero(others[itself] == rows[part]), itself[others[itself] == rows[part]]] = -1
        near = np.argpartition(-best, most - 1, axis=1)[:, :most]
        held = np.take_along_axis(best, near, 1) >= _LEAST_COSINE
        asking, other = np.nonzero(held)[0], near[held]
        agree = np.stack([np.einsum("pd,pd->p", one[asking], among[other]) for one in turned])
        pose = np.abs(agree).argmax(axis=0)
        agree = agree[pose, np.arange(len(pose))]
        pose += INVERTED * (agree < 0)
        found.append(_Found(others[other], rows[part][asking], pose, np.full(len(pose), framed), np.abs(agree)))
    return _order(found)


def _compare_met(coefficients: Floats, rows: Ints) -> _Found:
    """As `_compare_all`, of the pairs of (n, 86) coefficients that meet, by their signs."""
    entries, codes = _list_entries(coefficients), _pack(coefficients > 0)
    row, pose = (entries >> np.uint64(_POSE_BITS)) & np.uint64((1 << _ROW_BITS) - 1), entries & np.uint64(15)
    row, pose, key = row.astype(np.int64), pose.astype(np.int64), entries >> np.uint64(_ROW_BITS + _POSE_BITS)
    found = list[_Found]()
    for step in range(1, _WINDOW + 1):
        for start in range(0, len(key) - step, 1 << 20):
            one = np.arange(start, min(start + (1 << 20), len(key) - step))
            one = one[(key[one] == key[one + step]) & (row[one] != row[one + step])]
            other = one + step
            differ = codes[pose[one] & 7, row[one]] ^ codes[pose[other] & 7, row[other]]
            apart = np.bitwise_count(differ).sum(axis=1).astype(np.int64)
            apart = np.where((pose[one] ^ pose[other]) & INVERTED, COARSE - apart, apart)
            held = apart <= _NEAR
            one, other = one[held], other[held]
            laid, plain = LAY[pose[one], pose[other]], np.zeros(len(one), np.int64)
            found.append(_Found(rows[row[one]], rows[row[other]], laid, plain, 1 - apart[held] / COARSE))
    return _order(found)


def _list_entries(coefficients: Floats) -> npt.NDArray[np.uint64]:
    """An entry for each image and each six of its eight coefficients that stand out: hash, row, pose; sorted."""
    power = np.square(coefficients).mean(axis=0) + 1e-9
    power = (power + power[POSES[4][0][:COARSE]]) / 2  # the same for a quarter turn
    number = np.random.default_rng(0).integers(0, 1 << 63, (2, COARSE), dtype=np.uint64)
    left_out = list(combinations(range(_STANDING_OUT), _STANDING_OUT - _MEETING))
    entries = np.empty((len(coefficients), len(left_out)), np.uint64)
    for start in range(0, len(coefficients), _AT_ONCE):
        part = coefficients[start : start + _AT_ONCE]
        chosen = np.argpartition(-np.square(part) / power, _STANDING_OUT, axis=1)[:, :_STANDING_OUT]
        positive = np.take_along_axis(part, chosen, 1) > 0
        least = np.full((len(part), len(left_out)), np.iinfo(np.uint64).max, np.uint64)
        for pose, (source, sign) in enumerate(_COARSE_POSES):
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
        source, sign = _COARSE_POSES[pose]
        bits = np.packbits(positive[:, source] ^ (sign < 0), axis=1)
        codes[pose, :, : bits.shape[1]] = bits
    return codes.view(np.uint64)


def _order(found: list[_Found]) -> _Found:
    """Put the lower row first, and turn the pose round where they change places."""
    if not found:
        return _Found(*(np.empty(0, np.int64),) * 4, np.empty(0))
    first, second, pose, framed, likeness = _join(found)
    back = first > second
    pose = np.where(back, LAY[pose, 0], pose)
    framed = np.where(back & (framed > 0), 3 - framed, framed)
    return _Found(np.where(back, second, first), np.where(back, first, second), pose, framed, likeness)


def _join(found: Sequence[_Found]) -> tuple[npt.NDArray[Any], ...]:
    names = ("first", "second", "pose", "framed", "likeness")
    return tuple(np.concatenate([getattr(part, name) for part in found]) for name in names)


def _choose(found: _Found, count: int) -> _Found:
    """The nearest of each image, no pair twice, within the budget."""
    order = _drop_twins(found)
    order = order[np.argsort(-found.likeness[order], kind="stable")]
    wanted = np.minimum(_rank(found.first[order]), _rank(found.second[order])) < _MOST_EACH
    return _take(found, order[wanted][: max(_LEAST_BUDGET, count // _SHARE)])


def _unite(parts: Sequence[_Found]) -> Candidates:
    """Pairs of all parts in order, none twice."""
    found = _Found(*_join(parts))
    found = _take(found, _drop_twins(found))
    return Candidates(found.first, found.second, found.pose, found.framed)


def _take(found: _Found, order: Ints) -> _Found:
    return _Found(*(column[order] for column in _join([found])))


def _drop_twins(found: _Found) -> Ints:
    """The likeliest of each pair of rows, in order, int64 (p,)."""
    order = np.lexsort((found.framed, found.pose, -found.likeness, found.second, found.first))
    fresh = (np.diff(found.first[order], prepend=-1) != 0) | (np.diff(found.second[order], prepend=-1) != 0)
    return np.asarray(order[fresh], np.int64)


def _rank(rows: Ints) -> Ints:
    """The how manieth time each row comes, (P,)."""
    order = np.argsort(rows, kind="stable")
    starts = np.flatnonzero(np.diff(rows[order], prepend=-1))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    return rank
