"""Files that readers keep beside the index, for the next one: used where they are whole, and missed by nobody.

No manifest names them. Each begins with the SHA-256 of what follows, and is called by what it was made from.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from embedkit.errors import EmbedkitError
from embedkit.indexes.storage import make_folder, remove_files, write_bytes

RANKINGS = "rankings"
SUFFIX = ".ranking"
KEPT = 4
"""Rankings by other settings, or of an earlier state, are kept up to so many files."""
_LENGTH = 65


def read_sealed(path: Path) -> bytes | None:
    """Return what a file holds; None where it is missing, cannot be read, or is not what was written."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    seal, body = data[:_LENGTH], memoryview(data)[_LENGTH:]
    return bytes(body) if seal == hashlib.sha256(body).hexdigest().encode() + b"\n" else None


def write_sealed(path: Path, body: bytes) -> bool:
    """Keep `body` for the next reader, and no more than `KEPT` files; whether it could be written."""
    try:
        make_folder(path.parent)
        write_bytes(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        aged = sorted(list_rankings(path.parent.parent), key=lambda other: other.stat().st_mtime_ns)
        remove_files(aged[:-KEPT])
    except (EmbedkitError, OSError):  # a read-only disk, a full one, another process at the same file
        return False
    return True


def touch(path: Path) -> None:
    """Note that a file was used, so that it stays."""
    with suppress(OSError):
        os.utime(path)


def list_rankings(folder: Path) -> list[Path]:
    """The rankings that are kept beside an index."""
    return sorted((folder / RANKINGS).glob(f"*{SUFFIX}"))


def forget_rankings(folder: Path) -> None:
    """Delete them: they name images."""
    remove_files(list_rankings(folder))
