"""The losses of pretraining. All take unnormalised outputs and compute in float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """The normalised temperature-scaled cross entropy of SimCLR (arXiv 2002.05709, equation 1).

    `first` and `second`, float (B, D), hold the projections of two views of the same B pictures. Each of the 2B
    views must find its partner among the other 2B - 1. Returns the mean, a scalar.
    """
    similarity = _similarity(torch.cat([first, second]), temperature)
    batch = len(first)
    partner = torch.arange(2 * batch, device=similarity.device).roll(batch)
    return functional.cross_entropy(similarity, partner)


def sup_con(views: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss (arXiv 2004.11362, equation 2): all other views of its class are a view's positives.

    `views`, float (V, D); `classes`, int (V,). Returns the mean over the views that have a positive; 0 where none has.
    """
    similarity = _similarity(views, temperature)
    positive = classes.unsqueeze(0) == classes.unsqueeze(1)
    positive.fill_diagonal_(False)
    log_share = similarity.log_softmax(dim=1).masked_fill(~positive, 0)  # -inf on the diagonal goes, too
    count = positive.sum(dim=1)
    of_view = -log_share.sum(dim=1) / count.clamp(min=1)
    return of_view.sum() / (count > 0).sum().clamp(min=1)


def regression(predictions: Tensor, targets: Tensor) -> Tensor:
    """BYOL's squared distance of unit vectors (arXiv 2006.07733, equation 2): 2 - 2 cos, the mean over rows (B, D)."""
    return 2 - 2 * functional.cosine_similarity(predictions.float(), targets.float(), dim=-1).mean()


def _similarity(views: Tensor, temperature: float) -> Tensor:
    """Cosines (V, V) over the temperature; -inf of a view with itself, so that it is no candidate."""
    unit = functional.normalize(views.float(), dim=1)
    return (unit @ unit.T / temperature).fill_diagonal_(float("-inf"))
