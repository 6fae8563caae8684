"""`classify` as a gate before another program: `embedkit classify x.dcm && run_model` fails closed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow.compute as pc
import pytest

import embedkit
from embedkit.heads import fit_ensemble, save_head
from embedkit.indexes import Index

from .test_commands import Site, run, site  # noqa: F401 (a fixture)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def head(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A head that is sure of the site's images: each was there many times, as other patients' with a little noise."""
    index = Index.open(site.index)
    names = index.images["region"].to_pylist()
    regions = tuple(sorted(set(names) - {""}))
    codes = np.array([regions.index(name) if name else -1 for name in names])
    vectors = np.repeat(index.vectors()[codes >= 0], 200, axis=0)
    vectors *= 1 + 0.05 * np.random.default_rng(0).standard_normal(vectors.shape, np.float32)
    space = index.spaces["simclr"]
    made = fit_ensemble(
        {"simclr": vectors},
        np.repeat(codes[codes >= 0], 200),
        np.arange(len(vectors)),
        regions,
        encoders={"simclr": space.encoder},
        preprocessing=space.preprocessing,
    )
    path = tmp_path_factory.mktemp("head") / "head.safetensors"
    save_head(path, made)
    return path


def classify(head: Path, *sources: Path, code: int) -> str:
    """What `classify` says on stderr; it must end with `code`."""
    return run("classify", *sources, "--head", head, code=code).stderr


@pytest.fixture(scope="module")
def sure(site: Site, head: Path) -> Path:  # noqa: F811
    """A file that passes."""
    index = Index.open(site.index)
    document = json.loads(run("classify", "--all", "--head", head, "--index", site.index, "--json", code=1).stdout)
    passed = {image["path"] for image in document["images"] if image["in_domain"] and image["confident"]}
    native = pc.equal(index.images["transfer_syntax_uid"], "1.2.840.10008.1.2.1")
    return Path(next(path for path in index.images.filter(native)["path"].to_pylist() if path in passed))


def test_a_sure_image_of_the_domain_passes(head: Path, sure: Path) -> None:
    classify(head, sure, code=0)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.95])
def test_a_file_cut_short_is_stopped(share: float, head: Path, sure: Path, tmp_path: Path) -> None:
    content = sure.read_bytes()
    (tmp_path / "image.dcm").write_bytes(content[: int(share * len(content))])
    classify(head, tmp_path / "image.dcm", code=1)


def test_what_is_no_image_is_stopped(head: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a knee, honestly")
    classify(head, tmp_path / "notes.txt", code=1)


def test_where_there_is_nothing_nothing_passes(head: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no file" in classify(head, tmp_path / "empty", code=2)
    classify(head, tmp_path / "absent.dcm", code=2)


def test_a_sure_image_does_not_let_an_unreadable_one_pass(head: Path, sure: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a knee, honestly")
    shutil.copy(sure, tmp_path / "image.dcm")
    classify(head, tmp_path, code=1)


def test_an_image_that_is_out_of_the_domain_is_stopped(head: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "noise.png"), rng.integers(0, 256, (600, 500), np.uint8))
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((600, 500), np.uint8))
    for name in ("noise.png", "black.png"):
        classify(head, tmp_path / name, code=1)


def test_an_unsure_head_stops_a_sure_image(site: Site, sure: Path) -> None:  # noqa: F811
    run("classify", sure, "--index", site.index, code=1)


def test_python_gives_the_verdicts_of_the_command(site: Site, head: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "notes.txt").write_text("a knee, honestly")
    files = sorted(site.dump.rglob("*"))[:40]
    sources = [*(path for path in files if path.is_file()), tmp_path / "notes.txt"]
    document = json.loads(run("classify", *sources, "--head", head, "--json", code=1).stdout)
    index = embedkit.Index.open(site.index)
    verdicts = index.classify(sources, head=head)
    rejected = [{"path": verdict.path, "reason": verdict.reason} for verdict in verdicts if verdict.reason]
    assert rejected == document["rejected"]
    assert rejected[-1]["reason"] == "not-an-image"
    images = verdicts.to_pandas().query("reason == ''").drop(columns="reason")
    assert images.to_dict("records") == document["images"]
    assert any(verdict.trusted for verdict in verdicts)
    assert not any(verdict.trusted for verdict in verdicts if verdict.reason or not verdict.confident)
    unlabelled = json.loads(run("classify", "--index", site.index, "--json", code=1).stdout)["images"]
    assert index.classify().to_pandas().drop(columns="reason").to_dict("records") == unlabelled
    with pytest.raises(embedkit.UsageError, match="no file to classify"):
        index.classify([], head=head)
