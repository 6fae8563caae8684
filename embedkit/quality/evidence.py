"""Why an image is listed, in a sentence that a person can check at the picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from embedkit.quality.duplicates import Duplicates
from embedkit.quality.ranking import LabelRanking

HEADERS = ("region", "laterality", "view", "patient", "study_instance_uid")
"""The columns of the index that evidence is taken from."""


@dataclass(frozen=True)
class Witness:
    """What is known of N images, for sentences about one of them."""

    labels: LabelRanking
    duplicates: Duplicates
    headers: Mapping[str, list[str]]
    """By name the columns of `HEADERS`, N values each."""

    def of_label(self, row: int) -> str:
        """Why the label of an image is doubted."""
        labels = self.labels
        suggested = labels.classes[labels.suggested[row]]
        sentence = (
            f"Looks like {suggested} ({labels.confidence[row]:.0%} sure, {labels.neighbour_agreement[row]:.0%} of the "
            "neighbours' vote)."
        )
        others = self._filed_in_study(row)
        return sentence + (f" Its study has {others[suggested]} filed as {suggested}." if others[suggested] else "")

    def of_doubt(self, row: int) -> str:
        """What speaks against a label that is doubted a little; "" where only its neighbours do."""
        labels = self.labels
        suggested = labels.classes[labels.suggested[row]] if labels.suggested[row] >= 0 else ""
        return self.of_label(row) if suggested not in ("", self.headers["region"][row]) else ""

    def of_missing(self, row: int) -> str:
        """What stands in for a label that did not come with the image."""
        labels = self.labels
        if labels.suggested[row] < 0:
            return "It came without a label."
        return f"It came without a label; looks like {labels.classes[labels.suggested[row]]}."

    def of_duplicate(self, row: int, others: tuple[int, ...]) -> str:
        """What an image shares with those that repeat it, and what their headers say differently."""
        patient = self.headers["patient"]
        across = patient[row] != "" and any(patient[other] not in ("", patient[row]) for other in others)
        ours = (self.duplicates.first == row) | (self.duplicates.second == row)
        words = [f"The same exposure as {len(others)} other image{'s' * (len(others) > 1)}"]
        words += ["under another patient (one of them is not whose it says)"] * across
        words += ["mirrored"] * bool(self.duplicates.mirrored[ours].any())
        for name in ("region", "laterality", "view"):
            values = sorted({self.headers[name][place] for place in (row, *others)} - {""})
            words += [f"{name} filed as {' and '.join(values)}"] * (len(values) > 1)
        return ", ".join(words) + "."

    def of_study(self, row: int, others: tuple[int, ...]) -> str:
        """What contradicts the label of an image within its study."""
        names = " and ".join(sorted({self.headers["region"][other] for other in others}))
        looks = self.labels.classes[self.labels.suggested[row]]
        images = f"{len(others)} images of its study do" if len(others) > 1 else "another image of its study does"
        return f"It looks like {looks}, as {images}, filed as {names}."

    def _filed_in_study(self, row: int) -> Counter[str]:
        """How often each region is given in the other images of the study."""
        study = self._rows_of_study.get(self.headers["study_instance_uid"][row], [])
        return Counter(self.headers["region"][other] for other in study if other != row)

    @cached_property
    def _rows_of_study(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, study in enumerate(self.headers["study_instance_uid"]):
            if study:
                rows.setdefault(study, []).append(row)
        return rows
