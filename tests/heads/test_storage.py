import errno
import json
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from embedkit.errors import EncoderError, IndexFolderError
from embedkit.heads import LinearHead, load_head, save_head

SHA = "ab" * 32


@pytest.fixture
def head():
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(3, 8)).astype(np.float32), np.array([0, 1, -np.inf], np.float32)
    return LinearHead(("hand", "pelvis/hip", "œil"), weight, bias, SHA)


def test_a_head_comes_back_as_it_was(tmp_path, head):
    save_head(tmp_path / "head.safetensors", head)
    back = load_head(tmp_path / "head.safetensors", encoder=SHA)
    assert back.regions == head.regions
    assert back.encoder == SHA
    assert (back.weight == head.weight).all()
    assert (back.bias == head.bias).all()


def test_a_head_of_another_encoder_is_refused(tmp_path, head):
    save_head(tmp_path / "head.safetensors", head)
    with pytest.raises(EncoderError, match="another encoder") as caught:
        load_head(tmp_path / "head.safetensors", encoder="cd" * 32)
    assert caught.value.reason == "head-of-another-encoder"


@pytest.mark.parametrize(
    ("metadata", "weight", "bias"),
    [
        ({}, np.zeros((2, 4), np.float32), np.zeros(2, np.float32)),
        ({"regions": "[1, 2]"}, np.zeros((2, 4), np.float32), np.zeros(2, np.float32)),
        ({"regions": "[" * 100_000}, np.zeros((2, 4), np.float32), np.zeros(2, np.float32)),
        ({"regions": '["a", "b"]'}, np.zeros((3, 4), np.float32), np.zeros(3, np.float32)),
        ({"regions": '["a", "b"]'}, np.zeros((2, 4), np.float64), np.zeros(2, np.float32)),
        ({"regions": '["a", "b"]'}, np.full((2, 4), np.nan, np.float32), np.zeros(2, np.float32)),
        ({"regions": "[]"}, np.zeros((0, 4), np.float32), np.zeros(0, np.float32)),
    ],
)
def test_what_is_no_head_is_refused(tmp_path, metadata, weight, bias):
    path = tmp_path / "head.safetensors"
    save_file(
        {"weight": weight, "bias": bias}, path, metadata={"format": "embedkit-linear-head-1", "encoder": SHA} | metadata
    )
    with pytest.raises(EncoderError) as caught:
        load_head(path, encoder=SHA)
    assert caught.value.reason == "head-unreadable"


def test_every_cut_of_a_file_is_refused(tmp_path, head):
    path = tmp_path / "head.safetensors"
    save_head(path, head)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(EncoderError):
            load_head(path, encoder=SHA)
    path.unlink()
    with pytest.raises(EncoderError):
        load_head(path, encoder=SHA)


def test_a_full_disk_leaves_the_old_head(tmp_path, head, monkeypatch):
    path = tmp_path / "head.safetensors"
    save_head(path, head)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IndexFolderError):
        save_head(path, LinearHead(("other",), head.weight[:1], head.bias[:1], SHA))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["head.safetensors"]


def test_the_format_is_plain(tmp_path, head):
    from safetensors import safe_open

    save_head(tmp_path / "head.safetensors", head)
    with safe_open(tmp_path / "head.safetensors", framework="numpy") as file:
        assert json.loads(file.metadata()["regions"]) == list(head.regions)
