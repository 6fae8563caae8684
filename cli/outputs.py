"""Files that a command is to write: their names are checked, and their folders made, before the work begins."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from embedkit.errors import UsageError


def prepare_outputs(paths: Iterable[Path | None], *suffixes: str) -> None:
    """Check the names of files to write, and make the folders that they lie in; None is a file that is not asked for.

    Raises
    ------
    UsageError
        ``output-format`` where a name ends in none of `suffixes`, ``output-is-a-folder`` where a folder is there.
    IndexFolderError
        As `embedkit.indexes.storage.make_folder`.
    """
    from embedkit.indexes.storage import make_folder

    *most, last = suffixes
    ends = f"{', '.join(most)} or {last}" if most else last
    named = [path for path in paths if path]
    for path in named:
        if path.suffix not in suffixes:
            raise UsageError("output-format", f"{path}: end the name in {ends}")
        if path.is_dir():
            raise UsageError("output-is-a-folder", f"{path}: this is a folder; name a file")
    for path in named:
        if not path.parent.is_dir():
            make_folder(path.parent)
