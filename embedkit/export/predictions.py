"""What the model says of each image, from a ranking of all images."""

from __future__ import annotations

from dataclasses import dataclass

from embedkit.quality import IssueTable
from embedkit.quality.table import NONE, NOT_CHECKED


@dataclass(frozen=True)
class Prediction:
    """The model's word on an image, by heads that never saw its patient; of a settled one the reviewers'."""

    region: str
    """"" where none can be suggested."""
    confidence: float
    """Probability of that region."""
    issues: tuple[str, ...]
    """The worst first; empty for an image that is no suspect."""


def read_predictions(issues: IssueTable) -> dict[int, Prediction]:
    """The prediction for each row of `Index.images`, from `find_label_issues(..., all_images=True)`."""
    found: dict[int, Prediction] = {}
    columns = (issues.table[name].to_pylist() for name in ("issue", "suggested_region", "confidence"))
    for row, issue, region, confidence in zip(issues.rows, *columns, strict=True):
        earlier = found[row].issues if row in found else ()
        found[row] = Prediction(region, confidence, earlier if issue in (NONE, NOT_CHECKED) else (*earlier, issue))
    return found
