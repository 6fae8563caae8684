"""Every flipped byte is found, and nothing damaged is used without a word."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from embedkit.errors import EmbedkitError, IndexFolderError
from embedkit.indexes import Index, add_labels, labelling, repair, verify
from embedkit.indexes.manifest import LabelsFile, manifest_name
from embedkit.indexes.manifest_files import find_newest_manifest, read_newest_manifest, write_manifest
from embedkit.indexes.repairing import rebuild_manifest
from embedkit.indexes.writer import IndexWriter
from embedkit.labels.header import Label

from .conftest import Embed, TinyEncoder, write_dump
from .test_labels import label_by_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with every kind of file."""
    folder = tmp_path_factory.mktemp("whole")
    write_dump(folder / "dump", 6)
    from embedkit.indexes import EmbedSettings, embed

    settings = EmbedSettings(workers=1, shard_files=4)
    encoders = [TinyEncoder(), TinyEncoder("other", 7)]
    embed([folder / "dump"], folder / "index", encoders=encoders, labels=label_by_path, settings=settings)
    return folder / "index"


def live_files(index: Path) -> list[Path]:
    manifest = read_newest_manifest(index)
    return [index / f"manifest-{manifest.number:06d}.json", *(index / name for name in manifest.live_files())]


def everything(index: Path) -> tuple[object, ...]:
    """Read all that a reader can."""
    opened = Index.open(index)
    rows = range(len(opened))
    spaces = sorted(opened.spaces)
    vectors = [opened.vectors(space).tobytes() for space in spaces]
    near = [opened.nearest(opened.vectors(space), 3, space)[1].tobytes() for space in spaces]
    return opened.images.to_pydict(), opened.rejected.to_pydict(), opened.pictures(rows).tobytes(), vectors, near


def everything_or_damaged(index: Path) -> object:
    """Read all that a reader can, or tell the reason why it cannot."""
    try:
        return everything(index)
    except EmbedkitError as error:
        return error.reason


def test_every_kind_of_file_is_checked(whole: Path) -> None:
    assert verify(whole) == []
    names = {path.relative_to(whole).as_posix().rstrip("0123456789") for path in live_files(whole)}
    kinds = {"".join(c for c in name if not c.isdigit()) for name in names}
    assert kinds == {
        "manifest-.json",
        "patient-key",
        "shards/.images.parquet",
        "shards/.tiny.parquet",
        "shards/.other.parquet",
        "faiss/tiny-.faiss",
        "faiss/other-.faiss",
        "labels-.parquet",
        "table-.arrow",
    }


def test_any_flipped_byte_is_found_and_never_read_as_the_truth(whole: Path) -> None:
    rng, truth = random.Random(5), everything(whole)
    for path in live_files(whole):
        good = path.read_bytes()
        places = {0, len(good) - 1, len(good) // 2, *(rng.randrange(len(good)) for _ in range(6))}
        for place in sorted(places):
            bad = bytearray(good)
            bad[place] ^= 1 << rng.randrange(8)
            path.write_bytes(bad)
            assert any(path.name in problem for problem in verify(whole)), (path.name, place)
            older = path.name.startswith("manifest")  # then the state before is opened
            assert older or everything_or_damaged(whole) in (truth, "index-damaged"), (path.name, place)
        path.write_bytes(good)
    assert verify(whole) == []


def test_pictures_are_not_read_for_the_facts(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 3)
    run()
    images = Index.open(tmp_path / "index").images
    path = tmp_path / "index/shards/000000.images.parquet"
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 10] ^= 255
    path.write_bytes(data)
    index = Index.open(tmp_path / "index")
    assert index.images.equals(images)
    with pytest.raises(IndexFolderError) as caught:
        index.pictures([0])
    assert caught.value.reason == "index-damaged"


def test_missing_and_cut_files_are_found(whole: Path) -> None:
    for path in live_files(whole)[1:]:
        good = path.read_bytes()
        path.write_bytes(good[:-1])
        assert any(path.name in problem for problem in verify(whole))
        path.unlink()
        assert f"{path.relative_to(whole)}: it is missing" in verify(whole)
        path.write_bytes(good)


def test_a_damaged_newest_manifest_is_told_and_nothing_is_written_until_it_is_rebuilt(
    tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dump(tmp_path / "dump", 5)
    run()
    index = tmp_path / "index"
    monkeypatch.setattr(labelling, "refresh_table", lambda _: None)  # so that the labels are the last commit
    ids = Index.open(index).images["image_id"].to_pylist()
    add_labels(index, {image_id: Label("hand", "Hand", "annotator") for image_id in ids})
    labelled, newest = everything(index), live_files(index)[0]
    files, good = set(index.rglob("*")), newest.read_bytes()
    for place in range(0, len(good), len(good) // 12):
        bad = bytearray(good)
        bad[place] ^= 1
        newest.write_bytes(bad)
        told: list[str] = []
        opened = Index.open(index, on_note=told.append)
        assert set(opened.images["region"].to_pylist()) == {""}, "the state before"
        assert told == opened.notes
        assert newest.name in told[0]
        assert [problem for problem in verify(index) if newest.name in problem]
        for write in (run, lambda: add_labels(index, {ids[0]: Label("foot", "Foot", "annotator")})):
            with pytest.raises(IndexFolderError, match=newest.name) as caught:
                write()
            assert caught.value.reason == "index-damaged"
        assert set(index.rglob("*")) == files
    assert "labels-" in repair(index)[0]
    assert verify(index) == []
    assert Index.open(index).notes == []
    assert everything(index) == labelled
    assert run().unchanged == 6
    assert repair(index) == []
    for path in index.glob("manifest-*.json"):
        path.write_bytes(b"{}")
    for read in (Index.open, verify, repair):
        with pytest.raises(IndexFolderError) as caught:
            read(index)
        assert caught.value.reason == "index-damaged"


def test_every_commit_can_be_rebuilt_from_what_stands(
    tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest manifest is lost after each commit of two runs; taken back is all but what no file tells."""
    write_dump(tmp_path / "dump", 9)
    index, spaces = tmp_path / "index", [TinyEncoder(), TinyEncoder("other", 7)]
    commit, rebuilt = IndexWriter._commit, []

    def commit_and_lose(writer: IndexWriter, **changes: object) -> None:
        commit(writer, **changes)
        path, kept = index / manifest_name(writer.manifest.number), writer.manifest
        whole = path.read_bytes()
        path.write_bytes(whole[:-9])
        found = rebuild_manifest(index, *find_newest_manifest(index))
        rebuilt.append((next(iter(changes)), (found.labels, found.shards) == (kept.labels, kept.shards)))
        path.write_bytes(whole)

    monkeypatch.setattr(IndexWriter, "_commit", commit_and_lose)
    run(None, None, spaces[0])
    run(None, None, *spaces, labels=label_by_path)
    kinds = ("spaces", "shards", "table", "modalities", "search", "labels")
    assert set(rebuilt) == {(kind, True) for kind in kinds}


def test_an_index_of_a_later_version_is_refused(tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dump(tmp_path / "dump", 2)
    run()
    index = tmp_path / "index"
    manifest = read_newest_manifest(index)
    with monkeypatch.context() as other:
        other.setattr("embedkit.indexes.manifest_files.FORMAT_VERSION", 99)
        write_manifest(index, manifest)
    for use in (Index.open, verify, lambda path: run(None, path)):
        with pytest.raises(IndexFolderError, match="newer embedkit") as caught:
            use(index)
        assert caught.value.reason == "index-too-new"


def test_a_manifest_cannot_name_a_file_outside_its_folder(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 2)
    run()
    index = tmp_path / "index"
    manifest = read_newest_manifest(index)
    shard = manifest.shards[0]
    for changes in (
        {"spaces": {"../../up": manifest.spaces["tiny"]}},
        {"search": {"../../up": manifest.search["tiny"]}},
        {"search": {"tiny": replace(manifest.search["tiny"], number="/../up")}},  # type: ignore[type-var]
        {"shards": (replace(shard, vectors={"../../up": shard.vectors["tiny"]}),)},
        {"labels": LabelsFile("/../up", "")},  # type: ignore[arg-type]
    ):
        for number in (manifest.number, manifest.number - 1):
            write_manifest(index, replace(manifest, number=number, **changes))
        with pytest.raises(IndexFolderError) as caught:
            Index.open(index)
        assert caught.value.reason == "index-damaged"


def test_vectors_that_do_not_fit_their_manifest_are_refused(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 5)
    run()
    one, other = sorted((tmp_path / "index/shards").glob("*.tiny.parquet"))
    other.write_bytes(one.read_bytes())
    with pytest.raises(IndexFolderError) as caught:
        Index.open(tmp_path / "index").vectors()
    assert caught.value.reason == "index-damaged"
