"""What was removed from an index for good, known by keyed hashes: no more is kept of it, so that it can be kept out."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class RemovedImages:
    """What was removed from an index: tells whether a file is one of these."""

    key: bytes = b""
    """The patient key of the index."""
    hashes: frozenset[str] = frozenset()

    def hold(self, uid: str, content: str) -> bool:
        """Whether the file with this SOP Instance UID or this content (BLAKE3) was removed."""
        return bool(self.hashes) and not self.hashes.isdisjoint(self.hash_all([uid, content]))

    def hold_image(self, image_id: str) -> bool:
        """Whether the image with this id was removed."""
        return self.hold(image_id.partition("#")[0], "")

    def hash_all(self, names: Iterable[str]) -> set[str]:
        """The keyed hashes of what names a file; "" names none."""
        texts = [f"embedkit.removed/{name}".encode() for name in names if name]
        return {hmac.digest(self.key, text, "sha256").hex()[:32] for text in texts}


NONE_REMOVED = RemovedImages()
