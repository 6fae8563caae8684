"""The room where images come from: files and folders, or any other source."""

from __future__ import annotations

from embedkit.sources.folder import IMAGE_EXTENSION, FolderSource, FoundFile, find_files
from embedkit.sources.source import Source

__all__ = ["IMAGE_EXTENSION", "FolderSource", "FoundFile", "Source", "find_files"]
