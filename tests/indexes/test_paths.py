"""A file may be called by any bytes: what an index keeps tells every name from every other, and opens the file."""

from __future__ import annotations

import dataclasses
import doctest
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.image import PreparationOptions
from embedkit.indexes import EmbedReport, Index, embed, label_images, labels_from_folders, paths
from embedkit.indexes.paths import path_text, possible_paths, possible_texts, text_path
from embedkit.indexes.preparation import prepare_rows
from embedkit.indexes.stored_paths import StoredPaths
from embedkit.indexes.writer import open_writer
from embedkit.labels import LabelTable, Vocabulary, labels_from_csv
from embedkit.sources import find_files

from .conftest import Embed, TinyEncoder, write_picture

ODD_NAMES = (b"knee\xe9.png", rb"knee\xe9.png", rb"knee\x5cxe9.png", b"\\\xe9.png", "knee\u00e9.png".encode(), b"\xff")
ODD_NAMES_OF_FOLDERS = (b"d\xff", rb"d\xff")
PARTS = (b"\\", b"x", b"5", b"c", b"5c", b"e9", b"\xe9", b"\xc3", b"\xa9", b"\\x", b"\\x5c", b"\\xe9", b"a", b"\n")
names = st.lists(st.sampled_from(PARTS) | st.binary(min_size=1, max_size=2), min_size=1, max_size=8).map(
    lambda parts: b"/" + b"".join(parts).replace(b"/", b"|").replace(b"\0", b"|").strip(b".") + b"-"
)


def of(name: bytes) -> Path:
    return Path(os.fsdecode(name))


@given(names)
def test_the_text_of_a_path_says_the_path(name: bytes) -> None:
    text = path_text(of(name))
    assert os.fsencode(text_path(text)) == name
    assert text.encode("utf-8").decode("utf-8") == text
    assert possible_paths(text)[0] == of(name)
    assert possible_texts(of(name))[0] == text


@given(names, names)
def test_no_two_paths_have_one_text(one: bytes, other: bytes) -> None:
    assert (path_text(of(one)) == path_text(of(other))) == (one == other)


def test_only_what_is_no_utf8_or_looks_like_an_escape_is_written_otherwise() -> None:
    assert doctest.testmod(paths).attempted == 2
    for plain in ("/a/Knie ä.dcm", r"/a\b\x41\n.dcm", r"/a\xZZ", "/a/x5c"):
        assert path_text(Path(plain)) == plain


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A file by each of the odd names, in two folders whose names are odd too."""
    for number, folder in enumerate(ODD_NAMES_OF_FOLDERS):
        for other, name in enumerate(ODD_NAMES):
            write_picture(tmp_path / "dump" / of(folder) / of(name), 10 * number + other)
    return tmp_path / "dump"


def stored(index: Path) -> list[str]:
    return Index.open(index).images["path"].to_pylist()


def test_every_file_is_an_image_of_its_own_and_is_found_by_its_name(tmp_path: Path, run: Embed, dump: Path) -> None:
    report = run()
    assert (report.files, report.images, dict(report.rejected)) == (12, 12, {})
    assert {os.fsencode(text_path(text)) for text in stored(tmp_path / "index")} == {
        os.fsencode(found.path) for found in find_files([dump])
    }
    index = Index.open(tmp_path / "index")
    for found in find_files([dump]):
        row = index.find(found.path)
        assert row is not None
        assert text_path(index.images["path"][row].as_py()) == found.path
        assert index.find(index.images["path"][row].as_py()) is not None
    again = run()
    assert (again.unchanged, again.new, again.moved, again.vanished) == (12, 0, {}, ())


@pytest.mark.slow
def test_files_of_odd_names_move_and_are_forgotten(tmp_path: Path, run: Embed, dump: Path) -> None:
    run()
    moved = dump.rename(tmp_path / of(rb"moved\xe9"))
    report = run([moved])
    assert (len(report.moved), report.new, report.images) == (12, 0, 12)
    (moved / of(ODD_NAMES_OF_FOLDERS[0]) / of(ODD_NAMES[0])).unlink()
    report = run([moved], forget_vanished=True)
    assert (report.forgotten, report.images) == (1, 11)


def write_as_earlier(index: Path, folder: Path) -> None:
    """Put the files into an index as an earlier version did, which escaped no backslash."""
    rows = []
    for found in find_files([folder]):
        (row,), _ = prepare_rows(found, PreparationOptions(patient_key=b"key"), StoredPaths())
        rows.append(dataclasses.replace(row, path=possible_texts(found.path)[1]))
    with open_writer(index) as writer:
        writer.add_shard(rows, {})


def embed_into(index: Path, *sources: Path) -> EmbedReport:
    return embed(sources, index, encoders=[TinyEncoder()])


@pytest.mark.parametrize("name", [b"plain/knee\xe9.png", rb"plain/knee\xe9.png", rb"odd\xe9/knee\xe9.png"])
def test_an_index_that_escaped_no_backslash_still_finds_its_files(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / "dump" / of(name)
    write_picture(path, 1)
    write_as_earlier(tmp_path / "index", tmp_path / "dump")
    (text,) = stored(tmp_path / "index")
    assert path in possible_paths(text)
    assert Index.open(tmp_path / "index").find(path) == 0
    for source in (path.parent, tmp_path / "dump"):
        report = embed_into(tmp_path / "index", source)
        assert (report.images, dict(report.rejected), report.new, report.vanished) == (1, {}, 0, ())
    assert stored(tmp_path / "index") == [path_text(path)]


def test_a_file_that_an_earlier_version_lost_comes_back(tmp_path: Path, dump: Path) -> None:
    write_as_earlier(tmp_path / "index", dump)
    assert len({*stored(tmp_path / "index")}) < 12
    report = embed_into(tmp_path / "index", dump)
    assert (report.images, dict(report.rejected)) == (12, {})
    assert len({*stored(tmp_path / "index")}) == 12


def read_table(tmp_path: Path, rows: str, path_map: tuple[tuple[str, str], ...] = ()) -> LabelTable:
    (tmp_path / "labels.csv").write_text(f"path,region\n{rows}\n")
    return labels_from_csv(tmp_path / "labels.csv", Vocabulary.load(), path_map)


@pytest.mark.parametrize("spell", [path_text, lambda path: possible_texts(path)[1]], ids=["ours", "theirs"])
def test_a_table_names_files_by_our_paths_or_by_their_own(
    tmp_path: Path, run: Embed, spell: Callable[[Path], str]
) -> None:
    for number, name in enumerate((b"plain.png", rb"knee\xe9.png", b"hand\xe9.png")):
        write_picture(tmp_path / "dump" / of(name), number)
    run()
    for found in find_files([tmp_path / "dump"]):
        report = label_images(tmp_path / "index", read_table(tmp_path, f"{spell(found.path)},skull"), Vocabulary.load())
        assert (report.images, report.unmatched) == (1, ())
    assert Index.open(tmp_path / "index").images["region"].to_pylist() == ["skull"] * 3


def test_a_path_that_may_mean_either_of_two_files_labels_none(tmp_path: Path, run: Embed, dump: Path) -> None:
    run()
    text = path_text(dump / of(ODD_NAMES_OF_FOLDERS[0]) / of(ODD_NAMES[0]))
    report = label_images(tmp_path / "index", read_table(tmp_path, f"{text},skull"), Vocabulary.load())
    assert [(row.row, row.why) for row in report.unmatched] == [(2, "several-images")]


def test_folders_of_odd_names_label_their_files(tmp_path: Path, run: Embed) -> None:
    root = tmp_path / of(b"dump\xe9")
    write_picture(root / "Knie" / of(b"\xff.png"), 3)
    run([root], labels=labels_from_folders([root], Vocabulary.load()))
    assert Index.open(tmp_path / "index").images["region"].to_pylist() == ["knee"]
    shutil.rmtree(root)
