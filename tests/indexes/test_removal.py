"""Images that are taken out stay out, and after compacting nothing of them is in any file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from embedkit.errors import IndexFolderError, UsageError
from embedkit.indexes import Index, compact, compaction, read_newest_removed, remove, verify
from embedkit.indexes.manifest_files import read_newest_manifest
from embedkit.labels import Vocabulary, labels_from_csv
from embedkit.review import Decisions, erase_decisions

from ..cli.test_commands import run as command
from .conftest import Embed, write_dump, write_picture

GONE = "study1/001.png"


@pytest.fixture
def index(tmp_path: Path, run: Embed) -> Path:
    """Nine pictures, one of them twice, with labels and decisions; the one that is to go has all of these."""
    write_dump(tmp_path / "dump", 9)
    (tmp_path / "dump" / "again.png").write_bytes((tmp_path / "dump" / GONE).read_bytes())
    (tmp_path / "labels.csv").write_text("path,region\n" + f"{GONE},knee\n" + "002.png,hand\n")
    run(labels=labels_from_csv(tmp_path / "labels.csv", Vocabulary.load()))
    opened = Index.open(tmp_path / "index")
    ids = opened.images["image_id"].to_pylist()
    with Decisions.open(tmp_path / "index") as decisions:
        for image_id in (ids[2], id_of(opened, "again.png"), ids[3]):
            first = decisions.record(image_id, "anna", "keep", prior="knee", note=f"note on {image_id}")
        decisions.undo(first.number, "anna")
    return tmp_path / "index"


def id_of(index: Index, name: str) -> str:
    row = next(row for row, path in enumerate(index.images["path"].to_pylist()) if path.endswith(name))
    return str(index.images["image_id"][row].as_py())


def traces(index: Index, image_id: str) -> list[bytes]:
    """What of an image could stand in a file: its ids, its paths, its picture, its vector."""
    row = int(index.rows_of([image_id])[0])
    facts = index.images.slice(row, 1).to_pylist()[0]
    texts = [facts["image_id"], facts["content_blake3"], GONE, "again.png"]
    return [*(text.encode() for text in texts), index.stored_pictures([row])[0], index.vectors()[row].tobytes()]


def content_of(path: Path) -> bytes:
    """The bytes of a file, and of what Parquet keeps compressed."""
    if path.suffix != ".parquet":
        return path.read_bytes()
    table = pq.read_table(path)
    if "vector" in table.column_names:
        return path.read_bytes() + np.array(table["vector"].to_pylist(), np.float32).tobytes()
    values = [str(value).encode() for column in table.columns for value in column.to_pylist()]
    return b"\n".join(
        [path.read_bytes(), *values, *(table["picture"].to_pylist() if "picture" in table.column_names else ())]
    )


def holds(folder: Path, trace: bytes) -> list[str]:
    """The files in which it stands."""
    return [path.name for path in folder.rglob("*") if path.is_file() and trace in content_of(path)]


@pytest.mark.parametrize("by", ["id", "path", "repeat", "table"])
def test_an_image_goes_with_its_repeats_and_stays_out(tmp_path: Path, run: Embed, index: Path, by: str) -> None:
    image_id = id_of(Index.open(index), "again.png")
    (tmp_path / "table.csv").write_text(f"sop_instance_uid,why\n{image_id},consent\n")
    paths = {"path": tmp_path / "dump" / "again.png", "repeat": tmp_path / "dump" / GONE}
    words = ["--table", tmp_path / "table.csv"] if by == "table" else [paths.get(by, image_id)]
    told = json.loads(command("remove", *words, "--index", index, "--json", "-q").stdout)
    assert (told["images"], told["files"], told["unknown"]) == (1, 2, [])
    for _ in range(2):
        opened = Index.open(index)
        assert len(opened) == 8
        assert int(opened.rows_of([image_id])[0]) == -1
        assert opened.nearest(opened.vectors(), 8)[1].max() < 8
        report = run()
    assert report.rejected == {"not-an-image": 1, "removed": 2}
    assert (report.new, report.unchanged) == (0, 11)
    assert verify(index) == []


def test_after_compacting_nothing_of_it_is_in_any_file(tmp_path: Path, run: Embed, index: Path) -> None:
    opened = Index.open(index)
    image_id = id_of(opened, "again.png")
    others = [row for row in range(len(opened)) if row != int(opened.rows_of([image_id])[0])]
    images, vectors, pictures = opened.images.take(others), opened.vectors()[others], opened.stored_pictures(others)
    sought = traces(opened, image_id)
    assert all(holds(index, trace) for trace in sought)
    remove(index, [image_id])
    assert verify(index) == []
    assert any("embedkit compact" in problem for problem in verify(index, deep=True))
    command("verify", "--deep", "--index", index, code=1)
    told = json.loads(command("compact", "--index", index, "--json", "-q").stdout)
    assert told["rows_before"] - told["rows_after"] == 4  # the image, its repeat, and two rows that say they are gone
    assert told["decisions_erased"] == 1
    assert told["bytes_after"] < told["bytes_before"]
    assert [holds(index, trace) for trace in sought] == [[]] * len(sought)
    assert command("verify", "--deep", "--index", index).stdout == "every file is as it was written\n"
    compacted = Index.open(index)
    assert compacted.images.equals(images)
    assert compacted.nearest(compacted.vectors(), 1)[1].ravel().tolist() == list(range(8))
    assert np.array_equal(compacted.vectors(), vectors)
    assert compacted.stored_pictures(range(8)) == pictures
    with Decisions.open(index, read_only=True) as decisions:
        decisions.check()
        assert [decision.verdict for decision in decisions.history()] == ["keep", "keep", "undo"]
        assert [decision.undoes for decision in decisions.history()] == [None, None, 2]
        assert len(decisions.latest()) == 1
    assert run().rejected == {"not-an-image": 1, "removed": 2}
    assert [trace for trace in sought[:2] + sought[4:] if holds(index, trace)] == []  # only the paths of the files
    assert verify(index, deep=True) == []


def test_a_compacted_index_grows_as_any_other(tmp_path: Path, run: Embed, index: Path) -> None:
    remove(index, [str(tmp_path / "dump" / GONE)])
    compact(index)
    numbers = [shard.number for shard in read_newest_manifest(index).shards]
    write_picture(tmp_path / "dump" / "new.png", 99)
    assert run().new == 1 + 2  # those that are kept out were not met since
    later = [shard.number for shard in read_newest_manifest(index).shards]
    assert later[:-1] == numbers
    assert later[-1] > max(numbers)
    assert verify(index, deep=True) == []
    again = compact(index)
    assert (again.rows_before, verify(index, deep=True)) == (again.rows_after, [])


def test_a_run_that_is_killed_loses_nothing_and_can_be_done_again(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove(index, [str(tmp_path / "dump" / GONE)])
    opened = Index.open(index)
    images, vectors = opened.images, opened.vectors()
    for place in ("shard", "manifest", "derived"):
        with monkeypatch.context() as killed:
            if place == "manifest":
                killed.setattr("embedkit.indexes.writer.write_manifest", interrupt)
            elif place == "derived":
                killed.setattr(compaction, "refresh_table", interrupt)
            else:
                killed.setattr(compaction, "write_vectors", interrupt)
            with pytest.raises(KeyboardInterrupt):
                compact(index)
        opened = Index.open(index)
        assert opened.images.equals(images)
        assert np.array_equal(opened.vectors(), vectors)
        assert verify(index) == []
    compact(index)
    assert verify(index, deep=True) == []
    assert Index.open(index).images.equals(images)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_is_not_in_it_is_told_and_nothing_changes(index: Path, tmp_path: Path) -> None:
    before = read_newest_manifest(index)
    with pytest.raises(UsageError, match="none of these images") as error:
        remove(index, ["1.2.3", str(tmp_path / "no.png")])
    assert error.value.reason == "unknown-image"
    assert read_newest_manifest(index) == before
    image_id = id_of(Index.open(index), "again.png")
    assert remove(index, ["1.2.3", image_id]).unknown == ("1.2.3",)
    assert "name images" in command("remove", "--index", index, code=2).stderr


def test_the_hashes_are_checked_like_any_other_file(index: Path, run: Embed) -> None:
    remove(index, [id_of(Index.open(index), "again.png")])
    (path,) = index.glob("removed-*.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    assert any("removed-" in problem for problem in verify(index))
    with pytest.raises(IndexFolderError, match="removed-"):
        run()


def test_removing_all_leaves_an_empty_index(index: Path, run: Embed) -> None:
    remove(index, Index.open(index).images["image_id"].to_pylist())
    compact(index)
    removed = read_newest_removed(index)
    assert erase_decisions(index, removed.hold_image) == 4
    assert len(Index.open(index)) == 0
    assert run().images == 0
    with Decisions.open(index) as decisions:
        assert decisions.history() == []
        assert decisions.record("1.2.3", "anna", "unusable").number == 1
