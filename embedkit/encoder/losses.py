"""Contrastive losses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """The normalised temperature-scaled cross entropy of SimCLR (arXiv 2002.05709, equation 1).

    `first` and `second`, float (B, D), hold the projections of two views of the same B pictures. Each of the 2B
    views must find its partner among the other 2B - 1. Returns the mean, a scalar.
    """
    views = functional.normalize(torch.cat([first, second]).float(), dim=1)  # (2B, D)
    similarity = views @ views.T / temperature  # (2B, 2B)
    similarity.fill_diagonal_(float("-inf"))
    batch = len(first)
    partner = torch.arange(2 * batch, device=views.device).roll(batch)
    return functional.cross_entropy(similarity, partner)
