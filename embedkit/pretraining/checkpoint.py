"""Training checkpoints as safetensors: weights, Adam's moments and the steps done, written by rename."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from embedkit.encoder.tensor_files import write_tensors
from embedkit.errors import EncoderError


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, done: int, identity: dict[str, Any]
) -> None:
    """Replace `path` by the state after `done` steps; a crash leaves the earlier one.

    `identity` is what must be the same for a run to go on from this state: anything that JSON can hold.
    """
    tensors: dict[str, Tensor] = {f"model.{name}": value.contiguous() for name, value in model.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{number}.{name}"] = value.contiguous()
    write_tensors(path, tensors, {"done": str(done), "identity": json.dumps(identity)})


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, identity: dict[str, Any]) -> int:
    """Restore `model` and `optimizer` from `path`; returns the steps done, 0 where there is no file.

    Raises EncoderError ``checkpoint-unreadable`` for a file that is no checkpoint, ``checkpoint-of-another-run``
    where its identity is another.
    """
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            done, written = int(metadata["done"]), json.loads(metadata["identity"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if not isinstance(written, dict) or done < 0:
            raise ValueError("it does not say of which run it is")
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise _no_checkpoint(path) from error
    wanted = json.loads(json.dumps(identity))
    if written != wanted:
        other = ", ".join(name.replace("_", " ") for name in wanted if written.get(name) != wanted[name])
        message = f"{path} is of a run with another {other}: delete it to start anew, or give what was given then"
        raise EncoderError("checkpoint-of-another-run", message)
    try:
        _restore(model, optimizer, tensors)
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise _no_checkpoint(path) from error
    return done


def _no_checkpoint(path: Path) -> EncoderError:
    return EncoderError("checkpoint-unreadable", f"{path} is no checkpoint of this version: delete it to start anew")


def _restore(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = optimizer.state_dict()
    state["state"] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, moment = name.split(".")
            state["state"].setdefault(int(number), {})[moment] = _laid_out_as(parameters[int(number)], value)
    optimizer.load_state_dict(state)


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """In the memory order of its weights: fused Adam walks both side by side, whatever their strides."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
