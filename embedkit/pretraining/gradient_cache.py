"""Gradients of a loss over a large batch with the activations of a small part of it in memory (arXiv 2101.06983).

A contrastive loss compares all outputs of a batch, but it reaches the network only through the gradient of each output.
So the outputs are computed without a graph, the loss gives their gradients, and then each chunk is computed once more,
with its graph, and its gradients are passed on. This costs a second forward pass and gives the same gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def backpropagate(
    network: nn.Module, forward: Callable[[Tensor], Tensor], chunks: Sequence[Tensor], loss: Callable[[Tensor], Tensor]
) -> Tensor:
    """Add the gradients of ``loss(cat(forward(chunk) for chunk in chunks))`` to the network's parameters.

    Returns the loss, a scalar without gradient. BatchNorm takes the statistics of a chunk, as it takes those of a
    process's share in training on several: statistics of the whole batch would need all of it in memory. Its running
    statistics see each chunk once.
    """
    if len(chunks) == 1:
        outputs = forward(chunks[0])
    else:
        with torch.no_grad(), _still_statistics(network):
            outputs = torch.cat([forward(chunk) for chunk in chunks])
    cached = outputs.detach().requires_grad_()
    value = loss(cached)
    (gradient,) = torch.autograd.grad(value, cached)
    if len(chunks) == 1:
        outputs.backward(gradient)  # type: ignore[no-untyped-call]
    else:
        for chunk, part in zip(chunks, torch.split(gradient, [len(chunk) for chunk in chunks]), strict=True):
            forward(chunk).backward(part)  # type: ignore[no-untyped-call]
    return value.detach()


@contextmanager
def _still_statistics(network: nn.Module) -> Iterator[None]:
    """Let BatchNorm normalise by the chunk, as in training, without moving its running statistics."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    tracked = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, was in zip(norms, tracked, strict=True):
            norm.track_running_stats = was
