"""Encoders: from pictures to 512-d vectors, and their pretraining."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.lazy import import_on_use

if TYPE_CHECKING:
    from embedkit.encoder.augmentation import HEAD_TRAINING, PRETRAINING, Augmentation
    from embedkit.encoder.encoding import Encoder, load_encoder
    from embedkit.encoder.gauges import Gauges, draw_gauges, read_gauges
    from embedkit.encoder.methods import METHODS, NEED_REGIONS, Method
    from embedkit.encoder.monitoring import PretrainingStep, TensorBoardLog
    from embedkit.encoder.pretraining import Pretrained, PretrainingSettings, pretrain
    from embedkit.encoder.processes import Processes, join_processes, own_rank
    from embedkit.encoder.training_set import TrainingSet
    from embedkit.encoder.weights import STARTER, EncoderConfig, save_encoder, shipped_encoders

_MODULES = {
    "Augmentation": "augmentation",
    "Encoder": "encoding",
    "EncoderConfig": "weights",
    "Gauges": "gauges",
    "HEAD_TRAINING": "augmentation",
    "METHODS": "methods",
    "Method": "methods",
    "NEED_REGIONS": "methods",
    "PRETRAINING": "augmentation",
    "Pretrained": "pretraining",
    "PretrainingSettings": "pretraining",
    "PretrainingStep": "monitoring",
    "Processes": "processes",
    "STARTER": "weights",
    "TensorBoardLog": "monitoring",
    "TrainingSet": "training_set",
    "draw_gauges": "gauges",
    "join_processes": "processes",
    "load_encoder": "encoding",
    "own_rank": "processes",
    "pretrain": "pretraining",
    "read_gauges": "gauges",
    "save_encoder": "weights",
    "shipped_encoders": "weights",
}

__all__ = [
    "HEAD_TRAINING",
    "METHODS",
    "NEED_REGIONS",
    "PRETRAINING",
    "STARTER",
    "Augmentation",
    "Encoder",
    "EncoderConfig",
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
    "load_encoder",
    "own_rank",
    "pretrain",
    "read_gauges",
    "save_encoder",
    "shipped_encoders",
]

__getattr__ = import_on_use(__name__, _MODULES)  # torch takes 1.5 s
