"""Images, labels and decisions for programs that show and annotate pictures. They show patients."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from embedkit.export.decision_table import group_readings
from embedkit.export.folders import whole_folder
from embedkit.export.predictions import Prediction, read_predictions
from embedkit.image.picture import encode_picture
from embedkit.indexes import Index
from embedkit.indexes.storage import Put, make_folder, write_atomically, write_bytes
from embedkit.quality import IssueTable
from embedkit.report.page import encode_webp
from embedkit.review import Decision, find_consensus, outcome_of

_NO_REGION = ("out-of-domain", "unusable")
_SIDE = 256


def write_label_studio(
    folder: Path, index: Index, latest: Sequence[Decision], issues: IssueTable, *, overwrite: bool = False
) -> int:
    """Write tasks.json and config.xml for Label Studio, and return the number of tasks.

    A task is an image that is a suspect or was decided on, with its picture inside (a data: address): the model's word
    as its prediction, each reviewer's outcome as an annotation. `issues` is `find_label_issues(..., all_images=True)`.
    Raises as `whole_folder` does.
    """
    readings, predictions = group_readings(latest), read_predictions(issues)
    ids, given = (index.images[name].to_pylist() for name in ("image_id", "region"))
    rows = [row for row, image_id in enumerate(ids) if image_id in readings or predictions[row].issues]

    def tasks() -> Iterable[dict[str, Any]]:
        for position, picture in index.walk_pictures(rows):
            row = rows[position]
            decisions = readings.get(ids[row], [])
            data = {
                "image": f"data:image/webp;base64,{encode_webp(picture, _SIDE)}",
                "image_id": ids[row],
                "given_region": given[row],
                "issues": list(predictions[row].issues),
                "reviewers": [decision.reviewer for decision in decisions],
            }
            annotations = [{"result": _choose(outcome_of(decision))} for decision in decisions]
            yield {"data": data, "predictions": _predict(predictions[row]), "annotations": annotations}

    choices = sorted({*given, *(p.region for p in predictions.values()), *(d.region for d in latest)} - {""})
    with whole_folder(folder, overwrite=overwrite) as place:
        write_atomically(place / "tasks.json", lambda put: _put_list(put, tasks()))
        write_bytes(place / "config.xml", _label_config([*choices, *_NO_REGION]).encode())
    return len(rows)


def write_fiftyone(
    folder: Path, index: Index, latest: Sequence[Decision], issues: IssueTable, *, overwrite: bool = False
) -> int:
    """Write all images of the index as a dataset that `fiftyone.types.FiftyOneDataset` reads; return their number.

    samples.json has the fields `given`, `suggested` and `decided`, and the issues as tags; data/ the pictures. Raises
    as `whole_folder` does.
    """
    consensus, predictions = find_consensus(latest), read_predictions(issues)
    facts = index.images.select(["image_id", "region", "patient"]).to_pylist()
    with whole_folder(folder, overwrite=overwrite) as place:
        make_folder(place / "data")

        def samples() -> Iterable[dict[str, Any]]:
            for row, picture in index.walk_pictures(range(len(index))):
                name = f"data/{row + 1:06d}.png"
                write_bytes(place / name, encode_picture(picture))
                fact, word = facts[row], predictions[row]
                counts = consensus.get(fact["image_id"])
                yield {
                    "filepath": name,
                    "tags": list(word.issues),
                    "image_id": fact["image_id"],
                    "patient": fact["patient"],
                    "given": _classify(fact["region"]),
                    "suggested": _classify(word.region, word.confidence),
                    "decided": _classify((counts.region or counts.verdict or "disputed") if counts else ""),
                }

        def write(put: Put) -> None:
            put(b'{"samples": ')
            _put_list(put, samples())
            put(b"}\n")

        write_atomically(place / "samples.json", write)
    return len(facts)


def _put_list(put: Put, documents: Iterable[dict[str, Any]]) -> None:
    """A JSON list, one document a line, never all in memory."""
    before = "[\n"
    for document in documents:
        put((before + json.dumps(document, ensure_ascii=False)).encode("utf-8", errors="replace"))
        before = ",\n"
    put(b"\n]" if before != "[\n" else b"[]")


def _choose(label: str) -> list[dict[str, Any]]:
    value = {"choices": [label]}
    return [{"from_name": "region", "to_name": "image", "type": "choices", "value": value}]


def _predict(prediction: Prediction) -> list[dict[str, Any]]:
    if not prediction.region:
        return []
    return [{"model_version": "embedkit", "score": prediction.confidence, "result": _choose(prediction.region)}]


def _label_config(choices: Sequence[str]) -> str:
    lines = "".join(f"    <Choice value={quoteattr(choice)}/>\n" for choice in choices)
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <Choices name="region" toName="image" choice="single" showInline="true">\n{lines}  </Choices>\n</View>\n'
    )


def _classify(label: str, confidence: float | None = None) -> dict[str, Any] | None:
    if not label:
        return None
    return {"_cls": "Classification", "label": label, "confidence": confidence}
