"""embedkit: an embedding index and label-quality toolkit for radiographs.

>>> import embedkit
>>> labels = ["knee"] * 12 + ["hand"] * 12
>>> vectors = [[1.0 + i / 100, 0.1] if label == "knee" else [0.1, 1.0 + i / 100] for i, label in enumerate(labels)]
>>> labels[0] = "hand"
>>> int(embedkit.rank_label_issues(labels, vectors).score.argmax())
0
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedkit.errors import EmbedkitError, EncoderError, IndexFolderError, RejectedFile, UsageError
from embedkit.lazy import import_on_use

if TYPE_CHECKING:
    __version__: str
    from embedkit._index import Index
    from embedkit.encoder import load_encoder
    from embedkit.indexes import embed
    from embedkit.quality import find_label_issues, rank_label_issues

_ROOMS = {
    "Index": "_index",
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

_import = import_on_use(__name__, _ROOMS)  # torch, FAISS and scikit-learn take seconds


def __getattr__(name: str) -> Any:
    if name == "__version__":  # of the installed package; what reads it takes a tenth of `--help`
        from importlib.metadata import version  # noqa: PLC0415

        return version("embedkit")
    return _import(name)
