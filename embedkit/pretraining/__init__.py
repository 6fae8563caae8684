"""The room where encoders are trained: SimCLR, BYOL and SupCon on the pictures of an index (docs/pretraining.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.lazy import import_on_use

if TYPE_CHECKING:
    from embedkit.pretraining.augmentation import HEAD_TRAINING, PRETRAINING, Augmentation
    from embedkit.pretraining.gauges import Gauges, draw_gauges, read_gauges
    from embedkit.pretraining.methods import METHODS, NEED_REGIONS, Method
    from embedkit.pretraining.monitoring import PretrainingStep, TensorBoardLog
    from embedkit.pretraining.processes import Processes, join_processes, own_rank
    from embedkit.pretraining.training import Pretrained, PretrainingSettings, pretrain
    from embedkit.pretraining.training_set import TrainingSet

_MODULES = {
    "Augmentation": "augmentation",
    "Gauges": "gauges",
    "HEAD_TRAINING": "augmentation",
    "METHODS": "methods",
    "Method": "methods",
    "NEED_REGIONS": "methods",
    "PRETRAINING": "augmentation",
    "Pretrained": "training",
    "PretrainingSettings": "training",
    "PretrainingStep": "monitoring",
    "Processes": "processes",
    "TensorBoardLog": "monitoring",
    "TrainingSet": "training_set",
    "draw_gauges": "gauges",
    "join_processes": "processes",
    "own_rank": "processes",
    "pretrain": "training",
    "read_gauges": "gauges",
}

__all__ = [
    "HEAD_TRAINING",
    "METHODS",
    "NEED_REGIONS",
    "PRETRAINING",
    "Augmentation",
    "Gauges",
    "Method",
    "Pretrained",
    "PretrainingSettings",
    "PretrainingStep",
    "Processes",
    "TensorBoardLog",
    "TrainingSet",
    "draw_gauges",
    "join_processes",
    "own_rank",
    "pretrain",
    "read_gauges",
]

__getattr__ = import_on_use(__name__, _MODULES)  # torch takes 1.5 s
