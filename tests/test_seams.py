"""One's own parts in place of ours: the whole job runs with them, and what does not fit gets one clear error."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from numpy.typing import NDArray

from embedkit.errors import EncoderError, UsageError
from embedkit.export import tabulate_decisions, write_corrected, write_table
from embedkit.heads import fit_head
from embedkit.indexes import EmbedSettings, Index, embed, verify
from embedkit.labels import Label, Vocabulary, labels_from_csv
from embedkit.labels.attribute import RegionAttribute
from embedkit.labels.texts import HeaderTexts
from embedkit.quality import Issue, find_label_issues
from embedkit.report import issues_page
from embedkit.review import Decisions, correct_labels, find_consensus, find_open_issues, list_suspects, rank_suspects
from embedkit.review.originals import Originals
from embedkit.review.session import Press, Session
from embedkit.workers import SerialExecutor

from .dicom.conftest import make_dicom
from .indexes.conftest import TinyEncoder, write_picture
from .sources.test_source import Memory

REGIONS = ("hand", "knee")
WIDE = TinyEncoder(name="wide", dimension=768)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Two regions of 15 pictures, and a table of their labels."""
    rows = [("path", "region")]
    for number in range(30):
        path = tmp_path / "dump" / f"{number:02d}.png"
        write_picture(path, number)
        rows.append((path.name, REGIONS[number % 2]))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path / "dump"


def test_an_encoder_of_another_dimension_does_the_whole_job(dump: Path, tmp_path: Path) -> None:
    labels = labels_from_csv(tmp_path / "labels.csv", Vocabulary.load())
    report = embed([dump], tmp_path / "index", encoders=[WIDE], labels=labels, executor=SerialExecutor())
    assert (report.images, report.labels and report.labels.images) == (30, 30)
    index = Index.open(tmp_path / "index")
    assert (index.spaces["wide"].dimension, index.vectors().shape) == (768, (30, 768))
    assert index.similar(index.vectors()[3], k=1)[0].row == 3
    issues = find_label_issues(index, all_images=True)
    assert issues.table.num_rows == 30
    with Decisions.open(tmp_path / "index") as decisions:
        decisions.record(index.images["image_id"][0].as_py(), "anna", "relabel", region="knee", prior="hand")
        settled = find_open_issues(index, decisions.latest())
        write_table(tmp_path / "decisions.csv", tabulate_decisions(index, decisions.latest()))
    assert 0 not in settled.rows
    with (tmp_path / "decisions.csv").open(newline="") as file:
        assert [row["region"] for row in csv.DictReader(file)] == ["knee"]
    head = fit_head(index.vectors(), np.arange(30) % 2, np.arange(30), REGIONS, encoder=WIDE.digest)
    assert head.probabilities(index.vectors()).shape == (30, 2)
    assert verify(tmp_path / "index") == []


def test_reading_in_this_process_gives_the_same_index(dump: Path, tmp_path: Path) -> None:
    settings = EmbedSettings(workers=1)
    embed([dump], tmp_path / "one", encoders=[WIDE], settings=settings)
    embed([dump], tmp_path / "two", encoders=[WIDE], settings=settings, executor=SerialExecutor())
    one, two = (Index.open(tmp_path / name) for name in ("one", "two"))
    assert one.images.equals(two.images)
    assert np.array_equal(one.vectors(), two.vectors())


def test_spaces_of_several_dimensions_stand_in_one_index(dump: Path, tmp_path: Path) -> None:
    embed([dump], tmp_path / "index", encoders=[TinyEncoder()], executor=SerialExecutor())
    embed([dump], tmp_path / "index", encoders=[TinyEncoder(), WIDE], executor=SerialExecutor())
    index = Index.open(tmp_path / "index")
    assert {name: space.dimension for name, space in index.spaces.items()} == {"tiny": 512, "wide": 768}
    with pytest.raises(EncoderError) as error:
        embed([dump], tmp_path / "index", encoders=[replace(WIDE, dimension=32)], executor=SerialExecutor())
    assert error.value.reason == "encoder-mismatch"


class Shapeless(TinyEncoder):
    """Says one dimension, and gives another."""

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return super().encode(pictures)[:, :100]


def test_an_encoder_that_gives_the_wrong_shape_is_one_clear_error(dump: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"tiny gave float32 \(\d+, 100\).*float32 \(\d+, 512\)") as error:
        embed([dump], tmp_path / "index", encoders=[Shapeless()], executor=SerialExecutor())
    assert error.value.reason == "encoder-output"


class View:
    """The view of ViewPosition, in three values; a stranger's attribute."""

    name = "view"
    values = ("frontal", "lateral", "oblique")
    mirrored = True
    _READ: ClassVar = {"AP": "frontal", "PA": "frontal", "LATERAL": "lateral", "OBLIQUE": "oblique"}

    def read(self, header: HeaderTexts) -> Label:
        said = header.text("ViewPosition")
        return Label(self._READ.get(said, ""), said, "view-position" if said else "")


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 60 radiographs of one region in three views, each of which looks its own way; two views are wrong."""
    folder = tmp_path_factory.mktemp("views")
    (folder / "dump").mkdir()
    shown = [("AP", "LATERAL", "OBLIQUE")[number % 3] for number in range(60)]
    said = [*shown[:4], "AP", "LATERAL", *shown[6:]]
    looks = {
        view: np.random.default_rng(seed).integers(0, 200, (64, 64)) for seed, view in enumerate(dict.fromkeys(shown))
    }
    for number, (view, claimed) in enumerate(zip(shown, said, strict=True)):
        noise = np.random.default_rng(100 + number).integers(0, 50, (64, 64))
        uids = {
            "SOPInstanceUID": f"1.2.{number + 1}",
            "PatientID": f"P{number}",
            "StudyInstanceUID": f"1.3.{number + 1}",
        }
        content = make_dicom(
            (looks[view] + noise).astype(np.uint8), ViewPosition=claimed, BodyPartExamined="KNEE", **uids
        )
        (folder / "dump" / f"{number:02d}.dcm").write_bytes(content)
    embed([folder / "dump"], folder / "index", encoders=[TinyEncoder()], settings=EmbedSettings(workers=1))
    return folder / "index"


def test_an_attribute_of_three_values_does_the_whole_job(views: Path, tmp_path: Path) -> None:
    index = Index.open(views, attribute=View())
    assert (index.attribute, Index.open(views).attribute) == ("view", "region")
    assert {*index.images["region"].to_pylist()} == {*View.values}
    assert {*Index.open(views).images["region"].to_pylist()} == {"knee"}
    issues = find_label_issues(index)
    wrong = issues.table.filter(pc.is_in(issues.table["issue"], pa.array(["mislabelled"]))).to_pylist()
    found = {row["sop_instance_uid"]: (row["given_region"], row["suggested_region"]) for row in wrong}
    assert found == {"1.2.5": ("frontal", "lateral"), "1.2.6": ("lateral", "oblique")}
    suspects = rank_suspects(views, attribute=View())
    with Decisions.open(views, "view") as decisions:
        session = Session(index, decisions, suspects, View.values)
        assert set(session.regions) == {*View.values}
        first = session.queue("anna")["suspects"][0]
        session.decide("anna", Press(first["row"], "relabel", first["suggested"], "", "press"))
        open_issues = find_open_issues(index, decisions.latest())
        write_table(tmp_path / "views.csv", tabulate_decisions(index, decisions.latest()))
        consensus = find_consensus(decisions.latest())
    assert first["row"] not in open_issues.rows
    with (tmp_path / "views.csv").open(newline="") as file:
        assert [row["region"] for row in csv.DictReader(file)] == [first["suggested"]]
    assert correct_labels(index, consensus).images["region"][first["row"]].as_py() == first["suggested"]
    with Decisions.open(views, read_only=True) as of_regions:
        assert of_regions.history() == []  # what was said of views is not said of regions
    with pytest.raises(UsageError, match="not of view") as error:
        write_corrected(tmp_path / "dicom", index, consensus, Vocabulary.load())
    assert error.value.reason == "not-the-region"
    assert verify(views) == []


def test_the_region_is_an_attribute_like_any_other(views: Path) -> None:
    plain, regions = Index.open(views), Index.open(views, attribute=RegionAttribute(Vocabulary.load()))
    assert regions.images.equals(plain.images)
    assert regions.header_regions.to_pylist() == plain.header_regions.to_pylist()


class Odd(View):
    def read(self, header: HeaderTexts) -> Label:
        return replace(super().read(header), region="sideways")


class Nameless(View):
    name = "../view"


@pytest.mark.parametrize(
    ("attribute", "said"), [(Odd(), "'sideways', which is none of its values"), (Nameless(), "cannot name")]
)
def test_an_attribute_that_does_not_keep_to_it_is_one_clear_error(views: Path, attribute: View, said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        Index.open(views, attribute=attribute)
    assert error.value.reason == "bad-attribute"


class Sideways:
    """Finds what it calls sideways: every tenth image; a stranger's finder."""

    issue = "sideways"

    def find(self, index: Index) -> Iterator[Issue]:
        for row in range(0, len(index), 10):
            yield Issue(row, self.issue, 0.75, evidence=(row + 1,), reason="It lies on its side.")


def test_a_finder_of_a_made_up_issue_does_the_whole_job(views: Path, tmp_path: Path) -> None:
    index = Index.open(views, attribute=View())
    plain, issues = find_label_issues(index), find_label_issues(index, finders=[Sideways()])
    assert issues.counts == plain.counts | {"sideways": 6}
    assert issues.table["score"].to_pylist() == sorted(issues.table["score"].to_pylist(), reverse=True)
    every = find_label_issues(index, finders=[Sideways()], all_images=True)
    assert {*every.rows} == {*range(60)}
    issues.write_csv(tmp_path / "issues.csv")
    assert "It lies on its side." in (tmp_path / "issues.csv").read_text()
    assert "It lies on its side." in issues_page(index, issues)
    with Decisions.open(views, "view") as decisions:
        session = Session(index, decisions, list_suspects(index, every), View.values)
        entry = next(one for one in session.queue("ben")["suspects"] if "sideways" in one["issues"])
        assert "It lies on its side." in session.details(entry["row"])["why"]
        session.decide("ben", Press(entry["row"], "unusable", "", "", "side"))
        left = find_open_issues(index, decisions.latest(), finders=[Sideways()])
        write_table(tmp_path / "decisions.csv", tabulate_decisions(index, decisions.latest()))
    assert entry["row"] not in left.rows
    assert left.counts["sideways"] == 5
    assert "unusable" in (tmp_path / "decisions.csv").read_text()


@pytest.mark.parametrize(
    ("name", "issue"),
    [
        ("mislabelled", Issue(0, "mislabelled", 0.5)),
        ("a b", Issue(0, "a b", 0.5)),
        ("odd", Issue(60, "odd", 0.5)),
        ("odd", Issue(0, "odd", 1.5)),
        ("odd", Issue(0, "odd", float("nan"))),
        ("odd", Issue(0, "even", 0.5)),
    ],
)
def test_a_finder_that_does_not_keep_to_it_is_one_clear_error(views: Path, name: str, issue: Issue) -> None:
    class Wrong(Sideways):
        def find(self, index: Index) -> Iterator[Issue]:
            yield issue

    wrong = Wrong()
    wrong.issue = name
    with pytest.raises(UsageError) as error:
        find_label_issues(Index.open(views), finders=[wrong])
    assert error.value.reason == "bad-finder"


def test_a_source_in_memory_does_the_whole_job(dump: Path, tmp_path: Path) -> None:
    files = {path.name: (path.read_bytes(), 1) for path in dump.iterdir()}
    memory = Memory(files)
    labels = labels_from_csv(tmp_path / "labels.csv", Vocabulary.load())
    report = embed(memory, tmp_path / "index", encoders=[TinyEncoder()], labels=labels, executor=SerialExecutor())
    assert (report.images, report.labels and report.labels.images) == (30, 30)
    index = Index.open(tmp_path / "index")
    issues = find_label_issues(index, all_images=True)
    with Decisions.open(index.path) as decisions:
        session = Session(index, decisions, list_suspects(index, issues), REGIONS)
        assert session.picture(3).startswith(b"\x89PNG")
        session.decide("anna", Press(3, "relabel", "hand", "", "one"))
        write_table(tmp_path / "decisions.csv", tabulate_decisions(index, decisions.latest()))
        copies = write_corrected(tmp_path / "dicom", index, find_consensus(decisions.latest()), Vocabulary.load())
    with (tmp_path / "decisions.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == ["memory:archive/03.png"]
    assert [left.reason for left in copies.left_out] == ["original-gone"]
    with Originals(Index.open(tmp_path / "index", sources=[memory])) as originals:
        assert originals.read(3)[1] == ""
    with Originals(index) as originals:
        assert "cannot be read" in originals.read(3)[1]
    assert verify(tmp_path / "index") == []


def test_copies_are_made_of_originals_in_a_source(views: Path, tmp_path: Path) -> None:
    dump = views.parent / "dump"
    memory = Memory({path.name: (path.read_bytes(), 1) for path in dump.iterdir()})
    embed(memory, tmp_path / "index", encoders=[TinyEncoder()], executor=SerialExecutor())
    index = Index.open(tmp_path / "index", sources=[memory])
    with Decisions.open(index.path) as decisions:
        decisions.record(index.images["image_id"][0].as_py(), "anna", "relabel", region="hand", prior="knee")
        copies = write_corrected(tmp_path / "dicom", index, find_consensus(decisions.latest()), Vocabulary.load())
    assert (copies.files, copies.left_out) == (1, ())
    assert b"HAND" in (tmp_path / "dicom" / "000001.dcm").read_bytes()
