"""The room where images come from: a folder or a list of files."""

from __future__ import annotations

from embedkit.sources.folder import IMAGE_EXTENSION, FoundFile, find_files

__all__ = ["IMAGE_EXTENSION", "FoundFile", "find_files"]
