"""`embedkit.Index`: an index with what rooms to the right of `indexes` make of it.

`embedkit.indexes` may not import heads nor verdicts, which are made of indexes; who uses embedkit from Python shall not
have to know that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedkit import indexes

if TYPE_CHECKING:
    from embedkit.encoder import Encoder
    from embedkit.heads import Ensemble
    from embedkit.quality import Verdicts


class Index(indexes.Index):
    """An index, read-only, as it was when it was opened; a writer may go on meanwhile.

    Attributes and the other methods are those of `embedkit.indexes.Index`.
    """

    def classify(
        self,
        sources: str | Path | Sequence[str | Path] | None = None,
        *,
        head: str | Path | Ensemble | None = None,
        encoders: Sequence[str | Encoder] = (),
        workers: int | None = None,
    ) -> Verdicts:
        """Name the region of images, and say whether a person must look at them, as `embedkit classify` does.

        It fails closed: `Verdict.trusted` only where the image is whole, in the domain, and its region sure in 99 of
        100 cases. A file that cannot be read has a row with its `reason`, and is not trusted.

        Parameters
        ----------
        sources
            A file or folder, or several; None for the images of the index that have no label.
        head
            A head, or its file; None for one fitted to the labels of the index, once.
        encoders
            Those of the head that are not shipped: their files, or themselves.
        workers
            Worker processes that read files; None for one a core.

        Raises
        ------
        UsageError
            ``no-image`` where there is no file; ``source-not-found``; ``too-few-labels`` or ``too-few-patients`` where
            the index cannot teach a head.
        EncoderError
            ``head-unreadable``, ``head-of-another-encoder`` or ``encoder-mismatch``.
        """
        from embedkit.heads import load_head  # noqa: PLC0415 (scikit-learn takes long to import)
        from embedkit.quality import classify_files, classify_rows  # noqa: PLC0415

        fitted = self._fitted_head if head is None else load_head(Path(head)) if isinstance(head, str | Path) else head
        if sources is None:
            unlabelled = [row for row, region in enumerate(self.images["region"].to_pylist()) if not region]
            return classify_rows(fitted, self, np.array(unlabelled, np.int64))
        paths = [Path(source) for source in ([sources] if isinstance(sources, str | Path) else sources)]
        return classify_files(fitted, paths, encoders=encoders, workers=workers, spell=self.paths.text)

    @cached_property
    def _fitted_head(self) -> Ensemble:
        from embedkit.quality import fit_index_classifier  # noqa: PLC0415

        return fit_index_classifier(self)
