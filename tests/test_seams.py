"""One's own parts in place of ours: the whole job runs with them, and what does not fit gets one clear error."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit.errors import EncoderError
from embedkit.export import tabulate_decisions, write_table
from embedkit.heads import fit_head
from embedkit.indexes import EmbedSettings, Index, embed, verify
from embedkit.labels import Vocabulary, labels_from_csv
from embedkit.quality import find_label_issues
from embedkit.review import Decisions, find_open_issues
from embedkit.workers import SerialExecutor

from .indexes.conftest import TinyEncoder, write_picture

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
