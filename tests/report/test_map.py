import base64
import json
import re

import cv2
import numpy as np
import pyarrow as pa
import pytest

from embedkit.errors import UsageError
from embedkit.report import Finding, RegionMap, draw_map, make_map, map_page
from embedkit.report.palette import COLOURS, colour_regions

from .elements import Elements
from .maps import HOSTILE, MapIndex, write_issues


@pytest.fixture(scope="module")
def index():
    return MapIndex()


def flat_map(index, findings=None, regions=None):
    """A map that needs no projection: row r at (r, r % 10)."""
    rows = np.arange(len(index), dtype=np.float32)
    names = regions or index.images["region"].to_pylist()
    return RegionMap(np.stack([rows, rows % 10], axis=1), tuple(names), findings or {}, "UMAP of simclr")


def read_data(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


@pytest.mark.slow
def test_suspects_above_the_score_get_a_star_and_missing_labels_a_suggestion(index, tmp_path):
    entries = [
        (1, "mislabelled", "knee", 0.9),
        (2, "mislabelled", "knee", 0.4),
        (3, "out-of-domain", "", 0.8),
        (4, "near-duplicate", "foot", 0.99),
        (8, "missing-label", "foot", 0.2),
        (5, "none", "foot", 0.95),
        (1, "unusable", "", 0.6),
    ]
    drawn = make_map(index, projection="tsne", issues=write_issues(tmp_path / "i.csv", entries), above=0.5)
    assert drawn.findings == {
        1: Finding("mislabelled", "knee", 0.9),
        3: Finding("out-of-domain", "", 0.8),
        8: Finding("missing-label", "foot", 0.2),
    }
    assert [drawn.findings[row].starred for row in (1, 3, 8)] == [True, True, False]


@pytest.mark.slow
def test_every_frame_of_a_suspect_file_gets_the_star(tmp_path):
    index = MapIndex()
    frames = [f"1.2.826.1#{frame}" for frame in (1, 2)] + index.images["image_id"].to_pylist()[2:]
    uids = ["1.2.826.1"] * 2 + index.images["image_id"].to_pylist()[2:]
    index.images = index.images.set_column(0, "image_id", [frames]).set_column(1, "sop_instance_uid", [uids])
    issues = write_issues(tmp_path / "i.csv", [(1, "mislabelled", "knee", 0.9)])
    assert set(make_map(index, projection="tsne", issues=issues).findings) == {0, 1}


@pytest.mark.slow
def test_labels_that_differ_from_the_headers_are_corrected(index):
    corrected = MapIndex()
    was = corrected.images["region"].to_pylist()
    now = ["knee", "shoulder", *was[2:]]  # the first had no label: nothing was corrected
    corrected.images = corrected.images.set_column(3, "region", [pa.array(now)])
    assert make_map(corrected, projection="tsne").findings == {1: Finding("corrected label", was[1], 1.0)}
    assert make_map(index, projection="tsne").findings == {}


@pytest.mark.slow
def test_what_was_decided_on_is_no_suspect_and_what_was_corrected_is_so_first(tmp_path):
    corrected = MapIndex()
    was = corrected.images["region"].to_pylist()
    now = [was[0], "shoulder", *was[2:]]
    corrected.images = corrected.images.set_column(3, "region", [pa.array(now)])
    issues = write_issues(tmp_path / "i.csv", [(row, "mislabelled", "knee", 0.9) for row in (1, 2, 3)])
    found = make_map(corrected, projection="tsne", issues=issues, settled=["1.2.826.1", "1.2.826.2"]).findings
    assert {row: finding.issue for row, finding in found.items()} == {1: "corrected label", 3: "mislabelled"}
    found = make_map(corrected, projection="tsne", issues=issues).findings
    assert {row: finding.issue for row, finding in found.items()} == {
        1: "corrected label",
        2: "mislabelled",
        3: "mislabelled",
    }


def test_issues_of_another_index_are_refused(index, tmp_path):
    issues = write_issues(tmp_path / "i.csv", [(900, "mislabelled", "knee", 0.9)])
    with pytest.raises(UsageError, match="none of these images"):
        make_map(index, issues=issues)


def test_an_index_without_images_is_refused():
    with pytest.raises(UsageError, match="no image"):
        make_map(MapIndex(0))


def test_the_svg_names_regions_in_text_and_is_the_same_every_time(index):
    drawn = flat_map(index, {1: Finding("mislabelled", "knee", 0.9), 2: Finding("corrected label", "hand", 1.0)})
    svg = draw_map(drawn, "svg").decode()
    for name in ("hand", "knee", "foot", "no label", "suspect", "corrected label"):
        assert name in svg
    assert "CANARY" not in svg
    assert draw_map(drawn, "svg").decode() == svg


def test_the_png_shows_every_colour(index):
    drawn = flat_map(index)
    picture = cv2.imdecode(np.frombuffer(draw_map(drawn, "png"), np.uint8), cv2.IMREAD_COLOR)
    for colour in colour_regions(drawn.regions).values():
        blue_green_red = [int(colour[at : at + 2], 16) for at in (5, 3, 1)]
        assert (picture == blue_green_red).all(axis=2).any(), colour


def test_a_large_svg_holds_its_points_as_one_picture():
    index = MapIndex(6000)
    svg = draw_map(flat_map(index, {1: Finding("mislabelled", "knee", 0.9)}), "svg")
    assert b"image/png;base64" in svg
    assert len(svg) < 1_000_000


def test_colours_are_distinct_and_grey_means_no_label():
    regions = [f"region {number}" for number in range(25)]
    colours = colour_regions(["", *regions])
    assert len({colours[name] for name in regions}) == 25
    assert colours[""] not in COLOURS


def test_the_page_holds_every_point_and_the_pictures_of_its_budget(index):
    findings = {30: Finding("mislabelled", "knee", 0.7), 40: Finding("missing-label", "foot", 0.9)}
    findings |= {row: Finding("mislabelled", "knee", 0.9) for row in range(1, 6)}
    data = read_data(map_page(index, flat_map(index, findings), pictured=4))
    assert len(base64.b64decode(data["places"])) == 4 * 80
    details = data["details"]
    assert [uid.rsplit(".", 1)[1] for uid, *_ in details] == ["1", "2", "3", "4", "5", "30", "40"]
    assert [bool(picture) for _, picture, *_ in details] == [True] * 4 + [False] * 3
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(details[2][1]), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert abs(int(shown.mean()) - (10 + 2 * 3)) <= 2
    assert details[6][2:] == ["missing-label", "foot", 0.9]
    assert data["kinds"] == [0] * 6


def test_places_keep_the_aspect(index):
    data = read_data(map_page(index, flat_map(index)))
    assert data["extent"] == [65535, round(65535 * 9 / 79)]


def test_hostile_text_stays_text(index):
    regions = [HOSTILE] * len(index)
    drawn = flat_map(index, {1: Finding("mislabelled", HOSTILE, 0.9)}, regions)
    page = map_page(index, drawn)
    plain = Elements(map_page(index, flat_map(index)))
    assert [tag for tag, _ in Elements(page).tags] == [tag for tag, _ in plain.tags]
    assert read_data(page)["names"] == [HOSTILE]
    assert b"<svg" in draw_map(drawn, "svg")


def test_nothing_from_outside_no_path_and_a_strict_policy(index):
    page = map_page(index, flat_map(index))
    elements = Elements(page)
    for _, attributes in elements.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert "src" not in attributes
    policy = next(attributes["content"] for tag, attributes in elements.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; img-src data:")
    assert "unsafe" not in policy
    assert "CANARY" not in page
    assert "80 radiographs, 0 with a star; pictures of all of them are in this file" in elements.text
