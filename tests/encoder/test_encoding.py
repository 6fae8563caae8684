"""Encoders: where weights come from, and what a vector may depend on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18

from embedkit.encoder import EncoderConfig, ResNetEncoder, encoding, load_encoder, save_encoder
from embedkit.encoder.encoding import PRECISIONS, _computes, _runs_openvino
from embedkit.encoder.network import build_backbone
from embedkit.encoder.weights import read_encoder, shipped_encoders
from embedkit.errors import EncoderError, UsageError
from embedkit.image import clean

CONFIG = EncoderConfig(name="tiny", method="random", input_size=64, mean=0.25, std=0.25)


def _pictures(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 256, 256), dtype=np.uint8)


@pytest.fixture
def encoder_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_encoder(tmp_path / "tiny.safetensors", build_backbone(), CONFIG)
    return tmp_path / "tiny.safetensors"


@pytest.fixture(params=["openvino", "torch-cpu"])
def runtime(request: pytest.FixtureRequest) -> str:
    if request.param == "openvino" and not _runs_openvino():
        pytest.skip("OpenVINO is used on x86-64 Linux")
    return str(request.param)


def _precisions(runtime: str) -> list[str]:
    return [precision for precision in PRECISIONS if _computes(runtime, precision)]


def _cosines(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    return (some * others).sum(1) / np.linalg.norm(some, axis=1) / np.linalg.norm(others, axis=1)


@pytest.mark.slow
def test_a_vector_does_not_depend_on_its_batch(encoder_file: Path, runtime: str) -> None:
    pictures = _pictures(37)
    for precision in _precisions(runtime):
        encoder = load_encoder(str(encoder_file), precision, runtime)
        assert (encoder.runtime, encoder.precision) == (runtime, precision)
        together = encoder.encode(pictures)
        assert together.shape == (37, 512)
        assert together.dtype == np.float32
        assert np.array_equal(encoder.encode(pictures[::-1])[::-1], together)
        assert np.array_equal(encoder.encode(pictures[35:36])[0], together[35])
        again = load_encoder(str(encoder_file), precision, runtime)
        assert np.array_equal(again.encode(pictures[:3]), together[:3])
    assert load_encoder(str(encoder_file), runtime=runtime).encode(pictures[:0]).shape == (0, 512)


@pytest.mark.slow
@pytest.mark.parametrize("input_size", [64, 72])
def test_runtimes_and_precisions_agree(encoder_file: Path, runtime: str, input_size: int) -> None:
    weights = read_encoder(str(encoder_file))
    weights = replace(weights, config=replace(weights.config, input_size=input_size))
    exact = ResNetEncoder(weights, "torch-cpu", "fp32").encode(_pictures(4))
    for precision in _precisions(runtime):
        assert _cosines(exact, ResNetEncoder(weights, runtime, precision).encode(_pictures(4))).min() > 0.999


def test_the_shipped_encoder_agrees_with_fp32_on_each_real_picture(real_data: Path, runtime: str) -> None:
    files = sorted((real_data / "fracatlas").glob("*.jpg"))[::80]
    pictures = np.stack([clean(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)) for file in files])
    exact = load_encoder("simclr", "fp32", "torch-cpu").encode(pictures)
    for precision in _precisions(runtime):
        assert _cosines(exact, load_encoder("simclr", precision, runtime).encode(pictures)).min() > 0.999


@pytest.mark.slow
def test_encoding_needs_no_torch() -> None:
    if not _runs_openvino():
        pytest.skip("OpenVINO is used on x86-64 Linux")
    code = (
        "import sys, numpy; from embedkit.encoder import load_encoder; "
        "load_encoder(runtime='openvino').encode(numpy.zeros((1, 256, 256), numpy.uint8)); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert encoder.config == EncoderConfig("imagenet", "supervised", 224, 0.449, 0.226)
    save_file(state, tmp_path / "same.safetensors")
    same = load_encoder(str(tmp_path / "same.safetensors"), "fp32")
    assert encoder.digest == same.digest
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
    assert load_encoder(str(copy)).digest == load_encoder(str(encoder_file)).digest


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


def test_weights_that_numpy_does_not_have_are_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(64, 1, 7, 7, dtype=torch.bfloat16)}, tmp_path / "half.safetensors")
    with pytest.raises(EncoderError, match="float32"):
        load_encoder(str(tmp_path / "half.safetensors"))


@pytest.mark.slow
def test_what_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_processor", lambda: {"vendor_id": {"GenuineIntel"}, "flags": {"avx2"}})
    monkeypatch.setattr(encoding, "_has_gpu", lambda: False)
    assert load_encoder(runtime="openvino").precision == "fp32"
    with pytest.raises(UsageError, match="fp32"):
        load_encoder(precision="bf16", runtime="openvino")
    with pytest.raises(UsageError, match="fp32"):
        load_encoder(precision="int8", runtime="openvino")
    with pytest.raises(UsageError, match="fp32"):
        load_encoder(precision="int8-bf16", runtime="torch-cpu")
    with pytest.raises(UsageError, match="no GPU"):
        load_encoder(runtime="torch-cuda")
    monkeypatch.setattr(encoding, "_runs_openvino", lambda: False)
    assert load_encoder().runtime == "torch-cpu"
    with pytest.raises(UsageError, match="torch-cpu"):
        load_encoder(runtime="openvino")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vendor", "flags", "openvino", "torch_cpu"),
    [
        ("GenuineIntel", {"avx512_bf16", "amx_bf16", "avx512_vnni"}, "bf16", "bf16"),
        ("GenuineIntel", {"avx512_bf16", "avx512_vnni"}, "int8", "fp32"),
        ("GenuineIntel", {"avx2", "avx_vnni"}, "int8", "fp32"),
        ("AuthenticAMD", {"avx512_bf16", "avx512_vnni"}, "int8-bf16", "bf16"),
        ("AuthenticAMD", {"avx2", "avx_vnni"}, "int8", "fp32"),
        ("AuthenticAMD", {"avx512f"}, "fp32", "fp32"),
    ],
)
def test_the_precision_is_the_fastest(
    monkeypatch: pytest.MonkeyPatch, vendor: str, flags: set[str], openvino: str, torch_cpu: str
) -> None:
    monkeypatch.setattr(encoding, "_processor", lambda: {"vendor_id": {vendor}, "flags": flags})
    monkeypatch.setattr(encoding, "_runs_openvino", lambda: True)
    assert load_encoder(runtime="openvino").precision == openvino
    assert load_encoder(runtime="torch-cpu").precision == torch_cpu


def test_an_unknown_encoder_runtime_and_precision_say_what_to_choose() -> None:
    with pytest.raises(EncoderError, match="simclr"):
        load_encoder("no-such-encoder")
    with pytest.raises(UsageError, match="bf16"):
        load_encoder("simclr", "fp8")
    with pytest.raises(UsageError, match="openvino"):
        load_encoder("simclr", runtime="tensorflow")
