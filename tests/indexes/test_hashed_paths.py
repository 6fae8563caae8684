"""An index that hashes paths keeps no name of a file or a folder, and does all that one with plain paths does."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from hypothesis import given

from embedkit.dicom.facts import hash_patient
from embedkit.errors import IndexFolderError, UsageError
from embedkit.indexes import Index, LabelReport, label_images, labels_from_folders, verify
from embedkit.indexes.manifest_files import _seal, read_newest_manifest
from embedkit.indexes.merging import merge
from embedkit.indexes.paths import path_text
from embedkit.indexes.stored_paths import KEY_NAME, HashedPaths, StoredPaths
from embedkit.labels import Vocabulary, labels_from_csv
from embedkit.review.originals import find_original
from embedkit.sources import find_files

from .conftest import Embed, write_picture
from .test_paths import ODD_NAMES, ODD_NAMES_OF_FOLDERS, names, of

NAME = "CANARY^JANE"
VOCABULARY = Vocabulary.load()
HASHED = HashedPaths(b"key")


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Six pictures and a text, in folders and files that are called after a patient."""
    folder = tmp_path / "dump"
    for number in range(6):
        write_picture(folder / f"{NAME}{number % 2}" / "Knie" / f"{NAME}_{number}.png", number)
    (folder / f"{NAME}0" / f"{NAME}.txt").write_text("no picture")
    return folder


def stored(index: Path) -> list[str]:
    opened = Index.open(index)
    return [*opened.images["path"].to_pylist(), *opened.rejected["path"].to_pylist()]


def found(index: Path, root: Path | None = None) -> list[bytes]:
    """Where the files of an index are."""
    paths = Index.open(index).paths
    return sorted(os.fsencode(find_original(paths, text, root)) for text in stored(index))


def files(folder: Path) -> list[bytes]:
    return sorted(os.fsencode(found.path) for found in find_files([folder]))


def kept(index: Path) -> str:
    """All that an index keeps, in the clear."""
    tables = [str(pq.read_table(path).to_pylist()) for path in index.rglob("*.parquet")]
    return "".join([*tables, *(path.read_bytes().decode("latin-1") + path.name for path in index.rglob("*.*"))])


def test_each_part_is_hashed_and_an_extension_stays() -> None:
    text = HASHED.text(Path(f"/archive/{NAME}/1.2.840.DCM"))
    assert re.fullmatch(r"(/~[0-9a-f]{20}){3}\.DCM", text)
    assert text.startswith(HASHED.text(Path(f"/archive/{NAME}")) + "/")
    assert HASHED.text(Path("/")) == "/"
    assert HashedPaths(b"other").text(Path("/archive")) != HASHED.text(Path("/archive"))
    assert re.fullmatch(r"/~[0-9a-f]{20}", HASHED.text(Path(f"/1.{NAME}")))  # no extension of an image
    assert hash_patient("", NAME, b"key")[:20] not in HASHED.text(Path(f"/{NAME}"))


@given(names, names)
def test_no_two_paths_have_one_text(one: bytes, other: bytes) -> None:
    assert (HASHED.text(of(one)) == HASHED.text(of(other))) == (one == other)
    assert HASHED.text(of(one)) == HASHED.spell(path_text(of(one)))


def test_a_name_that_looks_like_a_hash_is_hashed_too() -> None:
    text = HASHED.text(Path("/knee.png"))
    assert HASHED.text(Path(text)) != text
    assert HASHED.texts(Path(text)) == (HASHED.text(Path(text)), text)


def test_no_name_is_kept_and_every_file_is_found(tmp_path: Path, run: Embed, dump: Path) -> None:
    index = tmp_path / "index"
    report = run(hash_paths=True)
    assert (report.files, report.images, dict(report.rejected)) == (7, 6, {"not-an-image": 1})
    assert not any(word in kept(index) for word in (NAME, "JANE", "Knie", str(tmp_path)))
    assert found(index) == files(dump)
    opened = Index.open(index)
    for file in find_files([dump]):
        row = opened.find(file.path)
        if file.path.suffix == ".png":
            assert row is not None
            text = opened.images["path"][row].as_py()
            assert text == opened.paths.text(file.path)
            assert (opened.find(text), opened.find(opened.images["image_id"][row].as_py())) == (row, row)
    assert verify(index) == []


def test_nothing_is_embedded_again_and_what_moved_is_followed(tmp_path: Path, run: Embed, dump: Path) -> None:
    index = tmp_path / "index"
    run([dump / f"{NAME}0"], hash_paths=True)
    report = run()  # without the option, and from a folder above
    assert (report.unchanged, report.new, report.moved) == (4, 3, {})
    assert (run([dump], hash_paths=True).unchanged, run([dump / f"{NAME}1"]).unchanged) == (7, 3)
    images = Index.open(index).images.select(["image_id", "content_blake3"]).sort_by("image_id")
    moved = dump.rename(tmp_path / f"moved_{NAME}")
    assert found(index, moved) == files(moved)
    report = run([moved])
    assert (len(report.moved), report.new, report.vanished, report.images) == (7, 0, (), 6)
    assert NAME not in str(report)
    assert Index.open(index).images.select(["image_id", "content_blake3"]).sort_by("image_id").equals(images)
    assert found(index) == files(moved)
    shutil.rmtree(moved / f"{NAME}1")
    report = run([moved], forget_vanished=True)
    assert (report.forgotten, report.images) == (3, 3)
    with pytest.raises(UsageError, match="its 4 files stay in the index"):
        run([moved.rename(tmp_path / "aside").parent / f"moved_{NAME}"])
    assert NAME not in kept(index)


def test_a_file_of_another_source_that_is_gone_has_moved(
    tmp_path: Path, run: Embed, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(hash_paths=True)
    copy = (dump / f"{NAME}0").rename(tmp_path / "copy")

    def refuse(name: object) -> None:
        raise PermissionError(13, "Permission denied", str(name))

    with monkeypatch.context() as patch:
        patch.setattr("embedkit.indexes.stored_paths.os", SimpleNamespace(scandir=refuse, fsencode=os.fsencode))
        assert run([copy]).moved == {}  # a folder that cannot be looked into may hold them
    assert len(run([copy]).moved) == 3


def test_a_folder_that_cannot_be_listed_hides_only_what_is_not_known_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(tmp_path / NAME / "1.png", 1)
    listed: list[Path] = []
    scan = os.scandir

    def list_folder(folder: Path) -> object:
        listed.append(folder)
        if folder in tmp_path.parents:
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr("embedkit.indexes.stored_paths.os", SimpleNamespace(scandir=list_folder, fsencode=os.fsencode))
    near, far = HashedPaths(b"one", [tmp_path / "index"]), HashedPaths(b"one")
    path = tmp_path / NAME / "1.png"
    text = near.text(path)
    assert far.places(text) == (Path(text),)
    assert not far.is_gone(text)
    listed.clear()
    assert near.places(text) == (path,)
    assert near.places(near.text(path.with_name("2.png")))[0] != path
    assert listed == [tmp_path, tmp_path / NAME]  # each once
    assert near.is_gone(near.text(path.with_name("2.png")))
    write_picture(path.with_name("2.png"), 2)
    os.utime(path.parent, ns=(1, 1))
    assert near.places(near.text(path.with_name("2.png"))) == (path.with_name("2.png"),)


def test_names_of_any_bytes(tmp_path: Path, run: Embed) -> None:
    for number, folder in enumerate(ODD_NAMES_OF_FOLDERS):
        for other, name in enumerate(ODD_NAMES):
            write_picture(tmp_path / "dump" / of(folder) / of(name), 10 * number + other)
    report = run(hash_paths=True)
    assert (report.images, len({*stored(tmp_path / "index")})) == (12, 12)
    assert found(tmp_path / "index") == files(tmp_path / "dump")
    assert run().unchanged == 12


def test_plain_paths_stay_plain_and_say_so(tmp_path: Path, run: Embed, dump: Path) -> None:
    run()
    before = kept(tmp_path / "index")
    with pytest.raises(UsageError, match=r"made without --hash-paths.*embed into a new folder") as error:
        run(hash_paths=True)
    assert error.value.reason == "paths-not-hashed"
    assert kept(tmp_path / "index") == before
    assert found(tmp_path / "index") == files(dump)


def test_a_manifest_without_the_key_has_plain_paths(tmp_path: Path, run: Embed, dump: Path) -> None:
    run()
    path = max((tmp_path / "index").glob("manifest-*.json"))
    body = json.dumps(json.loads(path.read_text())["manifest"], separators=(",", ":"))
    path.write_bytes(_seal(body.replace(',"hashed_paths":false', "").encode()))
    assert type(Index.open(tmp_path / "index").paths) is StoredPaths
    assert run().unchanged == 7


def test_without_its_key_an_index_is_read_but_no_file_is_found(tmp_path: Path, run: Embed, dump: Path) -> None:
    run(hash_paths=True)
    index = tmp_path / "index"
    key = (index / KEY_NAME).read_bytes()
    for damage in (lambda path: path.write_bytes(b"another key"), Path.unlink):
        damage(index / KEY_NAME)
        opened = Index.open(index)
        assert opened.find(next(dump.rglob("*.png"))) is None
        assert ["restore it" in note for note in opened.notes] == [True]
        assert len(opened.similar(opened.images["image_id"][0].as_py())) == 5
        assert find_original(opened.paths, stored(index)[0], dump) == Path(stored(index)[0])
        with pytest.raises(IndexFolderError, match="restore patient-key"):
            run()
    (index / KEY_NAME).write_bytes(key)
    assert run().unchanged == 7


def read_labels(tmp_path: Path, *rows: str, path_map: tuple[tuple[str, str], ...] = ()) -> LabelReport:
    (tmp_path / "labels.csv").write_text("\n".join(["path,region", *rows]) + "\n")
    table = labels_from_csv(tmp_path / "labels.csv", VOCABULARY, path_map)
    return label_images(tmp_path / "index", table, VOCABULARY, replace_labels=True)


def test_a_table_names_files_by_their_paths_or_by_ours(tmp_path: Path, run: Embed, dump: Path) -> None:
    run(hash_paths=True)
    index = tmp_path / "index"
    assert read_newest_manifest(index).hashed_paths
    path = dump / f"{NAME}1/Knie/{NAME}_3.png"
    ends = (f"{NAME}1/Knie/{NAME}_3.png", f"Knie/{NAME}_3", f"{NAME}_3.PNG", rf"D:\\x\\{NAME}1\\Knie\\{NAME}_3.png")
    for spelling in (str(path), Index.open(index).paths.text(path), *ends):
        report = read_labels(tmp_path, f"{spelling},skull")
        assert (report.images, report.unmatched) == (1, ()), spelling
    assert read_labels(tmp_path, f"old/{path.name},hand", path_map=(("OLD", f"{dump}/{NAME}1/Knie"),)).images == 1
    opened = Index.open(index)
    assert opened.images["region"][opened.find(path)].as_py() == "hand"
    report = read_labels(tmp_path, f"/else/{NAME}1/Knie/{NAME}_3.png,hand", f"/else/{NAME}9/1.png,hand")
    assert (report.matched, [(row.row, row.why) for row in report.unmatched]) == (1, [(3, "not-in-the-index")])
    assert NAME not in str(report)
    assert NAME not in kept(index)


def test_folders_label_by_the_words_of_the_vocabulary_alone(tmp_path: Path, run: Embed, dump: Path) -> None:
    write_picture(dump / f"{NAME}2" / "7.png", 7)
    write_picture(dump / f"{NAME} hand" / "8.png", 8)
    report = run(hash_paths=True, labels=labels_from_folders([dump], VOCABULARY))
    images = Index.open(tmp_path / "index").images
    assert sorted(zip(images["region"].to_pylist(), images["given"].to_pylist(), strict=True)) == [
        ("", ""),
        ("hand", "hand"),
        *[("knee", "Knie")] * 6,
    ]
    assert report.labels is not None
    assert (report.labels.rows, report.labels.missing) == (7, 1)
    assert NAME not in kept(tmp_path / "index") + str(report)
    report = run(index=tmp_path / "plain", labels=labels_from_folders([dump], VOCABULARY))
    assert f"{NAME}2" in Index.open(tmp_path / "plain").images["region"].to_pylist()
    assert (report.labels and report.labels.missing) == 0


def test_indexes_are_merged_where_one_key_hashes_all_paths(tmp_path: Path, run: Embed, dump: Path) -> None:
    one, other, plain = (tmp_path / name for name in ("one", "other", "plain"))
    run([dump / f"{NAME}0"], one, hash_paths=True)
    shutil.copytree(one, other)
    run([dump / f"{NAME}1"], other)
    run(index=plain)
    merge([one, other], tmp_path / "merged")
    assert found(tmp_path / "merged") == files(dump)
    assert run(index=tmp_path / "merged").unchanged == 7
    run(index=tmp_path / "another", hash_paths=True)
    for pair in ([one, plain], [plain, one], [one, tmp_path / "another"]):
        with pytest.raises(UsageError, match="embed the sources into one index") as error:
            merge(pair, tmp_path / "none")
        assert error.value.reason == "paths-differ"
    assert not (tmp_path / "none").exists()
