import dataclasses
import errno
import json
import os

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from embedkit.errors import EncoderError, IndexFolderError
from embedkit.heads import NEVER, fit_ensemble, load_head, save_head

SHA = {"simclr": "ab" * 32, "byol": "cd" * 32}
REGIONS = ("hand", "pelvis/hip", "œil", "never seen")


@pytest.fixture
def spaces(clusters):
    turned = np.roll(clusters.vectors, 3, axis=1) ** 2 + 0.1
    return {"simclr": clusters.vectors, "byol": turned[:, :12].copy()}


@pytest.fixture
def ensemble(clusters, spaces):
    return fit_ensemble(spaces, clusters.codes, clusters.groups, REGIONS, encoders=SHA, preprocessing="3")


def test_an_ensemble_comes_back_as_it_was(tmp_path, ensemble, spaces):
    save_head(tmp_path / "head.safetensors", ensemble)
    back = load_head(tmp_path / "head.safetensors")
    assert back.regions == REGIONS
    assert back.spaces == SHA
    assert back.thresholds == ensemble.thresholds
    assert back.thresholds[3].confidence == NEVER
    assert (back.probabilities(spaces) == ensemble.probabilities(spaces)).all()
    assert (back.contains(spaces) == ensemble.contains(spaces)).all()
    assert (back.passes(back.probabilities(spaces)) == ensemble.passes(ensemble.probabilities(spaces))).all()


@pytest.mark.parametrize(
    ("encoders", "preprocessing"),
    [(SHA | {"byol": "00" * 32}, "3"), ({"simclr": SHA["simclr"]}, "3"), (SHA, "4"), ({}, "3")],
)
def test_a_head_of_another_encoder_is_refused(ensemble, encoders, preprocessing):
    ensemble.check_encoders(SHA, "3")
    with pytest.raises(EncoderError, match="another encoder") as caught:
        ensemble.check_encoders(encoders, preprocessing)
    assert caught.value.reason == "head-of-another-encoder"


def damaged_facts():
    yield lambda about: about.pop("regions")
    yield lambda about: about.update(regions=[1, 2, 3, 4])
    yield lambda about: about.update(regions=["a", "b"])
    yield lambda about: about.update(members=[])
    yield lambda about: about.update(members={"space": "simclr"})
    yield lambda about: about["members"][0].update(space="imagenet")
    yield lambda about: about["members"][0].update(encoder=7)
    yield lambda about: about["members"][0].update(reach=0)
    yield lambda about: about.update(temperature=-1)
    yield lambda about: about.update(temperature="1")
    yield lambda about: about.update(thresholds=[])
    yield lambda about: about["thresholds"][0].update(confidence=-0.5)
    yield lambda about: about["thresholds"][0].pop("lower")
    yield lambda about: about.update(preprocessing=None)
    yield lambda about: about.update(temperature=True)
    yield lambda about: about.update(temperature=10**400)
    yield lambda about: about.update(temperature=float("inf"))
    yield lambda about: about.update(regions=["hand", "pelvis/hip", "œil", "hand"])
    yield lambda about: about.update(members=[about["members"][0]] * 2)
    for blank in ("", " ", "\t\n", "\u00a0"):
        yield lambda about, blank=blank: about.update(regions=["hand", "pelvis/hip", "œil", blank])
    for key, values in {
        "confidence": ("0.5", [], float("nan"), True, 0, 10**400),
        "patients": (float("inf"), 1.5, "7", None, True, -1, 1e400),
        "errors": (float("inf"), 1.5, "7", None, True, -1, 10**9),
        "lower": (float("inf"), float("nan"), "0.9", None, True, -0.1, 1.1),
    }.items():
        for value in values:
            yield lambda about, key=key, value=value: about["thresholds"][0].update({key: value})


@pytest.mark.parametrize("spoil", [*damaged_facts()])
def test_facts_that_do_not_fit_are_refused(tmp_path, ensemble, spoil):
    path = tmp_path / "head.safetensors"
    save_head(path, ensemble)
    with safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["head"])
    spoil(about)
    save_file(load_file(path), path, metadata={"format": "embedkit-head-1", "head": json.dumps(about)})
    with pytest.raises(EncoderError) as caught:
        load_head(path)
    assert caught.value.reason == "head-unreadable"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("simclr.weight", np.zeros((3, 16), np.float32)),
        ("simclr.weight", np.zeros((4, 15), np.float32)),
        ("simclr.weight", np.zeros((4, 16), np.float64)),
        ("simclr.weight", np.full((4, 16), np.nan, np.float32)),
        ("simclr.bias", np.full(4, np.nan, np.float32)),
        ("simclr.bias", np.full(4, np.inf, np.float32)),
        ("simclr.centres", np.zeros((0, 16), np.float32)),
        ("simclr.centres", np.full((3, 16), np.inf, np.float32)),
        ("simclr.whitening", np.zeros((16, 15), np.float32)),
        ("simclr.whitening", np.zeros(16, np.float32)),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, ensemble, name, values):
    path = tmp_path / "head.safetensors"
    save_head(path, ensemble)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    save_file(load_file(path) | {name: values}, path, metadata=metadata)
    with pytest.raises(EncoderError):
        load_head(path)


@pytest.mark.parametrize("head", ["[" * 100_000, "null", "7", '"text"', "{}", "NaN"])
def test_what_is_no_head_is_refused(tmp_path, head):
    path = tmp_path / "head.safetensors"
    save_file({"a": np.zeros(2, np.float32)}, path, metadata={"format": "embedkit-head-1", "head": head})
    with pytest.raises(EncoderError):
        load_head(path)
    save_file({"a": np.zeros(2, np.float32)}, path)
    with pytest.raises(EncoderError):
        load_head(path)


def test_every_cut_of_a_file_is_refused(tmp_path, ensemble):
    path = tmp_path / "head.safetensors"
    save_head(path, ensemble)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(EncoderError):
            load_head(path)
    path.unlink()
    with pytest.raises(EncoderError):
        load_head(path)


def test_a_full_disk_leaves_the_old_head(tmp_path, ensemble, monkeypatch):
    path = tmp_path / "head.safetensors"
    save_head(path, ensemble)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IndexFolderError):
        save_head(path, dataclasses.replace(ensemble, temperature=2.0))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["head.safetensors"]
