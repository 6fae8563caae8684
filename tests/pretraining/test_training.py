"""Pretraining: every method learns, resumes to the same weights, and survives being cut off."""

from __future__ import annotations

import copy
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from embedkit.encoder import save_encoder
from embedkit.encoder.network import build_backbone
from embedkit.encoder.tensor_files import write_tensors
from embedkit.errors import EmbedkitError
from embedkit.pretraining import Pretrained, PretrainingStep, TrainingSet, pretrain
from embedkit.pretraining import training as pretraining
from embedkit.pretraining.augmentation import HEAD_TRAINING
from embedkit.pretraining.methods import METHODS, build_method

from .training_process import SETTINGS, make_set

pytestmark = pytest.mark.slow


def _same(one: Pretrained, other: Pretrained) -> bool:
    state = other.method.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.method.state_dict().items())


class CutError(Exception):
    pass


def _cut_at(step: int):  # type: ignore[no-untyped-def]
    def cut(now: PretrainingStep) -> None:
        if now.done == step:
            raise CutError

    return cut


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path: Path, method: str) -> None:
    settings = replace(SETTINGS, method=method)
    unbroken = pretrain(make_set(), settings, tmp_path / "unbroken.ckpt")
    with pytest.raises(CutError):
        pretrain(make_set(), settings, tmp_path / "broken.ckpt", on_step=_cut_at(3))
    steps: list[PretrainingStep] = []
    resumed = pretrain(make_set(), settings, tmp_path / "broken.ckpt", on_step=steps.append)
    assert [step.done for step in steps] == [3, 4, 5, 6], "the first epoch was kept"
    assert _same(unbroken, resumed)


def test_a_checkpoint_amid_an_epoch_is_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unbroken = pretrain(make_set(), SETTINGS, tmp_path / "unbroken.ckpt")
    monkeypatch.setattr(pretraining, "_SAVE_EVERY_S", 0.0)
    with pytest.raises(CutError):
        pretrain(make_set(), SETTINGS, tmp_path / "broken.ckpt", on_step=_cut_at(3))
    steps: list[PretrainingStep] = []
    resumed = pretrain(make_set(), SETTINGS, tmp_path / "broken.ckpt", on_step=steps.append)
    assert [step.done for step in steps] == [4, 5, 6]
    assert _same(unbroken, resumed)


def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    path.write_bytes(b"earlier")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(EmbedkitError) as caught:
            write_tensors(path, {"weights": torch.zeros(10_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert caught.value.reason == "encoder-unwritable"
    assert [file.name for file in tmp_path.iterdir()] == ["run.ckpt"]
    assert path.read_bytes() == b"earlier"


def test_a_killed_process_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    checkpoint = tmp_path / "killed.ckpt"
    script = Path(__file__).with_name("training_process.py")
    process = subprocess.Popen([sys.executable, script, "run", checkpoint])
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    resumed = pretrain(make_set(), SETTINGS, checkpoint)
    assert _same(resumed, pretrain(make_set(), SETTINGS, tmp_path / "unbroken.ckpt"))


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_falls(tmp_path: Path, method: str) -> None:
    losses: list[float] = []
    settings = replace(SETTINGS, method=method, epochs=8, augmentation=HEAD_TRAINING)
    pretrain(make_set(), settings, tmp_path / "run.ckpt", on_step=lambda step: losses.append(step.loss))
    assert np.mean(losses[-4:]) < np.mean(losses[:4]) - 0.05


def test_the_online_accuracy_sees_that_it_learned(tmp_path: Path) -> None:
    steps: list[PretrainingStep] = []
    settings = replace(SETTINGS, method="supcon", epochs=4, augmentation=HEAD_TRAINING)
    pretrain(make_set(40), settings, tmp_path / "run.ckpt", on_step=steps.append)
    seen = [step.accuracy for step in steps if step.accuracy is not None]
    assert len(seen) == 4
    assert seen[-1] == 1


def test_measuring_and_prefetching_change_nothing(tmp_path: Path) -> None:
    labelled = make_set()
    blind = replace(labelled, codes=np.full(20, -1, np.int64))
    assert _same(pretrain(labelled, SETTINGS, tmp_path / "a.ckpt"), pretrain(blind, SETTINGS, tmp_path / "b.ckpt"))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"temperature": 0.5}, "temperature"), ({"epochs": 4}, "epochs"), ({"method": "supcon"}, "method")],
)
def test_a_checkpoint_of_other_settings_is_named_and_not_overwritten(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    path = tmp_path / "run.ckpt"
    pretrain(make_set(), SETTINGS, path)
    before = path.read_bytes()
    with pytest.raises(EmbedkitError, match=named) as caught:
        pretrain(make_set(), replace(SETTINGS, **change), path)
    assert caught.value.reason == "checkpoint-of-another-run"
    with pytest.raises(EmbedkitError, match="pictures"):
        pretrain(replace(make_set(), sha256="other"), SETTINGS, path)
    assert path.read_bytes() == before


def test_a_damaged_checkpoint_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(EmbedkitError) as caught:
        pretrain(make_set(), SETTINGS, tmp_path / "run.ckpt")
    assert caught.value.reason == "checkpoint-unreadable"


def test_a_start_is_taken_up_with_its_grey_levels(tmp_path: Path) -> None:
    first = pretrain(make_set(), SETTINGS, tmp_path / "first.ckpt")
    config = replace(first.config, name="first", mean=0.4, std=0.2)
    save_encoder(tmp_path / "first.safetensors", first.method.backbone, config)
    still = replace(SETTINGS, start=str(tmp_path / "first.safetensors"), learning_rate=0.0, weight_decay=0.0)
    for method in ("simclr", "byol"):
        second = pretrain(make_set(), replace(still, method=method), tmp_path / f"{method}.ckpt")
        assert (second.config.method, second.config.mean, second.config.std) == (method, 0.4, 0.2)
        assert torch.equal(second.method.backbone.conv1.weight, first.method.backbone.conv1.weight)


def test_byols_target_never_gets_a_gradient_and_follows_slowly(tmp_path: Path) -> None:
    method = build_method("byol", build_backbone(), 0.5, 0.99, 0)
    before = [p.clone() for p in method.target_network.parameters()]
    views = torch.rand(2, 4, 1, 32, 32)
    outputs = torch.stack([method(view) for view in views])
    targets = torch.stack([method.target(view) for view in views])
    assert not targets.requires_grad
    method.loss(outputs, targets, torch.full((4,), -1)).backward()
    assert all(p.grad is None for p in method.target_network.parameters())
    assert all(p.grad is not None for p in [*method.backbone.parameters(), *method.head.parameters()])
    online = [*method.backbone.parameters(), *method.head[0].parameters()]
    with torch.no_grad():
        torch._foreach_add_(online, 1.0)
    method.after_step(0.0)
    for old, new, fast in zip(before, method.target_network.parameters(), online, strict=True):
        assert torch.allclose(new, 0.99 * old + 0.01 * fast, atol=1e-6)
    method.after_step(1.0)
    for old, new, fast in zip(before, method.target_network.parameters(), online, strict=True):
        assert torch.allclose(new, 0.99 * old + 0.01 * fast, atol=1e-6), "at the end it stands still"


def test_supcon_takes_pictures_without_a_region_as_their_own_positives(tmp_path: Path) -> None:
    method = build_method("supcon", build_backbone(), 0.5, 0.99, 2)
    pretext = build_method("simclr", build_backbone(), 0.5, 0.99, 0)
    outputs = torch.randn(2, 5, 16)
    unknown = torch.full((5,), -1)
    assert torch.allclose(method.loss(outputs, outputs, unknown), pretext.loss(outputs, outputs, unknown))
    assert not torch.allclose(
        method.loss(outputs, outputs, torch.tensor([0, 0, 1, 1, -1])), pretext.loss(outputs, outputs, unknown)
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"batch_size": 21}, "too-few-pictures"),
        ({"method": "dino"}, "unknown-method"),
        ({"precision": "fp8"}, "bad-precision"),
        ({"start": "no-such-encoder"}, "encoder-not-found"),
    ],
)
def test_what_cannot_be_done_says_why(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    with pytest.raises(EmbedkitError) as caught:
        pretrain(make_set(), replace(SETTINGS, **change), tmp_path / "run.ckpt")
    assert caught.value.reason == reason


@pytest.mark.parametrize("method", ["supcon", "supervised"])
def test_methods_that_need_regions_say_so(tmp_path: Path, method: str) -> None:
    blind = TrainingSet.unlabelled(make_set().pictures)
    with pytest.raises(EmbedkitError, match="region"):
        pretrain(blind, replace(SETTINGS, method=method), tmp_path / "run.ckpt")


@pytest.mark.parametrize("method", METHODS)
def test_the_layout_in_memory_changes_no_output(method: str) -> None:
    torch.manual_seed(0)
    plain = build_method(method, build_backbone(), 0.5, 0.99, classes=3).eval()
    laid_out = pretraining._lay_out(copy.deepcopy(plain), torch.device("cpu"))
    views = torch.randn(4, 1, 64, 64)
    for forward in ("forward", "target"):
        expected, found = (getattr(of, forward)(views) for of in (plain, laid_out))
        assert torch.allclose(found, expected, atol=1e-4)
