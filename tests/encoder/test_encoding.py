"""Encoders: where weights come from, and what a vector may depend on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18

from embedkit.encoder import Encoder, EncoderConfig, load_encoder, save_encoder
from embedkit.encoder.network import build_backbone, fold_colour_channels
from embedkit.encoder.weights import shipped_encoders
from embedkit.errors import EncoderError, UsageError

CONFIG = EncoderConfig(name="tiny", method="random", input_size=64, mean=0.25, std=0.25)


def _pictures(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 256, 256), dtype=np.uint8)


@pytest.fixture
def encoder_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_encoder(tmp_path / "tiny.safetensors", build_backbone(), CONFIG)
    return tmp_path / "tiny.safetensors"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_vector_does_not_depend_on_its_batch(encoder_file: Path, precision: str) -> None:
    encoder = load_encoder(str(encoder_file), precision)
    pictures = _pictures(37)
    together = encoder.encode(pictures)
    assert together.shape == (37, 512)
    assert together.dtype == np.float32
    assert np.array_equal(encoder.encode(pictures[::-1])[::-1], together)
    assert np.array_equal(encoder.encode(pictures[35:36])[0], together[35])


def test_bf16_agrees_with_fp32(encoder_file: Path) -> None:
    exact, fast = (load_encoder(str(encoder_file), precision).encode(_pictures(8)) for precision in ("fp32", "bf16"))
    cosine = (exact * fast).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(fast, axis=1)
    assert cosine.min() > 0.999


def test_a_colour_checkpoint_gives_the_vectors_of_three_equal_channels(tmp_path: Path) -> None:
    torch.manual_seed(0)
    colour = resnet18(weights=None)
    save_file(colour.state_dict(), tmp_path / "resnet18.safetensors")
    encoder = load_encoder(str(tmp_path / "resnet18.safetensors"), "fp32")
    assert (encoder.name, encoder.input_size) == ("resnet18", 224)
    pictures = _pictures(3)
    grey = torch.from_numpy(pictures).unsqueeze(1).float() / 255
    grey = torch.nn.functional.interpolate(grey, size=(224, 224), mode="bilinear", antialias=True)
    colour.fc = torch.nn.Identity()
    with torch.inference_mode():
        expected = colour.eval()(((grey - 0.449) / 0.226).expand(-1, 3, -1, -1)).numpy()
    assert np.allclose(encoder.encode(pictures), expected, rtol=1e-3, atol=1e-3)


def test_torchvisions_imagenet_weights_are_loaded_by_its_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    state = resnet18(weights=None).state_dict()
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(state, cache / "resnet18-f37072fd.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    encoder = load_encoder("imagenet", "fp32")
    backbone = build_backbone()
    backbone.load_state_dict(fold_colour_channels(state))
    config = EncoderConfig("imagenet", "supervised", 224, 0.449, 0.226)
    same = Encoder(backbone.eval(), config, encoder.sha256, "fp32")
    assert np.array_equal(encoder.encode(_pictures(2)), same.encode(_pictures(2)))


def test_the_shipped_encoder_loads_and_sees_a_difference() -> None:
    assert "simclr" in shipped_encoders()
    encoder = load_encoder()
    blank = np.zeros((1, 256, 256), np.uint8)
    vectors = encoder.encode(np.concatenate([blank, _pictures(1)]))
    assert np.isfinite(vectors).all()
    assert not np.allclose(vectors[0], vectors[1], atol=1e-2)


def test_the_name_of_weights_is_the_same_in_any_file(encoder_file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(encoder_file.read_bytes())
    assert load_encoder(str(copy)).sha256 == load_encoder(str(encoder_file)).sha256


@pytest.mark.parametrize("content", [b"", b"\x80\x02}q\x00.", b"\xff" * 100])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.safetensors").write_bytes(content)
    with pytest.raises(EncoderError) as caught:
        load_encoder(str(tmp_path / "bad.safetensors"))
    assert caught.value.reason == "encoder-unreadable"


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "other.safetensors")
    with pytest.raises(EncoderError, match="ResNet18"):
        load_encoder(str(tmp_path / "other.safetensors"))


def test_an_unknown_encoder_and_precision_say_what_to_choose() -> None:
    with pytest.raises(EncoderError, match="simclr"):
        load_encoder("no-such-encoder")
    with pytest.raises(UsageError, match="bf16"):
        load_encoder("simclr", "fp8")
