"""How far a run of `embed` is, and what it has done."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from embedkit.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    from embedkit.indexes.labelling import LabelChange, LabelReport


@dataclass(frozen=True)
class EmbedReport:
    """What one run of `embed` met, and what the index holds after it."""

    files: int = 0
    """Files under the sources."""
    new: int = 0
    """Files that the index did not know, nor their content at a path that is gone."""
    unchanged: int = 0
    changed: int = 0
    """Files whose content is another than at the last run; read anew."""
    moved: dict[str, str] = field(default_factory=dict)
    """By path of a file that is gone, that where its content is now."""
    vanished: tuple[str, ...] = ()
    """Paths that were in the index and under the sources, but are no longer there."""
    forgotten: int = 0
    """Of them, those that were taken out of the index: all, or none where they are most of the files."""
    images: int = 0
    """Images in the index: a file has one, or one a frame."""
    image_files: int = 0
    """Files in the index that have an image."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Files in the index that have none, by reason."""
    rejected_frames: Counter[str] = field(default_factory=Counter)
    """Frames that were read and are no image, by reason: of rejected files, or of others whose other frames are."""
    given_up: int = 0
    """Files that an earlier run tried in vain with no less time and memory, and that this one did not read again."""
    notes: Counter[str] = field(default_factory=Counter)
    """Images in the index by what was noted of them."""
    labels: LabelReport | None = None
    """What became of the labels that were given."""
    mapped: tuple[LabelChange, ...] | None = None
    """Images whose region of the header became another one by another vocabulary; None where nothing was mapped."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time by stage; `prepare` and `encode` overlap."""


class ProgressMeter:
    """Counts the files of a run for `on_progress`, and in a thread of its own those that there are."""

    def __init__(self, walk: Callable[[], Iterable[object]], on_progress: OnProgress) -> None:
        self._heard, self._advance = on_progress is not ignore_progress, partial(on_progress, "Embedding")
        self._walk = walk
        self._stop = threading.Event()
        self._total: int | None = None
        self._done = self._rejected = self._images = 0
        self._thread = threading.Thread(target=self._count, name="count", daemon=True)

    def __enter__(self) -> ProgressMeter:
        if self._heard:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._heard:
            self._thread.join()

    def advance(self, files: int = 1, *, rejected: int = 0, images: int = 0) -> None:
        """Add to the counts, and report them."""
        self._done += files
        self._rejected += rejected
        self._images += images
        self._advance(self._done, self._total, f"{self._images:,} images, {self._rejected:,} rejected")

    def _count(self) -> None:
        total = 0
        for _ in self._walk():
            if self._stop.is_set():
                return
            total += 1
        self._total = total
