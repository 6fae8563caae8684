"""`embed` and what `Index` then gives back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedkit.errors import EncoderError, UsageError
from embedkit.indexes import Index

from .conftest import Embed, TinyEncoder, write_dump, write_picture


def test_embed_gives_rows_pictures_and_vectors_that_belong_together(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 10)
    report = run()
    index = Index.open(tmp_path / "index")
    assert (report.files, report.new, report.images, dict(report.rejected)) == (11, 11, 10, {"not-an-image": 1})
    assert index.images["path"].to_pylist() == sorted(str(path) for path in (tmp_path / "dump").rglob("*.png"))
    pictures = index.pictures(range(10))
    assert pictures.shape == (10, 256, 256)
    np.testing.assert_array_equal(index.vectors(), TinyEncoder().encode(pictures))
    np.testing.assert_array_equal(index.pictures([7, 2]), pictures[[7, 2]])
    assert index.rejected["path"].to_pylist() == [str(tmp_path / "dump/study0/notes.txt")]
    assert "picture" not in index.images.column_names


def test_unchanged_files_are_not_read_again(tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dump(tmp_path / "dump", 5)
    run()
    manifests = list((tmp_path / "index").glob("manifest-*.json"))
    monkeypatch.setattr(TinyEncoder, "encode", None)
    report = run()
    assert (report.files, report.unchanged, report.new, report.images) == (6, 6, 0, 5)
    assert list((tmp_path / "index").glob("manifest-*.json")) == manifests


@pytest.mark.slow
def test_changed_new_and_vanished_files_are_told_apart(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 6)
    run()
    write_picture(dump / "study0/000.png", 100)
    write_picture(dump / "study9/new.png", 101)
    (dump / "study1/001.png").unlink()
    report = run()
    assert (report.new, report.changed, report.unchanged) == (1, 1, 5)
    assert report.vanished == (str(dump / "study1/001.png"),)
    assert report.images == 7  # what has vanished stays until it is forgotten
    assert run(forget_vanished=True).images == 6
    assert run().vanished == ()


@pytest.mark.slow
def test_files_of_other_sources_have_not_vanished(tmp_path: Path, run: Embed) -> None:
    one, other = write_dump(tmp_path / "dump", 3), write_dump(tmp_path / "dump2", 3, first_seed=50)
    run([one])
    report = run([other], forget_vanished=True)
    assert (report.vanished, report.images) == ((), 6)


@pytest.mark.slow
def test_a_touched_file_is_unchanged_and_its_time_is_refreshed(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 2)
    run()
    path = dump / "study0/000.png"
    path.write_bytes(path.read_bytes())
    assert run().unchanged == 3
    index = Index.open(tmp_path / "index")
    row = index.images["path"].to_pylist().index(str(path))
    assert index.images["mtime_ns"][row].as_py() == path.stat().st_mtime_ns


@pytest.mark.slow
def test_equal_files_are_one_image_and_the_copy_steps_in_when_the_first_goes(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 3)
    (dump / "a_copy.png").write_bytes((dump / "study1/001.png").read_bytes())
    assert dict(run().rejected) == {"not-an-image": 1, "duplicate-instance": 1}
    index = Index.open(tmp_path / "index")
    assert str(dump / "a_copy.png") in index.images["path"].to_pylist()
    (dump / "a_copy.png").unlink()
    report = run(forget_vanished=True)
    assert (report.images, dict(report.rejected)) == (3, {"not-an-image": 1})


def test_a_new_encoder_gets_its_vectors_without_the_files(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 6)
    run()
    moved = dump.rename(tmp_path / "moved")
    dump.mkdir()
    run(None, None, TinyEncoder(), TinyEncoder("other", 7))
    index = Index.open(tmp_path / "index")
    assert set(index.spaces) == {"tiny", "other"}
    np.testing.assert_array_equal(index.vectors("other"), TinyEncoder("other", 7).encode(index.pictures(range(6))))
    assert moved.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("written", "read"), [(2, 2), (3, 3), (64, 64), (64, 2)])
def test_some_vectors_are_those_rows_of_all(
    tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch, written: int, read: int
) -> None:
    write_dump(tmp_path / "dump", 10)
    monkeypatch.setattr("embedkit.indexes.shards._VECTORS_A_GROUP", written)
    run()
    monkeypatch.setattr("embedkit.indexes.shards._VECTORS_A_GROUP", read)
    index = Index.open(tmp_path / "index")
    vectors = TinyEncoder().encode(index.pictures(range(10)))
    np.testing.assert_array_equal(index.vectors(), vectors)
    for vector, image_id in zip(vectors, index.images["image_id"].to_pylist(), strict=True):
        assert index.similar(image_id, k=9) == index.similar(vector, k=10)[1:]


@pytest.mark.slow
def test_a_space_that_was_left_out_is_completed_later(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 3)
    both = (TinyEncoder(), TinyEncoder("other", 7))
    run(None, None, *both)
    write_picture(dump / "later.png", 60)
    run(None, None, both[0])
    index = Index.open(tmp_path / "index")
    assert len(index.vectors("tiny")) == 4
    with pytest.raises(Exception, match="embed again with its encoder") as caught:
        index.vectors("other")
    assert getattr(caught.value, "reason", "") == "space-incomplete"
    run(None, None, *both)
    assert len(Index.open(tmp_path / "index").vectors("other")) == 4


@pytest.mark.parametrize(
    "encoder",
    [
        TinyEncoder(seed=1),
        TinyEncoder(precision="bf16"),
        TinyEncoder(runtime="openvino"),
        TinyEncoder(input_size=224),
    ],
)
def test_vectors_of_another_encoder_never_join_a_space(tmp_path: Path, run: Embed, encoder: TinyEncoder) -> None:
    write_dump(tmp_path / "dump", 2)
    run()
    with pytest.raises(EncoderError, match="do not mix") as caught:
        run(None, None, encoder)
    assert caught.value.reason == "encoder-mismatch"
    if encoder.runtime == "openvino":
        assert "runtime (numpy, now openvino)" in str(caught.value)


@pytest.mark.parametrize("name", ["images", "../up", "", "Upper", "a" * 65, "a/b"])
def test_a_space_name_cannot_leave_the_folder_or_take_another_files_name(tmp_path: Path, run: Embed, name: str) -> None:
    write_dump(tmp_path / "dump", 1)
    with pytest.raises(EncoderError) as caught:
        run(None, None, TinyEncoder(name))
    assert caught.value.reason == "encoder-name"
    assert not (tmp_path / "index").exists()


def test_vectors_without_a_direction_reject_their_image(
    tmp_path: Path, run: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dump(tmp_path / "dump", 6)
    honest = TinyEncoder.encode

    def encode(self: TinyEncoder, pictures: np.ndarray) -> np.ndarray:
        vectors = honest(self, pictures)
        vectors[0], vectors[1:2, 3] = 0, np.nan
        return vectors

    monkeypatch.setattr(TinyEncoder, "encode", encode)
    report = run()
    assert report.rejected["bad-vector"] == 4  # two in each of two shards
    index = Index.open(tmp_path / "index")
    assert len(index) == 2
    assert np.isfinite(index.vectors()).all()
    assert sorted(n.row for n in index.similar(np.ones(512, np.float32), k=9)) == [0, 1]


def test_an_interrupt_commits_what_was_ready(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 10)

    def interrupt(_stage: str, done: int, _total: int | None, _detail: str = "") -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(on_progress=interrupt)
    assert len(Index.open(tmp_path / "index")) + Index.open(tmp_path / "index").rejected.num_rows == 6
    report = run()
    assert (report.unchanged, report.new, report.images) == (6, 5, 10)


def test_progress_counts_every_file_once(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 7)
    seen: list[tuple[str, int, int | None, str]] = []
    run(on_progress=lambda stage, done, total, detail="": seen.append((stage, done, total, detail)))
    files = [told for told in seen if told[0] == "Embedding"]
    assert [done for _, done, _, _ in files] == list(range(1, 9))
    assert files[-1][3] == "7 images, 1 rejected"
    assert {total for _, _, total, _ in files} <= {None, 8}
    assert list(dict.fromkeys(told[0] for told in seen)) == ["Embedding", "Search index of tiny"]
    assert all(total == 7 for stage, _, total, _ in seen if stage != "Embedding")


def test_the_index_inside_a_source_is_not_walked(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 2)
    run(None, tmp_path / "dump" / "embedkit-index")
    report = run(None, tmp_path / "dump" / "embedkit-index")
    assert (report.files, report.images) == (3, 2)


def test_an_absent_source_and_no_encoder_are_refused_before_anything_is_written(tmp_path: Path, run: Embed) -> None:
    with pytest.raises(UsageError) as caught:
        run([tmp_path / "nowhere"])
    assert caught.value.reason == "source-not-found"
    assert not (tmp_path / "index").exists()


def test_an_empty_dump_makes_an_empty_index(tmp_path: Path, run: Embed) -> None:
    (tmp_path / "dump").mkdir()
    assert run().images == 0
    index = Index.open(tmp_path / "index")
    assert (len(index), index.vectors().shape, index.rejected.num_rows) == (0, (0, 512), 0)
    assert index.similar(np.ones(512, np.float32)) == []
