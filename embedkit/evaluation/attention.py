"""How much a prediction looks at what must not be its reason: the paper's figure 3 as a number.

Gauges and borders are planted in pictures of patients that the head has not seen. Their share of the attribution
(Guided Grad-CAM of the predicted region) is held against their share of the area, and against what the same place got
before. All spaces see the same pictures, so that encoders are compared image by image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from embedkit.errors import UsageError
from embedkit.evaluation.intervals import Interval, Numbers, mean_interval
from embedkit.evaluation.planting import PLANTED, Pictures, Planted, plant
from embedkit.heads import assign_folds, fit_head
from embedkit.heads.attribution import Attribution, Explainer
from embedkit.heads.folds import Ints
from embedkit.heads.labels import encode_groups, encode_labels
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags
from embedkit.indexes import Index

IMAGES = 200
_AT_ONCE = 32


@dataclass(frozen=True)
class Attention:
    """What one space's predictions look at."""

    space: str
    planted: str
    """``gauge`` or ``border``."""
    area: float
    """Mean share of the picture that was planted over."""
    share: Interval
    """Of the attribution, on what was planted."""
    before: float
    """Mean share that the same place had in the picture as it was."""
    changed: float
    """Share of the images that are taken for another region because of it."""
    difference: Interval | None
    """Of the share to that of the first space, image by image; None for the first."""


@dataclass(frozen=True)
class Example:
    """The image on which what was planted draws most attention."""

    planted: str
    picture: Pictures
    """uint8 (S, S), with what was planted."""
    place: Flags
    """bool (S, S)."""
    spaces: tuple[str, ...]
    shares: tuple[float, ...]
    """Of the attribution, by space."""
    guided: Floats
    """float32 (spaces, S, S)."""


@dataclass(frozen=True)
class AttentionReport:
    """A row a space and kind, and an example a kind."""

    rows: tuple[Attention, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class _Look:
    """What a space looks at in N pictures, float64 (N,) each but the last."""

    share: Numbers
    before: Numbers
    changed: Flags


def measure_attention(
    index: Index, encoders: Mapping[str, str], *, images: int = IMAGES, seed: int = 0
) -> AttentionReport:
    """Measure how much predictions look at planted gauges and borders.

    Parameters
    ----------
    encoders
        For each space to compare, the first being what the others are held against, where its encoder is (as
        `load_encoder`).
    images
        How many held-out images at most; a fifth of the patients is held out.

    Raises
    ------
    UsageError
        ``too-few-patients`` where labelled images of fewer than five patients are there; as `Index.vectors`.
    EncoderError
        As `Explainer.load`.
    """
    labels = encode_labels(index.images["region"].to_pylist())
    groups, _ = encode_groups(index.images["patient"].to_pylist(), len(index))
    labelled = labels.codes >= 0
    if len(np.unique(groups[labelled])) < 5 or len(labels.names) < 2:
        raise UsageError("too-few-patients", "labelled images of two regions and five patients are needed")
    held_out = assign_folds(labels.codes, groups, 5, seed) == 0
    train = np.where(held_out, -1, labels.codes)
    rows = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(held_out & labelled))[:images])
    explainers = {}
    for space, source in encoders.items():
        sha256 = index.spaces[index.space_name(space)].encoder
        head = fit_head(index.vectors(space), train, groups, labels.names, encoder=sha256, seed=seed)
        explainers[space] = Explainer.load(source, head)
    return compare_attention(explainers, index.pictures(rows), groups[rows], seed=seed)


def compare_attention(
    explainers: Mapping[str, Explainer], pictures: Pictures, groups: Ints, *, seed: int = 0
) -> AttentionReport:
    """Compare explainers on pictures, uint8 (N, S, S), of patients `groups`, int64 (N,); see `measure_attention`."""
    rows: list[Attention] = []
    examples = []
    for what in PLANTED:
        planted = plant(pictures, what, seed)
        looks = {space: _look(explainer, pictures, planted) for space, explainer in explainers.items()}
        first = next(iter(looks.values())).share
        rows += [
            Attention(
                space,
                what,
                float(planted.place.mean()),
                mean_interval(look.share, groups, seed=seed),
                float(look.before.mean()),
                float(look.changed.mean()),
                None if look.share is first else mean_interval(look.share - first, groups, seed=seed),
            )
            for space, look in looks.items()
        ]
        examples.append(_pick_example(what, planted, explainers, {s: look.share for s, look in looks.items()}))
    return AttentionReport(tuple(rows), tuple(examples))


def _look(explainer: Explainer, pictures: Pictures, planted: Planted) -> _Look:
    parts = []
    for start in range(0, len(pictures), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        place = planted.place[part]
        now, was = explainer.explain(planted.pictures[part]), explainer.explain(pictures[part])
        changed = np.array(now.regions) != np.array(was.regions)
        parts.append((share_of(now, place), share_of(was, place), changed))
    share, before, changed = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Look(share, before, changed)


def share_of(found: Attribution, place: Flags) -> Numbers:
    """The share of each attribution that lies in its place, bool (N, S, S): float64 (N,); 0 where there is none."""
    total = found.guided.sum(axis=(1, 2), dtype=np.float64)
    inside = np.where(place, found.guided, 0).sum(axis=(1, 2), dtype=np.float64)
    return np.asarray(inside / np.maximum(total, np.finfo(np.float64).tiny))


def _pick_example(
    what: str, planted: Planted, explainers: Mapping[str, Explainer], shares: Mapping[str, Numbers]
) -> Example:
    most = int(np.mean(list(shares.values()), axis=0).argmax())
    picture = planted.pictures[most]
    guided = [explainer.explain(picture[None]).guided[0] for explainer in explainers.values()]
    own = tuple(float(share[most]) for share in shares.values())
    return Example(what, picture, planted.place[most], tuple(explainers), own, np.stack(guided))
