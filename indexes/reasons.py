"""Why a file is no image of an index: the reasons of reading it, and those that only an index can have."""

from __future__ import annotations

from embedkit import reasons

REASONS: dict[str, str] = reasons.REASONS | {
    "duplicate-instance": "It is the same SOP instance, byte for byte, as another file of the index.",
    "conflicting-instance": "It has the SOP Instance UID of another file, but other content; the first was kept.",
    "removed": "It was taken out by `embedkit remove`, and is kept out.",
    "bad-vector": "Its vector is zero or not finite, as of a picture without content.",
}
