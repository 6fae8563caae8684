"""Lists of images of a region, for whoever builds a cohort: as few wrong ones as the labels and the model allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from embedkit.export.predictions import Prediction, read_predictions
from embedkit.indexes import Index
from embedkit.quality import IssueTable
from embedkit.review import Consensus

SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("region", pa.string(), nullable=False),
        pa.field("confidence", pa.float64(), nullable=True),
        pa.field("basis", pa.string(), nullable=False),
    ]
)
REVIEWED, GIVEN, SUGGESTED = "reviewed", "given", "suggested"


@dataclass(frozen=True)
class CohortRules:
    """Which images are taken. What reviewers agreed on goes before what the model says."""

    regions: tuple[str, ...] = ()
    """All where empty."""
    min_confidence: float = 0.0
    """The least probability that the model gives to the region of an image that nobody reviewed."""
    no_suspects: bool = False
    """Leave out images with an issue that nobody reviewed."""


def list_cohort(index: Index, consensus: Mapping[str, Consensus], issues: IssueTable, rules: CohortRules) -> pa.Table:
    """List the images that `rules` take, by `SCHEMA`, in the order of the index.

    The region of an image is the one that reviewers agreed on (`basis` reviewed), else its label (given), else what the
    model suggests (suggested). Disputed images, and those found out-of-domain or unusable, are left out. `confidence`
    is the model's probability of that region; null where the model names another one.

    Parameters
    ----------
    issues
        `find_label_issues(..., all_images=True)`.
    """
    predictions = read_predictions(issues)
    facts = index.images.select(["image_id", "path", "region"]).to_pylist()
    taken = []
    for row, fact in enumerate(facts):
        counts, prediction = consensus.get(fact["image_id"]), predictions[row]
        region, basis = _settle(counts, fact["region"], prediction)
        confidence = prediction.confidence if prediction.region == region else None
        sure = (confidence or 0.0) >= rules.min_confidence and not (rules.no_suspects and prediction.issues)
        if region and (basis == REVIEWED or sure) and (not rules.regions or region in rules.regions):
            taken.append({**fact, "region": region, "confidence": confidence, "basis": basis})
    return pa.Table.from_pylist(taken, schema=SCHEMA)


def _settle(counts: Consensus | None, given: str, prediction: Prediction) -> tuple[str, str]:
    """The region of an image, "" for none, and on whose word."""
    if counts is not None:
        return counts.region, REVIEWED
    return (given, GIVEN) if given else (prediction.region, SUGGESTED)
