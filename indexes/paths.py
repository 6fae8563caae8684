r"""Paths as an index keeps them: text in UTF-8 that says every byte, though a file may be called by any bytes.

Bytes that are not UTF-8 are written as ``\xNN``; so is the backslash of what only looks like such an escape in a name,
as ``\x5c``. So no two paths are one text, and the text says the path.

>>> path_text(Path(os.fsdecode(b"/a/knee\xe9.dcm"))), path_text(Path(r"/a/knee\xe9.dcm"))
('/a/knee\\xe9.dcm', '/a/knee\\x5cxe9.dcm')
>>> os.fsencode(text_path(r"/a/knee\xe9.dcm"))
b'/a/knee\xe9.dcm'
"""

from __future__ import annotations

import os
import re
from pathlib import Path

DEFAULT_INDEX = Path("embedkit-index")
INDEX_VARIABLE = "EMBEDKIT_INDEX"
_ESCAPE = re.compile(rb"\\x(5c|[89a-f][0-9a-f])")


def default_index() -> Path:
    """Return the index folder where none is named: what `INDEX_VARIABLE` says in the environment, or the default."""
    return Path(os.environ.get(INDEX_VARIABLE) or DEFAULT_INDEX)


def path_text(path: os.PathLike[str]) -> str:
    """Return a path as an index keeps it."""
    name = os.fsencode(path)
    if b"\\x" in name:
        name = _ESCAPE.sub(rb"\\x5cx\1", name)
    return name.decode("utf-8", "backslashreplace")


def text_path(text: str) -> Path:
    """Return the path that an index keeps as `text`: the inverse of `path_text`."""
    return Path(os.fsdecode(_ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), _name(text))))


def _name(text: str) -> bytes:
    """The bytes of a path that is kept in UTF-8, whatever the locale; surrogates are those of a path given by hand."""
    return text.encode("utf-8", "surrogateescape")


def possible_paths(text: str) -> tuple[Path, ...]:
    """Return the path that `text` means, and behind it the other that it may mean in an index of an earlier version.

    That wrote a name that looks like an escape just as it is.
    """
    return (text_path(text), Path(os.fsdecode(_name(text)))) if "\\x" in text else (text_path(text),)


def possible_texts(path: os.PathLike[str]) -> tuple[str, ...]:
    """Return `path_text`, and behind it what `path` may be kept as in an index of an earlier version."""
    return path_text(path), os.fsencode(path).decode("utf-8", "backslashreplace")
