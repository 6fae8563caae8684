"""Which files the decisions correct, and a folder with their copies; the originals are only read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from embedkit.errors import RejectedFile
from embedkit.export.coding import check_is_region
from embedkit.export.dicom_copy import correct
from embedkit.export.folders import keep_away_from_originals, whole_folder
from embedkit.export.outputs import Export, LeftOut, write_table
from embedkit.export.sources import read_source
from embedkit.indexes import Index
from embedkit.indexes.storage import write_bytes
from embedkit.labels import Vocabulary
from embedkit.progress import Advance, ignore_progress
from embedkit.review import Consensus, correct_labels


@dataclass(frozen=True)
class Correction:
    """A file whose header names another region than reviewers agreed on."""

    row: int
    """Of its first frame in `Index.images`."""
    region: str


def list_corrections(index: Index, consensus: Mapping[str, Consensus]) -> tuple[list[Correction], list[LeftOut]]:
    """The files to correct by the decisions (`find_consensus`), and those whose frames disagree.

    Nothing is corrected where a header says already what reviewers agreed on, or where no region fits.
    """
    corrected = correct_labels(index, consensus).images["region"].to_pylist()
    uids = index.images["sop_instance_uid"].to_pylist()
    decided = index.rows_of([image_id for image_id, counts in consensus.items() if counts.region])
    frames: dict[str, list[int]] = {uids[row]: [] for row in decided.tolist() if row >= 0}
    for row, uid in enumerate(uids):
        if uid in frames:
            frames[uid].append(row)
    corrections, left_out = [], []
    for rows in frames.values():
        regions = {corrected[row] for row in rows} - {""}  # a frame that shows nothing says nothing
        if len(regions) > 1:
            left_out.append(LeftOut(uids[rows[0]], "frames-disagree"))
        elif regions != {index.header_regions[rows[0]].as_py()}:
            corrections.append(Correction(rows[0], regions.pop()))
    return corrections, left_out


def write_corrected(
    folder: Path,
    index: Index,
    consensus: Mapping[str, Consensus],
    vocabulary: Vocabulary,
    *,
    root: Path | None = None,
    new_uids: bool = False,
    overwrite: bool = False,
    on_progress: Advance = ignore_progress,
) -> Export:
    """Write a corrected copy of each of `list_corrections`, numbered, and copies.csv, which says which is which.

    A copy keeps its SOP Instance UID, as PS3.3 C.12.1.1.9 has it for corrections. With `new_uids` it gets one of its
    own, in a series of its own (the same at each export of the same correction), and refers to its source.

    Raises
    ------
    UsageError
        ``output-in-source``, ``not-the-region`` where labels are of another attribute; else as `whole_folder`.
    IndexFolderError
        Where the folder cannot be written; then nothing is left of it.
    """
    check_is_region(index)
    keep_away_from_originals(folder, index)
    corrections, left_out = list_corrections(index, consensus)
    written: list[dict[str, object]] = []
    moment = datetime.now(UTC)
    with whole_folder(folder, overwrite=overwrite) as place:
        for done, correction in enumerate(corrections):
            on_progress(done, len(corrections))
            name = f"{len(written) + 1:06d}.dcm"
            facts = {key: index.images[key][correction.row].as_py() for key in ("sop_instance_uid", "path")}
            try:
                header = read_source(index, correction.row, root)
                copy = correct(
                    header, facts["sop_instance_uid"], correction.region, vocabulary, moment, new_uids=new_uids
                )
            except RejectedFile as error:
                left_out.append(LeftOut(facts["sop_instance_uid"], error.reason))
                continue
            write_bytes(place / name, copy)
            written.append({"file": name, **facts, "region": correction.region})
        if written:
            write_table(place / "copies.csv", pa.Table.from_pylist(written))
    return Export(len(written), tuple(left_out))
