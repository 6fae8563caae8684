"""What can be told from a picture alone: whether it can be read.

A blank plate is not blank once its values are stretched over the full range: it is noise. What sets an exposure
apart from noise is structure: averaged over blocks of 8 x 8 pixels, noise all but vanishes and anatomy stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from embedkit.errors import IndexFolderError, RejectedFile
from embedkit.image import decode_picture, frame_negative
from embedkit.progress import Advance, ignore_progress
from embedkit.quality.fusion import sigmoid
from embedkit.workers import WorkerPool

Pictures = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]
ReadStored = Callable[[npt.NDArray[np.int64]], Sequence[bytes]]
"""rows -> PNG files, as `Index.stored_pictures` gives them."""
_Seen = tuple[Numbers, Pictures, Pictures]
_Look = Callable[[Sequence[bytes]], _Seen]
_READ, _LOOKED_AT = 512, 128
"""Pictures that are read at a time, as many as a file of an index has, and that a worker is sent: 2.5 MB."""
_FEW = 5_000
"""So many pictures are looked at in the time that workers need to start."""
_BLOCK = 8
THUMBNAIL = 32
"""Pixels a side."""
EXACT_BELOW = 10_000
"""Of fewer images all fingerprints are compared, those of negatives, too."""
UNUSABLE = 0.5
"""Above this score a picture is unusable, more likely than not."""
_GAUSSIAN = cv2.getGaussianKernel(7, 1.5)
_MARGIN = 4
"""Pixels cut off around the content, so that the edge of the plate does not count as structure."""


def score_unusable(pictures: Pictures) -> Numbers:
    """How sure it is that each picture, uint8 (N, 256, 256), cannot be read: float64 (N,), 0..1."""
    return np.array([max(_measure_faults(picture).values()) for picture in pictures], dtype=np.float64)


def name_fault(picture: Pictures) -> str:
    """Say in words what is wrong with a picture, uint8 (256, 256), that `score_unusable` holds to be unusable."""
    faults = _measure_faults(picture)
    return next((fault for fault, sure in faults.items() if sure > 0.5), max(faults, key=lambda fault: faults[fault]))


@dataclass(frozen=True)
class Survey:
    """What one look at N pictures leaves behind."""

    unusable: Numbers
    """float64 (N,): as `score_unusable`."""
    thumbnails: Pictures
    """uint8 (N, 32, 32)."""
    negatives: Pictures
    """uint8 (N, 32, 32): of `image.frame_negative`, black where that is None; empty from `EXACT_BELOW` pictures on."""

    @property
    def shows_nothing(self) -> npt.NDArray[np.bool_]:
        """Which pictures are unusable, more likely than not, bool (N,)."""
        return np.asarray(self.unusable > UNUSABLE)


def survey_pictures(count: int, read_stored: ReadStored, on_progress: Advance = ignore_progress) -> Survey:
    """Look at rows 0..count-1 once, on all cores.

    `on_progress` is told how many of how many have been looked at.

    Raises
    ------
    IndexFolderError
        ``index-damaged`` where a PNG file is none.
    """
    with_negatives, shape = count < EXACT_BELOW, (count, THUMBNAIL, THUMBNAIL)
    negative = np.zeros(shape if with_negatives else (0, *shape[1:]), np.uint8)
    survey, done = Survey(np.zeros(count), np.zeros(shape, np.uint8), negative), 0
    look = partial(look_at, with_negatives=with_negatives)
    for unusable, thumbnails, negatives in _look_at_all(_read_in_parts(count, read_stored), look, few=count <= _FEW):
        rows = slice(done, done + len(unusable))
        survey.unusable[rows], survey.thumbnails[rows] = unusable, thumbnails
        if with_negatives:
            survey.negatives[rows] = negatives
        done = rows.stop
        on_progress(done, count)
    return survey


def _read_in_parts(count: int, read_stored: ReadStored) -> Iterator[Sequence[bytes]]:
    for start in range(0, count, _READ):
        stored = read_stored(np.arange(start, min(start + _READ, count)))
        yield from (stored[first : first + _LOOKED_AT] for first in range(0, len(stored), _LOOKED_AT))


def _look_at_all(parts: Iterable[Sequence[bytes]], look: _Look, *, few: bool) -> Iterator[_Seen]:
    """Look at each part, in worker processes: its steps are too short for threads, which wait for the interpreter."""
    if few:
        yield from map(look, parts)
        return
    with WorkerPool(look, ahead=0) as pool:  # no more than keeps the workers busy
        for part, seen in pool.map(parts):
            yield look(part) if isinstance(seen, RejectedFile) else seen


def look_at(stored: Sequence[bytes], *, with_negatives: bool = False) -> _Seen:
    """`score_unusable` of n PNG files, their thumbnails, uint8 (n, 32, 32), and `Survey.negatives`, where asked for."""
    try:
        pictures = np.stack([decode_picture(png) for png in stored])
    except ValueError as error:
        raise IndexFolderError("index-damaged", "the index has a damaged picture; see `embedkit verify`") from error
    thumbnails = np.stack([shrink(picture, THUMBNAIL) for picture in pictures])
    negatives = np.zeros_like(thumbnails if with_negatives else thumbnails[:0])
    for negative, picture in zip(negatives, pictures, strict=False):
        framed = frame_negative(picture)
        if framed is not None:
            negative[:] = shrink(framed, THUMBNAIL)
    return score_unusable(pictures), thumbnails, negatives


def shrink(picture: Pictures, side: int) -> Pictures:
    """Halve a picture, uint8 (256, 256), until it has `side` pixels a side; OpenCV is fastest at that."""
    while len(picture) > side:
        picture = np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    return picture


def _measure_faults(picture: Pictures) -> dict[str, float]:
    """How sure each fault is, 0..1.

    The limits leave room to 4,236 real radiographs: their structure is 0.78 or more (blank plates with sensor noise
    0.15), contrast 12 or more, at most 3% of the pixels are white and 73% black, and detail is 0.18 to 1.07 of what is
    four times coarser, but for one (a blur of 3 pixels makes it 0.19 in the middle, quantum noise 1.2 and more).
    """
    content = _content(picture)
    if min(content.shape) < 4 * _BLOCK:
        return {"empty": 1.0}
    height, width = (side // _BLOCK * _BLOCK for side in content.shape)
    grey = content[:height, :width]
    contrast, fine = _deviation(grey), _fine_share(grey)
    blocks = np.asarray(cv2.resize(grey, (width // _BLOCK, height // _BLOCK), interpolation=cv2.INTER_AREA), np.uint8)
    signs = {
        "nothing but noise": (0.45 - _deviation(blocks) / max(contrast, 1e-6)) / 0.08,
        "blank": 4 - contrast,
        "over-exposed: white where anatomy should be": (np.count_nonzero(grey > 250) / grey.size - 0.15) / 0.03,
        "under-exposed: black where anatomy should be": (np.count_nonzero(grey < 5) / grey.size - 0.87) / 0.02,
        "under-exposed: noise drowns the detail": (fine - 1.4) / 0.05,
        "blurred: moved, or out of focus": (0.155 - fine) / 0.012,
    }
    return dict(zip(signs, sigmoid(np.array(list(signs.values()), dtype=np.float64)).tolist(), strict=True))


def _fine_share(grey: Pictures) -> float:
    """The deviation of what a blur of 1.5 pixels takes away, over that of the same four times coarser."""
    smooth = _blur(grey)
    coarse = np.asarray(cv2.resize(smooth, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), np.uint8)
    return _deviation_between(grey, smooth) / max(_deviation_between(coarse, _blur(coarse)), 1e-3)


def _blur(grey: Pictures) -> Pictures:
    """A Gaussian of 1.5 pixels, a grey level off at most: OpenCV's own keeps to the last bit and takes three times."""
    return np.asarray(cv2.sepFilter2D(grey, cv2.CV_8U, _GAUSSIAN, _GAUSSIAN), np.uint8)


def _deviation(values: Pictures) -> float:
    return float(cv2.meanStdDev(values)[1].item())


def _deviation_between(one: Pictures, two: Pictures) -> float:
    """The deviation of `one - two`, which is never written down."""
    mean = (cv2.sumElems(one)[0] - cv2.sumElems(two)[0]) / one.size
    return float(np.sqrt(max(cv2.norm(one, two, cv2.NORM_L2SQR) / one.size - mean * mean, 0)))


def _content(picture: Pictures) -> Pictures:
    """The part of the picture that is not its black surround."""
    lit = cv2.threshold(picture, 12, 1, cv2.THRESH_BINARY)[1]
    across, down = (cv2.reduce(lit, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() for axis in (1, 0))
    rows, columns = np.flatnonzero(across > 0.02 * len(down)), np.flatnonzero(down > 0.02 * len(across))
    if len(rows) == 0 or len(columns) == 0:
        return picture[:0, :0]
    return picture[rows[0] + _MARGIN : rows[-1] + 1 - _MARGIN, columns[0] + _MARGIN : columns[-1] + 1 - _MARGIN]
