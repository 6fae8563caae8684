"""Pretraining: it learns, it resumes to the same weights, and it survives being cut off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from embedkit.encoder import PretrainingSettings, PretrainingStep, pretrain_simclr
from embedkit.encoder.augmentation import HEAD_TRAINING
from embedkit.errors import UsageError

SETTINGS = PretrainingSettings(epochs=3, batch_size=8, view_size=32, learning_rate=1e-3)


def _pictures(n: int = 20) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (n, 8, 8), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    class CutError(Exception):
        pass

    def cut_in_second_epoch(step: PretrainingStep) -> None:
        if step.done == 3:
            raise CutError

    unbroken = pretrain_simclr(_pictures(), SETTINGS, tmp_path / "unbroken.ckpt")
    with pytest.raises(CutError):
        pretrain_simclr(_pictures(), SETTINGS, tmp_path / "broken.ckpt", cut_in_second_epoch)
    steps: list[PretrainingStep] = []
    resumed = pretrain_simclr(_pictures(), SETTINGS, tmp_path / "broken.ckpt", steps.append)
    assert steps[0].epoch == 1, "the first epoch was kept"
    for name, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_other_settings_start_anew(tmp_path: Path) -> None:
    pretrain_simclr(_pictures(), SETTINGS, tmp_path / "run.ckpt")
    steps: list[PretrainingStep] = []
    pretrain_simclr(_pictures(), replace(SETTINGS, temperature=0.2), tmp_path / "run.ckpt", steps.append)
    assert len(steps) == 6


def test_views_of_one_picture_come_to_lie_together(tmp_path: Path) -> None:
    losses: list[float] = []
    settings = replace(SETTINGS, epochs=20, temperature=0.2, augmentation=HEAD_TRAINING)
    pretrain_simclr(_pictures(), settings, tmp_path / "run.ckpt", lambda step: losses.append(step.loss))
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.3


def test_too_few_pictures_say_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="8"):
        pretrain_simclr(_pictures(4), SETTINGS, tmp_path / "run.ckpt")
