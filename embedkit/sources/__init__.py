"""The room where images come from: a folder or a list of files."""

from __future__ import annotations

from embedkit.sources.folder import FoundFile, find_files

__all__ = ["FoundFile", "find_files"]
