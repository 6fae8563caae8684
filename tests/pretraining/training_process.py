"""A training in a process of its own, to be killed, or to be one of two that torchrun starts.

python training_process.py run CHECKPOINT        pretrain; sleeps before its fifth step is over
torchrun ... training_process.py step FOLDER     the loss and the gradients of one step, in FOLDER/RANK.safetensors
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from embedkit.pretraining import METHODS, PretrainingSettings, TrainingSet, draw_gauges, join_processes, pretrain
from embedkit.pretraining.processes import Processes
from embedkit.pretraining.training import _Training

SETTINGS = PretrainingSettings(epochs=3, batch_size=8, view_size=32, learning_rate=1e-3, temperature=0.2)


def make_set(n: int = 20) -> TrainingSet:
    """Coarse noise of two regions, one dark and one bright, four pictures a patient."""
    codes = np.arange(n, dtype=np.int64) % 2
    coarse = np.random.default_rng(0).integers(0, 128, (n, 8, 8)) + 100 * codes[:, None, None]
    pictures = coarse.astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    return TrainingSet(pictures, codes, np.arange(n, dtype=np.int64) // 4, ("dark", "bright"), "noise")


def first_step(method: str, chunk: int, processes: Processes) -> dict[str, torch.Tensor]:
    """The loss and the gradients of a first step in fp32."""
    settings = replace(SETTINGS, method=method, chunk=chunk, precision="fp32")
    training = _Training(make_set(), settings, Path("none"), draw_gauges(), processes)
    training.method.train()
    loss = training.train(training.read(0), 0.0)
    gradients = {name: p.grad.contiguous() for name, p in training.method.named_parameters() if p.grad is not None}
    return {"loss": torch.tensor(loss), **gradients}


def _sleep(step: object) -> None:
    if getattr(step, "done", 0) == 5:
        time.sleep(60)


if __name__ == "__main__":
    mode, place = sys.argv[1], Path(sys.argv[2])
    if mode == "run":
        pretrain(make_set(), SETTINGS, place, on_step=_sleep)
    else:
        torch.set_num_threads(1)  # two processes on few cores
        with join_processes() as processes:
            found = {
                f"{method}.{name}": value
                for method in METHODS
                for name, value in first_step(method, 4, processes).items()
            }
        save_file(found, place / f"{processes.rank}.safetensors")
