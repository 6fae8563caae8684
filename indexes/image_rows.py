"""What a shard keeps of one image, as it comes from the worker processes."""

from __future__ import annotations

from dataclasses import dataclass

from embedkit.dicom.instance import InstanceFacts


@dataclass(frozen=True)
class ImageRow:
    """One row of a shard: a frame of a file, or a rejected file (frame 0, no picture)."""

    path: str
    size: int
    mtime_ns: int
    content_blake3: str
    facts: InstanceFacts
    frame: int = 0
    reason: str = ""
    notes: tuple[str, ...] = ()
    picture: bytes = b""
    """PNG."""

    @property
    def image_id(self) -> str:
        """The name of the image; of a rejected file, the SOP Instance UID that it gave."""
        return self.facts.image_id(self.frame)
