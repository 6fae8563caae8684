"""Encoder files from anybody: what cannot be an encoder is refused in one line that says why, before it is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from embedkit.encoder import EncoderConfig, save_encoder, shipped_encoders
from embedkit.encoder.architecture import weight_shapes
from embedkit.encoder.network import build_backbone
from embedkit.encoder.weights import read_encoder
from embedkit.errors import EncoderError
from embedkit.pretraining.checkpoint import load_checkpoint, save_checkpoint, write_tensors

RIGHT = asdict(EncoderConfig("tiny", "simclr", 144, 0.25, 0.25))
STATE = {name: np.ones(shape, np.float16) for name, shape in weight_shapes().items()}
CONFIGS = [
    *(
        {"name": name}
        for name in (7, None, "", " ", "Upper", "a/b", "../up", "a\nb", "images", "a" * 65, ["a"], {}, "ä")
    ),
    *({"method": method} for method in (7, None, ["simclr"])),
    *({"input_size": size} for size in (0, -1, 31, 1 << 20, 10**30, 1.5, 144.0, "144", None, True, [144])),
    *(
        {"mean": mean}
        for mean in (float("nan"), float("inf"), -float("inf"), -0.1, 1.1, 63.75, "0.2", None, True, [0.2])
    ),
    *({"std": std} for std in (float("nan"), float("inf"), 0, 0.0, -0.25, 1e-30, 1.5, 63.75, "0.2", None, True)),
    *({"views": views} for views in (0, 1, "false", None, [])),
    {"of another version": 1},
]
TEXTS = ["", "{", "null", "7", '"text"', "[]", "[[1]]", "{}", "[" * 100_000, '{"name":' * 50_000, "9" * 5000, "\x00"]


def write(folder: Path, text: str, **weights: np.ndarray) -> str:
    path = folder / "odd.safetensors"
    save_file(STATE | weights, path, metadata={"embedkit.encoder": text})
    return str(path)


def refused(source: str) -> str:
    with pytest.raises(EncoderError) as caught:
        read_encoder(source)
    assert caught.value.reason == "encoder-unreadable"
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("change", CONFIGS, ids=lambda change: str(change)[:40])
def test_a_config_that_no_encoder_has_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    said = refused(write(tmp_path, json.dumps(RIGHT | change)))
    assert "odd.safetensors" in said
    assert "version" in said or next(iter(change)) in said


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:8])
def test_a_config_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    assert "config" in refused(write(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("layer1.0.conv1.weight", lambda value: value.astype(np.int8)),
        ("layer1.0.conv1.weight", lambda value: value.astype(bool)),
        ("layer1.0.conv1.weight", lambda value: value.astype(np.float64) * 1e300),
        ("layer1.0.conv1.weight", lambda value: value * np.float16(np.nan)),
        ("conv1.weight", lambda value: value.astype(np.int64)),
        ("conv1.weight", lambda value: value * np.float16(np.inf)),
        ("conv1.weight", lambda value: value[:, :, :6]),
        ("conv1.weight", lambda value: value.ravel()),
        ("bn1.bias", lambda value: value * np.float16(-np.inf)),
        ("bn1.running_var", lambda value: -value),
        ("bn1.running_mean", lambda value: value[:3]),
        ("layer9.weight", lambda value: value),
    ],
)
def test_weights_that_no_encoder_has_are_refused(
    tmp_path: Path, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    changed = change(STATE.get(name, STATE["bn1.weight"]))
    assert "weights" in refused(write(tmp_path, json.dumps(RIGHT), **{name: changed}))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"name": "a"},
        {"name": "s-1_x", "method": ""},
        {"input_size": 32},
        {"input_size": 256},
        {"mean": 0, "std": 1},
    ],
)
def test_what_an_encoder_may_be_is_read(tmp_path: Path, change: dict[str, Any]) -> None:
    assert asdict(read_encoder(write(tmp_path, json.dumps(RIGHT | change))).config) == RIGHT | change


def test_every_encoder_that_we_make_is_read(tmp_path: Path) -> None:
    for name in shipped_encoders():
        assert read_encoder(name).config.name == name
    save_encoder(tmp_path / "made.safetensors", build_backbone(), EncoderConfig(**RIGHT))
    assert asdict(read_encoder(str(tmp_path / "made.safetensors")).config) == RIGHT


def spoilt_checkpoints() -> list[tuple[dict[str, str], dict[str, torch.Tensor]]]:
    same = {"done": "3", "identity": '{"a": 1}'}
    return [
        ({}, {}),
        *((same | {"done": done}, {}) for done in ("", "x", "-1", "1.5", "9" * 5000)),
        *((same | {"identity": text}, {}) for text in ("", "[]", "7", "null", "[" * 100_000)),
        (same, {}),  # without weights
        (same, {"model.weight": torch.zeros(3, 3), "model.bias": torch.zeros(2)}),
        (same, {"optimizer.7.step": torch.zeros(())} | RIGHT_MODEL),
        (same, {"optimizer.x.step": torch.zeros(())} | RIGHT_MODEL),
        (same, {"optimizer.step": torch.zeros(())} | RIGHT_MODEL),
    ]


RIGHT_MODEL = {"model.weight": torch.zeros(2, 3), "model.bias": torch.zeros(2)}


@pytest.mark.parametrize("spoilt", spoilt_checkpoints(), ids=lambda spoilt: str(spoilt)[:50])
def test_a_checkpoint_that_is_none_is_refused(
    tmp_path: Path, spoilt: tuple[dict[str, str], dict[str, torch.Tensor]]
) -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    path = tmp_path / "checkpoint"
    write_tensors(path, {"nothing": torch.zeros(1)} | spoilt[1], spoilt[0])
    with pytest.raises(EncoderError) as caught:
        load_checkpoint(path, model, optimizer, {"a": 1})
    assert caught.value.reason == "checkpoint-unreadable"
    save_checkpoint(path, model, optimizer, 3, {"a": 1})
    assert load_checkpoint(path, model, optimizer, {"a": 1}) == 3
