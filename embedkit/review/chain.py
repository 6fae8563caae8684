"""Checksums of the decisions, chained: a row that was altered, removed or swapped is found (docs/review.md).

The checksum of a row is the SHA-256 of the checksum of the row before it ("" before the first), followed by the row's
other values as a JSON list. It tells damage, and is no signature: who can write the file can make the chain anew.

>>> checksum_of("", (1, "1.2.3", "anna"))[:16]
'5302227d00a2e5f1'
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

Row = tuple[Any, ...]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def checksum_of(previous: str, values: Row) -> str:
    """Return the checksum, 64 hex digits, of a row with these values; raises TypeError for values of other kinds."""
    return hashlib.sha256((previous + _encode(values)).encode()).hexdigest()


def with_checksums(rows: Iterable[Row], previous: str = "") -> Iterator[Row]:
    """Yield rows without checksums with one at the end of each, the first of them after a row with `previous`."""
    for values in rows:
        previous = checksum_of(previous, values)
        yield (*values, previous)
