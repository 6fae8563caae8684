"""Which images the rows of a label table mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedkit.labels.matching import KnownFile, MatchedLabels, match_labels
from embedkit.labels.table import labels_from_csv
from embedkit.labels.vocabulary import Vocabulary

VOCABULARY = Vocabulary.load()


def known(*paths: str, asked: bool = True) -> list[KnownFile]:
    """A file each, whose image is called as the file."""
    return [KnownFile(path, path, (path,), asked) for path in paths]


DUMP = known("/data/dump/P1/S1/IM1.dcm", "/data/dump/P1/S2/IM2", "/data/dump/P2/S1/IM1.dcm", "/data/dump/P2/S1/Im3.DCM")


def match(folder: Path, files: list[KnownFile], text: str, *path_map: tuple[str, str]) -> MatchedLabels:
    table = folder / "labels.csv"
    table.write_text(text)
    return match_labels(labels_from_csv(table, VOCABULARY, path_map), files)


def regions(found: MatchedLabels) -> dict[str, str]:
    return {image_id: label.region for image_id, label in found.labels.items()}


def whys(found: MatchedLabels) -> list[tuple[int, str]]:
    return [(one.row, one.why) for one in found.unmatched]


def test_the_longest_end_counts_whole_folders_at_a_time(tmp_path: Path) -> None:
    files = known("/d/a/IM1.dcm", "/d/b/IM1.dcm", "/d/c/IM2.dcm", "/x/IM2.dcm", "/d/IM9.dcm.bak", "/d/XIM9.dcm")
    found = match(tmp_path, files, "path,class\nIM1.dcm,hand\nb/IM1.dcm,foot\n.\\c\\IM2.dcm,knee\nIM9.dcm,hip\n")
    assert regions(found) == {"/d/a/IM1.dcm": "hand", "/d/b/IM1.dcm": "foot", "/d/c/IM2.dcm": "knee"}
    assert whys(found) == [(5, "not-in-the-index")]


@pytest.mark.parametrize(
    "paths",
    [
        ("/data/dump/P1/S1/IM1.dcm", "/data/dump/P1/S2/IM2", "/data/dump/P2/S1/Im3.DCM"),
        ("P1/S1/IM1.dcm", "P1/S2/IM2", "P2/S1/Im3.DCM"),
        ("/mnt/other/dump/P1/S1/IM1.dcm", "/mnt/other/dump/P1/S2/IM2", "/mnt/other/dump/P2/S1/Im3.DCM"),
        ("C:\\dump\\P1\\S1\\IM1.dcm", "C:\\dump\\P1\\S2\\IM2", "C:\\dump\\P2\\S1\\Im3.DCM"),
        ("D:/EXPORT/p1/s1/im1.DCM", "D:/EXPORT/p1/s2/im2", "D:/EXPORT/p2/s1/im3.dcm"),
        ("P1/S1/IM1", "P1/S2/IM2.dcm", "P2/S1/Im3"),
        ("/x/P1/S1/IM1.png", "/x/P1/S2/IM2.png", "/x/P2/S1/IM3.png"),
    ],
)
def test_paths_of_another_machine(tmp_path: Path, paths: tuple[str, ...]) -> None:
    rows = [f"{path},{region}" for path, region in zip(paths, ("hand", "foot", "knee"), strict=True)]
    found = match(tmp_path, DUMP, "\n".join(["path,region", *rows]))
    assert found.unmatched == ()
    assert list(regions(found).items()) == [
        ("/data/dump/P1/S1/IM1.dcm", "hand"),
        ("/data/dump/P1/S2/IM2", "foot"),
        ("/data/dump/P2/S1/Im3.DCM", "knee"),
    ]


def test_a_row_that_could_mean_several_images_means_none(tmp_path: Path) -> None:
    found = match(tmp_path, DUMP, "path,region\nIM1.dcm,hand\nIM2,foot\n")
    assert regions(found) == {"/data/dump/P1/S2/IM2": "foot"}
    assert whys(found) == [(2, "several-images")]


@pytest.mark.parametrize("path", ["/mnt/P9/S1/IM1.dcm", "P9/S1/IM3", "/data/dump/P9/S2/IM2", "C:\\P9\\IM2", "/mnt/IM2"])
def test_a_folder_that_tells_files_apart_is_never_left_out(tmp_path: Path, path: str) -> None:
    assert whys(match(tmp_path, DUMP, f"path,region\n{path},hand\n")) == [(2, "not-in-the-index")]


def test_a_row_of_a_removed_image_does_not_pass_to_its_neighbour(tmp_path: Path) -> None:
    text = "path,region\n/data/dump/P1/S2/IM2,foot\n/data/dump/P3/S1/IM1.dcm,hand\n"
    found = match(tmp_path, DUMP, text)
    assert regions(found) == {"/data/dump/P1/S2/IM2": "foot"}
    assert whys(found) == [(3, "not-in-the-index")]


def test_bare_names_of_one_folder(tmp_path: Path) -> None:
    found = match(
        tmp_path, known("/data/a.png", "/data/b.png"), "path,region\nC:\\old\\a.png,hand\nC:\\old\\c.png,hip\n"
    )
    assert (regions(found), found.folders) == ({"/data/a.png": "hand"}, "C:/old")


def test_a_path_map_says_what_cannot_be_guessed(tmp_path: Path) -> None:
    text = "path,region\nE:\\new\\P1\\S2\\IM2,foot\nF:\\P2\\S1\\Im3.DCM,knee\n"
    files = DUMP[:2] + known("/other/P2/S1/Im3.DCM")
    assert match(tmp_path, files, text).labels == {}
    found = match(tmp_path, files, text, ("e:\\NEW", "/data/dump"), ("F:", "/other"))
    assert regions(found) == {"/data/dump/P1/S2/IM2": "foot", "/other/P2/S1/Im3.DCM": "knee"}


def test_the_last_number_of_a_uid_is_no_extension(tmp_path: Path) -> None:
    files = known("/d/1.2.840.1", "/d/1.2.840.2")
    assert regions(match(tmp_path, files, "path,region\n1.2.840.1.dcm,hand\n")) == {"/d/1.2.840.1": "hand"}
    assert whys(match(tmp_path, files, "path,region\n1.2.840.3.dcm,hand\n")) == [(2, "not-in-the-index")]


def test_a_part_of_a_path_finds_only_what_is_asked_for(tmp_path: Path) -> None:
    files = known("/old/001.png", "/old/002.png", asked=False) + known("/new/001.png")
    found = match(tmp_path, files, "path,region\n001.png,hand\n002.png,foot\n/old/001.png,knee\n")
    assert regions(found) == {"/old/001.png": "knee", "/new/001.png": "hand"}
    assert whys(found) == [(3, "not-in-the-index")]


def test_equal_files_are_one_image_and_rejected_files_none(tmp_path: Path) -> None:
    files = [
        KnownFile("/d/a/1.png", "1.2", ("1.2",)),
        KnownFile("/d/b/1.png", "1.2", ("1.2",)),
        KnownFile("/d/c/2.png", "/d/c/2.png", ()),
        KnownFile("/d/e/2.png", "1.4", ("1.4",)),
        KnownFile("/d/e/3.png", "/d/e/3.png", ()),
    ]
    found = match(tmp_path, files, "path,region\n1.png,hand\n2.png,foot\n3.png,foot\n")
    assert regions(found) == {"1.2": "hand"}
    assert whys(found) == [(3, "several-images"), (4, "rejected-file")]


def test_an_id_goes_before_a_path_and_a_frame_before_the_file(tmp_path: Path) -> None:
    files = [KnownFile("/d/a.dcm", "1.2", ("1.2#1", "1.2#2", "1.2#3")), *known("/d/b.dcm")]
    text = "image_id,path,region\n,a.dcm,hip\n1.2#2,,knee\n1.2,b.dcm,hand\n7.7,b.dcm,foot\n7.8,x.dcm,foot\n"
    found = match(tmp_path, files, text)
    assert regions(found) == {"1.2#1": "hand", "1.2#2": "knee", "1.2#3": "hand", "/d/b.dcm": "foot"}
    assert [(one.row, one.name) for one in found.unmatched] == [(6, "7.8")]


def test_rows_that_differ_in_case_alone_and_disagree_label_nothing(tmp_path: Path) -> None:
    found = match(tmp_path, known("/d/Im1.dcm"), "path,region\nIM1.dcm,hand\nim1.dcm,foot\n")
    assert whys(found) == [(2, "contradicts-another-row"), (3, "contradicts-another-row")]
