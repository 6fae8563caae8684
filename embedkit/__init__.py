"""embedkit: an embedding index and label-quality toolkit for radiographs.

>>> import embedkit
>>> labels = ["knee"] * 12 + ["hand"] * 12
>>> vectors = [[1.0 + i / 100, 0.1] if label == "knee" else [0.1, 1.0 + i / 100] for i, label in enumerate(labels)]
>>> labels[0] = "hand"
>>> int(embedkit.rank_label_issues(labels, vectors).score.argmax())
0
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from embedkit.errors import EmbedkitError, EncoderError, IndexFolderError, RejectedFile, UsageError

if TYPE_CHECKING:
    from embedkit.encoder import load_encoder
    from embedkit.indexes import Index, embed
    from embedkit.quality import find_label_issues, rank_label_issues

_ROOMS = {
    "Index": "indexes",
    "embed": "indexes",
    "find_label_issues": "quality",
    "load_encoder": "encoder",
    "rank_label_issues": "quality",
}

__all__ = [
    "EmbedkitError",
    "EncoderError",
    "Index",
    "IndexFolderError",
    "RejectedFile",
    "UsageError",
    "embed",
    "find_label_issues",
    "load_encoder",
    "rank_label_issues",
]


def __getattr__(name: str) -> Any:
    """Import a room on first use: torch, FAISS and scikit-learn take seconds."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'embedkit' has no attribute {name!r}")
    return getattr(import_module(f"embedkit.{_ROOMS[name]}"), name)
