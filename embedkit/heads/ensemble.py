"""The head that a site uses: linear heads of one or more vector spaces, how sure they may be, and their domain.

The probabilities of the spaces are added up after softmax (paper, section 4.3) and brought to what they are worth by
one temperature. Everything that says how far to believe it (temperatures, thresholds, reach) is learnt from patients
that the heads had not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embedkit.errors import EncoderError, UsageError
from embedkit.heads.confidence import Threshold, find_thresholds
from embedkit.heads.cross_validation import FoldedHeads
from embedkit.heads.domain import COVERAGE, Domain, fit_domain
from embedkit.heads.folds import Ints
from embedkit.heads.linear import LinearHead, fit_linear, fit_temperature, softmax
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags
from embedkit.indexes.vectors import usable

Vectors = Mapping[str, Floats]
"""Raw vectors, float32 (N, D), by space; row for row the same images."""


@dataclass(frozen=True)
class Member:
    """The head and the domain of one space; the encoder is named by the head."""

    space: str
    head: LinearHead
    domain: Domain


@dataclass(frozen=True)
class Ensemble:
    """Names the region of images by their vectors in one or more spaces."""

    members: tuple[Member, ...]
    temperature: float
    """Of the sum; each head's own is part of its weights."""
    thresholds: tuple[Threshold, ...]
    """One a region."""
    preprocessing: str = ""
    """The version of the pictures that the vectors were made of."""

    @property
    def regions(self) -> tuple[str, ...]:
        """K region names."""
        return self.members[0].head.regions

    @property
    def spaces(self) -> dict[str, str]:
        """The sha256 of the encoder by space."""
        return {member.space: member.head.encoder for member in self.members}

    def probabilities(self, vectors: Vectors) -> Floats:
        """The probability of each region, float32 (N, K); raises as `check`."""
        self.check(vectors)
        return blend([member.head.probabilities(vectors[member.space]) for member in self.members], self.temperature)

    def contains(self, vectors: Vectors) -> Flags:
        """Whether images are of the kind that the heads were fitted to, bool (N,); raises as `check`."""
        self.check(vectors)
        remote = [member.domain.remoteness(vectors[member.space]) for member in self.members]
        return np.asarray(np.mean(remote, axis=0) <= 1, dtype=bool)

    def passes(self, probabilities: Floats) -> Flags:
        """Whether the confidence, of `probabilities` (N, K), passes the threshold of the region named, bool (N,)."""
        least = np.array([threshold.confidence for threshold in self.thresholds])
        return np.asarray(probabilities.max(axis=1) >= least[probabilities.argmax(axis=1)], dtype=bool)

    def check(self, vectors: Vectors) -> None:
        """Raise UsageError `bad-vectors` where a space is missing or a vector is of no use."""
        for member in self.members:
            points, width = vectors.get(member.space), member.head.weight.shape[1]
            if points is None or points.ndim != 2 or points.shape[1] != width or not usable(points).all():
                raise UsageError(
                    "bad-vectors", f"{member.space}: vectors must be finite, not zero, of shape (N, {width})"
                )

    def check_encoders(self, encoders: Mapping[str, str], preprocessing: str) -> None:
        """Raise EncoderError `head-of-another-encoder` unless `encoders`, sha256 by space, are those of the heads."""
        for space, encoder in self.spaces.items():
            if encoders.get(space) != encoder or preprocessing != self.preprocessing:
                message = (
                    "was fitted to vectors of another encoder or version: name that encoder, or fit the head again"
                )
                raise EncoderError("head-of-another-encoder", f"the head of the space '{space}' {message}")


def fit_ensemble(
    vectors: Vectors,
    codes: Ints,
    groups: Ints,
    regions: tuple[str, ...],
    *,
    encoders: Mapping[str, str] | None = None,
    preprocessing: str = "",
    excluded: Flags | None = None,
    seed: int = 0,
) -> Ensemble:
    """Fit to all labelled images but the `excluded`, bool (N,); what it may be believed is learnt out of fold.

    `codes` int64 (N,) number `regions`, -1 without a label; `groups` int64 (N,) number the patients. Labels of excluded
    images count when thresholds are looked for: dropping what looks wrong would make any head look right.
    Raises UsageError `too-few-patients` as `FoldedHeads` does.
    """
    kept = codes if excluded is None else np.where(excluded, -1, codes)
    members, held_out = [], []
    for space, points in vectors.items():
        folded = FoldedHeads(points, codes, groups, len(regions), seed=seed)
        logits, remote = np.empty((len(codes), len(regions)), np.float32), np.empty(len(codes), np.float32)
        for rows, seen in folded.rounds(excluded):
            logits[rows] = fit_linear(seen, regions).logits(points[rows])
            remote[rows] = fit_domain(seen).remoteness(points[rows])
        heat = fit_temperature(logits, kept)
        whole = folded.moments(excluded)
        head = fit_linear(whole, regions, encoder=(encoders or {}).get(space, "")).temperature_scaled(heat)
        members.append(Member(space, head, fit_domain(whole, float(np.quantile(remote[kept >= 0], COVERAGE)))))
        held_out.append(softmax(logits / np.float32(heat)))
    temperature = fit_blend(held_out, kept)
    thresholds = find_thresholds(blend(held_out, temperature), codes, groups)
    return Ensemble(tuple(members), temperature, thresholds, preprocessing)


def blend(probabilities: Sequence[Floats], temperature: float = 1.0) -> Floats:
    """Add up the probabilities of several heads, each (N, K), at a temperature: float32 (N, K)."""
    if len(probabilities) == 1 and temperature == 1:
        return probabilities[0]
    return softmax(_log_mean(probabilities) / np.float32(temperature))


def fit_blend(probabilities: Sequence[Floats], codes: Ints) -> float:
    """Find the temperature of `blend` for held-out probabilities; 1 for a single head, which has its own."""
    return 1.0 if len(probabilities) == 1 else fit_temperature(_log_mean(probabilities), codes)


def _log_mean(probabilities: Sequence[Floats]) -> Floats:
    with np.errstate(divide="ignore"):  # a class never seen has probability 0
        return np.asarray(np.log(np.mean(probabilities, axis=0)), dtype=np.float32)
