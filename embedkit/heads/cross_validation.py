"""Out-of-fold probabilities: what a head that has never seen the patient says of each image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
from embedkit.heads.folds import Ints, assign_folds
from embedkit.heads.linear import LinearHead, fit_linear, fit_temperature, softmax
from embedkit.heads.moments import Floats, Moments, add_up

FOLDS = 10
"""More folds leave each head more to learn from; in closed form they cost next to nothing."""


class FoldedHeads:
    """One linear head a fold, each fitted without the patients of its fold.

    Sums the vectors once; every refit without some images costs only the sums of those images.

    Parameters
    ----------
    vectors : float32 (N, D), as the encoder gives them
    codes : int64 (N,), class numbers 0..K-1, -1 where there is no label
    groups : int64 (N,), patient group numbers
    classes : K
    """

    def __init__(
        self, vectors: Floats, codes: Ints, groups: Ints, classes: int, *, folds: int = FOLDS, seed: int = 0
    ) -> None:
        patients = len(np.unique(groups[codes >= 0]))
        if patients < 2:
            raise UsageError("too-few-patients", "labelled images of at least two patients are needed to check labels")
        self.vectors, self.codes, self.classes = vectors, codes, classes
        self.folds = assign_folds(codes, groups, min(folds, patients), seed)
        self._sums = [self._sum_up(self.folds == fold) for fold in range(int(self.folds.max()) + 1)]

    def moments(self, excluded: npt.NDArray[np.bool_] | None = None) -> Moments:
        """Return the sums over all labelled images but the `excluded`, bool (N,)."""
        return add_up(self._sums_without(excluded))

    def rounds(self, excluded: npt.NDArray[np.bool_] | None = None) -> Iterator[tuple[Ints, Moments]]:
        """Yield the rows of each fold, int64 (M,), with the sums over all other folds but the `excluded` images."""
        sums = self._sums_without(excluded)
        total = add_up(sums)
        for fold, own in enumerate(sums):
            yield np.flatnonzero(self.folds == fold), total - own

    def logits(self, excluded: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Return out-of-fold logits, float32 (N, K), of heads fitted without the `excluded` images, bool (N,)."""
        logits = np.empty((len(self.codes), self.classes), dtype=np.float32)
        for rows, seen in self.rounds(excluded):
            logits[rows] = fit_linear(seen, ("",) * self.classes).logits(self.vectors[rows])
        return logits

    def probabilities(self, excluded: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Return out-of-fold probabilities, float32 (N, K), at the temperature that fits the images kept."""
        logits = self.logits(excluded)
        codes = self.codes if excluded is None else np.where(excluded, -1, self.codes)
        return softmax(logits / np.float32(fit_temperature(logits, codes)))

    def head(self, regions: tuple[str, ...], encoder: str = "") -> LinearHead:
        """Fit one head to all labelled images, its temperature the one that held-out patients taught."""
        return fit_linear(self.moments(), regions, encoder=encoder).temperature_scaled(
            fit_temperature(self.logits(), self.codes)
        )

    def _sums_without(self, excluded: npt.NDArray[np.bool_] | None) -> list[Moments]:
        if excluded is None:
            return self._sums
        return [own - self._sum_up((self.folds == fold) & excluded) for fold, own in enumerate(self._sums)]

    def _sum_up(self, chosen: npt.NDArray[np.bool_]) -> Moments:
        return Moments.of(self.vectors, np.where(chosen, self.codes, -1), self.classes)


def cross_validate(
    vectors: Floats, codes: Ints, groups: Ints, classes: int, *, folds: int = FOLDS, seed: int = 0
) -> Floats:
    """Out-of-fold probabilities, float32 (N, K), of a linear head; folds by patient group.

    An image without a label (code -1) is scored as well, by the head that never saw its patient. Raises UsageError
    `too-few-patients` with labelled images of fewer than two patients.
    """
    return FoldedHeads(vectors, codes, groups, classes, folds=folds, seed=seed).probabilities()


def fit_head(
    vectors: Floats, codes: Ints, groups: Ints, regions: tuple[str, ...], *, encoder: str = "", seed: int = 0
) -> LinearHead:
    """Fit a head to all labelled images, vectors float32 (N, D), codes int64 (N,) numbering `regions`.

    With images of a single patient nothing can be held out: the head then keeps its own confidence.
    """
    if len(np.unique(groups[codes >= 0])) < 2:
        return fit_linear(Moments.of(vectors, codes, len(regions)), regions, encoder=encoder)
    return FoldedHeads(vectors, codes, groups, len(regions), seed=seed).head(regions, encoder)
