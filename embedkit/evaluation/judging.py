"""What heads say of images whose patients they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embedkit.evaluation.protocol import Round
from embedkit.heads import Moments, Neighbours, blend, build_search, fit_linear, vote
from embedkit.heads.folds import Ints
from embedkit.heads.linear import fit_temperature, softmax
from embedkit.heads.moments import Floats

VOTERS = 20


@dataclass(frozen=True)
class Judgement:
    """Probabilities, float32 (N, K), for rows that some round did not train on; other rows are zero."""

    method: str
    """`linear`, `kNN`, or `ensemble`."""
    space: str
    """"" for the ensemble."""
    raw: Floats
    """As fitted."""
    probabilities: Floats
    """After temperature scaling; the same as `raw` for `kNN`, which has no logits."""
    temperature: float = 1.0
    """Mean over the rounds."""

    @property
    def name(self) -> str:
        """The method and its space."""
        return f"{self.space} {self.method}".strip()


def judge_linear(space: str, vectors: Floats, codes: Ints, rounds: Sequence[Round], classes: int) -> Judgement:
    """Judge by the linear head on `vectors`, float32 (N, D), of images of class `codes`, int64 (N,)."""
    logits = np.zeros((len(codes), classes), np.float32)
    for judged in rounds:
        moments = Moments.of(vectors, np.where(judged.train, codes, -1), classes)
        logits[~judged.train] = fit_linear(moments, ("",) * classes).logits(vectors[~judged.train])
    return _calibrate(Judgement("linear", space, softmax(logits), logits), codes, rounds)


def judge_neighbours(space: str, vectors: Floats, codes: Ints, rounds: Sequence[Round], classes: int) -> Judgement:
    """Judge by the vote of the 20 nearest training images; arguments as of `judge_linear`."""
    shares = np.zeros((len(codes), classes), np.float32)
    for judged in rounds:
        cosine, near = build_search(vectors[judged.train])(vectors[~judged.train], VOTERS)
        shares[~judged.train] = vote(Neighbours(near, cosine), codes[judged.train], classes)
    return Judgement("kNN", space, shares, shares)


def judge_ensemble(members: Sequence[Judgement], codes: Ints, rounds: Sequence[Round]) -> Judgement:
    """Add up the probabilities of several linear heads (paper, section 4.3), and calibrate the sum."""
    with np.errstate(divide="ignore"):
        logits = np.log(blend([member.probabilities for member in members]))
    return _calibrate(Judgement("ensemble", "", blend([member.raw for member in members]), logits), codes, rounds)


def _calibrate(judgement: Judgement, codes: Ints, rounds: Sequence[Round]) -> Judgement:
    """Turn the logits, which stand where the probabilities will, into these."""
    logits, probabilities, temperatures = judgement.probabilities, judgement.raw.copy(), []
    for judged in rounds:
        temperatures.append(fit_temperature(logits, np.where(judged.calibration, codes, -1)))
        scored = ~judged.train
        probabilities[scored] = softmax(logits[scored] / np.float32(temperatures[-1]))
    return replace(judgement, probabilities=probabilities, temperature=float(np.mean(temperatures)))
