"""The page, the tables and figures, and the command."""

import base64
import csv
import hashlib
import json
import re
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from embedkit.cli.app import app
from embedkit.errors import IndexFolderError
from embedkit.indexes import EmbedSettings, Index, embed, labels_from_folders
from embedkit.labels import Vocabulary
from embedkit.quality.table import SCHEMA
from embedkit.report import Finding, RegionMap, Table, make_report, report_page, write_report, write_report_tables
from embedkit.report.table import to_html, to_markdown
from embedkit.review import Decisions

from ..indexes.conftest import TinyEncoder, write_picture
from .archives import REGIONS, ArchiveIndex, decide_by_truth, rank
from .elements import Elements

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&${made} `|\\"


def draw(index):
    points = np.stack([np.arange(len(index)), np.arange(len(index)) % 9], axis=1).astype(np.float32)
    regions = tuple(index.images["region"].to_pylist())
    return RegionMap(points, regions, {3: Finding("corrected label", "knee", 1.0)}, "UMAP of simclr")


@pytest.fixture(scope="module")
def index():
    return ArchiveIndex()


@pytest.fixture(scope="module")
def report(index):
    rows = [*index.wrong, *index.out_of_domain, *range(0, 40, 7)]
    return make_report(index, rank(index), decide_by_truth(index, rows) + decide_by_truth(index, rows[:9], "ben"))


@pytest.fixture(scope="module")
def page(index, report):
    return report_page(report, draw(index), made=date(2024, 5, 6))


def test_the_page_says_what_there_is(page):
    text = " ".join(Elements(page).text.split())
    for words in (
        "2024-05-06",
        "120 radiographs of 60 patients in 40 studies.",
        "Files that are no image of the archive, by reason",
        "Suspects by kind",
        "label after review by row, label as given by column",
        "Change of the model's confusion matrix",
        "Out-of-fold accuracy (95% interval)",
        "Label quality by device",
        "Cohen's kappa",
        "A note.",
    ):
        assert words in text, words


def test_nothing_of_a_patient_and_no_picture_is_on_the_page(page):
    assert "CANARY" not in page
    assert "1.2.8" not in page
    assert "hash" not in Elements(page).text
    assert [image["src"][:18] for image in Elements(page).named("img")] == ["data:image/svg+xml"]


def test_pictures_are_shown_on_request_and_the_page_warns(index, report):
    elements = Elements(report_page(report, pictures_of=index))
    assert "holds radiographs of patients" in elements.text
    unread = report.suspicion.suspected & ~report.correction.labels.read
    shown = int((report.correction.labels.changed | unread).sum())
    assert len(elements.named("img")) == len(elements.named("figcaption")) == shown
    row = int(next(iter(np.flatnonzero(report.correction.labels.wrong))))
    given = index.images["region"][row].as_py()
    assert f"{given} → {index.true[row]}" in elements.text


def test_nothing_from_outside_no_script_no_handler(page):
    elements = Elements(page)
    assert elements.named("script") == []
    for _, attributes in elements.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
    assert "http" not in re.sub(r'"data:[^"]*"', "", page.replace("http-equiv", ""))
    policy = next(meta["content"] for meta in elements.named("meta") if "http-equiv" in meta)
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; script-src 'none'")


def test_every_table_names_itself_its_columns_and_its_rows(page):
    for body in re.findall("<table.*?</table>", page, re.DOTALL):
        elements = Elements(body)
        assert len(elements.named("caption")) == 1
        rows = len(elements.named("tr")) - 1
        assert rows > 0
        assert [cell["scope"] for cell in elements.named("th")].count("row") == rows


def test_links_lead_to_sections(page):
    elements = Elements(page)
    ids = {attributes["id"] for _, attributes in elements.tags if "id" in attributes}
    assert {link["href"][1:] for link in elements.named("a")} <= ids


def test_hostile_text_stays_text(index):
    def page_of(text):
        regions = [text if region == "hand" else region for region in index.images["region"].to_pylist()]
        nasty = ArchiveIndex().with_column("region", regions).with_column("given", [text] * 120)
        nasty.with_column("device", [text, "a"] * 60)
        made = make_report(nasty, rank(nasty), decide_by_truth(nasty, range(30)))
        return report_page(made, draw(nasty), pictures_of=nasty)

    elements = Elements(page_of(HOSTILE))
    assert sorted(tag for tag, _ in elements.tags) == sorted(tag for tag, _ in Elements(page_of("hello")).tags)
    assert HOSTILE in elements.text


def test_an_archive_without_decisions_rejections_and_second_regions_has_a_page():
    index = ArchiveIndex(spaces=("simclr",)).with_column("region", ["hand"] * 120)
    index.rejected_files = index.rejected_files.slice(0, 0)
    text = Elements(report_page(make_report(index, rank(index)))).text
    assert "Nobody has reviewed suspects yet" in text
    assert "two patients and two regions" in text


def test_labels_that_could_not_be_checked_are_not_called_right():
    index = ArchiveIndex()
    ranked = rank(index)
    place = SCHEMA.get_field_index("issue")
    unable = pa.array(["not-checked" if issue == "none" else issue for issue in ranked.table["issue"].to_pylist()])
    some = make_report(index, replace(ranked, table=ranked.table.set_column(place, SCHEMA.field(place), unable)))
    unchecked = int(some.suspicion.unchecked.sum())
    assert f"are expected to be wrong; {unchecked:,} could not be checked." in report_page(some, draw(index))
    never = pa.array(["not-checked"] * len(index))
    none = make_report(index, replace(ranked, table=ranked.table.set_column(place, SCHEMA.field(place), never)))
    page = report_page(none, draw(index))
    assert "labels none could be checked." in page
    assert "<dt>errors expected</dt><dd><b>not known</b>" in page
    assert "To be expected are" not in page
    (by_region,) = (table for table in none.quality if table.name == "quality-by-region")
    assert all(np.isnan(row[-1]) for row in by_region.rows if row[0] in REGIONS)


def test_tables_are_files_for_programs_and_for_people(index, report, tmp_path):
    write_report_tables(tmp_path / "new" / "tables", report, draw(index))
    folder = tmp_path / "new" / "tables"
    assert {path.stem for path in folder.glob("*.csv")} == {table.name for table in report.tables}
    assert {path.name for path in folder.glob("*.svg")} == {
        *("relabelled.svg", "model-change.svg", "accuracy.svg", "map.svg")
    }
    with (folder / "accuracy.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = report.correction.accuracy[0]
    assert (rows[0]["model"], rows[0]["judged by"]) == (first.method, first.stage)
    assert float(rows[0]["accuracy"]) == pytest.approx(first.overall.value)
    assert float(rows[0]["accuracy low"]) == pytest.approx(first.overall.low)
    text = (folder / "report.md").read_text()
    for table in report.tables:
        assert f"## {table.title.split('_')[0]}"[:20] in text
    for path in folder.iterdir():
        assert "CANARY" not in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600


def test_figures_are_the_same_every_time(index, report, tmp_path):
    for name in ("one", "two"):
        write_report_tables(tmp_path / name, report)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_cells_are_written_for_people_and_for_programs():
    table = Table("t", "A | title", ("name", "count", "share"), ((HOSTILE, 1234, 0.25), ("=1+1", 0, float("nan"))))
    assert Elements(to_html(table)).text.count(HOSTILE) == 1
    assert "1,234" in to_html(table)
    lines = to_markdown([table]).splitlines()
    assert lines[0] == "## A \\| title"
    assert lines[2:4] == ["| name | count | share |", "| --- | ---: | ---: |"]
    assert lines[5] == "| =1+1 | 0 |  |"
    assert all(len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 4 for line in lines[2:])
    assert table.records()[1] == {"name": "=1+1", "count": 0, "share": ""}


def test_a_report_that_cannot_be_written_is_an_error_and_leaves_nothing(report, tmp_path):
    with pytest.raises(IndexFolderError):
        write_report(tmp_path / "absent" / "report.html", report)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def small_index(tmp_path_factory):
    """Six pictures: too few to lay out, so that the map costs nothing."""
    folder = tmp_path_factory.mktemp("small")
    for number in range(6):
        write_picture(folder / "dump" / ("hand", "knee")[number % 2] / f"CANARY{number}.png", number)
    (folder / "dump" / "notes.txt").write_text("no picture")
    sources = [folder / "dump"]
    embed(
        sources,
        folder / "index",
        encoders=[TinyEncoder()],
        settings=EmbedSettings(workers=1),
        labels=labels_from_folders(sources, Vocabulary.load(None)),
    )
    return folder / "index"


def run(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_the_command_writes_page_tables_and_map(small_index, tmp_path):
    assert not (small_index / "decisions.sqlite").exists()
    outputs = tmp_path / "r.html", tmp_path / "tables", tmp_path / "map.svg"
    done = run(
        *("--index", small_index, "--out", outputs[0], "--tables", outputs[1], "--map", outputs[2], "--json", "-q")
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["written"] == [str(path) for path in outputs]
    assert {row["region"]: row["images"] for row in document["tables"]["regions"]} == {"hand": 3, "knee": 3}
    assert not (small_index / "decisions.sqlite").exists()
    page = outputs[0].read_text()
    assert "CANARY" not in page
    assert "not-an-image" in page


@pytest.mark.slow
def test_the_command_reads_decisions(small_index, tmp_path):
    ids = Index.open(small_index).images["image_id"].to_pylist()
    with Decisions.open(small_index) as decisions:
        decisions.record(ids[0], "anna", "relabel", region="foot", prior="hand")
    done = run("--index", small_index, "--tables", tmp_path / "tables", "--json", "-q")
    (small_index / "decisions.sqlite").unlink()
    document = json.loads(done.stdout)
    assert document["tables"]["relabelled"] == [{"reviewed \\ given": "foot", "hand": 1}]
    assert document["stars"] >= 1


@pytest.mark.parametrize("arguments", [["--out", "report.pdf"], []])
def test_the_command_says_what_it_cannot_do(small_index, arguments):
    done = run("--index", small_index, *arguments)
    assert done.exit_code
