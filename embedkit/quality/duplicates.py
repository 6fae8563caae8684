"""Near-duplicates: the same exposure stored again under another SOP Instance UID.

Candidates come from the embeddings and from fingerprints of the thumbnails, the verdict from the pictures: two
exposures of one joint can have nearly the same embedding and are no duplicates. Embeddings find small turns and mirror
images, fingerprints what embeddings move with: windows, contrast curves, crops, quarter turns, inversion.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import pyarrow as pa

from embedkit.heads import Neighbours
from embedkit.heads.folds import Ints
from embedkit.heads.neighbours import Flags
from embedkit.image import frame_negative
from embedkit.progress import Advance, ignore_progress
from embedkit.quality.candidates import Candidates, find_alike
from embedkit.quality.fusion import sigmoid
from embedkit.quality.matching import FINE, SAME_LOCAL_DETAIL, Grey, lay_thumbnail, match_laid, match_posed
from embedkit.quality.pictures import THUMBNAIL, Numbers, Pictures, shrink

CANDIDATE_COSINE = 0.93
CANDIDATE_CORRELATION = 0.9
"""Of thumbnails of 16 pixels; it leaves one candidate of seven, and a repeat with a film border and a turn has 0.92."""
SAME_DETAIL = 0.82
_PAIRS_AT_ONCE = 1024
_CASES_AT_ONCE = 32_768
"""So many cases hold 1 GB of pictures at the most."""


@dataclass(frozen=True)
class Duplicates:
    """Pairs of rows that show the same exposure: `first` < `second`, int64 (P,), and how sure that is, float64 (P,)."""

    first: Ints
    second: Ints
    score: Numbers
    mirrored: Flags
    """bool (P,): the one is the mirror image of the other."""

    def with_one_of(self, kept: Flags) -> Duplicates:
        """Return the pairs of which one row at least is `kept`, bool (N,)."""
        one = kept[self.first] | kept[self.second]
        return Duplicates(self.first[one], self.second[one], self.score[one], self.mirrored[one])


NO_DUPLICATES = Duplicates(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, dtype=bool))


def find_duplicates(
    candidates: Neighbours,
    instances: Sequence[str],
    thumbnails: Pictures,
    read_pictures: Callable[[Ints], Pictures],
    on_progress: Advance = ignore_progress,
    *,
    negatives: Pictures | None = None,
) -> Duplicates:
    """Compare the pictures of rows whose vectors point the same way and whose thumbnails resemble each other.

    Parameters
    ----------
    duplicate candidates
        The nearest rows of any patient, (N, k).
    instances
        The SOP Instance UID of each row; frames of one instance are no duplicates of each other.
    thumbnails
        uint8 (N, 32, 32): they settle most candidates, whose pictures are then not read.
    read_pictures
        rows -> uint8 (n, 256, 256).
    on_progress
        Is told how many of how many candidates are settled.
    negatives
        `Survey.negatives`: they find the inverted copies of plates that are not exposed up to their sides.
    """
    alike = find_alike(thumbnails, negatives)
    apart = _differ(instances, alike.first, alike.second)
    alike = Candidates(alike.first[apart], alike.second[apart], alike.pose[apart], alike.framed[apart])
    pairs = _list_candidates(candidates, instances)
    score, total = np.zeros((len(pairs), 2)), len(pairs) + len(alike.first)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # decoding and OpenCV let go of the interpreter
        parts, cases, settled = _cut(len(pairs)), list[_Case](), 0
        for part, found in zip(parts, pool.map(partial(_compare_thumbnails, pairs, thumbnails), parts), strict=True):
            cases += found
            settled += len(part) - len({case.pair for case in found})
            on_progress(settled, total)
        for start in range(0, len(cases), _CASES_AT_ONCE):
            some = cases[start : start + _CASES_AT_ONCE]
            for case, agreement in zip(some, _compare_pictures(pool, pairs, some, read_pictures), strict=True):
                score[case.pair, int(case.mirrored)] = agreement
            on_progress(len(pairs) - len({case.pair for case in cases[start + len(some) :]}), total)
        posed = np.empty(len(alike.first))
        for part in _cut(len(posed)):
            posed[part] = _compare_posed(pool, alike, part, read_pictures)
            on_progress(len(pairs) + int(part[-1]) + 1, total)
    score = sigmoid((score - SAME_DETAIL) / 0.03)
    return _unite(
        Duplicates(pairs[:, 0], pairs[:, 1], score.max(axis=1), score[:, 1] > score[:, 0]),
        Duplicates(alike.first, alike.second, sigmoid((posed - SAME_LOCAL_DETAIL) / 0.03), _mirrors(alike.pose)),
    )


def _compare_posed(
    pool: ThreadPoolExecutor, alike: Candidates, chunk: Ints, read_pictures: Callable[[Ints], Pictures]
) -> list[float]:
    """`match_posed` of a chunk of candidates."""
    rows, place = np.unique(np.stack([alike.first[chunk], alike.second[chunk]], axis=1), return_inverse=True)
    pictures = read_pictures(rows)

    def compare(pair: Ints, pose: int, framed: int) -> float:
        seen = [pictures[row] for row in pair]
        if framed:
            negative = frame_negative(seen[framed - 1])
            seen[framed - 1] = seen[framed - 1] if negative is None else negative
        one, two = (shrink(picture, FINE) for picture in seen)
        return match_posed(one, two, pose)

    poses, framed = alike.pose[chunk].tolist(), alike.framed[chunk].tolist()
    return list(pool.map(compare, place.reshape(-1, 2), poses, framed))


def _mirrors(pose: Ints) -> Flags:
    """Whether poses turn a picture over, bool (P,)."""
    return np.asarray(((pose >> 2) + (pose >> 1) + pose) & 1, dtype=bool)


def _unite(*parts: Duplicates) -> Duplicates:
    """The pairs that are likelier repeats than not, in order, each as the part says that is surest of it."""
    first, second, score, mirrored = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("first", "second", "score", "mirrored")
    )
    order = np.lexsort((-score, second, first))
    order = order[score[order] > 0.5]
    fresh = (np.diff(first[order], prepend=-1) != 0) | (np.diff(second[order], prepend=-1) != 0)
    order = order[fresh]
    return Duplicates(first[order], second[order], score[order], mirrored[order])


@dataclass(frozen=True)
class _Case:
    """A pair whose thumbnails agree, the second one mirrored or not, and the motion that lays it on the first."""

    pair: int
    mirrored: bool
    motion: Grey


def _list_candidates(candidates: Neighbours, instances: Sequence[str]) -> Ints:
    """Pairs of rows with like vectors, int64 (P, 2), in order."""
    rows = np.repeat(np.arange(len(candidates.rows)), candidates.rows.shape[1])
    other, cosine = candidates.rows.ravel(), candidates.cosine.ravel()
    candidate = (other >= 0) & (cosine >= CANDIDATE_COSINE)
    candidate &= _differ(instances, rows, np.maximum(other, 0))
    return np.unique(np.sort(np.stack([rows, other], axis=1)[candidate], axis=1), axis=0)


def _differ(instances: Sequence[str], one: Ints, other: Ints) -> Flags:
    """Whether pairs of rows are of two instances, bool (P,)."""
    instance = pa.array(instances, pa.string()).dictionary_encode().indices.to_numpy()
    return np.asarray(instance[one] != instance[other], dtype=bool)


def _cut(count: int) -> list[Ints]:
    """0..count-1 in chunks, none where there is nothing."""
    return [np.arange(start, min(start + _PAIRS_AT_ONCE, count)) for start in range(0, count, _PAIRS_AT_ONCE)]


def _compare_thumbnails(pairs: Ints, thumbnails: Pictures, chunk: Ints) -> list[_Case]:
    """What thumbnails cannot tell of a chunk of pairs."""
    first, second = thumbnails[pairs[chunk, 0]], thumbnails[pairs[chunk, 1]]
    one, two = _halve(first), _halve(second)
    alike = np.stack([_correlate(one, two), _correlate(one, two[:, :, ::-1])], axis=1)
    cases = []
    for place, turned in np.argwhere(alike >= CANDIDATE_CORRELATION).tolist():
        motion = lay_thumbnail(first[place], _turn(second[place], mirrored=bool(turned)))
        if motion is not None:
            cases.append(_Case(int(chunk[place]), bool(turned), motion))
    return cases


def _compare_pictures(
    pool: ThreadPoolExecutor, pairs: Ints, cases: Sequence[_Case], read_pictures: Callable[[Ints], Pictures]
) -> Iterator[float]:
    """How well the detail of each case agrees; every picture is read once, in order, as the files have them."""
    rows, place = np.unique(pairs[[case.pair for case in cases]], return_inverse=True)

    def read(chunk: Ints) -> list[Pictures]:
        return [shrink(picture, FINE) for picture in read_pictures(rows[chunk])]

    pictures = [picture for part in pool.map(read, _cut(len(rows))) for picture in part]

    def compare(case: _Case, pair: Ints) -> float:
        return match_laid(pictures[pair[0]], _turn(pictures[pair[1]], mirrored=case.mirrored), case.motion)

    return pool.map(compare, cases, place.reshape(-1, 2))


def _turn(picture: Pictures, *, mirrored: bool) -> Pictures:
    return np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture


def _halve(thumbnails: Pictures) -> Pictures:
    """Thumbnails of half the side, in one go as if they were one tall picture."""
    tall, side = thumbnails.reshape(-1, THUMBNAIL), THUMBNAIL // 2
    half = np.asarray(cv2.resize(tall, (side, len(tall) // 2), interpolation=cv2.INTER_AREA), np.uint8)
    return half.reshape(-1, side, side)


def _correlate(first: Pictures, second: Pictures) -> Numbers:
    """The correlation of thumbnails, uint8 (P, s, s) each, pair by pair: float64 (P,)."""
    one, two = (grey.reshape(len(grey), -1).astype(np.float32) for grey in (first, second))
    one, two = (grey - grey.mean(axis=1, keepdims=True) for grey in (one, two))
    power = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    return np.asarray((one * two).sum(axis=1) / np.maximum(power, 1e-6), dtype=np.float64)
